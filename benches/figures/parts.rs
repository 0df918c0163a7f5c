//! What each part of a request for a state of 60 kB costs, so that whoever wants it faster knows
//! where to look.
//!
//! Three views: each part alone, in this process; whole requests over HTTP beside bare handlers;
//! and what the server's own metrics say while many write. The parts do not add up exactly: some
//! run on other threads, and a request alone pays for waking them.

use std::fs::File;
use std::time::Duration;

use zstd::bulk::Compressor;

use crate::inside::time;
use crate::load::{self, Round, Times};
use crate::pieces::{self, Pieces};
use crate::process::{Process, Server, Sync, directory};
use crate::report::Report;
use crate::states::Series;
use crate::wire::Hashing;
use crate::writer::{Writer, requests, writers};
use crate::{Res, rivals};

const ROUND: Duration = Duration::from_secs(1);
const SEED: u64 = 1;
/// How many lines of the log are timed at once, and how often.
const LINES: f64 = 10_000.0;
const LOG_ROUNDS: usize = 20;
/// How many writes a run for the metrics has, by its clients, and before that to warm up.
const RUNS: [(usize, usize); 3] = [(1, 2_000), (16, 8_000), (64, 8_000)];
const WARM_UP: usize = 640;
/// How many resources the states have whose compression is compared: about 60 kB, and about 0.9 MB.
const COMPRESSED: [(usize, usize); 2] = [(34, 500), (515, 50)];
const LEVELS: [i32; 4] = [1, 2, 3, 9];

pub(crate) fn run() -> Res<Report> {
    let mut report = Report::new("parts: what each part of a request for a state of 60 kB costs");
    let mut pieces = Pieces(Vec::new());
    pieces::pure(&mut pieces)?;
    pieces::domain_and_store(&mut pieces)?;
    pieces.add(
        "line in the log",
        "each",
        log_lines()?,
        "`tracing` as the server sets it up, JSON into a file, mean of 10,000 lines",
    );
    let rows: Vec<[String; 5]> = pieces
        .0
        .iter()
        .map(|piece| {
            [
                piece.name.to_owned(),
                piece.needed.to_owned(),
                microseconds(&piece.times, 50),
                microseconds(&piece.times, 99),
                piece.how.to_owned(),
            ]
        })
        .collect();
    report.table(
        ["part", "needed by", "p50 µs", "p99 µs", "how"],
        [false, false, true, true, false],
        &rows,
    );
    let server = Server::start(Sync::Disk, &[])?;
    over_http(&server, &mut report)?;
    while_many_write(&server, &mut report)?;
    compression(&mut report)?;
    Ok(report)
}

fn microseconds(times: &Times, percent: usize) -> String {
    let value = times.percentile(percent).unwrap_or(f64::NAN) * 1e6;
    let digits = if value < 1.0 {
        3
    } else {
        usize::from(value < 10.0)
    };
    format!("{value:.digits$}")
}

/// How long a line in the log takes.
fn log_lines() -> Res<Times> {
    let dir = directory()?;
    let log = File::create(dir.path().join("log"))?;
    let mut process = Process::rival_logging(&[rivals::LOGS], Sync::Disk, log.into())?;
    let round = |process: &mut Process| -> Res<f64> {
        process.say(&LINES.to_string())?;
        Ok(process.hear()?.parse::<f64>()?)
    };
    round(&mut process)?;
    let seconds = (0..LOG_ROUNDS)
        .map(|_| round(&mut process))
        .collect::<Res<Vec<_>>>()?;
    Ok(Times::new(seconds).divided_by(LINES))
}

/// Whole requests of one client, beside bare handlers.
fn over_http(server: &Server, report: &mut Report) -> Res<()> {
    eprintln!("parts: whole requests");
    let answers = Process::rival(&[rivals::ANSWERS, &SEED.to_string()], Sync::Disk)?;
    let reads = Process::rival(&[rivals::READS], Sync::Disk)?;
    let mut writer = Writer::new(&server.secret, "read", SEED)?;
    let mut connection = server.connect()?;
    connection.exchange(&writer.lock())?;
    connection.exchange(&writer.next(Hashing::Before))?;
    let read = [vec![writer.read()]];
    for (who, process) in [
        ("read: statekeep", &server.process),
        ("read: bare handler that answers from memory", &answers),
    ] {
        load::repeat(process, &read, ROUND / 4)?;
        report.measured(who, 1, &[load::repeat(process, &read, ROUND)?]);
    }
    let mut alone = writers(server, 1)?;
    load::send_all(
        &server.process,
        &requests(&mut alone, WARM_UP, Hashing::Before),
    )?;
    let all = requests(&mut alone, RUNS[0].1, Hashing::Before);
    report.measured(
        "write: statekeep",
        1,
        &[load::send_all(&server.process, &all)?],
    );
    report.measured(
        "write: bare handler that reads the body",
        1,
        &[load::repeat(&reads, &all, ROUND)?],
    );
    Ok(())
}

/// What the server says of its writer while one, some and many write.
fn while_many_write(server: &Server, report: &mut Report) -> Res<()> {
    let mut rows = Vec::new();
    for (clients, writes) in RUNS {
        eprintln!("parts: {clients} clients write");
        let mut writers = writers(server, clients + 1)?;
        writers.truncate(clients);
        load::send_all(
            &server.process,
            &requests(&mut writers, WARM_UP, Hashing::Before),
        )?;
        let wanted = requests(&mut writers, writes, Hashing::Before);
        let before = server.metrics()?;
        let Round { rate, .. } = load::send_all(&server.process, &wanted)?;
        let after = server.metrics()?;
        let mean = |(count, sum): (f64, f64), scale: f64| format!("{:.1}", sum / count * scale);
        let (commits, jobs) = after.since(&before, "commit_jobs")?;
        let commit = after.since(&before, "commit_duration_seconds")?;
        let checkpoint = after.since(&before, "checkpoint_duration_seconds")?;
        rows.push([
            clients.to_string(),
            format!("{rate:.0}"),
            mean((commits, jobs), 1.0),
            mean(after.since(&before, "writer_queue_duration_seconds")?, 1e6),
            mean(commit, 1e6),
            mean((jobs, commit.1), 1e6),
            mean(checkpoint, 1e3),
            mean((checkpoint.0, jobs), 1.0),
            mean((jobs, checkpoint.1), 1e6),
        ]);
    }
    let head = [
        "clients",
        "writes a second",
        "jobs in a commit",
        "in the queue, µs",
        "commit (write and sync), µs",
        "commit, µs a write",
        "checkpoint, ms",
        "writes between checkpoints",
        "checkpoint, µs a write",
    ];
    report.table(head, [true; 9], &rows);
    Ok(())
}

/// Sizes and times of zstd's levels on a state of the usual size and on a large one.
fn compression(report: &mut Report) -> Res<()> {
    let mut rows = Vec::new();
    for (resources, times) in COMPRESSED {
        let state = Series::with_resources(SEED, resources)?.next().to_vec();
        for level in LEVELS {
            eprintln!("parts: {} bytes at level {level}", state.len());
            let mut compressor = Compressor::new(level)?;
            let frame = compressor.compress(&state)?.len();
            let took = time(times, || Ok(compressor.compress(&state)?))?;
            rows.push([
                state.len().to_string(),
                level.to_string(),
                frame.to_string(),
                microseconds(&took, 50),
            ]);
        }
    }
    report.table(
        ["state, bytes", "level of zstd", "frame, bytes", "p50 µs"],
        [true; 4],
        &rows,
    );
    Ok(())
}
