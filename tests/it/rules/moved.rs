//! A state that was moved: its old address answers 410 to every method and says where to.

use serde_json::json;
use tempfile::TempDir;

use crate::harness::{Client, Server, Setup, lock_body, state_path, tfstate};

use super::{L1, counts};

fn move_net(caller: &Client) {
    let to = json!({"workspace": "team", "buildingBlock": "there"});
    caller
        .post_json(&format!("{}/move", state_path("team/net")), &to)
        .expect_status(200);
}

#[test]
fn every_method_answers_410_with_the_new_address() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    owner
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    move_net(&owner);
    let (lock, state) = (lock_body("lock-1"), tfstate(L1, 2));
    let path = state_path("team/net");
    let rows = [
        ("GET", String::new(), ""),
        ("POST", state.clone(), ""),
        ("PUT", state, ""),
        ("LOCK", lock.clone(), ""),
        ("UNLOCK", lock.clone(), ""),
        ("UNLOCK", String::new(), ""),
        ("DELETE", String::new(), ""),
        ("POST", lock.clone(), "/lock"),
        ("PUT", lock.clone(), "/lock"),
        ("LOCK", lock.clone(), "/lock"),
        ("UNLOCK", lock.clone(), "/lock"),
        ("DELETE", lock, "/lock"),
    ];
    for (method, body, below) in rows {
        let answer = owner
            .send(method, &format!("{path}{below}"), body)
            .expect_problem(410, "moved");
        let to = &answer.json()["moved_to"];
        assert_eq!(
            (&to["workspace"], &to["buildingBlock"]),
            (&json!("team"), &json!("there")),
            "{method}"
        );
        let address = to["address"].as_str().expect("an address");
        assert!(address.ends_with(&state_path("team/there")), "{address}");
    }
    owner.send("HEAD", &path, "").expect_status(410);
    assert_eq!(
        owner.read("team/there").expect_status(200).text(),
        tfstate(L1, 1)
    );
    assert_eq!(counts(&owner, "team/there"), (1, 0));
}

#[test]
fn the_new_address_is_judged_by_its_own_permissions() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    owner
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    let to = json!({"workspace": "rival", "buildingBlock": "there"});
    server
        .admin()
        .post_json(&format!("{}/move", state_path("team/net")), &to)
        .expect_status(200);
    owner.read("team/net").expect_problem(410, "moved");
    owner.read("rival/there").expect_problem(403, "forbidden");
    server
        .key("rival", "reader")
        .read("rival/there")
        .expect_status(200);
    server
        .key("rival", "reader")
        .read("team/net")
        .expect_problem(403, "forbidden");
}

#[test]
fn credentials_and_permission_are_judged_before_it() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    owner
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    move_net(&owner);
    server
        .anonymous()
        .read("team/net")
        .expect_problem(401, "unauthorized");
    server
        .key("team", "reader")
        .lock("team/net", "lock-1")
        .expect_problem(403, "forbidden");
    server
        .key("team", "reader")
        .read("team/net")
        .expect_problem(410, "moved");
    server
        .key("rival", "owner")
        .read("team/net")
        .expect_problem(403, "forbidden");
}

#[test]
fn it_is_still_so_after_a_restart() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let mut server = Setup::new().data(&data).start();
    let owner = server.key("team", "owner");
    owner
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    move_net(&owner);
    server.kill();
    let server = Setup::new().data(&data).start();
    owner
        .at(&server)
        .read("team/net")
        .expect_problem(410, "moved");
    owner.at(&server).read("team/there").expect_status(200);
}
