//! Durable writes under a lock, against a bare handler that only reads bodies, and against a loop that commits one by one.
//!
//! Each client writes a state of its own, which it holds the lock of. All bodies are different, and made before the clock starts. After a figure
//! each state's newest version has to be the number of writes that were acknowledged.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::Digest as _;
use serde_json::{Value, json};

use crate::load::{self, Connection, Round};
use crate::process::{Process, Server, Sync, directory};
use crate::report::{Report, Target};
use crate::states::Series;
use crate::{Res, rivals};

const PAIRS: usize = 5;
/// For how long the bare handler is sent the requests of a round: it is through with them too soon to be measured.
const BARE_ROUND: Duration = Duration::from_secs(1);
/// What a slow disk needs for a sync, in microseconds.
const SLOW_SYNC: u32 = 5_000;

/// A client of one state, whose lock it holds.
pub(crate) struct Writer {
    path: String,
    credentials: String,
    lock_id: String,
    series: Series,
    written: u64,
}

impl Writer {
    pub(crate) fn new(secret: &str, block: &str, seed: u64) -> Res<Self> {
        let path = format!("/api/terraform/state/workspace/bench/buildingblock/{block}");
        let credentials = STANDARD.encode(format!("x:{secret}"));
        Ok(Self { path, credentials, lock_id: format!("lock-{block}"), series: Series::new(seed)?, written: 0 })
    }

    /// The state as it is.
    pub(crate) fn state(&self) -> &[u8] {
        self.series.bytes()
    }

    fn request(&self, method: &str, below: &str, body: &[u8]) -> Vec<u8> {
        let md5 = STANDARD.encode(md5::Md5::digest(body));
        let (path, credentials, length) = (&self.path, &self.credentials, body.len());
        let mut request = format!("{method} {path}{below} HTTP/1.1\r\nHost: bench\r\nAuthorization: Basic {credentials}\r\n").into_bytes();
        if !body.is_empty() {
            let of_body = format!("Content-Type: application/json\r\nContent-MD5: {md5}\r\nContent-Length: {length}\r\n");
            request.extend_from_slice(of_body.as_bytes());
        }
        request.extend_from_slice(b"\r\n");
        request.extend_from_slice(body);
        request
    }

    pub(crate) fn read(&self) -> Vec<u8> {
        self.request("GET", "", b"")
    }

    pub(crate) fn lock(&self) -> Vec<u8> {
        let lock = json!({
            "ID": self.lock_id, "Operation": "OperationTypeApply", "Info": "", "Who": "bench@figures", "Version": "1.11.4",
            "Created": "2026-01-01T00:00:00Z", "Path": "",
        });
        self.request("POST", "/lock", lock.to_string().as_bytes())
    }

    /// A write of the state as it is.
    pub(crate) fn first(&self) -> Vec<u8> {
        self.request("POST", &format!("?ID={}", self.lock_id), self.series.bytes())
    }

    fn next(&mut self) -> Vec<u8> {
        self.series.next();
        self.written += 1;
        self.first()
    }

    /// Compares the state's newest version with what was acknowledged.
    fn verify(&self, connection: &mut Connection) -> Res<()> {
        let answer: Value = serde_json::from_slice(connection.exchange(&self.request("GET", "/versions?limit=1", b""))?)?;
        let number = answer.pointer("/versions/0/number").and_then(Value::as_u64);
        if number != Some(self.written) {
            return Err(format!("{}: {} writes were acknowledged, and the newest version is {number:?}", self.path, self.written).into());
        }
        if connection.exchange(&self.read())? != self.state() {
            return Err(format!("{}: what was read is not what was written last", self.path).into());
        }
        Ok(())
    }
}

/// So many clients, each with its lock.
fn writers(server: &Server, clients: usize) -> Res<Vec<Writer>> {
    let mut connection = Connection::open(server.process.address()?)?;
    (0..clients)
        .map(|index| {
            let seed = u64::try_from(1_000 * clients + index)?;
            let writer = Writer::new(&server.secret, &format!("of-{clients}-{index}"), seed)?;
            connection.exchange(&writer.lock())?;
            Ok(writer)
        })
        .collect()
}

/// The next requests of each client, `total` of them for all.
fn requests(writers: &mut [Writer], total: usize) -> Vec<Vec<Vec<u8>>> {
    let each = total / writers.len();
    writers.iter_mut().map(|writer| (0..each).map(|_| writer.next()).collect()).collect()
}

fn verify(server: &Server, writers: &[Writer]) -> Res<()> {
    let mut connection = Connection::open(server.process.address()?)?;
    writers.iter().try_for_each(|writer| writer.verify(&mut connection))
}

/// The rival that commits one by one, with the directory of its database.
struct Loop {
    process: Process,
    _dir: tempfile::TempDir,
}

impl Loop {
    fn start(sync: Sync) -> Res<Self> {
        let dir = directory()?;
        let process = Process::rival(&[rivals::COMMITS, dir.path().to_str().ok_or("a path that is not text")?], sync)?;
        Ok(Self { process, _dir: dir })
    }

    fn commit(&mut self, writes: u32) -> Res<Round> {
        self.process.say(&writes.to_string())?;
        Ok(Round::of_loop(writes, self.process.hear()?.parse()?))
    }
}

/// With the disk as it is.
pub(crate) fn run() -> Res<Report> {
    let server = Server::start(Sync::Disk)?;
    let bare = Process::rival(&[rivals::READS], Sync::Disk)?;
    let mut commits = Loop::start(Sync::Disk)?;
    let mut report = Report::new("post: durable writes of distinct states of 60 kB under a lock, syncs as the disk does them");
    for (clients, writes, target) in [(1, 1_000, Target::None), (16, 4_000, Target::AtLeast(0.25)), (64, 4_032, Target::None)] {
        let mut writers = writers(&server, clients)?;
        let (mut ours, mut reads, mut one_by_one) = (Vec::new(), Vec::new(), Vec::new());
        for pair in 0..=PAIRS {
            eprintln!("post: {clients} clients, pair {pair} of {PAIRS}");
            let requests = requests(&mut writers, writes);
            let round = load::send_all(&server.process, &requests)?;
            let rounds = (round, load::repeat(&bare, &requests, BARE_ROUND)?, commits.commit(1_000)?);
            // The first warms up.
            if pair > 0 {
                ours.push(rounds.0);
                reads.push(rounds.1);
                one_by_one.push(rounds.2);
            }
        }
        verify(&server, &writers)?;
        report.measured("statekeep", clients, &ours);
        report.measured("bare handler that reads the body", clients, &reads);
        report.measured("loop that commits one by one", 1, &one_by_one);
        let name = format!("writes a second at {clients}, statekeep / ");
        report.ratio(&format!("{name}bare handler"), (&ours, &reads), |round| round.rate, target);
        report.ratio(&format!("{name}loop"), (&ours, &one_by_one), |round| round.rate, Target::None);
    }
    Ok(report)
}

/// With a disk whose syncs take 5 ms longer.
pub(crate) fn run_slow_sync() -> Res<Report> {
    let sync = Sync::Slower(SLOW_SYNC);
    let server = Server::start(sync)?;
    let mut commits = Loop::start(sync)?;
    let mut report = Report::new("post-slow-sync: the same, with 5 ms more for each sync");
    for (clients, writes, target) in [(1, 200, Target::AtLeast(1.0)), (64, 1_920, Target::AtLeast(8.0))] {
        let mut writers = writers(&server, clients)?;
        let (mut ours, mut one_by_one) = (Vec::new(), Vec::new());
        for pair in 0..=PAIRS {
            eprintln!("post-slow-sync: {clients} clients, pair {pair} of {PAIRS}");
            let rounds = (load::send_all(&server.process, &requests(&mut writers, writes))?, commits.commit(200)?);
            if pair > 0 {
                ours.push(rounds.0);
                one_by_one.push(rounds.1);
            }
        }
        verify(&server, &writers)?;
        report.measured("statekeep", clients, &ours);
        report.measured("loop that commits one by one", 1, &one_by_one);
        report.ratio(&format!("writes a second at {clients}, statekeep / loop"), (&ours, &one_by_one), |round| round.rate, target);
    }
    Ok(report)
}
