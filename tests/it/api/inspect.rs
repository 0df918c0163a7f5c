//! A key that inspects: it sees what is known of states, masked, and never content.

use serde_json::json;

use crate::harness::{Answer, Client, Server, eventually, state_path, tfstate};

use super::L1;

/// A state that has a canary in each place that has to be hidden.
fn body(serial: u64) -> String {
    json!({
        "version": 4, "terraform_version": "1.11.4", "serial": serial, "lineage": L1,
        "outputs": {
            "address": {"value": "10.1.2.3", "type": "string"},
            "api_token": {"value": "canary-named", "type": "string"},
            "marked": {"value": format!("canary-{serial}"), "type": "string", "sensitive": true},
        },
        "resources": [{
            "mode": "managed", "type": "db", "name": "main", "provider": "provider[\"x.io/y/z\"]",
            "instances": [{
                "attributes": {"id": "db-1", "password": format!("canary-{serial}"), "port": 5},
                "sensitive_attributes": [[{"type": "get_attr", "value": "password"}]],
            }],
        }],
    })
    .to_string()
}

fn net(below: &str) -> String {
    format!("{}{below}", state_path("team/net"))
}

fn told() -> Server {
    let server = Server::start();
    let writer = server.key("team", "writer");
    for serial in [1, 2] {
        writer
            .write("team/net", body(serial), None)
            .expect_status(200);
    }
    server.admin().lock("team/net", "held").expect_status(200);
    let admin = server.admin();
    eventually("the index has the state", || {
        admin.get("/api/search?q=db-1").json()["behind"] == 0
    });
    server
}

/// All that it may ask for, and what has to stand in the answer.
const SEEN: [(&str, &str); 11] = [
    ("/api/terraform/state", "\"net\""),
    ("/api/search?q=db-1", "db.main"),
    ("/versions", "\"number\":2"),
    ("/versions/1/info", "\"number\":1"),
    ("/versions/2/diff", "password"),
    ("/versions/2/resources", "db.main"),
    ("/versions/2/resources/db.main", "password"),
    ("/history/db.main", "password"),
    ("/outputs", "10.1.2.3"),
    ("/lock", "held"),
    ("/api/events", "state.write"),
];

/// All that has content.
const KEPT: [&str; 4] = [
    "",
    "/versions/1",
    "/versions/2/diff?sensitive=true",
    "/outputs?sensitive=true",
];

fn ask(who: &Client, path: &str) -> Answer {
    if path.starts_with("/api/") {
        who.get(path)
    } else {
        who.get(&net(path))
    }
}

#[test]
fn it_sees_everything_but_content() {
    let server = told();
    let whole = server.admin().read("team/net").expect_status(200).text();
    assert!(whole.contains("canary"), "the control: {whole}");
    for auditor in [server.key("team", "auditor"), server.key("", "auditor")] {
        for (path, part) in SEEN {
            let answer = ask(&auditor, path).expect_status(200).text();
            assert!(answer.contains(part), "{path}: {answer}");
            assert!(!answer.contains("canary"), "{path}: {answer}");
        }
        for path in KEPT {
            let answer = ask(&auditor, path);
            let detail = answer.text();
            answer.expect_problem(403, "forbidden");
            assert!(detail.contains("TFSTATE_LIST"), "{path}: {detail}");
            assert!(!detail.contains("canary"), "{path}: {detail}");
        }
    }
}

#[test]
fn it_changes_nothing_and_gives_no_more_than_it_has() {
    let server = told();
    let auditor = server.key("team", "auditor");
    auditor
        .write("team/net", tfstate(L1, 9), None)
        .expect_problem(403, "forbidden");
    auditor
        .lock_to_plan("team/net", "mine")
        .expect_problem(403, "forbidden");
    let inspects = server.token(&auditor, json!({"permissions": ["TFSTATE_INSPECT"]}));
    ask(&inspects, "/versions").expect_status(200);
    ask(&inspects, "/api/events").expect_problem(403, "forbidden");
    // A key that reads states has it as well, and may give it to a token.
    let reader = server.key("team", "reader");
    let less = server.token(&reader, json!({"permissions": ["TFSTATE_INSPECT"]}));
    ask(&less, "/versions").expect_status(200);
    ask(&less, "").expect_problem(403, "forbidden");
    for more in ["TFSTATE_LIST", "TFSTATE_OUTPUTS"] {
        let wanted = json!({
            "clientId": auditor.key_id, "clientSecret": auditor.secret(), "permissions": [more],
        });
        server
            .anonymous()
            .post_json("/api/login", &wanted)
            .expect_problem(403, "forbidden");
    }
}

#[test]
fn an_auditor_of_another_workspace_sees_nothing() {
    let server = told();
    let stranger = server.key("rival", "auditor");
    for (path, _) in SEEN {
        let answer = ask(&stranger, path);
        if path.starts_with("/api/") {
            let text = answer.expect_status(200).text();
            assert!(!text.contains("team"), "{path}: {text}");
        } else {
            answer.expect_problem(403, "forbidden");
        }
    }
}
