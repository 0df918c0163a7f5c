//! What is delivered: each event that a hook wants, signed, in order, at least once, over failures
//! and restarts; and never held up by another receiver.

use std::collections::BTreeSet;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::Sha256;
use tempfile::TempDir;

use super::receiver::{Received, Receiver, Reply, free_port};
use super::{deliveries, make, newest, path, shown, write, written};
use crate::harness::{Server, Setup, eventually};

/// Whether a delivery is signed with a secret.
fn is_signed(received: &Received, secret: &str) -> bool {
    let header = received.header("statekeep-signature");
    let (time, signature) = header.split_once(",v1=").expect("a time and a signature");
    let time = time.strip_prefix("t=").expect("a time");
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key");
    mac.update(format!("{time}.{}", received.body).as_bytes());
    let bytes: Vec<u8> = (0..signature.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&signature[at..at + 2], 16).expect("hex"))
        .collect();
    mac.verify_slice(&bytes).is_ok()
}

fn seqs(got: &[Received]) -> Vec<u64> {
    got.iter().map(Received::seq).collect()
}

#[test]
fn a_delivery_says_what_happened_and_is_signed() {
    let (server, receiver) = (Server::start(), Receiver::start());
    write(&server, 1..=1);
    let (hook, secret) = make(&server, &receiver.wanted(&["state.*", "lock.break"]));
    write(&server, 2..=2);
    server.admin().read("team/net").expect_status(200);
    server.admin().lock("team/net", "l").expect_status(200);
    server.admin().unlock("team/net", "l").expect_status(200);
    write(&server, 3..=3);
    let got = receiver.waits_for(2);
    assert_eq!(
        seqs(&got),
        written(&server)[1..],
        "what came before is not told"
    );
    let events = server.admin().events("kind=state.write");
    for (received, event) in got.iter().rev().zip(&events) {
        assert_eq!(received.line, "POST /hook HTTP/1.1");
        assert_eq!(received.header("content-type"), "application/json");
        assert!(received.header("user-agent").starts_with("statekeep/"));
        assert_eq!(received.header("statekeep-event"), "state.write");
        let id = format!("{}-{}", hook["id"].as_str().expect("an id"), event["seq"]);
        assert_eq!(received.header("statekeep-delivery"), id);
        let body = received.json();
        assert_eq!(body["event"], *event, "as the API tells it");
        assert_eq!(
            (&body["delivery"], &body["hook"]),
            (&json!(id), &hook["id"])
        );
        assert_eq!(body["kind"], "state.write");
        let status = server.admin().get("/api/status").json();
        assert_eq!(body["instance"], status["instance"]);
        assert!(is_signed(received, &secret));
        assert!(!is_signed(received, &secret.to_uppercase()), "a control");
    }
    let expected = [events[0]["seq"].clone(), events[1]["seq"].clone()];
    eventually(
        "the log of deliveries, written behind them, has both",
        || {
            let log = deliveries(&server, &hook);
            let numbers: Vec<_> = log.iter().map(|row| row["event"].clone()).collect();
            numbers == expected && log.iter().all(|row| row["status"] == 204)
        },
    );
    assert_eq!(shown(&server, &hook)["status"], "active");
}

#[test]
fn a_hook_is_told_of_one_workspace_of_what_is_for_a_person_or_of_all_but_what_is_counted() {
    let server = Server::start();
    let hook = |more: &serde_json::Value, on: &[&str]| {
        let receiver = Receiver::start();
        let mut wanted = receiver.wanted(on);
        for (name, value) in more.as_object().expect("an object") {
            wanted[name] = value.clone();
        }
        make(&server, &wanted);
        receiver
    };
    let all = hook(&json!({}), &["all"]);
    let other = hook(&json!({"workspace": "other"}), &["state.write"]);
    let person = hook(&json!({}), &["attention"]);
    write(&server, 1..=1);
    server.admin().read("team/net").expect_status(200);
    server.admin().lock("team/net", "l").expect_status(200);
    let broken = server.key("team", "writer");
    broken
        .send("UNLOCK", &crate::harness::state_path("team/net"), "")
        .expect_status(200);
    eventually("what is counted is written down", || {
        !server.admin().events("kind=state.read").is_empty()
    });
    let written = server
        .admin()
        .write("other/net", crate::harness::tfstate(super::L1, 1), None);
    written.expect_status(200);
    let last = other.waits_for(1);
    assert_eq!(last[0].json()["event"]["workspace"], "other");
    eventually("all are there", || {
        all.got()
            .iter()
            .any(|received| received.seq() == last[0].seq())
    });
    let kinds: Vec<String> = all
        .got()
        .iter()
        .map(|received| received.header("statekeep-event").to_owned())
        .collect();
    let expected = [
        "hook.create",
        "hook.create",
        "state.write",
        "lock.acquire",
        "key.create",
        "lock.break",
        "state.write",
    ];
    assert_eq!(
        kinds, expected,
        "its own is not told, and nothing that is counted"
    );
    let marked = person.waits_for(1);
    let kinds: BTreeSet<&str> = marked
        .iter()
        .map(|got| got.header("statekeep-event"))
        .collect();
    assert_eq!(kinds, BTreeSet::from(["lock.break"]));
    assert_eq!(other.got().len(), 1);
}

#[test]
fn a_delivery_that_fails_comes_again_and_those_behind_it_wait() {
    let (server, receiver) = (Server::start(), Receiver::start());
    receiver.will(&Reply::Status(500, String::new()), 2);
    let (hook, secret) = make(&server, &receiver.wanted(&["state.write"]));
    write(&server, 1..=3);
    let got = receiver.waits_for(5);
    let [a, b, c] = written(&server)[..] else {
        panic!("three events")
    };
    assert_eq!(seqs(&got), [a, a, a, b, c]);
    let ids: BTreeSet<&str> = got
        .iter()
        .map(|got| got.header("statekeep-delivery"))
        .collect();
    assert_eq!(ids.len(), 3, "one id for all tries of a delivery");
    assert!(got.iter().all(|received| is_signed(received, &secret)));
    let mut log = Vec::new();
    eventually("all three are written down", || {
        log = deliveries(&server, &hook);
        log.len() == 3 && log[0]["outcome"] == "delivered"
    });
    assert_eq!(
        (&log[2]["tries"], &log[2]["status"]),
        (&json!(3), &json!(204))
    );
    let metrics = server.admin().get("/metrics").text();
    for line in [
        "statekeep_hook_tries_total{outcome=\"delivered\"} 3",
        "statekeep_hook_tries_total{outcome=\"failed\"} 2",
        "statekeep_hooks_failing 0",
    ] {
        assert!(metrics.contains(line), "{line}");
    }
}

#[test]
fn nothing_is_lost_while_the_receiver_is_down_and_the_server_is_killed() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let mut server = Setup::new().data(&data).start();
    let port = free_port();
    let wanted = json!({
        "url": format!("http://127.0.0.1:{port}/"), "on": ["state.write"],
        "allow_private": "127.0.0.1"
    });
    let (hook, secret) = make(&server, &wanted);
    write(&server, 1..=2);
    let failed = newest(&server, &hook, "retrying");
    assert!(
        failed["error"].is_string() && failed["status"].is_null(),
        "{failed}"
    );
    assert_eq!(shown(&server, &hook)["status"], "failing");
    let admin = server.admin();
    server.kill();
    let server = Setup::new().data(&data).start();
    let admin = admin.at(&server);
    let more = admin.write("team/net", crate::harness::tfstate(super::L1, 3), None);
    more.expect_status(200);
    let receiver = Receiver::on(port, None);
    let got = receiver.waits_for(3);
    let mut events: Vec<u64> = admin
        .events("kind=state.write")
        .iter()
        .filter_map(|event| event["seq"].as_u64())
        .collect();
    events.sort_unstable();
    assert_eq!(seqs(&got), events, "each once, in their order");
    assert!(got.iter().all(|received| is_signed(received, &secret)));
    eventually("the hook is well again", || {
        admin.get(&path(&hook)).json()["status"] == "active"
    });
    eventually("the log of deliveries has the tries of the first", || {
        let log = admin.get(&format!("{}/deliveries", path(&hook))).json();
        log["deliveries"][2]["tries"].as_u64() > failed["tries"].as_u64()
    });
}

#[test]
fn a_receiver_that_never_answers_holds_up_no_other() {
    let (server, slow, quick) = (Server::start(), Receiver::start(), Receiver::start());
    slow.will(&Reply::Silence, 100);
    let (stuck, _) = make(&server, &slow.wanted(&["state.write"]));
    make(&server, &quick.wanted(&["state.write"]));
    write(&server, 1..=1);
    slow.waits_for(1);
    write(&server, 2..=20);
    let got = quick.waits_for(20);
    assert_eq!(seqs(&got), written(&server));
    assert_eq!(
        deliveries(&server, &stuck).len(),
        0,
        "it is still at its first try"
    );
    assert_eq!(slow.got().len(), 1);
    server
        .admin()
        .send("DELETE", &path(&stuck), "")
        .expect_status(200);
    assert!(
        server.stop().success(),
        "it does not hold up the end either"
    );
}

#[test]
fn the_log_has_the_last_hundred_deliveries() {
    let (server, receiver) = (Server::start(), Receiver::start());
    let (hook, _) = make(&server, &receiver.wanted(&["state.write"]));
    write(&server, 1..=105);
    receiver.waits_for(105);
    let last = *written(&server).last().expect("events");
    eventually("all are written down", || {
        let log = deliveries(&server, &hook);
        log[0]["event"] == last && log[0]["outcome"] == "delivered"
    });
    let log = deliveries(&server, &hook);
    assert_eq!(log.len(), 100);
    assert_eq!(seqs(&receiver.got()), written(&server));
}

#[test]
fn events_that_are_gone_before_their_turn_are_counted() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    let receiver = Receiver::start();
    let (hook, _) = make(&server, &receiver.wanted(&["state.write"]));
    write(&server, 1..=4);
    receiver.waits_for(4);
    newest(&server, &hook, "delivered");
    let places = written(&server);
    let admin = server.admin();
    assert!(server.stop().success());
    // As if the hook had been held up at the first, and two were pruned meanwhile.
    let (first, second, third) = (places[0], places[1], places[2]);
    let edit = format!(
        "UPDATE hook_progress SET place = {first}; DELETE FROM events WHERE seq IN ({second}, \
            {third});"
    );
    if crate::disk::sql(&data.join("statekeep.db"), &edit).is_none() {
        return;
    }
    let server = Setup::new().data(&data).start();
    let got = receiver.waits_for(5);
    assert_eq!(got[4].seq(), places[3]);
    eventually("the gap is counted", || {
        admin.at(&server).get(&path(&hook)).json()["missed"] == 2
    });
    let shown = server.cli(&["hook", "show", hook["id"].as_str().expect("an id")]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("missed          at most 2\n"), "{shown}");
}

#[test]
fn a_lock_that_died_is_told_under_a_word_of_its_own() {
    let (server, receiver) = (Server::start(), Receiver::start());
    let (hook, _) = make(&server, &receiver.wanted(&["lock_died"]));
    assert_eq!(hook["on"], json!(["lock.died"]));
    let key = server.key("team", "writer");
    let token = server.token(&key, json!({}));
    token.lock("team/net", "old").expect_status(200);
    token.send("DELETE", "/api/token", "").expect_status(204);
    key.lock("team/net", "new").expect_status(200);
    let got = receiver.waits_for(1);
    let told = got[0].json();
    assert_eq!(told["kind"], "lock.died", "{told}");
    assert_eq!(told["event"], server.admin().events("kind=lock.died")[0]);
}
