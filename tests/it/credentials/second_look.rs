//! Who acts is judged in the transaction of the act. Credentials that end while a body is under way
//! end its act too: for each call that changes something, and for each way in which they end.
//!
//! The calls are those that the server declares. One without a row here fails.

use serde_json::json;

use crate::documents::declared_calls;
use crate::harness::{Client, Server, eventually, lineage, lock_body, state_path, tfstate};
use crate::scrape::{in_flight, monitor};
use crate::trusts::issuer::any_trust;
use crate::wire::Wire;

const L1: &str = "11111111-1111-4111-8111-111111111111";

/// A call as it would succeed.
struct Call {
    method: String,
    path: String,
    body: String,
}

/// A call of which the head and a half of the body are sent.
struct Opened {
    what: String,
    wire: Wire,
    rest: String,
    announced: u64,
}

/// Someone who prepares what their calls need, each on a state of its own.
struct Caller<'a> {
    server: &'a Server,
    /// What they are called, in the names of states.
    name: &'a str,
    /// Their key, and a token of it that is not in use.
    key: &'a Client,
    spare: &'a Client,
}

impl Caller<'_> {
    fn admin(&self) -> Client {
        self.server.admin()
    }

    /// A state with two versions.
    fn state(&self, number: u64) -> String {
        let name = format!("team/{}-{number}", self.name);
        for serial in 1..=2 {
            let state = tfstate(&lineage(number), serial);
            self.key.write(&name, state, None).expect_status(200);
        }
        name
    }

    /// What a call needs, and its body; none if it takes no body, so that it cannot be held up
    /// between its head and its act.
    fn call(&self, number: u64, path: &str, method: &str) -> Option<Call> {
        let on_state = path.starts_with('…');
        let name = if on_state {
            self.state(number)
        } else {
            String::new()
        };
        let next = tfstate(&lineage(number), 3);
        let body = self.body((&name, next), path, method)?;
        let mut at = path.replace("{number}", "1").replace("{workspace}", "team");
        if on_state {
            at = at.replacen('…', &state_path(&name), 1);
        }
        if at.contains("{id}") {
            let role = json!({"name": "target", "workspace": "team", "role": "reader"});
            at = at.replace("{id}", &self.server.make_key(&role).key_id);
        }
        if at.contains("{seq}") {
            let lost = format!("team/lost-{}-{number}", self.name);
            self.key.lock(&lost, "lost").expect_status(200);
            self.key
                .send("UNLOCK", &state_path(&lost), "")
                .expect_status(200);
            let events = self.key.events("kind=lock.break");
            at = at.replace("{seq}", &events[0]["seq"].to_string());
        }
        if path == "…/import" {
            at.push_str("?append=true");
        }
        Some(Call {
            method: method.to_owned(),
            path: at,
            body,
        })
    }

    fn body(&self, (name, next): (&str, String), path: &str, method: &str) -> Option<String> {
        let spare = || json!({"token": self.spare.secret()}).to_string();
        let to = || json!({"to": "s3://bucket/key"});
        Some(match (method, path) {
            ("POST" | "PUT", "…") | ("POST", "…/import") => next,
            ("DELETE", "…") => String::new(),
            ("LOCK", "…") | ("POST" | "PUT" | "LOCK", "…/lock") => lock_body("mine"),
            ("UNLOCK", "…") | ("DELETE" | "UNLOCK", "…/lock") => {
                self.key.lock(name, "held").expect_status(200);
                lock_body("held")
            }
            ("POST", "…/rollback") => r#"{"version":1}"#.to_owned(),
            ("POST", "…/move") => {
                json!({"workspace": "away", "buildingBlock": &name["team/".len()..]}).to_string()
            }
            ("POST", "…/transfer") => to().to_string(),
            ("POST", "…/transfer/done") => {
                let path = format!("{}/transfer", state_path(name));
                self.key.post_json(&path, &to()).expect_status(200);
                r#"{"version":2}"#.to_owned()
            }
            ("POST", "…/purge") => r#"{"versions":[1]}"#.to_owned(),
            ("POST", "…/freeze") => r#"{"reason":"audit"}"#.to_owned(),
            ("POST", "…/versions/{number}/hold") => r#"{"reason":"kept"}"#.to_owned(),
            ("POST", "/api/events/{seq}/acknowledge") => r#"{"word":"seen"}"#.to_owned(),
            ("POST", "/api/keys/{id}/rotate") => r#"{"grace":0}"#.to_owned(),
            ("POST", "/api/terraform/detect") => r#"{"files":{"main.tf":""}}"#.to_owned(),
            ("POST", "/api/login") => {
                let secret = self.key.secret();
                json!({"clientId": self.key.key_id, "clientSecret": secret}).to_string()
            }
            ("DELETE", "/api/token") | ("POST", "/api/token/extend") => spare(),
            ("POST", "/api/keys") => r#"{"name":"one more","role":"admin"}"#.to_owned(),
            ("POST", "/api/trusts") => any_trust(self.server, self.name).to_string(),
            ("POST", "/api/hooks") => {
                r#"{"url":"http://127.0.0.1:1/","on":["login"],"allow_private":"127.0.0.1"}"#
                    .to_owned()
            }
            ("POST", "/api/verify") => r#"{"quick":true}"#.to_owned(),
            ("POST", "/api/prune") => {
                r#"{"policy":{"keep_last":9},"workspace":"nothing"}"#.to_owned()
            }
            ("PUT", "/api/retention/{workspace}") => r#"{"keep_last":9}"#.to_owned(),
            ("PUT", "/api/quotas/{workspace}") => r#"{"states":9}"#.to_owned(),
            (
                "POST",
                "…/restore"
                | "/api/clock"
                | "/api/approvals/{approval}"
                | "/api/hooks/{id}/enable"
                | "/api/hooks/{id}/test"
                | "/api/storage/encrypt"
                | "/api/storage/rekey",
            )
            | (
                "DELETE",
                "…/transfer"
                | "…/freeze"
                | "…/versions/{number}/hold"
                | "/api/approvals/{approval}"
                | "/api/keys/{id}"
                | "/api/trusts/{id}"
                | "/api/hooks/{id}"
                | "/api/retention/{workspace}"
                | "/api/quotas/{workspace}",
            ) => return None,
            _ => panic!("{method} {path} has no row here: say how it succeeds"),
        })
    }

    /// Every call that is not a read and takes a body.
    fn calls(&self) -> Vec<Call> {
        let declared = (0_u64..).zip(declared_calls());
        let acts = declared.filter(|(_, (_, method))| !["GET", "HEAD"].contains(&method.as_str()));
        acts.filter_map(|(number, (path, method))| self.call(number, &path, &method))
            .collect()
    }

    /// Sends each call up to the middle of its body, with these credentials.
    fn open(&self, calls: &[Call], client: &Client) -> Vec<Opened> {
        let open = |call: &Call| {
            let mut wire = Wire::to(self.server);
            let (first, rest) = call.body.split_at(call.body.len() / 2);
            let (length, rest) = if call.body.is_empty() {
                ("Transfer-Encoding: chunked".to_owned(), "0\r\n\r\n")
            } else {
                (format!("Content-Length: {}", call.body.len()), rest)
            };
            let credentials = if call.path == "/api/login" {
                String::new()
            } else {
                format!("Authorization: Bearer {}\r\n", client.secret())
            };
            wire.send(format!(
                "{} {} HTTP/1.1\r\nHost: x\r\n{credentials}Content-Type: application/json\r\n\
                 {length}\r\n\r\n{first}",
                call.method, call.path
            ));
            Opened {
                what: format!("{} {} by {}", call.method, call.path, self.name),
                wire,
                rest: rest.to_owned(),
                announced: call.body.len() as u64,
            }
        };
        calls.iter().map(open).collect()
    }

    /// What the event log has of them: each act is an event in its own transaction.
    fn acts(&self) -> Vec<String> {
        let events = self.admin().events(&format!("key={}", self.key.key_id));
        let kinds = events.iter().map(|event| event["kind"].to_string());
        kinds
            .filter(|kind| !kind.contains("credentials.") && !kind.contains("state.read"))
            .collect()
    }
}

/// What is on the way of each call has been looked at by the server, the credentials before it.
fn all_are_under_way(watcher: &Client, before: u64, opened: &[Opened]) {
    let announced: u64 = opened.iter().map(|opened| opened.announced).sum();
    eventually("the bodies are under way", || {
        in_flight(watcher) >= before + announced
    });
}

/// Opens every call of a caller with credentials that are made for it, ends them, sends the rest,
/// and sees that nothing is done.
fn ended_on_the_way(caller: &Caller<'_>, who: impl FnOnce() -> Client, end: impl FnOnce(&Client)) {
    let watcher = monitor(caller.server);
    let mut calls = caller.calls();
    let client = who();
    if client.secret() != caller.key.secret() {
        // A login has credentials of its own.
        calls.retain(|call| call.path != "/api/login");
    }
    assert!(calls.len() >= 25, "only {} calls", calls.len());
    let before = in_flight(&watcher);
    let mut opened = caller.open(&calls, &client);
    all_are_under_way(&watcher, before, &opened);
    end(&client);
    let acts = caller.acts();
    for call in &mut opened {
        call.wire.send(&call.rest);
        let answer = call.wire.answer().expect("an answer");
        assert_eq!(answer.status, 401, "{}: {}", call.what, answer.text());
        answer.expect_problem(401, "unauthorized");
    }
    assert_eq!(caller.acts(), acts, "{} acted", caller.name);
}

fn admin_key(server: &Server, more: serde_json::Value) -> Client {
    let mut body = more;
    body["name"] = json!("caller");
    body["role"] = json!("admin");
    server.make_key(&body)
}

/// Has the calls of a new key, or of a token of it, end in one way.
fn with_a_key(
    name: &str,
    who: impl Fn(&Server, &Client) -> Client,
    end: impl Fn(&Server, &Client, &Client),
) {
    let server = Server::start();
    let key = admin_key(&server, json!({}));
    let spare = server.token(&key, json!({}));
    let caller = Caller {
        server: &server,
        name,
        key: &key,
        spare: &spare,
    };
    ended_on_the_way(
        &caller,
        || who(&server, &key),
        |client| end(&server, &key, client),
    );
}

fn itself(_: &Server, key: &Client) -> Client {
    key.clone()
}

fn a_token(server: &Server, key: &Client) -> Client {
    server.token(key, json!({}))
}

fn revoke(server: &Server, key: &Client) {
    let path = format!("/api/keys/{}", key.key_id);
    server.admin().send("DELETE", &path, "").expect_status(200);
}

fn rotate(server: &Server, key: &Client) {
    let path = format!("/api/keys/{}/rotate", key.key_id);
    let admin = server.admin();
    admin.post_json(&path, &json!({})).expect_status(200);
}

#[test]
fn a_key_that_is_revoked_on_the_way_does_nothing() {
    with_a_key("revoked", itself, |server, key, _| revoke(server, key));
}

#[test]
fn a_token_whose_key_is_revoked_on_the_way_does_nothing() {
    with_a_key("revoked-token", a_token, |server, key, _| {
        revoke(server, key);
    });
}

#[test]
fn a_secret_that_is_rotated_on_the_way_does_nothing() {
    with_a_key("rotated", itself, |server, key, _| rotate(server, key));
}

#[test]
fn a_token_whose_secret_is_rotated_on_the_way_does_nothing() {
    with_a_key("rotated-token", a_token, |server, key, _| {
        rotate(server, key);
    });
}

#[test]
fn a_token_that_is_ended_on_the_way_does_nothing() {
    with_a_key("ended", a_token, |_, key, token| {
        let body = json!({"token": token.secret()}).to_string();
        key.send("DELETE", "/api/token", body).expect_status(204);
    });
}

#[test]
fn a_token_that_expires_on_the_way_does_nothing() {
    let short = |server: &Server, key: &Client| server.token(key, json!({"expires_in": 6}));
    with_a_key("expired", short, |_, _, token| {
        eventually("it expires", || token.read("team/none").status == 401);
    });
}

#[test]
fn the_same_calls_succeed_by_a_key_that_stands() {
    let server = Server::start();
    let key = admin_key(&server, json!({}));
    let spare = server.token(&key, json!({}));
    let caller = Caller {
        server: &server,
        name: "standing",
        key: &key,
        spare: &spare,
    };
    let calls = caller.calls();
    let acts = caller.acts().len();
    // The token is extended, and then it is ended.
    let (end, others): (Vec<_>, Vec<_>) = calls
        .into_iter()
        .partition(|call| call.path == "/api/token");
    for calls in [others, end] {
        for mut call in caller.open(&calls, &key) {
            call.wire.send(&call.rest);
            let answer = call.wire.answer().expect("an answer");
            assert!(
                answer.status.is_success(),
                "{}: {}",
                call.what,
                answer.text()
            );
        }
    }
    assert!(caller.acts().len() >= acts + 20, "the log has their acts");
}

#[test]
fn a_grace_lets_what_is_on_the_way_end_and_its_end_ends_it() {
    let server = Server::start();
    let key = server.key("team", "writer");
    let token = server.token(&key, json!({"renewable": true}));
    let path = format!("/api/keys/{}/rotate", key.key_id);
    let body = json!({"grace": 6});
    let admin = server.admin();
    admin.post_json(&path, &body).expect_status(200);
    let state = tfstate(L1, 1);
    let mut wire = Wire::to(&server);
    let open = |wire: &mut Wire, who: &Client, name: &str| {
        wire.send(format!(
            "POST {} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n\r\n",
            state_path(name),
            who.secret(),
            state.len()
        ));
    };
    open(&mut wire, &token, "team/late");
    for who in [&key, &token] {
        who.write("team/net", &state, None).expect_status(200);
    }
    eventually("the grace ends", || key.read("team/net").status == 401);
    token.read("team/net").expect_problem(401, "unauthorized");
    let extend = token.post_json("/api/token/extend", &json!({}));
    extend.expect_problem(401, "unauthorized");
    wire.send(&state);
    let answer = wire.answer().expect("an answer");
    answer.expect_problem(401, "unauthorized");
    eventually("the log says why", || {
        let query = format!("kind=credentials.refused&key={}", key.key_id);
        let refused = admin.events(&query);
        refused
            .iter()
            .any(|event| event["detail"]["reason"] == "rotated")
    });
}
