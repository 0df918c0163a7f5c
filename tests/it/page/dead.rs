//! Home says which locks are dead, which went to another, and which versions nobody applied.

use serde_json::json;

use super::story::{self, STATE, body, machine};
use super::visitor::Visitor;
use crate::harness::{Server, state_path};

#[test]
fn home_says_that_a_lock_is_dead_and_later_that_it_went_to_another() {
    let server = Server::start();
    story::tell(&server);
    let (key, owner) = (server.key("team", "writer"), server.key("team", "owner"));
    let token = server.token(&key, json!({}));
    token.lock(STATE, "old").expect_status(200);
    token.send("DELETE", "/api/token", "").expect_status(204);
    let Some(visitor) = Visitor::signed_in(&server, &owner) else {
        return;
    };
    visitor.open("/#/");
    visitor.sees("dead: its credentials ended");
    visitor.is_soon_offered("link", "Look and break");
    visitor.inspect("home with a dead lock");
    visitor.click("link", "Look and break");
    visitor.sees("the next run that locks gets it");
    key.lock(STATE, "new").expect_status(200);
    visitor.open("/#/");
    visitor.sees("Lock died, and went to another");
    visitor.click("button", "Acknowledge…");
    visitor.click("button", "I have looked at it");
    visitor.sees("None in the last 14 days.");
    visitor.was_quiet();
}

#[test]
fn home_names_a_version_that_nobody_applied_until_another_is_current() {
    let server = Server::start();
    story::tell(&server);
    let owner = server.key("team", "owner");
    owner.lock(STATE, "held").expect_status(200);
    let lost = body(7, &[machine("lost", "small")]);
    let refused = server.key("team", "writer").write(STATE, lost, None);
    let kept = refused
        .expect_status(423)
        .header("statekeep-rejected-version")
        .to_owned();
    let Some(visitor) = Visitor::signed_in(&server, &owner) else {
        return;
    };
    visitor.open("/#/");
    visitor.sees("Versions that nobody applied");
    visitor.inspect("home with a version that nobody applied");
    visitor.click("link", "Compare");
    visitor.sees("Roll back to version");
    let current = body(8, &[machine("new", "small")]);
    owner.write(STATE, current, Some("held")).expect_status(200);
    let number = owner.get(&format!("{}/versions", state_path(STATE))).json();
    assert_ne!(number["versions"][0]["number"].to_string(), kept);
    visitor.open("/#/");
    visitor.sees("Write rejected and kept");
    assert!(!visitor.text().contains("Versions that nobody applied"));
    visitor.was_quiet();
}
