//! Changes of single events, behind the server's back.

use std::collections::BTreeSet;

use rusqlite::types::Value;
use rusqlite::{Connection, params};

use super::{acts, behind, faults, settled};
use crate::harness::Server;

/// The other values that a column may get by a change of one byte; something where there was
/// nothing.
fn changed(value: &Value) -> Vec<Value> {
    let each = |bytes: &[u8]| -> Vec<Vec<u8>> {
        let change = |at: usize| {
            let mut bytes = bytes.to_vec();
            bytes[at] ^= 1;
            bytes
        };
        (0..bytes.len()).map(change).collect()
    };
    match value {
        Value::Null => vec![Value::Integer(1), Value::Blob(vec![1; 32])],
        Value::Integer(number) => {
            let bits = (0..8).map(|byte| Value::Integer(number ^ (1 << (8 * byte))));
            bits.chain([Value::Null]).collect()
        }
        Value::Text(text) => {
            let texts = each(text.as_bytes()).into_iter();
            let texts = texts.map(|bytes| Value::Text(String::from_utf8(bytes).expect("ASCII")));
            texts.chain([Value::Null]).collect()
        }
        Value::Blob(bytes) => {
            let blobs = each(bytes).into_iter().map(Value::Blob);
            blobs.chain([Value::Null]).collect()
        }
        Value::Real(_) => panic!("no event has one"),
    }
}

fn columns(database: &Connection) -> Vec<String> {
    let sql = "SELECT name FROM pragma_table_info('events') WHERE name <> 'seq'";
    let mut statement = database.prepare(sql).expect("a statement");
    let names = statement.query_map([], |row| row.get(0)).expect("rows");
    names.map(|name| name.expect("a name")).collect()
}

#[test]
fn each_changed_byte_of_an_event_is_found() {
    let server = Server::start();
    acts(&server);
    settled(&server);
    let (admin, database) = (server.admin(), behind(server.data()));
    assert_eq!(faults(&admin, None), [""; 0], "nothing was changed yet");
    let columns = columns(&database);
    assert!(columns.len() >= 17, "{columns:?}");
    let mut tried = BTreeSet::new();
    for kind in ["state.write", "state.read", "state.purge", "lock.acquire"] {
        let sql = "SELECT max(seq) FROM events WHERE kind = ?1";
        let seq: i64 = database
            .query_row(sql, [kind], |row| row.get(0))
            .expect("one");
        for column in &columns {
            let read = format!("SELECT {column} FROM events WHERE seq = ?1");
            let was: Value = database
                .query_row(&read, [seq], |row| row.get(0))
                .expect("it");
            let set = format!("UPDATE events SET {column} = ?2 WHERE seq = ?1");
            // Some are refused by the column's type; they cannot be.
            let edit = |now: &Value| database.execute(&set, params![seq, now]).is_ok();
            // An event that is in its indexes sooner than others is hidden from nobody.
            let hides = |now: &Value| column != "fresh" || *now != Value::Null;
            for now in changed(&was).into_iter().filter(hides).filter(edit) {
                tried.insert(column.clone());
                let found = faults(&admin, None);
                let named = format!("event {seq} ");
                assert!(
                    found.iter().any(|fault| fault.contains(&named)),
                    "{kind} {column}: {was:?} became {now:?}, found {found:?}"
                );
                database.execute(&set, params![seq, was]).expect("undone");
            }
        }
    }
    assert_eq!(tried.len(), columns.len(), "each column was changed");
    assert_eq!(faults(&admin, None), [""; 0], "all is as it was");
}

#[test]
fn an_event_that_is_missing_or_was_put_in_is_named() {
    let server = Server::start();
    acts(&server);
    let last = settled(&server).cast_signed();
    let (admin, database) = (server.admin(), behind(server.data()));
    let run = |sql: &str| database.execute_batch(sql).expect("it is done");
    let copy = "CREATE TABLE copy AS SELECT * FROM events; CREATE TABLE gap AS SELECT * FROM \
        event_gaps;";
    run(copy);
    let back = "DELETE FROM events; INSERT INTO events SELECT * FROM copy; DELETE FROM event_gaps; \
        INSERT INTO event_gaps SELECT * FROM gap;";
    let cases = [
        (
            "DELETE FROM events WHERE seq = 3;".to_owned(),
            "event 3 is missing".to_owned(),
        ),
        (
            "DELETE FROM events WHERE seq IN (3, 4);".to_owned(),
            "the events 3 to 4 are missing".to_owned(),
        ),
        (
            "DELETE FROM events WHERE seq = 3; UPDATE events SET seq = 3 WHERE seq = 4;".to_owned(),
            "event 3 is not as it was written".to_owned(),
        ),
        (
            format!("DELETE FROM events WHERE seq > {};", last - 2),
            format!(
                "the end is missing: the last event is {last}, and the log ends with {}",
                last - 2
            ),
        ),
        (
            format!(
                "INSERT INTO events SELECT {last} + 1, at, kind, actor, actor_name, address, \
                request_id, workspace, building_block, version, lock_id, count, last_at, \
                attention, detail, gather, lasting, chain, grown, fresh FROM events WHERE seq = 4;"
            ),
            format!("event {} is not as it was written", last + 1),
        ),
        (
            "DELETE FROM event_gaps;".to_owned(),
            "the beginning of the chain is missing".to_owned(),
        ),
        (
            "UPDATE event_gaps SET chain = zeroblob(32);".to_owned(),
            "event 1 is not as it was written".to_owned(),
        ),
        (
            "UPDATE event_gaps SET last = 2, chain = (SELECT chain FROM events WHERE seq = 2);"
                .to_owned(),
            "event 1 was removed, and is there again".to_owned(),
        ),
    ];
    for (edit, named) in cases {
        run(&edit);
        let found = faults(&admin, None);
        assert!(found.contains(&named), "{edit} {named}: {found:?}");
        run(back);
        assert_eq!(faults(&admin, None), [""; 0], "after {edit}");
    }
}

#[test]
fn a_whole_verification_follows_the_chain_too() {
    let server = Server::start();
    acts(&server);
    settled(&server);
    let (admin, database) = (server.admin(), behind(server.data()));
    let verified = || {
        admin
            .send("POST", "/api/verify", "")
            .expect_status(200)
            .json()
    };
    let sound = verified();
    assert_eq!(sound["found"], 0, "{sound}");
    assert!(sound["checked"]["events"].as_u64() > Some(5), "{sound}");
    let edit = "UPDATE events SET address = '10.9.9.9' WHERE seq = 2";
    database.execute(edit, []).expect("an edit");
    let edited = verified();
    assert_eq!(edited["findings"][0]["code"], "event_chain", "{edited}");
}
