//! `GET …/versions/{number}/resources` and one of them: the instances of a version, masked.

use serde_json::{Value, json};

use crate::harness::{Client, Server, state_path, tfstate};

use super::L1;

const AWS: &str = "provider[\"registry.terraform.io/hashicorp/aws\"]";

fn path(below: &str) -> String {
    format!("{}/versions/1/resources{below}", state_path("team/net"))
}

#[track_caller]
fn get(caller: &Client, below: &str) -> Value {
    caller.get(&path(below)).expect_status(200).json()
}

/// The addresses of a page.
#[track_caller]
fn addresses(caller: &Client, query: &str) -> Vec<String> {
    let list = get(caller, query);
    let rows = list["resources"].as_array().expect("a list").iter();
    rows.map(|row| row["address"].as_str().expect("a text").to_owned())
        .collect()
}

fn instance(key: &Value, attributes: &Value, dependencies: &[&str]) -> Value {
    json!({
        "index_key": key, "schema_version": 3, "attributes": attributes,
        "sensitive_attributes": [], "dependencies": dependencies
    })
}

fn body() -> String {
    let mut secret = instance(
        &Value::Null,
        &json!({"id": "db-1", "size": 1, "marked": {"canary-name": 1}, "password": "canary"}),
        &["module.net.aws_subnet.s", "aws_gone.g"],
    );
    secret["sensitive_attributes"] = json!([
        [{"type": "get_attr", "value": "marked"}, {"type": "get_attr", "value": "canary-name"}],
        [{"type": "get_attr", "value": "marked"}]
    ]);
    secret["status"] = json!("tainted");
    let subnets: Vec<Value> = [2, 10]
        .map(|key| instance(&json!(key), &json!({"id": format!("s-{key}")}), &[]))
        .to_vec();
    let odd = instance(&json!("a/b%.\"]["), &json!({"id": "odd"}), &["aws_db.main"]);
    let of = |module: Option<&str>, kind: &str, name: &str, instances: &[Value]| {
        let mut resource = json!({
            "mode": "managed", "type": kind, "name": name, "provider": AWS, "instances": instances
        });
        if let Some(module) = module {
            resource["module"] = json!(module);
        }
        resource
    };
    json!({
        "version": 4, "terraform_version": "1.11.4", "serial": 1, "lineage": L1, "outputs": {},
        "resources": [
            of(Some("module.net[\"x].y\"]"), "aws_subnet", "s", &subnets),
            of(None, "aws_db", "main", &[secret]),
            of(None, "aws_odd", "o", &[odd]),
        ],
    })
    .to_string()
}

const DB: &str = "aws_db.main";
const ODD: &str = r#"aws_odd.o["a/b%.\"]["]"#;
const FIRST: &str = r#"module.net["x].y"].aws_subnet.s[2]"#;
const SECOND: &str = r#"module.net["x].y"].aws_subnet.s[10]"#;

fn with_resources() -> (Server, Client) {
    let server = Server::start();
    let writer = server.key("team", "writer");
    writer.write("team/net", body(), None).expect_status(200);
    (server, writer)
}

/// A text as a part of an address.
fn part(text: &str) -> String {
    text.bytes()
        .fold(String::new(), |part, byte| format!("{part}%{byte:02X}"))
}

#[test]
fn they_are_listed_in_order_with_secrets_hidden() {
    let (server, _writer) = with_resources();
    let reader = server.key("team", "reader");
    let list = get(&reader, "");
    assert!(!list.to_string().contains("canary"), "{list}");
    assert_eq!(
        (
            &list["version"],
            &list["encrypted"],
            &list["not_shown"],
            &list["next"]
        ),
        (&json!(1), &json!(false), &Value::Null, &Value::Null)
    );
    assert_eq!(addresses(&reader, ""), [DB, ODD, FIRST, SECOND]);
    assert_eq!(
        list["resources"][0],
        json!({
            "address": DB, "module": null, "mode": "managed", "type": "aws_db", "name": "main",
            "index_key": null, "provider": AWS, "id": "db-1", "status": "tainted", "deposed": [],
            "sensitive": ["marked"], "hidden_inside": true,
            "attributes": {
                "id": "db-1", "size": 1, "marked": "(hidden)", "password": "(hidden)"
            }
        })
    );
    assert_eq!(list["resources"][2]["index_key"], 2);
}

#[test]
fn pages_follow_each_other_and_filters_narrow_them() {
    let (_server, writer) = with_resources();
    let (mut query, mut found) = ("?limit=1".to_owned(), Vec::new());
    loop {
        let page = get(&writer, &query);
        found.extend(addresses(&writer, &query));
        let Some(next) = page["next"].as_str() else {
            break;
        };
        query = format!("?limit=1&after={}", part(next));
    }
    assert_eq!(found, [DB, ODD, FIRST, SECOND]);
    assert_eq!(addresses(&writer, "?type=aws_subnet"), [FIRST, SECOND]);
    assert_eq!(addresses(&writer, "?prefix=aws_"), [DB, ODD]);
    assert_eq!(addresses(&writer, "?prefix=aws_&type=aws_odd"), [ODD]);
    assert!(addresses(&writer, "?type=aws").is_empty());
    for query in ["?after=aws_db.other", "?limit=0", "?sensitive=true"] {
        writer.get(&path(query)).expect_problem(400, "bad_query");
    }
}

#[test]
fn one_is_shown_with_what_it_depends_on_and_what_needs_it() {
    let (_server, writer) = with_resources();
    let db = get(&writer, &format!("/{DB}"))["resource"].clone();
    assert!(!db.to_string().contains("canary"), "{db}");
    assert_eq!(
        (&db["depends_on"], &db["needed_by"], &db["schema_version"]),
        (
            &json!([FIRST, SECOND, "aws_gone.g"]),
            &json!([ODD]),
            &json!(3)
        )
    );
    for address in [ODD, SECOND] {
        let found = get(&writer, &format!("/{}", part(address)));
        assert_eq!(found["resource"]["address"], address);
    }
    let second = get(&writer, &format!("/{}", part(SECOND)));
    assert_eq!(second["resource"]["needed_by"], json!([DB]));
    for none in ["aws_db.other", "aws_odd.o", "%FF", "module.net"] {
        writer
            .get(&path(&format!("/{none}")))
            .expect_problem(404, "no_resource");
    }
}

#[test]
fn there_are_none_where_a_version_cannot_be_looked_into_or_is_not_there() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let sealed = json!({
        "serial": 1, "lineage": L1, "meta": {"k": "v"}, "encrypted_data": "c2VjcmV0",
        "encryption_version": "v0"
    });
    writer
        .write("team/net", sealed.to_string(), None)
        .expect_status(200);
    for (below, member) in [("", "resources"), ("/aws_db.main", "resource")] {
        let answer = get(&writer, below);
        assert_eq!(
            (
                &answer[member],
                &answer["encrypted"],
                &answer["not_shown"]["code"]
            ),
            (&Value::Null, &json!(true), &json!("encrypted"))
        );
        let of = |name: &str, number: u64| {
            let state = state_path(name);
            writer.get(&format!("{state}/versions/{number}/resources{below}"))
        };
        of("team/net", 2).expect_problem(404, "no_version");
        of("team/none", 1).expect_problem(404, "no_state");
    }
    writer
        .write("team/net", tfstate(L1, 2), None)
        .expect_status(200);
    let admin = server.admin();
    let purge = format!("{}/purge", state_path("team/net"));
    admin
        .send("POST", &purge, json!({"versions": [1]}).to_string())
        .expect_status(200);
    writer.get(&path("")).expect_problem(410, "purged");
}

#[test]
fn attributes_that_are_too_long_for_a_list_are_shown_alone() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let long = "x y ".repeat(20_000);
    let state = json!({
        "version": 4, "terraform_version": "1.11.4", "serial": 1, "lineage": L1, "outputs": {},
        "resources": [{
            "mode": "managed", "type": "t", "name": "n", "provider": AWS,
            "instances": [{"attributes": {"id": "i", "text": long}}]
        }],
    });
    writer
        .write("team/net", state.to_string(), None)
        .expect_status(200);
    let row = get(&writer, "")["resources"][0].clone();
    assert_eq!(
        (&row["too_long"], row.get("attributes")),
        (&json!(true), None)
    );
    let alone = get(&writer, "/t.n")["resource"].clone();
    assert_eq!(alone["attributes"]["text"], long.as_str());
    assert_eq!(alone.get("too_long"), None);
}
