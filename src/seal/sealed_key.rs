//! Data keys as they are kept: sealed by a storage key, in the database and in a file beside it. A
//! rotten page of the one then costs no content.

use super::data_key::DataKey;
use super::piece::SealError;
use super::storage_key::{StorageKey, StorageKeyMark};
use crate::model::signed_head::{bytes, hex};

/// What the file beside the database begins with.
const LABEL: &str = "statekeep-data-keys-1";
/// The name of that file in the data directory.
pub const DATA_KEYS_FILE: &str = "statekeep.datakeys";

/// A data key, sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedKey {
    /// Its number.
    pub number: u32,
    /// The mark of the storage key that sealed it.
    pub mark: StorageKeyMark,
    /// The key.
    pub sealed: Vec<u8>,
}

/// Why a data key does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotOpened {
    /// The storage key with this mark is not given.
    NotGiven(StorageKeyMark),
    /// It is given, and does not open it.
    Damaged(SealError),
}

impl SealedKey {
    /// Seals a data key.
    pub fn of(key: &DataKey, by: &StorageKey) -> Result<Self, SealError> {
        Ok(Self {
            number: key.number(),
            mark: by.mark(),
            sealed: key.sealed_by(by)?,
        })
    }

    /// Opens it by the one of these keys that sealed it.
    pub fn open(&self, storage_keys: &[StorageKey]) -> Result<DataKey, NotOpened> {
        let by = storage_keys.iter().find(|key| key.mark() == self.mark);
        let by = by.ok_or(NotOpened::NotGiven(self.mark))?;
        DataKey::open(self.number, self.sealed.clone(), by).map_err(NotOpened::Damaged)
    }

    /// The text of the file that holds some.
    pub fn to_text(keys: &[Self]) -> String {
        let lines = keys.iter().map(|key| {
            let sealed = hex(&key.sealed);
            format!("{} {} {sealed}\n", key.number, key.mark)
        });
        format!("{LABEL}\n{}", lines.collect::<String>())
    }

    /// Those that such a file holds, as far as its lines can be read.
    pub fn parse(text: &str) -> Vec<Self> {
        let mut lines = text.lines();
        if lines.next() != Some(LABEL) {
            return Vec::new();
        }
        lines.filter_map(Self::parse_line).collect()
    }

    fn parse_line(line: &str) -> Option<Self> {
        let mut parts = line.split(' ');
        let number = parts.next()?.parse().ok()?;
        let mark = bytes(parts.next()?)?.try_into().ok()?;
        let sealed = bytes(parts.next()?)?;
        parts.next().is_none().then_some(Self {
            number,
            mark: StorageKeyMark(mark),
            sealed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_were_written_and_damaged_lines_are_left_out() {
        let storage_key = StorageKey::random().unwrap();
        let key = |number| SealedKey::of(&DataKey::random(number).unwrap(), &storage_key).unwrap();
        let keys = [key(0), key(7)];
        let text = SealedKey::to_text(&keys);
        assert_eq!(SealedKey::parse(&text), keys);
        assert!(keys[1].open(std::slice::from_ref(&storage_key)).is_ok());
        let other = StorageKey::random().unwrap();
        let not_given = NotOpened::NotGiven(storage_key.mark());
        assert_eq!(keys[1].open(&[other]).err(), Some(not_given));
        let damaged = text.replacen("\n7 ", "\nx ", 1);
        assert_eq!(SealedKey::parse(&damaged), keys[..1]);
        assert_eq!(SealedKey::parse(&text[1..]), []);
        assert_eq!(SealedKey::parse(""), []);
    }
}
