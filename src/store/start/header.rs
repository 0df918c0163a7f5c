//! The header of the database file, before SQLite reads it: whether the file is ours, and whether
//! the header is damaged.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;

/// What marks a database as ours in the header of its file: `skep` in ASCII.
pub(in crate::store) const APPLICATION_ID: u32 = 0x736b_6570;

const MAGIC: &[u8] = b"SQLite format 3\0";
/// How long the header is, in bytes.
const LENGTH: usize = 100;
/// In so many bytes at the beginning there is the schema, in a file of ours.
const SCHEMA_IS_WITHIN: u64 = 1024 * 1024;
/// Tables that nobody else has.
const OUR_TABLES: [&[u8]; 2] = [b"CREATE TABLE stale_writers", b"CREATE TABLE broken_locks"];

/// How the database file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DatabaseFile {
    /// There is none.
    Missing,
    /// It has no bytes.
    Empty,
    /// Nothing says that it is ours.
    Foreign,
    /// It is ours, and its header is damaged.
    Damaged,
    /// Its header can be used.
    Sound {
        /// In bytes.
        page_size: u32,
        /// How many pages it has, by its header; none if the header says that it does not know.
        pages: Option<u64>,
    },
}

/// Looks at a file.
///
/// It is closed again before SQLite opens it: closing it later would drop SQLite's locks.
pub(super) fn look_at(path: &Path) -> io::Result<DatabaseFile> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(DatabaseFile::Missing),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(SCHEMA_IS_WITHIN).read_to_end(&mut bytes)?;
    if bytes.is_empty() {
        return Ok(DatabaseFile::Empty);
    }
    let header = bytes.first_chunk::<LENGTH>();
    let says_ours = header.is_some_and(|header| u32_at(header, 68) == APPLICATION_ID);
    Ok(match header.and_then(sound) {
        Some(sound) if says_ours => sound,
        _ if says_ours || has_our_tables(&bytes) => DatabaseFile::Damaged,
        _ => DatabaseFile::Foreign,
    })
}

fn has_our_tables(bytes: &[u8]) -> bool {
    let has = |table: &&[u8]| bytes.windows(table.len()).any(|part| *part == **table);
    OUR_TABLES.iter().any(has)
}

/// None if SQLite would not take the header, or would take the file for one that it may not write.
fn sound(header: &[u8; LENGTH]) -> Option<DatabaseFile> {
    let page_size = match u16::from_be_bytes([header[16], header[17]]) {
        1 => 65_536,
        size => u32::from(size),
    };
    let (write, read) = (header[18], header[19]);
    let is_sound = header.starts_with(MAGIC)
        && page_size.is_power_of_two()
        && page_size >= 512
        && write == read
        && matches!(read, 1 | 2)
        && header[20] <= 32
        && header[21..24] == [64, 32, 32]
        && u32_at(header, 44) <= 4
        && u32_at(header, 56) <= 3;
    let knows_pages = u32_at(header, 24) == u32_at(header, 92);
    is_sound.then(|| DatabaseFile::Sound {
        page_size,
        pages: knows_pages.then(|| u32_at(header, 28).into()),
    })
}

fn u32_at(header: &[u8; LENGTH], at: usize) -> u32 {
    let bytes = header[at..].first_chunk();
    bytes.map_or(0, |bytes| u32::from_be_bytes(*bytes))
}
