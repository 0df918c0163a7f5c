//! The second list of what there is: the table `presence`, a tree of its own, and for most locks a
//! column of the last commit.
//!
//! Each transaction changes the page of the last commit anyway. So a lock that is taken or released
//! changes no page of `presence`. What is in either place is in the list; `locks` is another tree
//! than both.

use rusqlite::{Connection, OptionalExtension as _};

use crate::store::row_hash::RowHash;
use crate::store::statements::Prepare as _;

/// So many places stand beside the last commit at most, those of other locks in the table: 2 KiB,
/// so that the row stays on one page.
const MAX_BESIDE_COMMIT: usize = 128;

/// Where the places of a table's rows are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum SecondList {
    /// In `presence`.
    InTable,
    /// Beside the last commit, as long as there is room: these rows come and go with single
    /// requests.
    BesideCommit,
}

/// Whether the list has the place of a row.
pub(super) fn has(
    connection: &Connection,
    kept: SecondList,
    place: &RowHash,
) -> rusqlite::Result<bool> {
    if kept == SecondList::BesideCommit && beside_commit(connection)?.contains(place) {
        return Ok(true);
    }
    in_table(connection, place)
}

fn in_table(connection: &Connection, place: &RowHash) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM presence WHERE place = ?1";
    connection.prepared(sql)?.exists([place.as_slice()])
}

/// Adds a place, and says whether the list did not have it.
pub(super) fn add(
    connection: &Connection,
    kept: SecondList,
    place: RowHash,
) -> rusqlite::Result<bool> {
    if kept == SecondList::BesideCommit {
        let mut places = beside_commit(connection)?;
        if places.contains(&place) {
            return Ok(false);
        }
        let has_room = places.len() < MAX_BESIDE_COMMIT;
        if has_room && !in_table(connection, &place)? {
            places.push(place);
            if keep_beside_commit(connection, &places)? {
                return Ok(true);
            }
        }
    }
    let sql = "INSERT OR IGNORE INTO presence (place) VALUES (?1)";
    Ok(connection.prepared(sql)?.execute([place.as_slice()])? > 0)
}

/// Removes a place, if the list has it.
pub(super) fn remove(
    connection: &Connection,
    kept: SecondList,
    place: &RowHash,
) -> rusqlite::Result<()> {
    if kept == SecondList::BesideCommit {
        let mut places = beside_commit(connection)?;
        let before = places.len();
        places.retain(|known| known != place);
        if places.len() < before {
            keep_beside_commit(connection, &places)?;
        }
    }
    let sql = "DELETE FROM presence WHERE place = ?1";
    connection
        .prepared(sql)?
        .execute([place.as_slice()])
        .map(drop)
}

/// The places that stand beside the last commit.
fn beside_commit(connection: &Connection) -> rusqlite::Result<Vec<RowHash>> {
    let mut statement = connection.prepared("SELECT lock_places FROM commits")?;
    let found: Option<Option<Vec<u8>>> = statement.query_row([], |row| row.get(0)).optional()?;
    let bytes = found.flatten().unwrap_or_default();
    Ok(bytes.as_chunks().0.to_vec())
}

/// False where there is no row of a commit yet.
fn keep_beside_commit(connection: &Connection, places: &[RowHash]) -> rusqlite::Result<bool> {
    let bytes = places.concat();
    let mut statement = connection.prepared("UPDATE commits SET lock_places = ?1")?;
    Ok(statement.execute([bytes])? > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{FILE_NAME, Store};

    #[test]
    fn what_has_no_room_beside_the_commit_is_in_the_table_and_nothing_is_in_both() {
        let dir = tempfile::tempdir().unwrap();
        drop(Store::open(dir.path(), 1, &std::sync::Arc::default()).unwrap());
        let connection = Connection::open(dir.path().join(FILE_NAME)).unwrap();
        let place = |number: usize| -> RowHash {
            let mut place = RowHash::default();
            place[..8].copy_from_slice(&number.to_be_bytes());
            place
        };
        let in_table = || -> i64 {
            let sql = "SELECT count(*) FROM presence";
            connection.query_row(sql, [], |row| row.get(0)).unwrap()
        };
        let beside = || beside_commit(&connection).unwrap().len();
        let (kept, all) = (SecondList::BesideCommit, MAX_BESIDE_COMMIT + 5);
        let has = |number: usize| has(&connection, kept, &place(number)).unwrap();
        let (was, add) = (in_table(), |number: usize| {
            add(&connection, kept, place(number)).unwrap()
        });
        assert!((0..all).all(|number| !has(number) && add(number)));
        assert!((0..all).all(|number| has(number) && !add(number)));
        assert_eq!((beside(), in_table() - was), (MAX_BESIDE_COMMIT, 5));
        remove(&connection, kept, &place(3)).unwrap();
        assert!(!has(3) && has(2) && !add(all - 1), "one has room again");
        assert!((0..all).all(|number| number == 3 || has(number)));
        for number in 0..all {
            remove(&connection, kept, &place(number)).unwrap();
        }
        assert_eq!((beside(), in_table()), (0, was));
    }
}
