//! `--two-person`: an act that cannot be undone is done only after another key has approved it:
//! that very act, and once. Both are in the event log.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Answer, Client, Server, Setup, state_path, statekeep, tfstate};
use crate::trusts::issuer::{Issuer, any_trust};

const L1: &str = "11111111-1111-4111-8111-111111111111";

/// A server that asks for a second person for these acts, and two people who may do everything.
struct Site {
    _dir: TempDir,
    server: Server,
    second: Client,
}

impl Site {
    fn new(acts: &str) -> Self {
        let dir = TempDir::new().expect("a folder");
        let before = Setup::new().data(dir.path()).start();
        let second = admin_key(&before.admin(), "second")
            .expect_status(201)
            .json();
        let team = before.key("team", "owner");
        for serial in 1..=3 {
            team.write("team/net", tfstate(L1, serial), None)
                .expect_status(200);
        }
        assert!(before.stop().success());
        let server = Setup::new()
            .data(dir.path())
            .flag("--two-person", acts)
            .start();
        let second = server.with(second["secret"].as_str().expect("a secret"));
        Self {
            _dir: dir,
            server,
            second,
        }
    }

    fn purge(&self, who: &Client, numbers: &[u64]) -> Answer {
        let _ = self;
        let path = format!("{}/purge", state_path("team/net"));
        who.post_json(&path, &json!({ "versions": numbers }))
    }

    fn is_purged(&self, number: usize) -> bool {
        self.server.admin().versions("team/net")[3 - number]["purged"] == true
    }
}

fn admin_key(who: &Client, name: &str) -> Answer {
    who.post_json("/api/keys", &json!({ "name": name, "role": "admin" }))
}

/// The id of the request that an act left.
#[track_caller]
fn waits(answer: Answer) -> u64 {
    let problem = answer.expect_problem(409, "needs_approval").json();
    problem["approval"]["id"].as_u64().expect("an id")
}

fn give(who: &Client, id: u64) -> Answer {
    who.send("POST", &format!("/api/approvals/{id}"), "")
}

fn waiting(who: &Client) -> Vec<Value> {
    let list = who.get("/api/approvals").expect_status(200).json();
    list["approvals"].as_array().expect("a list").clone()
}

#[test]
fn a_purge_is_done_once_after_another_key_has_approved_this_very_purge() {
    let site = Site::new("purge");
    let first = site.server.admin();
    let id = waits(site.purge(&first, &[1]));
    assert_eq!(waits(site.purge(&first, &[1])), id, "it is asked for once");
    assert!(!site.is_purged(1), "nothing is done");
    give(&first, id).expect_problem(403, "forbidden");
    waits(site.purge(&first, &[1]));
    // Whoever may not do it may not approve it, and does not see it.
    let owner = site.server.key("team", "owner");
    assert!(waiting(&owner).is_empty());
    give(&owner, id).expect_problem(404, "no_approval");
    // Nor does a key that was made for this.
    let young = admin_key(&first, "young").expect_status(201).json();
    let young = site
        .server
        .with(young["secret"].as_str().expect("a secret"));
    give(&young, id).expect_problem(403, "forbidden");
    give(&site.second, id + 1).expect_problem(404, "no_approval");
    give(&site.second, id).expect_status(200);
    let seen = waiting(&first);
    assert_eq!(seen[0]["approved_by"]["name"], "second");
    assert_eq!(
        seen[0]["what"],
        json!({ "state": "team/net", "versions": [1] })
    );
    // Neither another purge nor another's.
    waits(site.purge(&first, &[1, 2]));
    waits(site.purge(&young, &[1]));
    assert!(!site.is_purged(1) && !site.is_purged(2));
    site.purge(&first, &[1]).expect_status(200);
    assert!(site.is_purged(1) && !site.is_purged(2));
    waits(site.purge(&first, &[1]));
    let told = site.server.admin().events("kind=approval.*");
    let told: Vec<_> = told
        .iter()
        .rev()
        .map(|event| (&event["kind"], &event["actor"]["name"]))
        .collect();
    let name = |kind: &str, who: &str| (json!(kind), json!(who));
    let expected = [
        name("approval.ask", "admin"),
        name("approval.give", "second"),
        name("approval.ask", "admin"),
        name("approval.ask", "young"),
        name("approval.use", "admin"),
        name("approval.ask", "admin"),
    ];
    let told: Vec<_> = told
        .into_iter()
        .map(|(kind, who)| (kind.clone(), who.clone()))
        .collect();
    assert_eq!(told, expected);
}

#[test]
fn nor_does_a_trust_that_was_made_for_it_or_a_secret_that_was_taken_for_it() {
    let site = Site::new("purge");
    let first = site.server.admin();
    let id = waits(site.purge(&first, &[1]));
    let issuer = Issuer::new();
    let mut trust = issuer.trust("everywhere");
    (trust["workspace"], trust["role"]) = (Value::Null, json!("admin"));
    first.post_json("/api/trusts", &trust).expect_status(201);
    let trusted = site.server.with(&issuer.token(&json!({})));
    give(&trusted, id).expect_problem(403, "forbidden");
    let me = site.second.get("/api/whoami").expect_status(200).json();
    let second = me["key"]["id"].as_str().expect("an id");
    let rotate = format!("/api/keys/{second}/rotate");
    let taken = first
        .post_json(&rotate, &json!({ "grace": 600 }))
        .expect_status(200);
    let taken = site
        .server
        .with(taken.json()["secret"].as_str().expect("a secret"));
    for who in [&taken, &site.second] {
        give(who, id).expect_problem(403, "forbidden");
    }
    assert!(!site.is_purged(1));
    // What is asked for afterwards may be approved by both.
    let id = waits(site.purge(&first, &[2]));
    give(&trusted, id).expect_status(200);
    site.purge(&first, &[2]).expect_status(200);
}

#[test]
fn an_approval_counts_no_more_once_the_key_that_gave_it_is_revoked() {
    let site = Site::new("purge");
    let first = site.server.admin();
    let mut approver = admin_key(&first, "third").expect_status(201).json();
    for end in ["rotate", "revoke"] {
        let secret = approver["secret"].as_str().expect("a secret");
        let third = site.server.with(secret);
        let key = format!(
            "/api/keys/{}",
            approver["key"]["id"].as_str().expect("an id")
        );
        let id = waits(site.purge(&first, &[1]));
        give(&third, id).expect_status(200);
        if end == "rotate" {
            let rotated = first.post_json(&format!("{key}/rotate"), &json!({}));
            approver = rotated.expect_status(200).json();
        } else {
            first.send("DELETE", &key, "").expect_status(200);
        }
        assert_ne!(waits(site.purge(&first, &[1])), id, "{end}");
        assert!(!site.is_purged(1));
        let path = format!("/api/approvals/{}", waits(site.purge(&first, &[1])));
        first.send("DELETE", &path, "").expect_status(200);
    }
    give(&site.second, waits(site.purge(&first, &[1]))).expect_status(200);
    site.purge(&first, &[1]).expect_status(200);
}

#[test]
fn an_approval_does_not_come_back_with_a_backup() {
    let site = Site::new("purge");
    let first = site.server.admin();
    give(&site.second, waits(site.purge(&first, &[1]))).expect_status(200);
    let dir = TempDir::new().expect("a folder");
    let (file, data) = (dir.path().join("b.tar.zst"), dir.path().join("data"));
    let (file, to) = (file.to_str().expect("UTF-8"), data.to_str().expect("UTF-8"));
    assert!(site.server.cli(&["backup", file]).status.success());
    site.purge(&first, &[1]).expect_status(200);
    let restored = statekeep(&["restore", file, "--data", to]).output();
    assert!(restored.expect("it runs").status.success());
    let copy = Setup::new()
        .data(&data)
        .flag("--two-person", "purge")
        .start();
    let first = first.at(&copy);
    assert!(waiting(&first).is_empty());
    waits(site.purge(&first, &[1]));
}

#[test]
fn what_is_refused_anyhow_neither_asks_nor_uses_an_approval_up() {
    let site = Site::new("purge,prune");
    let first = site.server.admin();
    site.purge(&first, &[3])
        .expect_problem(409, "current_version");
    site.purge(&first, &[9]).expect_problem(404, "no_version");
    let prune = json!({
        "policy": { "keep_last": 1 }, "workspace": "team", "buildingBlock": "none",
    });
    first
        .post_json("/api/prune", &prune)
        .expect_problem(404, "no_state");
    assert!(waiting(&first).is_empty());
    give(&site.second, waits(site.purge(&first, &[1]))).expect_status(200);
    let hold = format!("{}/versions/1/hold", state_path("team/net"));
    first
        .post_json(&hold, &json!({ "reason": "audit" }))
        .expect_status(200);
    site.purge(&first, &[1]).expect_problem(409, "version_held");
    first.send("DELETE", &hold, "").expect_status(200);
    site.purge(&first, &[1]).expect_status(200);
}

#[test]
fn a_request_is_refused_or_taken_back() {
    let site = Site::new("purge");
    let first = site.server.admin();
    for who in [&site.second, &first] {
        let id = waits(site.purge(&first, &[1]));
        let path = format!("/api/approvals/{id}");
        who.send("DELETE", &path, "").expect_status(200);
        give(&site.second, id).expect_problem(404, "no_approval");
        assert!(waiting(&first).is_empty());
    }
    assert!(!site.is_purged(1));
}

#[test]
fn each_guarded_act_asks_and_others_do_not() {
    let site = Site::new("prune,admin-key,policy");
    let first = site.server.admin();
    let second = first.get("/api/whoami").expect_status(200).json();
    let second_id = {
        let keys = first.get("/api/keys").expect_status(200).json();
        let keys = keys["keys"].as_array().expect("keys").clone();
        let found = keys
            .iter()
            .find(|key| key["name"] == "second")
            .expect("the key")
            .clone();
        found["id"].as_str().expect("an id").to_owned()
    };
    let prune = json!({ "policy": { "keep_last": 1 } });
    let preview = json!({ "policy": { "keep_last": 1 }, "dry_run": true });
    let policy = json!({ "keep_last": 5 });
    let set = || Client::ask(first.request("PUT", "/api/retention/team").json(&policy));
    let rotate = || first.post_json(&format!("/api/keys/{second_id}/rotate"), &json!({}));
    waits(first.post_json("/api/prune", &prune));
    waits(set());
    waits(first.send("DELETE", "/api/retention/team", ""));
    waits(admin_key(&first, "third"));
    let mut trust = any_trust(&site.server, "everywhere");
    trust["workspace"] = Value::Null;
    waits(first.post_json("/api/trusts", &trust));
    waits(rotate());
    assert_eq!(waiting(&first).len(), 6);
    assert_eq!(site.server.admin().versions("team/net").len(), 3);
    // What changes nothing, what is for one workspace, and one's own secret need nobody.
    first.post_json("/api/prune", &preview).expect_status(200);
    site.server.key("team", "owner");
    site.purge(&first, &[1]).expect_status(200);
    let own = second["key"]["id"]
        .as_str()
        .or(second["id"].as_str())
        .expect("an id");
    first
        .post_json(&format!("/api/keys/{own}/rotate"), &json!({ "grace": 60 }))
        .expect_status(200);
    for one in waiting(&site.second) {
        give(&site.second, one["id"].as_u64().expect("an id")).expect_status(200);
    }
    first.post_json("/api/prune", &prune).expect_status(200);
    set().expect_status(200);
    admin_key(&first, "third").expect_status(201);
    // How long the old secret lives on is a part of the act.
    let lives_on = json!({ "grace": 600 });
    waits(first.post_json(&format!("/api/keys/{second_id}/rotate"), &lives_on));
    rotate().expect_status(200);
    // The row of the purged version stays.
    assert_eq!(site.server.admin().versions("team/net").len(), 2);
}

#[test]
fn the_operator_is_a_person_too() {
    let site = Site::new("purge");
    let first = site.server.admin();
    let run = |args: &[&str]| {
        let output = site.server.cli(args);
        let text = [output.stdout, output.stderr].concat();
        (
            output.status.code(),
            String::from_utf8_lossy(&text).into_owned(),
        )
    };
    let (code, told) = run(&["state", "purge", "team/net", "1", "--yes"]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("statekeep approval give"), "{told}");
    let id = waiting(&first)[0]["id"].to_string();
    let (code, told) = run(&["approval", "give", &id]);
    assert_eq!(code, Some(1), "the same person: {told}");
    give(&first, id.parse().expect("a number")).expect_status(200);
    assert!(
        run(&["approval", "list"])
            .1
            .contains(r#"{"state":"team/net","versions":[1]}"#)
    );
    let (code, told) = run(&["state", "purge", "team/net", "1", "--yes"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(site.is_purged(1));
    let id = waits(site.purge(&first, &[2])).to_string();
    assert_eq!(run(&["approval", "refuse", &id]).0, Some(0));
    let id = waits(site.purge(&first, &[2])).to_string();
    assert_eq!(run(&["approval", "give", &id]).0, Some(0));
    site.purge(&first, &[2]).expect_status(200);
}

#[test]
fn an_approval_that_was_written_into_the_file_counts_nothing() {
    let site = Site::new("purge");
    waits(site.purge(&site.server.admin(), &[1]));
    let Site {
        _dir: dir, server, ..
    } = site;
    assert!(server.stop().success());
    let database = rusqlite::Connection::open(dir.path().join("statekeep.db")).expect("opened");
    let sql = "UPDATE approvals SET approved_by = 'x', approved_by_name = 'x', approved_at = 1";
    assert_eq!(database.execute(sql, []).expect("edited"), 1);
    drop(database);
    let server = Setup::new()
        .data(dir.path())
        .flag("--two-person", "purge")
        .start();
    let path = format!("{}/purge", state_path("team/net"));
    let purge = server.admin().post_json(&path, &json!({ "versions": [1] }));
    purge.expect_problem(500, "damaged");
}
