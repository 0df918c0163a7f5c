//! A `Referer` at a state's address: a redirect brought the request here, behind which a program
//! loses a state while it reports success.

use serde_json::json;

use crate::harness::{Answer, Client, Server, eventually, lock_body, state_path, tfstate};

use super::L1;

fn ask(caller: &Client, method: &str, path: &str, body: &str) -> Answer {
    let referer = "http://user:secret@old.example.net/states/net?token=secret";
    Client::ask(
        caller
            .request(method, path)
            .header("Referer", referer)
            .body(body.to_owned()),
    )
}

#[test]
fn no_method_at_a_states_address_is_taken_behind_a_redirect() {
    let server = Server::start();
    let (owner, reader) = (server.key("team", "owner"), server.key("team", "reader"));
    owner
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    for name in ["team/net", "team/new"] {
        let state = state_path(name);
        let calls = [
            ("", "GET"),
            ("", "HEAD"),
            ("", "POST"),
            ("", "PUT"),
            ("", "LOCK"),
            ("", "UNLOCK"),
            ("", "DELETE"),
        ];
        let at_lock = [
            ("/lock", "GET"),
            ("/lock", "POST"),
            ("/lock", "PUT"),
            ("/lock", "LOCK"),
            ("/lock", "UNLOCK"),
            ("/lock", "DELETE"),
        ];
        let queries = ["", "?ID=lock-1", "?force=true", "?tenant=a"];
        let all = calls
            .into_iter()
            .chain(at_lock)
            .flat_map(|call| queries.map(|query| (call, query)));
        for ((below, method), query) in all {
            for caller in [&owner, &reader, &server.anonymous()] {
                let answer = ask(
                    caller,
                    method,
                    &format!("{state}{below}{query}"),
                    &lock_body("lock-1"),
                );
                assert_eq!(answer.status, 400, "{method} {below}{query}");
                let words = answer.text();
                assert!(
                    method == "HEAD" || words.contains("redirected"),
                    "{method} {below}{query}: {words}"
                );
                assert!(
                    method == "HEAD" || words.contains(&server.state(name)),
                    "it says which address to configure: {words}"
                );
            }
        }
        owner
            .get(&format!("{state}/lock"))
            .expect_problem(404, "no_lock");
    }
    assert_eq!(
        owner.read("team/net").expect_status(200).text(),
        tfstate(L1, 1)
    );
    assert_eq!(owner.versions("team/net").len(), 1);
}

#[test]
fn it_is_an_event_for_a_person() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    for caller in [&writer, &server.anonymous()] {
        ask(caller, "GET", &state_path("team/net"), "").expect_problem(400, "redirected");
    }
    let mut events = Vec::new();
    eventually("both are events", || {
        events = server
            .admin()
            .events("kind=request.redirected&workspace=team&buildingBlock=net");
        events.len() == 2
    });
    let of = |who: bool| {
        events
            .iter()
            .find(|event| event["actor"].is_object() == who)
            .expect("an event")
            .clone()
    };
    let (known, stranger) = (of(true), of(false));
    assert_eq!(
        (&known["actor"]["id"], &known["attention"]),
        (&json!(writer.key_id), &json!(true)),
        "{known}"
    );
    assert_eq!(
        known["detail"],
        json!({"from": "http://old.example.net/states/net"}),
        "nothing that may be secret"
    );
    assert_eq!(
        stranger["attention"], false,
        "or a stranger could bury the rest"
    );
}

#[test]
fn other_calls_may_come_from_a_page() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    owner
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    for path in ["/versions", "/versions/1", "/outputs"] {
        ask(
            &owner,
            "GET",
            &format!("{}{path}", state_path("team/net")),
            "",
        )
        .expect_status(200);
    }
    for path in ["/readyz", "/"] {
        ask(&owner, "GET", path, "").expect_status(200);
    }
    ask(&server.admin(), "GET", "/api/status", "").expect_status(200);
}
