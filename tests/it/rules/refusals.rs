//! What any call may be refused with: 401, 403, 405, and unknown addresses, always as a problem
//! that says what is wrong.

use serde_json::{Value, json};

use crate::harness::{Answer, Client, Server, lock_body, state_path, tfstate};
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
    server
        .key("team", "writer")
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    let addresses = ["127.0.1.1", "127.0.1.2", "127.0.1.3"];
    for (caller, address) in [
        server.anonymous(),
        server.with("nonsense"),
        server.with("skp_nonsense"),
    ]
    .iter()
    .zip(addresses)
    {
        let caller = caller.calling_from(address);
        for method in METHODS {
            let answer = caller
                .send(method, &state_path("team/net"), body_for(method))
                .expect_problem(401, "unauthorized");
            let ways: Vec<_> = answer
                .headers
                .get_all("www-authenticate")
                .iter()
                .filter_map(|value| value.to_str().ok())
                .collect();
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
        .map(|(header, value)| {
            format!(
                "{header}: {}",
                value.to_str().expect("text").replace(name, "NAME")
            )
        })
        .collect();
    headers.sort();
    let body = if answer.bytes.is_empty() {
        Value::Null
    } else {
        answer.json()
    };
    let body = serde_json::from_str(
        &body
            .to_string()
            .replace(name, "NAME")
            .replace(answer.header("request-id"), "ID"),
    )
    .expect("JSON");
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
        .post_json(
            &format!("{}/move", state_path("team/cccc")),
            &json!({"workspace": "team", "buildingBlock": "there"}),
        )
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
    let calls: Vec<(&str, &str)> = below
        .iter()
        .flat_map(|(below, methods)| methods.iter().map(|&method| (method, *below)))
        .collect();
    let there = json!({"workspace": "team", "buildingBlock": "x"}).to_string();
    for caller in [
        server.key("rival", "owner"),
        server.key("team/other", "owner"),
        server.key("", "monitor"),
    ] {
        for (method, below) in &calls {
            let body = if *below == "/move" {
                there.clone()
            } else {
                body_for(method)
            };
            let path = |block: &str| format!("{}{below}", state_path(&format!("team/{block}")));
            let ask = |block: &str| told(&caller.send(method, &path(block), body.clone()), block);
            let never = ask("dddd");
            assert_eq!(never.0, 403, "{method} {below}");
            let others = ["aaaa", "bbbb", "cccc"].map(ask);
            assert_eq!(
                others,
                [never.clone(), never.clone(), never],
                "{method} {below}"
            );
        }
    }
}

#[test]
fn a_method_that_is_not_offered_is_405_with_what_is() {
    let server = Server::start();
    let admin = server.admin();
    let state = state_path("team/net");
    let rows: [(&str, String, &str); 10] = [
        (
            "PATCH",
            state.clone(),
            "GET, HEAD, POST, PUT, DELETE, LOCK, UNLOCK",
        ),
        (
            "OPTIONS",
            state.clone(),
            "GET, HEAD, POST, PUT, DELETE, LOCK, UNLOCK",
        ),
        (
            "PROPFIND",
            state.clone(),
            "GET, HEAD, POST, PUT, DELETE, LOCK, UNLOCK",
        ),
        ("POST", format!("{state}/versions"), "GET"),
        ("DELETE", format!("{state}/versions/1"), "GET"),
        ("GET", format!("{state}/restore"), "POST"),
        ("GET", format!("{state}/move"), "POST"),
        ("DELETE", "/api/keys".to_owned(), "GET, POST"),
        ("GET", "/api/login".to_owned(), "POST"),
        ("POST", "/api/events".to_owned(), "GET"),
    ];
    for (method, path, expected) in rows {
        let answer = admin
            .send(method, &path, "")
            .expect_problem(405, "method_not_allowed");
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
    for number in [
        "x",
        "-1",
        "1.0",
        "%31x",
        "+1",
        "%2B1",
        "01",
        "00",
        "1%20",
        "%201",
        "1e0",
        "0x1",
        "٠",
        "18446744073709551616",
    ] {
        wire::ask(
            &server,
            &admin,
            "GET",
            &format!("{state}/versions/{number}"),
        )
        .expect_status(400);
        wire::ask(
            &server,
            &admin,
            "GET",
            &format!("{state}/versions/{number}/info"),
        )
        .expect_status(400);
    }
}

#[test]
fn an_address_that_is_nearly_a_states_gets_a_pointer_to_it() {
    let server = Server::start();
    let near = [
        "/terraform/state/workspace/w/buildingblock/net",
        "/state/workspace/w/buildingblock/net",
        "/workspace/w/buildingBlock/net",
        "/API/terraform/state/workspace/w/buildingblock/net",
        "/Api/Terraform/State/Workspace/w/Buildingblock/net",
        "/statekeep/api/terraform/state/workspace/w/buildingblock/net",
        "/terraform/state/workspace/w/buildingblock/net/",
        "/terraform//state/workspace//w/buildingblock/net",
        "//api/terraform/state/workspace/w/buildingblock/net",
        "/api/terraform/state/workspace/w/buildingblock/net/",
        "/api/terraform/state/workspace/w/buildingblock/net/default.tfstate",
        "/api/api/terraform/state/workspace/w/buildingblock/net",
    ];
    for path in near {
        for method in ["GET", "POST", "LOCK", "UNLOCK"] {
            let answer = wire::ask(&server, &server.admin(), method, path)
                .expect_problem(400, "bad_address");
            assert!(
                answer.text().contains(&server.state("w/net")),
                "{method} {path}: {}",
                answer.text()
            );
        }
    }
}

/// What browsers accept.
const BROWSERS: [&str; 3] = [
    "text/html",
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "application/xml, Text/HTML ;q=0.1",
];

/// What programs accept.
const PROGRAMS: [&str; 7] = [
    "*/*",
    "application/json",
    "text/*",
    "text/html;q=0",
    "text/html ; q=0.0, */*",
    "text/plain, text/htmlx",
    "",
];

/// Paths that are no address of the API.
const OUTSIDE: [&str; 6] = [
    "/nothing",
    "/index.php",
    "/index.html",
    "/..%2f..%2fetc/passwd",
    "//",
    "/a/b/",
];

/// Paths that some proxy or somebody made of an address of the API.
const LIKE_THE_API: [&str; 6] = [
    "/API/terraform/state/workspace/team/buildingblock/net",
    "/Api/nothing",
    "/terraform/state/x",
    "/terraform/state/workspace/team/buildingblock/net",
    "/a/Workspace/team/BUILDINGBLOCK/net/lock",
    "/workspace/team/buildingblock/",
];

#[test]
fn paths_like_those_of_the_api_are_404_for_nobody() {
    let server = Server::start();
    for path in LIKE_THE_API {
        for accept in BROWSERS.iter().chain(&PROGRAMS) {
            let request = server.anonymous().request("GET", path);
            let answer = Client::ask(request.header("Accept", *accept));
            let answer = answer.expect_problem(400, "bad_address");
            assert!(
                answer.text().contains(server.url()),
                "{path}: {}",
                answer.text()
            );
        }
    }
}

#[test]
fn paths_outside_the_api_are_404_for_browsers_and_400_for_programs() {
    let server = Server::start();
    for path in OUTSIDE {
        for method in ["GET", "HEAD"] {
            let ask = |accept: &str| {
                Client::ask(
                    server
                        .anonymous()
                        .request(method, path)
                        .header("Accept", accept),
                )
                .status
                .as_u16()
            };
            assert!(
                BROWSERS.iter().all(|accept| ask(accept) == 404),
                "{method} {path} by a browser"
            );
            assert!(
                PROGRAMS.iter().all(|accept| ask(accept) == 400),
                "{method} {path} by a program"
            );
        }
        // As the programs do, which send no `Accept` at all.
        wire::ask(&server, &server.admin(), "GET", path).expect_problem(400, "bad_address");
    }
    let in_the_api = server
        .anonymous()
        .request("GET", "/api/nothing")
        .header("Accept", "text/html");
    Client::ask(in_the_api).expect_problem(400, "bad_address");
    Client::ask(
        server
            .anonymous()
            .request("GET", "/nothing")
            .header("Accept", "text/html"),
    )
    .expect_problem(404, "not_found");
    let mut wire = Wire::to(&server);
    wire.send(
        "GET /static/../../../etc/passwd HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    );
    let answer = wire.answer().expect("an answer");
    assert!(
        [400, 404].contains(&answer.status.as_u16()),
        "{}",
        answer.status
    );
    assert!(!answer.text().contains("root:"));
}
