//! `--metrics-listen`: metrics without a key for this machine, and nothing else there.

use crate::harness::{Client, Server, Setup, eventually, state_path};

/// A server that serves metrics on a port of its own, and that port's address.
fn started() -> (Server, String) {
    let server = Setup::new()
        .flag("--metrics-listen", "127.0.0.1:0")
        .flag("--log-format", "json")
        .start();
    let mut address = None;
    eventually("the server logs where its metrics are", || {
        address = logged_address(&server.log());
        address.is_some()
    });
    let url = format!("http://{}", address.expect("it was waited for"));
    (server, url)
}

fn logged_address(log: &str) -> Option<String> {
    let line = log
        .lines()
        .find(|line| line.contains("metrics need no key"))?;
    let line: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
    line["address"].as_str().map(str::to_owned)
}

#[test]
fn the_machine_reads_metrics_and_health_without_a_key() {
    let (server, url) = started();
    let machine = server.anonymous().at_url(&url);
    let metrics = machine.get("/metrics").expect_status(200).text();
    assert!(metrics.contains("\nstatekeep_ready 1\n"), "{metrics}");
    machine.get("/healthz").expect_status(200);
    let health = machine.get("/readyz").expect_status(200).json();
    assert_eq!(health["status"], "ready");
    assert!(health["version"].is_null(), "that is for keys: {health}");
    // The address for clients asks for a key as before.
    server.anonymous().get("/metrics").expect_status(401);
}

#[test]
fn nothing_else_is_served_there() {
    let (server, url) = started();
    let machine = server.anonymous().at_url(&url);
    let admin = server.admin().at_url(&url);
    // The document of the API is of the other listener.
    let status = |caller: &Client, method: &str, path: &str| {
        let answer = caller.request(method, path).send().expect("an answer");
        answer.status().as_u16()
    };
    let state = state_path("team/app");
    for path in [
        "/",
        "/api/status",
        "/api/keys",
        "/api/terraform/state",
        &state,
    ] {
        assert_eq!(status(&machine, "GET", path), 400, "{path}");
        assert_eq!(status(&admin, "GET", path), 400, "{path}");
    }
    assert_eq!(status(&machine, "POST", "/metrics"), 405);
    assert_eq!(status(&machine, "GET", "/metrics?x=1"), 400);
}
