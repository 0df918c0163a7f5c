//! Salvage: reading versions out of a damaged data directory, without SQLite, its schema, its
//! header or a start of the server.
//!
//! Every page of the file and every frame of the log is looked at. Rows are recognised by their
//! shape, wherever they are. Bytes are handed out only if their SHA-256 is one that a row names, so
//! no damage gives other bytes than those that were written. Nothing here writes or locks a file.

mod content;
mod evidence;
mod images;
mod listing;
mod naming;
mod rows;
pub mod sources;

mod dataset;

pub use dataset::{Dataset, FoundBytes, FoundState, FoundVersion, Reader};

use std::io;

use evidence::Evidence;
use images::Images;
use sources::DamagedFiles;

/// What was found in a database and its log.
pub struct Salvage {
    /// The data of one server. A log that is another server's is a second one.
    pub datasets: Vec<Dataset>,
    /// How many pages the file has.
    pub pages: u64,
    /// How many frames the log has.
    pub frames: u64,
}

/// Reads all pages and frames. None if nothing there looks like a database.
pub fn read(sources: DamagedFiles) -> io::Result<Option<Salvage>> {
    let Some(images) = Images::open(sources)? else {
        return Ok(None);
    };
    let (pages, frames) = images.counts();
    let (mut of_file, of_log) = Evidence::collect(&images)?;
    let datasets = if of_file.contradicts(&of_log) {
        let (file, log) = images.apart()?;
        vec![Dataset::new(file, of_file), Dataset::new(log, of_log)]
    } else {
        of_file.merge(of_log);
        vec![Dataset::new(images, of_file)]
    };
    Ok(Some(Salvage {
        datasets,
        pages,
        frames,
    }))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    /// Pages of 512 bytes that look like leaves, with cells anywhere in them.
    fn pages() -> impl Strategy<Value = Vec<u8>> {
        let page = (
            prop::sample::select(vec![0x0d_u8, 0x0a, 0x02]),
            0_u8..9,
            proptest::collection::vec(any::<u8>(), 504),
        );
        proptest::collection::vec(page, 0..12).prop_map(|pages| {
            let page = |(kind, cells, rest)| [vec![kind, 0, 0, 0, cells, 1, 0, 0], rest].concat();
            pages.into_iter().flat_map(page).collect()
        })
    }

    proptest! {
        #[test]
        fn any_database_and_any_log_are_read_to_their_end(
            database in pages(),
            log in proptest::collection::vec(any::<u8>(), 0..6_000),
            header in any::<bool>(),
        ) {
            let mut database = database;
            if header && database.len() > 100 {
                database[..21].copy_from_slice(b"SQLite format 3\0\x02\0\0\0\0");
            }
            let sources = DamagedFiles {
                database: Some(file(&database)),
                log: Some(file(&log)),
            };
            let Some(found) = read(sources).unwrap() else {
                return Ok(());
            };
            for dataset in &found.datasets {
                let (states, _) = dataset.states();
                let mut reader = dataset.reader();
                for state in &states {
                    for number in &state.numbers {
                        let _ = reader.version(state, *number).unwrap();
                    }
                }
                reader.others(|_| Ok(())).unwrap();
            }
        }
    }
}
