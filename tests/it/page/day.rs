//! A team's day on a state that a real program writes: signed in with the morning's key, an apply
//! looked at, compared, rolled back, and the program's own next plan as the page foretold it.

use super::visitor::Visitor;
use crate::clients::module::{Backend, Module, resources};
use crate::clients::{Program, for_either_program};
use crate::harness::Server;

for_either_program![a_team_looks_compares_and_rolls_back];

fn a_team_looks_compares_and_rolls_back(program: &Program) {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let Some(visitor) = Visitor::signed_in(&server, &writer) else {
        return;
    };
    let backend = Backend::locking(&server.state("team/app"));
    let module = Module::new(program, &writer, &backend).ready(&resources(&["first"]));
    module.apply().ok();
    module.add("main.tf", &resources(&["first", "second"]));
    module.apply().ok();

    visitor.open("/#/states/team/app");
    visitor.sees("2, serial 2");
    visitor.click("link", "Changes of version 2");
    visitor.sees("0 removed, 0 moved, 0 changed, 1 added");
    visitor.sees("terraform_data.second");
    visitor.open("/#/states/team/app/rollback/1");
    visitor.sees("The new version has the serial 3");
    visitor.sees("terraform_data.second");
    visitor.click("button", "Roll back to version 1…");
    visitor.fill("Type 1 to confirm", "1");
    visitor.click("button", "Roll back");
    visitor.sees("Version 3 is current now.");

    // What Terraform forgot, a fresh plan makes again.
    module
        .plan()
        .ok()
        .says("1 to add, 0 to change, 0 to destroy");
    module.apply().ok();
    visitor.click("link", "Back to the history");
    visitor.sees("4, serial 4");
    visitor.was_quiet();
}
