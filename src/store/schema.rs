//! The schema: migrated from `migrations/` by refinery, never downgraded, and copied aside before
//! an upgrade. A new database is synced once, when it is whole.

use std::path::{Path, PathBuf};

use refinery::Runner;
use rusqlite::{Connection, OptionalExtension as _};

use super::connection::{self, explain};
use super::erasing::with_second_database;
use super::error::{OpenError, is_without_room};

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// The newest version of the schema that this program knows.
pub fn newest_schema() -> u32 {
    newest(&embedded::migrations::runner())
}

fn newest(runner: &Runner) -> u32 {
    let versions = runner
        .get_migrations()
        .iter()
        .map(|migration| u32::try_from(migration.version()).unwrap_or(0))
        .max();
    versions.unwrap_or(0)
}

/// Brings the schema up to date and says its version. A file that a newer version made is refused
/// as it stands.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<u32, OpenError> {
    let runner = embedded::migrations::runner();
    let known = newest(&runner);
    let found = version(connection).map_err(|source| explain(path, source))?;
    if found > known {
        return Err(OpenError::Newer {
            path: path.to_owned(),
            found,
            known,
        });
    }
    if found > 0 && found < known {
        copy_aside(connection, path, found)?;
    }
    connection::use_wal(connection, path)?;
    run(runner, connection, path)?;
    Ok(known)
}

/// Makes the schema of a new database. Nothing of it is synced, nor what follows on this
/// connection: whoever calls this syncs the file before it gets its name.
pub(super) fn make(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    connection::use_wal(connection, path)?;
    connection
        .pragma_update(None, "synchronous", "OFF")
        .map_err(|source| explain(path, source))?;
    run(embedded::migrations::runner(), connection, path)
}

fn run(runner: Runner, connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let done = runner.set_grouped(true).run(connection);
    done.map(drop).map_err(|error| {
        let is_without_room = is_without_room();
        let says = |text: &str| {
            std::iter::successors(std::error::Error::source(&error), |cause| cause.source())
                .any(|cause| cause.to_string().contains(text))
        };
        if says("full") || (is_without_room && says("disk I/O error")) {
            OpenError::Full(path.to_owned())
        } else {
            OpenError::Migration {
                path: path.to_owned(),
                reason: error.to_string(),
            }
        }
    })
}

fn version(connection: &Connection) -> rusqlite::Result<u32> {
    let table = "SELECT 1 FROM sqlite_master WHERE name = 'refinery_schema_history'";
    if connection
        .query_row(table, [], |_| Ok(()))
        .optional()?
        .is_none()
    {
        return Ok(0);
    }
    connection.query_row(
        "SELECT coalesce(max(version), 0) FROM refinery_schema_history",
        [],
        |row| row.get(0),
    )
}

/// Copies the database as it is to `statekeep.db.schema-N` before an upgrade changes it: written,
/// synced, then named.
fn copy_aside(connection: &Connection, path: &Path, found: u32) -> Result<(), OpenError> {
    let target = sibling(path, &format!(".schema-{found}"));
    let partial = sibling(path, &format!(".schema-{found}.partial"));
    let at = |path: &PathBuf| {
        let path = path.clone();
        move |source| OpenError::File { path, source }
    };
    match std::fs::remove_file(&partial) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(at(&partial)(error));
        }
        _ => {}
    }
    let name = partial.to_string_lossy();
    let copied = with_second_database(connection, || {
        connection.execute("VACUUM INTO ?1", [name.as_ref()])
    });
    copied.map_err(|source| explain(path, source))?;
    std::fs::File::open(&partial)
        .and_then(|file| file.sync_all())
        .map_err(at(&partial))?;
    std::fs::rename(&partial, &target).map_err(at(&target))?;
    let dir = path.parent().unwrap_or(Path::new("."));
    std::fs::File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(at(&target))
}

fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_first_schema_made_is_brought_up_to_date() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("statekeep.db");
        let mut connection = connection::open_writer(&path).unwrap();
        connection::use_wal(&connection, &path).unwrap();
        embedded::migrations::runner()
            .set_target(refinery::Target::Version(1))
            .run(&mut connection)
            .unwrap();
        connection
            .execute("INSERT INTO moments (name, at) VALUES ('mark', 7)", [])
            .unwrap();
        // Tables that a program which replicates the database has added are no hindrance.
        connection
            .execute_batch("CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER)")
            .unwrap();
        let now = migrate(&mut connection, &path).unwrap();
        assert!(now > 1 && version(&connection).unwrap() == now);
        assert_eq!(
            connection.query_row("SELECT at FROM moments WHERE name = 'mark'", [], |row| row
                .get(0)),
            Ok(7)
        );
        let copy = connection::open_reader(&sibling(&path, ".schema-1")).unwrap();
        assert_eq!(version(&copy).unwrap(), 1);
    }

    #[test]
    fn an_upgrade_leaves_a_copy_of_what_was() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("statekeep.db");
        let mut connection = connection::open_writer(&path).unwrap();
        migrate(&mut connection, &path).unwrap();
        let known = version(&connection).unwrap();
        let (copied, partial) = (
            sibling(&path, &format!(".schema-{known}")),
            sibling(&path, &format!(".schema-{known}.partial")),
        );
        std::fs::write(&partial, "of a copy that was cut off").unwrap();
        copy_aside(&connection, &path, known).unwrap();
        let copy = connection::open_reader(&copied).unwrap();
        assert_eq!(version(&copy).unwrap(), known);
        assert!(!partial.exists());
        assert!(
            connection
                .execute("ATTACH ':memory:' AS other", [])
                .is_err(),
            "nothing else may"
        );
    }
}
