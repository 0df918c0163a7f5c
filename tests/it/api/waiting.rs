//! Who waits for a lock: a lock ID that was turned away and asked again, told beside the lock.

use serde_json::{Value, json};

use crate::harness::{Client, Server, Setup, lock_body_to, state_path};

const NET: &str = "team/net";

fn shown(who: &Client) -> Value {
    let lock = format!("{}/lock", state_path(NET));
    who.get(&lock).expect_status(200).json()
}

fn waiting(who: &Client) -> Vec<Value> {
    let waiting = shown(who)["waiting"].clone();
    waiting.as_array().expect("a list").clone()
}

fn ids(who: &Client) -> Vec<String> {
    let id = |one: &Value| one["id"].as_str().expect("an ID").to_owned();
    waiting(who).iter().map(id).collect()
}

fn turned_away(who: &Client, id: &str, times: usize) {
    for _ in 0..times {
        who.lock(NET, id).expect_status(423);
    }
}

/// A server with a held lock, and its holder.
fn held() -> (Server, Client) {
    let server = Server::start();
    let holder = server.key("team", "writer");
    holder.lock(NET, "held").expect_status(200);
    (server, holder)
}

#[test]
fn who_asks_again_waits_until_the_lock_is_theirs() {
    let (server, holder) = held();
    let late = server.make_key(&json!({"name": "late", "workspace": "team", "role": "writer"}));
    let reader = server.key("team", "reader");
    turned_away(&late, "other", 1);
    assert_eq!(waiting(&reader), Vec::<Value>::new(), "a single try");
    turned_away(&late, "other", 2);
    let told = waiting(&reader);
    let [one] = told.as_slice() else {
        panic!("{told:?}");
    };
    for (member, said) in [
        ("id", json!("other")),
        ("operation", json!("OperationTypeApply")),
        ("who", json!("someone@somewhere")),
        ("key", json!({"id": late.key_id, "name": "late"})),
        ("address", json!("127.0.0.1")),
        ("asked", json!(3)),
    ] {
        assert_eq!(one[member], said, "{member}: {one}");
    }
    let time = |member: &str| {
        humantime::parse_rfc3339(one[member].as_str().expect("a time")).expect("RFC 3339")
    };
    assert!(time("since") < time("last"), "{one}");

    let list = "/api/terraform/state?locked=true";
    let row = reader.get(list).expect_status(200).json()["states"][0].clone();
    assert_eq!(row["lock"]["waiting"], json!(told), "{row}");
    let count = || server.admin().get("/api/status").json()["waiting"].clone();
    assert_eq!(count(), 1);

    // Nothing is granted to it: a third is first.
    holder.unlock(NET, "held").expect_status(200);
    holder.lock(NET, "third").expect_status(200);
    assert_eq!(ids(&reader), ["other"]);
    holder.unlock(NET, "third").expect_status(200);
    late.lock(NET, "other").expect_status(200);
    assert_eq!(
        (shown(&reader)["waiting"].clone(), count()),
        (json!([]), json!(0))
    );
}

#[test]
fn each_key_and_each_id_waits_for_itself_and_the_oldest_is_first() {
    let (server, holder) = held();
    let late = server.key("team", "writer");
    for (who, id) in [(&late, "b"), (&holder, "b"), (&late, "a")] {
        turned_away(who, id, 2);
    }
    turned_away(&late, "b", 1);
    let told = waiting(&holder);
    let told = told.iter().map(|one| {
        let key = one["key"]["id"].as_str().expect("an id");
        (
            one["id"].as_str().expect("an ID"),
            key,
            one["asked"].as_u64(),
        )
    });
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            ("b", late.key_id.as_str(), Some(3)),
            ("b", holder.key_id.as_str(), Some(2)),
            ("a", late.key_id.as_str(), Some(2)),
        ]
    );
    // The same ID of another key is another lock.
    holder.unlock(NET, "held").expect_status(200);
    holder.lock(NET, "b").expect_status(200);
    assert_eq!(ids(&late), ["b", "a"]);
}

#[test]
fn who_may_not_see_the_lock_is_not_told_who_waits() {
    let (server, _holder) = held();
    turned_away(&server.key("team", "writer"), "other", 2);
    for role in ["reader", "auditor", "planner"] {
        assert_eq!(ids(&server.key("team", role)), ["other"], "{role}");
    }
    let lock = format!("{}/lock", state_path(NET));
    for (scope, role) in [("team", "outputs"), ("rival", "owner"), ("", "monitor")] {
        let answer = server.key(scope, role).get(&lock);
        let answer = answer.expect_problem(403, "forbidden").text();
        assert!(!answer.contains("other"), "{role}: {answer}");
    }
    let status = server.key("", "monitor").get("/api/status").text();
    assert!(!status.contains("other"), "{status}");
}

#[test]
fn whose_credentials_have_ended_waits_no_longer() {
    let (server, holder) = held();
    let (late, kept) = (server.key("team", "writer"), server.key("team", "writer"));
    let token = server.token(&kept, json!({}));
    turned_away(&late, "of the key", 2);
    turned_away(&token, "of the token", 2);
    turned_away(&kept, "kept", 2);
    let row = || {
        let list = holder.get("/api/terraform/state").expect_status(200).json();
        list["states"][0]["lock"]["waiting"].clone()
    };
    let count = || server.admin().get("/api/status").json()["waiting"].clone();
    assert_eq!(ids(&holder), ["of the key", "of the token", "kept"]);
    let revoke = format!("/api/keys/{}", late.key_id);
    server
        .admin()
        .send("DELETE", &revoke, "")
        .expect_status(200);
    assert_eq!(ids(&holder), ["of the token", "kept"]);
    token.send("DELETE", "/api/token", "").expect_status(204);
    assert_eq!((ids(&holder), count()), (vec!["kept".to_owned()], json!(1)));
    assert_eq!(row(), shown(&holder)["waiting"]);
}

#[test]
fn who_waits_behind_a_freeze_is_told_beside_it() {
    let (server, holder) = held();
    holder
        .write(
            NET,
            crate::harness::tfstate(&crate::harness::lineage(1), 1),
            Some("held"),
        )
        .expect_status(200);
    holder.unlock(NET, "held").expect_status(200);
    let freeze = format!("{}/freeze", state_path(NET));
    let owner = server.key("team", "owner");
    owner
        .post_json(&freeze, &json!({"reason": "audit"}))
        .expect_status(200);
    turned_away(&holder, "other", 2);
    let told = shown(&owner);
    assert_eq!(
        (&told["lock"], &told["waiting"][0]["id"]),
        (&Value::Null, &json!("other"))
    );
    // A plan goes on, so it does not wait.
    holder.lock_to_plan(NET, "plan").expect_status(200);
    assert_eq!(ids(&owner), ["other"]);
}

#[test]
fn what_a_lock_says_is_cut_and_their_number_is_bounded() {
    let (server, holder) = held();
    let long = "x".repeat(1_000);
    let body = lock_body_to(&long, "long").replace("someone@somewhere", &long);
    for _ in 0..2 {
        holder
            .send("LOCK", &state_path(NET), body.clone())
            .expect_status(423);
    }
    let told = waiting(&holder);
    let length = |member: &str| told[0][member].as_str().map(str::len);
    assert_eq!((length("operation"), length("who")), (Some(256), Some(256)));
    let late = server.key("team", "writer");
    turned_away(&late, "late", 2);
    for number in 0..60 {
        turned_away(&holder, &format!("many-{number}"), 2);
    }
    let told = ids(&late);
    assert_eq!(told.len(), 50, "{told:?}");
    let has = |id: &str| told.iter().any(|one| one == id);
    assert!(
        has("late") && has("many-59") && !has("long") && !has("many-0"),
        "{told:?}"
    );
}

#[test]
fn a_restart_forgets_who_waited_and_learns_it_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Setup::new().data(dir.path()).start();
    let (holder, late) = (server.key("team", "writer"), server.key("team", "writer"));
    holder.lock(NET, "held").expect_status(200);
    turned_away(&late, "other", 2);
    assert_eq!(ids(&holder), ["other"]);
    assert!(server.stop().success());
    let server = Setup::new().data(dir.path()).start();
    let (holder, late) = (holder.at(&server), late.at(&server));
    assert_eq!(ids(&holder), Vec::<String>::new());
    turned_away(&late, "other", 2);
    assert_eq!(ids(&holder), ["other"]);
}

#[test]
fn the_command_line_names_who_waits() {
    let (server, _holder) = held();
    let late = server.make_key(&json!({"name": "late", "workspace": "team", "role": "writer"}));
    let said = |args: &[&str]| String::from_utf8_lossy(&server.cli(args).stdout).into_owned();
    assert!(!said(&["state", "show", NET]).contains("waits"));
    assert!(!said(&["status"]).contains("wait"));
    let evil = lock_body_to("OperationTypePlan", "other").replace("someone", "\\u001b[31mme");
    for _ in 0..2 {
        late.send("LOCK", &state_path(NET), evil.clone())
            .expect_status(423);
    }
    let shown = said(&["state", "show", NET]);
    let line = shown.lines().find(|line| line.starts_with("waits"));
    let line = line.unwrap_or_else(|| panic!("{shown}"));
    for told in [
        "late (",
        "@somewhere) from 127.0.0.1 for OperationTypePlan since 20",
        "asked 2 times",
    ] {
        assert!(line.contains(told), "{told}: {line}");
    }
    assert!(
        line.contains("[31mme") && !line.contains('\u{1b}'),
        "{line}"
    );
    let status = said(&["status"]);
    assert!(status.contains("; 1 run waits"), "{status}");
}
