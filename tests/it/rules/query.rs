//! What stands behind the `?`: judged alike on every method and before anything else, so that a
//! program is refused at its first request and not at its last; and a refusal of a query or a body
//! says what of it is wrong.

use serde_json::{Value, json};

use crate::harness::{Client, Server, lock_body, state_path, tfstate};
use crate::wire;

use super::L1;

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "LOCK", "UNLOCK", "DELETE"];

/// The detail of a refusal of a query.
#[track_caller]
fn refused(caller: &Client, method: &str, path: &str, body: &str) -> String {
    let answer = caller.send(method, path, body.to_owned());
    assert_eq!(answer.status, 400, "{method} {path}: {}", answer.text());
    if method == "HEAD" {
        String::new()
    } else {
        answer.expect_problem(400, "bad_query").json()["detail"].to_string()
    }
}

#[test]
fn our_parameters_in_an_address_are_refused_when_it_is_read_and_locked() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    writer
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    let state = state_path("team/net");
    let queries = [
        ("force=true", "force"),
        ("force=1", "force"),
        ("force", "force"),
        ("ID=mine", "ID"),
        ("ID=", "ID"),
        ("x=1&ID=a", "ID"),
        ("%49D=mine", "ID"),
        ("forc%65=true", "force"),
    ];
    for (query, name) in queries {
        for (method, path) in [("GET", &state), ("HEAD", &state), ("LOCK", &state)] {
            let detail = refused(
                &writer,
                method,
                &format!("{path}?{query}"),
                &lock_body("lock-1"),
            );
            assert!(
                method == "HEAD" || detail.contains(&format!("`{name}`")),
                "{method} ?{query}: {detail}"
            );
        }
        for method in ["GET", "POST", "PUT", "LOCK"] {
            refused(
                &writer,
                method,
                &format!("{state}/lock?{query}"),
                &lock_body("lock-1"),
            );
        }
        // Whoever asks.
        refused(&server.anonymous(), "GET", &format!("{state}?{query}"), "");
    }
    writer
        .get(&format!("{state}/lock"))
        .expect_problem(404, "no_lock");
}

#[test]
fn what_makes_no_sense_is_refused_on_every_method() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    owner
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    owner.lock("team/net", "lock-1").expect_status(200);
    let state = state_path("team/net");
    for query in [
        "force=1",
        "force=True",
        "force=yes",
        "force=",
        "force",
        "force=true&force=true",
        "ID=a&ID=b",
        "force=true&force=false",
    ] {
        for method in METHODS {
            refused(&owner, method, &format!("{state}?{query}"), "");
            refused(&server.anonymous(), method, &format!("{state}?{query}"), "");
        }
        for method in ["UNLOCK", "DELETE"] {
            let detail = refused(
                &owner,
                method,
                &format!("{state}/lock?{query}"),
                &lock_body("lock-1"),
            );
            assert!(
                detail.contains("force") || detail.contains("ID"),
                "{query}: {detail}"
            );
        }
    }
    assert_eq!(
        owner.read("team/net").expect_status(200).text(),
        tfstate(L1, 1)
    );
    owner.get(&format!("{state}/lock")).expect_status(200);
}

#[test]
fn the_id_in_the_body_of_an_unlock_counts_whatever_stands_in_its_address() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let state = state_path("team/net");
    for (method, path) in [
        ("UNLOCK", state.clone()),
        ("UNLOCK", format!("{state}/lock")),
        ("DELETE", format!("{state}/lock")),
    ] {
        writer.lock("team/net", "lock-1").expect_status(200);
        writer
            .send(method, &format!("{path}?ID=mine"), lock_body("lock-2"))
            .expect_status(409);
        writer
            .send(method, &format!("{path}?ID=lock-1"), lock_body("lock-2"))
            .expect_status(409);
        writer
            .send(
                method,
                &format!("{path}?ID=mine&force=true"),
                lock_body("lock-1"),
            )
            .expect_status(200);
        writer
            .get(&format!("{state}/lock"))
            .expect_problem(404, "no_lock");
    }
}

#[test]
fn other_parameters_are_left_alone_at_a_states_address() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    let path = format!(
        "{}?tenant=a&id=b&Force=1&ref=%C3%A4",
        state_path("team/net")
    );
    let locks = format!("{}/lock?tenant=a&id=b", state_path("team/net"));
    owner
        .send("LOCK", &path, lock_body("lock-1"))
        .expect_status(200);
    owner
        .send("POST", &format!("{path}&ID=lock-1"), tfstate(L1, 1))
        .expect_status(200);
    owner.get(&path).expect_status(200);
    owner.get(&locks).expect_status(200);
    owner
        .send("UNLOCK", &path, lock_body("lock-1"))
        .expect_status(200);
    owner
        .send("POST", &locks, lock_body("lock-1"))
        .expect_status(200);
    owner
        .send("DELETE", &locks, lock_body("lock-1"))
        .expect_status(200);
    owner.send("DELETE", &path, "").expect_status(200);
}

fn other_calls() -> Vec<(&'static str, String)> {
    let below = |path: &str| format!("{}{path}", state_path("team/net"));
    [
        ("GET", "/versions"),
        ("GET", "/versions/1"),
        ("GET", "/versions/1/info"),
        ("GET", "/versions/1/diff"),
        ("GET", "/versions/1/resources"),
        ("GET", "/versions/1/resources/null_resource.a"),
        ("GET", "/history/null_resource.a"),
        ("POST", "/versions/1/hold"),
        ("DELETE", "/versions/1/hold"),
        ("GET", "/outputs"),
        ("GET", "/consumers"),
        ("POST", "/rollback"),
        ("POST", "/restore"),
        ("POST", "/move"),
        ("POST", "/purge"),
        ("POST", "/import"),
        ("GET", "/transfer"),
        ("POST", "/transfer"),
        ("DELETE", "/transfer"),
        ("POST", "/transfer/done"),
    ]
    .map(|(method, path)| (method, below(path)))
    .into_iter()
    .chain(
        [
            ("GET", "/api/terraform/state"),
            ("GET", "/api/search"),
            ("GET", "/api/inventory"),
            ("GET", "/api/activity"),
            ("POST", "/api/terraform/detect"),
            ("POST", "/api/login"),
            ("DELETE", "/api/token"),
            ("POST", "/api/token/extend"),
            ("GET", "/api/keys"),
            ("POST", "/api/keys"),
            ("POST", "/api/trusts"),
            ("GET", "/api/hooks"),
            ("POST", "/api/hooks"),
            ("GET", "/api/events"),
            ("GET", "/api/events/head"),
            ("POST", "/api/events/1/acknowledge"),
            ("GET", "/api/status"),
            ("GET", "/api/verify"),
            ("POST", "/api/verify"),
            ("POST", "/api/prune"),
            ("GET", "/api/retention"),
            ("GET", "/api/retention/team"),
            ("PUT", "/api/retention/team"),
            ("DELETE", "/api/retention/team"),
            ("POST", "/api/clock"),
            ("GET", "/api/openapi.json"),
            ("GET", "/healthz"),
            ("GET", "/readyz"),
            ("GET", "/metrics"),
        ]
        .map(|(method, path)| (method, path.to_owned())),
    )
    .collect()
}

#[test]
fn every_other_call_refuses_parameters_that_it_does_not_know() {
    let server = Server::start();
    let admin = server.admin();
    admin
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    let calls = other_calls();
    for (method, path) in &calls {
        for query in ["buildingblock=net", "limitt=1", "x", "nothing=&x=1"] {
            let detail = refused(&admin, method, &format!("{path}?{query}"), "");
            let name = query.split(['=', '&']).next().unwrap_or_default();
            assert!(detail.contains(name), "{method} {path}?{query}: {detail}");
            refused(&server.anonymous(), method, &format!("{path}?{query}"), "");
        }
    }
    // As their owner meant it.
    admin
        .get("/api/events?buildingBlock=net&limit=1")
        .expect_status(200);
    wire::ask(&server, &admin, "GET", "/?whatever=1").expect_status(200);
}

#[test]
fn a_number_is_written_in_digits_alone() {
    let server = Server::start();
    let admin = server.admin();
    admin
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    let versions = format!("{}/versions", state_path("team/net"));
    let calls = [
        ("GET", format!("{versions}?limit="), "limit"),
        ("GET", format!("{versions}?before="), "before"),
        ("GET", format!("{versions}/1/diff?from="), "from"),
        ("GET", format!("{versions}/1/resources?limit="), "limit"),
        (
            "GET",
            format!("{}/history/x.y?before=", state_path("team/net")),
            "before",
        ),
        ("GET", "/api/events?limit=".to_owned(), "limit"),
        ("GET", "/api/events?before=".to_owned(), "before"),
        ("GET", "/api/keys?limit=".to_owned(), "limit"),
        ("GET", "/api/retention?limit=".to_owned(), "limit"),
        ("GET", "/api/terraform/state?limit=".to_owned(), "limit"),
        (
            "POST",
            format!("{}/import?append=true&number=", state_path("team/net")),
            "number",
        ),
        (
            "POST",
            format!(
                "{}/import?append=true&removed_serial=",
                state_path("team/net")
            ),
            "removed_serial",
        ),
        (
            "POST",
            format!("{}/import?after=", state_path("team/net")),
            "after",
        ),
    ];
    for (method, path, name) in &calls {
        for number in [
            "%2B1",
            "+1",
            "01",
            "-1",
            "1.0",
            "1e0",
            "",
            "0x1",
            "x",
            "18446744073709551616",
        ] {
            let detail = refused(&admin, method, &format!("{path}{number}"), &tfstate(L1, 9));
            assert!(detail.contains(name), "{path}{number}: {detail}");
        }
    }
    assert_eq!(admin.versions("team/net").len(), 1);
}

const SECRET: &str = "skp_ASecretThatMustNotComeBack";

/// Bodies that one member makes wrong, and what is said of it.
fn wrong_bodies() -> [(String, Value, &'static str); 10] {
    let net = |path: &str| format!("{}{path}", state_path("team/net"));
    [
        (
            net("/rollback"),
            json!({"version": "1"}),
            "`version` has to be a whole number",
        ),
        (
            net("/rollback"),
            json!({"version": 1, "dry_run": "yes"}),
            "`dry_run` has to be true or false",
        ),
        (net("/rollback"), json!({}), "`version` is missing"),
        (
            net("/rollback"),
            json!({"version": 1, "dryRun": true}),
            "`dryRun`",
        ),
        (
            net("/versions/1/hold"),
            json!({"reason": 7}),
            "`reason` has to be a text",
        ),
        (
            "/api/keys".to_owned(),
            json!({"name": "x", "permissions": "TFSTATE_LIST"}),
            "`permissions` has to be a list",
        ),
        (
            "/api/login".to_owned(),
            json!({"clientId": "x", "client_secret": SECRET}),
            "`clientSecret` is missing",
        ),
        (
            "/api/login".to_owned(),
            json!({"clientId": SECRET, "clientSecret": 7}),
            "`clientSecret` has to be a text",
        ),
        (
            "/api/login".to_owned(),
            json!({"clientId": "x", "clientSecret": SECRET, "expires_in": "60"}),
            "`expires_in` has to be a whole number",
        ),
        (
            "/api/token/extend".to_owned(),
            json!({"token": "x", (SECRET): 1}),
            "a member is not one of this call; it takes token, expires_in",
        ),
    ]
}

#[test]
fn a_refusal_names_the_parameter_or_the_member() {
    let server = Server::start();
    let admin = server.admin();
    admin
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    let below = |path: &str| format!("{}{path}", state_path("team/net"));
    for (path, name) in [
        (below("/outputs?sensitive=True"), "sensitive"),
        (below("/versions/1/diff?sensitive=1"), "sensitive"),
        (below("/versions?limit=5&intermediate=no"), "intermediate"),
        ("/api/events?limit=5&attention=yes".to_owned(), "attention"),
        ("/api/events?since=yesterday".to_owned(), "since"),
        ("/api/events?until=2026-13-01T00:00:00Z".to_owned(), "until"),
        ("/api/terraform/state?deleted=1".to_owned(), "deleted"),
        ("/api/terraform/state?locked=1".to_owned(), "locked"),
        ("/api/terraform/state?frozen=1".to_owned(), "frozen"),
    ] {
        assert!(refused(&admin, "GET", &path, "").contains(name), "{path}");
    }
    for (path, body, says) in wrong_bodies() {
        let answer = admin
            .send("POST", &path, body.to_string())
            .expect_problem(400, "bad_body");
        let detail = answer.json()["detail"].as_str().expect("a text").to_owned();
        assert!(detail.contains(says), "{path} {body}: {detail}");
        assert!(!answer.text().contains(SECRET), "{path}: {detail}");
    }
    let form = server
        .anonymous()
        .request("POST", "/api/login")
        .header("Content-Type", "application/x-www-form-urlencoded");
    let answer = Client::ask(form.body("client_id=x&grant_type=client_credentials"))
        .expect_problem(400, "bad_body");
    assert!(
        answer.text().contains("`client_secret` is missing"),
        "{}",
        answer.text()
    );
}
