//! A program that fails, or does not do what it says, at one of its calls: what the move then
//! knows, it acts on; what it does not know, it leaves locked.

use super::super::module::{Backend, resources};
use super::super::{Program, STATE, for_either_program};
use super::{LOCAL, Site, names};
use crate::harness::{Client, Server};
use crate::samples::tfstate;

for_either_program![
    a_push_that_says_it_was_done_is_looked_at,
    a_push_that_changes_the_state_is_noticed,
    a_push_that_fails_without_a_trace_leaves_the_state_free,
    what_cannot_be_read_back_stays_locked,
    a_try_after_one_that_may_have_come_far_does_not_give_up_the_lock,
    what_is_written_there_meanwhile_comes_as_well,
    what_came_is_read_back_before_the_old_file_goes,
    nobody_else_moves_anything_in_the_folder_meanwhile,
    the_old_server_is_let_go_where_nothing_came,
    the_old_server_keeps_the_lock_where_the_state_may_have_come,
];

impl<'a> Site<'a> {
    /// Sources that have a backend now.
    fn leaving(program: &'a Program) -> Self {
        Self::applied(program, &["a"]).write("backend.tf", LOCAL)
    }

    /// The state is where it was, and locked: nobody knows whether it is elsewhere as well.
    #[track_caller]
    fn expect_locked_here(&self) {
        assert!(
            self.server.admin().lock_evidence(STATE).is_some(),
            "it is not locked"
        );
        self.server.admin().read(STATE).expect_status(200);
    }

    #[track_caller]
    fn goes_on(&self) {
        self.run(&["plan", "-input=false"]).ok().says("No changes.");
        self.expect_gone();
        self.expect_tidy();
    }
}

fn a_push_that_says_it_was_done_is_looked_at(program: &Program) {
    let site = Site::leaving(program);
    site.run_by(&site.wrapper("state push", 1, "cat > /dev/null; exit 0", ""))
        .fails()
        .says("cannot be read there")
        .says("stays locked");
    site.expect_locked_here();
    site.goes_on();
}

fn a_push_that_changes_the_state_is_noticed(program: &Program) {
    let site = Site::leaving(program);
    let change = "sed -i 's/made by a/made by chance/' kept/here.tfstate";
    site.run_by(&site.wrapper("state push", 1, "", change))
        .fails()
        .says("is not what was pushed: terraform_data.a (not the same)");
    site.expect_locked_here();
    site.run(&["plan", "-input=false"])
        .fails()
        .says("holds another state")
        .says("stays locked");
    site.expect_locked_here();
    std::fs::remove_file(site.module.dir().join("kept/here.tfstate")).expect("what arrived");
    site.goes_on();
}

fn a_push_that_fails_without_a_trace_leaves_the_state_free(program: &Program) {
    let site = Site::leaving(program);
    let fail = "cat > /dev/null; echo no room there >&2; exit 3";
    site.run_by(&site.wrapper("state push", 1, fail, ""))
        .fails()
        .says("no room there")
        .says("team/app is as it was");
    site.expect_here();
    // `init` was done, and what is recorded now is not ours to reconfigure.
    site.run_by(&site.wrapper("init", 1, "exit 9", ""))
        .ok()
        .says("No changes.");
    site.expect_gone();
}

fn what_cannot_be_read_back_stays_locked(program: &Program) {
    let site = Site::leaving(program);
    site.run_by(&site.wrapper("state pull", 2, "echo the line is dead >&2; exit 1", ""))
        .fails()
        .says("the line is dead")
        .says("stays locked");
    site.expect_locked_here();
    site.goes_on();
}

fn a_try_after_one_that_may_have_come_far_does_not_give_up_the_lock(program: &Program) {
    let site = Site::leaving(program);
    let dead = |nth| site.run_by(&site.wrapper("state pull", nth, "exit 1", ""));
    dead(1).fails().says("team/app is as it was");
    site.expect_here();
    dead(2).fails().says("stays locked");
    dead(1).fails().says("stays locked");
    site.expect_locked_here();
    site.goes_on();
}

fn what_is_written_there_meanwhile_comes_as_well(program: &Program) {
    let site = Site::new(program)
        .write("main.tf", &resources(&["a"]))
        .write("backend.tf", LOCAL);
    site.module.init().ok();
    site.module.apply().ok();
    let first =
        std::fs::read_to_string(site.module.dir().join("kept/here.tfstate")).expect("a state");
    let site = site.write("main.tf", &resources(&["a", "b"]));
    site.module.apply().ok();
    std::fs::rename(
        site.module.dir().join("kept/here.tfstate"),
        site.module.dir().join("later"),
    )
    .expect("the later one");
    let site = site.write("kept/here.tfstate", &first);
    std::fs::remove_file(site.module.dir().join("backend.tf")).expect("the block");

    // There, here, and there again.
    site.run_by(&site.wrapper("state pull", 3, "cp later kept/here.tfstate", ""))
        .ok()
        .says("No changes.");
    assert_eq!(names(&site.expect_here()), ["a", "b"]);
    site.expect_tidy();
}

fn what_came_is_read_back_before_the_old_file_goes(program: &Program) {
    let site = Site::new(program).write("main.tf", &resources(&["a"]));
    site.module.init().ok();
    site.module.apply().ok();
    let site = site.write("other", &tfstate("other", 1));
    let wrapper = site.wrapper("state pull", 2, "cat other; exit 0", "");
    site.run_by(&wrapper)
        .fails()
        .says("what was read back is not what local path=")
        .says("terraform_data.a");
    assert!(site.module.has("terraform.tfstate"));
    site.run(&["plan", "-input=false"]).ok().says("No changes.");
    assert!(!site.module.has("terraform.tfstate"));
}

fn nobody_else_moves_anything_in_the_folder_meanwhile(program: &Program) {
    let site = Site::leaving(program);
    let wrapper = site.wrapper(
        "state push",
        1,
        "touch reached; while [ ! -e go ]; do sleep 0.05; done",
        "",
    );
    let mut first = site.start(&["run"], &[&wrapper, "plan", "-input=false"]);
    first.wait_until("it pushes", || site.module.has("reached"));
    site.run(&["plan", "-input=false"])
        .fails()
        .says("another `statekeep run` is at work");
    let site = site.write("go", "");
    first.wait().ok().says("No changes.");
    site.expect_gone();
    site.expect_tidy();
}

/// A module that is kept on another server, by a block that is gone again.
fn kept_elsewhere<'a>(site: Site<'a>, other: &Server, key: &Client) -> Site<'a> {
    let module = site
        .module
        .write("main.tf", &resources(&["b"]))
        .backend(&Backend::locking(&other.state(STATE)))
        .with_key(key);
    module.init().ok();
    module.apply().ok();
    std::fs::remove_file(module.dir().join("backend.tf")).expect("the block");
    Site { module, ..site }
}

fn the_old_server_is_let_go_where_nothing_came(program: &Program) {
    let (site, other) = (Site::applied(program, &["a"]), Server::start());
    let key = other.key("team", "writer");
    std::fs::remove_dir_all(site.module.dir().join(".terraform")).expect("what was recorded");
    let site = kept_elsewhere(site, &other, &key);
    site.run_as(&key, &[], &["plan", "-input=false"])
        .fails()
        .says("holds another state than team/app");
    other.admin().expect_unlocked(STATE);
    other.admin().read(STATE).expect_status(200);
    assert_eq!(names(&site.expect_here()), ["a"]);
}

fn the_old_server_keeps_the_lock_where_the_state_may_have_come(program: &Program) {
    let (site, other) = (Site::new(program), Server::start());
    let key = other.key("team", "writer");
    let site = kept_elsewhere(site, &other, &key);
    site.run_as_by(&key, &site.wrapper("state pull", 3, "exit 1", ""))
        .fails()
        .says("The old one stays locked");
    assert!(other.admin().lock_evidence(STATE).is_some());
    site.run_as(&key, &[], &["plan", "-input=false"])
        .ok()
        .says("No changes.");
    other.admin().read(STATE).expect_problem(410, "transferred");
    assert_eq!(names(&site.expect_here()), ["b"]);
}
