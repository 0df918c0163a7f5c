//! How long a good client waits at most beside what others, and the server itself, may do. Each has
//! a quiet time of the same server right before it.

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::Res;
use crate::grow::fill::Size;
use crate::grow::good_client::{Waits, go_round};
use crate::grow::others::{self, Other};
use crate::process::{Server, as_text, directory};
use crate::report::Report;

/// For how long it is quiet, and how long others go on at least and at most.
const QUIET: Duration = Duration::from_secs(5);
const LEAST: Duration = Duration::from_secs(5);
const MOST: Duration = Duration::from_secs(40);
/// If this is set, only others whose names have it.
const ONLY: &str = "FIGURES_GROW_BESIDE";
/// The columns.
const HEAD: [&str; 8] = [
    "beside",
    "requests",
    "p50 ms, quiet",
    "p50 ms",
    "longest ms, quiet",
    "longest ms",
    "ratio",
    "which",
];

/// Takes them all, in copies of the largest directories: of states, of versions, of events.
pub(super) fn run(report: &mut Report, largest: [Size; 3]) -> Res<()> {
    let [states, versions, events] = largest;
    let mut rows = Vec::new();
    let sets: [(Size, &[Other]); 3] = [
        (events, others::OF_EVENTS),
        (versions, others::OF_VERSIONS),
        (states, others::OF_STATES),
    ];
    let only = std::env::var(ONLY).unwrap_or_default();
    for (size, others) in sets {
        let others: Vec<_> = others
            .iter()
            .filter(|other| other.name.contains(&only))
            .collect();
        if others.is_empty() {
            continue;
        }
        let place = directory()?;
        copy(&size.directory()?, &place.path().join("data"))?;
        for other in others {
            eprintln!("grow: beside {}", other.name);
            rows.push(beside(&place.path().join("data"), other)?);
        }
    }
    let right = [false, true, true, true, true, true, true, false];
    report.table(HEAD, right, &rows);
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Res<()> {
    let status = Command::new("cp")
        .args(["-a", as_text(from)?, as_text(to)?])
        .status()?;
    if !status.success() {
        return Err("a data directory was not copied".into());
    }
    // Else the first sync of the server would wait for all of the copy.
    for file in std::fs::read_dir(to)? {
        let path = file?.path();
        if path.is_file() {
            File::open(path)?.sync_all()?;
        }
    }
    Ok(())
}

/// One row: a quiet time, then the other beside the client.
fn beside(data: &Path, other: &Other) -> Res<[String; 8]> {
    let mut server = Server::on(data, other.flags)?;
    let mut ready = (other.prepare)(&server)?;
    // What a start and the preparation leave behind is done.
    std::thread::sleep(QUIET);
    let block = other
        .name
        .replace(|letter: char| !letter.is_ascii_alphanumeric(), "-");
    let quiet = watch(&server, &block, |_| {
        std::thread::sleep(QUIET);
        Ok(())
    })?;
    if !other.new_flags.is_empty() {
        server.stop()?;
        server = Server::on(data, &[other.flags, other.new_flags].concat())?;
    }
    let met = watch(&server, &format!("{block}-2"), |server| {
        let (began, stop) = (Instant::now(), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let timer = scope.spawn(|| stop_in_time(began, &stop));
            let done = (other.run)(server, &mut ready, &stop);
            std::thread::sleep(LEAST.saturating_sub(began.elapsed()));
            stop.store(true, Ordering::Relaxed);
            timer.join().map_err(|_| "a timer panicked")?;
            done
        })
    })?;
    server.stop()?;
    Ok([
        other.name.to_owned(),
        met.requests.to_string(),
        format!("{:.1}", quiet.middle),
        format!("{:.1}", met.middle),
        format!("{:.0}", quiet.longest),
        format!("{:.0}", met.longest),
        format!("{:.1}", met.longest / quiet.longest),
        met.which.to_owned(),
    ])
}

/// Stops what has gone on for so long.
fn stop_in_time(began: Instant, stop: &AtomicBool) {
    while began.elapsed() < MOST && !stop.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(20));
    }
    stop.store(true, Ordering::Relaxed);
}

/// What a good client waits while something is done.
fn watch(server: &Server, block: &str, work: impl FnOnce(&Server) -> Res<()>) -> Res<Waits> {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let client = scope.spawn(|| go_round(server, block, &stop));
        let done = work(server);
        stop.store(true, Ordering::Relaxed);
        let waits = client.join().map_err(|_| "a client panicked")?;
        done?;
        waits
    })
}
