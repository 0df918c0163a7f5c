//! A good client: plans and applies a small state of its own, 20 times a second, and notes how long
//! each of its requests took.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::Res;
use crate::grow::fill::small;
use crate::process::Server;
use crate::report::median;
use crate::wire::Request;

/// What the locks of applies and of plans say.
pub(super) const APPLY: &str = "OperationTypeApply";
pub(super) const PLAN: &str = "OperationTypePlan";
/// How often it goes round in a second.
const EVERY: Duration = Duration::from_millis(50);
/// The number of its state in what tells states apart.
const ITS_STATE: usize = 999_999_999;

/// Locks a state.
pub(super) fn lock(path: &str, secret: &str, operation: &str) -> Request {
    let lock = json!({
        "ID": "grow", "Operation": operation, "Info": "", "Who": "bench@figures",
        "Version": "1.11.4", "Created": "2026-01-01T00:00:00Z", "Path": "",
    });
    let body = lock.to_string().into_bytes();
    Request::post(&format!("{path}/lock"), secret, body)
}

/// Releases it.
pub(super) fn unlock(path: &str, secret: &str) -> Request {
    let mut request = lock(path, secret, APPLY);
    let body = std::mem::take(&mut request.body);
    Request::new("UNLOCK", path, secret, body, crate::wire::Hashing::Before)
}

/// How long requests took.
pub(super) struct Waits {
    pub(super) requests: usize,
    pub(super) middle: f64,
    pub(super) longest: f64,
    /// Which request took longest.
    pub(super) which: &'static str,
}

/// Goes round until it is told to stop.
pub(super) fn go_round(server: &Server, block: &str, stop: &AtomicBool) -> Res<Waits> {
    let path = format!("/api/terraform/state/workspace/good/buildingblock/{block}");
    let secret = &server.secret;
    let write = format!("{path}?ID=grow");
    let mut connection = server.connect()?;
    let (mut waits, mut longest, mut which) = (Vec::new(), 0.0, "");
    let began = Instant::now();
    let (mut due, mut serial) = (Duration::ZERO, 1);
    connection.exchange(&Request::post(&path, secret, small(ITS_STATE, serial)))?;
    while !stop.load(Ordering::Relaxed) {
        serial += 1;
        let requests = [
            ("LOCK", lock(&path, secret, APPLY)),
            ("GET", Request::get(&path, secret)),
            (
                "POST",
                Request::post(&write, secret, small(ITS_STATE, serial)),
            ),
            ("UNLOCK", unlock(&path, secret)),
        ];
        for (name, request) in requests {
            let sent = Instant::now();
            connection.exchange(&request)?;
            let took = sent.elapsed().as_secs_f64() * 1e3;
            waits.push(took);
            if took > longest {
                (longest, which) = (took, name);
            }
        }
        due = began.elapsed().max(due + EVERY);
        std::thread::sleep(due.saturating_sub(began.elapsed()));
    }
    Ok(Waits {
        requests: waits.len(),
        middle: median(waits).unwrap_or(f64::NAN),
        longest,
        which,
    })
}
