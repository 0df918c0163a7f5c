//! The server acts and the network loses its answer. The clients then send the same request once
//! more, and each of these has to succeed again: otherwise a lock stays behind that nobody holds,
//! or a saved apply is reported as failed. So has an apply whose server went away and came back.

use super::module::{Backend, Gate, Module, gated_resource, resources};
use super::proxy::LossyProxy;
use super::{Program, STATE, for_each_program};
use crate::harness::{Server, Setup};

for_each_program![
    an_apply_survives_a_lost_answer_to_its_lock,
    an_apply_survives_a_lost_answer_to_its_write,
    an_apply_survives_a_lost_answer_to_its_unlock,
    an_apply_without_locks_survives_a_lost_answer_to_its_write,
    an_apply_outlives_a_crash_of_the_server,
];

fn an_apply_survives_a_lost_answer_to_its_lock(program: &Program) {
    survives(program, "LOCK", Backend::locking);
}

fn an_apply_survives_a_lost_answer_to_its_write(program: &Program) {
    survives(program, "POST", Backend::locking);
}

fn an_apply_survives_a_lost_answer_to_its_unlock(program: &Program) {
    survives(program, "UNLOCK", Backend::locking);
}

fn an_apply_without_locks_survives_a_lost_answer_to_its_write(program: &Program) {
    survives(program, "POST", Backend::unlocked);
}

fn an_apply_outlives_a_crash_of_the_server(program: &Program) {
    let dir = tempfile::TempDir::new().expect("a directory");
    let mut crashing = Setup::new().data(dir.path()).start();
    let proxy = LossyProxy::start(crashing.address(), None);
    let backend = Backend::locking(&proxy.instead_of(crashing.address(), &crashing.state(STATE)));
    let module = Module::new(program, &crashing.key("team", "writer"), &backend)
        .ready(&gated_resource("slow"));
    let gate = Gate::close(&module, "slow");
    let mut apply = module.start_apply(&[]);
    gate.wait_for(&mut apply);

    crashing.kill();
    let server = Setup::new().data(dir.path()).start();
    proxy.point_at(server.address());
    assert!(
        server.admin().lock_evidence(STATE).is_some(),
        "a lock survives a crash"
    );
    gate.open();

    apply.wait().ok().says("1 added, 0 changed, 0 destroyed");
    let versions = server.admin().versions(STATE);
    assert_eq!(versions.len(), 1, "{versions:?}");
    assert!(versions[0]["lock"].is_object(), "{versions:?}");
    server.admin().expect_unlocked(STATE);
}

fn survives(program: &Program, lost: &str, backend: fn(&str) -> Backend) {
    let server = Server::start();
    let (admin, writer) = (server.admin(), server.key("team", "writer"));
    let address = server.state(STATE);
    // A first version by the straight way, so that the write through the proxy is one over an
    // existing state.
    Module::new(program, &writer, &backend(&address))
        .ready(&resources(&["first"]))
        .apply()
        .ok();
    let proxy = LossyProxy::start(server.address(), Some(lost));
    let through = backend(&proxy.instead_of(server.address(), &address));
    let module = Module::new(program, &writer, &through).ready(&resources(&["first", "second"]));

    module.apply().ok().says("1 added, 0 changed, 0 destroyed");

    let sent = proxy.requests(lost);
    assert_eq!(
        sent.len(),
        2,
        "the client sends again what was not answered"
    );
    assert!(
        sent[0].body == sent[1].body,
        "the client sends the same again"
    );
    let versions = admin.versions(STATE);
    assert_eq!(versions.len(), 2, "no version twice: {versions:?}");
    assert_eq!(
        (&versions[0]["kind"], &versions[0]["current"]),
        (&"write".into(), &true.into()),
        "{versions:?}"
    );
    admin.expect_unlocked(STATE);
    assert!(!module.has("errored.tfstate"));
    module.plan().ok().says("No changes.");
}
