//! How soon a server with a long history is ready, and how much memory it keeps when nobody asks
//! for anything.
//!
//! The data directory is made once, through the front door, and kept beside what cargo builds for
//! the runs that follow.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::Res;
use crate::load;
use crate::process::{Memory, Process, Server, Sync};
use crate::report::{MEBIBYTES, MILLISECONDS, Report, Target};
use crate::wire::{Connection, Request};

/// How the directory is made; another number makes it anew.
const LAYOUT: u32 = 2;
const STATES: usize = 10_000;
const VERSIONS: usize = 10;
const CLIENTS: usize = 16;
/// How many states a workspace has.
pub(crate) const PER_WORKSPACE: usize = 100;

const STARTS: usize = 10;
/// In how many milliseconds the server has to be ready.
const READY_WITHIN: f64 = 50.0;
const READS: usize = 1_000;
const READERS: usize = 4;
const SHORT_IDLE: Duration = Duration::from_secs(10);
/// Decoded states are forgotten after 30 s at the earliest and 40 s at the latest, and the
/// allocator takes some 10 s more to give them back.
const LONG_IDLE: Duration = Duration::from_mins(1);
/// How many MiB may be resident in a server that is idle.
const MOST_IDLE: f64 = 24.0;

pub(crate) fn run() -> Res<Report> {
    let data = directory()?;
    let (mut ready, mut memory) = (Vec::new(), Vec::new());
    let mut last = None;
    for number in 0..=STARTS {
        eprintln!("start: {number} of {STARTS}");
        last.take().map_or(Ok(()), Server::stop)?;
        let (seconds, process) = start(&data)?;
        // The first one warms the page cache.
        if number > 0 {
            ready.push(seconds * 1e3);
            memory.push(process.memory()?);
        }
        last = Some(Server::of(process, &data, None)?);
    }
    let server = last.ok_or("no start")?;
    let used = use_and_idle(&server)?;
    server.stop()?;

    let mut report = Report::new(&format!(
        "start: with {STATES} states and {} versions, page cache warm",
        STATES * VERSIONS
    ));
    let slowest = ready.iter().copied().fold(f64::NAN, f64::max);
    report.figure(
        "from its start to `/readyz` 200",
        ready,
        MILLISECONDS,
        Target::AtMost(READY_WITHIN),
    );
    report.value(
        &format!("the slowest of {STARTS} starts"),
        slowest,
        MILLISECONDS,
        Target::AtMost(READY_WITHIN),
    );
    let resident = memory.iter().map(|memory| memory.now).collect();
    report.figure(
        "resident as soon as it is ready",
        resident,
        MEBIBYTES,
        Target::AtMost(MOST_IDLE),
    );
    let [after_reads, after_idling] = used.map(|memory| memory.now);
    let read = format!(
        "resident {} s after {READS} reads of as many states",
        SHORT_IDLE.as_secs()
    );
    report.value(&read, after_reads, MEBIBYTES, Target::None);
    report.value(
        &format!("resident {} s after them", LONG_IDLE.as_secs()),
        after_idling,
        MEBIBYTES,
        Target::AtMost(MOST_IDLE),
    );
    let ready = memory.last().copied().ok_or("no start")?;
    table(&mut report, ready, used);
    Ok(report)
}

/// What is resident when, and what of it is the server's own.
fn table(report: &mut Report, ready: Memory, used: [Memory; 2]) {
    let row = |when: &str, memory: Memory| {
        [
            when.to_owned(),
            format!("{:.1}", memory.now),
            format!("{:.1}", memory.now - memory.mapped),
            format!("{:.1}", memory.mapped),
        ]
    };
    let rows = [
        row("ready", ready),
        row("after the reads", used[0]),
        row("after idling", used[1]),
    ];
    report.table(
        ["", "resident, MiB", "its own", "mapped files"],
        [false, true, true, true],
        &rows,
    );
}

/// How long a start takes until the server says that it is ready, in seconds. Asked without a
/// pause, over connections that may be refused.
fn start(data: &Path) -> Res<(f64, Process)> {
    let address = free_address()?;
    let request = Request::get("/readyz", "nobody");
    let began = Instant::now();
    let process = Server::spawn(data, &address.to_string(), Sync::Disk, &[])?;
    while !is_ready(address, &request) {
        if began.elapsed() > LONG_IDLE {
            return Err("the server does not get ready".into());
        }
    }
    Ok((began.elapsed().as_secs_f64(), process))
}

fn is_ready(address: SocketAddr, request: &Request) -> bool {
    let Ok(mut connection) = Connection::open(address) else {
        return false;
    };
    connection
        .ask(request)
        .is_ok_and(|answer| answer.status == 200)
}

/// A port that nobody listens on.
fn free_address() -> Res<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// What is resident a while after a thousand states were read, and a longer while after.
fn use_and_idle(server: &Server) -> Res<[Memory; 2]> {
    let requests = |reader: usize| {
        let mine = (reader..READS).step_by(READERS);
        mine.map(|number| Request::get(&path(number * (STATES / READS)), &server.secret))
            .collect::<Vec<_>>()
    };
    load::send_all(
        &server.process,
        &(0..READERS).map(requests).collect::<Vec<_>>(),
    )?;
    eprintln!("start: idle for {} s", LONG_IDLE.as_secs());
    std::thread::sleep(SHORT_IDLE);
    let after_reads = server.process.memory()?;
    std::thread::sleep(LONG_IDLE.saturating_sub(SHORT_IDLE));
    Ok([after_reads, server.process.memory()?])
}

/// Where a state is.
pub(crate) fn path(state: usize) -> String {
    format!(
        "/api/terraform/state/workspace/w-{:03}/buildingblock/b-{:02}",
        state / PER_WORKSPACE,
        state % PER_WORKSPACE
    )
}

/// The data directory of this figure.
fn directory() -> Res<PathBuf> {
    let what = format!("layout {LAYOUT}, {STATES} states, {VERSIONS} versions each");
    kept("figures-start", &what, fill)
}

/// A data directory that stays for the runs that follow, made unless one of an earlier run is as
/// this one would be: with `what` in it, by the same schema.
pub(crate) fn kept(name: &str, what: &str, fill: impl FnOnce(&Path) -> Res<()>) -> Res<PathBuf> {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let (data, mark) = (home.join("data"), home.join("mark"));
    let wanted = format!("{what}, schema {:x}\n", schema()?);
    if std::fs::read_to_string(&mark).is_ok_and(|found| found == wanted) {
        return Ok(data);
    }
    if home.exists() {
        std::fs::remove_dir_all(&home)?;
    }
    std::fs::create_dir_all(&home)?;
    fill(&data)?;
    std::fs::write(mark, wanted)?;
    Ok(data)
}

/// Tells one schema from another; until a migration is released its text may change.
fn schema() -> Res<u64> {
    let mut hash = DefaultHasher::new();
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations"))? {
        std::fs::read(entry?.path())?.hash(&mut hash);
    }
    Ok(hash.finish())
}

fn fill(data: &Path) -> Res<()> {
    eprintln!("start: writing {STATES} states, {VERSIONS} versions each; only this time");
    let server = Server::on(data, &[])?;
    let requests = |client: usize| {
        let mine = move || (client..STATES).step_by(CLIENTS);
        let all = (1..=VERSIONS).flat_map(|version| mine().map(move |state| (state, version)));
        all.map(|(state, version)| {
            Request::post(&path(state), &server.secret, tiny(state, version))
        })
        .collect::<Vec<_>>()
    };
    load::send_all(
        &server.process,
        &(0..CLIENTS).map(requests).collect::<Vec<_>>(),
    )?;
    let versions = server.metrics()?.value("versions")?;
    server.stop()?;
    if (versions - f64::from(u32::try_from(STATES * VERSIONS)?)).abs() > 0.5 {
        return Err(format!("the directory has {versions} versions").into());
    }
    Ok(())
}

/// The smallest state there is.
pub(crate) fn tiny(state: usize, serial: usize) -> Vec<u8> {
    let lineage = format!("00000000-0000-4000-a000-{state:012}");
    let state = json!({
        "version": 4, "terraform_version": "1.11.4", "serial": serial, "lineage": lineage,
        "outputs": {}, "resources": [], "check_results": null,
    });
    state.to_string().into_bytes()
}
