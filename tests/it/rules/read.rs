//! GET and HEAD of a state: the exact bytes and what names them.

use crate::harness::{Client, Server, sha256, state_path, tfstate};

use super::L1;

/// Valid JSON in a spelling that no serializer would give back.
const ODD: &str = "\n{ \"version\" :4,\t\"serial\": 7 , \"lineage\":\"\\u0061b\", \
    \"terraform_version\":\"1.11.4\",\r\n \"outputs\":{}, \"resources\":[ ], \"n\": 1.0e2 , \
    \"u\":\"\u{e9}\u{1F600}\" } \n\n";

#[test]
fn a_state_comes_back_as_the_exact_bytes_with_the_headers_that_name_them() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    writer.write("team/net", ODD, None).expect_status(200);
    let answer = writer.read("team/net").expect_status(200);
    assert_eq!(answer.text(), ODD);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(
        answer.header("etag"),
        format!("\"{}\"", sha256(ODD.as_bytes()))
    );
    assert_eq!(answer.header("statekeep-version"), "1");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(
        answer.header("content-md5"),
        "",
        "Terraform would compare it with the decoded bytes"
    );
    let modified = answer.header("last-modified");
    assert!(
        modified.ends_with(" GMT") && modified.len() == 29,
        "an HTTP date: {modified}"
    );
}

#[test]
fn head_answers_the_same_headers_without_the_bytes() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    writer.write("team/net", ODD, None).expect_status(200);
    let get = writer.read("team/net");
    let head = writer
        .send("HEAD", &state_path("team/net"), "")
        .expect_status(200);
    assert!(head.bytes.is_empty());
    for name in [
        "content-type",
        "etag",
        "last-modified",
        "statekeep-version",
        "content-length",
    ] {
        assert!(!get.header(name).is_empty(), "{name}");
        assert_eq!(head.header(name), get.header(name), "{name}");
    }
    writer
        .send("HEAD", &state_path("team/none"), "")
        .expect_status(404);
    server
        .anonymous()
        .send("HEAD", &state_path("team/net"), "")
        .expect_status(401);
}

#[test]
fn the_bytes_are_never_encoded_even_for_a_client_that_takes_gzip() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    writer.write("team/net", ODD, None).expect_status(200);
    let answer = Client::ask(
        writer
            .request("GET", &state_path("team/net"))
            .header("Accept-Encoding", "gzip, zstd"),
    )
    .expect_status(200);
    assert_eq!(answer.header("content-encoding"), "");
    assert_eq!(answer.text(), ODD);
}

#[test]
fn an_if_none_match_that_fits_is_304_and_any_other_is_200() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    writer
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    writer
        .write("team/net", tfstate(L1, 2), None)
        .expect_status(200);
    let (old, new) = (
        sha256(tfstate(L1, 1).as_bytes()),
        sha256(tfstate(L1, 2).as_bytes()),
    );
    let rows = [
        (format!("\"{new}\""), 304),
        (format!("W/\"{new}\""), 304),
        (format!("\"{old}\", \"{new}\""), 304),
        ("*".to_owned(), 304),
        (format!("\"{old}\""), 200),
        ("\"\"".to_owned(), 200),
    ];
    for (tags, status) in rows {
        for method in ["GET", "HEAD"] {
            let request = writer
                .request(method, &state_path("team/net"))
                .header("If-None-Match", &tags);
            let answer = Client::ask(request).expect_status(status);
            assert_eq!(answer.header("etag"), format!("\"{new}\""), "{tags}");
            assert!(status == 200 || answer.bytes.is_empty(), "{tags}");
        }
    }
    let none = writer
        .request("GET", &state_path("team/none"))
        .header("If-None-Match", "*");
    Client::ask(none).expect_problem(404, "no_state");
}

#[test]
fn a_state_that_was_never_written_or_was_deleted_is_404() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    owner.read("team/net").expect_problem(404, "no_state");
    owner.lock("team/net", "lock-1").expect_status(200);
    owner.read("team/net").expect_problem(404, "no_state");
    owner.unlock("team/net", "lock-1").expect_status(200);
    owner
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    owner.delete("team/net").expect_status(200);
    owner.read("team/net").expect_problem(404, "no_state");
}

#[test]
fn every_answer_has_a_request_id_of_its_own() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    writer
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    let answers = [
        writer.read("team/net"),
        writer.read("team/none"),
        writer.lock("team/net", "lock-1"),
        writer.lock("team/net", "lock-2"),
        writer.get("/api/nothing"),
        server.anonymous().read("team/net"),
        server.anonymous().get("/healthz"),
    ];
    let mut ids: Vec<&str> = answers
        .iter()
        .map(|answer| answer.header("request-id"))
        .collect();
    assert!(ids.iter().all(|id| id.len() >= 8), "{ids:?}");
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), answers.len());
}
