//! What is kept on the disk: bytes compressed, equal bytes once, secrets not at all.

use serde_json::json;
use tempfile::TempDir;

use crate::disk::noise;
use crate::harness::{Client, Server, Setup, state_path, tfstate, tfstate_noted};
use crate::wire::find;

use super::L1;

/// What all versions of a state take on the disk.
fn history_size(caller: &Client, block: &str) -> u64 {
    let list = caller
        .get(&format!(
            "/api/terraform/state?workspace=team&buildingBlock={block}"
        ))
        .expect_status(200)
        .json();
    list["states"][0]["history_size"].as_u64().expect("a size")
}

#[test]
fn states_are_kept_compressed() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let body = tfstate_noted(L1, 1, &"resource ".repeat(100_000));
    writer.write("team/net", &body, None).expect_status(200);
    assert!(
        history_size(&writer, "net") < body.len() as u64 / 20,
        "{} of {}",
        history_size(&writer, "net"),
        body.len()
    );
    assert_eq!(writer.read("team/net").text(), body);
}

#[test]
fn equal_bytes_are_kept_once_however_often_they_come_back() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    let writer = server.key("team", "writer");
    let bodies = [
        tfstate_noted(L1, 1, &noise(1, 1_000_000)),
        tfstate_noted(L1, 2, &noise(2, 1_000_000)),
    ];
    writer.lock("team/net", "lock-1").expect_status(200);
    for body in bodies.iter().cycle().take(10) {
        writer
            .write("team/net", body, Some("lock-1"))
            .expect_status(200);
    }
    writer
        .write("team/two", &bodies[0], None)
        .expect_status(200);
    assert_eq!(
        writer.versions("team/net").len(),
        10,
        "each write is a version all the same"
    );
    for number in 1..=10_u64 {
        let bytes = writer
            .get(&format!("{}/versions/{number}", state_path("team/net")))
            .expect_status(200)
            .text();
        assert!(
            bytes == bodies[usize::from(number % 2 == 0)],
            "version {number}"
        );
    }
    assert!(
        history_size(&writer, "net") < 3_000_000,
        "{}",
        history_size(&writer, "net")
    );
    assert!(server.stop().success());
    let file = std::fs::metadata(data.join("statekeep.db"))
        .expect("the database")
        .len();
    assert!(
        file < 5_000_000,
        "11 MB were written, of which two are different: {file}"
    );
}

#[test]
fn neither_secrets_nor_tokens_are_in_the_data_directory() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    let writer = server.key("team", "writer");
    let token = server.token(&writer, json!({}));
    token
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    let rotated = server
        .admin()
        .post_json(
            &format!("/api/keys/{}/rotate", writer.key_id),
            &json!({"grace": 600}),
        )
        .expect_status(200)
        .json();
    let secrets = [
        writer.secret().to_owned(),
        token.secret().to_owned(),
        rotated["secret"].as_str().expect("a secret").to_owned(),
        server.admin().secret().to_owned(),
    ];
    let look = || {
        for entry in std::fs::read_dir(&data)
            .expect("the directory")
            .filter_map(Result::ok)
        {
            let Ok(bytes) = std::fs::read(entry.path()) else {
                continue;
            };
            let own = entry.file_name() == "initial-admin-key";
            for (index, secret) in secrets
                .iter()
                .enumerate()
                .filter(|(index, _)| !own || *index != 3)
            {
                assert!(
                    find(&bytes, secret.as_bytes()).is_none(),
                    "secret {index} is in {}",
                    entry.path().display()
                );
            }
        }
    };
    look();
    assert!(server.stop().success());
    look();
}
