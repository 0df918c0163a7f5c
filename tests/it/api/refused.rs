//! Why a request was refused with 401 or 403: in the log and in the events, and never told to
//! whoever was refused.

use serde_json::{Value, json};

use super::L1;
use crate::harness::{Answer, Client, Server, eventually, lock_body, state_path, tfstate};

/// The events of a kind, once there is one for each of these reasons.
fn events(server: &Server, kind: &str, reasons: &[&str]) -> Vec<Value> {
    let mut events = Vec::new();
    eventually("each refusal is an event", || {
        events = server.admin().events(&format!("kind={kind}"));
        reasons.iter().all(|reason| {
            events
                .iter()
                .any(|event| event["detail"]["reason"] == *reason)
        })
    });
    events
}

/// The line of an answer in the log.
fn line(server: &Server, answer: &Answer) -> Value {
    let id = answer.header("request-id");
    let mut line = Value::Null;
    eventually("the request has its line", || {
        let lines = server.log();
        let found = lines
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .find(|line| line["request_id"] == *id);
        line = found.unwrap_or_default();
        !line.is_null()
    });
    line
}

#[test]
fn credentials_that_are_not_good_have_a_reason() {
    let server = Server::start();
    let (revoked, rotated, short) = (
        server.key("team", "writer"),
        server.key("team", "writer"),
        server.key("team", "writer"),
    );
    let token_of_revoked = server.token(&revoked, json!({}));
    let token = server.token(&short, json!({"expires_in": 1}));
    let expired = server.make_key(
        &json!({"name": "short", "workspace": "team", "role": "writer", "expires_in": 1}),
    );
    server
        .admin()
        .send("DELETE", &format!("/api/keys/{}", revoked.key_id), "")
        .expect_status(200);
    server
        .admin()
        .post_json(&format!("/api/keys/{}/rotate", rotated.key_id), &json!({}))
        .expect_status(200);
    let other = Server::start();
    let elsewhere = other.key("team", "writer");
    eventually("both have ended", || {
        token.read("team/net").status == 401 && expired.read("team/net").status == 401
    });
    let basic = |text: &str| {
        server
            .anonymous()
            .request("GET", &state_path("team/net"))
            .header("Authorization", text.to_owned())
    };
    let rows: Vec<(&str, &str, &str, Answer)> = vec![
        (
            "a revoked key",
            "revoked",
            &revoked.key_id,
            revoked.read("team/net"),
        ),
        (
            "its token",
            "revoked",
            &revoked.key_id,
            token_of_revoked.read("team/net"),
        ),
        (
            "an old secret",
            "unknown",
            &rotated.key_id,
            rotated.read("team/net"),
        ),
        (
            "a token that lapsed",
            "expired",
            &short.key_id,
            token.read("team/net"),
        ),
        (
            "a key that ended",
            "expired",
            &expired.key_id,
            expired.read("team/net"),
        ),
        (
            "a key of another server",
            "unknown",
            "-",
            server.with(elsewhere.secret()).read("team/net"),
        ),
        (
            "no secret of ours",
            "malformed",
            "-",
            server.with("hunter2").read("team/net"),
        ),
        (
            "an empty password",
            "malformed",
            "-",
            server.with("").read("team/net"),
        ),
        (
            "what is no Base64",
            "malformed",
            "-",
            Client::ask(basic("Basic ~~~")),
        ),
        (
            "another scheme",
            "malformed",
            "-",
            Client::ask(basic("Digest x")),
        ),
        (
            "nothing",
            "missing",
            "-",
            server.anonymous().read("team/net"),
        ),
    ];
    for (what, reason, key, answer) in rows {
        let answer = answer.expect_problem(401, "unauthorized");
        for word in ["expired", "revoked", key] {
            assert!(
                !answer.text().contains(word) || word == "-",
                "{what}: a stranger is told {word}: {}",
                answer.text()
            );
        }
        let line = line(&server, &answer);
        assert_eq!(
            (&line["reason"], &line["key"], &line["level"]),
            (&json!(reason), &json!(key), &json!("INFO")),
            "{what}: {line}"
        );
    }
    let events = events(
        &server,
        "credentials.refused",
        &["revoked", "unknown", "expired", "malformed"],
    );
    for event in &events {
        let (reason, actor) = (
            event["detail"]["reason"].as_str().expect("a reason"),
            &event["actor"]["id"],
        );
        match reason {
            "revoked" => assert_eq!(*actor, json!(revoked.key_id)),
            "expired" => assert!(
                [json!(short.key_id), json!(expired.key_id)].contains(actor),
                "{event}"
            ),
            "unknown" => assert!(
                actor.is_null() || *actor == json!(rotated.key_id),
                "{event}"
            ),
            "malformed" => assert!(actor.is_null(), "{event}"),
            other => panic!("nobody knows the reason {other}"),
        }
    }
    let log = server.stop_and_log();
    assert!(!log.contains("hunter2") && !log.contains(elsewhere.secret()));
}

#[test]
fn what_good_credentials_do_not_allow_has_a_reason() {
    let server = Server::start();
    let (writer, rival) = (server.key("team", "writer"), server.key("rival", "owner"));
    writer
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    let reader = server.key("team", "reader");
    let planner = server.key("team", "planner");
    let rows = [
        ("scope", &rival, rival.read("team/net")),
        (
            "scope",
            &rival,
            rival.write("team/net", tfstate(L1, 2), None),
        ),
        (
            "permission",
            &reader,
            reader.write("team/net", tfstate(L1, 2), None),
        ),
        ("permission", &writer, writer.delete("team/net")),
        (
            "permission",
            &planner,
            planner.send("LOCK", &state_path("team/net"), lock_body("lock-1")),
        ),
        (
            "permission",
            &planner,
            planner.write("team/net", tfstate(L1, 2), None),
        ),
        ("permission", &writer, writer.get("/api/status")),
        ("permission", &writer, writer.get("/api/events")),
    ];
    for (reason, caller, answer) in rows {
        let line = line(&server, &answer.expect_problem(403, "forbidden"));
        assert_eq!(
            (&line["reason"], &line["key"], &line["level"]),
            (&json!(reason), &json!(caller.key_id), &json!("INFO")),
            "{line}"
        );
    }
    let events = || server.admin().events("kind=access.refused");
    let mut of_rival = Value::Null;
    eventually("both of the rival's are counted", || {
        of_rival = events()
            .into_iter()
            .find(|event| event["actor"]["id"] == json!(rival.key_id))
            .unwrap_or_default();
        of_rival["count"] == 2
    });
    assert_eq!(of_rival["detail"]["reason"], "scope", "{of_rival}");
    assert_eq!(
        (&of_rival["workspace"], &of_rival["buildingBlock"]),
        (&json!("team"), &json!("net"))
    );
    let owner = server.key("team", "owner");
    assert!(
        owner
            .events("kind=access.*")
            .iter()
            .any(|event| event["actor"]["id"] == json!(rival.key_id)),
        "the owner of the state sees it"
    );
    let of_writer = |event: &Value| {
        event["actor"]["id"] == json!(writer.key_id) && event["detail"]["reason"] == "permission"
    };
    eventually("what is about no state is an event too", || {
        events()
            .iter()
            .any(|event| of_writer(event) && event["workspace"].is_null())
    });
}
