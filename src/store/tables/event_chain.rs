//! The chain of events: each event's hash is made of the hash of the one before and of what its row
//! says. So no event can be changed, removed or put in without being found out.
//!
//! What of a row may grow later is left out of the chain and has a keyed hash of its own. The last
//! event is in the row of the last commit, so a tail that was cut off is noticed.

use rusqlite::types::{ToSql, ValueRef};
use rusqlite::{Connection, OptionalExtension as _, Row, params, params_from_iter};

use crate::model::digest::Digest;
use crate::model::event_growth::Growth;
use crate::model::event_head::EventHead;
use crate::store::error::StoreError;
use crate::store::row_hash::{Hashing, Purpose, RowHash, RowKey};
use crate::store::statements::Prepare as _;
use crate::store::tables::event_growth;
use crate::store::tables::hashed::{self, EVENT_GAPS};
use crate::store::tables::rows;
use crate::store::tx::{Tx, View};

/// The columns that a new event gets, in the order in which they are hashed. `seq` is the first.
pub(in crate::store) const APPENDED: [&str; 16] = [
    "seq",
    "at",
    "kind",
    "actor",
    "actor_name",
    "address",
    "request_id",
    "workspace",
    "building_block",
    "version",
    "lock_id",
    "count",
    "last_at",
    "attention",
    "detail",
    "lasting",
];

/// All columns of an event but its two hashes, as a verification selects them.
pub(in crate::store) const CHAINED: &str = "seq, at, kind, actor, actor_name, address, \
    request_id, workspace, building_block, version, lock_id, count, last_at, attention, detail, \
    lasting, gather";
/// How many these are; the two hashes are selected behind them.
pub(in crate::store) const CHAINED_COLUMNS: usize = APPENDED.len() + 1;
/// Where `kind` is among them.
const KIND_AT: usize = 2;

/// What a new event says, in the order of [`APPENDED`] but for its place.
pub(in crate::store) type NewColumns<'a> = [&'a dyn ToSql; APPENDED.len() - 1];

/// Whether the chain covers a column.
fn covers(growth: Growth, column: &str) -> bool {
    match growth {
        Growth::Never => true,
        Growth::Counted => !["count", "last_at"].contains(&column),
        Growth::InParts => !["last_at", "detail"].contains(&column),
    }
}

/// The hash that an event has to have whose columns, [`CHAINED`], are the first of a row.
pub(in crate::store) fn link(before: &Digest, row: &Row<'_>) -> rusqlite::Result<Digest> {
    let growth = growth(row)?;
    let mut hashing = Hashing::of_event_after(before);
    for (column, at) in APPENDED.iter().chain(&["gather"]).zip(0..) {
        if covers(growth, column) {
            hashing.column(column, row.get_ref(at)?);
        }
    }
    Ok(hashing.end())
}

/// What of the row of an event may grow, whose columns are the first of a row.
pub(in crate::store) fn growth(row: &Row<'_>) -> rusqlite::Result<Growth> {
    let kind = row.get_ref(KIND_AT)?.as_bytes().unwrap_or_default();
    Ok(Growth::of_name(&String::from_utf8_lossy(kind)))
}

/// What the row of the last commit says of the chain.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct KnownChain {
    /// The last event.
    pub(in crate::store) head: EventHead,
    /// The last event from before the chain; 0 where there were none.
    pub(in crate::store) begun: i64,
    /// Whether both are as they were written.
    pub(in crate::store) fits: bool,
}

/// The keyed hash of the last event, and of where the chain begins.
fn hash_of_head(key: &RowKey, head: &EventHead, begun: i64) -> RowHash {
    let mut hashing = key.begin(Purpose::EventHead, "commits");
    let number = head.number.cast_signed();
    hashing.column("events_number", ValueRef::Integer(number));
    hashing.column("events_chain", ValueRef::Blob(head.chain.as_bytes()));
    hashing.column("events_begun", ValueRef::Integer(begun));
    hashing.end()
}

/// Writes which event is the last one.
pub(in crate::store) fn write_head(
    connection: &Connection,
    key: &RowKey,
    head: &EventHead,
    begun: i64,
) -> rusqlite::Result<()> {
    let sql = "UPDATE commits SET events_number = ?1, events_chain = ?2, events_begun = ?3, \
        events_mac = ?4";
    let (number, mac) = (head.number.cast_signed(), hash_of_head(key, head, begun));
    let values = params![number, head.chain.as_bytes(), begun, mac.as_slice()];
    connection.prepared(sql)?.execute(values).map(drop)
}

/// What the row of the last commit says of the chain; none where there is none yet.
pub(in crate::store) fn read_head(
    connection: &Connection,
    key: &RowKey,
) -> rusqlite::Result<Option<KnownChain>> {
    let sql = "SELECT events_number, events_chain, events_begun, events_mac FROM commits WHERE \
        events_number IS NOT NULL";
    let mut statement = connection.prepared(sql)?;
    let read = |row: &Row<'_>| {
        let head = EventHead {
            number: rows::unsigned(row, 0)?,
            chain: rows::digest(row, 1)?,
        };
        let begun = row.get(2)?;
        let hash = hash_of_head(key, &head, begun);
        Ok(KnownChain {
            head,
            begun,
            fits: row.get_ref(3)? == ValueRef::Blob(&hash),
        })
    };
    statement.query_row([], read).optional()
}

/// What is known of the chain. In data that has none yet, one begins behind the events that there
/// are, with a hash that no other data has.
pub(in crate::store) fn known_or_begun(
    connection: &Connection,
    key: &RowKey,
) -> Result<KnownChain, StoreError> {
    let last = "SELECT coalesce(max(seq), 0) FROM events";
    let number = connection
        .prepared(last)?
        .query_row([], |row| rows::unsigned(row, 0))?;
    if let Some(mut known) = read_head(connection, key)? {
        if number > known.head.number {
            // Rows that nobody recorded: a verification names them. No place is given twice.
            known.head.number = number;
            write_head(connection, key, &known.head, known.begun)?;
            known.fits = false;
        }
        return Ok(known);
    }
    let mut chain = [0; 32];
    getrandom::fill(&mut chain).map_err(|error| StoreError::Statement(error.to_string()))?;
    let chain = Digest::from_bytes(chain);
    let begun = KnownChain {
        head: EventHead { number, chain },
        begun: number.cast_signed(),
        fits: true,
    };
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let done = begin(connection, key, &begun);
    connection.execute_batch(if done.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
    Ok(done.map(|()| begun)?)
}

fn begin(connection: &Connection, key: &RowKey, known: &KnownChain) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM event_gaps", [])?;
    let sql = "INSERT INTO event_gaps (first, last, chain) VALUES (0, ?1, ?2) RETURNING first, \
        last, chain";
    let values = params![known.begun, known.head.chain.as_bytes()];
    let entry = connection.query_row(sql, values, |row| EVENT_GAPS.entry(key, row, 0))?;
    hashed::keep_hash(connection, &EVENT_GAPS, &entry)?;
    write_head(connection, key, &known.head, known.begun)
}

impl View<'_> {
    /// The last event and its hash. Events that are buffered are not among them yet.
    pub fn event_head(&self) -> Result<EventHead, StoreError> {
        let head = read_head(self.connection, self.row_key)?;
        Ok(head.map_or(EventHead::NONE, |known| known.head))
    }
}

impl Tx<'_> {
    /// Records an event behind the last one, and says its place.
    pub(in crate::store) fn append_event(
        &self,
        growth: Growth,
        columns: NewColumns<'_>,
    ) -> Result<u64, StoreError> {
        let before = self.last_event_head();
        let place = before.number.saturating_add(1);
        let seq = place.cast_signed();
        let mut hashing = Hashing::of_event_after(&before.chain);
        hashing.column(APPENDED[0], ValueRef::Integer(seq));
        for (column, value) in APPENDED[1..].iter().zip(columns) {
            if covers(growth, column) {
                hashing.value(column, value)?;
            }
        }
        let chain = hashing.end();
        let grown = match growth {
            Growth::Never => None,
            Growth::Counted | Growth::InParts => {
                Some(self.hash_of_grown(seq, &chain, columns)?.to_vec())
            }
        };
        let sql = "INSERT INTO events (seq, at, kind, actor, actor_name, address, request_id, \
            workspace, building_block, version, lock_id, count, last_at, attention, detail, \
            lasting, chain, grown, fresh) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, \
            ?12, ?13, ?14, ?15, ?16, ?17, ?18, 1)";
        let (first, hash): (&dyn ToSql, &dyn ToSql) = (&seq, chain.as_bytes());
        let values = std::iter::once(first)
            .chain(columns)
            .chain([hash, &grown as &dyn ToSql]);
        self.run(sql, params_from_iter(values))?;
        self.set_last_event(EventHead {
            number: place,
            chain,
        });
        Ok(place)
    }

    fn hash_of_grown(
        &self,
        seq: i64,
        chain: &Digest,
        columns: NewColumns<'_>,
    ) -> rusqlite::Result<RowHash> {
        let [_, _, _, _, _, _, _, _, _, _, count, last_at, _, detail, _] = columns;
        event_growth::hash_of(
            self.row_key,
            [&seq, chain.as_bytes(), count, last_at, detail],
        )
    }
}
