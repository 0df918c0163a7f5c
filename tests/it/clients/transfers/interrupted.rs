//! A move that is killed at any of its steps: there is never none and never a second live state,
//! and the same command goes on.
//!
//! The program is wrapped in a script that kills its parent, `statekeep`, before or after one of
//! its calls.

use super::super::module::{Backend, resources};
use super::super::{Program, STATE, for_each_program};
use super::{LOCAL, Site, names};
use crate::harness::{Server, eventually, state_path};

for_each_program![
    a_move_that_is_killed_behind_the_push_goes_on,
    a_move_that_is_killed_behind_its_last_step_goes_on,
    a_move_in_that_is_killed_while_it_reads_goes_on,
    #[ignore = "middle tier: killed at each call"]
    a_killed_move_along_goes_on,
    #[ignore = "middle tier: killed at each call"]
    a_killed_move_in_goes_on,
];

/// At which call of the program, and before or after it, `statekeep` is killed.
const STEPS: [(&str, &str); 6] = [
    ("init", "before"),
    ("init", "after"),
    ("state pull", "before"),
    ("state pull", "after"),
    ("state push", "before"),
    ("state push", "after"),
];

impl Site<'_> {
    /// Runs a plan by a script that kills `statekeep` at the nth call of one kind; says whether it
    /// came to that.
    fn killed(&self, call: &str, when: &str, nth: u32) -> bool {
        let kill = |moment: &str| if moment == when { "kill -9 $PPID" } else { "" };
        let run = self.run_by(&self.wrapper(call, nth, kill("before"), kill("after")));
        if run.was_killed() {
            // The program goes on without its parent.
            eventually("the program ends", || self.module.has("ended"));
        }
        run.was_killed()
    }

    /// Whether a state lives on the server, also one that is locked by a move.
    fn lives_here(&self) -> bool {
        self.server.admin().get(&state_path(STATE)).status == 200
    }
}

/// Kills a move along at one step, and goes on; says whether it came to that.
fn move_along(program: &Program, call: &str, when: &str, nth: u32) -> bool {
    let site = Site::applied(program, &["a"]).write("backend.tf", LOCAL);
    if !site.killed(call, when, nth) {
        return false;
    }
    let is_there = site.module.has("kept/here.tfstate");
    assert!(
        site.lives_here() || is_there,
        "none lives: {when} {call} {nth}"
    );
    let locked = site.server.admin().lock_evidence(STATE).is_some();
    assert!(!is_there || locked, "two live: {when} {call} {nth}");

    site.run(&["plan", "-input=false"]).ok().says("No changes.");
    site.expect_gone();
    site.expect_tidy();
    assert_eq!(names(&site.module.json_file("kept/here.tfstate")), ["a"]);
    true
}

fn a_move_that_is_killed_behind_the_push_goes_on(program: &Program) {
    assert!(move_along(program, "state push", "after", 1));
}

fn a_killed_move_along_goes_on(program: &Program) {
    // `init` and `push` are called once, `pull` twice.
    assert_eq!(
        each_kill(|call, when, nth| move_along(program, call, when, nth)),
        8
    );
}

/// The old backend says already that the state has left, and the program has not recorded the new
/// one yet.
fn a_move_that_is_killed_behind_its_last_step_goes_on(program: &Program) {
    let site = Site::new(program);
    let other = Server::start();
    let key = other.key("team", "writer");
    let module = site
        .module
        .write("main.tf", &resources(&["a"]))
        .backend(&Backend::locking(&other.state(STATE)))
        .with_key(&key);
    module.init().ok();
    module.apply().ok();
    std::fs::remove_file(module.dir().join("backend.tf")).expect("the block");
    let site = Site { module, ..site };
    let wrapper = site.wrapper("init", 1, "kill -9 $PPID; exit", "");
    assert!(site.run_as_by(&key, &wrapper).was_killed());
    other.admin().read(STATE).expect_problem(410, "transferred");

    site.run_as(&key, &[], &["plan", "-input=false"])
        .ok()
        .says("No changes.");
    assert_eq!(names(&site.expect_here()), ["a"]);
}

/// Kills a move in at one step, and goes on; says whether it came to that.
pub(super) fn move_in(site: Site<'_>, call: &str, when: &str, nth: u32) -> bool {
    let site = site
        .write("main.tf", &resources(&["a"]))
        .write("backend.tf", LOCAL);
    site.module.init().ok();
    site.module.apply().ok();
    std::fs::remove_file(site.module.dir().join("backend.tf")).expect("the block");
    if !site.killed(call, when, nth) {
        return false;
    }
    let is_there = site.module.has("kept/here.tfstate");
    assert!(
        site.lives_here() || is_there,
        "none lives: {when} {call} {nth}"
    );

    site.run(&["plan", "-input=false"]).ok().says("No changes.");
    site.expect_here();
    assert!(!site.module.has("kept/here.tfstate"));
    site.expect_tidy();
    true
}

/// What it had for reading is left behind: a block that would configure the old backend, and a
/// folder.
fn a_move_in_that_is_killed_while_it_reads_goes_on(program: &Program) {
    assert!(move_in(Site::new(program), "state pull", "after", 1));
}

pub(super) fn each_kill(killed: impl Fn(&str, &str, u32) -> bool) -> usize {
    let kills = STEPS
        .iter()
        .flat_map(|(call, when)| [(call, when, 1), (call, when, 2), (call, when, 3)]);
    kills
        .filter(|(call, when, nth)| killed(call, when, *nth))
        .count()
}

fn a_killed_move_in_goes_on(program: &Program) {
    // What is there is read twice, what is here once, and the server stores it.
    assert_eq!(
        each_kill(|call, when, nth| move_in(Site::new(program), call, when, nth)),
        8
    );
}
