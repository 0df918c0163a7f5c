//! Who may have a connection. No client takes the places of others:
//!
//! - one address has at most an eighth of the places, trusted proxies excepted;
//! - if there is no place, a connection that does nothing makes room: one without credentials
//!   first, and of these the longest idle;
//! - if none does, the new one waits for a moment, is answered 503, and is closed;
//! - if many wait already, it is answered 503 and closed at once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::config::Network;
use crate::domain::Domain;
use crate::http::server::connection::{Connection, TurnToLeave, milliseconds_since};
use crate::http::server::shared::Shared;
use crate::http::wire::origin::Peer;
use crate::http::wire::per_network::{Counted, PerNetwork};
use crate::model::clock;
use crate::sabotage::{self, Fault};

/// The part of all connections that one address may have.
const PART_OF_ONE: usize = 8;
/// One address may have so many connections, however few there are in all.
const LEAST_OF_ONE: usize = 16;
/// The operator's socket has so many connections.
const OPERATORS: usize = 64;
/// How many connections wait for a place, and how many of one address.
pub(super) const LOBBY: usize = 64;
const LOBBY_OF_ONE: usize = 8;
/// How many connections that were answered 503 stay until their clients have read that.
pub(super) const LEAVING: usize = 128;
/// How long they wait, and how often they ask.
const LOBBY_TIME: Duration = Duration::from_secs(1);
const ASK_EVERY: Duration = Duration::from_millis(25);
/// If so many connections are open, in eighths of all, idle ones are closed after
/// [`IDLE_WHEN_TIGHT`] milliseconds.
const TIGHT: usize = 7;
pub(super) const IDLE_WHEN_TIGHT: u64 = 1_000;
/// If nobody could make room, nobody is asked again for so many milliseconds.
const ASK_NOBODY: u64 = 25;
/// If there is no place at all, this part of the places is made free at once.
const FREED_AT_ONCE: usize = 64;

/// All open connections of one listener.
pub(in crate::http) struct Door {
    began: Instant,
    domain: Arc<Domain>,
    most: usize,
    most_of_one: usize,
    table: Mutex<Table>,
    lobby: Semaphore,
    lobby_of_one: Arc<PerNetwork>,
    /// Requests under way that share a connection with others: of clients behind trusted proxies,
    /// and over HTTP/2.
    requests: Arc<PerNetwork>,
    leaving: Semaphore,
}

type Connections = HashMap<u64, Arc<Connection>>;

#[derive(Default)]
struct Table {
    next: u64,
    open: usize,
    /// By network; those of the socket have none.
    of: HashMap<Option<Network>, Connections>,
    /// Nobody is asked to make room before.
    ask_nobody_until: u64,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug)]
pub(super) enum Full {
    /// The address has its share.
    OfOne,
    /// Every place is taken by a connection that is in use.
    All,
}

impl Full {
    /// Its name in metrics.
    const fn reason(self) -> &'static str {
        match self {
            Self::OfOne => "address",
            Self::All => "all",
        }
    }

    /// What a client is told.
    pub(super) const fn detail(self) -> &'static str {
        match self {
            Self::OfOne => "this address has too many connections; close some, or try again",
            Self::All => "the server has too many connections; try again",
        }
    }
}

impl Door {
    /// A door for clients with so many places.
    pub(super) fn for_clients(domain: &Arc<Domain>, most: usize) -> Arc<Self> {
        let of_one = (most / PART_OF_ONE).max(LEAST_OF_ONE).min(most);
        let of_one = if sabotage::is(Fault::Door) {
            most
        } else {
            of_one
        };
        Self::new(domain, most, of_one)
    }

    /// The operator's own.
    pub(super) fn for_the_operator(domain: &Arc<Domain>) -> Arc<Self> {
        Self::new(domain, OPERATORS, OPERATORS)
    }

    fn new(domain: &Arc<Domain>, most: usize, most_of_one: usize) -> Arc<Self> {
        Arc::new(Self {
            began: clock::monotonic(),
            domain: Arc::clone(domain),
            most,
            most_of_one,
            table: Mutex::default(),
            lobby: Semaphore::new(LOBBY),
            lobby_of_one: PerNetwork::new(LOBBY_OF_ONE),
            requests: PerNetwork::bounded(most_of_one, most),
            leaving: Semaphore::new(LEAVING),
        })
    }

    /// How many connections the system has to take for this door, those included that wait or that
    /// leave.
    pub(super) const fn files(&self) -> usize {
        self.most + 2 * LOBBY + LEAVING
    }

    /// A place for a connection that was refused, until its client has read why; none if many leave
    /// already.
    pub(super) fn leaving(&self) -> Option<SemaphorePermit<'_>> {
        self.leaving.try_acquire().ok()
    }

    pub(super) fn now(&self) -> u64 {
        milliseconds_since(self.began)
    }

    /// A place for a new connection, after a short wait if there is none now.
    pub(super) async fn enter(
        self: &Arc<Self>,
        stream: &Shared,
        peer: Peer,
    ) -> Result<Arc<Connection>, Full> {
        let mut full = match self.admit(stream, peer) {
            Ok(connection) => return Ok(connection),
            Err(full) => full,
        };
        let of_one = peer.address().map(Network::of);
        let waits = of_one.map(|network| self.lobby_of_one.take(network));
        let (Some(Some(_)) | None, Ok(_waits)) = (&waits, self.lobby.try_acquire()) else {
            return Err(self.refused(full));
        };
        let end = clock::monotonic() + LOBBY_TIME;
        while clock::monotonic() < end {
            tokio::time::sleep(ASK_EVERY).await;
            full = match self.admit(stream, peer) {
                Ok(connection) => return Ok(connection),
                Err(full) => full,
            };
        }
        Err(self.refused(full))
    }

    fn refused(&self, full: Full) -> Full {
        let refused = &self.domain.engine().metrics().refused_connections;
        refused.with_label_values(&[full.reason()]).inc();
        full
    }

    /// A place for a new connection, if there is one or one can be made.
    fn admit(&self, stream: &Shared, peer: Peer) -> Result<Arc<Connection>, Full> {
        let network = peer.address().map(Network::of);
        let now = self.now();
        let mut table = self.table.lock();
        let of_one = table.of.get(&network).map_or(0, HashMap::len);
        if !peer.is_proxy() && of_one >= self.most_of_one {
            let among = table.of_one(network);
            let freed = table.free(now, among, 1);
            self.closed_early(Full::OfOne, freed)?;
        }
        if table.open >= self.most {
            if now < table.ask_nobody_until {
                return Err(Full::All);
            }
            let among = table.all();
            let freed = table.free(now, among, (self.most / FREED_AT_ONCE).max(1));
            if freed == 0 {
                table.ask_nobody_until = now + ASK_NOBODY;
            }
            self.closed_early(Full::All, freed)?;
        }
        let connection = Connection::new(table.next, peer, stream.socket(), self.began);
        table.add(network, &connection);
        drop(table);
        self.domain.engine().metrics().connections.inc();
        Ok(connection)
    }

    fn closed_early(&self, full: Full, count: usize) -> Result<(), Full> {
        if count == 0 {
            return Err(full);
        }
        let metrics = self.domain.engine().metrics();
        let closed = metrics
            .closed_connections
            .with_label_values(&[full.reason()]);
        closed.inc_by(count as u64);
        Ok(())
    }

    /// A connection has ended.
    pub(super) fn leave(&self, connection: &Connection) {
        connection.let_go();
        self.table.lock().remove(connection);
        self.domain.engine().metrics().connections.dec();
    }

    /// Closes idle connections if there are few places left.
    pub(super) fn make_room(&self) {
        let tight = self.most / PART_OF_ONE * TIGHT;
        let mut table = self.table.lock();
        let Some(spare) = table.open.checked_sub(tight).filter(|spare| *spare > 0) else {
            return;
        };
        let now = self.now();
        let mut idle = table.all();
        idle.retain(|one| one.is_idle_for(now, IDLE_WHEN_TIGHT));
        let freed = table.free(now, idle, spare);
        drop(table);
        let _ = self.closed_early(Full::All, freed);
    }

    /// Every open connection.
    pub(super) fn connections(&self) -> Vec<Arc<Connection>> {
        self.table.lock().all()
    }

    /// One of the requests that a client may have under way on connections that it has not for
    /// itself, or over HTTP/2; none if it has them all.
    pub(in crate::http) fn request_of(&self, client: Network) -> Option<Counted> {
        self.requests.take(client)
    }
}

impl Table {
    fn add(&mut self, network: Option<Network>, connection: &Arc<Connection>) {
        self.next += 1;
        self.open += 1;
        let of_one = self.of.entry(network).or_default();
        of_one.insert(connection.id, Arc::clone(connection));
    }

    fn remove(&mut self, connection: &Connection) {
        let network = connection.network();
        let Some(of_one) = self.of.get_mut(&network) else {
            return;
        };
        if of_one.remove(&connection.id).is_some() {
            self.open -= 1;
        }
        if of_one.is_empty() {
            self.of.remove(&network);
        }
    }

    fn of_one(&self, network: Option<Network>) -> Vec<Arc<Connection>> {
        let of_one = self.of.get(&network).into_iter().flat_map(HashMap::values);
        of_one.cloned().collect()
    }

    fn all(&self) -> Vec<Arc<Connection>> {
        let all = self.of.values().flat_map(HashMap::values);
        all.cloned().collect()
    }

    /// Closes so many of these that would be missed least. Says how many could be.
    fn free(&mut self, now: u64, among: Vec<Arc<Connection>>, count: usize) -> usize {
        if sabotage::is(Fault::Door) {
            return 0;
        }
        let ranked = among
            .into_iter()
            .filter_map(|one| Some((one.rank(now)?, one)));
        let mut ranked: Vec<(TurnToLeave, Arc<Connection>)> = ranked.collect();
        ranked.sort_unstable_by_key(|(rank, _)| *rank);
        ranked.truncate(count);
        for (_, connection) in &ranked {
            connection.hang_up();
            self.remove(connection);
        }
        ranked.len()
    }
}
