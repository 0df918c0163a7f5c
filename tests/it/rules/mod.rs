//! The state protocol, row by row, in its order of judgement: each row of the contract's table is a
//! test here.

mod address;
mod broken_lock;
mod dead_locks;
mod delete;
mod guard;
mod instance;
mod limits;
mod lock;
mod lock_address;
mod moved;
mod order;
mod outputs_only;
mod query;
mod read;
mod redirected;
mod refusals;
mod rejected;
mod snapshots;
mod unlock;
mod validity;
mod write;

use serde_json::Value;

use crate::harness::{Answer, Client, state_path};

/// Two lineages, as two first applies would make them.
const L1: &str = "11111111-1111-4111-8111-111111111111";
const L2: &str = "22222222-2222-4222-8222-222222222222";

/// The number of the rejected version that a refusal names; fails where none is named.
#[track_caller]
fn rejected_number(answer: &Answer) -> u64 {
    answer
        .header("statekeep-rejected-version")
        .parse()
        .expect("the answer names the rejected version")
}

/// Checks that an answer is the holder's lock, as the holder sent it.
#[track_caller]
fn expect_holder(answer: Answer, status: u16, lock: &str) -> Answer {
    let answer = answer.expect_status(status);
    assert_eq!(answer.text(), lock);
    assert!(
        !answer.header("statekeep-code").is_empty(),
        "a conflict names its code"
    );
    answer
}

/// Checks that a locked state answers 423 with the holder's lock.
#[track_caller]
fn expect_locked(answer: Answer, lock: &str) -> Answer {
    let answer = expect_holder(answer, 423, lock);
    assert_eq!(answer.header("statekeep-code"), "locked");
    answer
}

/// How many versions of each kind a state has: (all, rejected).
fn counts(caller: &Client, name: &str) -> (usize, usize) {
    let versions = caller.versions(name);
    let rejected = versions
        .iter()
        .filter(|version| version["kind"] == "rejected")
        .count();
    (versions.len(), rejected)
}

/// One row of a state's history.
#[track_caller]
fn info(caller: &Client, name: &str, number: u64) -> Value {
    caller
        .get(&format!("{}/versions/{number}/info", state_path(name)))
        .expect_status(200)
        .json()
}

/// The bytes of one version.
fn version(caller: &Client, name: &str, number: u64) -> Answer {
    caller.get(&format!("{}/versions/{number}", state_path(name)))
}

/// Writes without a lock but over the guard.
fn force(caller: &Client, name: &str, body: &str) -> Answer {
    caller.send(
        "POST",
        &format!("{}?force=true", state_path(name)),
        body.to_owned(),
    )
}
