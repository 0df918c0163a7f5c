//! The keyed hash of a row: it shows a rotten bit, an edit, and a row that was copied to another
//! place.
//!
//! It covers the table's name and each column that is not NULL, with its name, its type and its
//! length, so that no two rows have the same bytes under it. The primary key is among the columns.
//! It is made from values and not from how an engine stores them. A column that a later schema adds
//! changes no hash for as long as it is NULL.

use hmac::digest::Update;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use sha2::{Digest as _, Sha256};

use crate::model::digest::Digest;

/// How many bytes a key has.
pub(super) const KEY_BYTES: usize = 32;
/// How many bytes of HMAC-SHA-256 are kept: 128 bits cannot be guessed, and each version has them.
pub(super) const HASH_BYTES: usize = 16;

/// A hash, as a column holds it.
pub(super) type RowHash = [u8; HASH_BYTES];

/// The key of the hashes. It does not print.
#[derive(Clone)]
pub(super) struct RowKey {
    keyed: Hmac<Sha256>,
}

/// What a hash is of: hashes of one kind never pass for another.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    /// A row's content and place.
    Row,
    /// That there is a row at a place.
    Listed,
    /// The key itself.
    Key,
    /// What of an event may change after it was recorded.
    Grown,
    /// The last event.
    EventHead,
    /// The outputs of a version.
    Outputs,
}

impl std::fmt::Debug for RowKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RowKey(…)")
    }
}

impl Purpose {
    const fn label(self) -> &'static str {
        match self {
            Self::Row => "statekeep row 1",
            Self::Listed => "statekeep place 1",
            Self::Key => "statekeep row key 1",
            Self::Grown => "statekeep grown 1",
            Self::EventHead => "statekeep event head 1",
            Self::Outputs => "statekeep outputs 1",
        }
    }
}

impl RowKey {
    /// The key with these bytes.
    pub(super) fn new(bytes: &[u8; KEY_BYTES]) -> Self {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let keyed = Hmac::<Sha256>::new_from_slice(bytes).expect("a key of any length");
        Self { keyed }
    }

    /// What the database knows the key by. The key cannot be found out from it.
    pub(super) fn proof(&self) -> RowHash {
        self.begin(Purpose::Key, "").end()
    }

    /// Begins the hash of something in a table.
    pub(super) fn begin(&self, purpose: Purpose, table: &str) -> Hashing {
        let mut hashing = Hashing(self.keyed.clone());
        hashing.bytes(purpose.label().as_bytes());
        hashing.bytes(table.as_bytes());
        hashing
    }
}

/// What an event's hash begins with, behind the hash of the event before.
const EVENT: &str = "statekeep event 1";

/// A hash that is being made: keyed, or of an event.
pub(super) struct Hashing<H = Hmac<Sha256>>(H);

impl<H: Update> Hashing<H> {
    /// Adds a column; nothing, if it is NULL.
    pub(super) fn column(&mut self, name: &str, value: ValueRef<'_>) {
        let (kind, number) = match value {
            ValueRef::Null => return,
            ValueRef::Integer(number) => (b'i', number.to_be_bytes()),
            ValueRef::Real(number) => (b'r', number.to_bits().to_be_bytes()),
            ValueRef::Text(text) => return self.long(name, b't', text),
            ValueRef::Blob(bytes) => return self.long(name, b'b', bytes),
        };
        self.bytes(name.as_bytes());
        self.0.update(&[kind]);
        self.0.update(&number);
    }

    /// The same of a value that is to become one of a row.
    pub(super) fn value(&mut self, name: &str, value: &dyn ToSql) -> rusqlite::Result<()> {
        match value.to_sql()? {
            ToSqlOutput::Borrowed(value) => self.column(name, value),
            ToSqlOutput::Owned(value) => self.column(name, ValueRef::from(&value)),
            _ => return Err(rusqlite::Error::InvalidParameterName(name.to_owned())),
        }
        Ok(())
    }

    fn long(&mut self, name: &str, kind: u8, value: &[u8]) {
        self.bytes(name.as_bytes());
        self.0.update(&[kind]);
        self.bytes(value);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }
}

impl Hashing {
    /// The hash of all that was added.
    pub(super) fn end(self) -> RowHash {
        let whole = self.0.finalize().into_bytes();
        std::array::from_fn(|at| whole[at])
    }
}

impl Hashing<Sha256> {
    /// Begins the hash of an event, which has no key: the hash of the event before comes first.
    pub(super) fn of_event_after(before: &Digest) -> Self {
        let mut hashing = Self(Sha256::default());
        Update::update(&mut hashing.0, before.as_bytes());
        hashing.bytes(EVENT.as_bytes());
        hashing
    }

    /// The hash of all that was added.
    pub(super) fn end(self) -> Digest {
        Digest::from_bytes(self.0.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::row_key::hex;

    fn hash(key: u8, table: &str, columns: &[(&str, ValueRef<'_>)]) -> RowHash {
        let mut hashing = RowKey::new(&[key; KEY_BYTES]).begin(Purpose::Row, table);
        for (name, value) in columns {
            hashing.column(name, *value);
        }
        hashing.end()
    }

    type Columns<'r> = &'r [(&'r str, ValueRef<'r>)];

    #[test]
    fn whatever_a_row_says_differently_gives_another_hash() {
        let text = |text: &'static str| ValueRef::Text(text.as_bytes());
        let rows: [(u8, &str, Columns<'_>); 11] = [
            (1, "locks", &[("a", text("x")), ("b", text("y"))]),
            (2, "locks", &[("a", text("x")), ("b", text("y"))]),
            (1, "moves", &[("a", text("x")), ("b", text("y"))]),
            (1, "locks", &[("a", text("y")), ("b", text("x"))]),
            (1, "locks", &[("a", text("xb")), ("b", text("y"))]),
            (1, "locks", &[("a", text("x")), ("c", text("y"))]),
            (1, "locks", &[("a", text("x")), ("b", ValueRef::Null)]),
            (1, "locks", &[("a", ValueRef::Blob(b"x")), ("b", text("y"))]),
            (1, "locks", &[("a", ValueRef::Integer(1))]),
            (1, "locks", &[("a", ValueRef::Integer(2))]),
            (1, "locks", &[("a", ValueRef::Real(1.0))]),
        ];
        let hashes: std::collections::HashSet<RowHash> = rows
            .iter()
            .map(|(key, table, columns)| hash(*key, table, columns))
            .collect();
        assert_eq!(hashes.len(), rows.len());
    }

    #[test]
    fn a_column_that_is_null_changes_nothing() {
        let one = [("a", ValueRef::Integer(1))];
        let two = [("a", ValueRef::Integer(1)), ("new", ValueRef::Null)];
        assert_eq!(hash(1, "t", &one), hash(1, "t", &two));
    }

    #[test]
    fn a_hash_stays_the_same_from_one_version_of_the_program_to_the_next() {
        let row = [
            ("workspace", ValueRef::Text(b"team")),
            ("id", ValueRef::Integer(7)),
        ];
        let hash = hex(&hash(3, "states", &row));
        assert_eq!(hash, "e0b5af4f7930258ab9e68c61c0c825b8");
    }
}
