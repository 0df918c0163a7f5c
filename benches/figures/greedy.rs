//! Clients that want more memory than there is: large states, all at the same time.
//!
//! The server lends memory from a budget. Beyond it a client is told to come again, and its state
//! is stored in the end; the process never has more than the budget and some for itself, and gives
//! it back.

use std::net::Shutdown;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use statekeep::config::{Limits, MIB};

use crate::Res;
use crate::process::{Server, Sync, memory_of};
use crate::report::{COUNT, MEBIBYTES, Report, SECONDS, Target};
use crate::states::Series;
use crate::wire::Request;

const CLIENTS: usize = 64;
/// How many resources a state has; with them it is about 10 MB.
const RESOURCES: usize = 5_640;
const SEED: u64 = 64;
/// What may be resident beside the budget, in MiB.
const BESIDE: f64 = 64.0;
/// How much may be resident in the end, in MiB, and after how many seconds.
const MOST_AFTER: f64 = 32.0;
const AFTER: Duration = Duration::from_mins(1);
const SAMPLE_EVERY: Duration = Duration::from_millis(5);
/// After so many answers a client gives up.
const MAX_ATTEMPTS: usize = 1_000;

/// What became of all that the clients sent.
#[derive(Default)]
struct Seen {
    done: usize,
    /// Answers that ask to come again.
    later: usize,
    /// What must not be.
    other: Vec<String>,
}

/// One phase: what was seen, how long it took, and the most that was resident meanwhile.
struct Phase {
    seen: Seen,
    seconds: f64,
    peak: f64,
}

pub(crate) fn run() -> Res<Report> {
    let server = Server::start(Sync::Disk, &[])?;
    let mut series = Series::with_resources(SEED, RESOURCES)?;
    let path = |client: usize| {
        format!("/api/terraform/state/workspace/greedy/buildingblock/state-{client}")
    };
    let writes: Vec<Request> = (0..CLIENTS)
        .map(|client| Request::post(&path(client), &server.secret, series.next().to_vec()))
        .collect();
    let reads: Vec<Request> = (0..CLIENTS)
        .map(|client| Request::get(&path(client), &server.secret))
        .collect();
    let size = writes.first().map_or(0, |write| write.body.len());
    // The credential is warm: what is measured are bodies.
    server.metrics()?;
    eprintln!("greedy: {CLIENTS} writes of {size} bytes at the same time");
    let written = phase(&server, &writes, |_, _| true)?;
    eprintln!("greedy: {CLIENTS} reads of one state at the same time");
    let same = vec![reads.first().ok_or("no client")?.clone(); CLIENTS];
    let one = phase(&server, &same, |_, body| {
        Some(body) == writes.first().map(|write| &*write.body)
    })?;
    eprintln!("greedy: {CLIENTS} reads of as many states at the same time");
    let each = phase(&server, &reads, |client, body| {
        Some(body) == writes.get(client).map(|write| &*write.body)
    })?;
    let peak = server.process.memory()?.peak;
    let (compacted, resident) = compact(&server)?;

    let budget = f64::from(u32::try_from(Limits::default().max_in_flight / MIB)?);
    let mut report = Report::new(&format!(
        "greedy: {CLIENTS} clients with states of {size} bytes at the same time, a budget of \
            {budget} MiB"
    ));
    report.value(
        "the most that was ever resident",
        peak,
        MEBIBYTES,
        Target::AtMost(budget + BESIDE),
    );
    report.value(
        &format!("from the last answer until at most {MOST_AFTER} MiB are resident"),
        compacted,
        SECONDS,
        Target::AtMost(AFTER.as_secs_f64()),
    );
    report.value(
        "resident then",
        resident,
        MEBIBYTES,
        Target::AtMost(MOST_AFTER),
    );
    let all = [
        ("writes", &written),
        ("reads of one state", &one),
        ("reads of as many states", &each),
    ];
    for (name, phase) in all {
        unexpected(&mut report, name, phase)?;
    }
    table(&mut report, all);
    Ok(report)
}

/// Says which answers were none of those that are promised, and how many.
fn unexpected(report: &mut Report, name: &str, phase: &Phase) -> Res<()> {
    phase
        .seen
        .other
        .iter()
        .take(3)
        .for_each(|other| eprintln!("greedy: {name}: {other}"));
    let other = f64::from(u32::try_from(phase.seen.other.len())?);
    report.value(
        &format!("{name}: answers that are neither 200 nor 503 with `Retry-After`"),
        other,
        COUNT,
        Target::AtMost(0.0),
    );
    Ok(())
}

/// What each phase took.
fn table(report: &mut Report, all: [(&str, &Phase); 3]) {
    let rows = all.map(
        |(
            name,
            Phase {
                seen,
                seconds,
                peak,
            },
        )| {
            [
                name.to_owned(),
                seen.done.to_string(),
                seen.later.to_string(),
                format!("{seconds:.1}"),
                format!("{peak:.0}"),
            ]
        },
    );
    report.table(
        [
            "",
            "200",
            "503 with `Retry-After`",
            "seconds until all were 200",
            "most resident, MiB",
        ],
        [false, true, true, true, true],
        &rows,
    );
}

/// All requests at the same time, each again and again until it is answered with 200 and a body
/// that is right.
fn phase(
    server: &Server,
    requests: &[Request],
    is_right: impl Fn(usize, &[u8]) -> bool + std::marker::Sync,
) -> Res<Phase> {
    let seen = Mutex::new(Seen::default());
    let is_over = AtomicBool::new(false);
    let id = server.process.id();
    let began = Instant::now();
    let client = |number: usize, request: &Request| {
        for _ in 0..MAX_ATTEMPTS {
            let outcome = attempt(server, request, |body| is_right(number, body));
            let mut seen = seen.lock().map_err(|_| "a client panicked")?;
            match outcome {
                Ok(None) => {
                    seen.done += 1;
                    return Ok(());
                }
                Ok(Some(pause)) => {
                    seen.later += 1;
                    drop(seen);
                    std::thread::sleep(pause);
                }
                Err(other) => {
                    seen.other.push(other.to_string());
                    drop(seen);
                    std::thread::sleep(Duration::from_secs(1));
                }
            }
        }
        Err::<(), Box<dyn std::error::Error + Send + std::marker::Sync>>("a client gave up".into())
    };
    let peak = std::thread::scope(|scope| {
        let sampler = scope.spawn(|| {
            let mut peak = 0.0_f64;
            while !is_over.load(Ordering::Relaxed) {
                peak = memory_of(id).map_or(peak, |memory| peak.max(memory.now));
                std::thread::sleep(SAMPLE_EVERY);
            }
            peak
        });
        let clients: Vec<_> = requests
            .iter()
            .enumerate()
            .map(|(number, request)| scope.spawn(move || client(number, request)))
            .collect();
        let done = clients.into_iter().try_for_each(|client| {
            client
                .join()
                .unwrap_or_else(|_| Err("a client panicked".into()))
        });
        is_over.store(true, Ordering::Relaxed);
        done.and(sampler.join().map_err(|_| "the sampler panicked".into()))
    })?;
    let seconds = began.elapsed().as_secs_f64();
    Ok(Phase {
        seen: seen.into_inner().map_err(|_| "a client panicked")?,
        seconds,
        peak,
    })
}

/// One request over a connection of its own: done, or for how long to wait. Like real clients it
/// reads while it sends, for the server may answer before it has seen all.
fn attempt(
    server: &Server,
    request: &Request,
    is_right: impl Fn(&[u8]) -> bool,
) -> Res<Option<Duration>> {
    let mut connection = server.connect()?;
    let sending = connection.stream.try_clone()?;
    std::thread::scope(|scope| {
        scope.spawn(|| request.send(&sending));
        let outcome = match connection.receive() {
            Ok(answer) => match (answer.status, answer.retry_after) {
                (200, _) if is_right(answer.body) => Ok(None),
                (200, _) => Err("bytes that were not written".into()),
                (503, Some(seconds)) => Ok(Some(Duration::from_secs(seconds))),
                (status, retry_after) => {
                    Err(format!("{status}, Retry-After {retry_after:?}").into())
                }
            },
            Err(error) => Err(format!("no answer: {error}").into()),
        };
        let _ = sending.shutdown(Shutdown::Both);
        outcome
    })
}

/// How many seconds it takes until the server has given its memory back, and how much is resident
/// then.
fn compact(server: &Server) -> Res<(f64, f64)> {
    eprintln!(
        "greedy: idle until the memory is given back, {} s at most",
        AFTER.as_secs()
    );
    let began = Instant::now();
    loop {
        let resident = server.process.memory()?.now;
        if resident <= MOST_AFTER || began.elapsed() > AFTER {
            return Ok((began.elapsed().as_secs_f64(), resident));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}
