//! What a credential costs: a warm one in process, and argon2 as rarely as promised and without
//! holding up others through the front door.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use statekeep::domain::auth::logins::WantedToken;
use statekeep::model::key::KeyId;
use statekeep::model::secret::{CredentialKind, Secret};

use crate::Res;
use crate::inside::{Inside, block_on, origin, time_after};
use crate::load::{self, Round, Times};
use crate::process::{Server, Sync};
use crate::report::{COUNT, MICROSECONDS, Report, Target};
use crate::wire::{Hashing, Request};
use crate::writer::Writer;

/// The most that a warm credential may cost a request in the middle, in microseconds.
const MOST: f64 = 50.0;
const CALLS: usize = 10_000;
/// How many calls follow a commit; each costs one.
const CALLS_AFTER_COMMITS: usize = 2_000;

const CLIENTS: usize = 16;
/// How many requests come with one secret, and how often argon2 may run for them.
const REQUESTS: usize = 1_000;
const MOST_RUNS: f64 = 1.0;

const PAIRS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);
/// How many times slower a read in the middle may be while argon2 runs.
const MOST_SLOWER: f64 = 3.0;
/// How many threads send wrong secrets: enough that one waits whenever another is answered.
const STRANGERS: u8 = 2;

pub(crate) fn run() -> Res<Report> {
    let mut report = Report::new("credential: what it costs to know who asks");
    block_on(inside(&mut report))?;
    let server = Server::start(Sync::Disk, &["--max-failures", "1000000"])?;
    one_run_for_all(&server, &mut report)?;
    beside_argon2(&server, &mut report)?;
    Ok(report)
}

/// Warm credentials in process.
async fn inside(report: &mut Report) -> Res<()> {
    let inside = Inside::open().await?;
    let Inside { domain, admin, .. } = &inside;
    let Some(CredentialKind::Key(id)) = admin.kind() else {
        return Err("a key whose secret names no key".into());
    };
    let issued = domain
        .logins()
        .login(&id.to_string(), admin, WantedToken::default(), origin())
        .await?;
    let token = issued.token.ok_or("a login without a token")?;
    for (name, secret) in [("a key's secret", admin), ("a token", &token)] {
        eprintln!("credential: {name}");
        let authenticate =
            async |origin| Ok(domain.logins().authenticate(Some(secret), origin).await?);
        let warm = time_after(CALLS, async |_| Ok(origin()), authenticate).await?;
        let fresh = time_after(
            CALLS_AFTER_COMMITS,
            async |_| inside.log_in().await.map(|()| origin()),
            authenticate,
        )
        .await?;
        show(report, &format!("{name}, warm"), &warm);
        show(
            report,
            &format!("{name}, warm, right after a commit of credentials"),
            &fresh,
        );
    }
    domain.close().await;
    Ok(())
}

fn show(report: &mut Report, name: &str, times: &Times) {
    let microseconds = |percent| times.percentile(percent).unwrap_or(f64::NAN) * 1e6;
    report.value(
        &format!("{name}: p50"),
        microseconds(50),
        MICROSECONDS,
        Target::AtMost(MOST),
    );
    report.value(
        &format!("{name}: p99"),
        microseconds(99),
        MICROSECONDS,
        Target::None,
    );
}

fn runs_of_argon2(server: &Server) -> Res<f64> {
    server.metrics()?.value("argon2_duration_seconds_count")
}

/// Many clients come at the same time with a secret that nobody has used yet.
fn one_run_for_all(server: &Server, report: &mut Report) -> Res<()> {
    eprintln!("credential: {REQUESTS} requests with one secret");
    let wanted = json!({ "name": "bench", "workspace": "bench", "role": "writer" })
        .to_string()
        .into_bytes();
    let mut connection = server.connect()?;
    let made = connection.ask(&Request::post("/api/keys", &server.secret, wanted))?;
    let made: Value = serde_json::from_slice(made.body)?;
    let secret = made
        .pointer("/secret")
        .and_then(Value::as_str)
        .ok_or("a key without a secret")?;
    let mut writer = Writer::new(&server.secret, "read", 1)?;
    connection.exchange(&writer.lock())?;
    connection.exchange(&writer.next(Hashing::Before))?;
    let request = Writer::new(secret, "read", 1)?.read();
    let before = runs_of_argon2(server)?;
    load::send_all(
        &server.process,
        &vec![vec![request; REQUESTS.div_ceil(CLIENTS)]; CLIENTS],
    )?;
    let runs = runs_of_argon2(server)? - before;
    report.value(
        &format!("runs of argon2 for {REQUESTS} requests with one secret"),
        runs,
        COUNT,
        Target::AtMost(MOST_RUNS),
    );
    Ok(())
}

/// Reads with a warm credential while argon2 runs for others without a pause, beside the same
/// without argon2.
fn beside_argon2(server: &Server, report: &mut Report) -> Res<()> {
    let Some(CredentialKind::Key(id)) = Secret::new(server.secret.clone()).kind() else {
        return Err("a key whose secret names no key".into());
    };
    let requests = vec![vec![Writer::new(&server.secret, "read", 1)?.read()]; CLIENTS];
    load::repeat(&server.process, &requests, ROUND / 2)?;
    let (mut beside, mut alone, mut runs) = (Vec::new(), Vec::new(), Vec::new());
    for pair in 1..=PAIRS {
        eprintln!("credential: while argon2 runs, pair {pair} of {PAIRS}");
        alone.push(load::repeat(&server.process, &requests, ROUND)?);
        let before = runs_of_argon2(server)?;
        let round = while_knocking(server, id, || {
            load::repeat(&server.process, &requests, ROUND)
        })?;
        runs.push((runs_of_argon2(server)? - before) / ROUND.as_secs_f64());
        beside.push(round);
    }
    report.measured("warm reads", CLIENTS, &alone);
    report.measured("warm reads while argon2 runs", CLIENTS, &beside);
    report.figure(
        "runs of argon2 a second meanwhile",
        runs,
        COUNT,
        Target::None,
    );
    let pairs: (&[Round], &[Round]) = (&beside, &alone);
    report.ratio(
        "p50 of warm reads, while argon2 runs / alone",
        pairs,
        |round| round.percentile(50),
        Target::AtMost(MOST_SLOWER),
    );
    report.ratio(
        "p99 of warm reads, while argon2 runs / alone",
        pairs,
        |round| round.percentile(99),
        Target::None,
    );
    Ok(())
}

/// Does something while others send wrong secrets of a key, each a new one.
fn while_knocking<T>(server: &Server, id: KeyId, work: impl FnOnce() -> Res<T>) -> Res<T> {
    let is_over = AtomicBool::new(false);
    let knock = |who: u8| -> Res<()> {
        let mut connection = server.connect()?;
        for number in 0_u64.. {
            if is_over.load(Ordering::Relaxed) {
                break;
            }
            let mut random = [who; 32];
            random[..8].copy_from_slice(&number.to_le_bytes());
            let wrong = Secret::for_key(id, random);
            let status = connection
                .ask(&Request::get("/api/status", wrong.reveal()))?
                .status;
            if status != 401 {
                return Err(format!("a wrong secret was answered with {status}").into());
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let strangers: Vec<_> = (0..STRANGERS)
            .map(|who| scope.spawn(move || knock(who)))
            .collect();
        let done = work();
        is_over.store(true, Ordering::Relaxed);
        for stranger in strangers {
            stranger.join().map_err(|_| "a client panicked")??;
        }
        done
    })
}
