//! `/healthz` and `/readyz`, which need no credentials.

use serde_json::json;

use crate::harness::{Client, Server, Setup};
use crate::wire::Wire;

#[test]
fn healthz_says_that_the_process_answers() {
    let server = Server::start();
    assert_eq!(
        server.anonymous().get("/healthz").expect_status(200).json(),
        json!({"status": "ok"})
    );
    server
        .anonymous()
        .send("HEAD", "/healthz", "")
        .expect_status(200);
    server
        .anonymous()
        .send("POST", "/healthz", "")
        .expect_problem(405, "method_not_allowed");
}

#[test]
fn readyz_says_who_is_ready_since_when() {
    let server = Server::start();
    let ready = server.anonymous().get("/readyz").expect_status(200).json();
    assert_eq!(
        (&ready["status"], &ready["name"], &ready["problems"]),
        (&json!("ready"), &json!("statekeep"), &json!([]))
    );
    assert!(ready.get("version").is_none(), "{ready}");
    let since =
        humantime::parse_rfc3339(ready["since"].as_str().expect("a time")).expect("RFC 3339");
    assert!(since.elapsed().is_ok_and(|age| age.as_secs() < 60));
}

#[test]
fn credentials_that_are_wrong_do_not_matter_there() {
    let server = Server::start();
    for path in ["/healthz", "/readyz"] {
        server.with("nonsense").get(path).expect_status(200);
    }
}

#[test]
fn only_monitors_are_told_the_version() {
    let server = Server::start();
    let version =
        |caller: &Client| caller.get("/readyz").expect_status(200).json()["version"].clone();
    for knows in [server.admin(), server.key("", "monitor")] {
        assert_eq!(version(&knows), env!("CARGO_PKG_VERSION"));
    }
    for knows_not in [
        server.anonymous(),
        server.with("skp_x"),
        server.key("team", "owner"),
    ] {
        assert_eq!(version(&knows_not), json!(null));
    }
    let mut operator = Wire::to_socket_of(&server);
    operator.send("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n");
    let answer = operator.answer().expect("an answer").json();
    assert_eq!(answer["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn only_monitors_are_told_how_much_is_free() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let data = dir.path().join("data");
    assert!(Setup::new().data(&data).start().stop().success());
    let server = Setup::new()
        .data(&data)
        .flag("--min-free-space", "1PiB")
        .start();
    let detail = |caller: &Client| {
        let ready = caller.get("/readyz").expect_status(200).json();
        assert_eq!(ready["problems"][0]["code"], "disk_full");
        ready["problems"][0]["detail"]
            .as_str()
            .expect("a text")
            .to_owned()
    };
    let has_figures = |text: String| text.contains(|character: char| character.is_ascii_digit());
    assert!(has_figures(detail(&server.admin())));
    assert!(!has_figures(detail(&server.anonymous())));
}
