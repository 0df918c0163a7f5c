//! Which server answers, and which state: every answer of a state's address says so, an error too,
//! and to anybody.

use serde_json::json;
use tempfile::TempDir;

use crate::harness::{Answer, Server, Setup, lock_body, state_path, tfstate};
use crate::wire;

use super::L1;

const INSTANCE: &str = "statekeep-instance";
const STATE: &str = "statekeep-state";

#[track_caller]
fn expect(answer: Answer, status: u16, instance: &str, state: &str) {
    let answer = answer.expect_status(status);
    assert_eq!(
        (answer.header(INSTANCE), answer.header(STATE)),
        (instance, state)
    );
}

fn instance_of(server: &Server) -> String {
    server
        .anonymous()
        .read("team/net")
        .header(INSTANCE)
        .to_owned()
}

#[test]
fn every_answer_of_a_state_says_which_server_and_which_state() {
    let server = Server::start();
    let instance = instance_of(&server);
    assert!(
        uuid::Uuid::parse_str(&instance).is_ok(),
        "{instance:?} is no UUID"
    );
    let owner = server.key("team", "owner");
    let path = state_path("team/net");
    let net = |answer: Answer, status: u16| expect(answer, status, &instance, "team/net");
    net(owner.read("team/net"), 404);
    net(owner.write("team/net", "no state", None), 400);
    net(owner.write("team/net", tfstate(L1, 1), None), 200);
    net(owner.send("HEAD", &path, ""), 200);
    net(server.anonymous().send("HEAD", &path, ""), 401);
    net(server.with("skp_wrong").read("team/net"), 401);
    net(server.key("other", "writer").read("team/net"), 403);
    net(owner.send("PATCH", &path, ""), 405);
    net(owner.lock("team/net", "lock-1"), 200);
    net(owner.lock("team/net", "lock-2"), 423);
    net(owner.unlock("team/net", "lock-2"), 409);
    for (below, status) in [
        ("/lock", 200),
        ("/versions", 200),
        ("/versions/1", 200),
        ("/versions/9", 404),
        ("/outputs", 200),
    ] {
        net(owner.get(&format!("{path}{below}")), status);
    }
    net(owner.unlock("team/net", "lock-1"), 200);
    let to = json!({"workspace": "team", "buildingBlock": "there"});
    owner
        .post_json(&format!("{path}/move"), &to)
        .expect_status(200);
    net(owner.read("team/net"), 410);
    net(owner.send("LOCK", &path, lock_body("lock-3")), 410);
    expect(owner.read("team/there"), 200, &instance, "team/there");
}

#[test]
fn a_name_has_one_spelling_however_the_address_spells_it() {
    let server = Server::start();
    let instance = instance_of(&server);
    let owner = server.key("team", "owner");
    let start = "/api/terraform/state/workspace/";
    let uuid = "0b5f7c3e-1d2a-4c4b-9e8f-00112233aabb";
    for (path, state) in [
        ("team/buildingBlock/net".to_owned(), "team/net".to_owned()),
        (
            "%74eam/buildingblock/n%65t".to_owned(),
            "team/net".to_owned(),
        ),
        (
            format!("team/BUILDINGBLOCK/{}", uuid.to_uppercase()),
            format!("team/{uuid}"),
        ),
        (
            format!("team/buildingblock/{}", uuid.replace('-', "")),
            format!("team/{uuid}"),
        ),
        ("team/buildingblock/no%20name".to_owned(), String::new()),
    ] {
        let answer = wire::ask(&server, &owner, "GET", &format!("{start}{path}"));
        assert_eq!(
            (answer.header(INSTANCE), answer.header(STATE)),
            (instance.as_str(), state.as_str()),
            "{path}"
        );
    }
}

#[test]
fn the_data_keeps_its_instance_and_other_data_has_another() {
    let dir = TempDir::new().expect("a temporary directory");
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    let instance = instance_of(&server);
    drop(server);
    assert_eq!(instance_of(&Setup::new().data(&data).start()), instance);
    assert_ne!(instance_of(&Server::start()), instance);
}
