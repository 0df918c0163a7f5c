//! Rollbacks that are refused, and what may be rolled back to: another version than expected,
//! another lock, rejected versions, states that are deleted or moved.

use serde_json::{Value, json};

use super::super::L1;
use super::{current, numbered, path, roll_back, three_versions};
use crate::harness::{Server, lock_body, state_path, tfstate_noted};

#[test]
fn what_is_not_there_is_404_and_what_makes_no_sense_400() {
    let server = Server::start();
    let writer = three_versions(&server);
    roll_back(&writer, "team/none", &json!({"version": 1})).expect_problem(404, "no_state");
    for number in [0, 4, u64::MAX] {
        for dry_run in [false, true] {
            roll_back(
                &writer,
                "team/net",
                &json!({"version": number, "dry_run": dry_run}),
            )
            .expect_problem(404, "no_version");
        }
    }
    for body in [
        "",
        "{}",
        "[1]",
        "7",
        r#"{"version":"1"}"#,
        r#"{"version":-1}"#,
        r#"{"version":1.0}"#,
        r#"{"version":1,"force":true}"#,
        r#"{"version":1"#,
    ] {
        writer
            .send("POST", &path("team/net"), body)
            .expect_problem(400, "bad_body");
    }
    writer
        .send("GET", &path("team/net"), "")
        .expect_problem(405, "method_not_allowed");
    assert_eq!(writer.versions("team/net").len(), 3);
}

#[test]
fn an_expected_version_that_is_not_current_any_more_is_409_with_the_one_that_is() {
    let server = Server::start();
    let (writer, owner) = (three_versions(&server), server.key("team", "owner"));
    let refused = roll_back(
        &writer,
        "team/net",
        &json!({"version": 1, "expected_current": 2}),
    )
    .expect_problem(409, "not_current")
    .json();
    assert_eq!(refused["current"], 3, "{refused}");
    assert!(
        refused["detail"]
            .as_str()
            .is_some_and(|text| text.contains("not 2 any more but 3")),
        "{refused}"
    );
    roll_back(
        &writer,
        "team/net",
        &json!({"version": 1, "expected_current": 3}),
    )
    .expect_status(200);
    owner.delete("team/net").expect_status(200);
    let refused = roll_back(
        &writer,
        "team/net",
        &json!({"version": 1, "expected_current": 4}),
    )
    .expect_problem(409, "not_current")
    .json();
    assert_eq!(refused["current"], json!(null));
    owner.read("team/net").expect_problem(404, "no_state");
    roll_back(
        &writer,
        "team/net",
        &json!({"version": 1, "expected_current": 0}),
    )
    .expect_status(200);
    roll_back(
        &writer,
        "team/net",
        &json!({"version": 2, "expected_current": 0}),
    )
    .expect_problem(409, "not_current");
    roll_back(
        &writer,
        "team/net",
        &json!({"version": 2, "expected_current": null}),
    )
    .expect_status(200);
}

#[test]
fn while_another_holds_the_lock_it_is_423_and_under_ones_own_it_is_noted() {
    let server = Server::start();
    let (writer, other) = (three_versions(&server), server.key("team", "writer"));
    let lock = other.lock("team/net", "lock-1").expect_status(200).text();
    assert_eq!(
        roll_back(&writer, "team/net", &json!({"version": 1}))
            .expect_status(423)
            .text(),
        lock
    );
    let with_id = format!("{}?ID=lock-1", path("team/net"));
    assert_eq!(
        writer
            .post_json(&with_id, &json!({"version": 1}))
            .expect_status(423)
            .text(),
        lock,
        "the ID alone is no secret"
    );
    other
        .post_json(
            &format!("{}?ID=lock-2", path("team/net")),
            &json!({"version": 1}),
        )
        .expect_status(423);
    roll_back(&other, "team/net", &json!({"version": 1})).expect_status(423);
    let evidence = writer
        .get(&format!("{}/lock", state_path("team/net")))
        .json();
    assert_eq!(
        (
            &evidence["refused"]["count"],
            &evidence["refused"]["latest"]["key"]["id"]
        ),
        (&json!(4), &json!(other.key_id))
    );
    assert_eq!(writer.versions("team/net").len(), 3);
    let version = other
        .post_json(&with_id, &json!({"version": 1}))
        .expect_status(200)
        .json();
    assert_eq!(
        version["lock"],
        json!({"id": "lock-1", "operation": "OperationTypeApply", "who": "someone@somewhere"})
    );
    assert_eq!(
        other
            .send("LOCK", &state_path("team/net"), lock_body("lock-1"))
            .status,
        200,
        "it is held still"
    );
    other.unlock("team/net", "lock-1").expect_status(200);
    other
        .post_json(&with_id, &json!({"version": 1}))
        .expect_problem(409, "stale_lock_id");
    assert_eq!(writer.versions("team/net").len(), 4);
}

#[test]
fn a_rejected_version_can_be_made_current_also_where_nothing_else_is() {
    let server = Server::start();
    let writer = three_versions(&server);
    writer
        .write("team/net", tfstate_noted(L1, 3, "refused"), None)
        .expect_problem(409, "stale_write");
    let version = roll_back(&writer, "team/net", &json!({"version": 4}))
        .expect_status(200)
        .json();
    assert_eq!(
        (
            &version["kind"],
            &version["from_version"],
            &version["serial"]
        ),
        (&json!("rollback"), &json!(4), &json!(4))
    );
    assert_eq!(
        current(&writer, "team/net"),
        tfstate_noted(L1, 4, "refused")
    );

    writer
        .write("team/first", numbered(7), Some("gone"))
        .expect_problem(409, "stale_lock_id");
    writer.read("team/first").expect_problem(404, "no_state");
    roll_back(
        &writer,
        "team/first",
        &json!({"version": 1, "expected_current": 1}),
    )
    .expect_problem(409, "not_current");
    roll_back(
        &writer,
        "team/first",
        &json!({"version": 1, "expected_current": 0}),
    )
    .expect_status(200);
    assert!(current(&writer, "team/first").contains("\"serial\":8"));
}

#[test]
fn a_deleted_state_is_brought_back() {
    let server = Server::start();
    let (writer, owner) = (three_versions(&server), server.key("team", "owner"));
    owner.delete("team/net").expect_status(200);
    let version = roll_back(&writer, "team/net", &json!({"version": 3}))
        .expect_status(200)
        .json();
    assert_eq!(
        (
            &version["number"],
            &version["serial"],
            &version["unchanged"]
        ),
        (&json!(4), &json!(4), &json!(false))
    );
    assert_eq!(
        current(&writer, "team/net"),
        numbered(3).replace("\"serial\":3", "\"serial\":4")
    );
}

#[test]
fn a_moved_state_is_brought_back_from_where_it_is_by_whoever_may_move_it() {
    let server = Server::start();
    let (writer, owner) = (three_versions(&server), server.key("team", "owner"));
    let to = json!({"workspace": "team", "buildingBlock": "there"});
    owner
        .post_json(&format!("{}/move", state_path("team/net")), &to)
        .expect_status(200);
    roll_back(&writer, "team/net", &json!({"version": 1})).expect_problem(403, "forbidden");
    writer.lock("team/there", "lock-1").expect_status(200);
    roll_back(&owner, "team/net", &json!({"version": 1})).expect_status(423);
    writer.unlock("team/there", "lock-1").expect_status(200);
    assert_eq!(
        current(&owner, "team/there"),
        numbered(3),
        "nothing was done so far"
    );

    let preview = roll_back(&owner, "team/net", &json!({"version": 1, "dry_run": true}))
        .expect_status(200)
        .json();
    assert_eq!(
        (&preview["moved_to"], &preview["refused"]),
        (&to, &json!([])),
        "{preview}"
    );
    roll_back(
        &owner,
        "team/net",
        &json!({"version": 1, "expected_current": 3}),
    )
    .expect_status(200);
    assert!(current(&owner, "team/net").contains("version 1"));
    owner.read("team/there").expect_problem(410, "moved");
    let kinds: Vec<Value> = server
        .admin()
        .events("kind=state.*&workspace=team&buildingBlock=net")
        .iter()
        .map(|event| event["kind"].clone())
        .filter(|kind| kind != "state.read")
        .collect();
    assert_eq!(kinds[..2], ["state.rollback", "state.move"], "{kinds:?}");

    owner
        .post_json(&format!("{}/move", state_path("team/net")), &to)
        .expect_status(200);
    owner.delete("team/there").expect_status(200);
    roll_back(&owner, "team/net", &json!({"version": 2})).expect_status(200);
    assert!(
        current(&owner, "team/net").contains("version 2"),
        "also where it was deleted there"
    );
}
