//! What keeps others from changing something: freezes, acts that wait for a second person, and the
//! trusts that let pipelines in.

use serde_json::json;
use tempfile::TempDir;

use super::story::{self, STATE, view};
use super::visitor::Visitor;
use crate::harness::{Client, Server, Setup, state_path};
use crate::trusts::issuer::any_trust;

#[test]
fn a_state_is_frozen_with_a_reason_and_the_freeze_is_lifted() {
    let server = Server::start();
    story::tell(&server);
    let owner = server.key("team", "owner");
    let Some(visitor) = Visitor::signed_in(&server, &owner) else {
        return;
    };
    visitor.open(&view(""));
    visitor.sees("The state is not frozen.");
    visitor.click("button", "Freeze the state…");
    visitor.fill("Why it is frozen", "audit until Monday");
    visitor.inspect("freeze");
    visitor.click("button", "Freeze it");
    visitor.sees("The state is frozen: nothing changes it.");
    visitor.sees("audit until Monday");
    visitor.inspect("frozen");
    owner
        .write(STATE, story::body(6, &[]), None)
        .expect_status(423);

    visitor.open("/#/states?show=frozen");
    visitor.sees("1 of 1 state");
    visitor.open("/#/");
    visitor.sees("team/network is frozen: audit until Monday");
    visitor.sees("until it is lifted");
    visitor.click("button", "Lift the freeze…");
    visitor.inspect("lift");
    visitor.click("button", "Lift it");
    visitor.sees("No state is frozen.");
    owner
        .write(STATE, story::body(6, &[]), None)
        .expect_status(200);
    visitor.was_quiet();
}

#[test]
#[ignore = "middle tier: `allowed` tries keys that may less"]
fn keys_without_the_permission_see_a_freeze_and_lift_none() {
    let server = Server::start();
    story::tell(&server);
    let freeze = format!("{}/freeze", state_path(STATE));
    let reason = json!({ "reason": "audit" });
    let admin = server.admin();
    admin.post_json(&freeze, &reason).expect_status(200);
    let Some(visitor) = Visitor::signed_in(&server, &server.key("team", "reader")) else {
        return;
    };
    visitor.open("/#/");
    visitor.sees("team/network is frozen: audit");
    assert!(!visitor.is_offered("button", "Lift the freeze…"));
    visitor.open(&view(""));
    visitor.sees("Nobody holds a lock.");
    visitor.sees("Your key may not lift the freeze: it lacks TFSTATE_FREEZE.");
    assert!(!visitor.is_offered("button", "Lift the freeze…"));
    visitor.click("button", "Sign out");
    visitor.is_soon_offered("button", "Sign in");
    // What a planner is told of a state that is frozen and not locked has no lock in it.
    visitor.sign_in(&server.key("team", "planner"));
    visitor.open("/#/");
    visitor.open(&view(""));
    visitor.sees("The state is frozen: nothing changes it.");
    visitor.sees("Nobody holds a lock.");
    visitor.inspect("frozen-planner");
}

#[test]
fn all_states_of_a_workspace_are_frozen_and_what_could_not_be_is_told() {
    let server = Server::start();
    let admin = server.admin();
    for name in ["team/app", "team/dns", "team/net", "others/app"] {
        admin
            .write(name, story::body(1, &[]), None)
            .expect_status(200);
    }
    let Some(visitor) = Visitor::signed_in(&server, &admin) else {
        return;
    };
    visitor.open("/#/states?q=team/");
    visitor.click("button", "Freeze these 3…");
    visitor.fill("Why it is frozen", "change stop");
    visitor.inspect("freeze-many");
    visitor.fill("Type 3 to confirm", "3");
    // Meanwhile one of them goes.
    admin.delete("team/dns").expect_status(200);
    visitor.announce(404);
    visitor.click("button", "Freeze them");
    visitor.sees("2 states are frozen.");
    visitor.sees("team/dns is not:");
    visitor.inspect("frozen-many");
    let frozen = admin
        .get("/api/terraform/state?frozen=true")
        .expect_status(200)
        .json();
    let names = frozen["states"].as_array().expect("rows").iter();
    let names: Vec<_> = names
        .map(|row| (&row["workspace"], &row["buildingBlock"]))
        .collect();
    let team = json!("team");
    assert_eq!(names, [(&team, &json!("app")), (&team, &json!("net"))]);
    visitor.until("nothing is left to freeze", || {
        !visitor.is_offered("button", "Freeze these")
    });
    visitor.click("button", "Sign out");
    visitor.is_soon_offered("button", "Sign in");
    visitor.sign_in(&server.key("team", "writer"));
    visitor.open("/#/states");
    visitor.sees("2 of 3 states");
    assert!(!visitor.is_offered("button", "Freeze these"));
    visitor.was_quiet();
}

/// A server that asks for a second person, and two people who may do everything.
fn two_people(dir: &TempDir) -> (Server, Client) {
    let before = Setup::new().data(dir.path()).start();
    story::tell(&before);
    let body = json!({"name": "second", "role": "admin"});
    let made = before.admin().post_json("/api/keys", &body);
    let made = made.expect_status(201).json();
    assert!(before.stop().success());
    let server = Setup::new()
        .data(dir.path())
        .flag("--two-person", "purge")
        .start();
    let second = server.with(made["secret"].as_str().expect("a secret"));
    (server, second)
}

fn purge(who: &Client, number: u64) -> u16 {
    let path = format!("{}/purge", state_path(STATE));
    who.post_json(&path, &json!({"versions": [number]}))
        .status
        .as_u16()
}

#[test]
fn a_second_person_approves_an_act_and_refuses_another() {
    let dir = TempDir::new().expect("a folder");
    let (server, second) = two_people(&dir);
    assert_eq!(purge(&server.admin(), 1), 409);
    assert_eq!(purge(&server.admin(), 2), 409);
    let Some(visitor) = Visitor::signed_in(&server, &second) else {
        return;
    };
    visitor.open("/#/");
    visitor.sees("admin asks to purge content");
    visitor.inspect("approvals");
    visitor.click("button", "Approve…");
    visitor.sees("The key that asked may then do just this, once, within an hour.");
    visitor.inspect("approve");
    visitor.click("button", "Approve it");
    visitor.sees("approved by second; admin has to send it again");
    assert_eq!(purge(&server.admin(), 1), 200);
    visitor.open("/#/states");
    visitor.open("/#/");
    visitor.sees("waits for you or another key");
    visitor.click("button", "Refuse…");
    visitor.click("button", "Refuse it");
    visitor.until("nothing waits any more", || {
        !visitor.text().contains("asks to purge")
    });
    assert_eq!(purge(&server.admin(), 2), 409);
    let refused = server.admin().events("kind=approval.refuse");
    assert_eq!(refused.len(), 1, "{refused:?}");
    visitor.was_quiet();
}

#[test]
#[ignore = "middle tier: the server refuses it, as its own tests show"]
fn a_person_does_not_approve_what_they_asked_for_and_takes_it_back() {
    let dir = TempDir::new().expect("a folder");
    let (server, _second) = two_people(&dir);
    assert_eq!(purge(&server.admin(), 1), 409);
    let Some(visitor) = Visitor::signed_in(&server, &server.admin()) else {
        return;
    };
    visitor.open("/#/");
    visitor.sees("waits for another key");
    assert!(!visitor.is_offered("button", "Approve…"));
    visitor.click("button", "Take back…");
    visitor.click("button", "Take it back");
    visitor.until("nothing waits any more", || {
        !visitor.text().contains("asks to purge")
    });
    let waiting = server.admin().get("/api/approvals").json();
    assert_eq!(waiting["approvals"], json!([]));
    visitor.was_quiet();
}

#[test]
fn a_trust_is_listed_shown_and_removed() {
    let server = Server::start();
    let admin = server.admin();
    let Some(visitor) = Visitor::signed_in(&server, &admin) else {
        return;
    };
    visitor.open("/#/trusts");
    visitor.sees("There is no trust.");
    let trust = any_trust(&server, "gitlab");
    admin.post_json("/api/trusts", &trust).expect_status(201);
    visitor.open("/#/");
    visitor.open("/#/trusts");
    visitor.sees("1 trust");
    visitor.click("button", "How a trust is made");
    visitor.sees("statekeep trust create");
    visitor.inspect("trusts");
    visitor.click("link", "gitlab");
    visitor.sees("All of these claims have to fit");
    visitor.sees("issuer.jwks");
    visitor.inspect("trust");
    visitor.click("button", "Remove gitlab");
    visitor.fill("Type gitlab to confirm", "gitlab");
    visitor.click("button", "Remove");
    visitor.sees("There is no trust.");
    let left = admin.get("/api/trusts").expect_status(200).json();
    assert_eq!(left["trusts"], json!([]));
    visitor.click("button", "Sign out");
    visitor.is_soon_offered("button", "Sign in");

    let again = admin.post_json("/api/trusts", &trust);
    again.expect_status(201);
    visitor.sign_in(&server.key("team", "owner"));
    visitor.open("/#/trusts");
    visitor.sees("Your key may not list trusts: it lacks ADM_APIKEY_LIST.");
    visitor.was_quiet();
}
