//! What each kind of key sees, and what it is refused: as the table of permissions says.

use super::story::{self, STATE, view};
use super::visitor::Visitor;
use crate::harness::{Client, Server, state_path};

/// Opens a view of the story's state as this key.
fn visit(server: &Server, key: &Client, part: &str) -> Option<Visitor> {
    story::tell(server);
    let visitor = Visitor::signed_in(server, key)?;
    visitor.open(&view(part));
    Some(visitor)
}

#[test]
fn a_reader_sees_everything_and_changes_nothing() {
    let server = Server::start();
    let Some(visitor) = visit(&server, &server.key("team", "reader"), "") else {
        return;
    };
    server.admin().lock(STATE, "held").expect_status(200);
    visitor.open("/#/states");
    visitor.open(&view(""));
    visitor.is_soon_offered("link", "Changes of version 5");
    visitor.sees("Your key may not break another key's lock: it lacks TFSTATE_UNLOCK.");
    visitor.sees("Your key may not delete the state: it lacks TFSTATE_DELETE.");
    assert!(!visitor.is_offered("button", "Break the lock…"));
    assert!(!visitor.is_offered("button", "Delete the state…"));
    visitor.open(&view("/rollback/1"));
    visitor.sees("Your key may not roll back: it lacks TFSTATE_SAVE.");
    assert!(!visitor.is_offered("button", "Roll back to version 1…"));
    visitor.inspect("reader");
}

#[test]
fn an_owner_acknowledges_an_event_and_it_waits_no_more() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    server.admin().lock("team/lost", "held").expect_status(200);
    owner
        .send("UNLOCK", &state_path("team/lost"), "")
        .expect_status(200);
    let Some(visitor) = Visitor::signed_in(&server, &owner) else {
        return;
    };
    visitor.open("/#/");
    visitor.sees("Lock broken by force");
    visitor.click("button", "Acknowledge…");
    visitor.fill("A word on it, if there is one", "the runner died");
    visitor.inspect("acknowledge");
    visitor.click("button", "I have looked at it");
    visitor.sees("None in the last 14 days.");
    let known = &owner.events("acknowledged=true")[0]["acknowledged"];
    assert_eq!(
        (&known["word"], &known["by"]["id"]),
        (&"the runner died".into(), &owner.key_id.as_str().into())
    );
}

#[test]
#[ignore = "middle tier: a reader and an outputs key are tried"]
fn an_auditor_sees_everything_but_content() {
    let server = Server::start();
    let Some(visitor) = visit(&server, &server.key("team", "auditor"), "") else {
        return;
    };
    visitor.is_soon_offered("link", "Changes of version 5");
    visitor.sees("Your key may not download the state: it lacks TFSTATE_LIST.");
    assert!(!visitor.is_offered("button", "Download the current version"));
    assert!(!visitor.is_offered("link", "Roll back to version 1"));
    visitor.open(&view("/rollback/1"));
    visitor.sees("Your key may not see what a rollback would do: it lacks TFSTATE_LIST.");
    visitor.open(&view("/outputs"));
    visitor.sees("10.1.2.3");
    visitor.sees("Your key may not see secrets: it lacks TFSTATE_LIST.");
    assert!(!visitor.is_offered("button", "Show secrets"));
    visitor.inspect("auditor");
}

#[test]
fn an_outputs_key_sees_outputs_alone() {
    let server = Server::start();
    let Some(visitor) = visit(&server, &server.key("team", "outputs"), "") else {
        return;
    };
    visitor.sees("Your key may not see the history of states: it lacks TFSTATE_INSPECT.");
    visitor.sees("Your key may not see its lock: it lacks TFSTATE_PLAN.");
    assert!(!visitor.is_offered("button", "Download the current version"));
    visitor.open(&view("/outputs"));
    visitor.sees("10.1.2.3");
    visitor.sees("Your key may not see secrets: it lacks TFSTATE_LIST.");
    assert!(!visitor.is_offered("button", "Show secrets"));
    visitor.inspect("outputs-key");
}

#[test]
#[ignore = "middle tier: a reader and an outputs key are tried"]
fn a_planner_sees_the_lock_and_the_current_state() {
    let server = Server::start();
    let Some(visitor) = visit(&server, &server.key("team", "planner"), "") else {
        return;
    };
    // That there is no lock is told as 404.
    visitor.announce(404);
    visitor.sees("Nobody holds a lock.");
    visitor.sees("Your key may not see the history of states: it lacks TFSTATE_INSPECT.");
    assert!(visitor.is_offered("button", "Download the current version"));
    assert!(!visitor.is_offered("link", "Changes of version 5"));
    visitor.inspect("planner");
}

#[test]
#[ignore = "middle tier: a reader and an outputs key are tried"]
fn a_key_of_another_workspace_finds_no_state() {
    let server = Server::start();
    let Some(visitor) = visit(&server, &server.key("others", "owner"), "") else {
        return;
    };
    visitor.sees("Your key sees no state of this name.");
    assert!(!visitor.text().contains("serial"));
    visitor.was_quiet();
}
