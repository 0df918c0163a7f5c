//! Nobody gives away more than they have: not in a new key, not in a rotated one, not in a token.

use serde_json::{Value, json};

use crate::harness::{Client, Server};

fn new_key(caller: &Client, body: Value) -> u16 {
    let mut body = body;
    // A name means one live key.
    body["name"] = json!(body.to_string().chars().take(90).collect::<String>());
    caller.post_json("/api/keys", &body).status.as_u16()
}

#[test]
fn a_new_key_lies_within_the_permissions_of_its_giver() {
    let server = Server::start();
    let giver = server.key_with(
        "",
        &["ADM_APIKEY_SAVE", "ADM_TFSTATE_LIST", "ADM_TFSTATE_PLAN"],
    );
    let rows = [
        (json!({"workspace": "team", "role": "reader"}), 201),
        (
            json!({"workspace": "team", "buildingBlock": "net", "role": "planner"}),
            201,
        ),
        (json!({"workspace": "team", "role": "outputs"}), 201),
        (json!({"role": "reader"}), 201),
        (json!({"permissions": ["ADM_APIKEY_SAVE"]}), 201),
        (json!({"workspace": "team", "role": "writer"}), 403),
        (
            json!({"workspace": "team", "permissions": ["TFSTATE_UNLOCK"]}),
            403,
        ),
        (
            json!({"workspace": "team", "permissions": ["TFSTATE_LIST", "TFSTATE_DELETE"]}),
            403,
        ),
        (
            json!({"workspace": "team", "permissions": ["EVENTLOG_LIST"]}),
            403,
        ),
        (json!({"role": "writer"}), 403),
        (json!({"role": "monitor"}), 403),
        (json!({"role": "admin"}), 403),
        (json!({"permissions": ["ADM_APIKEY_DELETE"]}), 403),
        (json!({"permissions": ["ADM_APIKEY_LIST"]}), 403),
    ];
    for (body, status) in rows {
        assert_eq!(new_key(&giver, body.clone()), status, "{body}");
    }
}

#[test]
fn a_new_key_does_not_outlive_its_giver() {
    let server = Server::start();
    let giver = server.make_key(&json!({
        "name": "giver", "permissions": ["ADM_APIKEY_SAVE", "ADM_TFSTATE_LIST"], "expires_in": 600
    }));
    let rows = [
        (json!({"expires_in": 60}), 201),
        (json!({}), 403),
        (json!({"expires_in": 100_000}), 403),
    ];
    for (more, status) in rows {
        let mut body = more.clone();
        body["workspace"] = json!("team");
        body["role"] = json!("reader");
        assert_eq!(new_key(&giver, body), status, "{more}");
    }
}

fn rotate(caller: &Client, id: &str) -> u16 {
    caller
        .post_json(&format!("/api/keys/{id}/rotate"), &json!({"grace": 60}))
        .status
        .as_u16()
}

#[test]
fn rotating_a_key_gives_its_secret_away_so_it_has_to_lie_within_the_callers_too() {
    let server = Server::start();
    let admin_id = server.admin().get("/api/keys").json()["keys"][0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let giver = server.key_with("", &["ADM_APIKEY_SAVE", "ADM_TFSTATE_LIST"]);
    assert_eq!(rotate(&giver, &admin_id), 403, "else it would be the admin");
    assert_eq!(rotate(&giver, &server.key("team", "writer").key_id), 403);
    assert_eq!(rotate(&giver, &server.key("", "monitor").key_id), 403);
    assert_eq!(rotate(&giver, &server.key("team", "reader").key_id), 200);
    assert_eq!(rotate(&giver, &giver.key_id), 200, "one's own");
    assert_eq!(rotate(&server.admin(), &admin_id), 200);
}

#[test]
fn rotating_a_key_that_lives_longer_than_the_caller_is_refused() {
    let server = Server::start();
    let giver = server.make_key(&json!({
        "name": "giver", "permissions": ["ADM_APIKEY_SAVE", "ADM_TFSTATE_LIST"], "expires_in": 600
    }));
    let short = server.make_key(
        &json!({"name": "short", "workspace": "team", "role": "reader", "expires_in": 60}),
    );
    assert_eq!(
        rotate(&giver, &server.key("team", "reader").key_id),
        403,
        "a key without an end"
    );
    assert_eq!(rotate(&giver, &short.key_id), 200);
}

#[test]
fn a_token_makes_rotates_and_revokes_no_keys() {
    let server = Server::start();
    let admin_id = server.admin().get("/api/keys").json()["keys"][0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let token = server.token(&server.admin().of_key(&admin_id), json!({}));
    let key = server.key("team", "reader");
    token.get("/api/keys").expect_status(200);
    assert_eq!(
        new_key(
            &token,
            json!({"workspace": "team", "role": "reader", "expires_in": 60})
        ),
        403
    );
    assert_eq!(rotate(&token, &key.key_id), 403);
    key.read("team/net").expect_problem(404, "no_state");
}

#[test]
fn a_key_without_the_permission_makes_none() {
    let server = Server::start();
    for caller in [
        server.key("team", "owner"),
        server.key("", "owner"),
        server.key("", "monitor"),
        server.key_with("", &["ADM_APIKEY_LIST", "ADM_APIKEY_DELETE"]),
    ] {
        assert_eq!(
            new_key(
                &caller,
                json!({"workspace": "team", "role": "reader", "expires_in": 60})
            ),
            403
        );
    }
}
