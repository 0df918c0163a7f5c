//! `GET /api/events`: each act is an event, with who, what, when and from where.

use serde_json::{Value, json};

use crate::harness::{Client, Server, state_path, tfstate};

use super::{L1, column, pages, refuses_bad_queries};

/// The newest event of a kind, after checking what each event has.
#[track_caller]
fn newest(server: &Server, kind: &str, actor: &str) -> Value {
    let events = server.admin().events(&format!("kind={kind}"));
    let event = events
        .first()
        .unwrap_or_else(|| panic!("no event {kind}"))
        .clone();
    assert_eq!(event["kind"], kind);
    assert_eq!(event["actor"]["id"], actor, "{event}");
    assert_eq!(event["address"], "127.0.0.1", "{event}");
    assert!(
        event["seq"].as_u64().is_some() && event["request_id"].is_string(),
        "{event}"
    );
    let at = humantime::parse_rfc3339(event["at"].as_str().expect("a time")).expect("RFC 3339");
    assert!(at.elapsed().is_ok_and(|age| age.as_secs() < 60), "{event}");
    event
}

fn place(event: &Value) -> (&str, &str) {
    (
        event["workspace"].as_str().unwrap_or(""),
        event["buildingBlock"].as_str().unwrap_or(""),
    )
}

#[test]
fn each_act_on_a_state_is_an_event() {
    let server = Server::start();
    let (owner, other) = (server.key("team", "owner"), server.key("team", "owner"));
    let check = |kind: &str, caller: &Client, version: Value, lock: Value, attention: bool| {
        let event = newest(&server, kind, &caller.key_id);
        assert_eq!(place(&event), ("team", "net"), "{event}");
        assert_eq!(
            (&event["version"], &event["lock_id"], &event["attention"]),
            (&version, &lock, &json!(attention)),
            "{event}"
        );
    };
    owner.lock("team/net", "lock-1").expect_status(200);
    check("lock.acquire", &owner, json!(null), json!("lock-1"), false);
    owner
        .write("team/net", tfstate(L1, 1), Some("lock-1"))
        .expect_status(200);
    check("state.write", &owner, json!(1), json!("lock-1"), false);
    owner.unlock("team/net", "lock-1").expect_status(200);
    check("lock.release", &owner, json!(null), json!("lock-1"), false);
    other
        .write("team/net", tfstate(L1, 2), None)
        .expect_status(200);
    check("state.write", &other, json!(2), json!(null), false);
    owner
        .write("team/net", tfstate(L1, 2), Some("lock-1"))
        .expect_status(200);
    owner
        .write("team/net", tfstate(L1, 1), None)
        .expect_problem(409, "stale_write");
    check("state.write_rejected", &owner, json!(3), json!(null), true);
    owner.lock("team/net", "lock-2").expect_status(200);
    other.unlock("team/net", "lock-2").expect_status(200);
    check("lock.break", &other, json!(null), json!("lock-2"), true);
    owner.delete("team/net").expect_status(200);
    check("state.delete", &owner, json!(2), json!(null), false);
    owner
        .send("POST", &format!("{}/restore", state_path("team/net")), "")
        .expect_status(200);
    check("state.restore", &owner, json!(4), json!(null), false);
    owner
        .post_json(
            &format!("{}/move", state_path("team/net")),
            &json!({"workspace": "team", "buildingBlock": "there"}),
        )
        .expect_status(200);
    newest(&server, "state.move", &owner.key_id);
}

#[test]
fn a_plan_is_one_event_that_says_who_and_from_when_to_when() {
    let server = Server::start();
    let planner = server.key("team", "planner");
    planner
        .lock_to_plan("team/net", "plan-1")
        .expect_status(200);
    assert!(server.admin().events("kind=lock.*").is_empty());
    let lock = planner.get(&format!("{}/lock", state_path("team/net")));
    let lock = lock.expect_status(200).json();
    planner.unlock("team/net", "plan-1").expect_status(200);
    let event = newest(&server, "lock.plan", &planner.key_id);
    assert_eq!(server.admin().events("kind=lock.*").len(), 1);
    assert_eq!(place(&event), ("team", "net"), "{event}");
    assert_eq!(event["lock_id"], "plan-1", "{event}");
    assert_eq!(event["at"], lock["locked_at"], "{event}: {lock}");
    assert!(event["at"].as_str() <= event["last_at"].as_str(), "{event}");
    assert_eq!(event["detail"]["operation"], "OperationTypePlan", "{event}");
    let by_force = server.key("team", "owner");
    planner
        .lock_to_plan("team/net", "plan-2")
        .expect_status(200);
    by_force.unlock("team/net", "plan-2").expect_status(200);
    let event = newest(&server, "lock.break", &by_force.key_id);
    assert_eq!(
        event["detail"]["operation"], "OperationTypePlan",
        "one that was broken is told with its break: {event}"
    );
}

#[test]
fn each_act_on_keys_and_tokens_is_an_event_and_none_tells_a_secret() {
    let server = Server::start();
    let admin = server.admin().get("/api/keys").json()["keys"][0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let key = server.key("team", "writer");
    assert!(
        newest(&server, "key.create", &admin)
            .to_string()
            .contains(&key.key_id)
    );
    let token = server.token(&key, json!({"renewable": true}));
    newest(&server, "login", &key.key_id);
    token
        .send("POST", "/api/token/extend", "")
        .expect_status(200);
    newest(&server, "token.extend", &key.key_id);
    token.send("DELETE", "/api/token", "").expect_status(204);
    newest(&server, "token.end", &key.key_id);
    let rotated = server
        .admin()
        .post_json(&format!("/api/keys/{}/rotate", key.key_id), &json!({}))
        .expect_status(200)
        .json();
    assert!(
        newest(&server, "key.rotate", &admin)
            .to_string()
            .contains(&key.key_id)
    );
    server
        .admin()
        .send("DELETE", &format!("/api/keys/{}", key.key_id), "")
        .expect_status(200);
    assert!(
        newest(&server, "key.revoke", &admin)
            .to_string()
            .contains(&key.key_id)
    );
    let all = json!(server.admin().events("")).to_string();
    for secret in [
        key.secret(),
        token.secret(),
        rotated["secret"].as_str().expect("a secret"),
        server.admin().secret(),
    ] {
        assert!(!all.contains(secret));
    }
}

#[test]
fn an_act_that_was_refused_or_changed_nothing_is_no_event_of_that_kind() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    owner
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    owner.lock("team/net", "lock-1").expect_status(200);
    let before = server.admin().events("kind=state.write").len()
        + server.admin().events("kind=lock.*").len();
    owner
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    owner.lock("team/net", "lock-2").expect_status(423);
    owner.unlock("team/net", "lock-2").expect_status(409);
    server
        .key("team", "planner")
        .unlock("team/net", "lock-1")
        .expect_status(403);
    server
        .key("team", "reader")
        .delete("team/net")
        .expect_status(403);
    let after = server.admin().events("kind=state.write").len()
        + server.admin().events("kind=lock.*").len();
    assert_eq!(after, before);
    assert!(server.admin().events("kind=state.delete").is_empty());
}

#[test]
fn the_request_id_leads_from_an_answer_to_its_event() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let answer = writer
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    assert_eq!(
        server.admin().events("kind=state.write")[0]["request_id"],
        answer.header("request-id")
    );
}

#[test]
fn the_list_can_be_filtered() {
    let server = Server::start();
    let (one, two) = (server.key("one", "owner"), server.key("two", "owner"));
    one.write("one/a", tfstate(L1, 1), None).expect_status(200);
    one.write("one/b", tfstate(L1, 1), None).expect_status(200);
    two.write("two/a", tfstate(L1, 5), None).expect_status(200);
    two.write("two/a", tfstate(L1, 4), None).expect_status(409);
    let admin = server.admin();
    let count = |query: &str| admin.events(query).len();
    assert_eq!(count("kind=state.write"), 3);
    assert_eq!(count("kind=state.write&workspace=one"), 2);
    assert_eq!(count("kind=state.write&workspace=one&buildingBlock=b"), 1);
    assert_eq!(count(&format!("kind=state.write&key={}", two.key_id)), 1);
    assert_eq!(count("kind=state.*&workspace=two"), 2, "a whole family");
    assert_eq!(count("attention=true"), 1);
    let all = admin.events("kind=state.write");
    let time = |event: &Value| {
        humantime::parse_rfc3339(event["at"].as_str().expect("a time")).expect("RFC 3339")
    };
    let bound = all[1]["at"].as_str().expect("a time");
    let since = admin.events(&format!("kind=state.write&since={bound}"));
    assert_eq!(
        since.len(),
        all.iter()
            .filter(|event| time(event) >= time(&all[1]))
            .count(),
        "from that moment on"
    );
    let until = admin.events(&format!("kind=state.write&until={bound}"));
    assert!(
        until.iter().all(|event| time(event) <= time(&all[1])) && until.contains(&all[2]),
        "up to that moment: {until:?}"
    );
    assert_eq!(count("until=2020-01-01T00:00:00Z"), 0);
    assert_eq!(count("since=2100-01-01T00:00:00Z"), 0);
    assert_eq!(
        count("kind=state.write&since=2020-01-01T00:00:00Z&until=2100-01-01T00:00:00Z"),
        3
    );
    refuses_bad_queries(
        &admin,
        "/api/events",
        &["since=yesterday", "until=x", "before=x", "attention=maybe"],
    );
}

#[test]
fn the_list_comes_in_pages_newest_first() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    for serial in 1..=7 {
        writer
            .write("team/net", tfstate(L1, serial), None)
            .expect_status(200);
    }
    let all = pages(
        &server.admin(),
        "/api/events?kind=state.write&limit=3",
        "events",
        "before",
    );
    assert_eq!(all.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 1]);
    assert_eq!(
        column(&all.concat(), "version"),
        ["7", "6", "5", "4", "3", "2", "1"]
    );
    let seqs: Vec<u64> = all
        .concat()
        .iter()
        .filter_map(|event| event["seq"].as_u64())
        .collect();
    assert!(seqs.windows(2).all(|pair| pair[0] > pair[1]), "{seqs:?}");
}

#[test]
fn a_key_sees_the_events_of_its_own_scope_only() {
    let server = Server::start();
    let (one, block) = (server.key("one", "owner"), server.key("one/a", "owner"));
    server
        .admin()
        .write("one/a", tfstate(L1, 1), None)
        .expect_status(200);
    server
        .admin()
        .write("one/b", tfstate(L1, 1), None)
        .expect_status(200);
    server
        .admin()
        .write("two/a", tfstate(L1, 1), None)
        .expect_status(200);
    let places = |caller: &Client| {
        let mut places: Vec<String> = caller
            .events("kind=state.write")
            .iter()
            .map(|event| format!("{}/{}", place(event).0, place(event).1))
            .collect();
        places.sort();
        places
    };
    assert_eq!(places(&one), ["one/a", "one/b"]);
    assert_eq!(places(&block), ["one/a"]);
    assert!(
        one.events("")
            .iter()
            .all(|event| event["workspace"] == "one"),
        "nor those that belong to no workspace"
    );
    let foreign = one.get("/api/events?workspace=two");
    assert!(
        foreign.status == 403 || foreign.json()["events"] == json!([]),
        "{}",
        foreign.text()
    );
}
