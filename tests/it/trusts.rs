//! Trusts: ID tokens of CI systems are taken for what a trust says, exchanged or as they are, and
//! each refusal has its reason in an event.

mod attacks;
mod commands;
mod examples;
mod fetched;
mod given;
pub(crate) mod issuer;
mod key_sets;
mod lives;
mod locks;

use serde_json::{Value, json};

use crate::harness::{Answer, Client, Server, eventually, tfstate};
use issuer::Issuer;

const L1: &str = "11111111-1111-4111-8111-111111111111";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// Makes a trust, and gives its row.
fn make(server: &Server, trust: &Value) -> Value {
    let made = server.admin().post_json("/api/trusts", trust);
    made.expect_status(201).json()
}

/// Asks for a token with an ID token, and with these members beside it.
fn exchange(client: &Client, assertion: &str, more: &Value) -> Answer {
    let mut body = json!({"grant_type": JWT_BEARER, "assertion": assertion});
    for (name, value) in more.as_object().expect("an object") {
        body[name] = value.clone();
    }
    client.post_json("/api/login", &body)
}

/// The newest refusal of a reason, once it is written down.
fn refused(server: &Server, reason: &str) -> Value {
    refusal(server, |event| event["detail"]["reason"] == reason)
}

/// The newest refusal of credentials that fits, once it is written down.
fn refusal(server: &Server, fits: impl Fn(&Value) -> bool) -> Value {
    let mut found = None;
    eventually("the refusal is written down", || {
        let events = server.admin().events("kind=credentials.refused");
        found = events.into_iter().find(|event| fits(event));
        found.is_some()
    });
    found.expect("waited for")
}

#[test]
fn an_id_token_is_exchanged_for_a_token_that_ends_no_later() {
    let server = Server::start();
    let issuer = Issuer::new();
    let trust = make(&server, &issuer.trust("gitlab"));
    let id_token = issuer.token(&json!({"exp": issuer::now() + 100}));

    let answer = exchange(&server.anonymous(), &id_token, &json!({})).expect_status(200);
    let body = answer.json();
    assert_eq!(body["token_type"], "Bearer");
    let lives = body["expires_in"].as_u64().expect("seconds");
    assert!((1..=100).contains(&lives), "{lives}");
    assert_eq!(
        body["permissions"],
        json!(["TFSTATE_SAVE", "TFSTATE_UNLOCK"])
    );

    let token = server.with(body["access_token"].as_str().expect("a token"));
    let stored = token
        .write("infra/web", tfstate(L1, 1), None)
        .expect_status(200);
    assert_eq!(stored.json()["created_by"]["id"], trust["id"]);
    token.read("other/web").expect_problem(403, "forbidden");

    let me = token.get("/api/whoami").expect_status(200).json();
    assert_eq!((&me["kind"], &me["key"]), (&json!("token"), &Value::Null));
    assert_eq!(me["trust"], json!({"id": trust["id"], "name": "gitlab"}));
    assert_eq!(me["workspace"], "infra");

    let logins = server.admin().events("kind=login");
    let [login] = &logins[..] else {
        panic!("one login: {logins:?}")
    };
    assert_eq!(login["actor"]["id"], trust["id"]);
    assert_eq!(login["workspace"], "infra");
    let claims = json!({
        "project_path": "infra/web", "ref_protected": "true", "namespace_path": "infra"
    });
    assert_eq!(login["detail"]["claims"], claims);
    let log = server.log()
        + &server
            .admin()
            .events("")
            .iter()
            .map(Value::to_string)
            .collect::<String>();
    let signature = id_token.rsplit('.').next().expect("a signature");
    assert!(
        !log.contains(signature),
        "the token is in no event and no log"
    );
}

#[test]
fn an_id_token_stands_as_bearer_and_as_the_password_of_basic() {
    let server = Server::start();
    let issuer = Issuer::new();
    let trust = make(&server, &issuer.trust("gitlab"));
    for (serial, signer) in (1..).zip(issuer::Signer::ALL) {
        let id_token = issuer.token_by(signer, &json!({}));
        let basic = server.with(&id_token);
        basic
            .write("infra/web", tfstate(L1, serial), None)
            .expect_status(200);
        let bearer = server.anonymous().request("GET", "/api/whoami");
        let me = Client::ask(bearer.bearer_auth(&id_token))
            .expect_status(200)
            .json();
        assert_eq!(me["kind"], "id_token");
        assert_eq!(me["trust"]["id"], trust["id"]);
        assert!(me["ends_at"].is_string(), "{me}");
        basic.lock("infra/web", "l-1").expect_status(200);
        basic.unlock("infra/web", "l-1").expect_status(200);
        basic.read("other/web").expect_problem(403, "forbidden");
    }
    let logins = server.admin().events("kind=login");
    assert_eq!(logins.len(), 3, "one for the first use of each: {logins:?}");
    assert_eq!(logins[0]["detail"]["direct"], true);
    assert_eq!(logins[0]["detail"]["claims"]["project_path"], "infra/web");
    eventually("the use of the trust is noted", || {
        let path = format!("/api/trusts/{}", trust["id"].as_str().expect("an id"));
        let now = server.admin().get(&path).expect_status(200).json();
        now["last_used_at"].is_string()
    });
}

#[test]
fn a_form_exchanges_as_json_does() {
    let server = Server::start();
    let issuer = Issuer::new();
    make(&server, &issuer.trust("gitlab"));
    let form = |fields: &str| {
        let request = server
            .anonymous()
            .request("POST", "/api/login")
            .header("Content-Type", "application/x-www-form-urlencoded");
        Client::ask(request.body(fields.to_owned()))
    };
    let id_token = issuer.token(&json!({}));
    let grant = JWT_BEARER.replace(':', "%3A");
    form(&format!(
        "grant_type={grant}&assertion={id_token}&permissions=TFSTATE_LIST"
    ))
    .expect_status(200);
    for (fields, code) in [
        (format!("grant_type={grant}"), "bad_body"),
        (
            format!("grant_type={grant}&assertion={id_token}&client_id=x"),
            "bad_body",
        ),
        (
            format!("grant_type=client_credentials&assertion={id_token}"),
            "bad_body",
        ),
        (format!("assertion={id_token}"), "unsupported_grant_type"),
    ] {
        form(&fields).expect_problem(400, code);
    }
}

#[test]
fn a_token_is_asked_for_with_less_and_never_with_more_than_its_trust() {
    let server = Server::start();
    let issuer = Issuer::new();
    make(&server, &issuer.trust("gitlab"));
    let anonymous = server.anonymous();
    for (less, status) in [
        (
            json!({"buildingBlock": "web", "permissions": ["TFSTATE_LIST"]}),
            200,
        ),
        (json!({"workspace": "other"}), 403),
        (json!({"permissions": ["TFSTATE_DELETE"]}), 403),
        (json!({"permissions": ["ADM_STATUS"]}), 400),
        (json!({"renewable": true}), 400),
        (json!({"expires_in": 3601}), 400),
    ] {
        let answer = exchange(&anonymous, &issuer.token(&json!({})), &less);
        answer.expect_status(status);
    }
}

#[test]
fn the_trust_that_asks_for_the_most_decides() {
    let server = Server::start();
    let issuer = Issuer::new();
    let mut any = issuer.trust("plans of any branch");
    any["claims"] = json!({"project_path": "infra/*"});
    any["role"] = json!("planner");
    make(&server, &any);
    make(&server, &issuer.trust("protected branches"));
    let named = |more: &Value| {
        let caller = server.with(&issuer.token(more));
        caller.get("/api/whoami").expect_status(200).json()["trust"]["name"].clone()
    };
    assert_eq!(named(&json!({})), "protected branches");
    assert_eq!(
        named(&json!({"ref_protected": "false"})),
        "plans of any branch"
    );
}
