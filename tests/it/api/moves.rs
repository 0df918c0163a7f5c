//! `POST …/move`: a state with its whole history under another, free address.

use serde_json::{Value, json};

use crate::harness::{Answer, Client, Server, eventually, state_path, tfstate};

use super::L1;

fn moved(caller: &Client, name: &str, to: &str) -> Answer {
    let (workspace, block) = to.split_once('/').expect("a name");
    caller.post_json(
        &format!("{}/move", state_path(name)),
        &json!({"workspace": workspace, "buildingBlock": block}),
    )
}

#[test]
fn the_whole_history_goes_along() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    for serial in 1..=3 {
        owner
            .write("team/net", tfstate(L1, serial), None)
            .expect_status(200);
    }
    owner
        .write("team/net", tfstate(L1, 1), None)
        .expect_problem(409, "stale_write");
    let history = owner.written("team/net");
    let state = moved(&owner, "team/net", "team/there")
        .expect_status(200)
        .json();
    assert_eq!(
        (
            &state["workspace"],
            &state["buildingBlock"],
            &state["versions"]
        ),
        (&json!("team"), &json!("there"), &json!(4))
    );
    assert_eq!(state["current"]["number"], 3);
    assert!(
        state["address"]
            .as_str()
            .is_some_and(|address| address.ends_with(&state_path("team/there")))
    );
    assert_eq!(owner.written("team/there"), history);
    for number in 1..=3 {
        let bytes = owner
            .get(&format!("{}/versions/{number}", state_path("team/there")))
            .expect_status(200)
            .text();
        assert_eq!(bytes, tfstate(L1, number));
    }
    owner.read("team/there").expect_status(200);
    let next: Value = owner
        .write("team/there", tfstate(L1, 4), None)
        .expect_status(200)
        .json();
    assert_eq!(next["number"], 5, "numbers go on");
    for block in ["net", "there"] {
        let events = server.admin().events(&format!(
            "kind=state.move&workspace=team&buildingBlock={block}"
        ));
        assert_eq!(events.len(), 1, "told at both addresses");
        assert!(
            events[0].to_string().contains("there") && events[0].to_string().contains("net"),
            "from where to where: {}",
            events[0]
        );
    }
}

#[test]
fn an_address_that_is_taken_is_409() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    for name in ["team/net", "team/live", "team/deleted"] {
        owner.write(name, tfstate(L1, 1), None).expect_status(200);
    }
    owner.delete("team/deleted").expect_status(200);
    for to in ["team/live", "team/deleted"] {
        moved(&owner, "team/net", to).expect_problem(409, "address_taken");
    }
    owner.read("team/net").expect_status(200);
    owner.read("team/live").expect_status(200);
}

#[test]
fn a_locked_state_is_not_moved() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    owner
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    let lock = owner.lock("team/net", "lock-1").expect_status(200).text();
    assert_eq!(
        moved(&owner, "team/net", "team/there")
            .expect_status(423)
            .text(),
        lock
    );
    owner.read("team/net").expect_status(200);
    owner.read("team/there").expect_problem(404, "no_state");
    owner.unlock("team/net", "lock-1").expect_status(200);
    moved(&owner, "team/net", "team/there").expect_status(200);
}

#[test]
fn it_needs_delete_where_the_state_leaves_and_save_on_both_sides() {
    let server = Server::start();
    server
        .admin()
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    for caller in [
        server.key("team", "writer"),
        server.key_with("team", &["TFSTATE_DELETE"]),
        server.key_with("team", &["TFSTATE_DELETE", "TFSTATE_LIST"]),
        server.key("team/net", "owner"),
        server.key("rival", "owner"),
    ] {
        moved(&caller, "team/net", "team/there").expect_problem(403, "forbidden");
    }
    let mover = server.key_with("team", &["TFSTATE_DELETE", "TFSTATE_SAVE"]);
    moved(&mover, "team/net", "rival/there").expect_problem(403, "forbidden");
    moved(&mover, "team/net", "team/there").expect_status(200);
    moved(
        &server.key_with("", &["ADM_TFSTATE_DELETE", "ADM_TFSTATE_SAVE"]),
        "team/there",
        "rival/net",
    )
    .expect_status(200);
}

#[test]
fn a_body_that_names_no_address_is_400() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    owner
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    let path = format!("{}/move", state_path("team/net"));
    for body in [
        "",
        "{}",
        "[]",
        "{\"workspace\": \"team\"}",
        "{\"buildingBlock\": \"x\"}",
        "{\"workspace\": \"team\", \"buildingBlock\": 7}",
    ] {
        owner
            .send("POST", &path, body)
            .expect_problem(400, "bad_body");
    }
    for (workspace, block) in [
        ("team", "../x"),
        ("", "x"),
        ("team", ""),
        ("team", ".x"),
        ("te/am", "x"),
    ] {
        owner
            .post_json(
                &path,
                &json!({"workspace": workspace, "buildingBlock": block}),
            )
            .expect_status(400);
    }
    owner.read("team/net").expect_status(200);
}

#[test]
fn what_is_not_there_cannot_be_moved() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    moved(&owner, "team/net", "team/there").expect_problem(404, "no_state");
    owner.read("team/there").expect_problem(404, "no_state");
}

#[test]
fn an_address_that_a_state_has_left_is_free_for_this_state_alone() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    owner
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    owner
        .write("team/two", tfstate(L1, 1), None)
        .expect_status(200);
    moved(&owner, "team/net", "team/there").expect_status(200);
    moved(&owner, "team/two", "team/net").expect_problem(409, "address_taken");
    owner.read("team/two").expect_status(200);
    moved(&owner, "team/there", "team/net").expect_status(200);
    assert_eq!(
        owner.read("team/net").expect_status(200).text(),
        tfstate(L1, 1)
    );
    owner.read("team/there").expect_problem(410, "moved");
}

#[test]
fn a_state_that_moved_twice_is_found_from_its_first_address_and_comes_back_to_it() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    owner
        .write("team/a", tfstate(L1, 1), None)
        .expect_status(200);
    moved(&owner, "team/a", "team/b").expect_status(200);
    moved(&owner, "team/b", "team/c").expect_status(200);
    let mut name = "team/a".to_owned();
    for _ in 0..2 {
        let answer = owner.read(&name);
        if answer.status == 200 {
            break;
        }
        let to = answer.expect_problem(410, "moved").json()["moved_to"].clone();
        name = format!(
            "{}/{}",
            to["workspace"].as_str().expect("a workspace"),
            to["buildingBlock"].as_str().expect("a block")
        );
    }
    assert_eq!(name, "team/c");
    owner
        .send("POST", &format!("{}/restore", state_path("team/a")), "")
        .expect_status(200);
    assert_eq!(
        owner.read("team/a").expect_status(200).text(),
        tfstate(L1, 1)
    );
    for left in ["team/b", "team/c"] {
        let status = owner.read(left).status.as_u16();
        assert!([404, 410].contains(&status), "{left}: {status}");
    }
}

#[test]
fn the_new_address_is_one_in_every_spelling() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    let id = "0b5f7c3e-1d2a-4c4b-9e8f-00112233aabb";
    owner
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    let state = moved(
        &owner,
        "team/net",
        &format!("team/{}", id.to_uppercase().replace('-', "")),
    )
    .expect_status(200)
    .json();
    assert_eq!(state["buildingBlock"], id);
    owner.read(&format!("team/{id}")).expect_status(200);
}

#[test]
fn a_state_that_moves_right_after_its_write_is_found_and_so_are_others() {
    let server = Server::start();
    let admin = server.admin();
    let found = |block: &str| {
        let answer = admin.get(&format!("/api/search?kind=state&q={block}"));
        let answer = answer.expect_status(200).json();
        let found = answer["found"].as_array().expect("a list").iter();
        let workspaces: Vec<Value> = found.map(|row| row["workspace"].clone()).collect();
        (workspaces, answer["behind"] == 0)
    };
    // The search index gathers changes for half a second: it is behind in both workspaces.
    let blocks = ["harbour", "lighthouse", "pier"];
    for (block, to) in blocks.iter().zip(["early", "zone", "zone"]) {
        let name = format!("team/{block}");
        admin.write(&name, tfstate(L1, 1), None).expect_status(200);
        moved(&admin, &name, &format!("{to}/{block}")).expect_status(200);
    }
    admin
        .write("team/quay", tfstate(L1, 1), None)
        .expect_status(200);
    let blocks = [
        ("harbour", "early"),
        ("lighthouse", "zone"),
        ("pier", "zone"),
        ("quay", "team"),
    ];
    eventually(
        "each is found at its address, and nothing is behind",
        || {
            let is_found = |(block, workspace): &(&str, &str)| {
                found(block) == (vec![Value::from(*workspace)], true)
            };
            blocks.iter().all(is_found)
        },
    );
}
