//! Who may make, see and remove trusts, and what makes none.

use serde_json::{Value, json};

use super::issuer::Issuer;
use super::make;
use crate::harness::Server;

#[test]
fn a_trust_is_made_listed_shown_and_removed() {
    let server = Server::start();
    let issuer = Issuer::new();
    let admin = server.admin();
    let mut wanted = issuer.trust("gitlab");
    wanted["buildingBlock"] = json!("{project_path}-x");
    wanted["expires_in"] = json!(3600);
    let made = make(&server, &wanted);
    for (member, value) in [
        ("name", json!("gitlab")),
        ("jwks_file", json!(issuer.file())),
        ("claims", wanted["claims"].clone()),
        ("workspace", json!("{namespace_path}")),
        ("buildingBlock", json!("{project_path}-x")),
        ("permissions", json!(["TFSTATE_SAVE", "TFSTATE_UNLOCK"])),
        ("once", json!(false)),
        ("status", json!("active")),
        ("last_used_at", Value::Null),
    ] {
        assert_eq!(made[member], value, "{member}");
    }
    let path = format!("/api/trusts/{}", made["id"].as_str().expect("an id"));
    assert_eq!(admin.get(&path).expect_status(200).json(), made);
    for number in 0..3 {
        make(&server, &issuer.trust(&format!("more {number}")));
    }
    let first = admin.get("/api/trusts?limit=3").expect_status(200).json();
    assert_eq!(first["trusts"][0], made);
    let next = first["next"].as_str().expect("a next page");
    let rest = admin
        .get(&format!("/api/trusts?after={next}"))
        .expect_status(200)
        .json();
    assert_eq!(rest["trusts"][0]["name"], "more 2");
    assert_eq!(rest["next"], Value::Null);
    let removed = admin.send("DELETE", &path, "").expect_status(200).json();
    assert_eq!(removed["id"], made["id"]);
}

#[test]
fn nobody_trusts_an_issuer_with_more_than_they_have() {
    let server = Server::start();
    let issuer = Issuer::new();
    let keys = server.key_with("", &["ADM_APIKEY_SAVE", "ADM_TFSTATE_LIST"]);
    let with = |role: &str, workspace: Value| {
        let mut trust = issuer.trust(role);
        (trust["role"], trust["workspace"]) = (json!(role), workspace);
        trust
    };
    keys.post_json("/api/trusts", &with("writer", json!("team")))
        .expect_problem(403, "forbidden");
    keys.post_json("/api/trusts", &with("admin", Value::Null))
        .expect_problem(403, "forbidden");
    keys.post_json("/api/trusts", &with("reader", json!("team")))
        .expect_status(201);
    let brief = server.make_key(&json!({"name": "brief", "role": "admin", "expires_in": 600}));
    let mut trust = with("reader", json!("team"));
    trust["name"] = json!("of brief");
    brief
        .post_json("/api/trusts", &trust)
        .expect_problem(403, "forbidden");
    trust["expires_in"] = json!(300);
    brief.post_json("/api/trusts", &trust).expect_status(201);
    let owner = server.key("team", "owner");
    owner
        .post_json("/api/trusts", &trust)
        .expect_problem(403, "forbidden");
    owner.get("/api/trusts").expect_problem(403, "forbidden");
}

#[test]
fn what_makes_no_trust_says_why() {
    let server = Server::start();
    let issuer = Issuer::new();
    let long = "x".repeat(600);
    let many: Value = (0..21)
        .map(|n| (format!("c{n}"), json!("x")))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let rows = [
        (json!({"name": ""}), "bad_request"),
        (json!({"issuer": ""}), "bad_request"),
        (json!({"issuer": "a b"}), "bad_request"),
        (json!({"issuer": long}), "bad_request"),
        (json!({"audience": ""}), "bad_request"),
        (json!({"jwks_file": null}), "bad_request"),
        (json!({"claims": {}}), "bad_request"),
        (json!({"claims": many}), "bad_request"),
        (json!({"claims": {"a": ""}}), "bad_request"),
        (json!({"claims": {"a": ["x"]}}), "bad_body"),
        (json!({"claims": null}), "bad_body"),
        (json!({"workspace": "{"}), "bad_request"),
        (json!({"workspace": "a/{b}"}), "bad_request"),
        (
            json!({"workspace": null, "buildingBlock": "{x}"}),
            "bad_request",
        ),
        (json!({"role": "king"}), "bad_request"),
        (json!({"role": []}), "bad_request"),
        (json!({"role": "admin"}), "bad_request"),
        (json!({"expires_in": 0}), "bad_request"),
        (json!({"jwks": {}}), "bad_body"),
    ];
    for (change, code) in rows {
        let mut trust = issuer.trust("gitlab");
        for (name, value) in change.as_object().expect("an object") {
            trust[name] = value.clone();
        }
        let answer = server.admin().post_json("/api/trusts", &trust);
        assert_eq!(answer.status, 400, "{change}: {}", answer.text());
        answer.expect_problem(400, code);
    }
    make(&server, &issuer.trust("gitlab"));
    let again = server
        .admin()
        .post_json("/api/trusts", &issuer.trust("gitlab"));
    again.expect_problem(409, "name_taken");
    server
        .admin()
        .get("/api/trusts/x")
        .expect_problem(400, "bad_address");
}
