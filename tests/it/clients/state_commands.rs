//! `state pull`, `push`, `mv` and `rm`: what people do to a state by hand.

use serde_json::Value;

use super::module::{Module, resources};
use super::{Program, STATE, for_either_program};
use crate::harness::{Client, Server};

for_either_program![
    a_renamed_resource_is_one_new_version,
    a_removed_resource_is_one_new_version,
    a_pulled_and_edited_state_is_pushed,
    an_older_file_is_pushed_by_force_only,
    a_state_of_another_lineage_is_pushed_by_force_only,
    a_push_beside_a_held_lock_stores_nothing,
];

fn a_renamed_resource_is_one_new_version(program: &Program) {
    let server = Server::start();
    let (admin, module) = (
        server.admin(),
        Module::applied(program, &server, &["first"]),
    );

    module
        .run(&[
            "state",
            "mv",
            "terraform_data.first",
            "terraform_data.renamed",
        ])
        .ok()
        .says("Successfully moved 1 object");

    assert_eq!(
        module.run(&["state", "list"]).ok().stdout.trim(),
        "terraform_data.renamed"
    );
    assert_eq!(serials(&admin), [2, 1]);
    let module = module.write("main.tf", &resources(&["renamed"]));
    module
        .plan()
        .ok()
        .says("0 to add, 1 to change, 0 to destroy");
    admin.expect_unlocked(STATE);
}

fn a_removed_resource_is_one_new_version(program: &Program) {
    let server = Server::start();
    let (admin, module) = (
        server.admin(),
        Module::applied(program, &server, &["first", "second"]),
    );

    module
        .run(&["state", "rm", "terraform_data.second"])
        .ok()
        .says("Successfully removed 1 resource instance");

    assert_eq!(
        module.run(&["state", "list"]).ok().stdout.trim(),
        "terraform_data.first"
    );
    assert_eq!(serials(&admin), [2, 1]);
    admin.expect_unlocked(STATE);
}

fn a_pulled_and_edited_state_is_pushed(program: &Program) {
    let server = Server::start();
    let (admin, module) = (
        server.admin(),
        Module::applied(program, &server, &["first"]),
    );
    let mut edited = module.run(&["state", "pull"]).ok().json();
    edited["serial"] = 7.into();
    edited["resources"] = serde_json::json!([]);

    let module = module.write("edited.tfstate", &edited.to_string());
    module.run(&["state", "push", "edited.tfstate"]).ok();

    assert_eq!(
        admin.read(STATE).expect_status(200).json()["resources"],
        edited["resources"]
    );
    let versions = admin.versions(STATE);
    assert_eq!(versions.len(), 2, "{versions:?}");
    // The clients add one to the serial of what they push.
    assert_eq!(versions[0]["serial"], 8, "{}", versions[0]);
    assert!(versions[0]["lock"].is_object(), "{}", versions[0]);
    admin.expect_unlocked(STATE);
}

/// The clients take the lock and send what they are told to: force does not show on the wire, and a
/// write under one's own lock is trusted.
fn an_older_file_is_pushed_by_force_only(program: &Program) {
    let server = Server::start();
    let (admin, module) = (
        server.admin(),
        Module::applied(program, &server, &["first"]),
    );
    let old = module.run(&["state", "pull"]).ok();
    let module = module
        .write("old.tfstate", &old.stdout)
        .write("main.tf", &resources(&["first", "second", "third"]));
    module.apply().ok();
    module.run(&["state", "rm", "terraform_data.third"]).ok();
    assert_eq!(serials(&admin), [3, 2, 1]);

    module
        .run(&["state", "push", "old.tfstate"])
        .fails()
        .says("cannot import state with serial 1 over newer state with serial 3");
    assert_eq!(admin.versions(STATE).len(), 3);
    module.run(&["state", "push", "-force", "old.tfstate"]).ok();

    let current = admin.read(STATE).expect_status(200).json();
    assert_eq!(current["resources"], old.json()["resources"]);
    assert_eq!(admin.versions(STATE).len(), 4);
    module.apply().ok().says("2 added, 0 changed, 0 destroyed");
    admin.expect_unlocked(STATE);
}

fn a_state_of_another_lineage_is_pushed_by_force_only(program: &Program) {
    let server = Server::start();
    let (admin, module) = (
        server.admin(),
        Module::applied(program, &server, &["first"]),
    );
    let mut foreign = module.run(&["state", "pull"]).ok().json();
    foreign["lineage"] = "another-lineage".into();

    let module = module.write("foreign.tfstate", &foreign.to_string());
    module
        .run(&["state", "push", "foreign.tfstate"])
        .fails()
        .says("cannot import state with lineage \"another-lineage\"");
    module
        .run(&["state", "push", "-force", "foreign.tfstate"])
        .ok();

    let versions = admin.versions(STATE);
    assert_eq!(versions.len(), 2, "{versions:?}");
    assert_eq!(versions[0]["lineage"], foreign["lineage"]);
    assert_eq!(
        (&versions[0]["kind"], &versions[0]["current"]),
        (&"write".into(), &true.into())
    );
}

fn a_push_beside_a_held_lock_stores_nothing(program: &Program) {
    let server = Server::start();
    let (admin, module) = (
        server.admin(),
        Module::applied(program, &server, &["first"]),
    );
    let mut newer = module.run(&["state", "pull"]).ok().json();
    newer["serial"] = 9.into();
    let module = module.write("newer.tfstate", &newer.to_string());
    server
        .key("team", "writer")
        .lock(STATE, "held-by-another")
        .expect_status(200);

    module
        .run(&["state", "push", "newer.tfstate"])
        .fails()
        .says("held-by-another");
    // Without the lock's ID the client may try, but not over somebody's lock; what it sent is kept
    // beside.
    module
        .run(&["state", "push", "-lock=false", "newer.tfstate"])
        .fails()
        .says("HTTP error: 423");

    let versions = admin.versions(STATE);
    let kinds: Vec<&Value> = versions.iter().map(|version| &version["kind"]).collect();
    assert_eq!(kinds, ["rejected", "write"], "{versions:?}");
    assert_eq!(
        (&versions[0]["rejected"], &versions[1]["current"]),
        (&"locked".into(), &true.into())
    );
}

fn serials(admin: &Client) -> Vec<Value> {
    admin
        .versions(STATE)
        .iter()
        .map(|version| version["serial"].clone())
        .collect()
}
