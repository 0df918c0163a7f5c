//! What no proper client sends: paths, heads and bodies that are odd, broken off or endless.

use serde_json::json;

use crate::harness::{Answer, Client, Server, Setup, lock_body, state_path, tfstate};
use crate::wire::{Wire, ask, head};

use super::L1;

/// A state at version 1 and its writer.
fn with_state() -> (Server, Client) {
    let server = Server::start();
    let owner = server.key("team", "owner");
    owner
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    (server, owner)
}

/// Nothing was stored, and the server goes on.
#[track_caller]
fn untouched(owner: &Client, what: &str) {
    assert_eq!(
        owner.read("team/net").expect_status(200).text(),
        tfstate(L1, 1),
        "{what}"
    );
    assert_eq!(owner.versions("team/net").len(), 1, "{what}");
}

#[test]
fn odd_paths_are_400_and_reach_no_other_state() {
    let (server, owner) = with_state();
    let state = state_path("team/net");
    let long = "x".repeat(64);
    let paths = [
        state_path("team/.."),
        state_path("team/../net"),
        state_path("../net"),
        format!("{state}/../net"),
        format!("{state}/../../../team/buildingblock/net"),
        "/api/terraform/state/workspace/x/../team/buildingblock/net".to_owned(),
        "/api/../api/terraform/state/workspace/team/buildingblock/net".to_owned(),
        state_path("team/%2e%2e"),
        state_path("team/%2E%2E%2Fnet"),
        state_path("team/net%2Fversions"),
        state_path("team/net%2Flock"),
        state_path("te%2Fam/net"),
        state_path("team/n%5Cet"),
        state_path("team/net%00"),
        state_path("team/net%"),
        state_path("team/net%zz"),
        state_path("team/%FF"),
        state_path(&format!("team/{long}")),
        state_path(&format!("{long}/net")),
        "/api/terraform/state/workspace//buildingblock/net".to_owned(),
        "/api/terraform/state/workspace/team/buildingblock/".to_owned(),
        "/api/terraform/state/workspace/team//buildingblock/net".to_owned(),
        "//api/terraform/state/workspace/team/buildingblock/net".to_owned(),
        format!("{state}/{}", "x/".repeat(2000)),
    ];
    for path in &paths {
        for method in ["GET", "LOCK", "UNLOCK", "DELETE"] {
            let status = ask(&server, &owner, method, path).status.as_u16();
            // A path that leaves /api may be the 404 of the page's side; below /api it would look
            // like an empty state.
            let fine = status == 400
                || (path.starts_with("//") && status == 404)
                || (path.len() > 2000 && status == 414);
            assert!(fine, "{method} {path}: {status}");
        }
        let mut wire = Wire::to(&server);
        wire.send(head(
            "POST",
            path,
            &owner,
            &[
                &format!("Content-Length: {}", tfstate(L1, 9).len()),
                "Connection: close",
            ],
        ));
        wire.send(tfstate(L1, 9));
        assert_ne!(wire.answer().expect("an answer").status, 200, "{path}");
    }
    untouched(&owner, "odd paths");
    owner
        .get(&format!("{state}/lock"))
        .expect_problem(404, "no_lock");
}

#[test]
fn a_nul_character_in_a_text_is_400_and_nothing_is_kept() {
    let (server, owner) = with_state();
    let (admin, state) = (server.admin(), state_path("team/net"));
    let nul = "a\0b";
    for (path, body) in [
        (
            "/api/keys".to_owned(),
            json!({"name": nul, "workspace": "team"}),
        ),
        (format!("{state}/versions/1/hold"), json!({"reason": nul})),
        (format!("{state}/transfer"), json!({"to": nul})),
        (format!("{state}/rollback"), json!({"version": 1, nul: 1})),
    ] {
        admin
            .post_json(&path, &body)
            .expect_problem(400, "bad_body");
    }
    for member in ["ID", "Operation", "Who", "Info"] {
        let mut lock = json!({"ID": "x"});
        lock[member] = nul.into();
        owner
            .send("LOCK", &state, lock.to_string())
            .expect_problem(400, "not_a_lock");
    }
    for path in [
        format!("{state}?ID=a%00b"),
        format!("{state}/versions?kind=%00"),
        "/api/terraform/state?workspace=te%00am".to_owned(),
        "/api/events?kind=%00".to_owned(),
    ] {
        let method = if path.contains("?ID=") { "POST" } else { "GET" };
        admin
            .send(method, &path, tfstate(L1, 2))
            .expect_problem(400, "bad_query");
    }
    untouched(&owner, "NUL characters");
    owner
        .get(&format!("{state}/lock"))
        .expect_problem(404, "no_lock");
    // Not a NUL character, and a parameter that is not ours.
    owner
        .send("LOCK", &state, r#"{"ID":"x","Who":"\\u0000"}"#)
        .expect_status(200);
    owner.get(&format!("{state}?x=%00")).expect_status(200);
}

#[test]
fn an_address_of_a_name_in_harmless_percent_encoding_is_that_name() {
    let (server, owner) = with_state();
    let answer = ask(&server, &owner, "GET", &state_path("te%61m/n%65t"));
    assert_eq!(answer.expect_status(200).text(), tfstate(L1, 1));
}

/// Sends a request of which the body breaks off, and ends the connection.
fn broken(
    server: &Server,
    owner: &Client,
    method: &str,
    headers: &[&str],
    body: &str,
) -> Option<Answer> {
    let mut wire = Wire::to(server);
    wire.send(head(method, &state_path("team/net"), owner, headers));
    wire.send(body);
    wire.finish();
    wire.answer()
}

#[test]
fn a_body_that_breaks_off_stores_locks_and_deletes_nothing() {
    let (server, owner) = with_state();
    let new = tfstate(L1, 2);
    let (length, longer) = (
        format!("Content-Length: {}", new.len()),
        format!("Content-Length: {}", new.len() + 1),
    );
    let chunk = format!("{:x}\r\n{new}\r\n", new.len());
    let chunked = "Transfer-Encoding: chunked";
    let rows = [
        ("half of its length", length.as_str(), &new[..30]),
        ("nothing of its length", length.as_str(), ""),
        (
            "a length that is one too high",
            longer.as_str(),
            new.as_str(),
        ),
        ("cut inside a chunk", chunked, &chunk[..40]),
        ("all but the last chunk", chunked, chunk.as_str()),
        ("no chunk at all", chunked, ""),
        ("half of the last chunk", chunked, "0\r\n"),
        (
            "a chunk of a size that is none",
            chunked,
            "zz\r\nabc\r\n0\r\n\r\n",
        ),
        (
            "a chunk of a size that is too large",
            chunked,
            "ffffffffffffffffff\r\nabc",
        ),
        ("a chunk without its end", chunked, "3\r\nabcdef0\r\n\r\n"),
    ];
    for (what, header, body) in rows {
        for method in ["POST", "PUT", "LOCK", "UNLOCK", "DELETE"] {
            if let Some(answer) = broken(&server, &owner, method, &[header], body) {
                assert!(
                    [400, 413].contains(&answer.status.as_u16()),
                    "{method}, {what}: {}",
                    answer.status
                );
            }
        }
        untouched(&owner, what);
        owner
            .get(&format!("{}/lock", state_path("team/net")))
            .expect_problem(404, "no_lock");
    }
}

#[test]
fn a_lock_that_breaks_off_in_an_unlock_leaves_the_lock() {
    let (server, owner) = with_state();
    owner.lock("team/net", "lock-1").expect_status(200);
    let lock = lock_body("lock-1");
    for (headers, body) in [
        (
            vec!["Transfer-Encoding: chunked"],
            format!("{:x}\r\n{}", lock.len(), &lock[..15]),
        ),
        (vec!["Transfer-Encoding: chunked"], String::new()),
        (vec!["Content-Length: 200"], lock[..15].to_owned()),
        (vec!["Content-Length: 200"], lock.clone()),
    ] {
        let answer = broken(&server, &owner, "UNLOCK", &headers, &body);
        assert!(answer.is_none_or(|answer| answer.status == 400));
        owner
            .get(&format!("{}/lock", state_path("team/net")))
            .expect_status(200);
    }
}

#[test]
fn a_content_length_that_is_too_low_stores_nothing() {
    let (server, owner) = with_state();
    let new = tfstate(L1, 2);
    let mut wire = Wire::to(&server);
    wire.send(head(
        "POST",
        &state_path("team/net"),
        &owner,
        &[&format!("Content-Length: {}", new.len() - 5)],
    ));
    wire.send(&new);
    wire.answer()
        .expect("an answer")
        .expect_problem(400, "bad_body");
    untouched(&owner, "cut by its own length");
}

#[test]
fn heads_that_contradict_themselves_store_nothing() {
    let (server, owner) = with_state();
    let new = tfstate(L1, 2);
    let length = format!("Content-Length: {}", new.len());
    let rows: [(&str, Vec<&str>); 5] = [
        ("two lengths", vec![&length, "Content-Length: 5"]),
        ("a length that is no number", vec!["Content-Length: many"]),
        ("a length below nothing", vec!["Content-Length: -1"]),
        (
            "a length and chunks",
            vec![&length, "Transfer-Encoding: chunked"],
        ),
        (
            "an encoding that nobody knows",
            vec!["Transfer-Encoding: gzip, identity"],
        ),
    ];
    for (what, headers) in rows {
        let mut wire = Wire::to(&server);
        wire.send(head("POST", &state_path("team/net"), &owner, &headers));
        wire.send(&new);
        wire.finish();
        if let Some(answer) = wire.answer() {
            assert!(
                answer.status.is_client_error() || answer.status == 501,
                "{what}: {}",
                answer.status
            );
        }
        untouched(&owner, what);
    }
}

#[test]
fn what_is_no_http_ends_the_connection_and_nothing_else() {
    let (server, owner) = with_state();
    let noise = [
        "\0\0\0\0\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "hello\r\n\r\n",
        "GET / HTTP/1.1\r\nno colon\r\n\r\n",
    ];
    for bytes in noise {
        let mut wire = Wire::to(&server);
        wire.send(bytes);
        wire.finish();
        if let Some(answer) = wire.answer() {
            assert!(!answer.status.is_success(), "{bytes:?}: {}", answer.status);
        }
    }
    untouched(&owner, "noise");
}

#[test]
fn headers_without_an_end_are_given_up() {
    let (server, owner) = with_state();
    let mut silent = Wire::to(&server);
    silent.send(format!(
        "GET {} HTTP/1.1\r\nHost: x\r\n",
        state_path("team/net")
    ));
    let mut endless = Wire::to(&server);
    endless.send(format!(
        "GET {} HTTP/1.1\r\nHost: x\r\n",
        state_path("team/net")
    ));
    let line = format!("X-Filler: {}\r\n", "x".repeat(1000));
    // More than fits into the buffers of a connection: at some point the server has to hang up.
    let taken = (0..40_000).take_while(|_| endless.send(&line)).count();
    assert!(taken < 40_000, "40 MB of headers were read");
    if let Some(answer) = silent.answer() {
        assert!(answer.status.is_client_error(), "{}", answer.status);
    }
    untouched(&owner, "headers without an end");
}

#[test]
fn a_body_that_stops_coming_does_not_hold_the_state() {
    let (server, owner) = with_state();
    let mut slow: Vec<Wire> = (0..20).map(|_| Wire::to(&server)).collect();
    for wire in &mut slow {
        wire.send(head(
            "POST",
            &state_path("team/net"),
            &owner,
            &["Content-Length: 1000"],
        ));
        wire.send("{\"version\": 4,");
    }
    owner.lock("team/net", "lock-1").expect_status(200);
    owner
        .write("team/net", tfstate(L1, 2), Some("lock-1"))
        .expect_status(200);
    owner.unlock("team/net", "lock-1").expect_status(200);
    assert_eq!(owner.read("team/net").text(), tfstate(L1, 2));
}

#[test]
fn huge_heads_and_targets_are_4xx() {
    let server = Setup::new().start();
    for bytes in [
        format!(
            "GET /api/terraform/state?workspace={} HTTP/1.1\r\nHost: x\r\n\r\n",
            "x".repeat(300_000)
        ),
        format!(
            "GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {}\r\n\r\n",
            "A".repeat(300_000)
        ),
        format!(
            "GET / HTTP/1.1\r\nHost: x\r\n{}\r\n",
            "A: b\r\n".repeat(5000)
        ),
    ] {
        let mut wire = Wire::to(&server);
        wire.send(&bytes);
        if let Some(answer) = wire.answer() {
            assert!(answer.status.is_client_error(), "{}", answer.status);
        }
    }
    server.anonymous().get("/healthz").expect_status(200);
}
