//! Durable writes under a lock, against a bare handler that only reads bodies, and against a loop
//! that commits one by one.
//!
//! Each client writes a state of its own, which it holds the lock of. All bodies are different, and
//! made before the clock starts. Their MD5s are made in two ways: before the clock starts, so that
//! clients cost as little as they can, and by the clients as they send, as Terraform and OpenTofu
//! do. After a figure each state's newest version has to be the number of writes that were
//! acknowledged. Before a rival's turn ours has compacted everything, so that the rival is not
//! slowed down by work that is not its own.

use std::time::Duration;

use crate::load::{self, Round};
use crate::look::Look;
use crate::process::{Process, Server, Sync, as_text, directory};
use crate::report::{MICROSECONDS, Report, Target};
use crate::wire::Hashing;
use crate::writer::{requests, verify, writers};
use crate::{Res, rivals};

const PAIRS: usize = 5;
/// For how long the bare handler is sent the requests of a round: it is through with them too soon
/// to be measured.
const BARE_ROUND: Duration = Duration::from_secs(1);
/// How long a round of ours should take; as many requests are made for it as that takes at the rate
/// of the round before.
const ROUND: Duration = Duration::from_millis(1_200);
/// The most requests of a round: each is 60 kB of memory.
const MAX_REQUESTS: usize = 16_000;
/// How many writes a round of the loop has, with a sync as the disk does it and with a slow one.
const LOOP_WRITES: u32 = 2_000;
const SLOW_LOOP_WRITES: u32 = 250;
/// So many writes of so many clients make the log begin anew for certain.
const LOG_WRITES: usize = 5_000;
const LOG_CLIENTS: usize = 32;
/// What a slow disk needs for a sync, in microseconds.
const SLOW_SYNC: u32 = 5_000;
/// The most of the server's processor that a write of 16 clients that hash may take, in
/// microseconds.
const MOST_CPU: f64 = 425.0;
/// Both ways, with how a table names them.
const WAYS: [(Hashing, &str); 2] = [
    (Hashing::Before, "MD5s made before"),
    (Hashing::OnSending, "clients hash"),
];

/// The rival that commits one by one, with the directory of its database.
struct Loop {
    process: Process,
    _dir: tempfile::TempDir,
}

impl Loop {
    fn start(sync: Sync) -> Res<Self> {
        let dir = directory()?;
        let process = Process::rival(&[rivals::COMMITS, as_text(dir.path())?], sync)?;
        Ok(Self { process, _dir: dir })
    }

    fn commit(&mut self, writes: u32) -> Res<Round> {
        self.process.say(&writes.to_string())?;
        Ok(Round::of_loop(writes, self.process.hear()?.parse()?))
    }
}

/// How many requests the next round should have.
fn enough(round: &Round) -> Res<usize> {
    let each = Duration::from_secs_f64(1.0 / round.rate).max(Duration::from_nanos(1));
    Ok(usize::try_from(ROUND.as_nanos() / each.as_nanos())?.min(MAX_REQUESTS))
}

/// The same behind a bare handler, with the directory of its database.
struct Handler {
    process: Process,
    _dir: tempfile::TempDir,
}

impl Handler {
    fn start(sync: Sync) -> Res<Self> {
        let dir = directory()?;
        let process = Process::rival(&[rivals::COMMITS_OVER_HTTP, as_text(dir.path())?], sync)?;
        Ok(Self { process, _dir: dir })
    }
}

/// The rounds of one number of clients: ours and the bare handler's for each way of hashing, and
/// the loop's.
#[derive(Default)]
struct Rounds {
    ours: [Vec<Round>; 2],
    bare: [Vec<Round>; 2],
    one_by_one: Vec<Round>,
}

fn rounds(
    (server, look): (&Server, &Look),
    bare: &Process,
    commits: &mut Loop,
    clients: usize,
) -> Res<Rounds> {
    let mut writers = writers(server, clients)?;
    let mut rounds = Rounds::default();
    let mut totals = [500 + 20 * clients; WAYS.len()];
    for pair in 0..=PAIRS {
        eprintln!("post: {clients} clients, pair {pair} of {PAIRS}");
        for (way, (hashing, _)) in WAYS.iter().enumerate() {
            let requests = requests(&mut writers, totals[way], *hashing);
            let round = load::send_all(&server.process, &requests)?;
            totals[way] = enough(&round)?;
            look.wait_until_compacted()?;
            let beside = load::repeat(bare, &requests, BARE_ROUND)?;
            // The first warms up.
            if pair > 0 {
                rounds.ours[way].push(round);
                rounds.bare[way].push(beside);
            }
        }
        let round = commits.commit(LOOP_WRITES)?;
        if pair > 0 {
            rounds.one_by_one.push(round);
        }
    }
    verify(server, &writers)?;
    Ok(rounds)
}

/// With the disk as it is.
pub(crate) fn run() -> Res<Report> {
    let dir = directory()?;
    let data = dir.path().join("data");
    let server = Server::on(&data, &[])?;
    let look = Look::into(&data)?;
    let bare = Process::rival(&[rivals::READS], Sync::Disk)?;
    let mut commits = Loop::start(Sync::Disk)?;
    let mut report = Report::new(
        "post: durable writes of distinct states of 60 kB under a lock, \
         syncs as the disk does them",
    );
    for (clients, target) in [
        (1, Target::None),
        (16, Target::AtMost(MOST_CPU)),
        (64, Target::None),
    ] {
        let rounds = rounds((&server, &look), &bare, &mut commits, clients)?;
        for (way, (hashing, words)) in WAYS.iter().enumerate() {
            let (ours, bare) = (&rounds.ours[way], &rounds.bare[way]);
            report.measured(&format!("statekeep, {words}"), clients, ours);
            report.measured(
                &format!("bare handler that reads the body, {words}"),
                clients,
                bare,
            );
            let name = format!("writes a second at {clients}, {words}, statekeep / bare handler");
            report.ratio(&name, (ours, bare), |round| round.rate, Target::None);
            let target = if *hashing == Hashing::OnSending {
                target
            } else {
                Target::None
            };
            let name = format!("processor for a write at {clients}, {words}");
            let cpu = ours.iter().filter_map(|round| round.cpu);
            report.figure(
                &name,
                cpu.map(|cpu| cpu * 1e6).collect(),
                MICROSECONDS,
                target,
            );
        }
        report.measured("loop that commits one by one", 1, &rounds.one_by_one);
        let pairs = (&*rounds.ours[0], &*rounds.one_by_one);
        report.ratio(
            &format!("writes a second at {clients}, statekeep / loop"),
            pairs,
            |round| round.rate,
            Target::None,
        );
    }
    Ok(report)
}

/// With a disk whose syncs take 5 ms longer.
pub(crate) fn run_slow_sync() -> Res<Report> {
    let sync = Sync::Slower(SLOW_SYNC);
    let server = Server::start(sync, &[])?;
    let look = Look::into(&server.data)?;
    let mut commits = Loop::start(sync)?;
    let handler = Handler::start(sync)?;
    // As long as the log is not yet as long as it becomes, each sync has to write the file's new
    // length too. The rivals' first round does that.
    load::send_all(
        &server.process,
        &requests(
            &mut writers(&server, LOG_CLIENTS)?,
            LOG_WRITES,
            Hashing::Before,
        ),
    )?;
    look.wait_until_compacted()?;
    let mut report = Report::new("post-slow-sync: the same, with 5 ms more for each sync");
    for (clients, target) in [(1, Target::AtLeast(0.95)), (64, Target::AtLeast(8.0))] {
        let mut writers = writers(&server, clients)?;
        let (mut ours, mut one_by_one, mut over_http) = (Vec::new(), Vec::new(), Vec::new());
        let mut total = 100 + 20 * clients;
        for pair in 0..=PAIRS {
            eprintln!("post-slow-sync: {clients} clients, pair {pair} of {PAIRS}");
            let requests = requests(&mut writers, total, Hashing::Before);
            let round = load::send_all(&server.process, &requests)?;
            total = enough(&round)?;
            look.wait_until_compacted()?;
            let beside = commits.commit(SLOW_LOOP_WRITES)?;
            // As many as it is through with in about the same time.
            let few: Vec<_> = requests
                .iter()
                .map(|own| own[..own.len().min(SLOW_LOOP_WRITES as usize / clients)].to_vec())
                .collect();
            let behind = load::send_all(&handler.process, &few)?;
            if pair > 0 {
                ours.push(round);
                one_by_one.push(beside);
                over_http.push(behind);
            }
        }
        verify(&server, &writers)?;
        report.measured("statekeep", clients, &ours);
        report.measured("loop that commits one by one", 1, &one_by_one);
        report.measured("the same loop behind a bare handler", clients, &over_http);
        report.ratio(
            &format!("writes a second at {clients}, statekeep / loop"),
            (&ours, &one_by_one),
            |round| round.rate,
            // One client pays for HTTP, which the loop has none of.
            if clients == 1 { Target::None } else { target },
        );
        let name = format!("writes a second at {clients}, statekeep / loop behind a bare handler");
        report.ratio(&name, (&ours, &over_http), |round| round.rate, target);
    }
    Ok(report)
}
