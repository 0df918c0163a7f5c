//! The views of one state: what a person reads there, and what they do.

use super::story::{self, STATE, body, machine, view};
use super::visitor::Visitor;
use crate::harness::{Server, state_path};

#[test]
fn the_history_has_one_line_for_each_apply_and_its_snapshots_open() {
    let server = Server::start();
    story::tell(&server);
    let Some(visitor) = Visitor::signed_in(&server, &server.admin()) else {
        return;
    };
    visitor.open(&view(""));
    visitor.sees("5, serial 5");
    visitor.sees("Nobody holds a lock.");
    visitor.is_soon_offered("link", "Changes of version 5");
    assert!(visitor.is_offered("link", "Changes of version 4"));
    assert!(
        !visitor.is_offered("link", "Changes of version 3"),
        "a snapshot"
    );
    visitor.inspect("state");
    visitor.click("button", "Snapshots before version 4");
    visitor.is_soon_offered("link", "Changes of version 3");
    assert!(visitor.is_offered("link", "Changes of version 2"));
    visitor.was_quiet();
}

#[test]
fn two_clicks_compare_two_versions_and_secrets_are_shown_on_request_alone() {
    let server = Server::start();
    story::tell(&server);
    let Some(visitor) = Visitor::signed_in(&server, &server.admin()) else {
        return;
    };
    visitor.open(&view(""));
    visitor.click("button", "Compare version 1");
    visitor.sees("Version 1 is chosen.");
    visitor.click("button", "Compare version 5");
    visitor.sees("1 removed, 0 moved, 0 changed, 1 added");
    assert_eq!(visitor.path(), view("/compare/5/1"));
    let text = visitor.text();
    let place = |words: &str| {
        text.find(words)
            .unwrap_or_else(|| panic!("{words}: {text}"))
    };
    assert!(
        place("cloud_machine.old") < place("cloud_machine.grown"),
        "removed first: {text}"
    );
    visitor.inspect("compare");
    visitor.click("link", "cloud_machine.old");
    visitor.sees("Removed in version 5");
    visitor.sees("Added in version 1");

    let writer = server.key("team", "writer");
    let mut changed = body(6, &[machine("new", "small"), machine("grown", "large")]);
    changed = changed.replace("hunter2", "hunter3");
    story::apply(&writer, "fourth", &[changed]);
    visitor.open(&view("/compare/6"));
    visitor.sees("admin_password");
    assert!(!visitor.text().contains("hunter"), "{}", visitor.text());
    assert_eq!(server.admin().events("kind=state.reveal").len(), 0);
    visitor.click("button", "Show secrets");
    visitor.sees("hunter3");
    visitor.sees("hunter2");
    assert_eq!(server.admin().events("kind=state.reveal").len(), 1);
    visitor.was_quiet();
}

#[test]
fn outputs_are_masked_until_they_are_asked_for() {
    let server = Server::start();
    story::tell(&server);
    let Some(visitor) = Visitor::signed_in(&server, &server.admin()) else {
        return;
    };
    visitor.open(&view("/outputs"));
    visitor.sees("10.1.2.3");
    assert!(!visitor.text().contains("open-sesame"));
    visitor.inspect("outputs");
    visitor.click("button", "Show secrets");
    visitor.sees("open-sesame");
    visitor.open(&view("/use"));
    visitor.sees(&format!("address        = \"{}\"", server.state(STATE)));
    visitor.inspect("use");
}

#[test]
fn a_rollback_is_told_before_it_is_done_and_afterwards() {
    let server = Server::start();
    story::tell(&server);
    let Some(visitor) = Visitor::signed_in(&server, &server.admin()) else {
        return;
    };
    visitor.open(&view(""));
    visitor.click("link", "Roll back to version 1");
    visitor.sees("The new version has the serial 6");
    visitor.sees("Terraform forgets these");
    visitor.sees("cloud_machine.grown");
    visitor.sees("cloud_machine.old");
    visitor.inspect("rollback");
    visitor.click("button", "Roll back to version 1…");
    visitor.fill("Type 1 to confirm", "1");
    // Somebody writes after the person has looked.
    let writer = server.key("team", "writer");
    story::apply(&writer, "meanwhile", &[body(6, &[])]);
    visitor.announce(409);
    visitor.click("button", "Roll back");
    visitor.sees("Somebody has written meanwhile, so nothing was done.");
    assert_eq!(server.admin().count_versions(STATE), 6);

    visitor.open("/#/states");
    visitor.open(&view("/rollback/1"));
    visitor.sees("The new version has the serial 7");
    visitor.click("button", "Roll back to version 1…");
    visitor.fill("Type 1 to confirm", "1");
    visitor.click("button", "Roll back");
    visitor.sees("Version 7 is current now.");
    visitor.inspect("rolled-back");
    let newest = &server.admin().versions(STATE)[0];
    assert_eq!(
        (&newest["kind"], &newest["from_version"]),
        (&"rollback".into(), &1.into()),
        "{newest}"
    );
}

#[test]
fn a_lock_is_told_in_full_and_only_the_one_that_was_read_is_broken() {
    let server = Server::start();
    story::tell(&server);
    let holder = server.key("team", "writer");
    holder.lock(STATE, "abandoned").expect_status(200);
    let Some(visitor) = Visitor::signed_in(&server, &server.admin()) else {
        return;
    };
    visitor.open(&view(""));
    for told in [
        "abandoned",
        "OperationTypeApply",
        "someone@somewhere",
        "1.11.4",
    ] {
        visitor.sees(told);
    }
    visitor.inspect("locked");
    visitor.click("button", "Break the lock…");
    visitor.is_soon_offered("button", "Break it");
    holder.unlock(STATE, "abandoned").expect_status(200);
    holder.lock(STATE, "another").expect_status(200);
    visitor.announce(409);
    visitor.click("button", "Break it");
    visitor.sees("The lock has changed meanwhile, so nothing was broken.");
    let lock = format!("{}/lock", state_path(STATE));
    let held = server.admin().get(&lock).expect_status(200).json();
    assert_eq!(held["lock"]["ID"], "another");
    visitor.click("button", "Cancel");

    visitor.open("/#/states");
    visitor.open(&view(""));
    visitor.sees("another");
    visitor.click("button", "Break the lock…");
    visitor.click("button", "Break it");
    visitor.sees("The lock is broken.");
    visitor.sees("Nobody holds a lock.");
    server.admin().get(&lock).expect_status(404);
    visitor.was_quiet();
}

#[test]
fn a_state_is_held_deleted_and_restored() {
    let server = Server::start();
    story::tell(&server);
    let Some(visitor) = Visitor::signed_in(&server, &server.admin()) else {
        return;
    };
    visitor.open(&view(""));
    visitor.click("button", "More about version 4");
    visitor.click("button", "Hold version 4…");
    visitor.fill("Why it is held", "audit 2026");
    visitor.click("button", "Hold it");
    visitor.sees("Version 4 is held.");
    visitor.sees("held: audit 2026");
    visitor.click("button", "More about version 4");
    visitor.click("button", "Release version 4");
    visitor.sees("Version 4 is released.");

    visitor.click("button", "Delete the state…");
    visitor.fill("Type team/network to confirm", "team/network");
    visitor.click("button", "Delete it");
    visitor.sees("The state is deleted.");
    visitor.inspect("deleted");
    server.admin().read(STATE).expect_status(404);
    visitor.click("button", "Restore the state");
    visitor.sees("The state is back. Version 6 is current.");
    server.admin().read(STATE).expect_status(200);
    visitor.was_quiet();
}

#[test]
fn resources_are_counted_like_on_the_command_line_and_shown_with_their_neighbours() {
    let server = Server::start();
    story::tell(&server);
    let Some(visitor) = Visitor::signed_in(&server, &server.admin()) else {
        return;
    };
    let listed = server.cli(&["state", "resources", STATE, "--format", "json"]);
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    let count = listed["resources"].as_array().expect("a list").len();
    visitor.open(&view("/resources"));
    visitor.sees(&format!("{count} resources of version 5."));
    visitor.inspect("resources");
    visitor.fill("Addresses that begin with", "cloud_machine.g");
    visitor.click("button", "Show");
    visitor.sees("1 resource of version 5.");

    visitor.click("link", "cloud_machine.grown");
    visitor.sees("\"large\"");
    visitor.sees("admin_password");
    assert!(!visitor.text().contains("hunter"), "{}", visitor.text());
    visitor.sees("Depends on 1");
    visitor.inspect("resource");
    visitor.click("link", "cloud_machine.new");
    visitor.sees("Needed by 1");
    visitor.was_quiet();
}
