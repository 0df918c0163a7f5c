//! Who is told what of a state: the consumers of its outputs, and the webhooks, from the first
//! delivery to the last.

use serde_json::json;

use super::story::{self, STATE, body, machine, view};
use super::visitor::Visitor;
use crate::harness::{Client, Server, eventually, state_path};
use crate::hooks::receiver::{Receiver, Reply};

/// Waits until the server knows whether what was read is what the outputs are now.
fn the_first_reader_is(key: &Client, is_current: bool) {
    eventually("the reads are looked at", || {
        let path = format!("{}/consumers", state_path(STATE));
        let answer = key.get(&path).expect_status(200).json();
        answer["consumers"][0]["is_current"] == is_current
    });
}

#[test]
fn the_consumers_of_a_state_are_told_and_whether_they_have_what_it_is_now() {
    let server = Server::start();
    story::tell(&server);
    let owner = server.key("team", "owner");
    let Some(visitor) = Visitor::signed_in(&server, &owner) else {
        return;
    };
    visitor.open(&view("/consumers"));
    visitor.sees("Nobody has read the state.");
    let reader = server.make_key(&json!({"name": "app", "workspace": "team", "role": "outputs"}));
    for _ in 0..2 {
        reader.get(&state_path(STATE)).expect_status(200);
    }
    the_first_reader_is(&owner, true);
    visitor.open(&view("/use"));
    visitor.click("link", "Consumers");
    visitor.sees("what they are now");
    visitor.sees("2 reads of its outputs");
    visitor.click("button", "1 day of app");
    visitor.sees("2 reads of its outputs, version 5");

    let changed = body(6, &[machine("new", "small")]).replace("10.1.2.3", "10.9.9.9");
    story::apply(&server.key("team", "writer"), "fourth", &[changed]);
    the_first_reader_is(&owner, false);
    visitor.open(&view("/use"));
    visitor.click("link", "Consumers");
    visitor.sees("1 reader has outputs that have changed since.");
    visitor.sees("they have changed since version 5");
    visitor.inspect("consumers");
    visitor.click("link", "All reads, in the event log");
    visitor.sees("State read × 2");

    visitor.click("button", "Sign out");
    visitor.is_soon_offered("button", "Sign in");
    visitor.sign_in(&server.key("team", "reader"));
    visitor.open(&view("/consumers"));
    visitor.sees("Your key may not see who reads states: it lacks EVENTLOG_LIST.");
    visitor.was_quiet();
}

#[test]
fn a_webhook_is_created_tried_and_deleted() {
    let (server, receiver) = (Server::start(), Receiver::start());
    let Some(visitor) = Visitor::signed_in(&server, &server.admin()) else {
        return;
    };
    visitor.open("/#/hooks");
    visitor.sees("There is no webhook.");
    visitor.click("button", "Create a webhook");
    visitor.fill("Address that is told", &receiver.url());
    visitor.fill("Events", " state.write");
    visitor.click("field", "Its host may have a private address");
    visitor.inspect("create-hook");
    visitor.click("button", "Create");
    visitor.sees("The secret is shown this once.");
    visitor.inspect("hook-secret");
    visitor.click("button", "I have stored it");
    visitor.sees("1 webhook");
    visitor.sees("none yet");

    story::tell(&server);
    receiver.waits_for(5);
    visitor.click("link", &receiver.url());
    visitor.sees("127.0.0.1");
    receiver.will(&Reply::Status(503, String::new()), 1);
    visitor.click("button", "Send a test");
    visitor.sees("It was not delivered");
    visitor.click("button", "Send a test");
    visitor.sees("The receiver took it: HTTP 204.");
    visitor.until("the deliveries are told", || {
        visitor.click("button", "Load again");
        let text = visitor.text();
        text.contains("State written") && text.matches("delivered").count() >= 5
    });
    visitor.inspect("hook");
    visitor.open("/#/hooks");
    visitor.sees("attention state.write");
    visitor.inspect("hooks");
    visitor.click("link", &receiver.url());
    visitor.click("button", "Delete…");
    visitor.inspect("delete-hook");
    visitor.click("button", "Delete");
    visitor.sees("There is no webhook.");
    let left = server.admin().get("/api/hooks").expect_status(200).json();
    assert_eq!(left["hooks"], json!([]));
    visitor.was_quiet();
}

#[test]
#[ignore = "middle tier: `allowed` tries keys that may less"]
fn webhooks_need_two_permissions_and_the_missing_one_is_named() {
    let server = Server::start();
    let Some(visitor) = Visitor::signed_in(&server, &server.key("team", "owner")) else {
        return;
    };
    visitor.open("/#/hooks");
    visitor.sees("Your key may not see webhooks: it lacks ADM_OPERATE.");
    visitor.click("button", "Sign out");
    visitor.is_soon_offered("button", "Sign in");
    let half = json!({"name": "half", "permissions": ["ADM_OPERATE"]});
    visitor.sign_in(&server.make_key(&half));
    visitor.open("/#/");
    visitor.open("/#/hooks");
    visitor.sees("Your key may not see webhooks: it lacks ADM_EVENTLOG_LIST.");
    assert!(!visitor.is_offered("button", "Create a webhook"));
    visitor.was_quiet();
}

#[test]
fn a_key_shows_its_certificates_and_home_says_whom_a_lock_turned_away_last() {
    let server = Server::start();
    // Over the network the server would refuse it, since it asks nobody for a certificate.
    let san = ["--client-san", "*.ci.example"];
    let scope = ["--workspace", "team", "--role", "writer"];
    let made = server.cli(&[&["key", "create", "bound"][..], &scope, &san].concat());
    assert!(made.status.success(), "{made:?}");
    let holder = server.key("team", "writer");
    holder.lock(STATE, "held").expect_status(200);
    let late = json!({"name": "late", "workspace": "team", "role": "writer"});
    let late = server.make_key(&late);
    for _ in 0..2 {
        late.lock(STATE, "other").expect_status(423);
    }
    let Some(visitor) = Visitor::signed_in(&server, &server.admin()) else {
        return;
    };
    visitor.open("/#/keys");
    visitor.sees("with a certificate for *.ci.example");
    visitor.inspect("bound keys");
    visitor.open("/#/");
    visitor.sees("2 refused tries, last by late");
    visitor.open(&view(""));
    visitor.sees("2 times, last");
    visitor.was_quiet();
}

#[test]
fn who_waits_for_a_lock_is_told_on_home_and_with_the_state() {
    let server = Server::start();
    story::tell(&server);
    let holder = server.key("team", "writer");
    holder.lock(STATE, "held").expect_status(200);
    let late = json!({"name": "late", "workspace": "team", "role": "writer"});
    let late = server.make_key(&late);
    let Some(visitor) = Visitor::signed_in(&server, &server.key("team", "reader")) else {
        return;
    };
    visitor.open(&view(""));
    visitor.sees("Waiting\nnobody");
    let asks = || {
        for number in 0..5 {
            late.lock(STATE, &format!("other-{number}"))
                .expect_status(423);
        }
    };
    visitor.open("/#/");
    let told = "late someone@somewhere waits for apply, first asked just now";
    visitor.until("Home says who waits", || {
        asks();
        visitor.text().contains(told)
    });
    visitor.sees("2 more wait");
    visitor.inspect("home with who waits");
    // However long that took, they wait.
    asks();
    asks();
    visitor.open(&view(""));
    visitor.sees(&format!("{told} from 127.0.0.1, "));
    visitor.inspect("a lock that is waited for");
    visitor.inspect_tips("a lock that is waited for");
    visitor.was_quiet();
}
