//! A server whose answers are no statekeep's: each command says so and ends with 1, whatever it is
//! told.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use tempfile::TempDir;

use super::stderr;
use crate::harness::{Server, statekeep};

/// Answers every request with 200 and these bytes; says where it listens.
fn answering(body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream, body));
        }
    });
    url
}

fn answer(mut stream: TcpStream, body: &str) {
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    while !seen.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(length) => seen.extend_from_slice(&buffer[..length]),
        }
    }
    let _ = write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
}

#[test]
fn whatever_a_server_answers_no_command_panics() {
    let server = Server::start();
    let dir = TempDir::new().expect("a directory");
    let key = dir.path().join("key");
    std::fs::write(&key, server.key("team", "writer").secret()).expect("a key");
    std::fs::write(dir.path().join("main.tf"), "").expect("a file");
    std::fs::write(
        dir.path().join("x.tfstate"),
        crate::samples::tfstate("l1", 1),
    )
    .expect("a file");
    let commands: [&[&str]; 14] = [
        &["state", "list"],
        &["state", "show", "team/net"],
        &["state", "history", "team/net"],
        &["state", "diff", "team/net"],
        &["state", "outputs", "team/net"],
        &["state", "unlock", "team/net", "--yes"],
        &["state", "rollback", "team/net", "--to", "1", "--yes"],
        &["key", "list"],
        &["key", "create", "x"],
        &["retention", "list"],
        &["prune", "--dry-run", "--keep-last", "1"],
        &["export", "out"],
        &[
            "import",
            "x.tfstate",
            "--workspace",
            "team",
            "--building-block",
            "net",
        ],
        &[
            "run",
            "--workspace",
            "team",
            "--building-block",
            "net",
            "--",
            "terraform",
            "plan",
        ],
    ];
    for body in [
        "[]",
        "7",
        "null",
        "\"x\"",
        "[{}]",
        "{\"states\": 3, \"versions\": [1, []], \"keys\": {}, \"next\": []}",
        "not JSON",
        "",
    ] {
        let url = answering(body);
        for words in commands {
            let mut command = statekeep(words);
            command
                .current_dir(dir.path())
                .env("STATEKEEP_URL", &url)
                .env("STATEKEEP_KEY_FILE", &key);
            let output = command.output().expect("it runs");
            let said = stderr(&output);
            assert!(
                !said.contains("panicked") && output.status.code().is_some_and(|code| code < 3),
                "{body} {words:?}: {:?} {said}",
                output.status
            );
            let _ = std::fs::remove_dir_all(dir.path().join("out"));
        }
    }
}
