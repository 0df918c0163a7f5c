//! POST and PUT of a state: stored, and equal to the live current version.

use serde_json::json;

use crate::harness::{
    Client, Server, lock_body, resource, sha256, state_path, tfstate, tfstate_with,
};

use super::{L1, counts, info};

#[test]
fn a_write_answers_the_new_version_as_json() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let resources = json!([
        resource("managed", "terraform_data", "a", 3),
        resource("data", "terraform_remote_state", "b", 1),
        resource("managed", "null", "c", 0)
    ]);
    let body = tfstate_with(L1, 12, "x", &resources);
    let version = writer
        .write("team/net", &body, None)
        .expect_status(200)
        .json();
    let expected = json!({
        "number": 1, "sha256": sha256(body.as_bytes()), "size": body.len(), "serial": 12,
        "lineage": L1, "terraform_version": "1.11.4", "format": 4,
        "resources": 4, "added": null, "changed": null, "removed": null, "encrypted": false,
        "kind": "write", "intermediate": false, "from_version": null,
        "created_at": version["created_at"],
        "created_by": {"id": writer.key_id, "name": "writer of team"}, "address": "127.0.0.1",
        "lock": null,
        "current": true, "purged": false, "held": null
    });
    assert_eq!(version, expected);
    let at = humantime::parse_rfc3339(version["created_at"].as_str().expect("a time"))
        .expect("RFC 3339");
    assert!(at.elapsed().is_ok_and(|age| age.as_secs() < 60), "{at:?}");
    assert_eq!(
        info(&writer, "team/net", 1),
        version,
        "and the history says the same"
    );
}

#[test]
fn a_write_under_a_lock_says_under_which() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    writer.lock("team/net", "lock-1").expect_status(200);
    let version = writer
        .write("team/net", tfstate(L1, 1), Some("lock-1"))
        .expect_status(200)
        .json();
    assert_eq!(
        version["lock"],
        json!({"id": "lock-1", "operation": "OperationTypeApply", "who": "someone@somewhere"})
    );
}

#[test]
fn put_does_what_post_does() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let path = state_path("team/net");
    let version = writer
        .send("PUT", &path, tfstate(L1, 1))
        .expect_status(200)
        .json();
    assert_eq!(version["number"], 1);
    writer.send("PUT", &path, tfstate(L1, 1)).expect_status(200);
    writer
        .send("PUT", &path, tfstate(L1, 0))
        .expect_problem(409, "stale_write");
    writer
        .send("PUT", &path, "[]")
        .expect_problem(400, "not_a_state");
    assert_eq!(writer.read("team/net").text(), tfstate(L1, 1));
}

#[test]
fn each_write_is_one_version_and_all_of_them_stay() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    for serial in 1..=12 {
        let version = writer
            .write("team/net", tfstate(L1, serial), None)
            .expect_status(200)
            .json();
        assert_eq!(version["number"], serial);
    }
    for serial in 1..=12 {
        let bytes = super::version(&writer, "team/net", serial)
            .expect_status(200)
            .text();
        assert_eq!(bytes, tfstate(L1, serial));
    }
    let current: Vec<bool> = writer
        .versions("team/net")
        .iter()
        .map(|version| version["current"] == true)
        .collect();
    assert_eq!(current.iter().filter(|&&current| current).count(), 1);
    assert!(current[0], "the newest one");
}

#[test]
fn bytes_equal_to_the_live_current_version_make_no_new_one() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let first = writer
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200)
        .json();
    for _ in 0..3 {
        let again = writer
            .write("team/net", tfstate(L1, 1), None)
            .expect_status(200)
            .json();
        assert_eq!(again["number"], first["number"]);
    }
    assert_eq!(counts(&writer, "team/net"), (1, 0));
    assert!(
        server
            .admin()
            .events("kind=state.write_rejected")
            .is_empty()
    );
}

#[test]
fn bytes_of_a_deleted_state_are_a_new_version() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    owner
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    owner.delete("team/net").expect_status(200);
    let version = owner
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200)
        .json();
    assert_eq!(version["number"], 2, "numbers are never used again");
    assert_eq!(
        owner.read("team/net").expect_status(200).text(),
        tfstate(L1, 1)
    );
}

#[test]
fn bytes_of_an_older_version_are_not_equal_to_the_current_one() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    writer
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    writer
        .write("team/net", tfstate(L1, 2), None)
        .expect_status(200);
    writer
        .write("team/net", tfstate(L1, 1), None)
        .expect_problem(409, "stale_write");
    writer.lock("team/net", "lock-1").expect_status(200);
    let back = writer
        .write("team/net", tfstate(L1, 1), Some("lock-1"))
        .expect_status(200)
        .json();
    assert_eq!(
        back["current"], true,
        "`state push -force` of an older file under a lock is trusted"
    );
    assert_eq!(writer.read("team/net").text(), tfstate(L1, 1));
}

#[test]
fn a_write_is_taken_in_chunks_and_without_an_md5_too() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let chunks = reqwest::blocking::Body::new(std::io::Cursor::new(tfstate(L1, 1).into_bytes()));
    writer
        .send("POST", &state_path("team/net"), chunks)
        .expect_status(200);
    assert_eq!(writer.read("team/net").text(), tfstate(L1, 1));
}

#[test]
fn query_parameters_of_the_address_that_mean_nothing_to_us_are_no_fault() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let path = format!("{}?stage=prod&x=%2F", state_path("team/net"));
    writer
        .send("LOCK", &path, lock_body("lock 1/+ä"))
        .expect_status(200);
    writer
        .send(
            "POST",
            &format!("{path}&ID=lock%201%2F%2B%C3%A4"),
            tfstate(L1, 1),
        )
        .expect_status(200);
    assert_eq!(writer.get(&path).expect_status(200).text(), tfstate(L1, 1));
    writer
        .send("UNLOCK", &path, lock_body("lock 1/+ä"))
        .expect_status(200);
}

#[test]
fn the_snapshots_of_one_apply_can_be_left_out_of_the_history() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    for (lock, serials) in [("lock-1", 1..4), ("lock-2", 4..6)] {
        writer.lock("team/net", lock).expect_status(200);
        for serial in serials {
            writer
                .write("team/net", tfstate(L1, serial), Some(lock))
                .expect_status(200);
        }
        writer.unlock("team/net", lock).expect_status(200);
    }
    let marks: Vec<bool> = writer
        .versions("team/net")
        .iter()
        .map(|version| version["intermediate"] == true)
        .collect();
    assert_eq!(marks, [false, true, false, true, true], "newest first");
    let list = writer
        .get(&format!(
            "{}/versions?intermediate=false",
            state_path("team/net")
        ))
        .expect_status(200)
        .json();
    let numbers: Vec<_> = list["versions"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|version| version["number"].as_u64())
        .collect();
    assert_eq!(numbers, [Some(5), Some(3)]);
}

#[test]
fn states_of_two_names_never_mix() {
    let server = Server::start();
    let (one, two) = (server.key("one", "writer"), server.key("two", "writer"));
    let names: Vec<(&Client, String)> = ["a", "b", "c"]
        .iter()
        .flat_map(|block| {
            [
                (&one, format!("one/{block}")),
                (&two, format!("two/{block}")),
            ]
        })
        .collect();
    for (index, (caller, name)) in (1..).zip(&names) {
        caller
            .write(name, tfstate(L1, index), None)
            .expect_status(200);
    }
    for (index, (caller, name)) in (1..).zip(&names) {
        assert_eq!(
            caller.read(name).expect_status(200).text(),
            tfstate(L1, index),
            "{name}"
        );
        assert_eq!(counts(caller, name), (1, 0));
    }
}
