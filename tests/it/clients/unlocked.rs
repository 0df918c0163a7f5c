//! Backends without `lock_address`, in short runs; the races that take half a minute are in
//! `long_runs`.

use serde_json::Value;

use super::module::{Backend, Gate, Module, gated_resource, resources};
use super::{Program, STATE, for_each_program};
use crate::harness::{Server, Setup};

for_each_program![
    one_writer_without_locks_just_works,
    a_stale_apply_without_a_lock_is_refused_and_kept,
    a_server_that_wants_locks_takes_no_write_without_one,
    a_lock_address_alone_leaves_the_state_locked,
];

fn one_writer_without_locks_just_works(program: &Program) {
    let server = Server::start();
    let backend = Backend::unlocked(&server.state(STATE));
    let module =
        Module::new(program, &server.key("team", "writer"), &backend).ready(&resources(&["first"]));
    module.apply().ok();
    let module = module.write("main.tf", &resources(&["first", "second"]));
    module.apply().ok();
    module.destroy().ok();

    let versions = server.admin().versions(STATE);
    assert_eq!(versions.len(), 3, "{versions:?}");
    assert!(
        versions
            .iter()
            .all(|version| version["lock"] == Value::Null && version["kind"] == "write"),
        "{versions:?}"
    );
}

/// Both read version 1; the second to write has a serial that is not above the current one any
/// more.
fn a_stale_apply_without_a_lock_is_refused_and_kept(program: &Program) {
    let server = Server::start();
    let (admin, backend) = (server.admin(), Backend::unlocked(&server.state(STATE)));
    let quick =
        Module::new(program, &server.key("team", "writer"), &backend).ready(&resources(&["base"]));
    quick.apply().ok();
    let slow = Module::new(program, &server.key("team", "writer"), &backend)
        .ready(&(resources(&["base"]) + &gated_resource("slow")));
    let gate = Gate::close(&slow, "slow");
    let mut apply = slow.start_apply(&[]);
    gate.wait_for(&mut apply);
    let quick = quick.write("main.tf", &resources(&["base", "quick"]));
    quick.apply().ok();
    gate.open();

    apply
        .wait()
        .fails()
        .says("Failed to save state")
        .says("HTTP error: 409")
        .says("state push errored.tfstate");

    let versions = admin.versions(STATE);
    assert_eq!(
        (&versions[0]["kind"], &versions[0]["rejected"]),
        (&"rejected".into(), &"stale_write".into()),
        "{versions:?}"
    );
    assert_eq!(versions[1]["current"], true, "{versions:?}");
    let kept: Value =
        serde_json::from_str(&admin.version_text(STATE, &versions[0]["number"])).expect("a state");
    assert_eq!(
        kept["resources"],
        slow.json_file("errored.tfstate")["resources"]
    );
    quick.plan().ok().says("No changes.");

    // Once it has read what is there, it may write again.
    slow.write("main.tf", &resources(&["base", "quick", "after"]))
        .apply()
        .ok()
        .says("1 added, 0 changed, 0 destroyed");
}

fn a_server_that_wants_locks_takes_no_write_without_one(program: &Program) {
    let server = Setup::new().flag("--unlocked-writes", "refuse").start();
    let (admin, writer) = (server.admin(), server.key("team", "writer"));
    let module = Module::new(program, &writer, &Backend::unlocked(&server.state(STATE)))
        .ready(&resources(&["first"]));

    module
        .apply()
        .fails()
        .says("Failed to save state")
        .says("HTTP error: 409");

    admin.read(STATE).expect_problem(404, "no_state");
    let versions = admin.versions(STATE);
    assert_eq!(versions.len(), 1, "{versions:?}");
    assert_eq!(
        (&versions[0]["kind"], &versions[0]["rejected"]),
        (&"rejected".into(), &"unlocked_writes_refused".into())
    );

    // The two lines that were missing, and what the client itself tells its user to do.
    let module = module.backend(&Backend::locking(&server.state(STATE)));
    module.run(&["init", "-input=false", "-reconfigure"]).ok();
    module.run(&["state", "push", "errored.tfstate"]).ok();
    module.plan().ok().says("No changes.");
    admin.expect_unlocked(STATE);
}

/// The clients then lock and never unlock: an old trap, which the lock's evidence has to show.
fn a_lock_address_alone_leaves_the_state_locked(program: &Program) {
    let server = Server::start();
    let address = server.state(STATE);
    let backend = Backend::unlocked(&address).set("lock_address", &address);
    let writer = server.key("team", "writer");
    let module = Module::new(program, &writer, &backend).ready(&resources(&["first"]));
    module.apply().ok();

    let evidence = server
        .admin()
        .lock_evidence(STATE)
        .expect("the lock that nobody released");
    assert_eq!(evidence["key"]["id"], writer.key_id.as_str(), "{evidence}");
    assert_eq!(evidence["last_write"]["version"], 1, "{evidence}");
    module.plan().fails().says("Error acquiring the state lock");
}
