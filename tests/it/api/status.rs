//! `GET /api/status`: what an operator looks at.

use serde_json::json;

use crate::harness::{Server, Setup, tfstate};

use super::L1;

#[test]
fn it_counts_and_measures_and_tells_no_content() {
    let server = Setup::new().flag("--unlocked-writes", "accept").start();
    let owner = server.key("team", "owner");
    for serial in 1..=3 {
        owner
            .write("team/secretname", tfstate(L1, serial), None)
            .expect_status(200);
    }
    owner
        .write("team/two", tfstate(L1, 1), None)
        .expect_status(200);
    owner.lock("team/two", "lock-1").expect_status(200);
    let monitor = server.key("", "monitor");
    let answer = monitor.get("/api/status").expect_status(200);
    let status = answer.json();
    assert_eq!(
        (
            &status["states"],
            &status["versions"],
            &status["locks"],
            &status["keys"]
        ),
        (&json!(2), &json!(4), &json!(1), &json!(3)),
        "{status}"
    );
    assert_eq!(status["unlocked_writes"], "accept");
    for name in ["database_size", "free_space", "schema_version"] {
        assert!(
            status[name].as_u64().is_some_and(|number| number > 0),
            "{name}: {status}"
        );
    }
    assert!(status["wal_size"].is_u64(), "{status}");
    assert!(humantime::parse_rfc3339(status["oldest_lock_at"].as_str().expect("a time")).is_ok());
    for word in ["secretname", "team", "lock-1", L1] {
        assert!(!answer.text().contains(word), "{word}: {status}");
    }
    assert_eq!(status["only_locked"], 0, "{status}");
    owner.lock("team/three", "lock-1").expect_status(200);
    let with_new = monitor.get("/api/status").expect_status(200).json();
    assert_eq!(
        (
            &with_new["states"],
            &with_new["locks"],
            &with_new["only_locked"]
        ),
        (&json!(2), &json!(2), &json!(1)),
        "{with_new}"
    );
    owner.unlock("team/three", "lock-1").expect_status(200);
    owner.unlock("team/two", "lock-1").expect_status(200);
    let status = monitor.get("/api/status").expect_status(200).json();
    assert_eq!(
        (&status["locks"], &status["oldest_lock_at"]),
        (&json!(0), &json!(null))
    );
}

#[test]
fn it_says_what_readyz_says() {
    let server = Server::start();
    let ready = server.admin().get("/readyz").expect_status(200).json();
    let status = server.admin().get("/api/status").expect_status(200).json();
    for name in ["status", "name", "version", "since", "problems"] {
        assert!(!ready[name].is_null(), "{name}: {ready}");
        assert_eq!(status[name], ready[name], "{name}");
    }
}
