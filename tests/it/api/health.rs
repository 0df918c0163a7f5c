//! `/healthz` and `/readyz`, which need no credentials.

use serde_json::json;

use crate::harness::Server;

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
    assert_eq!(ready["version"], env!("CARGO_PKG_VERSION"));
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
