//! The log: JSON lines where it is no terminal, one line a request, never a secret.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};

use crate::harness::{Answer, Client, Server, Setup, eventually, lock_body, state_path, tfstate};
use crate::wire::Wire;

const L1: &str = "11111111-1111-4111-8111-111111111111";

/// The log's lines that name a request, once one is there.
fn lines_of(server: &Server, answer: &Answer) -> Vec<Value> {
    let id = answer.header("request-id");
    assert!(!id.is_empty());
    let mut lines = Vec::new();
    eventually("the request is in the log", || {
        lines = server
            .log()
            .lines()
            .filter(|line| line.contains(id))
            .map(|line| serde_json::from_str(line).expect("a JSON line"))
            .collect();
        !lines.is_empty()
    });
    lines
}

/// Everything that a line says, as texts.
fn leaves(value: &Value) -> Vec<String> {
    match value {
        Value::Object(members) => members.values().flat_map(leaves).collect(),
        Value::Array(items) => items.iter().flat_map(leaves).collect(),
        Value::String(text) => vec![text.clone()],
        Value::Null | Value::Bool(_) | Value::Number(_) => vec![value.to_string()],
    }
}

/// The members of a line whose names have to do with how long it took.
fn durations(value: &Value) -> usize {
    let own = |name: &str, value: &Value| {
        let named = [
            "time", "duration", "elapsed", "ms", "latency", "took", "milli", "micro",
        ]
        .iter()
        .any(|word| name.contains(word))
            && !name.contains("timestamp");
        usize::from(named && (value.is_number() || value.is_string()))
    };
    value.as_object().map_or(0, |members| {
        members
            .iter()
            .map(|(name, value)| own(name, value) + durations(value))
            .sum()
    })
}

#[test]
fn a_request_is_one_json_line_with_what_an_operator_asks_for() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let path = state_path("team/net");
    let answers = [
        ("POST", 200, writer.write("team/net", tfstate(L1, 1), None)),
        ("GET", 200, writer.read("team/net")),
        ("LOCK", 200, writer.lock("team/net", "lock-1")),
        ("LOCK", 423, writer.lock("team/net", "lock-2")),
        ("UNLOCK", 200, writer.unlock("team/net", "lock-1")),
        ("DELETE", 403, writer.delete("team/net")),
    ];
    for (method, status, answer) in answers {
        let lines = lines_of(&server, &answer.expect_status(status));
        assert_eq!(lines.len(), 1, "one line a request: {lines:?}");
        let said = leaves(&lines[0]);
        for expected in [
            method,
            &path,
            &status.to_string(),
            &writer.key_id,
            "127.0.0.1",
        ] {
            assert!(
                said.iter().any(|text| text == expected),
                "{expected} in {}",
                lines[0]
            );
        }
        assert!(durations(&lines[0]) > 0, "how long it took: {}", lines[0]);
    }
    let refused = server.anonymous().read("team/net").expect_status(401);
    assert!(leaves(&lines_of(&server, &refused)[0]).contains(&"401".to_owned()));
    for line in server.log().lines() {
        let line: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(
            line["level"].is_string() && line["timestamp"].is_string(),
            "{line}"
        );
    }
}

#[test]
fn the_query_is_not_in_the_log_where_it_could_hold_something() {
    let server = Server::start();
    let answer = server
        .admin()
        .get(&format!("{}?token=query-secret", state_path("team/net")));
    assert!(!lines_of(&server, &answer).is_empty());
    assert!(!server.log().contains("query-secret"));
}

fn forwarded(server: &Server, value: &str) -> (String, Answer) {
    let admin = server.admin();
    let answer = Client::ask(
        admin
            .request("GET", "/api/keys")
            .header("X-Forwarded-For", value),
    )
    .expect_status(200);
    let said = leaves(&lines_of(server, &answer)[0]);
    let address = said
        .into_iter()
        .find(|text| text.parse::<std::net::IpAddr>().is_ok())
        .expect("an address");
    (address, answer)
}

#[test]
fn behind_a_trusted_proxy_the_forwarded_address_counts_and_what_the_client_made_up_does_not() {
    let server = Setup::new()
        .flag("--trusted-proxy", "127.0.0.1/32")
        .flag("--trusted-proxy", "10.0.0.0/8")
        .start();
    let rows = [
        ("198.51.100.7", "198.51.100.7"),
        ("1.2.3.4, 198.51.100.7", "198.51.100.7"),
        ("1.2.3.4,198.51.100.7 , 10.1.2.3", "198.51.100.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("nonsense, 198.51.100.7", "198.51.100.7"),
    ];
    for (value, expected) in rows {
        assert_eq!(forwarded(&server, value).0, expected, "{value}");
    }
    let odd = forwarded(&server, "198.51.100.7, nonsense").0;
    assert_ne!(
        odd, "198.51.100.7",
        "what lies behind nonsense is not to be trusted"
    );
}

#[test]
fn without_a_trusted_proxy_a_forwarded_address_is_ignored() {
    let server = Server::start();
    assert_eq!(forwarded(&server, "198.51.100.7").0, "127.0.0.1");
    let other = Setup::new().flag("--trusted-proxy", "10.0.0.0/8").start();
    assert_eq!(forwarded(&other, "198.51.100.7").0, "127.0.0.1");
}

/// Sends a state with a secret in it, in ways that are taken and in ways that are refused.
fn send_states_with_a_secret(writer: &Client, token: &Client) {
    let state = json!({
        "version": 4, "serial": 1, "lineage": L1,
        "outputs": {"p": {"value": "state-secret", "type": "string", "sensitive": true}},
        "resources": []
    });
    token
        .write("team/net", state.to_string(), None)
        .expect_status(200);
    token
        .write(
            "team/net",
            state
                .to_string()
                .replace("state-secret", "other-state-secret"),
            None,
        )
        .expect_status(409);
    writer
        .write("team/net", state.to_string().replace('}', ""), None)
        .expect_status(400);
    writer
        .send("LOCK", &state_path("team/net"), lock_body("lock-1"))
        .expect_status(200);
    writer.read("team/net").expect_status(200);
}

/// Sends credentials of every kind, good and bad, and gives back those that are secrets.
fn send_credentials(server: &Server, writer: &Client, token: &Client) -> Vec<String> {
    token
        .send("POST", "/api/token/extend", "")
        .expect_status(200);
    writer
        .post_json("/api/token/extend", &json!({"token": token.secret()}))
        .expect_status(200);
    let rotated = server
        .admin()
        .post_json(
            &format!("/api/keys/{}/rotate", writer.key_id),
            &json!({"grace": 60}),
        )
        .expect_status(200)
        .json();
    server
        .with("mistyped-password")
        .read("team/net")
        .expect_status(401);
    Client::ask(
        writer
            .request("GET", "/api/login")
            .bearer_auth(writer.secret()),
    );
    server
        .anonymous()
        .post_json(
            "/api/login",
            &json!({"clientId": writer.key_id, "clientSecret": "mistyped-password"}),
        )
        .expect_status(401);
    assert!(server.cli(&["state", "pull", "team/net"]).status.success());
    let made = server.cli(&[
        "key",
        "create",
        "ci",
        "--workspace",
        "team",
        "--role",
        "writer",
    ]);
    let made = String::from_utf8_lossy(&made.stdout).trim().to_owned();
    let rotated = rotated["secret"].as_str().expect("a secret").to_owned();
    let admin = server.admin().secret().to_owned();
    let (writer, token) = (writer.secret().to_owned(), token.secret().to_owned());
    vec![
        writer,
        token,
        admin,
        rotated,
        made,
        "mistyped-password".to_owned(),
    ]
}

#[test]
fn never_a_secret_even_at_the_lowest_level() {
    let server = Setup::new().flag("--log-level", "trace").start();
    let writer = server.key("team", "owner");
    let token = server.token(&writer, json!({"renewable": true}));
    send_states_with_a_secret(&writer, &token);
    let secrets = send_credentials(&server, &writer, &token);
    let last = server.admin().get("/api/events").expect_status(200);
    lines_of(&server, &last);
    let log = server.log();
    let encoded =
        |secret: &str| base64::engine::general_purpose::STANDARD.encode(format!("x:{secret}"));
    for secret in &secrets {
        assert!(secret.len() > 10);
        assert!(!log.contains(secret), "a secret is in the log");
        assert!(
            !log.contains(&encoded(secret)),
            "a header with a secret is in the log"
        );
    }
    assert!(
        !log.contains("state-secret"),
        "what is in a state is nobody's business"
    );
    assert!(!log.contains("$argon2"), "nor what is kept of a secret");
}

/// What comes in on a port that anybody can reach: TLS, HTTP/2 without a word before, scans.
const NOISE: [&[u8]; 6] = [
    b"\x16\x03\x01\x00\xf4\x01\x00\x00\xf0\x03\x03aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    b"GARBAGE\r\n\r\n",
    b"\x00\x01\x02\x03\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.6\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
];

#[test]
fn what_is_no_request_is_no_error_of_the_server() {
    let server = Setup::new().flag("--log-level", "debug").start();
    for noise in NOISE {
        let mut wire = Wire::to(&server);
        wire.send(noise);
        wire.finish();
        let _ = wire.answer();
    }
    eventually("each has a line of our own, with the address", || {
        let log = server.log();
        let own = log
            .lines()
            .filter(|line| line.contains("ended without a request") && line.contains("127.0.0.1"))
            .count();
        own >= NOISE.len() - 1
    });
    server.admin().get("/api/keys").expect_status(200);
    let log = server.stop_and_log();
    // A person has to know where the first key is.
    let said = || {
        log.lines()
            .filter(|line| !line.contains("initial-admin-key"))
    };
    let is_calm = |line: &str| !line.contains("ERROR") && !line.contains("WARN");
    assert!(said().all(is_calm), "{log}");
    assert!(said().all(|line| !line.contains("actix")), "{log}");
}

#[test]
fn a_log_that_nobody_reads_holds_nobody_up() {
    let dir = tempfile::TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let key = Setup::new().data(&data).start().admin().secret().to_owned();
    let mut child = Setup::new()
        .command(&data)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped"))
        .read_line(&mut line)
        .expect("a line");
    let url = line
        .trim()
        .strip_prefix("listening on ")
        .expect("an address")
        .to_owned();
    let http = reqwest::blocking::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(10))
        .build()
        .expect("a client");
    // Each has a line of some 250 bytes; a pipe takes 64 KiB.
    let asked = 6_000;
    for number in 0..asked {
        let answer = http
            .get(format!("{url}/healthz"))
            .send()
            .unwrap_or_else(|error| panic!("request {number} waits for the log: {error}"));
        assert_eq!(answer.status(), 200);
    }
    let state = http
        .get(format!("{url}{}", state_path("team/net")))
        .basic_auth("x", Some(key))
        .send()
        .expect("an answer");
    assert_eq!(state.status(), 404);
    // Somebody begins to read: what is left comes, and how much is not there.
    let mut stderr = child.stderr.take().expect("piped");
    let reading = std::thread::spawn(move || {
        let mut log = String::new();
        let _ = stderr.read_to_string(&mut log);
        log
    });
    std::thread::sleep(Duration::from_millis(500));
    assert!(crate::harness::kill("TERM", child.id()));
    assert!(child.wait().expect("our child").success());
    let log = reading.join().expect("a log");
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).expect("whole lines"))
        .collect();
    let lost: u64 = lines.iter().filter_map(|line| line["lost"].as_u64()).sum();
    let written = lines
        .iter()
        .filter(|line| line["path"] == "/healthz")
        .count() as u64;
    assert!(lost > 0, "6,000 lines fit nowhere: {written}");
    assert!(
        written + lost >= asked,
        "{written} were written and {lost} lost"
    );
    assert_eq!(
        lines.last().map(|line| line["message"].clone()),
        Some(json!("left"))
    );
}

#[test]
fn the_level_and_the_format_can_be_chosen() {
    let text = Setup::new().flag("--log-format", "text").start();
    text.admin().get("/api/keys").expect_status(200);
    eventually("a line is written", || text.log().contains("/api/keys"));
    assert!(
        text.log()
            .lines()
            .all(|line| serde_json::from_str::<Value>(line).is_err()),
        "{}",
        text.log()
    );
    let quiet = Setup::new().env("STATEKEEP_LOG_LEVEL", "error").start();
    quiet.admin().get("/api/keys").expect_status(200);
    assert!(quiet.stop_and_log().is_empty());
}
