//! Copies of a state in the place that it moves to or from: the later one lives on, with all that a
//! state says of it, and nobody else works with a file that moves.

use serde_json::{Value, json};

use super::super::module::{Gate, gated_resource, resources};
use super::super::run::{Run, Running};
use super::super::{Program, STATE, for_either_program};
use super::{LOCAL, Site};
use crate::harness::Client;

for_either_program![
    an_earlier_copy_there_is_gone_over_by_the_state,
    a_copy_there_of_another_lineage_has_to_say_the_same_beside_values,
    a_copy_there_that_went_its_own_way_is_another_state,
    an_earlier_copy_of_what_was_destroyed_is_not_taken_for_the_state,
    an_earlier_copy_here_is_followed_by_the_state,
    a_link_to_a_file_does_not_move,
    a_file_in_use_does_not_move,
];

impl Site<'_> {
    /// `transfer`, with credentials of its own for the client where another server needs them.
    #[track_caller]
    pub(super) fn transfer(&self, other: Option<&Client>) -> Run {
        let mut command = self.command(&["transfer"], &[self.module.program()]);
        if let Some(key) = other {
            command
                .env("TF_HTTP_USERNAME", "x")
                .env("TF_HTTP_PASSWORD", key.secret());
        }
        Running::spawn(command).wait()
    }

    /// Writes a state to the server, under a lock.
    #[track_caller]
    fn store(&self, state: &Value) {
        self.key.lock(STATE, "ours").expect_status(200);
        self.key
            .write(STATE, state.to_string(), Some("ours"))
            .expect_status(200);
        self.key.unlock(STATE, "ours").expect_status(200);
    }

    /// Puts a state where the `local` backend of these tests has it.
    fn put_there(&self, state: &Value) {
        std::fs::create_dir_all(self.module.dir().join("kept")).expect("a folder");
        std::fs::write(
            self.module.dir().join("kept/here.tfstate"),
            state.to_string(),
        )
        .expect("a state");
    }
}

/// The same state later, with more said of its first instance.
fn later(state: &Value) -> Value {
    let mut later = state.clone();
    later["serial"] = json!(state["serial"].as_u64().expect("a serial") + 3);
    for (name, value) in [
        ("create_before_destroy", json!(true)),
        ("dependencies", json!(["terraform_data.b"])),
        ("private", json!("bWluZQ==")),
        (
            "sensitive_attributes",
            json!([[{"type": "get_attr", "value": "input"}]]),
        ),
    ] {
        later["resources"][0]["instances"][0][name] = value;
    }
    later
}

#[track_caller]
fn expect_all_that_was_said(state: &Value, expected: &Value) {
    for name in [
        "create_before_destroy",
        "dependencies",
        "private",
        "sensitive_attributes",
    ] {
        let said = |state: &Value| state["resources"][0]["instances"][0][name].clone();
        assert_eq!(said(state), said(expected), "{name}");
    }
}

fn an_earlier_copy_there_is_gone_over_by_the_state(program: &Program) {
    let site = Site::applied(program, &["a", "b"]);
    let before = site.expect_here();
    let after = later(&before);
    site.store(&after);
    let site = site.write("backend.tf", LOCAL);
    site.put_there(&before);
    site.transfer(None)
        .ok()
        .says("holds an earlier copy of this state")
        .says("team/app: moved");
    site.expect_gone();
    let there = site.module.json_file("kept/here.tfstate");
    assert!(
        there["serial"].as_u64() >= after["serial"].as_u64(),
        "{there}"
    );
    expect_all_that_was_said(&there, &after);
}

fn a_copy_there_of_another_lineage_has_to_say_the_same_beside_values(program: &Program) {
    let site = Site::applied(program, &["a", "b"]);
    let before = site.expect_here();
    let after = later(&before);
    site.store(&after);
    let site = site.write("backend.tf", LOCAL);
    let mut other = before;
    other["lineage"] = json!("another");
    site.put_there(&other);
    site.transfer(None)
        .fails()
        .says("holds another state")
        .says("create_before_destroy");
    site.expect_here();
    // The control: a copy that says the same is one.
    let mut same = after;
    same["lineage"] = json!("another");
    site.put_there(&same);
    site.transfer(None).ok().says("holds this state already");
    site.expect_gone();
}

fn a_copy_there_that_went_its_own_way_is_another_state(program: &Program) {
    let site = Site::applied(program, &["a", "b"]);
    let before = site.expect_here();
    site.store(&later(&before));
    let site = site.write("backend.tf", LOCAL);
    let mut own = before;
    own["serial"] = json!(own["serial"].as_u64().expect("a serial") + 1);
    own["resources"][0]["instances"][0]["attributes"]["id"] = json!("another");
    site.put_there(&own);
    site.transfer(None)
        .fails()
        .says("holds another state")
        .says("terraform_data.a");
    site.expect_here();
    assert_eq!(site.module.json_file("kept/here.tfstate"), own);
}

fn an_earlier_copy_of_what_was_destroyed_is_not_taken_for_the_state(program: &Program) {
    let site = Site::applied(program, &["a"]);
    let before = site.expect_here();
    site.run(&["destroy", "-input=false", "-auto-approve"]).ok();
    let site = site.write("backend.tf", LOCAL);
    site.put_there(&before);
    site.transfer(None)
        .ok()
        .says("holds an earlier copy of this state");
    site.expect_gone();
    assert_eq!(
        site.module.json_file("kept/here.tfstate")["resources"],
        json!([])
    );
}

fn an_earlier_copy_here_is_followed_by_the_state(program: &Program) {
    let site = Site::applied(program, &["a", "b"]);
    let before = site.expect_here();
    let after = later(&before);
    std::fs::remove_dir_all(site.module.dir().join(".terraform")).expect("what was recorded");
    let site = site.write("terraform.tfstate", &after.to_string());
    site.transfer(None).ok().says("team/app: here");
    let here = site.expect_here();
    assert_eq!(
        (&here["serial"], &here["lineage"]),
        (&after["serial"], &after["lineage"])
    );
    expect_all_that_was_said(&here, &after);
    assert!(!site.module.has("terraform.tfstate"));
}

fn a_link_to_a_file_does_not_move(program: &Program) {
    let site = Site::new(program).write("main.tf", &resources(&["a"]));
    site.module.init().ok();
    site.module.apply().ok();
    let (file, elsewhere) = (
        site.module.dir().join("terraform.tfstate"),
        site.module.dir().join("elsewhere"),
    );
    let state = std::fs::read(&file).expect("a state");
    std::fs::rename(&file, &elsewhere).expect("a file");
    for words in ["is a link to", "has another name"] {
        let is_hard = words == "has another name";
        let made = if is_hard {
            std::fs::hard_link(&elsewhere, &file)
        } else {
            std::os::unix::fs::symlink(&elsewhere, &file)
        };
        made.expect("a link");
        site.transfer(None)
            .fails()
            .says(words)
            .says("Nothing was moved");
        site.server.admin().expect_never_written(STATE);
        assert_eq!(std::fs::read(&elsewhere).expect("there"), state, "{words}");
        std::fs::remove_file(&file).expect("the link");
    }
    std::fs::rename(&elsewhere, &file).expect("the file itself");
    site.transfer(None).ok().says("team/app: here");
}

fn a_file_in_use_does_not_move(program: &Program) {
    let site = Site::new(program).write("main.tf", &resources(&["a"]));
    site.module.init().ok();
    site.module.apply().ok();
    let site = site.write("main.tf", &(resources(&["a"]) + &gated_resource("slow")));
    let gate = Gate::close(&site.module, "slow");
    let mut apply = site.module.start_apply(&[]);
    gate.wait_for(&mut apply);
    site.transfer(None)
        .fails()
        .says("is in use by another command");
    site.server.admin().expect_never_written(STATE);
    gate.open();
    apply.wait().ok();
    site.transfer(None).ok().says("team/app: here");
    assert_eq!(super::names(&site.expect_here()), ["a", "slow"]);
}
