//! Rounds of the WAL, and cutting off the end that an earlier round left behind.
//!
//! When all of the WAL is in the database file, it starts over: the next frames are written over
//! the first ones, under new salts. That is a new round. The file keeps its length, so frames of
//! earlier rounds lie behind those of this one, and they may hold bytes that were removed since.
//!
//! SQLite cuts the WAL to nothing only if no other connection needs it. A program that replicates
//! the database, such as Litestream, holds a read transaction at all times, and checkpoints the
//! WAL itself. So the WAL never gets empty beside it, but it starts over now and then. Then the
//! file is cut here, behind the last frame of this round, while nobody can add one.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior};

use super::connection;
use super::error::StoreError;

/// The WAL's header, in bytes, and where its salts are.
const HEADER: u64 = 32;
const SALTS: std::ops::Range<usize> = 16..24;
/// A frame's header, in bytes; a page follows it.
const FRAME_HEADER: u64 = 24;

/// One round of the WAL, told from others by its salts; none while nothing was ever written to it.
type Round = Option<[u8; 8]>;

/// Which round of the WAL may hold bytes that were removed.
pub(super) struct WalRounds {
    database: PathBuf,
    /// The round in which the sweep of the file ended, or in which the first try to empty the WAL
    /// failed.
    dirty: Option<Round>,
}

impl WalRounds {
    /// For a database whose WAL holds nothing that has to leave the disk, as far as is known.
    pub(super) fn of(database: &Path) -> Self {
        Self {
            database: database.to_owned(),
            dirty: None,
        }
    }

    /// Notes that the round that is under way may hold bytes that were removed before.
    pub(super) fn note_dirty(&mut self) -> Result<(), StoreError> {
        self.dirty = Some(self.current()?);
        Ok(())
    }

    /// Notes that the WAL holds no such bytes.
    pub(super) fn note_clean(&mut self) {
        self.dirty = None;
    }

    /// Cuts the end off if a new round began since [`Self::note_dirty`]; says whether the WAL holds
    /// no bytes that were removed before that.
    ///
    /// A round begins only after all of the one before is in the database file, so that file holds
    /// none of them either.
    pub(super) fn cut_off_earlier(&mut self, writer: &mut Connection) -> Result<bool, StoreError> {
        let Some(dirty) = self.dirty else {
            self.note_dirty()?;
            return Ok(false);
        };
        if self.current()? == dirty {
            return Ok(false);
        }
        // Nobody else can add a frame until this transaction ends.
        let alone = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let end = end_of_round(&self.database)?;
        let cut = cut(&connection::wal_path(&self.database), end);
        alone.rollback()?;
        cut.map_err(|error| failed(&error))?;
        self.note_clean();
        Ok(true)
    }

    fn current(&self) -> Result<Round, StoreError> {
        round(&connection::wal_path(&self.database)).map_err(|error| failed(&error))
    }
}

/// Nothing that was acknowledged depends on it, so it is this attempt's failure alone.
fn failed(error: &io::Error) -> StoreError {
    StoreError::Statement(format!("the end of the WAL cannot be cut off: {error}"))
}

fn round(wal: &Path) -> io::Result<Round> {
    let mut header = Vec::new();
    match File::open(wal) {
        Ok(file) => file.take(HEADER).read_to_end(&mut header)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let salts = header.get(SALTS).and_then(|salts| salts.try_into().ok());
    Ok(salts)
}

/// Where the last frame of this round ends, in bytes. A connection that writes nothing is asked:
/// one in a transaction is refused that.
fn end_of_round(database: &Path) -> Result<u64, StoreError> {
    let other = connection::open_mover(database)
        .map_err(|error| StoreError::Statement(error.to_string()))?;
    let page: u64 = other
        .pragma_query_value(None, "page_size", |row| row.get::<_, u32>(0))?
        .into();
    let frames: i64 = other.query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| row.get(1))?;
    let frames = u64::try_from(frames)
        .map_err(|_| StoreError::Statement("the length of the WAL is not known".to_owned()))?;
    Ok(HEADER + frames * (FRAME_HEADER + page))
}

/// The WAL is no file on which SQLite holds locks, so it may be opened and closed here.
fn cut(wal: &Path, end: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(wal)?;
    if file.metadata()?.len() > end {
        file.set_len(end)?;
        file.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::erasing::with_second_database;

    const SECRET: [u8; 32] = *b"a secret that has to go, for now";

    struct Replicated {
        dir: tempfile::TempDir,
        writer: Connection,
        replicator: Connection,
        rounds: WalRounds,
    }

    /// A database beside a program that reads at all times, with a removed secret in its WAL.
    fn replicated() -> Replicated {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("statekeep.db");
        let writer = connection::open_writer(&path).unwrap();
        connection::use_wal(&writer, &path).unwrap();
        writer
            .execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, bytes BLOB) STRICT")
            .unwrap();
        let replicator = Connection::open(&path).unwrap();
        replicator
            .execute_batch("PRAGMA wal_autocheckpoint = 0; BEGIN; SELECT count(*) FROM t")
            .unwrap();
        let mut rounds = WalRounds::of(&path);
        // Many frames, and the secret in the last ones.
        for id in 0..50 {
            let bytes = if id < 49 {
                vec![7; 5_000]
            } else {
                SECRET.repeat(300)
            };
            writer
                .execute(
                    "INSERT INTO t VALUES (?1, ?2)",
                    rusqlite::params![id, bytes],
                )
                .unwrap();
        }
        writer.execute("DELETE FROM t WHERE id = 49", []).unwrap();
        with_second_database(&writer, || writer.execute_batch("VACUUM")).unwrap();
        rounds.note_dirty().unwrap();
        Replicated {
            dir,
            writer,
            replicator,
            rounds,
        }
    }

    impl Replicated {
        /// Moves the WAL and begins a new round, as Litestream does.
        fn checkpoint(&self) {
            self.replicator
                .execute_batch("ROLLBACK; PRAGMA wal_checkpoint(PASSIVE)")
                .unwrap();
            self.read();
            let other = Connection::open(self.dir.path().join("statekeep.db")).unwrap();
            other
                .execute_batch("INSERT INTO t VALUES (1000, x'00')")
                .unwrap();
            std::mem::forget(other);
        }

        fn read(&self) {
            self.replicator
                .execute_batch("BEGIN; SELECT count(*) FROM t")
                .unwrap();
        }

        fn is_empty_of_secrets(&self) -> bool {
            ["statekeep.db", "statekeep.db-wal"].iter().all(|name| {
                let bytes = std::fs::read(self.dir.path().join(name)).unwrap();
                memchr::memmem::find(&bytes, &SECRET).is_none()
            })
        }

        fn cut_off(&mut self) -> bool {
            self.rounds.cut_off_earlier(&mut self.writer).unwrap()
        }
    }

    #[test]
    fn the_wal_is_left_alone_until_a_new_round_begins() {
        let mut data = replicated();
        let before = std::fs::read(data.dir.path().join("statekeep.db-wal")).unwrap();
        assert!(!data.cut_off() && !data.is_empty_of_secrets());
        let after = std::fs::read(data.dir.path().join("statekeep.db-wal")).unwrap();
        assert!(before == after);
    }

    #[test]
    fn what_an_earlier_round_left_behind_is_cut_off_and_nothing_else() {
        let mut data = replicated();
        data.checkpoint();
        assert!(!data.is_empty_of_secrets(), "otherwise this shows nothing");
        assert!(data.cut_off() && data.is_empty_of_secrets());
        data.writer
            .execute("INSERT INTO t VALUES (2000, x'01')", [])
            .unwrap();
        let path = data.dir.path().join("statekeep.db");
        drop((data.replicator, data.writer));
        let again = connection::open_reader(&path).unwrap();
        let rows: i64 = again
            .query_row("SELECT count(*) FROM t", [], |row| row.get(0))
            .unwrap();
        assert_eq!(rows, 51, "the frames of this round are still there");
        let said: String = again
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(said, "ok");
    }

    #[test]
    fn a_first_try_after_a_start_waits_for_the_next_round() {
        let mut data = replicated();
        data.rounds.note_clean();
        assert!(
            !data.cut_off(),
            "nobody knows in which round the sweep ended"
        );
        data.checkpoint();
        assert!(data.cut_off() && data.is_empty_of_secrets());
    }
}
