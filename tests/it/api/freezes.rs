//! Freezes: for a while nothing changes a state, but for the run that held its lock before.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::harness::{Answer, Client, Server, state_path, tfstate};

const L1: &str = "11111111-1111-4111-8111-111111111111";
const L2: &str = "22222222-2222-4222-8222-222222222222";
const NET: &str = "team/net";

fn path(name: &str) -> String {
    format!("{}/freeze", state_path(name))
}

fn freeze(who: &Client, body: &Value) -> Answer {
    who.post_json(&path(NET), body)
}

fn unfreeze(who: &Client) -> Value {
    who.send("DELETE", &path(NET), "").expect_status(200).json()
}

fn from_now(seconds: u64) -> String {
    let then = SystemTime::now() + Duration::from_secs(seconds);
    humantime::format_rfc3339_millis(then).to_string()
}

/// A server with a state of three versions, and its owner.
fn site() -> (Server, Client) {
    let server = Server::start();
    let owner = server.key("team", "owner");
    for serial in 1..=3 {
        owner
            .write(NET, tfstate(L1, serial), None)
            .expect_status(200);
    }
    (server, owner)
}

#[track_caller]
fn is_frozen(answer: Answer) -> Value {
    let lock = answer.expect_status(423).json();
    assert_eq!(lock["Operation"], "freeze", "{lock}");
    lock
}

#[test]
fn nothing_changes_a_frozen_state_and_plans_go_on() {
    let (server, owner) = site();
    let admin = server.admin();
    owner
        .write("team/other", tfstate(L2, 1), None)
        .expect_status(200);
    let frozen = freeze(&owner, &json!({ "reason": "audit" }))
        .expect_status(200)
        .json();
    assert_eq!(
        (&frozen["reason"], &frozen["until"]),
        (&json!("audit"), &Value::Null)
    );
    let lock = is_frozen(owner.lock(NET, "3f1c"));
    let id = lock["ID"].as_str().expect("an ID");
    assert!(
        id.starts_with("frozen by owner of team until it is lifted: audit"),
        "{id}"
    );
    let info = lock["Info"].as_str().expect("a text");
    assert!(
        info.contains("audit") && info.contains("statekeep state unfreeze team/net"),
        "{info}"
    );
    assert!(info.contains("until it is lifted"), "{info}");
    let kept = owner.write(NET, tfstate(L1, 4), None);
    assert!(
        kept.headers.contains_key("statekeep-rejected-version"),
        "it is kept"
    );
    is_frozen(kept);
    each_act_is_refused(&owner, &admin);
    // What changes nothing goes on.
    owner.read(NET).expect_status(200);
    owner.lock_to_plan(NET, "p1").expect_status(200);
    is_frozen(owner.write(NET, tfstate(L1, 4), Some("p1")));
    owner.unlock(NET, "p1").expect_status(200);
    owner.write(NET, tfstate(L1, 3), None).expect_status(200);
    assert_eq!(
        owner.read(NET).text(),
        tfstate(L1, 3),
        "nothing came of all that"
    );
    assert_eq!(unfreeze(&owner)["removed"], true);
    assert_eq!(unfreeze(&owner)["removed"], false);
    owner.read(NET).expect_status(200);
    owner.write(NET, tfstate(L1, 4), None).expect_status(200);
    let kinds: Vec<Value> = admin
        .events("kind=state.*")
        .iter()
        .map(|event| event["kind"].clone())
        .filter(|kind| kind.as_str().is_some_and(|kind| kind.contains("freeze")))
        .collect();
    assert_eq!(kinds, ["state.unfreeze", "state.freeze"]);
}

fn each_act_is_refused(owner: &Client, admin: &Client) {
    let below = |what: &str| format!("{}/{what}", state_path(NET));
    let acts: [(&Client, &str, String, Value); 6] = [
        (owner, "DELETE", state_path(NET), Value::Null),
        (owner, "POST", below("rollback"), json!({ "version": 1 })),
        (
            owner,
            "POST",
            below("move"),
            json!({ "workspace": "team", "buildingBlock": "x" }),
        ),
        (owner, "POST", below("transfer"), json!({ "to": "s3" })),
        (admin, "POST", below("purge"), json!({ "versions": [1] })),
        (
            owner,
            "POST",
            below("import?append=true"),
            serde_json::from_str(&tfstate(L1, 9)).expect("JSON"),
        ),
    ];
    for (who, method, path, body) in acts {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let request = who
            .request(method, &path)
            .header("Content-Type", "application/json");
        is_frozen(Client::ask(request.body(body)));
    }
    let there = format!("{}/move", state_path("team/other"));
    let to_it = json!({ "workspace": "team", "buildingBlock": "net" });
    is_frozen(owner.post_json(&there, &to_it));
}

#[test]
fn an_apply_that_is_under_way_goes_on_to_its_end() {
    let (_server, owner) = site();
    owner.lock(NET, "3f1c").expect_status(200);
    freeze(&owner, &json!({ "reason": "audit" })).expect_status(200);
    owner.lock(NET, "3f1c").expect_status(200);
    for serial in 4..=5 {
        owner
            .write(NET, tfstate(L1, serial), Some("3f1c"))
            .expect_status(200);
    }
    // To others it is locked, as before.
    let other = owner
        .write(NET, tfstate(L1, 6), None)
        .expect_status(423)
        .json();
    assert_eq!(other["ID"], "3f1c");
    owner.unlock(NET, "3f1c").expect_status(200);
    is_frozen(owner.write(NET, tfstate(L1, 6), None));
    is_frozen(owner.lock(NET, "3f1d"));
    // A plan writes nothing, so its lock is none for a write.
    unfreeze(&owner);
    owner.lock_to_plan(NET, "p1").expect_status(200);
    freeze(&owner, &json!({ "reason": "audit" })).expect_status(200);
    is_frozen(owner.write(NET, tfstate(L1, 6), Some("p1")));
}

#[test]
fn a_freeze_ends_by_itself_and_a_later_one_takes_its_place() {
    let (_server, owner) = site();
    freeze(
        &owner,
        &json!({ "reason": "audit", "until": from_now(3_600) }),
    )
    .expect_status(200);
    let until = from_now(2);
    freeze(&owner, &json!({ "reason": "short", "until": until })).expect_status(200);
    let lock = is_frozen(owner.lock(NET, "3f1c"));
    assert!(
        lock["Info"]
            .as_str()
            .is_some_and(|info| info.contains(&until)),
        "{lock}"
    );
    crate::harness::eventually("it is over", || owner.lock(NET, "3f1c").status == 200);
    let shown = owner
        .get(&format!("{}/lock", state_path(NET)))
        .expect_status(200)
        .json();
    assert_eq!(shown["frozen"], Value::Null);
}

#[test]
fn a_freeze_is_shown_and_takes_the_permission_for_it() {
    let (server, owner) = site();
    let lock = format!("{}/lock", state_path(NET));
    owner.get(&lock).expect_problem(404, "no_lock");
    for role in ["reader", "planner", "writer"] {
        let who = server.key("team", role);
        freeze(&who, &json!({ "reason": "x" })).expect_problem(403, "forbidden");
        who.send("DELETE", &path(NET), "")
            .expect_problem(403, "forbidden");
    }
    let rival = server.key("rival", "owner");
    freeze(&rival, &json!({ "reason": "x" })).expect_problem(403, "forbidden");
    for bad in [
        json!({ "reason": "" }),
        json!({ "reason": "a\nb" }),
        json!({ "reason": "x".repeat(201) }),
        json!({ "reason": "x", "until": "2020-01-01T00:00:00Z" }),
        json!({ "reason": "x", "until": from_now(400 * 24 * 3_600) }),
        json!({ "reason": "x", "until": "soon" }),
    ] {
        freeze(&owner, &bad).expect_problem(400, "bad_request");
    }
    owner
        .post_json(&path("team/none"), &json!({ "reason": "x" }))
        .expect_problem(404, "no_state");
    freeze(
        &server.key_with("team", &["TFSTATE_FREEZE"]),
        &json!({ "reason": "why" }),
    )
    .expect_status(200);
    let reader = server.key("team", "reader");
    let shown = reader.get(&lock).expect_status(200).json();
    assert_eq!(
        (&shown["lock"], &shown["frozen"]["reason"]),
        (&Value::Null, &json!("why"))
    );
    let list = reader.get("/api/terraform/state").expect_status(200).json();
    assert_eq!(list["states"][0]["frozen"]["reason"], "why");
    owner.lock_to_plan(NET, "p1").expect_status(200);
    let shown = reader.get(&lock).expect_status(200).json();
    assert_eq!(
        (&shown["lock"]["ID"], &shown["frozen"]["reason"]),
        (&json!("p1"), &json!("why"))
    );
    owner.unlock(NET, "p1").expect_status(200);
    let show = server.cli(&["state", "show", NET]);
    let text = String::from_utf8_lossy(&show.stdout).into_owned();
    assert!(text.contains("frozen until it is lifted"), "{text}");
    let lifted = server.cli(&["state", "unfreeze", NET]);
    assert_eq!(lifted.status.code(), Some(0));
    let again = server.cli(&["state", "freeze", NET, "--reason", "move", "--for", "2h"]);
    assert_eq!(again.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&again.stderr).contains("is frozen until 20"));
    is_frozen(owner.delete(NET));
}

#[test]
fn a_list_of_the_frozen_names_no_other_and_none_whose_time_is_over() {
    let (server, owner) = site();
    owner
        .write(
            "team/free",
            tfstate("22222222-2222-4222-8222-222222222222", 1),
            None,
        )
        .expect_status(200);
    owner.lock("team/new", "3f1c").expect_status(200);
    let reader = server.key("team", "reader");
    let frozen = || {
        let list = reader.get("/api/terraform/state?frozen=true");
        let list = list.expect_status(200).json();
        let names = list["states"].as_array().expect("a list").iter();
        names
            .map(|state| state["buildingBlock"].as_str().expect("a name").to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(frozen(), Vec::<String>::new(), "none has a freeze");
    freeze(&owner, &json!({ "reason": "audit" })).expect_status(200);
    assert_eq!(frozen(), ["net"]);
    let until = from_now(2);
    freeze(&owner, &json!({ "reason": "short", "until": until })).expect_status(200);
    crate::harness::eventually("it is over", || frozen().is_empty());
}
