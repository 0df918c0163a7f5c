//! Other methods than `LOCK`, `UNLOCK` and `POST`: at `…/lock` they work as people know them from
//! other servers; at the state's own address they must neither store a lock as a state nor delete
//! the state.

use super::module::{Backend, Module, resources};
use super::{Program, STATE, for_each_program};
use crate::harness::Server;

for_each_program![
    other_methods_work_at_the_locks_address,
    a_lock_at_its_own_address_is_seen_and_broken_there,
    a_lock_posted_to_the_states_address_is_refused,
    an_unlock_that_deletes_at_the_states_address_deletes_nothing,
    a_force_unlock_that_deletes_at_the_states_address_deletes_nothing,
];

/// A backend that locks and unlocks at `…/lock`.
fn at_lock(server: &Server, lock: &str, unlock: &str) -> Backend {
    let address = server.state(STATE);
    let own = format!("{address}/lock");
    Backend::unlocked(&address)
        .set("lock_address", &own)
        .set("unlock_address", &own)
        .set("lock_method", lock)
        .set("unlock_method", unlock)
}

/// A backend that locks and unlocks at the state's own address with these methods.
fn at_state(server: &Server, lock: &str, unlock: &str) -> Backend {
    Backend::locking(&server.state(STATE))
        .set("lock_method", lock)
        .set("unlock_method", unlock)
}

fn other_methods_work_at_the_locks_address(program: &Program) {
    let methods = [
        ("POST", "DELETE", "PUT"),
        ("PUT", "DELETE", "POST"),
        ("LOCK", "UNLOCK", "PUT"),
    ];
    for (lock, unlock, update) in methods {
        let server = Server::start();
        let backend = at_lock(&server, lock, unlock).set("update_method", update);
        let module = Module::new(program, &server.key("team", "writer"), &backend)
            .ready(&resources(&["first"]));
        module.apply().ok();
        module
            .write("main.tf", &resources(&["first", "second"]))
            .apply()
            .ok()
            .says("1 added, 0 changed, 0 destroyed");

        let versions = server.admin().versions(STATE);
        assert_eq!(versions.len(), 2, "{lock} {unlock} {update}: {versions:?}");
        assert!(
            versions.iter().all(|version| version["lock"].is_object()),
            "{lock} {unlock} {update}: {versions:?}"
        );
        server.admin().expect_unlocked(STATE);
    }
}

fn a_lock_at_its_own_address_is_seen_and_broken_there(program: &Program) {
    let server = Server::start();
    let backend = at_lock(&server, "POST", "DELETE");
    let module =
        Module::new(program, &server.key("team", "writer"), &backend).ready(&resources(&["first"]));
    server
        .key("team", "writer")
        .lock(STATE, "the-holders-id")
        .expect_status(200);

    module
        .apply()
        .fails()
        .says("already locked: ID=the-holders-id");
    module.force_unlock("the-holders-id").ok();

    server.admin().expect_unlocked(STATE);
    module.apply().ok();
}

fn a_lock_posted_to_the_states_address_is_refused(program: &Program) {
    for method in ["POST", "PUT"] {
        let server = Server::start();
        let backend = at_state(&server, method, "UNLOCK");
        let module = Module::new(program, &server.key("team", "owner"), &backend)
            .ready(&resources(&["first"]));

        module
            .apply()
            .fails()
            .says("Error acquiring the state lock")
            .says("Unexpected HTTP response code 400");

        server.admin().expect_never_written(STATE);
        server.admin().expect_unlocked(STATE);
    }
}

/// With a key that may delete, so that it is not the missing permission which saves the state.
fn an_unlock_that_deletes_at_the_states_address_deletes_nothing(program: &Program) {
    let server = Server::start();
    let (admin, backend) = (server.admin(), at_state(&server, "LOCK", "DELETE"));
    let module =
        Module::new(program, &server.key("team", "owner"), &backend).ready(&resources(&["first"]));

    module
        .apply()
        .fails()
        .says("Error releasing the state lock")
        .says("Unexpected HTTP response code 400");

    let stored = admin.read(STATE).expect_status(200).bytes;
    let lock = admin
        .lock_evidence(STATE)
        .expect("the lock, which nobody released");
    // 400 for a lock where none belongs, or 423 because it is locked.
    let refused = module
        .force_unlock(lock["lock"]["ID"].as_str().expect("an ID"))
        .fails();
    refused.says("Failed to unlock state: Unexpected HTTP response code 4");
    assert_eq!(admin.read(STATE).expect_status(200).bytes, stored);
    assert_eq!(admin.versions(STATE).len(), 1);
    assert_eq!(
        admin.lock_evidence(STATE).expect("still locked")["lock"],
        lock["lock"]
    );
}

/// With nothing locked, Terraform's `force-unlock` is an empty DELETE; only its `Content-MD5` tells
/// it from somebody who wants the state gone.
fn a_force_unlock_that_deletes_at_the_states_address_deletes_nothing(program: &Program) {
    let server = Server::start();
    Module::applied(program, &server, &["first"]);
    let module = Module::new(
        program,
        &server.key("team", "owner"),
        &at_state(&server, "LOCK", "DELETE"),
    )
    .ready(&resources(&["first"]));

    module
        .force_unlock("any-id")
        .fails()
        .says("Failed to unlock state: Unexpected HTTP response code 400");

    server.admin().read(STATE).expect_status(200);
    assert_eq!(server.admin().versions(STATE).len(), 1);
}
