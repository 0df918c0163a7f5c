//! States that OpenTofu encrypted move as well: only OpenTofu reads them, and they are encrypted
//! wherever they arrive.

use super::super::module::{Backend, resources};
use super::super::native_encryption::{ENFORCED, encryption};
use super::super::{Program, STATE, for_tofu};
use super::interrupted::{each_kill, move_in};
use super::{LOCAL, Site};
use crate::harness::Server;

for_tofu![
    a_sealed_state_moves_along_and_back,
    #[ignore = "middle tier: states that are not sealed do, and a sealed one to a file and back"]
    a_sealed_state_moves_to_another_server_and_back,
    a_sealed_state_moves_into_a_workspace,
    #[ignore = "middle tier: states that are not sealed do, and a sealed one to a file and back"]
    a_sealed_state_that_was_only_brought_back_is_gone_over,
    sealed_by_the_environment_alone,
    #[ignore = "middle tier: killed at each call"]
    a_killed_move_in_of_a_sealed_state_goes_on
];

fn sealed(program: &Program) -> Site<'_> {
    let site = Site::new(program)
        .write("encryption.tf", &encryption(ENFORCED))
        .write("main.tf", &resources(&["a"]));
    site.run(&["apply", "-input=false", "-auto-approve"]).ok();
    assert!(site.expect_here()["encrypted_data"].is_string());
    site
}

fn a_sealed_state_moves_along_and_back(program: &Program) {
    let site = sealed(program).write("backend.tf", LOCAL);
    site.run(&["plan", "-input=false"]).ok().says("No changes.");
    site.expect_gone();
    let there = site.module.json_file("kept/here.tfstate");
    assert!(
        there["encrypted_data"].is_string() && !there.to_string().contains("made by"),
        "{there}"
    );

    std::fs::remove_file(site.module.dir().join("backend.tf")).expect("the block");
    site.run(&["plan", "-input=false"]).ok().says("No changes.");
    let here = site.expect_here();
    assert!(
        here["encrypted_data"].is_string() && !here.to_string().contains("made by"),
        "{here}"
    );
    site.expect_tidy();
}

fn a_sealed_state_moves_to_another_server_and_back(program: &Program) {
    let site = sealed(program);
    let other = Server::start();
    let site = Site {
        module: site.module.backend(&Backend::locking(&other.state(STATE))),
        ..site
    };
    let key = other.key("team", "writer");
    // These say nothing of ours.
    let methods = [
        ("TF_HTTP_LOCK_METHOD", "LOCK"),
        ("TF_HTTP_UPDATE_METHOD", "PUT"),
    ];
    site.run_as(&key, &methods, &["plan", "-input=false"])
        .ok()
        .says("No changes.");
    site.expect_gone();
    let there = other.admin().read(STATE).expect_status(200).json();
    assert!(there["encrypted_data"].is_string(), "{there}");

    // OpenTofu gave it another lineage there; the one here had left, and is brought back as what it
    // became.
    std::fs::remove_file(site.module.dir().join("backend.tf")).expect("the block");
    site.run_as(&key, &methods, &["plan", "-input=false"])
        .ok()
        .says("No changes.");
    assert!(site.expect_here()["encrypted_data"].is_string());
    other.admin().read(STATE).expect_problem(410, "transferred");
    site.expect_tidy();
}

/// The workspace is the new backend's: ours has none.
fn a_sealed_state_moves_into_a_workspace(program: &Program) {
    let site = sealed(program).write("backend.tf", LOCAL);
    let key = site.server.key("team", "writer");
    site.run_as(&key, &[("TF_WORKSPACE", "blue")], &["plan", "-input=false"])
        .ok()
        .says("No changes.")
        .says("workspace=blue");
    site.expect_gone();
    assert!(
        site.module
            .json_file("terraform.tfstate.d/blue/terraform.tfstate")["encrypted_data"]
            .is_string()
    );
}

/// Brought back and not yet gone over: what is here is what had left, and what became of it
/// elsewhere still comes.
fn a_sealed_state_that_was_only_brought_back_is_gone_over(program: &Program) {
    let site = sealed(program).write("backend.tf", LOCAL);
    site.run(&["plan", "-input=false"]).ok();
    let site = site.write("main.tf", &resources(&["a", "b"]));
    site.run(&["apply", "-input=false", "-auto-approve"]).ok();
    std::fs::remove_file(site.module.dir().join("backend.tf")).expect("the block");
    assert!(
        site.run_by(&site.wrapper("state push", 1, "kill -9 $PPID; exit", ""))
            .was_killed()
    );
    assert_eq!(site.server.admin().versions(STATE)[0]["kind"], "restore");

    site.run(&["plan", "-input=false"]).ok().says("No changes.");
    site.expect_here();
    site.expect_tidy();
}

/// No block in the sources says it: what OpenTofu is told otherwise counts as well.
fn sealed_by_the_environment_alone(program: &Program) {
    let sealing = r#"
        key_provider "pbkdf2" "phrase" {
            passphrase = "correct horse battery staple"
            iterations = 200000
        }
        method "aes_gcm" "sealed" { keys = key_provider.pbkdf2.phrase }
        state { method = method.aes_gcm.sealed }
    "#;
    let site = Site::new(program)
        .write("main.tf", &resources(&["a"]))
        .write("backend.tf", LOCAL);
    let key = site.server.key("team", "writer");
    let run = |words: &[&str]| site.run_as(&key, &[("TF_ENCRYPTION", sealing)], words);
    run(&["init", "-input=false"]).ok();
    run(&["apply", "-input=false", "-auto-approve"]).ok();
    assert!(site.module.json_file("kept/here.tfstate")["encrypted_data"].is_string());
    std::fs::remove_file(site.module.dir().join("backend.tf")).expect("the block");

    run(&["plan", "-input=false"]).ok().says("No changes.");
    assert!(site.expect_here()["encrypted_data"].is_string());
}

fn a_killed_move_in_of_a_sealed_state_goes_on(program: &Program) {
    let sealed = || Site::new(program).write("encryption.tf", &encryption(ENFORCED));
    // What is there is read twice, what is here once, and OpenTofu stores it itself.
    assert_eq!(
        each_kill(|call, when, nth| move_in(sealed(), call, when, nth)),
        10
    );
}
