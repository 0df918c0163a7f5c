//! An apply whose lock was broken by force while it ran does not lose its result, unless somebody
//! came in between.

use serde_json::json;
use tempfile::TempDir;

use crate::harness::{Client, Server, Setup, state_path, tfstate, tfstate_noted};

use super::{L1, counts};

/// A state at serial 5 that `apply` has locked as `lock-1`, and whose lock `breaker` has broken.
struct Broken {
    server: Server,
    apply: Client,
    breaker: Client,
}

fn broken() -> Broken {
    let server = Server::start();
    let (apply, breaker) = (server.key("team", "owner"), server.key("team", "owner"));
    apply
        .write("team/net", tfstate(L1, 5), None)
        .expect_status(200);
    apply.lock("team/net", "lock-1").expect_status(200);
    breaker
        .send("UNLOCK", &state_path("team/net"), "")
        .expect_status(200);
    Broken {
        server,
        apply,
        breaker,
    }
}

#[test]
fn its_writes_are_stored_though_the_lock_is_gone() {
    let Broken {
        server: _server,
        apply,
        breaker: _,
    } = broken();
    apply
        .write("team/net", tfstate(L1, 6), Some("lock-1"))
        .expect_status(200);
    assert_eq!(apply.read("team/net").text(), tfstate(L1, 6));
}

#[test]
fn its_further_snapshots_are_stored_too() {
    let Broken {
        server: _server,
        apply,
        breaker: _,
    } = broken();
    for serial in 6..9 {
        apply
            .write("team/net", tfstate(L1, serial), Some("lock-1"))
            .expect_status(200);
    }
    apply.unlock("team/net", "lock-1").expect_status(200);
    assert_eq!(counts(&apply, "team/net"), (4, 0));
}

#[test]
fn the_guard_still_judges_them() {
    let Broken {
        server: _server,
        apply,
        breaker: _,
    } = broken();
    apply
        .write("team/net", tfstate_noted(L1, 5, "x"), Some("lock-1"))
        .expect_problem(409, "stale_write");
    assert_eq!(apply.read("team/net").text(), tfstate(L1, 5));
    assert_eq!(counts(&apply, "team/net"), (2, 1));
}

#[test]
fn a_token_counts_as_the_key_whose_lock_it_was() {
    let Broken { server, apply, .. } = broken();
    let token = server.token(&apply, json!({}));
    token
        .write("team/net", tfstate(L1, 6), Some("lock-1"))
        .expect_status(200);
}

#[test]
fn another_keys_write_with_that_id_is_stale() {
    let Broken {
        server: _server,
        breaker,
        ..
    } = broken();
    breaker
        .write("team/net", tfstate(L1, 6), Some("lock-1"))
        .expect_problem(409, "stale_lock_id");
}

#[test]
fn another_id_of_the_same_key_is_stale() {
    let Broken {
        server: _server,
        apply,
        breaker: _,
    } = broken();
    apply
        .write("team/net", tfstate(L1, 6), Some("lock-2"))
        .expect_problem(409, "stale_lock_id");
}

#[test]
fn somebody_elses_lock_ends_the_exception() {
    let Broken {
        server: _server,
        apply,
        breaker,
    } = broken();
    breaker.lock("team/net", "lock-2").expect_status(200);
    apply
        .write("team/net", tfstate(L1, 6), Some("lock-1"))
        .expect_status(423);
    breaker.unlock("team/net", "lock-2").expect_status(200);
    apply
        .write("team/net", tfstate(L1, 7), Some("lock-1"))
        .expect_problem(409, "stale_lock_id");
    assert_eq!(counts(&apply, "team/net"), (3, 2), "and its result is kept");
}

#[test]
fn somebody_elses_write_ends_the_exception() {
    let Broken {
        server: _server,
        apply,
        breaker,
    } = broken();
    breaker
        .write("team/net", tfstate_noted(L1, 6, "x"), None)
        .expect_status(200);
    apply
        .write("team/net", tfstate(L1, 7), Some("lock-1"))
        .expect_problem(409, "stale_lock_id");
}

#[test]
fn a_lock_that_was_released_in_order_leaves_no_exception() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    writer
        .write("team/net", tfstate(L1, 5), None)
        .expect_status(200);
    writer.lock("team/net", "lock-1").expect_status(200);
    writer.unlock("team/net", "lock-1").expect_status(200);
    writer
        .write("team/net", tfstate(L1, 6), Some("lock-1"))
        .expect_problem(409, "stale_lock_id");
}

#[test]
fn the_exception_outlives_a_restart() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let mut server = Setup::new().data(&data).start();
    let (apply, breaker) = (server.key("team", "owner"), server.key("team", "owner"));
    apply
        .write("team/net", tfstate(L1, 5), None)
        .expect_status(200);
    apply.lock("team/net", "lock-1").expect_status(200);
    breaker
        .send("UNLOCK", &state_path("team/net"), "")
        .expect_status(200);
    server.kill();
    let server = Setup::new().data(&data).start();
    apply
        .at(&server)
        .write("team/net", tfstate(L1, 6), Some("lock-1"))
        .expect_status(200);
}

#[test]
fn a_lock_broken_with_its_id_counts_as_broken_by_force_too() {
    let server = Server::start();
    let (apply, breaker) = (server.key("team", "owner"), server.key("team", "owner"));
    apply
        .write("team/net", tfstate(L1, 5), None)
        .expect_status(200);
    apply.lock("team/net", "lock-1").expect_status(200);
    breaker.unlock("team/net", "lock-1").expect_status(200);
    apply
        .write("team/net", tfstate(L1, 6), Some("lock-1"))
        .expect_status(200);
}

#[test]
fn nothing_else_is_done_under_the_lock_that_is_gone() {
    let Broken {
        server: _server,
        apply,
        breaker,
    } = broken();
    let path = state_path("team/net");
    let stale = |method: &str, path: String, body: String| {
        let answer = apply.send(method, &path, body);
        answer.expect_problem(409, "stale_lock_id");
    };
    stale("DELETE", format!("{path}?ID=lock-1"), String::new());
    assert_eq!(apply.read("team/net").text(), tfstate(L1, 5));
    let import = format!("{path}/import?append=true&ID=lock-1");
    stale("POST", import, tfstate(L1, 6));
    breaker.delete("team/net").expect_status(200);
    // What is done already is done.
    apply
        .send("DELETE", &format!("{path}?ID=lock-1"), "")
        .expect_status(200);
    stale("POST", format!("{path}/restore?ID=lock-1"), String::new());
    apply.read("team/net").expect_problem(404, "no_state");
    apply
        .send("POST", &format!("{path}/restore"), "")
        .expect_status(200);
}
