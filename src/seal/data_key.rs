//! Data keys, which seal content, and the key by which blobs and entries of the index are named.

use ring::hmac;

use super::piece::{KEY_BYTES, SealError, open, place, seal};
use super::storage_key::StorageKey;
use crate::model::digest::Digest;

/// The number of the key that names.
const NAMES: u32 = 0;

/// A key that seals frames and entries. It does not print.
#[derive(Clone)]
pub struct DataKey {
    number: u32,
    bytes: [u8; KEY_BYTES],
}

/// A key for names: who has not got it cannot try which content a name belongs to.
#[derive(Clone)]
pub struct NameKey(hmac::Key);

/// What a frame belongs to.
#[derive(Clone, Copy, Debug)]
pub struct FramePlace {
    /// The keyed digest of the bytes that come out of it.
    pub digest: Digest,
    /// Whether it is a full frame or a delta.
    pub format: u32,
    /// How many bytes come out of it.
    pub size: u64,
}

impl DataKey {
    /// Makes a new one.
    pub fn random(number: u32) -> Result<Self, SealError> {
        let mut bytes = [0; KEY_BYTES];
        getrandom::fill(&mut bytes).map_err(|_| SealError::NoRandom)?;
        Ok(Self { number, bytes })
    }

    /// Opens one that a storage key has sealed.
    pub fn open(number: u32, sealed: Vec<u8>, by: &StorageKey) -> Result<Self, SealError> {
        let bytes = by.open_key(number, sealed)?;
        Ok(Self { number, bytes })
    }

    /// Seals it by a storage key.
    pub fn sealed_by(&self, by: &StorageKey) -> Result<Vec<u8>, SealError> {
        by.seal_key(self.number, &self.bytes)
    }

    /// Its number.
    pub const fn number(&self) -> u32 {
        self.number
    }

    fn frame_place(&self, frame: FramePlace) -> Vec<u8> {
        place(&[
            b"statekeep frame 1",
            &self.number.to_be_bytes(),
            frame.digest.as_bytes(),
            &frame.format.to_be_bytes(),
            &frame.size.to_be_bytes(),
        ])
    }

    fn entry_place(&self, name: &str) -> Vec<u8> {
        place(&[
            b"statekeep entry 1",
            &self.number.to_be_bytes(),
            name.as_bytes(),
        ])
    }
}

/// All data keys that are known: the highest number seals, each opens what it has sealed.
#[derive(Clone)]
pub struct Keyring {
    names_key: DataKey,
    names: NameKey,
    /// By their numbers; never empty.
    keys: Vec<DataKey>,
}

impl Keyring {
    /// The ring of these keys; none unless the key that names and one that seals are among them.
    pub fn of(keys: Vec<DataKey>) -> Option<Self> {
        let (mut names, mut keys): (Vec<_>, Vec<_>) =
            keys.into_iter().partition(|key| key.number == NAMES);
        keys.sort_unstable_by_key(|key| key.number);
        let names_key = names.pop().filter(|_| !keys.is_empty())?;
        let names = NameKey(hmac::Key::new(hmac::HMAC_SHA256, &names_key.bytes));
        Some(Self {
            names_key,
            names,
            keys,
        })
    }

    /// The keys of data that is sealed for the first time.
    pub fn first() -> Result<[DataKey; 2], SealError> {
        Ok([DataKey::random(NAMES)?, DataKey::random(NAMES + 1)?])
    }

    /// The one that seals.
    pub fn newest(&self) -> &DataKey {
        &self.keys[self.keys.len() - 1]
    }

    /// The ring with another key, which seals if its number is the highest.
    #[must_use]
    pub fn with(&self, key: DataKey) -> Self {
        let mut ring = self.clone();
        ring.keys.push(key);
        ring.keys.sort_unstable_by_key(|key| key.number);
        ring
    }

    /// All keys, the one that names among them.
    pub fn all(&self) -> impl Iterator<Item = &DataKey> {
        std::iter::once(&self.names_key).chain(&self.keys)
    }

    fn key(&self, number: u32) -> Result<&DataKey, SealError> {
        let found = self.keys.iter().find(|key| key.number == number);
        found.ok_or(SealError::NoKey(number))
    }

    /// What names blobs and entries.
    pub const fn names(&self) -> &NameKey {
        &self.names
    }

    /// Seals a frame, by the newest key.
    pub fn seal_frame(&self, at: FramePlace, frame: &[u8]) -> Result<Vec<u8>, SealError> {
        let key = self.newest();
        seal(&key.bytes, &key.frame_place(at), frame)
    }

    /// Opens a frame that the key of this number has sealed.
    pub fn open_frame(
        &self,
        number: u32,
        at: FramePlace,
        sealed: Vec<u8>,
    ) -> Result<Vec<u8>, SealError> {
        let key = self.key(number)?;
        open(&key.bytes, &key.frame_place(at), sealed)
    }

    /// Seals an entry of the index, by the newest key, whose number comes first.
    pub fn seal_entry(&self, name: &str, entry: &[u8]) -> Result<Vec<u8>, SealError> {
        let key = self.newest();
        let sealed = seal(&key.bytes, &key.entry_place(name), entry)?;
        Ok([&key.number.to_be_bytes()[..], &sealed].concat())
    }

    /// Opens an entry.
    pub fn open_entry(&self, name: &str, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (number, sealed) = sealed.split_first_chunk().ok_or(SealError::Form)?;
        let key = self.key(u32::from_be_bytes(*number))?;
        open(&key.bytes, &key.entry_place(name), sealed.to_vec())
    }
}

impl NameKey {
    fn name(&self, label: &[u8], parts: &[&[u8]]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(&place(&[label]));
        context.update(&place(parts));
        context.sign()
    }

    /// The digest by which a sealed blob is known, in place of the SHA-256 of its bytes.
    pub fn digest(&self, sha256: Digest) -> Digest {
        let name = self.name(b"statekeep blob 1", &[sha256.as_bytes()]);
        Digest::from_bytes(std::array::from_fn(|at| name.as_ref()[at]))
    }

    /// The name of an entry, in place of its address.
    pub fn entry(&self, state: i64, address: &str) -> String {
        let parts: [&[u8]; 2] = [&state.to_be_bytes(), address.as_bytes()];
        let name = self.name(b"statekeep entry 1", &parts);
        Digest::from_bytes(std::array::from_fn(|at| name.as_ref()[at])).to_string()
    }
}

impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DataKey({})", self.number)
    }
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.keys).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_opens_by_its_own_key_at_its_own_place_alone() {
        let [names, first] = Keyring::first().unwrap();
        let ring = Keyring::of(vec![names.clone(), first.clone()]).unwrap();
        let at = FramePlace {
            digest: ring.names().digest(Digest::of(b"x")),
            format: 1,
            size: 1,
        };
        assert_ne!(at.digest, Digest::of(b"x"));
        let sealed = ring.seal_frame(at, b"frame").unwrap();
        let later = Keyring::of(vec![DataKey::random(2).unwrap(), first, names]).unwrap();
        assert_eq!(later.newest().number(), 2);
        assert_eq!(
            later.names().digest(Digest::of(b"x")),
            at.digest,
            "names stay"
        );
        assert_eq!(later.open_frame(1, at, sealed.clone()).unwrap(), b"frame");
        for (number, at) in [
            (2, at),
            (3, at),
            (
                1,
                FramePlace {
                    digest: Digest::of(b"y"),
                    ..at
                },
            ),
            (1, FramePlace { format: 2, ..at }),
            (1, FramePlace { size: 2, ..at }),
        ] {
            assert!(
                later.open_frame(number, at, sealed.clone()).is_err(),
                "{number} {at:?}"
            );
        }
    }

    #[test]
    fn a_data_key_opens_by_the_storage_key_that_sealed_it() {
        let (one, other) = (StorageKey::random().unwrap(), StorageKey::random().unwrap());
        let key = DataKey::random(1).unwrap();
        let sealed = key.sealed_by(&one).unwrap();
        assert!(DataKey::open(1, sealed.clone(), &one).is_ok_and(|open| open.bytes == key.bytes));
        assert!(DataKey::open(1, sealed.clone(), &other).is_err());
        assert!(DataKey::open(2, sealed, &one).is_err());
        assert_eq!(format!("{key:?}"), "DataKey(1)");
    }
}
