//! Rows of the database that do not fit together, each changed behind the server.

use serde_json::json;

use super::{Stage, bytes_of, finding, found, verify};
use crate::wire::Wire;

/// A change, what is found, and a word of its detail.
type Case = (String, (String, String, Option<u64>), &'static str);

const NET: &str = "(SELECT id FROM states WHERE building_block = 'net')";

/// Changes to version 3 of `team/net`.
fn of_a_version() -> Vec<Case> {
    let set =
        |what: &str| format!("UPDATE versions SET {what} WHERE state_id = {NET} AND number = 3;");
    let blob = bytes_of(3);
    let (damaged, bad) = (finding("damaged", "net", 3), finding("bad_row", "net", 3));
    let lost = format!("DELETE FROM blobs WHERE id = {blob};");
    let short = format!("UPDATE blobs SET stored = 1 WHERE id = {blob};");
    let own_base = format!("UPDATE blobs SET base = {blob} WHERE id = {blob};");
    vec![
        (lost, damaged.clone(), "not there"),
        (
            set("sha256 = zeroblob(32)"),
            damaged.clone(),
            "not as it was written",
        ),
        (short, bad.clone(), "length"),
        (
            set("kind = 'odd'"),
            damaged.clone(),
            "not as it was written",
        ),
        (
            set("from_version = 9"),
            damaged.clone(),
            "not as it was written",
        ),
        (own_base, bad, "themselves"),
    ]
}

/// Changes to `team/net` itself.
fn of_a_state() -> Vec<Case> {
    let set = |what: &str| format!("UPDATE states SET {what} WHERE id = {NET};");
    let (bad, dangling) = (
        finding("bad_row", "net", None),
        finding("dangling", "net", None),
    );
    let rejected = format!(
        "UPDATE versions SET kind = 'rejected', rejection = 'locked' \
            WHERE state_id = {NET} AND number = 8;"
    );
    let moved = format!("INSERT INTO moves VALUES ('team', 'net', {NET}, 0, NULL);");
    vec![
        (set("current = 9, last_number = 9"), dangling, "9"),
        (set("last_number = 7"), bad.clone(), "8"),
        (set("versions = versions + 1"), bad.clone(), "versions"),
        (set("stored = 1"), bad.clone(), "bytes"),
        (rejected, bad.clone(), "rejected"),
        (set("workspace = 'not a name'"), bad.clone(), "name"),
        (moved, bad, "lives there"),
    ]
}

/// Rows of other tables that belong to nothing, or say nothing.
fn of_other_tables() -> Vec<Case> {
    let blob = "INSERT INTO blobs (id, digest, format, size, stored, frame) \
        VALUES (999, zeroblob(32), 1, 1, 1, zeroblob(1));";
    let moved = "INSERT INTO moves VALUES ('team', 'left', 999, 0, NULL);";
    let token = "INSERT INTO tokens VALUES \
        (zeroblob(32), 'nobody', NULL, NULL, '', 0, 99999999999999, 0, NULL, NULL, NULL);";
    let lock = "INSERT INTO locks VALUES ('team', 'x', 'no lock', 'k', 'k', 'a', 0, 0, NULL, \
        NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);";
    let writer = "INSERT INTO stale_writers VALUES ('a b', 'x', 'k', 'a', 0);";
    let key = "UPDATE keys SET permissions = 'EVERYTHING';";
    [
        (blob, finding("orphan", "", None), "999"),
        (moved, finding("dangling", "", None), "moves"),
        (token, finding("dangling", "", None), "tokens"),
        (lock, finding("bad_row", "x", None), "lock"),
        (writer, finding("bad_row", "x", None), "stale_writers"),
        (key, finding("bad_row", "", None), "key"),
    ]
    .map(|(change, found, word)| (change.to_owned(), found, word))
    .into()
}

#[test]
fn each_row_that_does_not_fit_is_found() {
    let cases = [of_a_version(), of_a_state(), of_other_tables()].concat();
    for (statements, expected, word) in cases {
        let Some(stage) = Stage::changed_by(&statements) else {
            return;
        };
        let server = stage.start();
        let mut operator = Wire::to_socket_of(&server);
        operator.send("POST /api/verify HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
        let answer = operator
            .answer()
            .expect("an answer")
            .expect_status(200)
            .json();
        let all = found(&answer);
        let at = all.iter().position(|found| *found == expected);
        let at = at.unwrap_or_else(|| panic!("{statements}: {answer}"));
        assert!(
            answer["findings"][at]["detail"]
                .as_str()
                .is_some_and(|detail| detail.contains(word)),
            "{word}: {answer}"
        );
        // An edit of a row that has a hash is found by that as well.
        let also = ["changed_row", "lost_row", "damaged"];
        assert!(
            all.iter()
                .all(|found| *found == expected || also.contains(&found.0.as_str())),
            "{statements}: {answer}"
        );
    }
}

#[test]
fn a_chain_of_bases_is_at_most_eight_steps_long() {
    let chained = |last: u64| {
        let set_base = |number| {
            format!(
                "UPDATE blobs SET base = {} WHERE id = {};",
                bytes_of(number - 1),
                bytes_of(number)
            )
        };
        (2..=last).map(set_base).collect::<Vec<_>>().concat()
    };
    let more = "INSERT INTO blobs (id, digest, format, size, stored, frame, base) VALUES (999, \
        zeroblob(32), 1, 1, 1, zeroblob(1), NULL);";
    let lost = format!(
        "{} UPDATE blobs SET base = 12345 WHERE id = {};",
        chained(8),
        bytes_of(1)
    );
    let Some(stage) = Stage::changed_by(&lost) else {
        return;
    };
    let quick = json!({"quick": true});
    let broken = verify(&stage.start().admin(), &quick);
    assert_eq!(
        found(&broken),
        (1..=8)
            .map(|number| finding("dangling", "net", number))
            .collect::<Vec<_>>()
    );
    let Some(stage) = Stage::changed_by(&chained(8)) else {
        return;
    };
    assert_eq!(
        found(&verify(&stage.start().admin(), &quick)),
        [],
        "seven steps"
    );
    let nine = format!(
        "{} {more} UPDATE blobs SET base = 999 WHERE id = {};",
        chained(8),
        bytes_of(1)
    );
    let Some(stage) = Stage::changed_by(&nine) else {
        return;
    };
    assert_eq!(
        found(&verify(&stage.start().admin(), &quick)),
        [],
        "eight steps"
    );
    let ten = format!(
        "{nine} INSERT INTO blobs (id, digest, format, size, stored, frame) VALUES (1000, x'01', \
            1, 1, 1, zeroblob(1)); \
                       UPDATE blobs SET base = 1000 WHERE id = 999;"
    );
    let Some(stage) = Stage::changed_by(&ten) else {
        return;
    };
    assert_eq!(
        found(&verify(&stage.start().admin(), &quick)),
        [finding("bad_row", "net", 8)],
        "nine"
    );
}
