//! A key is revoked with the keys that it made.

use serde_json::{Value, json};

use crate::harness::{Client, Server};

/// A key that another makes.
fn made_by(server: &Server, maker: &Client, name: &str) -> Client {
    let body = json!({"name": name, "role": "admin"});
    let answer = maker.post_json("/api/keys", &body).expect_status(201);
    let answer = answer.json();
    let client = server.with(answer["secret"].as_str().expect("a secret"));
    client.of_key(answer["key"]["id"].as_str().expect("an id"))
}

fn works(key: &Client) -> bool {
    key.get("/api/keys?limit=1").status == 200
}

/// A key, the key that it made, the one that this made, and one beside them.
fn family(server: &Server) -> [Client; 4] {
    let maker = made_by(server, &server.admin(), "maker");
    let child = made_by(server, &maker, "child");
    let grandchild = made_by(server, &child, "grandchild");
    [
        maker,
        child,
        grandchild,
        made_by(server, &server.admin(), "other"),
    ]
}

#[test]
fn a_key_is_revoked_with_all_that_came_from_it() {
    let server = Server::start();
    let [maker, child, grandchild, other] = family(&server);
    let token = server.token(&grandchild, json!({}));
    let path = format!("/api/keys/{}?children=true", maker.key_id);
    let answer = server.admin().send("DELETE", &path, "").expect_status(200);
    let answer = answer.json();
    assert_eq!(answer["status"], "revoked");
    let names = |answer: &Value| -> Vec<String> {
        let children = answer["children"].as_array().expect("a list");
        children.iter().map(|key| key["name"].to_string()).collect()
    };
    assert_eq!(names(&answer), [r#""child""#, r#""grandchild""#]);
    for ended in [&maker, &child, &grandchild, &token] {
        ended.get("/api/keys").expect_problem(401, "unauthorized");
    }
    assert!(works(&other) && works(&server.admin()));
    assert_eq!(server.admin().events("kind=key.revoke").len(), 3);
    let again = server.admin().send("DELETE", &path, "").expect_status(200);
    assert!(names(&again.json()).is_empty(), "nothing is left");
    assert!(server.cli(&["verify"]).status.success());
}

#[test]
fn without_that_the_keys_that_it_made_stand() {
    let server = Server::start();
    let [maker, child, grandchild, _] = family(&server);
    let path = format!("/api/keys/{}", maker.key_id);
    server.admin().send("DELETE", &path, "").expect_status(200);
    assert!(!works(&maker) && works(&child) && works(&grandchild));
    // Those below one that is revoked already are found all the same.
    let revoked = server.cli(&["key", "revoke", &maker.key_id, "--with-children", "--yes"]);
    let told = String::from_utf8_lossy(&revoked.stderr).into_owned()
        + &String::from_utf8_lossy(&revoked.stdout);
    assert!(revoked.status.success(), "{told}");
    assert!(told.contains("2 keys below it"), "{told}");
    assert!(!works(&child) && !works(&grandchild));
}

#[test]
fn what_would_end_is_shown_first() {
    let server = Server::start();
    let [maker, child, grandchild, other] = family(&server);
    let asked = server.cli(&["key", "revoke", "maker", "--with-children"]);
    let told = String::from_utf8_lossy(&asked.stderr);
    assert_eq!(asked.status.code(), Some(2), "{told}");
    for key in [&maker, &child, &grandchild] {
        assert!(told.contains(&key.key_id), "{told}");
    }
    assert!(!told.contains(&other.key_id), "{told}");
    assert!(works(&maker) && works(&child) && works(&grandchild));
}
