//! `GET /api/search`: what is found in current versions, by what, by whom, and what never is.

use serde_json::{Value, json};

use crate::harness::{Client, Server, Setup, eventually, state_path, tfstate};
use crate::inside;

use super::{L1, pages};

const SEARCH: &str = "/api/search";

/// A state whose one instance has these attributes and marks.
fn state(serial: u64, name: &str, attributes: &Value, marks: &Value) -> String {
    json!({
        "version": 4, "terraform_version": "1.11.4", "serial": serial, "lineage": L1,
        "outputs": {
            "endpoint_of_it": {"value": "front.example.org", "type": "string"},
            "hushed_output": {"value": "hushed.example.org", "type": "string", "sensitive": true}
        },
        "resources": [{
            "module": "module.net", "mode": "managed", "type": "aws_instance", "name": name,
            "provider": "provider[\"registry.terraform.io/hashicorp/aws\"]",
            "instances": [{
                "index_key": "blue", "schema_version": 1, "attributes": attributes,
                "sensitive_attributes": marks
            }]
        }],
        "check_results": null
    })
    .to_string()
}

/// A state whose instance has this id and nothing else.
fn with_id(serial: u64, id: &str) -> String {
    state(serial, "web", &json!({ "id": id }), &json!([]))
}

/// Waits until the index is up to date with all states.
fn indexed(server: &Server) {
    eventually("the index is up to date", || {
        inside::number(server.data(), "SELECT count(*) FROM pending_words") == 0
    });
}

fn search(caller: &Client, query: &str) -> Value {
    caller
        .get(&format!("{SEARCH}?{query}"))
        .expect_status(200)
        .json()
}

/// What is found, as `W/B KIND ADDRESS`.
fn found(caller: &Client, query: &str) -> Vec<String> {
    let answer = search(caller, query);
    let rows = answer["found"].as_array().expect("a list").iter();
    let text = |row: &Value, name: &str| row[name].as_str().expect("a text").to_owned();
    rows.map(|row| {
        format!(
            "{}/{} {} {}",
            text(row, "workspace"),
            text(row, "buildingBlock"),
            text(row, "kind"),
            text(row, "address")
        )
    })
    .collect()
}

const INSTANCE: &str = "team/net resource module.net.aws_instance.web[\"blue\"]";

/// Words by which [`full`] is found.
const FOUND_BY: [&str; 16] = [
    "module.net",
    "aws_instance",
    "AWS_INSTANCE.web",
    "blue",
    "i-0abc",
    "0abc123",
    "arn:aws:ec2",
    "instance/i-0abc123",
    "frontend",
    "10.20.30.40",
    "10.77.0.0/16",
    "compute.internal",
    "2001:db8::77",
    "payments",
    "team%3Dpayments",
    "payments%20frontend",
];
/// Words that are masked, or that nothing is found by.
const NOT_FOUND_BY: [&str; 11] = [
    "tagsecret",
    "named.secret",
    "marked.example",
    "marked",
    "glpat",
    "shapedsecret0123456789",
    "sibling",
    "hushed.example.org",
    "unsearchable",
    "hidden",
    "payments%20nothing",
];

/// A state whose instance has each kind of value, and secrets by mark, name, shape and sibling.
fn full() -> String {
    let attributes = json!({
        "id": "i-0abc123", "arn": "arn:aws:ec2:eu-west-1:123456789012:instance/i-0abc123",
        "instance_name": "Frontend", "private_ip": "10.20.30.40", "cidr": "10.77.0.0/16",
        "private_dns": "ip-10-20.eu-west-1.compute.internal", "user_data": "unsearchable prose",
        "ipv6": "2001:db8::77",
        "tags": {"Team": "payments", "db_password": "tagsecret"},
        "password": "named.secret.example.org", "host": "marked.example.org",
        "name": "glpat-shapedsecret0123456789",
        "env": [{"name": "API_TOKEN", "value": "sibling.secret.example.org"}]
    });
    let marks = json!([[{"type": "get_attr", "value": "host"}]]);
    state(1, "web", &attributes, &marks)
}

#[test]
fn an_instance_is_found_by_each_kind_of_value_and_by_no_secret() {
    let server = Server::start();
    let admin = server.admin();
    admin.write("team/net", full(), None).expect_status(200);
    indexed(&server);
    for word in FOUND_BY {
        let query = format!("q={word}&kind=resource");
        assert_eq!(found(&admin, &query), [INSTANCE], "{word}");
    }
    for word in NOT_FOUND_BY {
        let query = format!("q={word}");
        assert_eq!(found(&admin, &query), Vec::<String>::new(), "{word}");
    }
    let output = "team/net output endpoint_of_it";
    assert_eq!(found(&admin, "q=endpoint"), [output]);
    assert_eq!(found(&admin, "q=front.example"), [output]);
    assert_eq!(found(&admin, "q=hushed"), ["team/net output hushed_output"]);
    assert_eq!(found(&admin, "q=team%2Fnet"), ["team/net state team/net"]);
    let row = &search(&admin, "q=10.20.30")["found"][0];
    assert_eq!(row["version"], 1);
    assert_eq!(row["type"], "aws_instance");
    assert_eq!(row["provider"], "registry.terraform.io/hashicorp/aws");
    let texts = json!([{"path": "private_ip", "value": "10.20.30.40"}]);
    assert_eq!(row["texts"], texts);
}

#[test]
fn the_index_has_no_secret() {
    let server = Server::start();
    let admin = server.admin();
    admin.write("team/net", full(), None).expect_status(200);
    indexed(&server);
    let sql = "SELECT group_concat(texts) || (SELECT group_concat(word) FROM found_words) \
        FROM found_entries";
    let index: String = inside::open(server.data())
        .query_row(sql, [], |row| row.get(0))
        .expect("the index");
    assert!(index.contains("payments"), "the control: {index}");
    for secret in [
        "tagsecret",
        "secret.example",
        "marked",
        "shapedsecret",
        "hushed.example",
    ] {
        assert!(!index.contains(secret), "{secret} is in the index");
    }
}

#[test]
fn filters_and_bad_questions() {
    let server = Server::start();
    let admin = server.admin();
    admin
        .write("team/net", with_id(1, "i-1"), None)
        .expect_status(200);
    indexed(&server);
    for (query, count) in [
        ("q=web&type=aws_instance", 1),
        ("q=web&type=aws", 0),
        ("q=web&provider=aws", 1),
        ("q=web&provider=hashicorp/aws", 1),
        ("q=web&provider=ws", 0),
        ("q=net&kind=state", 1),
        ("q=net&kind=output", 0),
        ("q=web&workspace=team", 1),
        ("q=web&workspace=other", 0),
        ("q=web&buildingBlock=net", 1),
        ("q=web&buildingBlock=other", 0),
        ("q=web&workspace=team&buildingBlock=net", 1),
    ] {
        assert_eq!(found(&admin, query).len(), count, "{query}");
    }
    let long = format!("q={}", "a".repeat(257));
    for bad in [
        "",
        "q=",
        "q=--",
        "q=a+b+c+d+e+f+g+h+i",
        &long,
        "q=a&kind=x",
        "q=a&after=/",
        "q=a&limit=0",
        "q=a&limit=1001",
        "q=a&workspace=a/b",
    ] {
        admin
            .get(&format!("{SEARCH}?{bad}"))
            .expect_problem(400, "bad_query");
    }
}

#[test]
fn only_what_the_scope_reaches_is_found() {
    let server = Server::start();
    let admin = server.admin();
    for name in ["a/one", "a/two", "b/one"] {
        admin
            .write(name, with_id(1, "i-shared"), None)
            .expect_status(200);
    }
    indexed(&server);
    let states = |caller: &Client| {
        let rows = found(caller, "q=shared");
        let names = rows
            .iter()
            .map(|row| row.split(' ').next().expect("a name").to_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(states(&admin), ["a/one", "a/two", "b/one"]);
    assert_eq!(states(&server.key("a", "reader")), ["a/one", "a/two"]);
    assert_eq!(states(&server.key("a/two", "reader")), ["a/two"]);
    assert!(states(&server.key("c", "reader")).is_empty());
    let reader = server.key("b", "reader");
    assert!(found(&reader, "q=shared&workspace=a").is_empty());
    assert!(found(&reader, "q=shared&after=a/one").len() == 1);
    for role in ["outputs", "planner"] {
        server
            .key("a", role)
            .get(&format!("{SEARCH}?q=shared"))
            .expect_status(403);
    }
}

#[test]
fn pages_follow_each_other_and_miss_nothing() {
    let server = Server::start();
    let admin = server.admin();
    let mut expected = Vec::new();
    for name in ["a/one", "a/two", "b/one"] {
        admin
            .write(name, with_id(1, "i-9"), None)
            .expect_status(200);
        for entry in [
            format!("{name} resource module.net.aws_instance.web[\"blue\"]"),
            format!("{name} output endpoint_of_it"),
        ] {
            expected.push(entry);
        }
    }
    indexed(&server);
    for limit in [1, 2, 5, 50] {
        let (mut all, mut after) = (Vec::new(), String::new());
        loop {
            let query = format!("q=e&limit={limit}{after}");
            let rows = found(&admin, &query);
            assert!(rows.len() <= limit, "{query}");
            all.extend(rows);
            match search(&admin, &query)["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        all.retain(|row| row.contains("endpoint"));
        let endpoints = expected.iter().filter(|row| row.contains("endpoint"));
        assert_eq!(
            all,
            endpoints.cloned().collect::<Vec<_>>(),
            "{limit} a page"
        );
    }
}

#[test]
fn what_is_found_follows_the_current_version() {
    let server = Server::start();
    let admin = server.admin();
    let is_found = |word: &str| {
        indexed(&server);
        found(&admin, &format!("q={word}")).len() == 1
    };
    admin
        .write("team/net", with_id(1, "i-first"), None)
        .expect_status(200);
    assert!(is_found("first"));
    admin
        .write("team/net", with_id(2, "i-second"), None)
        .expect_status(200);
    assert!(found(&admin, "q=first").is_empty(), "at once");
    assert!(is_found("second") && !is_found("first"));
    let path = state_path("team/net");
    admin
        .post_json(&format!("{path}/rollback"), &json!({"version": 1}))
        .expect_status(200);
    assert!(found(&admin, "q=second").is_empty(), "at once");
    assert!(is_found("first"));
    admin.send("DELETE", &path, "").expect_status(200);
    assert!(found(&admin, "q=first").is_empty(), "at once");
    assert!(found(&admin, "q=team/net").is_empty());
    indexed(&server);
    let left = "SELECT (SELECT count(*) FROM found_words) + (SELECT count(*) FROM found_entries)";
    assert_eq!(
        inside::number(server.data(), left),
        0,
        "nothing is left of a deleted state"
    );
    admin
        .send("POST", &format!("{path}/restore"), "")
        .expect_status(200);
    assert!(is_found("first"));
    let to = json!({"workspace": "other", "buildingBlock": "place"});
    admin
        .post_json(&format!("{path}/move"), &to)
        .expect_status(200);
    assert!(
        found(&admin, "q=first&workspace=team").is_empty(),
        "at once"
    );
    indexed(&server);
    assert_eq!(
        found(&admin, "q=first"),
        ["other/place resource module.net.aws_instance.web[\"blue\"]"]
    );
    let old = "SELECT count(*) FROM found_words WHERE workspace = 'team'";
    assert_eq!(inside::number(server.data(), old), 0);
}

#[test]
fn a_version_that_changes_no_name_is_found_as_the_current_one_and_a_new_secret_is_not() {
    let server = Server::start();
    let admin = server.admin();
    let write = |name: &str, serial: u64, marks: &Value| {
        let attributes = json!({"id": "i-steady", "count": serial, "bucket": "pail"});
        let state = state(serial, "web", &attributes, marks);
        admin.write(name, state, None).expect_status(200);
    };
    let version_of = |word: &str| {
        indexed(&server);
        let answer = search(&admin, &format!("q={word}"));
        assert_eq!(answer["behind"], 0);
        answer["found"][0]["version"].as_u64()
    };
    for serial in 1..=3 {
        write("team/net", serial, &json!([]));
        assert_eq!(version_of("steady"), Some(serial));
    }
    write(
        "team/net",
        4,
        &json!([[{"type": "get_attr", "value": "id"}]]),
    );
    assert_eq!(version_of("steady"), None, "the id is secret now");
    assert_eq!(version_of("pail"), Some(4));
    write("team/net", 5, &json!([]));
    assert_eq!(version_of("steady"), Some(5));
    // It has another name, and the rest is as it was.
    let to = json!({"workspace": "team", "buildingBlock": "place"});
    admin
        .post_json(&format!("{}/move", state_path("team/net")), &to)
        .expect_status(200);
    write("team/place", 6, &json!([]));
    assert_eq!(version_of("steady"), Some(6));
    assert_eq!(found(&admin, "q=team/place&kind=state").len(), 1);
    assert!(found(&admin, "q=team/net&kind=state").is_empty());
}

#[test]
fn a_state_that_cannot_be_looked_into_is_found_by_its_name_alone() {
    let server = Server::start();
    let admin = server.admin();
    let sealed = json!({
        "serial": 1, "lineage": L1, "meta": {"key_provider.pbkdf2.k": "e30="},
        "encrypted_data": "c2VhbGVk", "encryption_version": "v0"
    });
    admin
        .write("team/sealed", sealed.to_string(), None)
        .expect_status(200);
    indexed(&server);
    assert_eq!(found(&admin, "q=sealed"), ["team/sealed state team/sealed"]);
    assert_eq!(search(&admin, "q=sealed")["behind"], 0);
}

#[test]
fn purged_words_are_in_no_file() {
    let server = Server::start();
    let admin = server.admin();
    // Many of them, so that pages are split and rows move between them.
    let leaked = |serial: u64| {
        let tags: Value = (0..60)
            .map(|number| {
                (
                    format!("t{number:02}"),
                    json!(format!("leakedword{number:02}")),
                )
            })
            .collect::<serde_json::Map<_, _>>()
            .into();
        state(
            serial,
            "web",
            &json!({"id": "i-1", "tags": tags}),
            &json!([]),
        )
    };
    for number in 0..20 {
        let name = format!("team/other{number}");
        admin
            .write(&name, with_id(1, &format!("i-{number:04}")), None)
            .expect_status(200);
    }
    admin.write("team/net", leaked(1), None).expect_status(200);
    indexed(&server);
    assert!(holds(&server, "leakedword07"), "the control");
    admin
        .write("team/net", with_id(2, "i-2"), None)
        .expect_status(200);
    let body = json!({"versions": [1]});
    let answer = admin.post_json(&format!("{}/purge", state_path("team/net")), &body);
    assert_eq!(answer.expect_status(200).json()["erased"], true);
    for number in 0..60 {
        let word = format!("leakedword{number:02}");
        assert!(!holds(&server, &word), "{word} is still in a file");
    }
}

/// Whether any file of the data directory has a text in it as it is.
fn holds(server: &Server, text: &str) -> bool {
    let files = std::fs::read_dir(server.data()).expect("the directory");
    let paths = files.map(|file| file.expect("a file").path());
    paths
        .filter(|path| path.is_file())
        .map(|path| std::fs::read(path).expect("a file"))
        .any(|content| memchr::memmem::find(&content, text.as_bytes()).is_some())
}

#[test]
fn a_killed_server_catches_up_and_one_that_lost_its_index_makes_it_anew() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    let mut server = Setup::new().data(&data).start();
    let admin = server.admin();
    for number in 0..30 {
        let name = format!("team/s{number:02}");
        admin
            .write(&name, with_id(1, &format!("i-number{number:02}")), None)
            .expect_status(200);
    }
    server.kill();
    let mut server = Setup::new().data(&data).start();
    let admin = admin.at(&server);
    indexed(&server);
    assert_eq!(found(&admin, "q=number&limit=100").len(), 30);
    server.kill();
    drop(server);
    // Killed in the middle of a state: some of its entries are there, and the index knows it.
    let database = rusqlite::Connection::open(data.join("statekeep.db")).expect("the database");
    let half = "DELETE FROM found_words; DELETE FROM found_entries; DELETE FROM found_states; \
        INSERT INTO pending_words SELECT workspace, id, 7 FROM states;";
    database.execute_batch(half).expect("the index goes");
    drop(database);
    let server = Setup::new().data(&data).start();
    let admin = admin.at(&server);
    indexed(&server);
    assert_eq!(found(&admin, "q=number&limit=100").len(), 30);
}

#[test]
fn a_locked_address_without_a_state_is_not_found_and_behind_is_told() {
    let server = Server::start();
    let admin = server.admin();
    admin.lock("team/locked", "x").expect_status(200);
    admin
        .write("team/small", tfstate(L1, 1), None)
        .expect_status(200);
    indexed(&server);
    let answer = search(&admin, "q=team");
    assert_eq!(answer["behind"], 0);
    assert_eq!(found(&admin, "q=team"), ["team/small state team/small"]);
    assert_eq!(
        pages(&admin, &format!("{SEARCH}?q=team"), "found", "after").len(),
        1
    );
}
