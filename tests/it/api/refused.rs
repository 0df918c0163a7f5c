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

/// Credentials that were good, and one that never was.
struct Bad {
    server: Server,
    revoked: Client,
    token_of_revoked: Client,
    rotated: Client,
    short: Client,
    token: Client,
    expired: Client,
    elsewhere: Client,
}

impl Bad {
    fn new() -> Self {
        let server = Server::start();
        let writer = || server.key("team", "writer");
        let (revoked, rotated, short) = (writer(), writer(), writer());
        let token_of_revoked = server.token(&revoked, json!({}));
        let token = server.token(&short, json!({"expires_in": 1}));
        let expired = server.make_key(
            &json!({"name": "short", "workspace": "team", "role": "writer", "expires_in": 1}),
        );
        let admin = server.admin();
        admin
            .send("DELETE", &format!("/api/keys/{}", revoked.key_id), "")
            .expect_status(200);
        admin
            .post_json(&format!("/api/keys/{}/rotate", rotated.key_id), &json!({}))
            .expect_status(200);
        eventually("both have ended", || {
            token.read("team/net").status == 401 && expired.read("team/net").status == 401
        });
        Self {
            revoked,
            token_of_revoked,
            rotated,
            short,
            token,
            expired,
            elsewhere: Server::start().key("team", "writer"),
            server,
        }
    }

    /// An answer to this `Authorization`.
    fn authorization(&self, text: &str) -> Answer {
        let request = self
            .server
            .anonymous()
            .request("GET", &state_path("team/net"));
        Client::ask(request.header("Authorization", text.to_owned()))
    }

    /// Each with its reason, the key that is noted, and the answer.
    fn rows(&self) -> [(&str, &str, &str, Answer); 11] {
        let (server, read) = (&self.server, |who: &Client| who.read("team/net"));
        let (revoked, rotated) = (&*self.revoked.key_id, &*self.rotated.key_id);
        let (short, expired) = (&*self.short.key_id, &*self.expired.key_id);
        let foreign = server.with(self.elsewhere.secret());
        let digest = self.authorization("Digest x");
        let not_ours = server.with("hunter2");
        [
            ("a revoked key", "revoked", revoked, read(&self.revoked)),
            (
                "its token",
                "revoked",
                revoked,
                read(&self.token_of_revoked),
            ),
            ("an old secret", "unknown", rotated, read(&self.rotated)),
            ("a token that lapsed", "expired", short, read(&self.token)),
            ("a key that ended", "expired", expired, read(&self.expired)),
            ("a key of another server", "unknown", "-", read(&foreign)),
            ("no secret of ours", "malformed", "-", read(&not_ours)),
            (
                "an empty password",
                "malformed",
                "-",
                read(&server.with("")),
            ),
            (
                "no Base64",
                "malformed",
                "-",
                self.authorization("Basic ~~~"),
            ),
            ("another scheme", "malformed", "-", digest),
            ("nothing", "missing", "-", read(&server.anonymous())),
        ]
    }

    /// An event names the key that was meant, where one is known.
    fn expect_actor(&self, event: &Value) {
        let (reason, actor) = (
            event["detail"]["reason"].as_str().expect("a reason"),
            &event["actor"]["id"],
        );
        let id = |who: &Client| json!(who.key_id);
        match reason {
            "revoked" => assert_eq!(*actor, id(&self.revoked)),
            "expired" => assert!(
                [id(&self.short), id(&self.expired)].contains(actor),
                "{event}"
            ),
            "unknown" => assert!(actor.is_null() || *actor == id(&self.rotated), "{event}"),
            "malformed" => assert!(actor.is_null(), "{event}"),
            other => panic!("nobody knows the reason {other}"),
        }
    }
}

#[test]
fn credentials_that_are_not_good_have_a_reason() {
    let bad = Bad::new();
    for (what, reason, key, answer) in bad.rows() {
        let answer = answer.expect_problem(401, "unauthorized");
        for word in ["expired", "revoked", key] {
            assert!(
                !answer.text().contains(word) || word == "-",
                "{what}: a stranger is told {word}: {}",
                answer.text()
            );
        }
        let line = line(&bad.server, &answer);
        assert_eq!(
            (&line["reason"], &line["key"], &line["level"]),
            (&json!(reason), &json!(key), &json!("INFO")),
            "{what}: {line}"
        );
    }
    let events = events(
        &bad.server,
        "credentials.refused",
        &["revoked", "unknown", "expired", "malformed"],
    );
    for event in &events {
        bad.expect_actor(event);
    }
    let log = bad.server.stop_and_log();
    assert!(!log.contains("hunter2") && !log.contains(bad.elsewhere.secret()));
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
    expect_events(&server, &writer, &rival);
}

/// What was refused is counted for the state that it was about, and for none where it was about
/// none.
fn expect_events(server: &Server, writer: &Client, rival: &Client) {
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
