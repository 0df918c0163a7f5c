//! States that OpenTofu encrypted move as well: only OpenTofu reads them, and they are encrypted wherever they arrive.

use super::super::module::{Backend, resources};
use super::super::native_encryption::{ENFORCED, encryption};
use super::super::{Program, STATE, for_tofu};
use super::{LOCAL, Site};
use crate::harness::Server;

for_tofu![a_sealed_state_moves_along_and_back, a_sealed_state_moves_to_another_server];

fn sealed(program: &Program) -> Site<'_> {
    let site = Site::new(program).write("encryption.tf", &encryption(ENFORCED)).write("main.tf", &resources(&["a"]));
    site.run(&["apply", "-input=false", "-auto-approve"]).ok();
    assert!(site.expect_here()["encrypted_data"].is_string());
    site
}

fn a_sealed_state_moves_along_and_back(program: &Program) {
    let site = sealed(program).write("backend.tf", LOCAL);
    site.run(&["plan", "-input=false"]).ok().says("No changes.");
    site.expect_gone();
    let there = site.module.json_file("kept/here.tfstate");
    assert!(there["encrypted_data"].is_string() && !there.to_string().contains("made by"), "{there}");

    std::fs::remove_file(site.module.dir().join("backend.tf")).expect("the block");
    site.run(&["plan", "-input=false"]).ok().says("No changes.");
    let here = site.expect_here();
    assert!(here["encrypted_data"].is_string() && !here.to_string().contains("made by"), "{here}");
    site.expect_tidy();
}

fn a_sealed_state_moves_to_another_server(program: &Program) {
    let site = sealed(program);
    let other = Server::start();
    let site = Site { module: site.module.backend(&Backend::locking(&other.state(STATE))), ..site };
    let key = other.key("team", "writer");
    // These say nothing of ours.
    let methods = [("TF_HTTP_LOCK_METHOD", "LOCK"), ("TF_HTTP_UPDATE_METHOD", "PUT")];
    site.run_as(&key, &methods, &["plan", "-input=false"]).ok().says("No changes.");
    site.expect_gone();
    let there = other.admin().read(STATE).expect_status(200).json();
    assert!(there["encrypted_data"].is_string(), "{there}");
}
