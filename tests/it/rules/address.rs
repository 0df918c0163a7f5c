//! The address of a state: what names there are, and what is one and the same name.

use crate::harness::{Server, state_path, tfstate};
use crate::wire;

use super::L1;

const UUID: &str = "0b5f7c3e-1d2a-4c4b-9e8f-00112233aabb";

#[test]
fn the_fixed_segment_is_matched_in_any_letter_case() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let body = tfstate(L1, 1);
    writer
        .send(
            "POST",
            "/api/terraform/state/workspace/team/buildingBlock/net",
            body.clone(),
        )
        .expect_status(200);
    for segment in [
        "buildingblock",
        "buildingBlock",
        "BuildingBlock",
        "BUILDINGBLOCK",
    ] {
        let answer = writer
            .get(&format!(
                "/api/terraform/state/workspace/team/{segment}/net"
            ))
            .expect_status(200);
        assert_eq!(answer.text(), body, "{segment}");
        writer
            .get(&format!(
                "/api/terraform/state/workspace/team/{segment}/net/versions/1"
            ))
            .expect_status(200);
    }
}

#[test]
fn a_uuid_in_any_spelling_is_one_state() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let simple = UUID.replace('-', "");
    writer
        .write(
            &format!("team/{}", UUID.to_uppercase()),
            tfstate(L1, 1),
            None,
        )
        .expect_status(200);
    for spelling in [UUID, &UUID.to_uppercase(), &simple, &simple.to_uppercase()] {
        assert_eq!(
            writer
                .read(&format!("team/{spelling}"))
                .expect_status(200)
                .text(),
            tfstate(L1, 1),
            "{spelling}"
        );
    }
    writer
        .lock(&format!("team/{simple}"), "lock-1")
        .expect_status(200);
    writer
        .lock(&format!("team/{UUID}"), "lock-2")
        .expect_status(423);
    let list = writer.get("/api/terraform/state").expect_status(200).json();
    assert_eq!(list["states"].as_array().map(Vec::len), Some(1), "{list}");
    assert_eq!(list["states"][0]["buildingBlock"], UUID);
}

#[test]
fn the_longer_spellings_of_a_uuid_never_look_like_an_empty_backend() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    writer
        .write(&format!("team/{UUID}"), tfstate(L1, 1), None)
        .expect_status(200);
    for spelling in [format!("%7B{UUID}%7D"), format!("urn:uuid:{UUID}")] {
        let answer = wire::ask(
            &server,
            &writer,
            "GET",
            &state_path(&format!("team/{spelling}")),
        );
        assert!(
            [200, 400].contains(&answer.status.as_u16()),
            "{spelling}: {}",
            answer.status
        );
    }
}

#[test]
fn a_key_of_one_building_block_works_in_each_spelling_of_it() {
    let server = Server::start();
    let writer = server.key(&format!("team/{}", UUID.to_uppercase()), "writer");
    writer
        .write(&format!("team/{UUID}"), tfstate(L1, 1), None)
        .expect_status(200);
    writer
        .read(&format!("team/{}", UUID.replace('-', "")))
        .expect_status(200);
}

#[test]
fn names_have_1_to_63_characters_of_a_small_set() {
    let server = Server::start();
    let admin = server.admin();
    let longest = "x".repeat(63);
    for good in ["a", "0", "A.b_c-d", "9...", longest.as_str()] {
        admin
            .write(&format!("team/{good}"), tfstate(L1, 1), None)
            .expect_status(200);
        admin
            .write(&format!("{good}/net"), tfstate(L1, 1), None)
            .expect_status(200);
        assert_eq!(
            admin
                .read(&format!("team/{good}"))
                .expect_status(200)
                .text(),
            tfstate(L1, 1)
        );
    }
    let too_long = "x".repeat(64);
    for bad in [
        too_long.as_str(),
        ".hidden",
        "_x",
        "-x",
        "a~b",
        "a%20b",
        "a:b",
        "%C3%A4",
        "a%00",
        "a+b",
        "a*",
        "a%0Ab",
    ] {
        for name in [format!("team/{bad}"), format!("{bad}/net")] {
            for method in ["GET", "POST", "LOCK", "UNLOCK", "DELETE"] {
                let answer = wire::ask(&server, &admin, method, &state_path(&name));
                answer.expect_problem(400, "bad_address");
            }
        }
    }
}

#[test]
fn names_that_differ_in_letter_case_are_two_states() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    writer
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    writer.read("team/NET").expect_problem(404, "no_state");
}

#[test]
fn no_redirect_is_ever_sent_below_api() {
    let server = Server::start();
    let admin = server.admin();
    admin
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    let state = state_path("team/net");
    let odd = [
        format!("{state}/"),
        state.replace("/team/", "//team/"),
        format!("{state}/."),
        "/api/".to_owned(),
        "/api/login/".to_owned(),
        "/api/keys/".to_owned(),
        "/api/terraform/state/".to_owned(),
        "/api/terraform/state/workspace/team".to_owned(),
    ];
    for target in &odd {
        for method in ["GET", "POST", "LOCK", "UNLOCK", "DELETE"] {
            let status = wire::ask(&server, &admin, method, target).status;
            assert!(!status.is_redirection(), "{method} {target}: {status}");
            assert!(
                status.as_u16() != 404,
                "{method} {target}: Terraform takes a 404 for an empty state"
            );
        }
    }
    assert_eq!(
        admin.read("team/net").expect_status(200).text(),
        tfstate(L1, 1),
        "and none of them did anything"
    );
}
