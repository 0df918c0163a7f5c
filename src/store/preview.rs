//! What a start would find in a data directory, told without changing anything there.
//!
//! SQLite changes files even to read them: it makes an index of the WAL, and recovers the WAL. So
//! the files are read here without SQLite.

use std::path::Path;

use uuid::Uuid;

use super::connection::wal_path;
use super::error::OpenError;
use super::schema::newest_schema;
use super::start;
use super::start::LogEnd;
use super::start::files::DatabaseFiles;
use crate::model::on_loss::OnLoss;

/// What a start would find.
pub struct StartPreview {
    /// The schema of the database; none if there is no database yet, or if it is refused.
    pub schema: Option<u32>,
    /// The schema that this program makes.
    pub newest: u32,
    /// How many bytes the database and its WAL have.
    pub bytes: u64,
    /// Why a start would be refused, if it would.
    pub refused: Option<OpenError>,
}

/// What the event log of a database says of itself, for heads that were noted elsewhere. None if
/// it cannot be read, or there is none: [`preview_start`] says that.
pub fn preview_log(database: &Path) -> Option<LogEnd> {
    let wal = wal_path(database);
    let files = files(database, &wal);
    start::log_end(&files, true).ok().flatten()
}

/// Which data a database is, if it has a chain of events.
pub fn preview_instance(database: &Path) -> Option<Uuid> {
    let wal = wal_path(database);
    let end = start::log_end(&files(database, &wal), false).ok().flatten();
    end.map(|end| end.instance)
}

fn files<'p>(database: &'p Path, wal: &'p Path) -> DatabaseFiles<'p> {
    DatabaseFiles {
        dir: database.parent().unwrap_or(Path::new(".")),
        database,
        wal,
    }
}

/// Looks at a database file and what is beside it, as a start does.
pub fn preview_start(database: &Path) -> StartPreview {
    let wal = wal_path(database);
    let files = files(database, &wal);
    let bytes = [database, &wal].map(|file| std::fs::metadata(file).map_or(0, |found| found.len()));
    let newest = newest_schema();
    let (schema, refused) = match schema(&files, newest) {
        Ok(schema) => (schema, None),
        Err(error) => (None, Some(error)),
    };
    StartPreview {
        schema,
        newest,
        bytes: bytes.iter().sum(),
        refused,
    }
}

fn schema(files: &DatabaseFiles<'_>, newest: u32) -> Result<Option<u32>, OpenError> {
    if start::check(files, OnLoss::Refuse)?.is_new {
        return Ok(None);
    }
    let found = start::schema_of(files)?;
    if found > newest {
        return Err(OpenError::Newer {
            path: files.database.to_owned(),
            found,
            known: newest,
        });
    }
    Ok(Some(found))
}
