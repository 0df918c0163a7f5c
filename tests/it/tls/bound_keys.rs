//! Keys that are bound to client certificates: neither they nor their tokens are taken without one,
//! over HTTP/1.1 and HTTP/2, and nobody makes a key that is less bound than their own.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use rustls::{ClientConfig, HandshakeKind};
use serde_json::{Value, json};

use super::authority::{Authority, Pair, Site};
use super::{client_config_with, http2};
use crate::harness::{Client, Server, Setup, eventually, state_path, statekeep, tfstate};

const L1: &str = super::L1;

fn pair(site: &Site, name: &str) -> Pair {
    site.authority.between(&[name], -1, 90)
}

/// A server whose clients may show a certificate. Its callers show none.
fn asking(site: &Site) -> Setup {
    site.setup()
        .flag("--tls-client-ca", &site.flag("ca.pem"))
        .flag("--tls-client-certs", "optional")
}

fn bound(names: &[&str]) -> Value {
    json!({ "name": "ci", "workspace": "team", "role": "writer", "client_sans": names })
}

/// The same caller, who shows a certificate with this name.
fn showing(client: &Client, site: &Site, name: &str) -> Client {
    let http = site.authority.client_with(&pair(site, name));
    client.calling_over(http)
}

fn bearer(client: &Client) -> u16 {
    let anonymous = client
        .request("GET", "/api/whoami")
        .bearer_auth(client.secret());
    let (http, request) = anonymous.build_split();
    let mut request = request.expect("a request");
    let token = format!("Bearer {}", client.secret())
        .parse()
        .expect("a header");
    request.headers_mut().insert("authorization", token);
    http.execute(request).expect("an answer").status().as_u16()
}

#[test]
fn a_bound_key_is_taken_with_a_certificate_of_its_names_alone() {
    let site = Site::new();
    let server = asking(&site).start();
    let names = [
        "ci.example",
        "*.runner.example",
        "spiffe://example/ci",
        "ci@example.net",
    ];
    let key = server.make_key(&bound(&names));
    for (name, status) in [
        ("ci.example", 200),
        ("a.runner.example", 200),
        ("spiffe://example/ci", 200),
        ("ci@example.net", 200),
        ("a.ci.example", 401),
        ("b.a.runner.example", 401),
        ("spiffe://example/ci/x", 401),
        ("x@example.net", 401),
    ] {
        let caller = showing(&key, &site, name);
        assert_eq!(caller.get("/api/whoami").status, status, "{name}");
        assert_eq!(bearer(&caller), status, "{name}");
    }
    let with_it = showing(&key, &site, "ci.example");
    let known = with_it.get("/api/whoami").expect_status(200).json();
    assert_eq!(known["client_sans"], json!(names));
    with_it
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);

    // A stranger is told no more than of a wrong secret.
    let without = key.get("/api/whoami").expect_status(401).json();
    let wrong = format!("{}0", &key.secret()[..key.secret().len() - 1]);
    let unknown = server.with(&wrong).get("/api/whoami").expect_status(401);
    assert_eq!(without["code"], unknown.json()["code"]);
    key.write("team/net", tfstate(L1, 2), None)
        .expect_status(401);
    assert_eq!(server.admin().count_versions("team/net"), 1);
    let refused = || server.admin().events("kind=credentials.refused");
    let is_told = |event: &Value| {
        event["detail"]["reason"] == "certificate" && event["actor"]["id"] == key.key_id.as_str()
    };
    eventually("the event", || refused().iter().any(is_told));
    eventually("the line", || server.log().contains("\"certificate\""));
}

#[test]
fn a_token_of_a_bound_key_is_bound_as_it_is() {
    let site = Site::new();
    let server = asking(&site).start();
    let key = server.make_key(&bound(&["ci.example"]));
    let login = json!({
        "clientId": key.key_id, "clientSecret": key.secret(), "renewable": true,
    });
    server
        .anonymous()
        .post_json("/api/login", &login)
        .expect_status(401);
    let with_it = showing(&server.anonymous(), &site, "ci.example");
    let answer = with_it
        .post_json("/api/login", &login)
        .expect_status(200)
        .json();
    let token = server.with(answer["access_token"].as_str().expect("a token"));
    let with_other = showing(&token, &site, "other.example");
    let with_it = showing(&token, &site, "ci.example");
    for caller in [&token, &with_other] {
        caller.get("/api/whoami").expect_status(401);
        caller
            .post_json("/api/token/extend", &json!({}))
            .expect_status(401);
        caller.read("team/net").expect_status(401);
        assert_eq!(bearer(caller), 401);
    }
    with_it
        .post_json("/api/token/extend", &json!({}))
        .expect_status(200);
    with_it
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    let known = with_it.get("/api/whoami").expect_status(200).json();
    assert_eq!(
        (&known["kind"], &known["client_sans"]),
        (&json!("token"), &json!(["ci.example"]))
    );
}

#[test]
fn the_certificate_of_a_connection_counts_over_http2() {
    let site = Site::new();
    let server = asking(&site).start();
    let key = server.make_key(&bound(&["ci.example"]));
    for (name, status) in [
        (Some("ci.example"), 200),
        (Some("other.example"), 401),
        (None, 401),
    ] {
        let shown = name.map(|name| pair(&site, name));
        let config = client_config_with(&site.authority, &[b"h2"], shown.as_ref());
        let got = http2::run(async {
            let mut requests = http2::connection_over(config, &server).await;
            let mut told = Vec::new();
            for _ in 0..2 {
                let head = http2::head("GET", "/api/whoami", Some(&key));
                let (response, _) = requests.send_request(head, true).expect("a stream");
                told.push(http2::answer(response).await.expect("an answer").0);
            }
            told
        });
        assert_eq!(got, [status; 2], "{name:?}");
    }
}

#[test]
fn nobody_makes_a_key_that_is_less_bound_than_their_own() {
    let site = Site::new();
    let server = asking(&site).start();
    let admin = json!({ "name": "boss", "role": "admin", "client_sans": ["*.ci.example"] });
    let admin = showing(&server.make_key(&admin), &site, "a.ci.example");
    let made = |names: Value| {
        let name = format!("key {names}");
        let body =
            json!({ "name": name, "workspace": "t", "role": "reader", "client_sans": names });
        admin.post_json("/api/keys", &body)
    };
    let inherited = made(json!([])).expect_status(201).json();
    assert_eq!(inherited["key"]["client_sans"], json!(["*.ci.example"]));
    made(json!(["b.ci.example"])).expect_status(201);
    made(json!(["b.ci.example", "b.example"])).expect_status(403);
    // Who shows a key's secret anew has all that it may do.
    let unbound = server.key("", "admin");
    let rotate = |id: &str| admin.post_json(&format!("/api/keys/{id}/rotate"), &json!({}));
    rotate(&unbound.key_id).expect_status(403);
    rotate(inherited["key"]["id"].as_str().expect("an id")).expect_status(200);
    let trust = crate::trusts::issuer::any_trust(&server, "ci");
    admin.post_json("/api/trusts", &trust).expect_status(403);
}

#[test]
fn names_that_no_certificate_has_and_too_many_are_refused() {
    let site = Site::new();
    let server = asking(&site).start();
    let long = format!("a.{}", "b.".repeat(130));
    for names in [
        vec!["192.0.2.1"],
        vec!["*"],
        vec!["a.*.b"],
        vec!["a b"],
        vec![""],
        vec![&long[..254]],
        vec!["a.example"; 9],
    ] {
        let told = server.admin().post_json("/api/keys", &bound(&names));
        let told = told.expect_status(400).json();
        assert_eq!(told["code"], "bad_request", "{names:?}");
    }
    let most = vec!["a.example"; 8];
    server
        .admin()
        .post_json("/api/keys", &bound(&most))
        .expect_status(201);
}

#[test]
fn where_no_client_is_asked_only_the_operator_makes_a_bound_key() {
    let site = Site::new();
    let data = site.path("data");
    std::fs::create_dir(&data).expect("a directory");
    let server = site.setup().data(&data).start();
    let told = server
        .admin()
        .post_json("/api/keys", &bound(&["ci.example"]));
    let told = told.expect_status(400).json();
    let detail = told["detail"].as_str().expect("a detail");
    assert!(detail.contains("--tls-client-ca"), "{detail}");
    let words = [
        "key",
        "create",
        "ci",
        "team",
        "--role",
        "writer",
        "--client-san",
        "CI.example",
    ];
    let output = server.cli(&words);
    let (secret, note) = (text(&output.stdout), text(&output.stderr));
    assert!(
        output.status.success() && note.contains("--tls-client-ca"),
        "{note}"
    );
    let secret = secret.trim();
    server.with(secret).get("/api/whoami").expect_status(401);
    let shown = text(&server.cli(&["key", "show", "ci"]).stdout);
    assert!(shown.contains("client SANs       ci.example"), "{shown}");
    let listed = text(&server.cli(&["key", "list", "--wide"]).stdout);
    assert!(
        listed.contains("CLIENT SANS") && listed.contains("ci.example"),
        "{listed}"
    );
    assert!(server.stop().success());

    let server = asking(&site).data(&data).start();
    server.with(secret).get("/api/whoami").expect_status(401);
    let key = showing(&server.with(secret), &site, "ci.example");
    key.get("/api/whoami").expect_status(200);
    let client = pair(&site, "ci.example");
    for (name, text) in [
        ("c.pem", &*client.cert),
        ("c.key", &*client.key),
        ("secret", secret),
    ] {
        site.write(name, text);
    }
    let mut command = statekeep(&["whoami", "--url", server.url()]);
    for (flag, file) in [
        ("--key-file", "secret"),
        ("--ca-file", "ca.pem"),
        ("--client-cert", "c.pem"),
        ("--client-key", "c.key"),
    ] {
        command.args([flag, &site.flag(file)]);
    }
    let output = command.output().expect("it runs");
    let known = text(&output.stdout);
    assert!(
        known.contains("client SANs  ci.example"),
        "{known}{}",
        text(&output.stderr)
    );
}

/// A person with the database's file takes the binding away, or puts another there.
#[test]
fn a_binding_that_was_edited_lets_nobody_in() {
    for edit in ["NULL", "''", "'other.example'"] {
        let site = Site::new();
        let data = site.path("data");
        std::fs::create_dir(&data).expect("a directory");
        let server = asking(&site).data(&data).start();
        let key = server.make_key(&bound(&["ci.example"]));
        assert!(server.stop().success());
        let database = rusqlite::Connection::open(data.join("statekeep.db")).expect("the database");
        let sql = format!("UPDATE keys SET client_sans = {edit} WHERE name = 'ci'");
        assert_eq!(database.execute(&sql, []), Ok(1));
        drop(database);
        let server = asking(&site).data(&data).start();
        for name in ["ci.example", "other.example"] {
            let caller = showing(&key, &site, name).at(&server);
            let told = caller.get("/api/whoami");
            assert_eq!(told.status, 500, "{edit} {name}");
            assert_eq!(told.json()["code"], "damaged", "{edit} {name}");
        }
        key.at(&server)
            .get(&state_path("team/net"))
            .expect_status(500);
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The server may be used by this caller all the same.
#[test]
fn a_key_that_is_not_bound_needs_no_certificate() {
    let site = Site::new();
    let server: Server = asking(&site).start();
    let key = server.key("team", "writer");
    key.get("/api/whoami").expect_status(200);
    showing(&key, &site, "any.example")
        .get("/api/whoami")
        .expect_status(200);
}

/// Asks who the caller is over a connection of its own; how the handshake went, and the status.
fn asked_over(
    server: &Server,
    config: &Arc<ClientConfig>,
    key: &Client,
) -> std::io::Result<(Option<HandshakeKind>, String)> {
    let mut stream = super::connect(server, config);
    let request = format!(
        "GET /api/whoami HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\
            Connection: close\r\n\r\n",
        key.secret()
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let status = text(&answer).lines().next().unwrap_or_default().to_owned();
    Ok((stream.conn.handshake_kind(), status))
}

#[test]
fn a_session_that_is_resumed_has_the_certificate_it_began_with_until_its_authority_goes() {
    let site = Site::new();
    let server = asking(&site).start();
    let key = server.make_key(&bound(&["ci.example"]));
    let fits = client_config_with(
        &site.authority,
        &[b"http/1.1"],
        Some(&pair(&site, "ci.example")),
    );
    let other = client_config_with(
        &site.authority,
        &[b"http/1.1"],
        Some(&pair(&site, "x.example")),
    );
    let ask = |config| asked_over(&server, config, &key).expect("an answer");
    for (config, status) in [
        (&fits, "HTTP/1.1 200 OK"),
        (&other, "HTTP/1.1 401 Unauthorized"),
    ] {
        let first = (Some(HandshakeKind::Full), status.to_owned());
        assert_eq!(ask(config), first);
        let again = (Some(HandshakeKind::Resumed), status.to_owned());
        assert_eq!(ask(config), again);
    }

    site.write("ca.pem", Authority::new().pem());
    server.signal("HUP");
    eventually(
        "the session is not resumed, and its certificate is no good",
        || asked_over(&server, &fits, &key).is_err(),
    );
}

#[test]
fn keys_that_no_certificate_can_open_are_a_problem() {
    let site = Site::new();
    let data = site.path("data");
    let problems = |server: &Server| {
        let ready = server.anonymous().get("/readyz").expect_status(200).json();
        assert_eq!(ready["status"], "ready");
        let problems = ready["problems"].as_array().expect("problems").clone();
        let is_it = |problem: &Value| problem["code"] == "bound_keys_shut_out";
        problems.into_iter().find(is_it)
    };
    let server = asking(&site).data(&data).start();
    let key = server.make_key(&bound(&["ci.example"]));
    assert_eq!(problems(&server), None);
    assert!(server.stop().success());

    let server = site.setup().data(&data).start();
    let told = problems(&server).expect("it is told");
    let detail = told["detail"].as_str().expect("a text");
    assert!(
        detail.starts_with("1 key is bound to client certificates"),
        "{detail}"
    );
    let admin = server.admin();
    let path = format!("/api/keys/{}", key.key_id);
    admin.send("DELETE", &path, "").expect_status(200);
    assert_eq!(problems(&server), None, "it is revoked");
}
