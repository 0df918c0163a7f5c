//! What any call may be refused with: 401, 403, 405, and unknown addresses, always as a problem that says what is wrong.

use serde_json::{Value, json};

use crate::harness::{Answer, Server, lock_body, state_path, tfstate};
use crate::wire::{self, Wire};

use super::L1;

const METHODS: [&str; 6] = ["GET", "POST", "PUT", "LOCK", "UNLOCK", "DELETE"];

fn body_for(method: &str) -> String {
    match method {
        "POST" | "PUT" => tfstate(L1, 2),
        "LOCK" | "UNLOCK" => lock_body("lock-1"),
        _ => String::new(),
    }
}

#[test]
fn no_or_unusable_credentials_are_401_and_name_both_ways() {
    let server = Server::start();
    server.key("team", "writer").write("team/net", tfstate(L1, 1), None).expect_status(200);
    let addresses = ["127.0.1.1", "127.0.1.2", "127.0.1.3"];
    for (caller, address) in [server.anonymous(), server.with("nonsense"), server.with("skp_nonsense")].iter().zip(addresses) {
        let caller = caller.calling_from(address);
        for method in METHODS {
            let answer = caller.send(method, &state_path("team/net"), body_for(method)).expect_problem(401, "unauthorized");
            let ways: Vec<_> = answer.headers.get_all("www-authenticate").iter().filter_map(|value| value.to_str().ok()).collect();
            let ways = ways.join(", ");
            assert!(ways.contains("Basic") && ways.contains("Bearer"), "{ways}");
        }
    }
}

/// A refusal without what differs by request.
fn told(answer: &Answer, name: &str) -> (u16, String, Value) {
    let mut headers: Vec<String> = answer
        .headers
        .iter()
        .filter(|(header, _)| !["request-id", "date", "connection"].contains(&header.as_str()))
        .map(|(header, value)| format!("{header}: {}", value.to_str().expect("text")))
        .collect();
    headers.sort();
    let body = if answer.bytes.is_empty() { Value::Null } else { answer.json() };
    let body = serde_json::from_str(&body.to_string().replace(name, "NAME").replace(answer.header("request-id"), "ID")).expect("JSON");
    (answer.status.as_u16(), headers.join("\n"), body)
}

#[test]
fn outside_the_keys_scope_the_answer_does_not_tell_whether_a_state_exists() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    for name in ["team/aaaa", "team/bbbb", "team/cccc"] {
        owner.write(name, tfstate(L1, 1), None).expect_status(200);
    }
    owner.lock("team/aaaa", "lock-9").expect_status(200);
    owner.delete("team/bbbb").expect_status(200);
    owner
        .post_json(&format!("{}/move", state_path("team/cccc")), &json!({"workspace": "team", "buildingBlock": "there"}))
        .expect_status(200);
    let below: [(&str, &[&str]); 7] = [
        ("", &METHODS),
        ("/lock", &METHODS),
        ("/versions", &["GET"]),
        ("/versions/1", &["GET"]),
        ("/versions/1/info", &["GET"]),
        ("/restore", &["POST"]),
        ("/move", &["POST"]),
    ];
    let calls: Vec<(&str, &str)> = below.iter().flat_map(|(below, methods)| methods.iter().map(|&method| (method, *below))).collect();
    let there = json!({"workspace": "team", "buildingBlock": "x"}).to_string();
    for caller in [server.key("rival", "owner"), server.key("team/other", "owner"), server.key("", "monitor")] {
        for (method, below) in &calls {
            let body = if *below == "/move" { there.clone() } else { body_for(method) };
            let path = |block: &str| format!("{}{below}", state_path(&format!("team/{block}")));
            let ask = |block: &str| told(&caller.send(method, &path(block), body.clone()), block);
            let never = ask("dddd");
            assert_eq!(never.0, 403, "{method} {below}");
            let others = ["aaaa", "bbbb", "cccc"].map(ask);
            assert_eq!(others, [never.clone(), never.clone(), never], "{method} {below}");
        }
    }
}

#[test]
fn a_method_that_is_not_offered_is_405_with_what_is() {
    let server = Server::start();
    let admin = server.admin();
    let state = state_path("team/net");
    let rows: [(&str, String, &str); 10] = [
        ("PATCH", state.clone(), "GET, HEAD, POST, PUT, DELETE, LOCK, UNLOCK"),
        ("OPTIONS", state.clone(), "GET, HEAD, POST, PUT, DELETE, LOCK, UNLOCK"),
        ("PROPFIND", state.clone(), "GET, HEAD, POST, PUT, DELETE, LOCK, UNLOCK"),
        ("POST", format!("{state}/versions"), "GET"),
        ("DELETE", format!("{state}/versions/1"), "GET"),
        ("GET", format!("{state}/restore"), "POST"),
        ("GET", format!("{state}/move"), "POST"),
        ("DELETE", "/api/keys".to_owned(), "GET, POST"),
        ("GET", "/api/login".to_owned(), "POST"),
        ("POST", "/api/events".to_owned(), "GET"),
    ];
    for (method, path, expected) in rows {
        let answer = admin.send(method, &path, "").expect_problem(405, "method_not_allowed");
        let allowed: Vec<&str> = answer.header("allow").split(',').map(str::trim).collect();
        for method in expected.split(", ") {
            assert!(allowed.contains(&method), "{path}: {method} in {allowed:?}");
        }
        assert!(!allowed.contains(&method), "{path}: {allowed:?}");
    }
    admin.read("team/net").expect_problem(404, "no_state");
}

#[test]
fn an_unknown_path_below_api_is_400_because_404_means_an_empty_state() {
    let server = Server::start();
    let admin = server.admin();
    let state = state_path("team/net");
    let paths = [
        "/api/".to_owned(),
        "/api/nothing".to_owned(),
        "/api/terraform".to_owned(),
        "/api/terraform/state/team/net".to_owned(),
        "/api/terraform/state/workspace/team".to_owned(),
        "/api/terraform/state/workspace/team/buildingblock".to_owned(),
        "/api/terraform/state/workspace/team/buildingblock/".to_owned(),
        "/api/terraform/state/workspace//buildingblock/net".to_owned(),
        "/api/terraform/state/workspace/team/block/net".to_owned(),
        "/api/terraform/state/Workspace/team/buildingblock/net".to_owned(),
        "/api/terraform/state/project/team/buildingblock/net".to_owned(),
        format!("{state}/nothing"),
        format!("{state}/versions/"),
        format!("{state}/versions/1/nothing"),
        format!("{state}/versions/1/info/more"),
    ];
    for path in &paths {
        for method in METHODS {
            wire::ask(&server, &admin, method, path).expect_problem(400, "bad_address");
        }
        let status = server.anonymous().get(path).status.as_u16();
        assert!([400, 401].contains(&status), "{path}: {status}");
    }
    for number in ["x", "-1", "1.0", "%31x"] {
        wire::ask(&server, &admin, "GET", &format!("{state}/versions/{number}")).expect_status(400);
        wire::ask(&server, &admin, "GET", &format!("{state}/versions/{number}/info")).expect_status(400);
    }
}

#[test]
fn paths_outside_the_api_are_404() {
    let server = Server::start();
    for path in ["/nothing", "/apix", "/index.php", "/..%2f..%2fetc/passwd"] {
        server.anonymous().get(path).expect_problem(404, "not_found");
    }
    let mut wire = Wire::to(&server);
    wire.send("GET /static/../../../etc/passwd HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let answer = wire.answer().expect("an answer");
    assert!([400, 404].contains(&answer.status.as_u16()), "{}", answer.status);
    assert!(!answer.text().contains("root:"));
}
