//! What others, and the server itself, do beside a good client: each until it has come to its end,
//! or until it is told to stop.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use crate::Res;
use crate::grow::fill::small;
use crate::process::{Server, as_text, directory, program};
use crate::start::path;
use crate::states::Series;
use crate::wire::{Connection, Request};

/// One of them.
pub(super) struct Other {
    pub(super) name: &'static str,
    /// Flags of the server, and those that it is given only for what is measured.
    pub(super) flags: &'static [&'static str],
    pub(super) new_flags: &'static [&'static str],
    pub(super) prepare: fn(&Server) -> Res<Ready>,
    pub(super) run: fn(&Server, &mut Ready, &AtomicBool) -> Res<()>,
}

/// What was made before the clock started.
#[derive(Default)]
pub(super) struct Ready {
    requests: Vec<Request>,
    dir: Option<TempDir>,
}

/// How many states of 1 kB are imported.
const IMPORTED: usize = 3_000;
/// How many ask for lists at the same time.
const ASKERS: usize = 12;
/// How many resources a state of 110 MB has, and one of 20 MB.
const HUGE: usize = 62_000;
const LARGE: usize = 11_300;
const CONNECTIONS: usize = 2_000;
const NOTHING: fn(&Server) -> Res<Ready> = |_| Ok(Ready::default());

pub(super) const OF_EVENTS: &[Other] = &[
    Other {
        name: "12 askers of events",
        flags: &[],
        new_flags: &[],
        prepare: |server| {
            let paths = [
                "/api/events?kind=state.move&limit=1000",
                "/api/events?attention=true&limit=1000",
                "/api/events?workspace=w-004&kind=state.move",
            ];
            Ok(askers(server, &paths))
        },
        run: ask,
    },
    Other {
        name: "a sweep of events",
        flags: &[],
        // The first sweep comes with the start.
        new_flags: &["--max-events", "1000"],
        prepare: NOTHING,
        run: |_, _, stop| {
            wait(stop, Duration::from_secs(20));
            Ok(())
        },
    },
];

pub(super) const OF_VERSIONS: &[Other] = &[
    Other {
        name: "verify",
        flags: &[],
        new_flags: &[],
        prepare: NOTHING,
        run: |server, _, stop| command(server, &["verify"], stop),
    },
    Other {
        name: "a purge",
        flags: &[],
        new_flags: &[],
        prepare: NOTHING,
        run: |server, _, stop| {
            let args = ["state", "purge", "w-000/b-00", "7", "11", "--yes"];
            command(server, &args, stop)
        },
    },
    Other {
        name: "a prune",
        flags: &[],
        new_flags: &[],
        prepare: NOTHING,
        run: |server, _, stop| command(server, &["prune", "--keep-last", "10", "--yes"], stop),
    },
];

pub(super) const OF_STATES: &[Other] = &[
    Other {
        name: "12 askers of lists",
        flags: &[],
        new_flags: &[],
        prepare: |server| {
            let paths = [
                "/api/terraform/state?limit=1000",
                "/metrics",
                "/api/search?q=aws_instance&limit=1000",
            ];
            Ok(askers(server, &paths))
        },
        run: ask,
    },
    Other {
        name: "an import of 3,000 states",
        flags: &[],
        new_flags: &[],
        prepare: small_files,
        run: |server, ready, stop| {
            let dir = ready.dir.as_ref().ok_or("no files")?.path();
            command(server, &["import", as_text(dir)?], stop)
        },
    },
    Other {
        name: "a backup",
        flags: &[],
        new_flags: &[],
        prepare: |_| {
            Ok(Ready {
                dir: Some(directory()?),
                ..Ready::default()
            })
        },
        run: |server, ready, stop| {
            let dir = ready.dir.as_ref().ok_or("no place")?.path();
            command(server, &["backup", as_text(&dir.join("b.tar.zst"))?], stop)
        },
    },
    Other {
        name: "two uploads of 110 MB",
        flags: &[],
        new_flags: &[],
        prepare: |server| {
            let upload = |number: u64| -> Res<Request> {
                let body = Series::with_resources(number, HUGE)?.next().to_vec();
                let path = format!("/api/terraform/state/workspace/huge/buildingblock/b-{number}");
                Ok(Request::post(&path, &server.secret, body))
            };
            Ok(Ready {
                requests: vec![upload(1)?, upload(2)?],
                dir: None,
            })
        },
        run: |server, ready, stop| at_once(server, &ready.requests, stop),
    },
    Other {
        name: "comparisons of 20 MB",
        flags: &[],
        new_flags: &[],
        prepare: large_versions,
        run: |server, ready, stop| at_once(server, &ready.requests, stop),
    },
    Other {
        name: "2,000 connections",
        flags: &["--trusted-proxy", "127.0.0.1"],
        new_flags: &[],
        prepare: NOTHING,
        run: crowd,
    },
];

fn wait(stop: &AtomicBool, most: Duration) {
    let began = std::time::Instant::now();
    while began.elapsed() < most && !stop.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn askers(server: &Server, paths: &[&str]) -> Ready {
    let all = paths.iter().cycle().take(ASKERS);
    Ready {
        requests: all.map(|path| Request::get(path, &server.secret)).collect(),
        dir: None,
    }
}

/// Each asks again as soon as it is answered, for ten seconds.
fn ask(server: &Server, ready: &mut Ready, stop: &AtomicBool) -> Res<()> {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let asker = scope.spawn(|| at_once(server, &ready.requests, &over));
        wait(stop, Duration::from_secs(10));
        over.store(true, Ordering::Relaxed);
        asker.join().map_err(|_| "an asker panicked")?
    })
}

/// Sends requests on a connection each, again and again. One that is refused comes again: a server
/// that protects others does no wrong.
fn at_once(server: &Server, requests: &[Request], stop: &AtomicBool) -> Res<()> {
    let one = |request: &Request| -> Res<()> {
        let mut rounds = 0;
        while rounds == 0 || (rounds < 5 && !stop.load(Ordering::Relaxed)) {
            again_and_again(server.connect()?, request, stop)?;
            rounds += 1;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = requests
            .iter()
            .map(|request| scope.spawn(move || one(request)))
            .collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().map_err(|_| "a client panicked")?)
    })
}

/// The same on one connection, as long as it is there.
fn again_and_again(mut connection: Connection, request: &Request, stop: &AtomicBool) -> Res<()> {
    while !stop.load(Ordering::Relaxed) {
        let Ok(answer) = connection.ask(request) else {
            break;
        };
        if !matches!(answer.status, 200 | 429 | 503) {
            return Err(format!("refused: {}", answer.status).into());
        }
    }
    Ok(())
}

/// Runs a command of the program on the server's data directory, and ends it when it is time.
pub(super) fn command(server: &Server, args: &[&str], stop: &AtomicBool) -> Res<()> {
    let mut child = Command::new(program())
        .args(args)
        .args(["--data", as_text(&server.data)?])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()?;
    while !stop.load(Ordering::Relaxed) {
        if let Some(status) = child.try_wait()? {
            if status.success() {
                return Ok(());
            }
            return Err(format!("`statekeep {}` left with {status}", args.join(" ")).into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill()?;
    child.wait()?;
    Ok(())
}

fn small_files(_: &Server) -> Res<Ready> {
    let dir = directory()?;
    for number in 0..IMPORTED {
        let home: PathBuf = dir.path().join(format!("imported-{:02}", number / 100));
        std::fs::create_dir_all(&home)?;
        let file = home.join(format!("b-{:02}.tfstate", number % 100));
        std::fs::write(file, small(500_000 + number, 1))?;
    }
    Ok(Ready {
        requests: Vec::new(),
        dir: Some(dir),
    })
}

/// Four pairs of versions, so that the one thread for comparisons always has one.
fn large_versions(server: &Server) -> Res<Ready> {
    let mut connection = server.connect()?;
    let path = "/api/terraform/state/workspace/large/buildingblock/b";
    let mut series = Series::with_resources(77, LARGE)?;
    for _ in 0..2 {
        let body = series.next().to_vec();
        connection.exchange(&Request::post(path, &server.secret, body))?;
    }
    let compare = Request::get(&format!("{path}/versions/2/diff"), &server.secret);
    Ok(Ready {
        requests: vec![compare],
        dir: None,
    })
}

/// Two thousand connections that stay open; eight threads have each of them read in turn.
fn crowd(server: &Server, _: &mut Ready, stop: &AtomicBool) -> Res<()> {
    let part = |number: usize| -> Res<()> {
        let connections = (0..CONNECTIONS / 8).map(|_| server.connect());
        let mut connections: Vec<Connection> = connections.collect::<Res<_>>()?;
        let turns = (0..5).flat_map(|round| (0..connections.len()).map(move |at| (round, at)));
        for (round, index) in turns.collect::<Vec<_>>() {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let state = path((number * 131 + index + round) % 1_000);
            connections[index].exchange(&Request::get(&state, &server.secret))?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|number| scope.spawn(move || part(number)))
            .collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().map_err(|_| "a client panicked")?)
    })
}
