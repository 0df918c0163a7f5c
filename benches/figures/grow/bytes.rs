//! What a plan and an apply write to the disk, in bytes and commits; and what memory a crowd of
//! connections leaves behind.

use std::time::Duration;

use crate::Res;
use crate::grow::good_client::{APPLY, PLAN, lock, unlock};
use crate::process::{Server, Sync};
use crate::report::{KIBIBYTES, MEBIBYTES, RATIO, Report, Target};
use crate::states::Series;
use crate::wire::{Connection, Request};

/// How many plans and applies are made, and the pause after each, so that no two share a commit.
const ROUNDS: u32 = 400;
const PAUSE: Duration = Duration::from_millis(10);
/// How many resources a state of 36 kB has.
const RESOURCES: usize = 20;
/// A plan that nothing comes of may write so many KiB, in so many commits; an apply so many KiB.
const OF_A_PLAN: (f64, f64) = (24.0, 1.2);
const OF_AN_APPLY: f64 = 100.0;
const CONNECTIONS: usize = 2_000;
const IDLE: Duration = Duration::from_mins(1);
const MOST_LEFT: f64 = 10.0;
const PATH: &str = "/api/terraform/state/workspace/bytes/buildingblock/b";

pub(super) fn run(report: &mut Report) -> Res<()> {
    let server = Server::start(Sync::Disk, &["--trusted-proxy", "127.0.0.1"])?;
    eprintln!("grow: bytes of plans and applies");
    let (secret, mut connection) = (server.secret.clone(), server.connect()?);
    let mut series = Series::with_resources(4, RESOURCES)?;
    let mut write = |connection: &mut Connection, query: &str| -> Res<()> {
        let request = Request::post(&format!("{PATH}{query}"), &secret, series.next().to_vec());
        connection.exchange(&request).map(drop)
    };
    write(&mut connection, "")?;
    let get = Request::get(PATH, &secret);
    let plan = measure(&server, || {
        connection.exchange(&lock(PATH, &secret, PLAN))?;
        connection.exchange(&get)?;
        connection.exchange(&get)?;
        connection.exchange(&unlock(PATH, &secret)).map(drop)
    })?;
    let apply = measure(&server, || {
        connection.exchange(&lock(PATH, &secret, APPLY))?;
        connection.exchange(&get)?;
        write(&mut connection, "?ID=grow")?;
        write(&mut connection, "?ID=grow")?;
        connection.exchange(&unlock(PATH, &secret)).map(drop)
    })?;
    let most = Target::AtMost;
    report.value("a plan writes", plan.0, KIBIBYTES, most(OF_A_PLAN.0));
    report.value("commits of a plan", plan.1, RATIO, most(OF_A_PLAN.1));
    report.value("an apply writes", apply.0, KIBIBYTES, most(OF_AN_APPLY));
    report.value("commits of an apply", apply.1, RATIO, Target::None);
    crowd(report, &server)?;
    server.stop()
}

/// How many KiB one round writes, and in how many commits.
fn measure(server: &Server, mut round: impl FnMut() -> Res<()>) -> Res<(f64, f64)> {
    std::thread::sleep(Duration::from_secs(3));
    let (bytes, commits) = counts(server)?;
    for _ in 0..ROUNDS {
        round()?;
        std::thread::sleep(PAUSE);
    }
    std::thread::sleep(Duration::from_secs(3));
    let (bytes_after, commits_after) = counts(server)?;
    let each = |value: f64| value / f64::from(ROUNDS);
    Ok((
        each(bytes_after - bytes) / 1024.0,
        each(commits_after - commits),
    ))
}

fn counts(server: &Server) -> Res<(f64, f64)> {
    let commits = server.metrics()?.value("commit_jobs_count")?;
    Ok((server.process.written_bytes()?, commits))
}

/// The memory and the open files of 2,000 connections, and what is left of it a minute after.
fn crowd(report: &mut Report, server: &Server) -> Res<()> {
    eprintln!("grow: {CONNECTIONS} connections");
    std::thread::sleep(IDLE);
    let before = server.process.memory()?.now;
    let files = || -> Res<usize> {
        let files = std::fs::read_dir(format!("/proc/{}/fd", server.process.id()))?;
        Ok(files.count())
    };
    let (get, files_before) = (Request::get(PATH, &server.secret), files()?);
    let connections = (0..CONNECTIONS).map(|_| server.connect());
    let mut connections: Vec<Connection> = connections.collect::<Res<_>>()?;
    for _ in 0..3 {
        for connection in &mut connections {
            get.send(&connection.stream)?;
        }
        for connection in &mut connections {
            connection.receive()?;
        }
    }
    let most = server.process.memory()?;
    let opened = f64::from(u32::try_from(files()? - files_before)?);
    let each = opened / f64::from(u32::try_from(CONNECTIONS)?);
    drop(connections);
    std::thread::sleep(IDLE);
    let left = server.process.memory()?.now - before;
    report.value(
        "open files for a connection",
        each,
        RATIO,
        Target::AtMost(1.01),
    );
    report.value(
        "resident beside 2,000 connections",
        most.peak,
        MEBIBYTES,
        Target::None,
    );
    report.value(
        "left of it 60 s after they have gone",
        left,
        MEBIBYTES,
        Target::AtMost(MOST_LEFT),
    );
    Ok(())
}
