//! Applies whose lock was taken from them while they ran: whatever happens next, what they did is
//! not lost.

use serde_json::Value;

use super::module::{Backend, Gate, Module, gated_resource, resources};
use super::run::Running;
use super::{Program, STATE, for_each_program};
use crate::harness::{Client, Server};

for_each_program![
    an_apply_whose_lock_was_broken_still_stores_its_result,
    an_apply_whose_lock_was_broken_does_not_overwrite_a_later_write,
    an_apply_whose_lock_was_broken_leaves_the_next_lock_alone,
];

fn an_apply_whose_lock_was_broken_still_stores_its_result(program: &Program) {
    let server = Server::start();
    let (admin, stage) = (server.admin(), Stage::new(program, &server));
    let (gate, apply) = stage.apply_without_lock(&admin);
    gate.open();

    apply.wait().ok().says("1 added, 0 changed, 0 destroyed");

    let versions = admin.versions(STATE);
    assert_eq!(versions.len(), 2, "{versions:?}");
    assert_eq!(
        (&versions[0]["kind"], &versions[0]["current"]),
        (&"write".into(), &true.into()),
        "{versions:?}"
    );
    assert_eq!(versions[0]["lock"], Value::Null, "it held no lock any more");
    stage.victim.plan().ok().says("No changes.");
    admin.expect_unlocked(STATE);
}

fn an_apply_whose_lock_was_broken_does_not_overwrite_a_later_write(program: &Program) {
    let server = Server::start();
    let (admin, stage) = (server.admin(), Stage::new(program, &server));
    let (gate, apply) = stage.apply_without_lock(&admin);
    stage
        .breaker
        .apply()
        .ok()
        .says("1 added, 0 changed, 0 destroyed");
    gate.open();

    apply
        .wait()
        .fails()
        .says("Failed to save state")
        .says("HTTP error: 409");

    let kept = stage.expect_result_kept_beside(&admin);
    assert_eq!(kept["rejected"], "stale_lock_id");
    stage.breaker.plan().ok().says("No changes.");
    admin.expect_unlocked(STATE);
}

fn an_apply_whose_lock_was_broken_leaves_the_next_lock_alone(program: &Program) {
    let server = Server::start();
    let (admin, stage) = (server.admin(), Stage::new(program, &server));
    let (gate, apply) = stage.apply_without_lock(&admin);
    let next = server.key("team", "writer");
    next.lock(STATE, "the-next-lock").expect_status(200);
    gate.open();

    apply.wait().fails().says("HTTP error: 423");

    let kept = stage.expect_result_kept_beside(&admin);
    assert_eq!(kept["rejected"], "locked");
    let evidence = admin.lock_evidence(STATE).expect("the next lock");
    assert_eq!(
        (&evidence["lock"]["ID"], &evidence["key"]["id"]),
        (&"the-next-lock".into(), &next.key_id.as_str().into())
    );
    next.unlock(STATE, "the-next-lock").expect_status(200);
}

/// A state with one version, someone who is about to add a slow resource to it, and someone who
/// breaks locks.
struct Stage<'a> {
    victim: Module<'a>,
    breaker: Module<'a>,
}

impl<'a> Stage<'a> {
    fn new(program: &'a Program, server: &Server) -> Self {
        let backend = Backend::locking(&server.state(STATE));
        let breaker = Module::new(program, &server.key("team", "writer"), &backend)
            .ready(&resources(&["base"]));
        breaker.apply().ok();
        let breaker = breaker.write("main.tf", &resources(&["base", "later"]));
        let victim = Module::new(program, &server.key("team", "writer"), &backend)
            .ready(&(resources(&["base"]) + &gated_resource("slow")));
        Self { victim, breaker }
    }

    /// The victim's apply, standing at its gate, its lock broken by the other's `force-unlock`.
    fn apply_without_lock(&self, admin: &Client) -> (Gate, Running) {
        let gate = Gate::close(&self.victim, "slow");
        let mut apply = self.victim.start_apply(&[]);
        gate.wait_for(&mut apply);
        let evidence = admin.lock_evidence(STATE).expect("the victim's lock");
        self.breaker
            .force_unlock(evidence["lock"]["ID"].as_str().expect("an ID"))
            .ok();
        admin.expect_unlocked(STATE);
        (gate, apply)
    }

    /// Checks that the victim's result is the newest version, not current, the same as in the file
    /// that the client left behind.
    #[track_caller]
    fn expect_result_kept_beside(&self, admin: &Client) -> Value {
        let newest = admin.versions(STATE).swap_remove(0);
        assert_eq!(
            (&newest["kind"], &newest["current"]),
            (&"rejected".into(), &false.into()),
            "{newest}"
        );
        let kept: Value =
            serde_json::from_str(&admin.version_text(STATE, &newest["number"])).expect("a state");
        assert_eq!(
            kept["resources"],
            self.victim.json_file("errored.tfstate")["resources"]
        );
        assert!(kept["resources"].to_string().contains("\"slow\""), "{kept}");
        newest
    }
}
