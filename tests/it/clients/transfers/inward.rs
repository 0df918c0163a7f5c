//! A state that moves in: from a local file, from a backend that was removed, and what keeps it
//! out.

use super::super::module::{Backend, resources};
use super::super::run::Running;
use super::super::{Program, STATE, for_either_program};
use super::{LOCAL, Site, names};

for_either_program![
    a_local_file_moves_in,
    a_backend_that_was_removed_moves_in,
    what_was_destroyed_elsewhere_comes_back_empty,
    a_workspace_is_refused_on_the_way_in,
    another_state_here_stops_the_way_in,
    a_copy_from_before_is_known,
    a_copy_that_went_its_own_way_is_another_state,
    the_same_server_by_another_address_is_no_other_one,
];

/// Sources that never had a backend, with the file that such a module has.
fn a_local_file_moves_in(program: &Program) {
    let site = Site::new(program).write("main.tf", &resources(&["a"]));
    site.module.init().ok();
    site.module.apply().ok();
    let local = site.module.json_file("terraform.tfstate");

    site.run(&["plan", "-input=false"])
        .ok()
        .says("No changes.")
        .says("terraform.tfstate.moved-to-statekeep now");
    let here = site.expect_here();
    assert_eq!(
        (&here["lineage"], names(&here)),
        (&local["lineage"], vec!["a"])
    );
    assert!(!site.module.has("terraform.tfstate"));
    assert_eq!(
        site.module
            .json_file("terraform.tfstate.moved-to-statekeep"),
        local
    );
    site.expect_tidy();
    site.run(&["apply", "-input=false", "-auto-approve"]).ok();
}

fn a_backend_that_was_removed_moves_in(program: &Program) {
    let site = Site::new(program)
        .write("main.tf", &resources(&["a"]))
        .write("backend.tf", LOCAL);
    site.module.init().ok();
    site.module.apply().ok();
    std::fs::remove_file(site.module.dir().join("backend.tf")).expect("the block");

    site.run(&["plan", "-input=false"]).ok().says("No changes.");
    assert_eq!(names(&site.expect_here()), ["a"]);
    assert!(
        !site.module.has("kept/here.tfstate")
            && site.module.has("kept/here.tfstate.moved-to-statekeep")
    );
    site.expect_tidy();
    // And along again, into a file that is not there any more, and back: the state here had left,
    // and comes back.
    let site = site.write("backend.tf", LOCAL);
    site.run(&["plan", "-input=false"]).ok().says("No changes.");
    site.expect_gone();
    let site = site.write("main.tf", &resources(&["a", "b"]));
    site.run(&["apply", "-input=false", "-auto-approve"]).ok();
    std::fs::remove_file(site.module.dir().join("backend.tf")).expect("the block");
    site.run(&["plan", "-input=false"]).ok().says("No changes.");
    assert_eq!(names(&site.expect_here()), ["a", "b"]);
    assert!(
        site.module.has("kept/here.tfstate.moved-to-statekeep.2"),
        "the first one is not gone over"
    );
}

fn what_was_destroyed_elsewhere_comes_back_empty(program: &Program) {
    let site = Site::applied(program, &["a"]).write("backend.tf", LOCAL);
    site.run(&["destroy", "-input=false", "-auto-approve"]).ok();
    site.expect_gone();
    std::fs::remove_file(site.module.dir().join("backend.tf")).expect("the block");
    site.run(&["plan", "-input=false"]).ok().says("1 to add");
    assert!(names(&site.expect_here()).is_empty());
}

/// The state of another workspace than the one that is meant must not come.
fn a_workspace_is_refused_on_the_way_in(program: &Program) {
    let site = Site::new(program).write("main.tf", &resources(&["a"]));
    site.module.init().ok();
    site.module.apply().ok();
    let mut command = site.command(&["transfer"], &[site.module.program()]);
    command.env("TF_WORKSPACE", "blue");
    Running::spawn(command)
        .wait()
        .fails()
        .says("the workspace `blue` is selected");
    site.server.admin().expect_never_written(STATE);
    assert!(site.module.has("terraform.tfstate"));
}

fn another_state_here_stops_the_way_in(program: &Program) {
    let site = Site::applied(program, &["a"]);
    let before = site.expect_here();
    std::fs::remove_dir_all(site.module.dir().join(".terraform")).expect("what was recorded");
    let site = site.write("main.tf", &resources(&["b"]));
    site.module.init().ok();
    site.module.apply().ok();

    let run = site.run(&["apply", "-input=false", "-auto-approve"]);
    run.fails().says("holds another state").says("was not run");
    assert_eq!(site.expect_here(), before);
    assert!(site.module.has("terraform.tfstate"));
    site.expect_tidy();
}

/// A stale copy of a state that has moved in and gone on here is no other state.
fn a_copy_from_before_is_known(program: &Program) {
    let site = Site::new(program).write("main.tf", &resources(&["a"]));
    site.module.init().ok();
    site.module.apply().ok();
    let copy =
        std::fs::read_to_string(site.module.dir().join("terraform.tfstate")).expect("a copy");
    let site = site.write("main.tf", &resources(&["a", "b"]));
    site.run(&["apply", "-input=false", "-auto-approve"]).ok();
    std::fs::remove_dir_all(site.module.dir().join(".terraform")).expect("a fresh checkout");
    let site = site.write("terraform.tfstate", &copy);

    site.run(&["plan", "-input=false"]).ok().says("No changes.");
    assert_eq!(names(&site.expect_here()), ["a", "b"]);
    assert!(!site.module.has("terraform.tfstate"));
}

/// A copy that somebody has worked with is not what the state here came from, whatever its serial.
fn a_copy_that_went_its_own_way_is_another_state(program: &Program) {
    let site = Site::new(program).write("main.tf", &resources(&["a"]));
    site.module.init().ok();
    site.module.apply().ok();
    let copy =
        std::fs::read_to_string(site.module.dir().join("terraform.tfstate")).expect("a copy");
    for names in [vec!["a", "b"], vec!["a"], vec!["a", "c"]] {
        std::fs::write(site.module.dir().join("main.tf"), resources(&names)).expect("sources");
        site.run(&["apply", "-input=false", "-auto-approve"]).ok();
    }
    std::fs::remove_dir_all(site.module.dir().join(".terraform")).expect("a fresh checkout");
    let site = site
        .write("terraform.tfstate", &copy)
        .write("main.tf", &resources(&["a", "d"]));
    site.module.init().ok();
    site.module.apply().ok();
    let theirs = site.module.json_file("terraform.tfstate");

    site.run(&["plan", "-input=false"])
        .fails()
        .says("holds another state");
    assert_eq!(names(&site.expect_here()), ["a", "c"]);
    assert_eq!(site.module.json_file("terraform.tfstate"), theirs);
}

fn the_same_server_by_another_address_is_no_other_one(program: &Program) {
    let site = Site::new(program).write("main.tf", &resources(&["a"]));
    let address = site.server.state(STATE).replace("127.0.0.1", "localhost");
    let site = Site {
        module: site.module.backend(&Backend::locking(&address)),
        ..site
    };
    site.module.init().ok();
    site.module.apply().ok();
    std::fs::remove_file(site.module.dir().join("backend.tf")).expect("the block");

    site.run_as(&site.key, &[], &["plan", "-input=false"])
        .ok()
        .says("No changes.");
    assert_eq!(names(&site.expect_here()), ["a"]);
    assert_eq!(site.server.admin().versions(STATE).len(), 1);
}
