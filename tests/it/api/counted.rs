//! Counts that are kept and not made anew for each answer: what a list says of a state's history,
//! and what the status says of everything. They are true after each act that changes a history.

use serde_json::{Value, json};

use crate::harness::{Client, Server, state_path, tfstate_noted};
use crate::inside;

use super::L1;
use super::prune::prune;

/// Counts all rows, and holds them against what the list and the status say.
#[track_caller]
fn check(server: &Server, act: &str) {
    // Nothing changes a frame after that.
    inside::compacted(server.data());
    let list = server.admin().get("/api/terraform/state?deleted=true");
    let list = list.expect_status(200).json();
    let states = list["states"].as_array().expect("a list");
    for state in states {
        let of = format!(
            "FROM versions v WHERE v.state_id = (SELECT id FROM states WHERE workspace = '{}' AND \
             building_block = '{}')",
            state["workspace"].as_str().expect("a name"),
            state["buildingBlock"].as_str().expect("a name")
        );
        let number = |sql: String| json!(inside::number(server.data(), &sql));
        assert_eq!(
            (&state["versions"], &state["history_size"]),
            (
                &number(format!("SELECT count(*) {of}")),
                &number(format!(
                    "SELECT coalesce(sum(stored), 0) FROM blobs WHERE id IN (SELECT v.blob_id {of})"
                ))
            ),
            "{act}: {state}"
        );
    }
    let told = server.admin().get("/api/status").expect_status(200).json();
    let count = |what: &str| json!(inside::number(server.data(), what));
    assert_eq!(
        (&told["states"], &told["versions"]),
        (
            &count("SELECT count(*) FROM states WHERE current > 0 AND deleted_at IS NULL"),
            &count("SELECT count(*) FROM versions")
        ),
        "{act}: {told}"
    );
}

fn post(caller: &Client, what: &str, body: &Value) {
    let path = format!("{}/{what}", state_path("team/net"));
    caller.post_json(&path, body).expect_status(200);
}

#[test]
fn counts_are_true_after_each_act_that_changes_a_history() {
    let server = Server::start();
    let admin = server.admin();
    let body = |serial: u64| tfstate_noted(L1, serial, &"note ".repeat(500));
    admin.lock("team/net", "lock-1").expect_status(200);
    for serial in [1, 2, 1, 2, 3] {
        admin
            .write("team/net", body(serial), Some("lock-1"))
            .expect_status(200);
    }
    admin.unlock("team/net", "lock-1").expect_status(200);
    check(&server, "writes, of which some came back");
    admin.write("team/two", body(1), None).expect_status(200);
    check(&server, "the same bytes in another state");
    admin.write("team/net", body(2), None).expect_status(409);
    check(&server, "a rejected write");
    post(&admin, "rollback", &json!({"version": 1}));
    check(&server, "a rollback");
    post(&admin, "purge", &json!({"versions": [5]}));
    check(&server, "a purge");
    prune(&admin, &json!({"keep_last": 2})).expect_status(200);
    check(&server, "a prune");
    let there = json!({"workspace": "other", "buildingBlock": "there"});
    post(&admin, "move", &there);
    check(&server, "a move");
    admin.delete("team/two").expect_status(200);
    check(&server, "a delete");
}
