//! `/api/keys`: create, list, show, rotate, revoke.

use serde_json::{Value, json};

use crate::harness::{Server, eventually, tfstate};

use super::{L1, column, pages, refuses_bad_queries};

#[test]
fn a_new_key_is_shown_with_its_secret_this_once() {
    let server = Server::start();
    let admin = server.admin();
    let made = admin.post_json(
        "/api/keys",
        &json!({
            "name": "ci of net", "workspace": "team", "buildingBlock": "net", "role": "writer",
            "expires_in": 3600
        }),
    );
    insta::assert_snapshot!(made.shown(), @r#"
    201 Created
    {
      "key": {
        "buildingBlock": "net",
        "client_sans": [],
        "created_at": "[time]",
        "created_by": {
          "id": "[id]",
          "name": "admin"
        },
        "expires_at": "[time]",
        "id": "[id]",
        "last_used_at": null,
        "name": "ci of net",
        "old_secret_until": null,
        "permissions": [
          "TFSTATE_SAVE",
          "TFSTATE_UNLOCK"
        ],
        "revoked_at": null,
        "rotated_at": null,
        "status": "active",
        "workspace": "team"
      },
      "secret": "[secret]"
    }
    "#);
    let made = made.json();
    let secret = made["secret"].as_str().expect("a secret");
    assert!(
        secret.starts_with("skp_") && secret.len() >= 40 && secret.is_ascii(),
        "{secret}"
    );
    let key = &made["key"];
    let time = |name: &str| {
        humantime::parse_rfc3339(key[name].as_str().expect("a time")).expect("RFC 3339")
    };
    assert_eq!(
        time("expires_at")
            .duration_since(time("created_at"))
            .expect("later")
            .as_secs()
            .div_ceil(10),
        360
    );
    let shown = admin
        .get(&format!("/api/keys/{}", key["id"].as_str().expect("an id")))
        .expect_status(200);
    assert_eq!(shown.json(), *key);
    let list = admin.get("/api/keys").expect_status(200);
    assert!(
        !shown.text().contains(secret) && !list.text().contains("skp_"),
        "never again"
    );
}

fn column_of(list: &Value) -> Vec<String> {
    list.as_array()
        .expect("a list")
        .iter()
        .map(|item| item.as_str().expect("a text").to_owned())
        .collect()
}

#[test]
fn roles_and_permissions_add_up_and_become_adm_without_a_workspace() {
    let server = Server::start();
    let rows: [(Value, &[&str]); 11] = [
        (
            json!({"workspace": "team", "role": "reader"}),
            &["TFSTATE_LIST"],
        ),
        (
            json!({"workspace": "team", "role": "outputs"}),
            &["TFSTATE_OUTPUTS"],
        ),
        (
            json!({"workspace": "team", "role": "planner"}),
            &["TFSTATE_PLAN"],
        ),
        (
            json!({"workspace": "team", "role": "writer"}),
            &["TFSTATE_SAVE", "TFSTATE_UNLOCK"],
        ),
        (
            json!({"workspace": "team", "role": "owner"}),
            &[
                "EVENTLOG_LIST",
                "TFSTATE_DELETE",
                "TFSTATE_FREEZE",
                "TFSTATE_SAVE",
                "TFSTATE_UNLOCK",
            ],
        ),
        (
            json!({"workspace": "team", "role": "planner", "permissions": ["EVENTLOG_LIST"]}),
            &["EVENTLOG_LIST", "TFSTATE_PLAN"],
        ),
        (
            json!({"role": "writer"}),
            &["ADM_TFSTATE_SAVE", "ADM_TFSTATE_UNLOCK"],
        ),
        (
            json!({"workspace": "team", "role": "auditor"}),
            &["EVENTLOG_LIST", "TFSTATE_INSPECT"],
        ),
        (
            json!({"role": "auditor"}),
            &["ADM_EVENTLOG_LIST", "ADM_TFSTATE_INSPECT"],
        ),
        (json!({"role": "monitor"}), &["ADM_STATUS"]),
        (
            json!({"permissions": ["ADM_APIKEY_LIST"], "role": "outputs"}),
            &["ADM_APIKEY_LIST", "ADM_TFSTATE_OUTPUTS"],
        ),
    ];
    for (index, (mut body, expected)) in rows.into_iter().enumerate() {
        body["name"] = json!(format!("key {index}"));
        let made = server
            .admin()
            .post_json("/api/keys", &body)
            .expect_status(201)
            .json();
        let mut permissions = column_of(&made["key"]["permissions"]);
        permissions.sort();
        assert_eq!(permissions, expected, "{body}");
    }
    let admin = server
        .admin()
        .post_json("/api/keys", &json!({"name": "a", "role": "admin"}))
        .expect_status(201)
        .json();
    assert!(column_of(&admin["key"]["permissions"]).contains(&"ADM_OPERATE".to_owned()));
}

#[test]
fn bodies_that_make_no_key_are_400() {
    let server = Server::start();
    let rows = [
        json!({"role": "writer", "workspace": "team"}),
        json!({"name": "", "role": "writer", "workspace": "team"}),
        json!({"name": 7, "role": "writer", "workspace": "team"}),
        json!({"name": "a", "workspace": "team"}),
        json!({"name": "a", "workspace": "team", "permissions": []}),
        json!({"name": "a", "workspace": "team", "role": "boss"}),
        json!({"name": "a", "workspace": "team", "permissions": ["TFSTATE_EVERYTHING"]}),
        json!({"name": "a", "workspace": "team", "permissions": "TFSTATE_LIST"}),
        json!({"name": "a", "workspace": "team", "permissions": ["ADM_TFSTATE_LIST"]}),
        json!({"name": "a", "workspace": "team", "permissions": ["TFSTATE_LIST", "ADM_STATUS"]}),
        json!({"name": "a", "permissions": ["TFSTATE_LIST"]}),
        json!({"name": "a", "permissions": ["ADM_TFSTATE_LIST", "TFSTATE_LIST"]}),
        json!({"name": "a", "workspace": "team", "role": "admin"}),
        json!({"name": "a", "workspace": "team", "role": "monitor"}),
        json!({"name": "a", "buildingBlock": "net", "role": "writer"}),
        json!({"name": "a", "workspace": "../etc", "role": "writer"}),
        json!({"name": "a", "workspace": "team", "buildingBlock": ".x", "role": "writer"}),
        json!({"name": "a", "workspace": "team", "role": "writer", "expires_in": 0}),
        json!({"name": "a", "workspace": "team", "role": "writer", "expires_in": -5}),
        json!({"name": "a", "workspace": "team", "role": "writer", "expires_in": "90d"}),
        json!([]),
    ];
    for body in &rows {
        let answer = server.admin().post_json("/api/keys", body);
        assert_eq!(answer.status, 400, "{body}: {}", answer.text());
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
    server
        .admin()
        .send("POST", "/api/keys", "{\"name\": ")
        .expect_problem(400, "bad_body");
    assert_eq!(
        server.admin().get("/api/keys").json()["keys"]
            .as_array()
            .map(Vec::len),
        Some(1),
        "none was made"
    );
}

#[test]
fn the_list_comes_in_pages_oldest_first() {
    let server = Server::start();
    for index in 0..4 {
        server
            .admin()
            .post_json(
                "/api/keys",
                &json!({"name": format!("n{index}"), "workspace": "team", "role": "reader"}),
            )
            .expect_status(201);
    }
    let all = pages(&server.admin(), "/api/keys?limit=2", "keys", "after");
    assert_eq!(all.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
    assert_eq!(
        column(&all.concat(), "name"),
        ["admin", "n0", "n1", "n2", "n3"]
    );
    refuses_bad_queries(&server.admin(), "/api/keys", &[]);
}

#[test]
fn a_key_that_is_not_there_is_404() {
    let server = Server::start();
    let id = uuid::Uuid::new_v4();
    server
        .admin()
        .get(&format!("/api/keys/{id}"))
        .expect_problem(404, "no_key");
    server
        .admin()
        .send("DELETE", &format!("/api/keys/{id}"), "")
        .expect_problem(404, "no_key");
    server
        .admin()
        .post_json(&format!("/api/keys/{id}/rotate"), &json!({}))
        .expect_problem(404, "no_key");
    server
        .admin()
        .get("/api/keys/not-a-uuid")
        .expect_status(400);
}

#[test]
fn a_revoked_key_stays_listed_and_is_revoked_once() {
    let server = Server::start();
    let key = server.key("team", "writer");
    let path = format!("/api/keys/{}", key.key_id);
    let first = server
        .admin()
        .send("DELETE", &path, "")
        .expect_status(200)
        .json();
    assert_eq!(first["status"], "revoked");
    assert!(humantime::parse_rfc3339(first["revoked_at"].as_str().expect("a time")).is_ok());
    let again = server
        .admin()
        .send("DELETE", &path, "")
        .expect_status(200)
        .json();
    assert_eq!(again["revoked_at"], first["revoked_at"]);
    assert_eq!(
        server.admin().get(&path).expect_status(200).json()["status"],
        "revoked"
    );
    assert_eq!(server.admin().events("kind=key.revoke").len(), 1);
}

#[test]
fn the_status_of_a_key_tells_that_it_has_expired() {
    let server = Server::start();
    let made = server.admin().post_json(
        "/api/keys",
        &json!({"name": "short", "workspace": "team", "role": "reader", "expires_in": 1}),
    );
    let path = format!(
        "/api/keys/{}",
        made.expect_status(201).json()["key"]["id"]
            .as_str()
            .expect("an id")
    );
    eventually("it expires", || {
        server.admin().get(&path).expect_status(200).json()["status"] == "expired"
    });
    server
        .admin()
        .post_json(&format!("{path}/rotate"), &json!({}))
        .expect_problem(409, "key_ended");
}

#[test]
fn a_rotated_key_has_a_new_secret_and_the_same_id() {
    let server = Server::start();
    let key = server.key("team", "writer");
    let path = format!("/api/keys/{}/rotate", key.key_id);
    let rotated = server
        .admin()
        .post_json(&path, &json!({"grace": 600}))
        .expect_status(200)
        .json();
    assert_eq!(rotated["key"]["id"], key.key_id);
    assert_ne!(rotated["secret"].as_str().expect("a secret"), key.secret());
    let time = |name: &str| {
        humantime::parse_rfc3339(rotated["key"][name].as_str().expect("a time")).expect("RFC 3339")
    };
    assert_eq!(
        time("old_secret_until")
            .duration_since(time("rotated_at"))
            .expect("later")
            .as_secs()
            .div_ceil(10),
        60
    );
    for body in [
        json!({"grace": -1}),
        json!({"grace": 7 * 86_400 + 1}),
        json!({"grace": "10m"}),
    ] {
        server.admin().post_json(&path, &body).expect_status(400);
    }
    server
        .admin()
        .post_json(&path, &json!({"grace": 7 * 86_400}))
        .expect_status(200);
    let none = server
        .admin()
        .send("POST", &path, "")
        .expect_status(200)
        .json();
    assert_eq!(
        none["key"]["old_secret_until"],
        json!(null),
        "no grace where none is asked for"
    );
}

#[test]
fn a_revoked_key_cannot_be_rotated() {
    let server = Server::start();
    let key = server.key("team", "writer");
    server
        .admin()
        .send("DELETE", &format!("/api/keys/{}", key.key_id), "")
        .expect_status(200);
    server
        .admin()
        .post_json(&format!("/api/keys/{}/rotate", key.key_id), &json!({}))
        .expect_problem(409, "key_ended");
}

#[test]
fn a_key_that_is_revoked_while_its_new_secret_is_made_is_not_rotated() {
    let server = Server::start();
    for _ in 0..5 {
        let key = server.key("team", "writer");
        let path = format!("/api/keys/{}", key.key_id);
        let admin = server.admin();
        let rotating = {
            let (admin, path) = (admin.clone(), format!("{path}/rotate"));
            std::thread::spawn(move || admin.post_json(&path, &json!({})).status.as_u16())
        };
        std::thread::sleep(std::time::Duration::from_millis(5));
        admin.send("DELETE", &path, "").expect_status(200);
        let status = rotating.join().expect("a thread");
        assert!([200, 409].contains(&status), "{status}");
        let acts = admin.events("kind=key.*");
        let last = acts
            .iter()
            .find(|event| event["detail"]["key"]["id"] == key.key_id.as_str())
            .expect("an act");
        assert_eq!(
            last["kind"], "key.revoke",
            "nothing is done to a key that has ended"
        );
    }
}

#[test]
fn the_last_use_of_a_key_is_told() {
    let server = Server::start();
    let key = server.key("team", "writer");
    let used = || {
        server
            .admin()
            .get(&format!("/api/keys/{}", key.key_id))
            .expect_status(200)
            .json()["last_used_at"]
            .clone()
    };
    assert_eq!(used(), json!(null));
    key.write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    eventually("its use is written down", || used().is_string());
    let first = used();
    key.read("team/net").expect_status(200);
    assert_eq!(used(), first, "at most once a minute");
}
