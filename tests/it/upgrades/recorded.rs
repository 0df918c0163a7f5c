//! What a data directory must give back: the bytes of each version by their SHA-256, and what the
//! API said of states, locks, keys, policies and events. A newer binary may say more, never less
//! and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::harness::{Client, Server, lineage, sha256, state_path, tfstate};

/// What was written, by state and number.
pub(super) type Written = BTreeMap<(String, u64), String>;

/// Members that change by themselves, or that say how something is kept. An address of the server
/// changes too.
const VOLATILE: [&str; 9] = [
    "last_used_at",
    // A server prunes by itself, once the last time is more than a day ago.
    "last_run_at",
    "history_size",
    "request_id",
    "detail",
    "clock_in_doubt",
    "next",
    // Of aggregated events, to which the reading back adds.
    "count",
    "last_at",
];

/// A state that the key `second` has to read before it may write it again.
pub(super) const STALE: &str = "team/stale";

/// The callers of a fixture.
pub(super) struct Cast {
    pub(super) admin: Client,
    pub(super) owner: Client,
    pub(super) second: Client,
    pub(super) reader: Client,
    pub(super) of_one_state: Client,
    pub(super) revoked: Client,
    /// The secret that a key had before it was rotated.
    pub(super) rotated_away: Client,
    /// The secret that it has since.
    pub(super) rotated: Client,
    pub(super) token: Client,
    pub(super) ended_token: Client,
}

impl Cast {
    pub(super) fn new(server: &Server) -> Self {
        let admin = server.admin();
        let owner = server.key("team", "owner");
        let revoked = server.key("shop", "owner");
        admin
            .send("DELETE", &format!("/api/keys/{}", revoked.key_id), "")
            .expect_status(200);
        let rotated_away = server.key("shop", "planner");
        let path = format!("/api/keys/{}/rotate", rotated_away.key_id);
        let rotated = admin.post_json(&path, &json!({"grace": 0}));
        let rotated = rotated.expect_status(200).json();
        let ended_token = server.token(&owner, json!({}));
        ended_token
            .send("DELETE", "/api/token", "")
            .expect_status(204);
        Self {
            second: server.key("team", "writer"),
            reader: server.key("team", "reader"),
            of_one_state: server.key("team/net", "outputs"),
            rotated: server.with(rotated["secret"].as_str().expect("a secret")),
            token: server.token(&owner, json!({"permissions": ["TFSTATE_LIST"]})),
            ended_token,
            rotated_away,
            revoked,
            owner,
            admin,
        }
    }

    /// The same callers at a server that was started anew.
    pub(super) fn at(&self, server: &Server) -> Self {
        Self {
            admin: self.admin.at(server),
            owner: self.owner.at(server),
            second: self.second.at(server),
            reader: self.reader.at(server),
            of_one_state: self.of_one_state.at(server),
            revoked: self.revoked.at(server),
            rotated_away: self.rotated_away.at(server),
            rotated: self.rotated.at(server),
            token: self.token.at(server),
            ended_token: self.ended_token.at(server),
        }
    }

    fn named(&self) -> [(&'static str, &Client); 9] {
        [
            ("admin", &self.admin),
            ("owner", &self.owner),
            ("second", &self.second),
            ("reader", &self.reader),
            ("of one state", &self.of_one_state),
            ("revoked", &self.revoked),
            ("rotated away", &self.rotated_away),
            ("rotated", &self.rotated),
            ("ended token", &self.ended_token),
        ]
    }
}

/// Asks all that must be answered alike later.
pub(super) fn record(cast: &Cast, written: &Written, schema: i64) -> Value {
    let mut answers = Vec::new();
    let mut ask = |who: &str, path: &str| {
        let (_, caller) = cast.named().into_iter().find(|(name, _)| *name == who)?;
        answers.push(asked(caller, who, path));
        Some(())
    };
    for list in ["keys", "retention", "events", "terraform/state"] {
        ask("admin", &format!("/api/{list}?limit=1000"));
    }
    let mut names: BTreeSet<&str> = written.keys().map(|(name, _)| name.as_str()).collect();
    names.extend(["team/old", "team/empty", "team/broken", "team/never"]);
    for name in &names {
        for below in ["", "/versions?limit=1000", "/lock", "/transfer"] {
            ask("admin", &format!("{}{below}", state_path(name)));
        }
    }
    for (who, _) in cast.named() {
        ask(who, &state_path("team/net"));
    }
    for below in ["versions/5", "versions/12/diff?from=11", "versions/13/info"] {
        ask("admin", &format!("{}/{below}", state_path("team/net")));
    }
    let bytes = written.iter().map(|((name, number), text)| {
        json!({"state": name, "number": number, "sha256": sha256(text.as_bytes())})
    });
    let secrets = cast.named().map(|(who, caller)| (who, caller.secret()));
    json!({
        "about": "What must be read back from the data directory beside this file. Each secret is \
            of a key or a token of that directory alone.",
        "schema": schema,
        "program": env!("CARGO_PKG_VERSION"),
        "secrets": BTreeMap::from(secrets),
        "token": {"secret": cast.token.secret(), "key": cast.token.key_id},
        "versions": bytes.collect::<Vec<_>>(),
        "answers": answers,
    })
}

/// An answer without what is volatile; of bytes that are no answer of ours, the SHA-256.
fn asked(caller: &Client, who: &str, path: &str) -> Value {
    let answer = caller.get(path);
    let mut recorded = json!({"as": who, "path": path, "status": answer.status.as_u16()});
    let is_content = answer.status == 200 && !answer.header("statekeep-version").is_empty();
    if is_content && !path.contains(['?']) && !path.ends_with("/info") {
        recorded["sha256"] = json!(sha256(&answer.bytes));
        recorded["version"] = json!(answer.header("statekeep-version"));
        return recorded;
    }
    let mut body = answer.json();
    drop_volatile(&mut body);
    recorded["body"] = body;
    recorded
}

fn drop_volatile(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(drop_volatile),
        Value::Object(members) => {
            members.retain(|name, value| {
                let is_here = value
                    .as_str()
                    .is_some_and(|text| text.starts_with("http://"));
                !is_here && !VOLATILE.contains(&name.as_str())
            });
            members.values_mut().for_each(drop_volatile);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Checks that a server gives back all that is recorded, and finds no damage.
#[track_caller]
pub(super) fn check(server: &Server, recorded: &Value, what: &str) {
    let caller = |who: &str| server.with(recorded["secrets"][who].as_str().expect("a secret"));
    let admin = caller("admin");
    for version in list(&recorded["versions"]) {
        let (name, number) = (
            version["state"].as_str().expect("a name"),
            &version["number"],
        );
        let answer = admin.get(&format!("{}/versions/{number}", state_path(name)));
        let found = sha256(&answer.bytes);
        assert_eq!(answer.status, 200, "{what}: {version}: {}", answer.text());
        assert_eq!(version["sha256"], found, "{what}: {version}");
    }
    for before in list(&recorded["answers"]) {
        let who = before["as"].as_str().expect("a name");
        let path = before["path"].as_str().expect("a path");
        let now = asked(&caller(who), who, path);
        // Recorded when less was known to change by itself.
        let mut before = before.clone();
        drop_volatile(&mut before);
        if let Some(missing) = missing(&before, &now, path) {
            panic!("{what}: {missing}\nbefore: {before:#}\nnow: {now:#}");
        }
    }
    let found = admin
        .post_json("/api/verify", &json!({}))
        .expect_status(200);
    assert_eq!(found.json()["found"], 0, "{what}: {}", found.text());
    check_token(server, recorded, what);
}

/// Checks that a key which wrote too late has to read first. It leaves a rejected version behind.
#[track_caller]
pub(super) fn check_stale_writer(server: &Server, recorded: &Value) {
    let second = recorded["secrets"]["second"].as_str().expect("a secret");
    server
        .with(second)
        .write(STALE, tfstate(&lineage(1), 99), None)
        .expect_problem(409, "stale_write");
}

/// A token that was not ended lives until its time is over, which depends on today.
#[track_caller]
fn check_token(server: &Server, recorded: &Value, what: &str) {
    let token = recorded["token"]["secret"].as_str().expect("a secret");
    let status = server.with(token).read("team/net").status.as_u16();
    assert!([200, 401].contains(&status), "{what}: {status}");
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().expect("a list")
}

/// Where `now` lacks or changes a part of `before`, if anywhere. What was added is no loss.
fn missing(before: &Value, now: &Value, at: &str) -> Option<String> {
    match (before, now) {
        (Value::Object(before), Value::Object(now)) => before.iter().find_map(|(name, value)| {
            let at = format!("{at} > {name}");
            missing(value, now.get(name).unwrap_or(&Value::Null), &at)
        }),
        (Value::Array(before), Value::Array(now)) => {
            let mut rest = now.iter();
            before.iter().enumerate().find_map(|(index, value)| {
                let is_there = rest.any(|now| missing(value, now, at).is_none());
                (!is_there).then(|| format!("{at} > {index} is gone or changed"))
            })
        }
        // A server that is started a day later prunes once more.
        _ if at.ends_with("last_run_at") => None,
        _ => (before != now).then(|| format!("{at}: {before} became {now}")),
    }
}

#[test]
fn each_loss_is_noticed_and_an_addition_is_none() {
    let before = json!({"rows": [{"a": 1}, {"a": 2, "b": null}], "text": "x"});
    let kept = json!({"rows": [{"a": 0}, {"a": 1, "c": 3}, {"a": 2, "b": null}], "text": "x"});
    assert_eq!(missing(&before, &kept, "kept"), None);
    for lost in [
        json!({"rows": [{"a": 1}], "text": "x"}),
        json!({"rows": [{"a": 2, "b": null}, {"a": 1}], "text": "x"}),
        json!({"rows": [{"a": 1}, {"a": 2, "b": 5}], "text": "x"}),
        json!({"rows": [{"a": 1}, {"a": 2, "b": null}], "text": "y"}),
        json!({"rows": [{"a": 1}, {"a": 2, "b": null}]}),
        json!({"rows": null, "text": "x"}),
    ] {
        assert!(missing(&before, &lost, "lost").is_some(), "{lost}");
    }
}
