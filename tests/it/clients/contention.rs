//! Two people at one state, and a lock that its holder left behind.

use super::module::{Backend, Gate, Module, gated_resource, resources};
use super::run::Run;
use super::{Program, STATE, for_each_program};
use crate::harness::{Client, Server, lock_body, state_path};

for_each_program![
    an_apply_waits_for_the_lock_and_goes_on,
    an_apply_that_waits_is_named_until_it_has_the_lock,
    a_user_who_does_not_wait_sees_who_holds_the_lock,
    an_apply_sees_the_lock_of_another_apply,
    a_killed_apply_leaves_its_lock_and_no_version,
    force_unlock_frees_another_keys_lock_with_the_permission_only,
    force_unlock_frees_ones_own_lock_without_the_permission,
    force_unlock_with_nothing_locked_does_no_harm,
];

fn an_apply_waits_for_the_lock_and_goes_on(program: &Program) {
    let server = Server::start();
    let (admin, backend) = (server.admin(), Backend::locking(&server.state(STATE)));
    let holder = Module::new(program, &server.key("team", "writer"), &backend)
        .ready(&gated_resource("slow"));
    let waiting = Module::new(program, &server.key("team", "writer"), &backend)
        .ready(&(gated_resource("slow") + &resources(&["late"])));
    let gate = Gate::close(&holder, "slow");
    let mut first = holder.start_apply(&[]);
    gate.wait_for(&mut first);

    let mut second = waiting.start_apply(&["-lock-timeout=100s"]);
    second.wait_until("it was turned away twice", || {
        admin
            .lock_evidence(STATE)
            .is_some_and(|lock| lock["refused"]["count"].as_u64() >= Some(2))
    });
    gate.open();

    first.wait().ok();
    // It read the state after it had the lock, so that it makes the one resource that was missing.
    second.wait().ok().says("1 added, 0 changed, 0 destroyed");
    let versions = admin.versions(STATE);
    assert_eq!(versions.len(), 2, "{versions:?}");
    assert_ne!(versions[0]["lock"]["id"], versions[1]["lock"]["id"]);
    assert_eq!(
        (&versions[0]["resources"], &versions[1]["resources"]),
        (&2.into(), &1.into())
    );
    admin.expect_unlocked(STATE);
}

fn an_apply_that_waits_is_named_until_it_has_the_lock(program: &Program) {
    let server = Server::start();
    let (admin, backend) = (server.admin(), Backend::locking(&server.state(STATE)));
    let late = server.key("team", "writer");
    let module = Module::new(program, &late, &backend).ready(&gated_resource("slow"));
    admin.lock(STATE, "the-holders-id").expect_status(200);

    let gate = Gate::close(&module, "slow");
    let mut run = module.start_apply(&["-lock-timeout=60s"]);
    let waiting = || admin.lock_evidence(STATE).expect("a lock")["waiting"].clone();
    run.wait_until("it is told that it waits", || {
        waiting()[0]["asked"].as_u64() >= Some(3)
    });
    let told = waiting();
    let one = &told[0];
    assert_eq!(told.as_array().map(Vec::len), Some(1), "{told}");
    assert_eq!(
        (&one["operation"], &one["key"]["id"]),
        (&"OperationTypeApply".into(), &late.key_id.as_str().into()),
        "{one}"
    );
    assert!(
        one["who"].as_str().is_some_and(|who| who.contains('@')),
        "{one}"
    );

    admin.unlock(STATE, "the-holders-id").expect_status(200);
    gate.wait_for(&mut run);
    let held = admin.lock_evidence(STATE).expect("its lock");
    assert_eq!(
        (&held["lock"]["ID"], &held["waiting"]),
        (&one["id"], &serde_json::json!([])),
        "{held}"
    );
    gate.open();
    run.wait().ok();
}

fn a_user_who_does_not_wait_sees_who_holds_the_lock(program: &Program) {
    let server = Server::start();
    let module = Module::applied(program, &server, &["first"]);
    let holder = server.key("team", "writer");
    holder.lock(STATE, "the-holders-id").expect_status(200);

    for run in [module.plan(), module.apply()] {
        let run = run
            .fails()
            .says("Error acquiring the state lock")
            .says("already locked: ID=the-holders-id");
        if module.is_tofu() {
            run.says("Who: someone@somewhere")
                .says("Operation: OperationTypeApply");
        } else {
            // Terraform shows the lock that it wanted itself, and of the holder's the ID alone.
            run.never_says("someone@somewhere");
        }
    }

    let evidence = server
        .admin()
        .lock_evidence(STATE)
        .expect("the holder's lock");
    let sent: serde_json::Value = serde_json::from_str(&lock_body("the-holders-id")).expect("JSON");
    assert_eq!(
        evidence["lock"], sent,
        "refused tries leave the lock as its holder sent it"
    );
    assert_eq!(evidence["refused"]["count"], 2, "{evidence}");
}

fn an_apply_sees_the_lock_of_another_apply(program: &Program) {
    let server = Server::start();
    let backend = Backend::locking(&server.state(STATE));
    let holder = Module::new(program, &server.key("team", "writer"), &backend)
        .ready(&gated_resource("slow"));
    let gate = Gate::close(&holder, "slow");
    let mut first = holder.start_apply(&[]);
    gate.wait_for(&mut first);
    let id = held_id(&server.admin());

    let other =
        Module::new(program, &server.key("team", "writer"), &backend).ready(&resources(&["late"]));
    other
        .apply()
        .fails()
        .says(&format!("already locked: ID={id}"));
    // Reading needs no lock.
    other.run(&["plan", "-input=false", "-lock=false"]).ok();
    gate.open();

    first.wait().ok();
    assert_eq!(server.admin().versions(STATE).len(), 1);
}

fn a_killed_apply_leaves_its_lock_and_no_version(program: &Program) {
    let server = Server::start();
    let admin = server.admin();
    let (module, id) = killed_apply(program, &server, &server.key("team", "writer"));
    admin.expect_never_written(STATE);

    // The lock's ID is gone with the process: not even the same key gets past its own lock.
    module
        .apply()
        .fails()
        .says(&format!("already locked: ID={id}"));

    assert_eq!(held_id(&admin), id);
    admin.expect_never_written(STATE);
}

fn force_unlock_frees_another_keys_lock_with_the_permission_only(program: &Program) {
    let server = Server::start();
    let admin = server.admin();
    let (module, id) = killed_apply(program, &server, &server.key("team", "writer"));

    let module = module.with_key(&server.key_with("team", &["TFSTATE_SAVE"]));
    module
        .force_unlock(&id)
        .fails()
        .says("Failed to unlock state: Unexpected HTTP response code 403");
    assert_eq!(held_id(&admin), id);
    assert!(admin.events("kind=lock.break").is_empty());

    let breaker = server.key_with("team", &["TFSTATE_SAVE", "TFSTATE_UNLOCK"]);
    let module = module.with_key(&breaker);
    unlocked(module.force_unlock(&id));
    admin.expect_unlocked(STATE);
    expect_forced(&admin, &breaker, &id);
    module.apply().ok().says("1 added, 0 changed, 0 destroyed");
}

fn force_unlock_frees_ones_own_lock_without_the_permission(program: &Program) {
    let server = Server::start();
    let (admin, saver) = (server.admin(), server.key_with("team", &["TFSTATE_SAVE"]));
    let (module, id) = killed_apply(program, &server, &saver);

    unlocked(module.force_unlock(&id));

    admin.expect_unlocked(STATE);
    expect_forced(&admin, &saver, &id);
    module.apply().ok().says("1 added, 0 changed, 0 destroyed");
}

fn force_unlock_with_nothing_locked_does_no_harm(program: &Program) {
    let server = Server::start();
    let module = Module::applied(program, &server, &["first"]);
    unlocked(module.force_unlock("11111111-2222-3333-4444-555555555555"));
    module.plan().ok().says("No changes.");
    assert!(
        server.admin().events("kind=lock.break").is_empty(),
        "there was nothing to break"
    );
}

/// An apply by this key that was killed in the middle of its work, and the ID of the lock that it
/// left.
fn killed_apply<'a>(program: &'a Program, server: &Server, key: &Client) -> (Module<'a>, String) {
    let module = Module::new(program, key, &Backend::locking(&server.state(STATE)))
        .ready(&gated_resource("slow"));
    let gate = Gate::close(&module, "slow");
    let mut apply = module.start_apply(&[]);
    gate.wait_for(&mut apply);
    let killed = apply.kill();
    assert!(!killed.succeeded(), "killed in time: {killed}");
    let id = held_id(&server.admin());
    (module, id)
}

#[track_caller]
fn held_id(admin: &Client) -> String {
    let lock = admin
        .get(&format!("{}/lock", state_path(STATE)))
        .expect_status(200)
        .json();
    lock["lock"]["ID"].as_str().expect("an ID").to_owned()
}

#[track_caller]
fn unlocked(run: Run) {
    run.ok().says("state has been successfully unlocked!");
}

#[track_caller]
fn expect_forced(admin: &Client, by: &Client, id: &str) {
    let events = admin.events("kind=lock.break");
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(
        (&events[0]["lock_id"], &events[0]["attention"]),
        (&id.into(), &true.into()),
        "{}",
        events[0]
    );
    assert_eq!(events[0]["actor"]["id"], by.key_id.as_str());
}
