//! UNLOCK in all its variants: with a fitting ID, another's, another key's, without a body, cut
//! short, and what is written to the event log.

use serde_json::json;

use crate::harness::{Answer, Client, Server, lock_body, md5, state_path, tfstate};
use crate::wire::{Wire, head};

use super::{L1, expect_holder};

fn held(caller: &Client) -> bool {
    caller
        .get(&format!("{}/lock", state_path("team/net")))
        .status
        == 200
}

/// A server, the key that holds `lock-1` of `team/net`, and what it sent.
fn locked() -> (Server, Client, String) {
    let server = Server::start();
    let holder = server.key("team", "planner");
    let lock = holder
        .lock_to_plan("team/net", "lock-1")
        .expect_status(200)
        .text();
    (server, holder, lock)
}

/// The kinds of events about locks, oldest first, with whether each needs a person.
fn lock_events(server: &Server) -> Vec<(String, bool)> {
    let mut events = server.admin().events("kind=lock.*");
    events.reverse();
    events
        .iter()
        .map(|event| {
            (
                event["kind"].as_str().expect("a kind").to_owned(),
                event["attention"] == true,
            )
        })
        .collect()
}

#[test]
fn the_holder_releases_its_lock_and_sees_it() {
    let (server, holder, lock) = locked();
    let answer = holder.unlock("team/net", "lock-1").expect_status(200);
    assert_eq!(
        answer.json(),
        serde_json::from_str::<serde_json::Value>(&lock).expect("JSON")
    );
    assert!(!held(&holder));
    assert_eq!(lock_events(&server), [("lock.plan".to_owned(), false)]);
}

#[test]
fn nothing_locked_is_200_whatever_is_sent() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    writer
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    for name in ["team/net", "team/none"] {
        assert_eq!(
            writer.unlock(name, "lock-1").expect_status(200).json(),
            json!({})
        );
        assert_eq!(
            writer
                .send("UNLOCK", &state_path(name), "")
                .expect_status(200)
                .json(),
            json!({})
        );
        assert_eq!(
            writer
                .send("UNLOCK", &format!("{}?ID=lock-1", state_path(name)), "")
                .expect_status(200)
                .json(),
            json!({})
        );
    }
    assert!(
        lock_events(&server)
            .iter()
            .all(|(kind, _)| kind != "lock.break"),
        "nothing was broken"
    );
}

#[test]
fn only_ids_are_compared_never_the_whole_lock() {
    let (server, holder, _) = locked();
    let other_fields = json!({
        "ID": "lock-1", "Who": "somebody else", "Operation": "OperationTypePlan",
        "Created": "2020-01-01T00:00:00Z"
    });
    holder
        .send("UNLOCK", &state_path("team/net"), other_fields.to_string())
        .expect_status(200);
    assert!(!held(&holder));
    assert_eq!(lock_events(&server), [("lock.plan".to_owned(), false)]);
}

#[test]
fn anothers_id_is_409_with_the_holders_lock() {
    let (server, holder, lock) = locked();
    for caller in [
        &holder,
        &server.key("team", "writer"),
        &server.key("team", "owner"),
    ] {
        let answer = expect_holder(caller.unlock("team/net", "lock-2"), 409, &lock);
        assert_eq!(answer.header("content-type"), "application/json");
    }
    assert!(held(&holder));
}

#[test]
fn a_fitting_id_from_another_key_needs_the_permission_to_break_locks() {
    let (server, holder, _) = locked();
    for caller in [
        server.key("team", "planner"),
        server.key_with("team", &["TFSTATE_SAVE"]),
    ] {
        caller
            .unlock("team/net", "lock-1")
            .expect_problem(403, "forbidden");
        caller
            .send(
                "UNLOCK",
                &format!("{}?ID=lock-1", state_path("team/net")),
                "",
            )
            .expect_problem(403, "forbidden");
        assert!(held(&holder));
    }
    let breaker = server.key_with("team", &["TFSTATE_PLAN", "TFSTATE_UNLOCK"]);
    breaker.unlock("team/net", "lock-1").expect_status(200);
    assert!(!held(&holder));
    assert_eq!(
        lock_events(&server).last(),
        Some(&("lock.break".to_owned(), true))
    );
    let event = &server.admin().events("kind=lock.break")[0];
    assert_eq!(
        (&event["actor"]["id"], &event["lock_id"]),
        (&json!(breaker.key_id), &json!("lock-1"))
    );
}

#[test]
fn a_token_releases_what_its_key_has_locked() {
    let (server, holder, _) = locked();
    server
        .token(&holder, json!({}))
        .unlock("team/net", "lock-1")
        .expect_status(200);
    assert_eq!(lock_events(&server), [("lock.plan".to_owned(), false)]);
}

#[test]
fn an_empty_body_breaks_ones_own_lock_and_is_written_down_as_forced() {
    let (server, holder, _) = locked();
    holder
        .send("UNLOCK", &state_path("team/net"), "")
        .expect_status(200);
    assert!(!held(&holder));
    assert_eq!(
        lock_events(&server).last().map(|(kind, _)| kind.as_str()),
        Some("lock.break")
    );
}

#[test]
fn an_empty_body_breaks_anothers_lock_only_with_the_permission() {
    let (server, holder, lock) = locked();
    for caller in [
        server.key("team", "planner"),
        server.key_with("team", &["TFSTATE_SAVE"]),
    ] {
        caller
            .send("UNLOCK", &state_path("team/net"), "")
            .expect_problem(403, "forbidden");
        assert!(held(&holder));
    }
    let answer = server
        .key("team", "writer")
        .send("UNLOCK", &state_path("team/net"), "")
        .expect_status(200);
    assert_eq!(
        answer.json(),
        serde_json::from_str::<serde_json::Value>(&lock).expect("JSON")
    );
    assert!(!held(&holder));
    assert_eq!(
        lock_events(&server).last(),
        Some(&("lock.break".to_owned(), true))
    );
}

#[test]
fn terraforms_force_unlock_is_an_empty_body_in_chunks_with_the_md5_of_nothing() {
    let (server, holder, _) = locked();
    let mut wire = Wire::to(&server);
    let sum = format!("Content-MD5: {}", md5(b""));
    let headers = [
        "Transfer-Encoding: chunked",
        "Content-Type: application/json",
        sum.as_str(),
    ];
    wire.send(head(
        "UNLOCK",
        &state_path("team/net"),
        &server.key("team", "writer"),
        &headers,
    ));
    wire.send("0\r\n\r\n");
    wire.answer().expect("an answer").expect_status(200);
    assert!(!held(&holder));
    assert_eq!(
        lock_events(&server).last(),
        Some(&("lock.break".to_owned(), true))
    );
}

#[test]
fn opentofus_force_unlock_is_a_bare_lock_and_is_written_down_as_forced() {
    let bare = json!({
        "ID": "lock-1", "Operation": "", "Info": "", "Who": "", "Version": "",
        "Created": "0001-01-01T00:00:00Z", "Path": ""
    })
    .to_string();
    let (server, holder, _) = locked();
    server
        .key("team", "planner")
        .send("UNLOCK", &state_path("team/net"), bare.clone())
        .expect_problem(403, "forbidden");
    holder
        .send("UNLOCK", &state_path("team/net"), bare.clone())
        .expect_status(200);
    assert_eq!(
        lock_events(&server).last().map(|(kind, _)| kind.as_str()),
        Some("lock.break")
    );
    holder.lock_to_plan("team/net", "lock-1").expect_status(200);
    server
        .key("team", "writer")
        .send("UNLOCK", &state_path("team/net"), bare)
        .expect_status(200);
    assert!(!held(&holder));
    assert_eq!(
        lock_events(&server).last(),
        Some(&("lock.break".to_owned(), true))
    );
}

#[test]
fn the_id_in_the_address_stands_for_a_body_that_a_proxy_dropped() {
    let (server, holder, lock) = locked();
    let path = |id: &str| format!("{}?ID={id}", state_path("team/net"));
    expect_holder(
        server
            .key("team", "writer")
            .send("UNLOCK", &path("lock-2"), ""),
        409,
        &lock,
    );
    assert!(held(&holder));
    holder
        .send("UNLOCK", &path("lock-1"), "")
        .expect_status(200);
    assert!(!held(&holder));
}

#[test]
fn a_body_that_is_cut_short_is_never_an_empty_one() {
    let (server, holder, _) = locked();
    let breaker = server.key("team", "owner");
    let lock = lock_body("lock-1");
    let length = format!("Content-Length: {}", lock.len());
    let rows: [(&str, &[&str], String); 6] = [
        (
            "no chunk came",
            &["Transfer-Encoding: chunked"],
            String::new(),
        ),
        (
            "the last chunk is missing",
            &["Transfer-Encoding: chunked"],
            format!("{:x}\r\n{lock}\r\n", lock.len()),
        ),
        (
            "cut inside a chunk",
            &["Transfer-Encoding: chunked"],
            format!("{:x}\r\n{}", lock.len(), &lock[..20]),
        ),
        (
            "half a last chunk",
            &["Transfer-Encoding: chunked"],
            "0\r\n".to_owned(),
        ),
        ("nothing of the length came", &[&length], String::new()),
        ("half of the length came", &[&length], lock[..20].to_owned()),
    ];
    for (what, headers, body) in rows {
        for path in [
            state_path("team/net"),
            format!("{}/lock", state_path("team/net")),
            format!("{}?ID=lock-1", state_path("team/net")),
        ] {
            let mut wire = Wire::to(&server);
            wire.send(head("UNLOCK", &path, &breaker, headers));
            wire.send(&body);
            wire.finish();
            let answer: Option<Answer> = wire.answer();
            assert!(answer.is_none_or(|answer| answer.status == 400), "{what}");
            assert!(held(&holder), "{what}: the lock is gone");
        }
    }
}

#[test]
fn a_body_that_is_no_lock_is_400_and_unlocks_nothing() {
    let (server, holder, _) = locked();
    let breaker = server.key("team", "owner");
    for body in ["lock-1", "[]", "{", "null", "{\"ID\": 7}", " "] {
        for (method, path) in [
            ("UNLOCK", state_path("team/net")),
            ("DELETE", format!("{}/lock", state_path("team/net"))),
        ] {
            breaker
                .send(method, &path, body)
                .expect_problem(400, "not_a_lock");
            assert!(held(&holder), "{body}");
        }
    }
    let request = breaker
        .request("UNLOCK", &state_path("team/net"))
        .header("Content-MD5", md5(b"other"))
        .body(lock_body("lock-1"));
    Client::ask(request).expect_problem(400, "md5_mismatch");
    assert!(held(&holder));
}

#[test]
fn an_unlock_that_is_sent_again_is_200() {
    let (_server, holder, _) = locked();
    for _ in 0..3 {
        holder.unlock("team/net", "lock-1").expect_status(200);
    }
}
