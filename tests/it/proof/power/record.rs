//! The record of a disk, in the format of Linux' `dm-log-writes`: which sectors were written with
//! what, and when the disk was told to flush.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

pub(super) const SECTOR: u64 = 512;
const MAGIC: u64 = 0x006a_7366_7773_6872;
const FLUSH: u64 = 1;
const FUA: u64 = 2;
const DISCARD: u64 = 4;

/// One write, flush, or both.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) sector: u64,
    pub(super) sectors: u64,
    /// Everything that was written before is on the disk.
    pub(super) flushes: bool,
    /// It is on the disk itself.
    pub(super) is_durable: bool,
    /// The sectors are empty now.
    pub(super) discards: bool,
    /// Where its bytes are in the record, and where the record of it ends.
    pub(super) bytes_at: u64,
    pub(super) ends_at: u64,
}

fn numbers<const N: usize>(file: &File, at: u64) -> [u64; N] {
    std::array::from_fn(|index| {
        let mut bytes = [0; 8];
        file.read_exact_at(&mut bytes, at + 8 * index as u64)
            .expect("inside the record");
        u64::from_le_bytes(bytes)
    })
}

/// All entries, in their order.
pub(super) fn read(file: &File) -> Vec<Entry> {
    let [magic, version, count] = numbers(file, 0);
    assert_eq!((magic, version), (MAGIC, 1), "a record as qemu writes it");
    let mut at = SECTOR;
    let mut entries = Vec::new();
    for _ in 0..count {
        let [sector, sectors, flags, _] = numbers(file, at);
        let (discards, bytes_at) = (flags & DISCARD != 0, at + SECTOR);
        at = bytes_at + if discards { 0 } else { sectors * SECTOR };
        entries.push(Entry {
            sector,
            sectors,
            flushes: flags & FLUSH != 0,
            is_durable: flags & FUA != 0,
            discards,
            bytes_at,
            ends_at: at,
        });
    }
    entries
}
