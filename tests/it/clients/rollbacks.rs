//! After a rollback: plans made before it are refused, a fresh plan shows what it undid, and the
//! next apply counts on.

use serde_json::{Value, json};

use super::module::{Backend, Module, resources};
use super::{Program, STATE, for_each_program};
use crate::harness::{Answer, Client, Server, state_path};

for_each_program![
    a_plan_from_before_a_rollback_is_refused_and_a_fresh_one_shows_what_it_undid,
    a_rollback_to_what_a_refused_apply_wrote_makes_it_count,
    a_deleted_state_that_is_rolled_back_is_managed_again,
];

fn roll_back(caller: &Client, body: &Value) -> Answer {
    caller.post_json(&format!("{}/rollback", state_path(STATE)), body)
}

/// The serials of all versions, newest first.
fn serials(caller: &Client) -> Vec<u64> {
    caller
        .versions(STATE)
        .iter()
        .filter_map(|version| version["serial"].as_u64())
        .collect()
}

fn a_plan_from_before_a_rollback_is_refused_and_a_fresh_one_shows_what_it_undid(program: &Program) {
    let server = Server::start();
    let (admin, module) = (
        server.admin(),
        Module::applied(program, &server, &["first"]),
    );
    let module = module.write("main.tf", &resources(&["first", "second"]));
    module.apply().ok();
    let module = module.write("main.tf", &resources(&["first", "second", "third"]));
    module
        .run(&["plan", "-input=false", "-out=before.plan"])
        .ok()
        .says("1 to add");

    let version = roll_back(&admin, &json!({"version": 1, "expected_current": 2}))
        .expect_status(200)
        .json();
    assert_eq!(
        (&version["number"], &version["serial"]),
        (&json!(3), &json!(3))
    );

    // What the plan was made on is not what is there: its serial is another.
    module
        .run(&["apply", "-input=false", "before.plan"])
        .fails()
        .says("Saved plan is stale");
    assert_eq!(serials(&admin), [3, 2, 1], "nothing was written");
    module
        .plan()
        .ok()
        .says("Plan: 2 to add, 0 to change, 0 to destroy.")
        .says("terraform_data.second will be created");
    module
        .run(&["plan", "-input=false", "-out=after.plan"])
        .ok();
    module
        .run(&["apply", "-input=false", "after.plan"])
        .ok()
        .says("2 added, 0 changed, 0 destroyed");
    assert_eq!(serials(&admin), [4, 3, 2, 1], "the apply counts on");
    module.plan().ok().says("No changes.");
    assert_eq!(
        module.run(&["state", "list"]).ok().stdout.lines().count(),
        3
    );
    admin.expect_unlocked(STATE);
}

fn a_rollback_to_what_a_refused_apply_wrote_makes_it_count(program: &Program) {
    let server = Server::start();
    let (admin, module) = (
        server.admin(),
        Module::applied(program, &server, &["first"]),
    );
    let mut refused = module.run(&["state", "pull"]).ok().json();
    refused["resources"] = json!([]);
    let late = server.key("team", "writer");
    late.write(STATE, refused.to_string(), None)
        .expect_problem(409, "stale_write");

    roll_back(&admin, &json!({"version": 2})).expect_status(200);
    module
        .plan()
        .ok()
        .says("Plan: 1 to add, 0 to change, 0 to destroy.");
    module.apply().ok();
    assert_eq!(serials(&admin), [3, 2, 1, 1]);
    module.plan().ok().says("No changes.");
}

fn a_deleted_state_that_is_rolled_back_is_managed_again(program: &Program) {
    let server = Server::start();
    let (admin, module) = (
        server.admin(),
        Module::applied(program, &server, &["first"]),
    );
    admin.delete(STATE).expect_status(200);
    roll_back(&admin, &json!({"version": 1, "expected_current": 0})).expect_status(200);
    module.plan().ok().says("No changes.");
    module.destroy().ok().says("1 destroyed");
    assert_eq!(serials(&admin), [3, 2, 1]);
}

/// OpenTofu's own encryption, in the simplest way but with the fewest rounds that it takes.
const ENCRYPTION: &str = r#"
terraform {
  encryption {
    key_provider "pbkdf2" "phrase" {
      passphrase = "correct horse battery staple"
      iterations = 200000
    }
    method "aes_gcm" "sealed" {
      keys = key_provider.pbkdf2.phrase
    }
    state {
      method   = method.aes_gcm.sealed
      enforced = true
    }
  }
}
"#;

mod encrypted {
    use super::super::for_tofu;

    for_tofu![an_encrypted_state_comes_back_as_it_was_and_tofu_reads_it];

    use super::an_encrypted_state_comes_back_as_it_was_and_tofu_reads_it;
}

fn an_encrypted_state_comes_back_as_it_was_and_tofu_reads_it(program: &Program) {
    let server = Server::start();
    let (admin, writer) = (server.admin(), server.key("team", "writer"));
    let module = Module::new(program, &writer, &Backend::locking(&server.state(STATE)))
        .write("encryption.tf", ENCRYPTION);
    let module = module.ready(&resources(&["first"]));
    module.apply().ok();
    let first = admin.read(STATE).expect_status(200).text();
    let module = module.write("main.tf", &resources(&["first", "second"]));
    module.apply().ok();

    roll_back(&admin, &json!({"version": 1})).expect_problem(409, "encrypted");
    let preview = roll_back(&admin, &json!({"version": 1, "dry_run": true}))
        .expect_status(200)
        .json();
    assert_eq!(
        (&preview["verbatim"], &preview["refused"][0]["code"]),
        (&json!(true), &json!("encrypted")),
        "{preview}"
    );
    assert_eq!(serials(&admin), [2, 1], "nothing was written");

    roll_back(
        &admin,
        &json!({"version": 1, "allow_serial_regression": true}),
    )
    .expect_status(200);
    assert_eq!(admin.read(STATE).expect_status(200).text(), first);
    module
        .plan()
        .ok()
        .says("Plan: 1 to add, 0 to change, 0 to destroy.")
        .says("terraform_data.second will be created");
    module.apply().ok().says("1 added, 0 changed, 0 destroyed");
    module.plan().ok().says("No changes.");
    admin.expect_unlocked(STATE);
}
