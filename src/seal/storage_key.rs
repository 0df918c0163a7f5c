//! The storage key: 32 random bytes that the operator keeps apart from the data, and how a file
//! spells them. Without it nothing opens.

use super::piece::{KEY_BYTES, SealError, open, place, seal};
use crate::model::signed_head::{bytes, hex};

/// What a key's file begins with; the key follows in hexadecimal.
const LABEL: &str = "statekeep-storage-key-1 ";

/// The key that seals data keys. It does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct StorageKey([u8; KEY_BYTES]);

/// By what data says which storage key it needs. The key cannot be found out from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StorageKeyMark(pub [u8; 8]);

/// A file that holds no storage key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "it holds no storage key: one line, \"statekeep-storage-key-1 \" and 64 hexadecimal digits, as \
        `statekeep key new-storage FILE` makes it"
)]
pub struct BadStorageKey;

impl StorageKey {
    /// Makes a new one.
    pub fn random() -> Result<Self, SealError> {
        let mut bytes = [0; KEY_BYTES];
        getrandom::fill(&mut bytes).map_err(|_| SealError::NoRandom)?;
        Ok(Self(bytes))
    }

    /// The key with these bytes, such as those of an escrow.
    pub const fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// Its bytes: with them everything can be read.
    pub const fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// The key that a file of this text holds.
    pub fn parse(text: &str) -> Result<Self, BadStorageKey> {
        let digits = text.trim().strip_prefix(LABEL).ok_or(BadStorageKey)?;
        let key = bytes(digits.trim()).and_then(|key| key.try_into().ok());
        key.map(Self).ok_or(BadStorageKey)
    }

    /// The text of a file that holds it.
    pub fn to_text(&self) -> String {
        format!("{LABEL}{}\n", hex(&self.0))
    }

    /// By what data names it.
    pub fn mark(&self) -> StorageKeyMark {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &self.0);
        let whole = ring::hmac::sign(&key, b"statekeep storage key mark 1");
        StorageKeyMark(std::array::from_fn(|at| whole.as_ref()[at]))
    }

    /// Seals a data key of this number.
    pub(super) fn seal_key(
        &self,
        number: u32,
        key: &[u8; KEY_BYTES],
    ) -> Result<Vec<u8>, SealError> {
        seal(&self.0, &key_place(number), key)
    }

    /// Opens one.
    pub(super) fn open_key(
        &self,
        number: u32,
        sealed: Vec<u8>,
    ) -> Result<[u8; KEY_BYTES], SealError> {
        let opened = open(&self.0, &key_place(number), sealed)?;
        opened.try_into().map_err(|_| SealError::Form)
    }
}

fn key_place(number: u32) -> Vec<u8> {
    place(&[b"statekeep data key 1", &number.to_be_bytes()])
}

impl std::fmt::Debug for StorageKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StorageKey({})", self.mark())
    }
}

impl std::fmt::Display for StorageKeyMark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_was_written_and_nothing_else_is_one() {
        let key = StorageKey::random().unwrap();
        let text = key.to_text();
        assert_eq!(StorageKey::parse(&text), Ok(key.clone()));
        assert_eq!(StorageKey::parse(text.trim()), Ok(key.clone()));
        for bad in [
            "",
            "x",
            &text[1..],
            &text[..text.len() - 2],
            &format!("{}0", text.trim()),
        ] {
            assert_eq!(StorageKey::parse(bad), Err(BadStorageKey), "{bad:?}");
        }
        let printed = format!("{key:?}");
        let digits = &text[LABEL.len()..];
        assert!(!printed.contains(&digits[..8]), "{printed}");
    }

    #[test]
    fn a_mark_stays_the_same_from_one_version_of_the_program_to_the_next() {
        let mark = StorageKey::from_bytes([3; KEY_BYTES]).mark().to_string();
        assert_eq!(mark, "40becd904e02e453");
    }
}
