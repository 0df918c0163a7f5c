//! Writes where there is much already, beside writes where there is little: one after the other,
//! and their ratio.

use std::time::Instant;

use crate::Res;
use crate::load;
use crate::look::Look;
use crate::process::{Server, directory};
use crate::report::median;
use crate::start::{path, tiny};
use crate::wire::{Connection, Hashing, Request};
use crate::writer::{Writer, verify};

/// What the two ratios are called.
pub(super) const BY_VERSIONS: &str =
    "a write after 5,000 versions of the state / after 50 of another one";
pub(super) const BY_STATES: &str = "a write beside 100,000 states / in an empty directory";

const MANY_VERSIONS: usize = 5_000;
const FEW_VERSIONS: usize = 50;
const MANY_STATES: usize = 100_000;
const CLIENTS: usize = 16;
const ROUNDS: usize = 5;
/// How many pairs of writes a round has.
const PAIRS: usize = 100;

/// Who writes, and over which connection.
struct Client<'s> {
    server: &'s Server,
    writer: Writer,
    connection: Connection,
}

impl<'s> Client<'s> {
    fn new(server: &'s Server, block: &str, seed: u64) -> Res<Self> {
        let writer = Writer::new(&server.secret, block, seed)?;
        let mut connection = server.connect()?;
        connection.exchange(&writer.lock())?;
        Ok(Self {
            server,
            writer,
            connection,
        })
    }

    /// Takes a new connection: the server hangs up where nobody asks for long.
    fn connect(&mut self) -> Res<()> {
        self.connection = self.server.connect()?;
        Ok(())
    }

    /// Writes the next version and says in how many seconds.
    fn write(&mut self) -> Res<f64> {
        let request = self.writer.next(Hashing::Before);
        let began = Instant::now();
        self.connection.exchange(&request)?;
        Ok(began.elapsed().as_secs_f64())
    }
}

/// The median ratio of some pairs of writes; each goes first as often as the other.
fn round(one: &mut Client<'_>, other: &mut Client<'_>) -> Res<f64> {
    one.connect()?;
    other.connect()?;
    let mut ratios = Vec::with_capacity(PAIRS);
    for pair in 0..PAIRS {
        let (one, other) = if pair % 2 == 0 {
            let one = one.write()?;
            (one, other.write()?)
        } else {
            let other = other.write()?;
            (one.write()?, other)
        };
        ratios.push(one / other);
    }
    Ok(median(ratios).ok_or("no writes")?)
}

/// Two states of one server: one with a long history, and one whose history has just begun, a new
/// one each round.
pub(super) fn by_versions() -> Res<Vec<f64>> {
    let dir = directory()?;
    let data = dir.path().join("data");
    let server = Server::on(&data, &[])?;
    let look = Look::into(&data)?;
    let mut long = Client::new(&server, "long", 80_000)?;
    eprintln!("history-length: {MANY_VERSIONS} versions");
    (0..MANY_VERSIONS).try_for_each(|_| long.write().map(drop))?;
    let mut ratios = Vec::new();
    for number in 1..=ROUNDS {
        eprintln!("history-length: versions, {number} of {ROUNDS}");
        let mut short = Client::new(
            &server,
            &format!("short-{number}"),
            81_000 + u64::try_from(number)?,
        )?;
        (0..FEW_VERSIONS).try_for_each(|_| short.write().map(drop))?;
        look.wait_until_compacted()?;
        ratios.push(round(&mut long, &mut short)?);
        verify(&server, &[short.writer])?;
    }
    verify(&server, &[long.writer])?;
    server.stop()?;
    Ok(ratios)
}

/// Two servers: one with many states, and one with none but that which is written.
pub(super) fn by_states() -> Res<Vec<f64>> {
    let dir = directory()?;
    let (data, other) = (dir.path().join("data"), dir.path().join("other"));
    let (full, empty) = (Server::on(&data, &[])?, Server::on(&other, &[])?);
    eprintln!("history-length: {MANY_STATES} states");
    let requests = |client: usize| {
        let mine = (client..MANY_STATES).step_by(CLIENTS);
        mine.map(|state| Request::post(&path(state), &full.secret, tiny(state, 1)))
            .collect::<Vec<_>>()
    };
    load::send_all(
        &full.process,
        &(0..CLIENTS).map(requests).collect::<Vec<_>>(),
    )?;
    let looks = [Look::into(&data)?, Look::into(&other)?];
    let (mut among_many, mut alone) = (
        Client::new(&full, "one", 82_000)?,
        Client::new(&empty, "one", 82_000)?,
    );
    let mut ratios = Vec::new();
    for number in 0..=ROUNDS {
        eprintln!("history-length: states, {number} of {ROUNDS}");
        for look in &looks {
            look.wait_until_compacted()?;
        }
        let ratio = round(&mut among_many, &mut alone)?;
        // The first warms up.
        if number > 0 {
            ratios.push(ratio);
        }
    }
    verify(&full, &[among_many.writer])?;
    verify(&empty, &[alone.writer])?;
    full.stop()?;
    empty.stop()?;
    Ok(ratios)
}
