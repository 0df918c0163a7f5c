//! An apply that is killed leaves a lock. Once its token has ended, the next apply needs nobody to
//! release it, and a person is told.

use serde_json::json;

use super::module::{Backend, Gate, Module, gated_resource, resources};
use super::{Program, STATE, for_each_program};
use crate::harness::{Server, eventually};

for_each_program![the_lock_of_a_killed_apply_goes_to_the_next_once_its_token_lapsed];

fn the_lock_of_a_killed_apply_goes_to_the_next_once_its_token_lapsed(program: &Program) {
    let server = Server::start();
    let (admin, key) = (server.admin(), server.key("team", "writer"));
    let backend = Backend::locking(&server.state(STATE));
    let next = Module::new(program, &key, &backend).ready(&resources(&["base"]));
    next.apply().ok();
    let token = server.token(&key, json!({}));
    let victim = Module::new(program, &token, &backend)
        .ready(&(resources(&["base"]) + &gated_resource("slow")));
    let gate = Gate::close(&victim, "slow");
    let mut apply = victim.start_apply(&[]);
    gate.wait_for(&mut apply);
    apply.kill();
    next.apply().fails().says("Error acquiring the state lock");

    let less = json!({"token": token.secret()});
    key.send("DELETE", "/api/token", less.to_string())
        .expect_status(204);
    eventually("the lock is told to be dead", || {
        let evidence = admin.lock_evidence(STATE).expect("the victim's lock");
        evidence["died"]["why"] == "ended"
    });
    next.apply().ok();
    let events = admin.events("kind=lock.died&attention=true&acknowledged=false");
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["detail"]["holder"]["id"], json!(key.key_id));
    admin.expect_unlocked(STATE);
    drop(gate);
}
