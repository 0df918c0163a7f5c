//! Which data this is: a UUID that it got when it was made. It never changes while the data is the
//! same, and no other data has it.

use rusqlite::Connection;
use uuid::Uuid;

/// The id of the data, which is given one where it has none yet: it was made a moment ago, or by a
/// version that gave none.
pub(in crate::store) fn known_or_new(connection: &Connection) -> rusqlite::Result<Uuid> {
    connection.execute(
        "INSERT OR IGNORE INTO instance (one, id) VALUES (1, ?1)",
        [Uuid::new_v4().as_bytes().as_slice()],
    )?;
    connection
        .query_row("SELECT id FROM instance", [], |row| {
            row.get::<_, [u8; 16]>(0)
        })
        .map(Uuid::from_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_given_once() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(include_str!(
                "../../../migrations/V2__know_the_instance.sql"
            ))
            .unwrap();
        let first = known_or_new(&connection).unwrap();
        assert_eq!(known_or_new(&connection).unwrap(), first);
        assert_ne!(first, Uuid::nil());
    }
}
