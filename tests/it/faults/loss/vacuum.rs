//! A purge of earlier releases ended with a `VACUUM`, which moves pages that nobody else moves. A
//! kill right behind it is not taken for a loss.

use std::path::Path;

use rusqlite::Connection;

use super::{
    DATABASE, L1, STATES, WAL, copied, has_all, killed, start, wait_for_the_anchor, write_some,
};
use crate::disk::noise;
use crate::harness::{Setup, tfstate_noted};

/// `VACUUM` moves the schema, and the file may have all of it while its WAL still has the commits
/// before it. Those are of another schema than the file's.
#[test]
fn a_kill_right_behind_a_vacuum_is_no_loss() {
    let left = killed();
    let vacuum = |data: &Path, checkpoint: &str| {
        let database = Connection::open(data.join(DATABASE)).expect("the database");
        let sql = "PRAGMA wal_autocheckpoint = 0; VACUUM;";
        database.execute_batch(sql).expect("a VACUUM");
        let checkpoint = format!("PRAGMA wal_checkpoint({checkpoint})");
        let busy: i64 = database
            .query_row(&checkpoint, [], |row| row.get(0))
            .expect("a checkpoint");
        assert_eq!(busy, 0);
        copied(data)
    };
    let (_first, data) = vacuum(&left.data, "TRUNCATE");
    let mut server = start(&data).expect("it starts");
    let writer = left.writer.at(&server);
    write_some(&writer, STATES..2 * STATES);
    // Its pages come where the schema was.
    let large = tfstate_noted(L1, 1, &noise(1, 400_000));
    writer.write("team/large", &large, None).expect_status(200);
    server.kill();
    let (_second, data) = vacuum(&data, "PASSIVE");
    let server = start(&data).expect("nothing is missing");
    has_all(&server, &left.writer, 2 * STATES);
    let read = left.writer.at(&server).read("team/large");
    assert_eq!(read.expect_status(200).text(), large);
}

/// Space that is given back changes the first page and counts no commit. Where such a transaction
/// is the first of its WAL and a checkpoint was cut off, the file has later commits than that one.
#[test]
fn a_kill_in_a_checkpoint_behind_space_that_was_given_back_is_no_loss() {
    let left = killed();
    let database = Connection::open(left.data.join(DATABASE)).expect("the database");
    let sql = "PRAGMA wal_autocheckpoint = 0;
               CREATE TABLE room (bytes BLOB);
               INSERT INTO room VALUES (zeroblob(400000));
               DROP TABLE room;
               PRAGMA wal_checkpoint(TRUNCATE);
               PRAGMA incremental_vacuum;";
    database.execute_batch(sql).expect("space is given back");
    let (_first, data) = copied(&left.data);
    let salts = |data: &Path| std::fs::read(data.join(WAL)).expect("a WAL")[16..24].to_vec();
    let before = salts(&data);
    let mut server = Setup::new().data(&data).start();
    write_some(&left.writer.at(&server), STATES..2 * STATES);
    wait_for_the_anchor();
    server.kill();
    let database = Connection::open(data.join(DATABASE)).expect("the database");
    let checkpoint = "PRAGMA wal_autocheckpoint = 0; PRAGMA wal_checkpoint(PASSIVE);";
    database.execute_batch(checkpoint).expect("a checkpoint");
    let (_second, data) = copied(&data);
    assert_eq!(salts(&data), before, "the WAL still begins with that space");
    let server = start(&data).expect("nothing is missing");
    has_all(&server, &left.writer, 2 * STATES);
}
