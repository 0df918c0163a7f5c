//! What sealing costs: the same server with a storage key and without one, side by side.
//!
//! Two pairs of servers: with their defaults, where a read comes from the cache, and with no cache,
//! where each read opens a frame. A round of one is next to a round of the other, and which comes
//! first changes from pair to pair.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::Res;
use crate::load::{self, Round};
use crate::look::Look;
use crate::process::{Server, Sync, as_text, directory, program};
use crate::report::{Report, Target};
use crate::wire::{Hashing, Request};
use crate::writer::{Writer, requests, verify, writers};

const CLIENTS: usize = 16;
const PAIRS: usize = 11;
const ROUND: Duration = Duration::from_secs(1);
/// How many writes a round has.
const WRITES: usize = 640;

/// The same server twice, in the clear and sealed.
type Both = [Server; 2];

/// Both rounds of each pair.
type Rounds = [Vec<Round>; 2];

pub(crate) fn run() -> Res<Report> {
    let temp = directory()?;
    let key = temp.path().join("storage.key");
    let made = Command::new(program())
        .args(["key", "new-storage", as_text(&key)?])
        .output()?;
    if !made.status.success() {
        return Err(String::from_utf8_lossy(&made.stderr).into());
    }
    let mut report = Report::new("sealing: the same server with a storage key and without one");
    let (cached, uncached) = (both(&key, &[])?, both(&key, &["--cache-size", "0"])?);
    let writes = posts(&cached)?;
    show(&mut report, "durable writes", &writes, 0.95);
    let reads = gets("cached reads", &cached)?;
    show(&mut report, "cached reads", &reads, 0.98);
    let reads = gets("uncached reads", &uncached)?;
    show(&mut report, "uncached reads", &reads, 0.90);
    Ok(report)
}

fn both(key: &Path, flags: &[&str]) -> Res<Both> {
    let sealed = [flags, &["--storage-key-file", as_text(key)?]].concat();
    Ok([
        Server::start(Sync::Disk, flags)?,
        Server::start(Sync::Disk, &sealed)?,
    ])
}

/// Takes a round of both, the one in the clear first in every other pair.
fn in_turns(what: &str, mut round: impl FnMut(usize) -> Res<Round>) -> Res<Rounds> {
    let mut rounds = Rounds::default();
    for pair in 0..=PAIRS {
        eprintln!("sealing: {what}, pair {pair} of {PAIRS}");
        for turn in 0..2 {
            let which = (pair + turn) % 2;
            let taken = round(which)?;
            // The first warms up.
            if pair > 0 {
                rounds[which].push(taken);
            }
        }
    }
    Ok(rounds)
}

/// States of 60 kB, each under the lock of its client.
fn posts(servers: &Both) -> Res<Rounds> {
    let looks = [Look::into(&servers[0].data)?, Look::into(&servers[1].data)?];
    let mut clients = [
        writers(&servers[0], CLIENTS)?,
        writers(&servers[1], CLIENTS)?,
    ];
    let rounds = in_turns("durable writes", |which| {
        let wanted = requests(&mut clients[which], WRITES, Hashing::OnSending);
        let round = load::send_all(&servers[which].process, &wanted)?;
        // The other one is not slowed down by what is not its own.
        looks[which].wait_until_compacted()?;
        Ok(round)
    })?;
    for (server, clients) in servers.iter().zip(&clients) {
        verify(server, clients)?;
    }
    Ok(rounds)
}

/// One state of 60 kB, read again and again.
fn gets(what: &str, servers: &Both) -> Res<Rounds> {
    let wanted: Vec<Vec<Vec<Request>>> = servers.iter().map(readers).collect::<Res<_>>()?;
    in_turns(what, |which| {
        load::repeat(&servers[which].process, &wanted[which], ROUND)
    })
}

/// The requests of clients who read what one of them has written.
fn readers(server: &Server) -> Res<Vec<Vec<Request>>> {
    let mut writer = Writer::new(&server.secret, "read", 1)?;
    let mut connection = server.connect()?;
    connection.exchange(&writer.lock())?;
    connection.exchange(&writer.next(Hashing::Before))?;
    if connection.exchange(&writer.read())? != writer.state() {
        return Err("what was read is not what was written".into());
    }
    Ok(vec![vec![writer.read()]; CLIENTS])
}

fn show(report: &mut Report, what: &str, [clear, sealed]: &Rounds, least: f64) {
    report.measured(&format!("{what}, in the clear"), CLIENTS, clear);
    report.measured(&format!("{what}, sealed"), CLIENTS, sealed);
    report.ratio(
        &format!("{what} a second, sealed / in the clear"),
        (sealed, clear),
        |round| round.rate,
        Target::AtLeast(least),
    );
    report.ratio(
        &format!("processor for each of the {what}, sealed / in the clear"),
        (sealed, clear),
        |round| round.cpu.unwrap_or(f64::NAN),
        Target::None,
    );
}
