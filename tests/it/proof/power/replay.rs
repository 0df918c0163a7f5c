//! The disk after a cut: everything that was flushed, and of the rest what chance leaves.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use tempfile::NamedTempFile;

use super::device::{LoggedDisk, copy};
use super::record::{self, Entry, SECTOR};
use crate::proof::dice::Dice;

/// The sector where ext4 has its superblock. It is written past the journal and has a checksum, so
/// ext4 itself does not mount where it was torn, whatever runs on it: it is written whole here.
const SUPERBLOCK: u64 = 2;

/// What a cut cost.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lost {
    pub(super) unflushed: u64,
    pub(super) dropped: u64,
    pub(super) torn: u64,
}

/// A record, and the disk with all that was flushed up to some entry.
pub(super) struct Replay {
    record: File,
    entries: Vec<Entry>,
    /// Cuts lie behind this entry.
    first: usize,
    flushed: NamedTempFile,
    /// How many entries are in it.
    applied: usize,
}

impl Replay {
    /// Cuts are made behind this place in the record.
    pub(super) fn new(disk: &LoggedDisk, behind: u64) -> Self {
        let record = File::open(disk.record_path()).expect("the record");
        let entries = record::read(&record);
        let first = entries.iter().position(|entry| entry.ends_at > behind);
        let first = first.expect("something was written");
        let flushed = NamedTempFile::new().expect("a file");
        copy(&disk.before(), flushed.path());
        Self {
            record,
            entries,
            first,
            flushed,
            applied: 0,
        }
    }

    /// An entry behind which to cut: any one, or one where much is not flushed.
    pub(super) fn choose(&self, dice: &mut Dice) -> usize {
        let mut any = || self.first + dice.index(self.entries.len() - self.first);
        let mut chosen = any();
        for _ in 0..7 {
            let other = any();
            if other % 2 == 0 && self.unflushed(other).len() > self.unflushed(chosen).len() {
                chosen = other;
            }
        }
        chosen
    }

    /// How long the record was at a cut.
    pub(super) fn recorded_at(&self, cut: usize) -> u64 {
        self.entries[cut].ends_at
    }

    /// The entries up to a cut that no flush followed.
    fn unflushed(&self, cut: usize) -> std::ops::Range<usize> {
        let flush = self.entries[..=cut].iter().rposition(|entry| entry.flushes);
        flush.map_or(0, |flush| flush + 1)..cut + 1
    }

    /// The disk after a cut. Cuts come one after the other.
    pub(super) fn image_at(&mut self, cut: usize, dice: &mut Dice) -> (NamedTempFile, Lost) {
        let unflushed = self.unflushed(cut);
        assert!(
            self.applied <= unflushed.start.max(self.applied),
            "cuts come in order"
        );
        for entry in &self.entries[self.applied..unflushed.start] {
            self.apply(self.flushed.as_file(), entry, |_| true);
        }
        self.applied = self.applied.max(unflushed.start);
        let image = NamedTempFile::new().expect("a file");
        copy(self.flushed.path(), image.path());
        let target = File::options()
            .write(true)
            .open(image.path())
            .expect("our file");
        let mut lost = Lost::default();
        for entry in &self.entries[unflushed] {
            if entry.sectors == 0 {
                continue;
            }
            lost.unflushed += 1;
            if entry.is_durable {
                self.apply(&target, entry, |_| true);
            } else if dice.percent(50) {
                lost.dropped += 1;
            } else if entry.sector != SUPERBLOCK && dice.percent(10) {
                lost.torn += 1;
                self.apply(&target, entry, |_| dice.percent(50));
            } else {
                self.apply(&target, entry, |_| true);
            }
        }
        (image, lost)
    }

    /// Writes those sectors of an entry that are to be written.
    fn apply(&self, target: &File, entry: &Entry, mut is_written: impl FnMut(u64) -> bool) {
        let mut bytes = vec![0; usize::try_from(SECTOR).expect("a size")];
        for index in (0..entry.sectors).filter(|index| is_written(*index)) {
            if !entry.discards {
                let at = entry.bytes_at + index * SECTOR;
                self.record
                    .read_exact_at(&mut bytes, at)
                    .expect("inside the record");
            }
            let at = (entry.sector + index) * SECTOR;
            target.write_all_at(&bytes, at).expect("room for the image");
        }
    }
}
