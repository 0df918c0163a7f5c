//! Writes while what was written before is being compacted, beside the same server that compacts
//! nothing.
//!
//! Clients make their bodies as they send them, so that rounds can be long: while others write,
//! compaction begins ten seconds after a write. Before the rival's turn, ours has compacted
//! everything, so that the rival is not slowed down by work that is not its own.

use std::sync::Mutex;
use std::time::Duration;

use crate::Res;
use crate::load::{self, Round};
use crate::look::Look;
use crate::process::{Server, directory};
use crate::writer::{Writer, verify, writers};

/// How many clients write at the same time.
pub(super) const CLIENTS: usize = 16;
const PAIRS: usize = 5;
/// How long it is written before the clock starts: by then compaction is under way.
const BEFORE: Duration = Duration::from_secs(11);
const ROUND: Duration = Duration::from_secs(4);

/// The rounds of both.
#[derive(Default)]
pub(super) struct Rounds {
    pub(super) ours: Vec<Round>,
    pub(super) rival: Vec<Round>,
}

/// Takes turns.
pub(super) fn take() -> Res<Rounds> {
    let dir = directory()?;
    let (data, other) = (dir.path().join("data"), dir.path().join("other"));
    let (server, rival) = (
        Server::on(&data, &[])?,
        Server::that_compacts_nothing(&other)?,
    );
    let look = Look::into(&data)?;
    let ours = together(writers(&server, CLIENTS)?);
    let theirs = together(writers(&rival, CLIENTS)?);
    let mut rounds = Rounds::default();
    for pair in 0..=PAIRS {
        eprintln!("history-post: pair {pair} of {PAIRS}");
        let (one, other) = (
            round(&server, &ours)?,
            look.wait_until_compacted()
                .and_then(|_| round(&rival, &theirs))?,
        );
        // The first warms up.
        if pair > 0 {
            rounds.ours.push(one);
            rounds.rival.push(other);
        }
    }
    verify(&server, &apart(ours)?)?;
    verify(&rival, &apart(theirs)?)?;
    if Look::into(&other)?.uncompacted()? < 0.5 {
        return Err("the rival has compacted versions".into());
    }
    Ok(rounds)
}

fn round(server: &Server, writers: &[(Mutex<Writer>, Duration)]) -> Res<Round> {
    load::write_for(&server.process, writers, BEFORE)?;
    load::write_for(&server.process, writers, ROUND)
}

/// Writers as a round takes them, which all start at once.
fn together(writers: Vec<Writer>) -> Vec<(Mutex<Writer>, Duration)> {
    writers
        .into_iter()
        .map(|writer| (Mutex::new(writer), Duration::ZERO))
        .collect()
}

/// Writers after their rounds.
pub(super) fn apart(writers: Vec<(Mutex<Writer>, Duration)>) -> Res<Vec<Writer>> {
    writers
        .into_iter()
        .map(|(writer, _)| writer.into_inner().map_err(|_| "a client panicked".into()))
        .collect()
}
