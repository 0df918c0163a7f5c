//! Whether compaction keeps up with writes that come at a steady pace: what is left when they end,
//! and for how long.

use std::sync::Mutex;
use std::time::Duration;

use super::posts::apart;
use super::size;
use crate::Res;
use crate::load::{self, Round};
use crate::look::Look;
use crate::process::{Server, directory};
use crate::report::Target;
use crate::writer::{Writer, verify};

/// How many writes come in a second, of all clients.
pub(super) const WRITES_A_SECOND: u32 = 100;
/// For how long.
pub(super) const TIME: Duration = Duration::from_secs(20);

/// What is written.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) writers: usize,
    resources: usize,
    /// Within how many seconds everything has to be compacted.
    pub(super) target: Target,
}

/// Small states of many, and one large state.
pub(super) const KINDS: [Kind; 2] = [
    Kind {
        name: "16 states of 60 kB",
        writers: 16,
        resources: 34,
        target: Target::AtMost(5.0),
    },
    Kind {
        name: "one state of 0.95 MB",
        writers: 1,
        resources: size::RESOURCES,
        target: Target::None,
    },
];

/// What it came to.
pub(super) struct Paced {
    pub(super) round: Round,
    /// How many versions were not compacted right after the last write.
    pub(super) left: f64,
    /// How many seconds later all were.
    pub(super) until_compacted: f64,
}

/// Writes at that pace, or as fast as the server answers where that is slower.
pub(super) fn take(kind: Kind) -> Res<Paced> {
    eprintln!("history-pace: {}", kind.name);
    let dir = directory()?;
    let data = dir.path().join("data");
    let server = Server::on(&data, &[])?;
    let mut connection = server.connect()?;
    let mut writers = Vec::new();
    for index in 0..u32::try_from(kind.writers)? {
        let writer = Writer::with_resources(
            &server.secret,
            &format!("paced-{index}"),
            u64::from(index),
            kind.resources,
        )?;
        connection.exchange(&writer.lock())?;
        // One after the other, not all at once.
        writers.push((
            Mutex::new(writer),
            Duration::from_secs(1) * index / WRITES_A_SECOND,
        ));
    }
    let every = Duration::from_secs(1) * u32::try_from(kind.writers)? / WRITES_A_SECOND;
    let look = Look::into(&data)?;
    let round = load::write_at_a_pace(&server.process, &writers, every, TIME)?;
    let left = look.uncompacted()?;
    let until_compacted = look.wait_until_compacted()?;
    verify(&server, &apart(writers)?)?;
    server.stop()?;
    Ok(Paced {
        round,
        left,
        until_compacted,
    })
}
