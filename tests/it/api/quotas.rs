//! Quotas: set, shown and cleared by operators; judged for each act that adds to a workspace, and
//! in the way of none that removes something.

use serde_json::{Value, json};

use crate::disk::noise;
use crate::harness::{Answer, Client, Server, Setup, state_path, tfstate, tfstate_noted};
use crate::inside;
use crate::scrape::{Scrape, monitor};

const L1: &str = "11111111-1111-4111-8111-111111111111";

fn set(server: &Server, workspace: &str, quota: &Value) -> Answer {
    let admin = server.admin();
    Client::ask(
        admin
            .request("PUT", &format!("/api/quotas/{workspace}"))
            .json(quota),
    )
}

fn used(server: &Server, workspace: &str) -> Value {
    let answer = server.admin().get(&format!("/api/quotas/{workspace}"));
    answer.expect_status(200).json()["use"].clone()
}

#[track_caller]
fn exceeded(answer: Answer, which: &str) {
    let problem = answer.expect_problem(507, "quota_exceeded").json();
    assert_eq!(problem["quota"], which, "{problem}");
    let detail = problem["detail"].as_str().expect("a detail");
    assert!(detail.contains("raised"), "what frees room: {detail}");
}

#[test]
fn a_quota_is_set_shown_listed_and_cleared_and_each_change_is_an_event() {
    let server = Server::start();
    let (admin, owner) = (server.admin(), server.key("team", "owner"));
    owner
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    let nothing = admin.get("/api/quotas/team").expect_status(200).json();
    assert_eq!(nothing["quota"], Value::Null);
    assert_eq!(nothing["use"]["versions"], 1);
    let quota = json!({ "bytes": 1_000_000, "states": 3, "versions": 50, "rate": 1_000 });
    let answer = set(&server, "team", &quota).expect_status(200).json();
    assert_eq!(
        (&answer["quota"], &answer["use"]["states"]),
        (&quota, &json!(1))
    );
    set(&server, "team", &json!({ "states": 2 })).expect_status(200);
    let list = admin.get("/api/quotas").expect_status(200).json();
    assert_eq!(list["quotas"][0]["workspace"], "team");
    assert_eq!(
        list["quotas"][0]["quota"],
        json!({ "bytes": null, "states": 2, "versions": null, "rate": null }),
        "the new one is in place of the other"
    );
    let status = |who: &Client| who.get("/api/status").expect_status(200).json();
    let told = status(&admin);
    assert_eq!(told["quotas"][0]["use"]["states"], 1, "{told}");
    let to_a_monitor = status(&monitor(&server));
    assert_eq!(
        to_a_monitor["quotas"],
        json!([]),
        "workspaces are not named"
    );
    for wrong in [
        json!({}),
        json!({ "states": 0 }),
        json!({ "bytes": 1_u64 << 54 }),
    ] {
        set(&server, "team", &wrong).expect_problem(400, "bad_request");
    }
    owner
        .get("/api/quotas/team")
        .expect_problem(403, "forbidden");
    let clear = || {
        admin
            .send("DELETE", "/api/quotas/team", "")
            .expect_status(200)
    };
    assert_eq!(clear().json()["removed"], true);
    assert_eq!(clear().json()["removed"], false);
    let events = admin.events("workspace=team");
    let kinds: Vec<&str> = events
        .iter()
        .filter_map(|event| event["kind"].as_str())
        .filter(|kind| kind.starts_with("quota."))
        .collect();
    assert_eq!(kinds, ["quota.clear", "quota.set", "quota.set"]);
}

#[test]
fn what_adds_versions_is_refused_and_what_removes_them_is_not() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    for serial in 1..=3 {
        owner
            .write("team/net", tfstate(L1, serial), None)
            .expect_status(200);
    }
    set(&server, "team", &json!({ "versions": 3 })).expect_status(200);
    exceeded(owner.write("team/net", tfstate(L1, 4), None), "versions");
    exceeded(owner.write("team/new", tfstate(L1, 1), None), "versions");
    // The bytes that are there already are no new version.
    owner
        .write("team/net", tfstate(L1, 3), None)
        .expect_status(200);
    let net = state_path("team/net");
    let rollback = json!({ "version": 1 });
    exceeded(
        owner.post_json(&format!("{net}/rollback"), &rollback),
        "versions",
    );
    owner.lock("team/net", "lock-1").expect_status(200);
    let other = server.key("team", "writer");
    exceeded(other.write("team/net", tfstate(L1, 9), None), "versions");
    owner.unlock("team/net", "lock-1").expect_status(200);
    exceeded(
        owner.send(
            "POST",
            &format!("{}/import", state_path("team/old")),
            tfstate(L1, 1),
        ),
        "versions",
    );
    owner.delete("team/net").expect_status(200);
    exceeded(
        owner.send("POST", &format!("{net}/restore"), ""),
        "versions",
    );
    let metrics = Scrape::of(&monitor(&server));
    let refused = metrics.sum("statekeep_quota_refusals_total", &[("quota", "versions")]);
    assert_eq!(refused, 6);
    let prune = json!({ "policy": { "keep_last": 1 }, "workspace": "team" });
    server
        .admin()
        .post_json("/api/prune", &prune)
        .expect_status(200);
    owner
        .send("POST", &format!("{net}/restore"), "")
        .expect_status(200);
    assert_eq!(used(&server, "team")["versions"], 2);
}

#[test]
fn states_are_counted_as_they_come_go_and_move() {
    let server = Server::start();
    let (owner, admin) = (server.key("team", "owner"), server.admin());
    set(&server, "team", &json!({ "states": 2 })).expect_status(200);
    for name in ["team/a", "team/b"] {
        owner.write(name, tfstate(L1, 1), None).expect_status(200);
    }
    exceeded(owner.write("team/c", tfstate(L1, 1), None), "states");
    owner
        .write("team/a", tfstate(L1, 2), None)
        .expect_status(200);
    owner.delete("team/a").expect_status(200);
    owner
        .write("team/c", tfstate(L1, 1), None)
        .expect_status(200);
    let restore = format!("{}/restore", state_path("team/a"));
    exceeded(owner.send("POST", &restore, ""), "states");
    let away = json!({ "workspace": "other", "buildingBlock": "b" });
    let moved = format!("{}/move", state_path("team/b"));
    set(&server, "other", &json!({ "versions": 1, "states": 1 })).expect_status(200);
    admin
        .write("team/b", tfstate(L1, 2), None)
        .expect_status(200);
    exceeded(admin.post_json(&moved, &away), "versions");
    set(&server, "other", &json!({ "versions": 2, "states": 1 })).expect_status(200);
    admin.post_json(&moved, &away).expect_status(200);
    assert_eq!(used(&server, "other")["versions"], 2);
    assert_eq!(used(&server, "team")["states"], 1);
    owner.send("POST", &restore, "").expect_status(200);
}

/// Two versions at `team/net`, which moves to another workspace.
fn moved_away(server: &Server) -> Client {
    let admin = server.admin();
    for serial in 1..=2 {
        admin
            .write("team/net", tfstate(L1, serial), None)
            .expect_status(200);
    }
    let to = json!({ "workspace": "other", "buildingBlock": "net" });
    admin
        .post_json(&format!("{}/move", state_path("team/net")), &to)
        .expect_status(200);
    admin
}

#[test]
fn a_state_that_may_not_come_back_stays_where_it_is() {
    let server = Server::start();
    let admin = moved_away(&server);
    admin.delete("other/net").expect_status(200);
    let restore = format!("{}/restore", state_path("team/net"));
    set(&server, "team", &json!({ "versions": 2 })).expect_status(200);
    exceeded(admin.send("POST", &restore, ""), "versions");
    admin.read("team/net").expect_problem(410, "moved");
    assert_eq!(admin.versions("other/net").len(), 2, "nothing was moved");
    assert_eq!(used(&server, "team")["versions"], 0);
    // One act is one version in a minute, whatever it brings.
    set(&server, "team", &json!({ "versions": 3, "rate": 1 })).expect_status(200);
    admin.send("POST", &restore, "").expect_status(200);
    assert_eq!(used(&server, "team")["versions"], 3);
    assert_eq!(admin.read("team/net").text(), tfstate(L1, 2));
}

#[test]
fn a_rollback_is_judged_with_all_that_it_brings() {
    let server = Server::start();
    let admin = moved_away(&server);
    let rollback = || {
        let path = format!("{}/rollback", state_path("team/net"));
        admin.post_json(&path, &json!({ "version": 1 }))
    };
    let refused = || {
        let path = format!("{}/rollback", state_path("team/net"));
        let ask = json!({ "version": 1, "dry_run": true });
        let told = admin.post_json(&path, &ask).expect_status(200).json();
        told["refused"][0]["code"].clone()
    };
    set(&server, "team", &json!({ "versions": 2 })).expect_status(200);
    assert_eq!(refused(), "quota_exceeded");
    exceeded(rollback(), "versions");
    admin.read("team/net").expect_problem(410, "moved");
    set(&server, "team", &json!({ "versions": 3, "rate": 1 })).expect_status(200);
    assert_eq!(refused(), Value::Null);
    rollback().expect_status(200);
    assert_eq!(used(&server, "team")["versions"], 3);
}

#[test]
fn a_state_of_refused_writes_alone_counts_once_a_rollback_makes_one_current() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    set(&server, "team", &json!({ "states": 1 })).expect_status(200);
    owner
        .write("team/a", tfstate(L1, 1), None)
        .expect_status(200);
    owner
        .write("team/b", tfstate(L1, 1), Some("no-lock"))
        .expect_problem(409, "stale_lock_id");
    let path = format!("{}/rollback", state_path("team/b"));
    exceeded(owner.post_json(&path, &json!({ "version": 1 })), "states");
    assert_eq!(used(&server, "team")["states"], 1);
    owner.delete("team/a").expect_status(200);
    owner
        .post_json(&path, &json!({ "version": 1 }))
        .expect_status(200);
}

#[test]
fn a_deleted_state_that_is_imported_is_no_state_more() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    set(&server, "team", &json!({ "states": 1 })).expect_status(200);
    owner
        .write("team/a", tfstate(L1, 1), None)
        .expect_status(200);
    let import = |query: &str| {
        let path = format!("{}/import{query}", state_path("team/gone"));
        owner.send("POST", &path, tfstate(L1, 1))
    };
    exceeded(import(""), "states");
    import("?deleted=true").expect_status(200);
    assert_eq!(used(&server, "team")["states"], 1);
}

#[test]
fn bytes_are_those_on_the_disk_and_come_back_with_pruning() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    let body = |serial| tfstate_noted(L1, serial, &noise(serial, 100_000));
    owner.write("team/net", body(1), None).expect_status(200);
    inside::compacted(server.data());
    let one = used(&server, "team")["bytes"].as_u64().expect("bytes");
    assert!((50_000..200_000).contains(&one), "{one}");
    set(&server, "team", &json!({ "bytes": 3 * one - 1 })).expect_status(200);
    owner.write("team/net", body(2), None).expect_status(200);
    exceeded(owner.write("team/net", body(3), None), "bytes");
    let prune = json!({ "policy": { "keep_last": 1 }, "workspace": "team" });
    let admin = server.admin();
    admin.post_json("/api/prune", &prune).expect_status(200);
    owner.write("team/net", body(3), None).expect_status(200);
    inside::compacted(server.data());
    // The triggers count as a count of all rows does.
    let counted = inside::stored_bytes(server.data());
    assert_eq!(used(&server, "team")["bytes"], counted);
    let purge = format!("{}/purge", state_path("team/net"));
    admin
        .post_json(&purge, &json!({ "versions": [2] }))
        .expect_status(200);
    assert_eq!(
        used(&server, "team")["bytes"],
        inside::stored_bytes(server.data())
    );
}

#[test]
fn writes_above_the_rate_are_told_when_to_come_again() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    set(&server, "team", &json!({ "rate": 3 })).expect_status(200);
    // A minute may end in between, and then another one has three again.
    let refused = (1..=8).find_map(|serial| {
        let answer = owner.write("team/net", tfstate(L1, serial), None);
        (answer.status != 200).then_some(answer)
    });
    let refused = refused
        .expect("of eight at most six are in two minutes")
        .expect_problem(429, "rate_exceeded");
    let wait: u64 = refused.header("retry-after").parse().expect("seconds");
    assert!((1..=60).contains(&wait), "{wait}");
    server
        .key("other", "writer")
        .write("other/net", tfstate(L1, 1), None)
        .expect_status(200);
}

#[test]
fn the_command_line_sets_shows_lists_and_clears() {
    let server = Setup::new().start();
    let cli = |args: &[&str]| {
        let output = server.cli(args);
        assert!(output.status.success(), "{args:?}: {output:?}");
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8(text).expect("text")
    };
    let told = cli(&["quota", "set", "team", "--bytes", "5GiB", "--rate", "60"]);
    assert!(
        told.contains("team may have 5.0 GiB, 60 versions a minute"),
        "{told}"
    );
    let list = cli(&["quota", "list"]);
    assert!(list.contains("team") && list.contains("5.0 GiB"), "{list}");
    let shown = cli(&["quota", "show", "team"]);
    assert!(shown.contains("0 states, 0 versions"), "{shown}");
    assert!(cli(&["quota", "clear", "team"]).contains("is gone"));
    assert!(!server.cli(&["quota", "set", "team"]).status.success());
}
