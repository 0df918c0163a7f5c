//! `GET …/versions`, `…/versions/{N}` and `…/versions/{N}/info`.

use serde_json::json;

use crate::harness::{Client, Server, sha256, state_path, tfstate};

use super::{L1, column, pages, refuses_bad_queries};

#[test]
fn the_history_comes_in_pages_newest_first_without_gap_or_repeat() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    for serial in 1..=10 {
        writer
            .write("team/net", tfstate(L1, serial), None)
            .expect_status(200);
    }
    let all = pages(
        &writer,
        &format!("{}/versions?limit=4", state_path("team/net")),
        "versions",
        "before",
    );
    assert_eq!(all.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 2]);
    let numbers: Vec<u64> = all
        .concat()
        .iter()
        .filter_map(|row| row["number"].as_u64())
        .collect();
    assert_eq!(numbers, (1..=10).rev().collect::<Vec<_>>());
    let exact = pages(
        &writer,
        &format!("{}/versions?limit=5", state_path("team/net")),
        "versions",
        "before",
    );
    assert!(
        exact.len() <= 3 && exact.concat().len() == 10,
        "a full last page is no trap"
    );
    let before = writer
        .get(&format!("{}/versions?before=3", state_path("team/net")))
        .json();
    assert_eq!(
        column(before["versions"].as_array().expect("a list"), "number"),
        ["2", "1"]
    );
    assert_eq!(before["next"], json!(null));
}

#[test]
fn fifty_rows_are_a_page_where_nothing_is_said() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    for serial in 1..=51 {
        writer
            .write("team/net", tfstate(L1, serial), None)
            .expect_status(200);
    }
    let page = writer
        .get(&format!("{}/versions", state_path("team/net")))
        .json();
    assert_eq!(page["versions"].as_array().map(Vec::len), Some(50));
    assert_eq!(page["next"], 2);
}

#[test]
fn rows_can_be_filtered_by_kind() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    owner
        .write("team/net", tfstate(L1, 2), None)
        .expect_status(200);
    owner
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(409);
    owner.delete("team/net").expect_status(200);
    owner
        .post_json(&format!("{}/restore", state_path("team/net")), &json!({}))
        .expect_status(200);
    for (kind, numbers) in [
        ("write", vec!["1"]),
        ("rejected", vec!["2"]),
        ("restore", vec!["3"]),
        ("rollback", vec![]),
        ("import", vec![]),
    ] {
        let list = owner
            .get(&format!("{}/versions?kind={kind}", state_path("team/net")))
            .expect_status(200)
            .json();
        assert_eq!(
            column(list["versions"].as_array().expect("a list"), "number"),
            numbers,
            "{kind}"
        );
    }
}

#[test]
fn a_state_that_is_locked_before_its_first_write_has_no_versions_yet() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let path = format!("{}/versions", state_path("team/net"));
    writer.get(&path).expect_problem(404, "no_state");
    writer.lock("team/net", "lock-1").expect_status(200);
    assert_eq!(
        writer.get(&path).expect_status(200).json(),
        json!({"versions": [], "next": null})
    );
    writer
        .get(&format!("{path}/1"))
        .expect_problem(404, "no_state");
    writer.unlock("team/net", "lock-1").expect_status(200);
    writer.get(&path).expect_problem(404, "no_state");
}

#[test]
fn queries_that_make_no_sense_are_400() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    writer
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    refuses_bad_queries(
        &writer,
        &format!("{}/versions", state_path("team/net")),
        &[
            "before=x",
            "before=-1",
            "kind=nothing",
            "intermediate=maybe",
        ],
    );
}

#[test]
fn a_versions_bytes_come_with_the_headers_that_name_them() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    for serial in 1..=3 {
        writer
            .write("team/net", tfstate(L1, serial), None)
            .expect_status(200);
    }
    for serial in 1..=3 {
        let path = format!("{}/versions/{serial}", state_path("team/net"));
        let answer = writer.get(&path).expect_status(200);
        assert_eq!(answer.text(), tfstate(L1, serial));
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.header("statekeep-version"), serial.to_string());
        assert_eq!(answer.header("cache-control"), "no-store");
        assert!(!answer.header("last-modified").is_empty());
        let tag = format!("\"{}\"", sha256(tfstate(L1, serial).as_bytes()));
        assert_eq!(answer.header("etag"), tag);
        Client::ask(writer.request("GET", &path).header("If-None-Match", tag)).expect_status(304);
    }
}

#[test]
fn what_was_never_there_is_404_with_its_reason() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    writer
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    for below in [
        "versions/2",
        "versions/2/info",
        "versions/18446744073709551615",
    ] {
        let answer = writer
            .get(&format!("{}/{below}", state_path("team/net")))
            .expect_status(404);
        answer.expect_problem(404, "no_version");
    }
    for below in ["versions", "versions/1", "versions/1/info"] {
        let answer = writer.get(&format!("{}/{below}", state_path("team/none")));
        insta::allow_duplicates! {
            insta::assert_snapshot!(answer.shown(), @r#"
            404 Not Found
            {
              "code": "no_state",
              "detail": "there is no state at team/none",
              "status": 404,
              "title": "Not Found"
            }
            "#);
        }
    }
    let huge = writer.get(&format!(
        "{}/versions/18446744073709551616",
        state_path("team/net")
    ));
    assert!(
        [400, 404].contains(&huge.status.as_u16()),
        "{}",
        huge.status
    );
}

#[test]
fn history_of_a_deleted_state_can_be_read() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    owner
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    owner.delete("team/net").expect_status(200);
    assert_eq!(owner.versions("team/net").len(), 1);
    assert_eq!(
        owner
            .get(&format!("{}/versions/1", state_path("team/net")))
            .expect_status(200)
            .text(),
        tfstate(L1, 1)
    );
    owner
        .get(&format!("{}/versions/1/info", state_path("team/net")))
        .expect_status(200);
}
