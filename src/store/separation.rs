//! The upgrade of data in which workspaces share blobs: each gets its own.
//!
//! Only what is shared is copied. It is one transaction, so a start that is killed has done all of
//! it or nothing. A state whose rows are damaged stays as it is, and keeps no start from going on.

use std::path::Path;

use rusqlite::Connection;

use super::checkpoint::Room;
use super::error::{OpenError, StoreError};
use super::seals::DirectoryKeys;
use super::tables::separate::Copies;
use super::touches::Touches;
use super::tx::{Data, Pending, Tx};
use crate::model::clock;
use crate::model::state::StateId;

/// Separates the workspaces of a database that an earlier schema made, if that was not done yet.
pub(super) fn separate_workspaces(
    connection: &Connection,
    keys: &DirectoryKeys,
    database: &Path,
) -> Result<(), OpenError> {
    let work = || -> Result<(), StoreError> {
        let pending = "SELECT EXISTS (SELECT 1 FROM pending_separation)";
        if !connection.query_row(pending, [], |row| row.get(0))? {
            return Ok(());
        }
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let done = separate_all(connection, keys, database);
        let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
        connection.execute_batch(end)?;
        done
    };
    work().map_err(|error| {
        if matches!(error, StoreError::Full) {
            OpenError::Full(database.to_owned())
        } else {
            OpenError::Rows(error.to_string())
        }
    })
}

fn separate_all(
    connection: &Connection,
    keys: &DirectoryKeys,
    database: &Path,
) -> Result<(), StoreError> {
    let data = Data { connection, keys };
    let (room, pending) = (Room::of(database), Pending::default());
    let tx = Tx::new(data, &Touches::Everything, &room, &pending, clock::now());
    let sql = "SELECT id, workspace FROM states ORDER BY workspace, id";
    let states: Vec<(StateId, String)> = tx.all(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (mut of, mut copies) = ("", Copies::new());
    for (state, workspace) in &states {
        if of != workspace {
            (of, copies) = (workspace.as_str(), Copies::new());
        }
        connection.execute_batch("SAVEPOINT state")?;
        match tx.separate(*state, &mut copies, 0) {
            Ok(()) => {}
            Err(StoreError::Damaged(why) | StoreError::BadRow(why)) => {
                tracing::warn!(workspace, why, "a state is damaged and stays as it is");
                connection.execute_batch("ROLLBACK TO state")?;
                copies.clear();
            }
            Err(error) => return Err(error),
        }
        connection.execute_batch("RELEASE state")?;
    }
    connection.execute("DELETE FROM pending_separation", [])?;
    Ok(())
}
