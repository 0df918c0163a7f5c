//! The first start: the database is made under another name and gets its own when it is whole and
//! on disk. If a first start is stopped, the next one begins anew.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::connection;
use super::erasing::truncate_wal;
use super::error::OpenError;
use super::privacy::give_to_owner_of;
use super::{schema, tables};

/// What is appended to the name until the database is whole. SQLite appends `-wal` and the like.
const UNFINISHED: &str = ".new";

/// Makes the database. There is none, or an empty file.
pub(super) fn make(path: &Path) -> Result<(), OpenError> {
    let failed = |source| OpenError::File {
        path: path.to_owned(),
        source,
    };
    let unfinished = begin(path).map_err(failed)?;
    let done = fill(&unfinished).and_then(|()| finish(&unfinished, path).map_err(failed));
    if done.is_err() {
        // What cannot be removed now is removed by the next start.
        let _ = remove_unfinished(path);
    }
    done
}

/// Removes what an earlier first start has left, and makes an empty file.
fn begin(path: &Path) -> io::Result<PathBuf> {
    remove_unfinished(path)?;
    let unfinished = unfinished(path);
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)?;
    give_to_owner_of(dir_of(path), &file)?;
    Ok(unfinished)
}

/// Makes the schema and what belongs to new data. It is synced at the end, by `finish`.
fn fill(path: &Path) -> Result<(), OpenError> {
    let mut connection = connection::open_writer(path)?;
    schema::make(&mut connection, path)?;
    let begin = tables::instance::known_or_new(&connection)
        .and_then(|instance| tables::commits::known_or_first(&connection, instance));
    begin.map_err(|source| connection::explain(path, source))?;
    // Closing would say nothing of a WAL that could not be moved.
    match truncate_wal(&connection) {
        Ok(true) => {}
        Ok(false) => return Err(OpenError::Unfinished(path.to_owned())),
        Err(source) => return Err(connection::explain(path, source)),
    }
    connection
        .close()
        .map_err(|(_, source)| connection::explain(path, source))
}

fn finish(unfinished: &Path, path: &Path) -> io::Result<()> {
    File::open(unfinished)?.sync_all()?;
    std::fs::rename(unfinished, path)?;
    remove_unfinished(path)?;
    File::open(dir_of(path))?.sync_all()
}

/// Removes the unfinished database, and what SQLite has put beside it.
fn remove_unfinished(path: &Path) -> io::Result<()> {
    let unfinished = unfinished(path);
    let Some(name) = unfinished.file_name().and_then(|name| name.to_str()) else {
        return Ok(());
    };
    for entry in std::fs::read_dir(dir_of(path))? {
        let entry = entry?;
        let is_ours = |other: &str| {
            let rest = other.strip_prefix(name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        if !entry.file_name().to_str().is_some_and(is_ours) {
            continue;
        }
        match std::fs::remove_file(entry.path()) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn dir_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}

fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(UNFINISHED);
    name.into()
}
