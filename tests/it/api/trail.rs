//! `GET …/history/{address}`: the versions that changed an instance, or an attribute of it.

use serde_json::{Value, json};

use crate::harness::{Client, Server, state_path, tfstate_with};

use super::L1;

fn path(below: &str) -> String {
    format!("{}/history/{below}", state_path("team/net"))
}

#[track_caller]
fn trail(caller: &Client, below: &str) -> Value {
    caller.get(&path(below)).expect_status(200).json()
}

/// What happened in which version, newest first.
fn acts(answer: &Value) -> Vec<(u64, String)> {
    let changes = answer["changes"].as_array().expect("a list").iter();
    changes
        .map(|entry| {
            let number = entry["version"]["number"].as_u64().expect("a number");
            let act = entry["change"]["action"].as_str().expect("a text");
            (number, act.to_owned())
        })
        .collect()
}

fn expected(acts: &[(u64, &str)]) -> Vec<(u64, String)> {
    acts.iter()
        .map(|(number, act)| (*number, (*act).to_owned()))
        .collect()
}

fn instance(name: &str, attributes: &Value) -> Value {
    json!({
        "mode": "managed", "type": "t", "name": name, "provider": "p",
        "instances": [{"schema_version": 0, "attributes": attributes}]
    })
}

/// A state in which `t.a` comes, changes, becomes `t.b`, changes in what is secret, and goes.
fn with_history() -> (Server, Client) {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let of = |n: u64, secret: &str| {
        let tags = json!({"Name": format!("x{n}")});
        json!({"id": "i-1", "n": n, "password": secret, "tags": tags})
    };
    let other = |n: u64| instance("other", &json!({"id": "o", "n": n}));
    let versions = [
        json!([instance("a", &of(1, "canary")), other(1)]),
        json!([instance("a", &of(2, "canary")), other(1)]),
        json!([instance("a", &of(2, "canary")), other(2)]),
        json!([instance("b", &of(2, "canary")), other(2)]),
        json!([instance("b", &of(2, "canary-2")), other(2)]),
        json!([other(2)]),
    ];
    for (serial, resources) in (1..).zip(&versions) {
        let body = tfstate_with(L1, serial, "x", resources);
        writer.write("team/net", body, None).expect_status(200);
    }
    (server, writer)
}

const ALL: &[(u64, &str)] = &[
    (6, "removed"),
    (5, "changed"),
    (4, "moved"),
    (2, "changed"),
    (1, "added"),
];

#[test]
fn an_instance_is_followed_through_its_versions_and_its_move() {
    let (server, _writer) = with_history();
    let reader = server.key("team", "reader");
    let whole = trail(&reader, "t.b");
    assert_eq!(acts(&whole), expected(ALL));
    assert_eq!((&whole["gaps"], &whole["next"]), (&json!([]), &Value::Null));
    assert!(!whole.to_string().contains("canary"), "{whole}");
    let moved = &whole["changes"][2];
    assert_eq!(
        (
            &moved["from"],
            &moved["change"]["previous_address"],
            &moved["change"]["address"]
        ),
        (&json!(3), &json!("t.a"), &json!("t.b"))
    );
    assert_eq!(moved["version"]["created_by"]["name"], "writer of team");
    assert_eq!(
        whole["changes"][1]["change"]["attributes"],
        json!([{"path": "password", "hidden": true}])
    );
    assert_eq!(whole["changes"][4]["from_reason"], "first");
    let old = trail(&reader, "t.a");
    assert_eq!(acts(&old), expected(&ALL[2..]), "it left that address");
    assert_eq!(
        acts(&trail(&reader, "t.other")),
        expected(&[(3, "changed"), (1, "added")])
    );
    assert_eq!(acts(&trail(&reader, "t.none")), []);
}

#[test]
fn an_attribute_has_a_history_of_its_own_with_its_values() {
    let (_server, writer) = with_history();
    let of = |attribute: &str| trail(&writer, &format!("t.b?attribute={attribute}"));
    let n = of("n");
    let touched = [ALL[0], ALL[2], ALL[3], ALL[4]];
    assert_eq!(acts(&n), expected(&touched));
    let values = |entry: &Value| entry["change"]["attributes"].clone();
    assert_eq!(
        values(&n["changes"][0]),
        json!([{"path": "n", "before": 2}])
    );
    assert_eq!(values(&n["changes"][1]), json!([]), "it only moved");
    assert_eq!(
        values(&n["changes"][2]),
        json!([{"path": "n", "before": 1, "after": 2}])
    );
    assert_eq!(values(&n["changes"][3]), json!([{"path": "n", "after": 1}]));
    let name = of("tags.Name");
    assert_eq!(
        values(&name["changes"][2]),
        json!([{"path": "tags.Name", "before": "x1", "after": "x2"}])
    );
    let secret = of("password");
    assert_eq!(acts(&secret), expected(&[ALL[0], ALL[1], ALL[2], ALL[4]]));
    assert!(!secret.to_string().contains("canary"), "{secret}");
    assert_eq!(
        acts(&of("none")),
        expected(&[ALL[2]]),
        "the move goes with each"
    );
}

#[test]
fn a_history_goes_on_where_the_page_before_ended() {
    let (_server, writer) = with_history();
    let (mut found, mut below) = (Vec::new(), "t.b?limit=1".to_owned());
    for _ in 0..10 {
        let page = trail(&writer, &below);
        assert!(acts(&page).len() <= 1, "{page}");
        found.extend(acts(&page));
        let next = &page["next"];
        let (Some(address), Some(before)) = (next["address"].as_str(), next["before"].as_u64())
        else {
            break;
        };
        below = format!("{address}?limit=1&before={before}");
    }
    assert_eq!(found, expected(ALL));
    writer
        .get(&path("t.b?limit=0"))
        .expect_problem(400, "bad_query");
    writer
        .get(&format!("{}/history/t.b", state_path("team/none")))
        .expect_problem(404, "no_state");
}

#[test]
fn versions_that_cannot_be_compared_are_named_and_rejected_ones_are_not_looked_at() {
    let (server, writer) = with_history();
    let sealed = json!({
        "serial": 7, "lineage": L1, "meta": {"k": "v"}, "encrypted_data": "c2VjcmV0",
        "encryption_version": "v0"
    });
    writer
        .write("team/net", sealed.to_string(), None)
        .expect_status(200);
    let stale = tfstate_with(L1, 1, "y", &json!([instance("b", &json!({"id": "z"}))]));
    writer.write("team/net", stale, None).expect_status(409);
    let admin = server.admin();
    let purge = format!("{}/purge", state_path("team/net"));
    admin
        .send("POST", &purge, json!({"versions": [2]}).to_string())
        .expect_status(200);
    let found = trail(&writer, "t.b");
    assert_eq!(acts(&found), expected(&[ALL[0], ALL[1], ALL[2], ALL[4]]));
    let gaps = found["gaps"].as_array().expect("a list").iter();
    let gaps: Vec<_> = gaps
        .map(|gap| (gap["version"].clone(), gap["not_compared"]["code"].clone()))
        .collect();
    assert_eq!(
        gaps,
        [
            (json!(7), json!("encrypted")),
            (json!(3), json!("purged")),
            (json!(2), json!("purged"))
        ]
    );
}
