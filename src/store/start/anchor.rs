//! `statekeep.anchor`: what the data was a moment ago, in a file beside the database.
//!
//! The file never tells of a commit that is not on disk, because it is written after commits. It is
//! one second behind at most, and exact after the server has stopped. A start compares it with the
//! database. It is text: one fact a line, and at the end the SHA-256 of the lines before.

use std::fs::File;
use std::io;
use std::path::Path;
use std::str::FromStr;

use uuid::Uuid;

use crate::model::clock::Timestamp;
use crate::model::commit::Commit;
use crate::model::digest::Digest;
use crate::model::event_head::EventHead;
use crate::store::privacy::replace_file;

/// The name of the file in the data directory.
pub const ANCHOR_FILE: &str = "statekeep.anchor";
/// The name that it has until it is whole.
const UNFINISHED: &str = "statekeep.anchor.new";
/// The first line.
const FORM: &str = "statekeep-anchor 1";
/// The file has some 700 bytes.
const MAX_BYTES: u64 = 4_096;

/// What is known of the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct Anchor {
    /// Which data it is.
    pub(in crate::store) instance: Uuid,
    /// The last commit.
    pub(in crate::store) commit: Commit,
    /// The salts and the checkpoint sequence of the WAL; none if there was no WAL.
    pub(in crate::store) wal: Option<AnchoredWal>,
    /// How large the database file was, in bytes.
    pub(in crate::store) size: u64,
    /// Whether the data was closed after that commit.
    pub(in crate::store) is_closed: bool,
    /// The public key and the signature of the last event, in hexadecimal, if it was signed.
    pub(in crate::store) signed: Option<(String, String)>,
}

/// Which WAL there was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct AnchoredWal {
    /// How often it had started over.
    pub(in crate::store) checkpoint_sequence: u32,
    /// Its salts.
    pub(in crate::store) salts: [u32; 2],
}

impl Anchor {
    /// The anchor of a data directory, if there is one. One that is damaged says so.
    pub(in crate::store) fn read(dir: &Path) -> io::Result<Option<Result<Self, DamagedAnchor>>> {
        let file = match File::open(dir.join(ANCHOR_FILE)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut io::Read::take(file, MAX_BYTES), &mut bytes)?;
        let text = String::from_utf8(bytes).ok();
        Ok(Some(
            text.and_then(|text| Self::parse(&text))
                .ok_or(DamagedAnchor),
        ))
    }

    fn parse(text: &str) -> Option<Self> {
        let (body, digest) = text.rsplit_once("sha256 ")?;
        if digest.trim_end() != Digest::of(body.as_bytes()).to_string() {
            return None;
        }
        let mut lines = body.lines();
        if lines.next() != Some(FORM) {
            return None;
        }
        let mut value = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
        let mut anchor = Self {
            instance: value("instance")?.parse().ok()?,
            commit: Commit {
                generation: value("generation")?.parse().ok()?,
                number: value("commit")?.parse().ok()?,
                at: Timestamp::parse(value("at")?)?,
                head: Digest::parse(value("head")?)?,
                events: EventHead::NONE,
            },
            wal: match value("wal")? {
                "none" => None,
                wal => Some(AnchoredWal::parse(wal)?),
            },
            size: value("size")?.parse().ok()?,
            is_closed: value("closed")? == "yes",
            signed: None,
        };
        // One from before there was a chain of events ends here.
        if let Some(events) = value("events") {
            anchor.commit.events = events.parse().ok()?;
            let signed = value("signed").and_then(|signed| signed.split_once(' '));
            anchor.signed = signed.map(|(key, signature)| (key.to_owned(), signature.to_owned()));
        }
        Some(anchor)
    }

    fn text(&self) -> String {
        let Commit {
            generation,
            number,
            at,
            head,
            events,
        } = self.commit;
        let (instance, size) = (self.instance, self.size);
        let closed = if self.is_closed { "yes" } else { "no" };
        let wal = self
            .wal
            .map_or_else(|| "none".to_owned(), AnchoredWal::text);
        let signed = self
            .signed
            .as_ref()
            .map_or_else(String::new, |(key, signature)| {
                format!("signed {key} {signature}\n")
            });
        let body = format!(
            "{FORM}\ninstance {instance}\ngeneration {generation}\ncommit {number}\nat {at}\n\
                head {head}\nwal {wal}\nsize {size}\nclosed {closed}\n\
                events {events}\n{signed}"
        );
        let digest = Digest::of(body.as_bytes());
        format!("{body}sha256 {digest}\n")
    }

    /// Puts it in the place of the one before: written, synced, then named.
    pub(in crate::store) fn write(&self, dir: &Path) -> io::Result<()> {
        replace_file(dir, (UNFINISHED, ANCHOR_FILE), self.text().as_bytes())
    }
}

impl AnchoredWal {
    fn text(self) -> String {
        let [one, other] = self.salts;
        format!("{} {one:08x} {other:08x}", self.checkpoint_sequence)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let checkpoint_sequence = u32::from_str(words.next()?).ok()?;
        let mut salt = || u32::from_str_radix(words.next()?, 16).ok();
        Some(Self {
            checkpoint_sequence,
            salts: [salt()?, salt()?],
        })
    }
}

/// An anchor that does not say what it has to say.
#[derive(Debug)]
pub(in crate::store) struct DamagedAnchor;

#[cfg(test)]
mod tests {
    use super::*;

    fn anchor() -> Anchor {
        let at = Timestamp::from_millis(1_767_323_045_678);
        Anchor {
            instance: Uuid::from_u128(7),
            commit: Commit::first(Uuid::from_u128(7), at).next(at),
            wal: Some(AnchoredWal {
                checkpoint_sequence: 3,
                salts: [1, u32::MAX],
            }),
            size: 4_096,
            is_closed: false,
            signed: None,
        }
    }

    #[test]
    fn is_read_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Anchor::read(dir.path()).unwrap().is_none());
        let (first, second) = (
            anchor(),
            Anchor {
                wal: None,
                is_closed: true,
                signed: Some(("ab".to_owned(), "cd".to_owned())),
                ..anchor()
            },
        );
        for anchor in [first, second] {
            anchor.write(dir.path()).unwrap();
            let read = Anchor::read(dir.path()).unwrap().unwrap().unwrap();
            assert_eq!(read, anchor);
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn each_damaged_byte_is_noticed() {
        let text = anchor().text();
        for place in 0..text.len() - 1 {
            let mut bytes = text.clone().into_bytes();
            bytes[place] ^= 1;
            let read = String::from_utf8(bytes).ok();
            assert!(
                read.and_then(|text| Anchor::parse(&text)).is_none(),
                "{place}"
            );
        }
    }
}
