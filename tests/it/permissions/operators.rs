//! Who may list, see events, hold, prune, set policies, and make keys and tokens.

use serde_json::{Value, json};

use super::{CAST, Stage, instead_of_200, may, net};
use crate::harness::Client;
use crate::trusts::issuer::any_trust;

#[test]
fn lists_events_and_the_server() {
    let stage = Stage::new();
    stage.reset();
    stage.get("/api/terraform/state", may::LIST);
    stage.get("/api/search?q=net", may::LIST);
    stage.get("/api/inventory", may::LIST);
    stage.get("/api/activity", may::LIST);
    stage.get("/api/events", may::SEE_EVENTS);
    stage.get("/api/events/head", may::SEE_EVENTS);
    stage.get("/api/status", may::SEE_STATUS);
    stage.get("/api/verify", may::OPERATE);
    stage.get("/api/backup", may::OPERATE);
    stage.row("POST /api/verify", may::OPERATE, |who, _| {
        who.post_json("/api/verify", &json!({"quick": true}))
    });
    stage.row("POST /api/terraform/detect", may::DO_ANYWAY, |who, _| {
        who.post_json("/api/terraform/detect", &json!({"files": {}}))
    });
    stage.get("/api/openapi.json", [200; 15]);
    stage.get("/healthz", [200; 15]);
    stage.get("/readyz", [200; 15]);
    stage.get("/", [200; 15]);
}

#[test]
fn acknowledging_events_of_a_state_takes_the_log_and_the_right_to_write() {
    let stage = Stage::new();
    let admin = stage.server.admin();
    admin.lock("team/net", "lost").expect_status(200);
    stage.reset();
    let seq = admin.events("kind=lock.break")[0]["seq"].clone();
    // Those of other addresses see no such event.
    let expected = [
        401, 403, 403, 403, 403, 200, 403, 200, 404, 200, 404, 403, 403, 403, 403,
    ];
    stage.row("acknowledge", expected, |who, _| {
        who.post_json(&format!("/api/events/{seq}/acknowledge"), &json!({}))
    });
}

#[test]
fn holding_pruning_and_policies() {
    let stage = Stage::new();
    stage.reset();
    let policy = json!({"keep_last": 1_000_000});
    stage.row("hold", may::OPERATE, |who, _| {
        who.post_json(&net("/versions/1/hold"), &json!({"reason": "known good"}))
    });
    stage.row(
        "hold, with no body",
        instead_of_200(may::OPERATE, 400),
        |who, _| who.send("POST", &net("/versions/1/hold"), ""),
    );
    stage.row("release", may::OPERATE, |who, _| {
        who.send("DELETE", &net("/versions/1/hold"), "")
    });
    stage.row("prune", may::OPERATE, |who, _| {
        who.post_json("/api/prune", &json!({"policy": policy}))
    });
    stage.row("prune, only to look", may::OPERATE, |who, _| {
        who.post_json("/api/prune", &json!({"policy": policy, "dry_run": true}))
    });
    stage.row("set a policy", may::OPERATE, |who, _| {
        Client::ask(who.request("PUT", "/api/retention/team").json(&policy))
    });
    stage.get("/api/retention", may::OPERATE);
    stage.get("/api/retention/team", may::OPERATE);
    stage.row("unset a policy", may::OPERATE, |who, _| {
        who.send("DELETE", "/api/retention/team", "")
    });
    let quota = json!({"versions": 1_000});
    stage.row("set a quota", may::OPERATE, |who, _| {
        Client::ask(who.request("PUT", "/api/quotas/team").json(&quota))
    });
    stage.get("/api/storage", may::OPERATE);
    stage.get("/api/quotas", may::OPERATE);
    stage.get("/api/quotas/team", may::OPERATE);
    stage.row("clear a quota", may::OPERATE, |who, _| {
        who.send("DELETE", "/api/quotas/team", "")
    });
    stage.row("trust the clock", may::OPERATE, |who, _| {
        who.send("POST", "/api/clock", "")
    });
    let operator = stage.server.key_with("", &["ADM_OPERATE"]);
    operator
        .post_json(&net("/versions/1/hold"), &json!({"reason": "known good"}))
        .expect_status(200);
    operator
        .post_json("/api/prune", &json!({"policy": policy}))
        .expect_status(200);
    operator.read("team/net").expect_problem(403, "forbidden");
}

#[test]
fn keys() {
    let stage = Stage::new();
    let victim = || stage.server.key("team", "reader").key_id;
    let id = victim();
    let created = instead_of_200(may::OPERATE, 201);
    let body = |serial: u64| -> Value {
        json!({
            "name": format!("new {serial}"), "workspace": "team", "role": "reader",
            "expires_in": 600
        })
    };
    stage.get("/api/keys", may::OPERATE);
    stage.get(&format!("/api/keys/{id}"), may::OPERATE);
    stage.row("POST /api/keys", created, |who, serial| {
        who.post_json("/api/keys", &body(serial))
    });
    stage.row("rotate", may::OPERATE, |who, _| {
        who.post_json(&format!("/api/keys/{id}/rotate"), &json!({}))
    });
    stage.row("revoke", may::OPERATE, |who, _| {
        who.send("DELETE", &format!("/api/keys/{id}"), "")
    });
    assert_eq!(
        stage.server.admin().get(&format!("/api/keys/{id}")).json()["status"],
        "revoked",
        "by the admin alone"
    );
}

#[test]
fn trusts() {
    let stage = Stage::new();
    let trust = any_trust(&stage.server, "first");
    let first = stage.server.admin().post_json("/api/trusts", &trust);
    let id = first.expect_status(201).json()["id"].clone();
    let path = format!("/api/trusts/{}", id.as_str().expect("an id"));
    let created = instead_of_200(may::OPERATE, 201);
    stage.get("/api/trusts", may::OPERATE);
    stage.get(&path, may::OPERATE);
    stage.row("POST /api/trusts", created, |who, serial| {
        let mut next = trust.clone();
        next["name"] = json!(format!("new {serial}"));
        who.post_json("/api/trusts", &next)
    });
    stage.row("remove", may::OPERATE, |who, _| {
        who.send("DELETE", &path, "")
    });
}

#[test]
fn tokens() {
    let stage = Stage::new();
    let planner = &stage.cast[3];
    let end = instead_of_200(may::EXTEND, 204);
    let fresh = || json!({"token": stage.server.token(planner, json!({})).secret()});
    stage.row("extend the planner's token", may::EXTEND, |who, _| {
        who.post_json("/api/token/extend", &fresh())
    });
    for (index, expected) in end
        .into_iter()
        .enumerate()
        .filter(|(index, _)| *index != 11 && *index != 12)
    {
        let answer = stage.cast[index].send("DELETE", "/api/token", fresh().to_string());
        assert_eq!(
            answer.status.as_u16(),
            expected,
            "end the planner's token as {}: {}",
            CAST[index],
            answer.text()
        );
    }
    stage.cast[11]
        .send("DELETE", "/api/token", "")
        .expect_status(204);
    stage.cast[12]
        .send("DELETE", "/api/token", "")
        .expect_status(204);
}
