//! `GET /api/inventory`: what states are made of.

use serde_json::{Value, json};

use crate::harness::{Client, Server, eventually};

use super::L1;

fn body(version: &str, kinds: &[(&str, &str, usize)]) -> String {
    let resources: Vec<Value> = kinds
        .iter()
        .map(|(kind, provider, count)| {
            let instances: Vec<Value> = (0..*count)
                .map(|index| {
                    let mut one = json!({"attributes": {"id": "i", "password": "canary-p"}});
                    one["index_key"] = json!(index);
                    one
                })
                .collect();
            json!({
                "mode": "managed", "type": kind, "name": "a", "instances": instances,
                "provider": format!("provider[\"{provider}\"]"),
            })
        })
        .collect();
    json!({
        "version": 4, "terraform_version": version, "serial": 1, "lineage": L1,
        "outputs": {"o": {"value": "canary-o", "type": "string", "sensitive": true}},
        "resources": resources,
    })
    .to_string()
}

fn told() -> Server {
    let server = Server::start();
    let admin = server.admin();
    let net = body(
        "1.11.4",
        &[("vpc", "x.io/y/one", 2), ("host", "x.io/y/two", 3)],
    );
    let dns = body("1.9.0", &[("host", "x.io/y/two", 1)]);
    let sealed = json!({
        "serial": 1, "lineage": L1,
        "encrypted_data": "canary", "meta": {}, "encryption_version": "v0"
    });
    for (name, content) in [
        ("team/net", net),
        ("team/dns", dns.clone()),
        ("team/sealed", sealed.to_string()),
        ("rival/own", dns),
    ] {
        admin.write(name, content, None).expect_status(200);
    }
    admin.lock("team/only-locked", "held").expect_status(200);
    eventually("the index has all", || {
        admin.get("/api/search?q=host").json()["behind"] == 0
    });
    server
}

fn ask(who: &Client, query: &str) -> Value {
    let answer = who.get(&format!("/api/inventory{query}"));
    answer.expect_status(200).json()
}

#[test]
fn it_counts_what_is_known_and_says_what_is_not() {
    let server = told();
    let answer = ask(&server.key("team", "auditor"), "");
    assert!(!answer.to_string().contains("canary"), "{answer}");
    let rows: Vec<Value> = answer["states"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|row| {
            json!([
                row["buildingBlock"],
                row["terraform_version"],
                row["types"],
                row["providers"],
                row["not_counted"],
                row["locked_at"].is_null()
            ])
        })
        .collect();
    assert_eq!(
        json!(rows),
        json!([
            ["dns", "1.9.0", {"host": 1}, {"x.io/y/two": 1}, null, true],
            ["net", "1.11.4", {"vpc": 2, "host": 3}, {"x.io/y/one": 2, "x.io/y/two": 3},
                null, true],
            ["only-locked", null, null, null, "nothing_written", false],
            ["sealed", null, null, null, "encrypted", true],
        ])
    );
    let sums = &answer["sums"];
    assert_eq!(sums["states"], 4);
    assert_eq!(sums["not_counted"], 2);
    assert_eq!(sums["types"], json!({"vpc": 2, "host": 4}));
    assert_eq!(sums["providers"], json!({"x.io/y/one": 2, "x.io/y/two": 4}));
    assert_eq!(sums["terraform_versions"], json!({"1.9.0": 1, "1.11.4": 1}));
}

#[test]
fn it_is_paged_and_ends() {
    let server = told();
    let pages = super::pages(
        &server.admin(),
        "/api/inventory?workspace=team&limit=1",
        "states",
        "after",
    );
    let names: Vec<&Value> = pages
        .iter()
        .flatten()
        .map(|row| &row["buildingBlock"])
        .collect();
    assert_eq!(json!(names), json!(["dns", "net", "only-locked", "sealed"]));
}

#[test]
fn a_new_version_is_counted_or_said_to_be_behind_and_never_the_old_one() {
    let server = told();
    let admin = server.admin();
    let more = body("1.11.4", &[("vpc", "x.io/y/one", 7)]).replace("\"serial\":1", "\"serial\":2");
    admin.write("team/net", more, None).expect_status(200);
    eventually("the new one is counted", || {
        let answer = ask(&admin, "?workspace=team");
        let net = &answer["states"][1];
        assert_eq!(net["version"], 2);
        let is_behind = net["not_counted"] == "behind";
        assert!(is_behind || net["types"] == json!({"vpc": 7}), "{net}");
        !is_behind
    });
}

#[test]
fn a_key_sees_its_own_workspace_alone() {
    let server = told();
    for who in [
        server.key("rival", "auditor"),
        server.key("rival", "reader"),
    ] {
        let answer = ask(&who, "");
        assert_eq!(answer["sums"]["states"], 1, "{answer}");
        assert_eq!(answer["states"][0]["workspace"], "rival");
        assert_eq!(answer["sums"]["types"], json!({"host": 1}));
        assert_eq!(ask(&who, "?workspace=team")["states"], json!([]));
    }
    let outputs = server.key("team", "outputs");
    outputs
        .get("/api/inventory")
        .expect_problem(403, "forbidden");
}
