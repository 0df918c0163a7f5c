//! The file with the key that signs heads of the chain of events, beside the database.
//!
//! Nothing depends on it but signatures. If it is lost, another one is made; if it cannot be made
//! or read, heads are not signed, and the log says why. It is in no backup: what is restored is
//! other data, and has a key of its own.

use std::io;
use std::path::Path;

use uuid::Uuid;

use super::privacy::{replace_file, see_to_file};
use crate::model::signed_head::{HeadSigner, SEED_BYTES, bytes, hex};

/// The name of the file in the data directory.
const EVENT_KEY_FILE: &str = "statekeep.eventkey";
/// The name that it has until it is whole.
const UNFINISHED: &str = "statekeep.eventkey.new";
/// What the file begins with; the seed follows in hexadecimal.
const LABEL: &str = "statekeep-event-key-1 ";

/// The signer of a data directory; none if there cannot be one.
pub(super) fn signer(dir: &Path, instance: Uuid) -> Option<HeadSigner> {
    let seed = match known_or_made(dir) {
        Ok(seed) => seed,
        Err(error) => {
            tracing::warn!(%error, file = EVENT_KEY_FILE, "heads of the event log are not signed");
            return None;
        }
    };
    HeadSigner::new(&seed, instance)
}

fn known_or_made(dir: &Path) -> io::Result<[u8; SEED_BYTES]> {
    let path = dir.join(EVENT_KEY_FILE);
    see_to_file(&path).map_err(io::Error::other)?;
    match std::fs::read_to_string(&path) {
        Ok(text) => parse(&text).ok_or_else(|| {
            io::Error::other("it holds no key; move it away, and a start makes another one")
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(dir),
        Err(error) => Err(error),
    }
}

fn make(dir: &Path) -> io::Result<[u8; SEED_BYTES]> {
    let mut seed = [0; SEED_BYTES];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    let text = format!("{LABEL}{}\n", hex(&seed));
    replace_file(dir, (UNFINISHED, EVENT_KEY_FILE), text.as_bytes())?;
    Ok(seed)
}

fn parse(text: &str) -> Option<[u8; SEED_BYTES]> {
    bytes(text.strip_prefix(LABEL)?.trim_end())?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_what_is_none_signs_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let made = known_or_made(dir.path()).unwrap();
        assert_eq!(known_or_made(dir.path()).unwrap(), made);
        let path = dir.path().join(EVENT_KEY_FILE);
        std::fs::write(&path, "nothing").unwrap();
        assert!(signer(dir.path(), Uuid::from_u128(1)).is_none());
        std::fs::remove_file(&path).unwrap();
        assert_ne!(known_or_made(dir.path()).unwrap(), made);
    }
}
