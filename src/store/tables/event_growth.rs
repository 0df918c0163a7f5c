//! Events whose rows grow after they were recorded: what grows has a keyed hash.

use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Row, ToSql, params};

use crate::model::clock::Timestamp;
use crate::store::error::StoreError;
use crate::store::row_hash::{Purpose, RowHash, RowKey};
use crate::store::statements::Prepare as _;
use crate::store::tx::{Tx, View};

/// The columns that the hash of what grows is made of.
const GROWING: [&str; 5] = ["seq", "chain", "count", "last_at", "detail"];

/// What of an event may grow, as it is now.
struct Grown {
    seq: i64,
    chain: Value,
    count: i64,
    last_at: i64,
    detail: Value,
    /// Whether it is as it was written.
    fits: bool,
}

/// The hash of the values of [`GROWING`].
pub(super) fn hash_of(key: &RowKey, values: [&dyn ToSql; 5]) -> rusqlite::Result<RowHash> {
    let mut hashing = key.begin(Purpose::Grown, "events");
    for (name, value) in GROWING.iter().zip(values) {
        hashing.value(name, value)?;
    }
    Ok(hashing.end())
}

impl Grown {
    fn hash(&self, key: &RowKey) -> rusqlite::Result<RowHash> {
        let values: [&dyn ToSql; 5] = [
            &self.seq,
            &self.chain,
            &self.count,
            &self.last_at,
            &self.detail,
        ];
        hash_of(key, values)
    }
}

/// How many rows one step of [`rehash`] has in memory.
const ROWS_PER_STEP: u32 = 500;

fn grown_in(key: &RowKey, row: &Row<'_>) -> rusqlite::Result<Grown> {
    let mut grown = Grown {
        seq: row.get(0)?,
        chain: row.get(1)?,
        count: row.get(2)?,
        last_at: row.get(3)?,
        detail: row.get(4)?,
        fits: false,
    };
    let hash = grown.hash(key)?;
    grown.fits = row.get_ref(5)? == ValueRef::Blob(&hash);
    Ok(grown)
}

/// Makes all hashes anew, with another key. Says how many did not fit the key before.
pub(in crate::store) fn rehash(
    connection: &Connection,
    key: &RowKey,
    old: Option<&RowKey>,
) -> rusqlite::Result<i64> {
    let sql = "SELECT seq, chain, count, last_at, detail, grown FROM events NOT INDEXED WHERE seq \
        > ?1 AND grown IS NOT NULL ORDER BY seq LIMIT ?2";
    let (mut after, mut changed) = (-1, 0);
    loop {
        let mut statement = connection.prepared(sql)?;
        let found: Vec<Grown> = statement
            .query_map(params![after, ROWS_PER_STEP], |row| {
                grown_in(old.unwrap_or(key), row)
            })?
            .collect::<rusqlite::Result<_>>()?;
        let Some(last) = found.last() else {
            return Ok(changed);
        };
        after = last.seq;
        for grown in &found {
            changed += i64::from(old.is_some() && !grown.fits);
            let hash = grown.hash(key)?;
            connection
                .prepared("UPDATE events SET grown = ?2 WHERE seq = ?1")?
                .execute(params![grown.seq, hash.as_slice()])?;
        }
    }
}

impl View<'_> {
    fn grown(&self, seq: u64) -> Result<Option<Grown>, StoreError> {
        let sql = "SELECT seq, chain, count, last_at, detail, grown FROM events WHERE seq = ?1";
        self.one(sql, [seq.cast_signed()], |row| grown_in(self.row_key, row))
    }
}

impl Tx<'_> {
    /// Counts more of the same in an event. False if there is none any more, or one that is not as
    /// it was written.
    pub(super) fn count_more(
        &self,
        seq: u64,
        count: u64,
        last_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let Some(mut grown) = self.grown(seq)?.filter(|grown| grown.fits) else {
            return Ok(false);
        };
        grown.count = grown.count.saturating_add_unsigned(count);
        grown.last_at = grown.last_at.max(last_at.millis());
        self.keep_grown(&grown)?;
        Ok(true)
    }

    /// Says more in an event. If it is not as it was written, its hash stays as it is, so that a
    /// verification finds it.
    pub(super) fn say_more(
        &self,
        seq: u64,
        last_at: Timestamp,
        detail: String,
    ) -> Result<(), StoreError> {
        let Some(mut grown) = self.grown(seq)? else {
            return Ok(());
        };
        grown.last_at = last_at.millis();
        grown.detail = Value::Text(detail);
        if grown.fits {
            return self.keep_grown(&grown);
        }
        let sql = "UPDATE events SET last_at = ?2, detail = ?3 WHERE seq = ?1";
        self.run(sql, params![grown.seq, grown.last_at, grown.detail])
    }

    fn keep_grown(&self, grown: &Grown) -> Result<(), StoreError> {
        let sql = "UPDATE events SET count = ?2, last_at = ?3, detail = ?4, grown = ?5 WHERE seq \
            = ?1";
        let hash = grown.hash(self.row_key)?;
        let values = params![
            grown.seq,
            grown.count,
            grown.last_at,
            grown.detail,
            hash.as_slice()
        ];
        self.run(sql, values)
    }
}
