//! Who may take a state elsewhere, and what remains of it for whom.

use serde_json::{Value, json};

use super::{Stage, instead_of_200, may, net};
use crate::harness::{Answer, Client};

fn begin(who: &Client) -> Answer {
    who.post_json(&net("/transfer"), &json!({"to": "s3://there"}))
}

fn abandon(who: &Client) -> Answer {
    who.send("DELETE", &net("/transfer"), "")
}

fn done(who: &Client, version: &Value) -> Answer {
    who.post_json(&net("/transfer/done"), &json!({"version": version}))
}

/// The version that a transfer was begun with.
fn current(begun: Answer) -> Value {
    begun.expect_status(200).json()["version"].clone()
}

#[test]
fn taking_a_state_elsewhere() {
    let stage = Stage::new();
    let admin = stage.server.admin();
    stage.row("begin a transfer", may::WRITE, |who, _| {
        let answer = begin(who);
        abandon(&admin);
        answer
    });
    stage.row(
        "begin a transfer, with no body",
        instead_of_200(may::WRITE, 400),
        |who, _| who.send("POST", &net("/transfer"), ""),
    );
    stage.row(
        "abandon a transfer whose lock is gone",
        may::WRITE,
        |who, _| {
            begin(&admin).expect_status(200);
            admin.send("UNLOCK", &net(""), "").expect_status(200);
            let answer = abandon(who);
            abandon(&admin);
            answer
        },
    );
    stage.row(
        "abandon a transfer under another's lock",
        may::WRITE,
        |who, _| {
            begin(&admin).expect_status(200);
            let answer = abandon(who);
            abandon(&admin);
            answer
        },
    );
    stage.row("end a transfer", may::WRITE, |who, _| {
        let version = current(begin(&admin));
        admin.send("UNLOCK", &net(""), "").expect_status(200);
        let answer = done(who, &version);
        admin.send("POST", &net("/restore"), "").expect_status(200);
        abandon(&admin);
        answer
    });
    stage.row(
        "end a transfer, with no body",
        instead_of_200(may::WRITE, 400),
        |who, _| who.send("POST", &net("/transfer/done"), ""),
    );
    stage.row("restore of a transferred state", may::WRITE, |who, _| {
        done(&admin, &current(begin(&admin))).expect_status(200);
        let answer = who.send("POST", &net("/restore"), "");
        admin.send("POST", &net("/restore"), "").expect_status(200);
        answer
    });
}

#[test]
fn what_remains_of_a_state_that_was_taken_elsewhere() {
    let stage = Stage::new();
    let admin = stage.server.admin();
    stage.reset();
    let version = current(begin(&admin));
    stage.get(&net("/transfer"), may::SEE_THE_LOCK);
    done(&admin, &version).expect_status(200);
    stage.get(&net("/transfer"), may::SEE_THE_LOCK);
    let gone = instead_of_200(may::SEE_THE_LOCK, 410);
    stage.get(&net("/lock"), gone);
    stage.get(&net(""), instead_of_200(may::READ, 410));
    stage.get(&net("/outputs"), instead_of_200(may::SEE_OUTPUTS, 410));
    stage.get(&net("/versions/1"), may::SEE_CONTENT);
    // It takes the permission to break locks only where another's is held.
    admin.send("POST", &net("/restore"), "").expect_status(200);
    let saver = stage.server.key_with("team", &["TFSTATE_SAVE"]);
    let version = current(begin(&saver));
    done(&saver, &version).expect_status(200);
    saver.send("POST", &net("/restore"), "").expect_status(200);
    begin(&admin).expect_status(200);
    abandon(&saver).expect_problem(403, "forbidden");
}
