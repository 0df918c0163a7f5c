//! The life of a state: made, looked at, changed, moved in from elsewhere, emptied.

use serde_json::Value;

use super::module::{Backend, Module, resources};
use super::{Program, STATE, for_each_program};
use crate::harness::{Client, Server};

for_each_program![
    init_finds_no_state_and_makes_none,
    the_first_apply_makes_the_first_version_under_a_lock,
    a_plan_and_an_apply_without_changes_store_nothing,
    each_apply_that_changes_something_is_one_version,
    the_client_reads_back_the_very_bytes_that_it_wrote,
    outputs_are_read_from_the_stored_state,
    a_destroyed_state_is_an_empty_one_with_its_history,
    a_saved_plan_is_applied_and_refused_once_it_is_stale,
    a_local_state_moves_in,
    an_address_in_the_runners_spelling_is_the_same_state,
];

const OUTPUTS: &str = r#"
resource "terraform_data" "first" {
  input = "made by first"
}
output "shown" {
  value = terraform_data.first.output
}
output "hidden" {
  value     = "a secret of the module"
  sensitive = true
}
"#;

fn init_finds_no_state_and_makes_none(program: &Program) {
    let server = Server::start();
    let module = Module::new(
        program,
        &server.key("team", "writer"),
        &Backend::locking(&server.state(STATE)),
    );
    let module = module.write("main.tf", &resources(&["first"]));

    module
        .init()
        .ok()
        .says("Successfully configured the backend \"http\"!");
    module
        .plan()
        .ok()
        .says("1 to add, 0 to change, 0 to destroy");

    server.admin().expect_never_written(STATE);
    server.admin().expect_unlocked(STATE);
}

fn the_first_apply_makes_the_first_version_under_a_lock(program: &Program) {
    let server = Server::start();
    let (admin, writer) = (server.admin(), server.key("team", "writer"));
    let module = Module::new(program, &writer, &Backend::locking(&server.state(STATE)))
        .ready(&resources(&["first"]));
    module.apply().ok().says("1 added, 0 changed, 0 destroyed");

    let versions = admin.versions(STATE);
    assert_eq!(versions.len(), 1, "{versions:?}");
    let version = &versions[0];
    assert_eq!(
        (
            &version["number"],
            &version["serial"],
            &version["resources"]
        ),
        (&1.into(), &1.into(), &1.into()),
        "{version}"
    );
    assert_eq!(
        (&version["kind"], &version["current"]),
        (&"write".into(), &true.into()),
        "{version}"
    );
    assert_eq!(version["created_by"]["id"], writer.key_id.as_str());
    assert_eq!(version["lock"]["operation"], "OperationTypeApply");
    assert!(
        !version["lock"]["id"]
            .as_str()
            .unwrap_or_default()
            .is_empty(),
        "{version}"
    );
    admin.expect_unlocked(STATE);
}

fn a_plan_and_an_apply_without_changes_store_nothing(program: &Program) {
    let server = Server::start();
    let (admin, module) = (
        server.admin(),
        Module::applied(program, &server, &["first"]),
    );
    let before = admin.written(STATE);

    module.plan().ok().says("No changes.");
    module.apply().ok().says("0 added, 0 changed, 0 destroyed");

    assert_eq!(admin.written(STATE), before);
    admin.expect_unlocked(STATE);
}

fn each_apply_that_changes_something_is_one_version(program: &Program) {
    let server = Server::start();
    let (admin, module) = (
        server.admin(),
        Module::applied(program, &server, &["first"]),
    );

    let module = module.write("main.tf", &resources(&["first", "second"]));
    module
        .plan()
        .ok()
        .says("1 to add, 0 to change, 0 to destroy");
    module.apply().ok().says("1 added, 0 changed, 0 destroyed");
    let module = module.write("main.tf", &resources(&["second"]));
    module.apply().ok().says("0 added, 0 changed, 1 destroyed");

    assert_eq!(column(&admin, "number"), [3, 2, 1]);
    assert_eq!(column(&admin, "serial"), [3, 2, 1]);
    assert_eq!(column(&admin, "resources"), [1, 2, 1]);
    let versions = admin.versions(STATE);
    assert!(
        versions
            .iter()
            .all(|version| version["lineage"] == versions[0]["lineage"]),
        "{versions:?}"
    );
    assert!(
        versions
            .iter()
            .all(|version| version["intermediate"] == false),
        "{versions:?}"
    );
    admin.expect_unlocked(STATE);
}

fn the_client_reads_back_the_very_bytes_that_it_wrote(program: &Program) {
    let server = Server::start();
    let (admin, module) = (
        server.admin(),
        Module::applied(program, &server, &["first"]),
    );
    let pulled = module.run(&["state", "pull"]).ok();
    let stored = admin.read(STATE).expect_status(200);
    assert_eq!(pulled.json(), stored.json());
    // Terraform stores its JSON as it prints it; OpenTofu stores it compact.
    assert!(
        module.is_tofu() || pulled.stdout.trim_end() == stored.text().trim_end(),
        "{pulled}"
    );
}

fn outputs_are_read_from_the_stored_state(program: &Program) {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let module =
        Module::new(program, &writer, &Backend::locking(&server.state(STATE))).ready(OUTPUTS);
    module.apply().ok();

    // Another checkout, so that nothing can come from the first one's directory.
    let elsewhere = Module::new(
        program,
        &server.key("team", "reader"),
        &Backend::locking(&server.state(STATE)),
    )
    .ready(OUTPUTS);
    assert_eq!(
        elsewhere.run(&["output", "-json", "shown"]).ok().json(),
        "made by first"
    );
    assert_eq!(
        elsewhere.run(&["output", "-json"]).ok().json()["hidden"]["value"],
        "a secret of the module"
    );
}

fn a_destroyed_state_is_an_empty_one_with_its_history(program: &Program) {
    let server = Server::start();
    let (admin, module) = (
        server.admin(),
        Module::applied(program, &server, &["first"]),
    );

    module
        .destroy()
        .ok()
        .says("Destroy complete! Resources: 1 destroyed.");

    let state = admin.read(STATE).expect_status(200).json();
    assert_eq!(state["resources"], serde_json::json!([]), "{state}");
    assert_eq!(column(&admin, "resources"), [0, 1]);
    admin.expect_unlocked(STATE);
    module.apply().ok().says("1 added, 0 changed, 0 destroyed");
    assert_eq!(column(&admin, "serial"), [3, 2, 1]);
}

fn a_saved_plan_is_applied_and_refused_once_it_is_stale(program: &Program) {
    let server = Server::start();
    let (admin, module) = (
        server.admin(),
        Module::applied(program, &server, &["first"]),
    );
    let module = module.write("main.tf", &resources(&["first", "second"]));
    module.run(&["plan", "-input=false", "-out=saved"]).ok();

    module
        .run(&["apply", "-input=false", "saved"])
        .ok()
        .says("1 added, 0 changed, 0 destroyed");
    module
        .run(&["apply", "-input=false", "saved"])
        .fails()
        .says("Saved plan is stale");

    assert_eq!(column(&admin, "resources"), [2, 1]);
    admin.expect_unlocked(STATE);
}

fn a_local_state_moves_in(program: &Program) {
    let server = Server::start();
    let (admin, writer) = (server.admin(), server.key("team", "writer"));
    let module = Module::local(program, &writer).ready(&resources(&["first", "second"]));
    module.apply().ok();
    let local = module.json_file("terraform.tfstate");

    let module = module.backend(&Backend::locking(&server.state(STATE)));
    module
        .run(&["init", "-input=false", "-migrate-state", "-force-copy"])
        .ok()
        .says("Successfully configured the backend \"http\"!");

    assert_eq!(column(&admin, "resources"), [2]);
    assert_eq!(
        admin.read(STATE).expect_status(200).json()["resources"],
        local["resources"]
    );
    module.plan().ok().says("No changes.");
    admin.expect_unlocked(STATE);
}

/// meshStack's runner writes `buildingBlock` and a UUID, its documentation `buildingblock`; a UUID
/// is one state in each of its spellings.
fn an_address_in_the_runners_spelling_is_the_same_state(program: &Program) {
    let server = Server::start();
    let block = "7d3fa6b0-55c1-4c6e-9d2e-1f0a8c9b7e42";
    let runner = server.key(&format!("team/{block}"), "writer");
    let address = format!(
        "{}/api/terraform/state/workspace/team/buildingBlock/{}",
        server.url(),
        block.to_uppercase()
    );
    let module =
        Module::new(program, &runner, &Backend::locking(&address)).ready(&resources(&["first"]));
    module.apply().ok();

    let documented = Backend::locking(&server.state(&format!("team/{block}")));
    let module = Module::new(program, &runner, &documented).ready(&resources(&["first"]));
    module.plan().ok().says("No changes.");
    assert_eq!(server.admin().versions(&format!("team/{block}")).len(), 1);
}

/// One column of the history, newest first.
fn column(admin: &Client, name: &str) -> Vec<Value> {
    admin
        .versions(STATE)
        .iter()
        .map(|version| version[name].clone())
        .collect()
}
