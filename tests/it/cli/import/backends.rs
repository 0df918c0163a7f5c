//! Imports from another backend over HTTP, with its credentials, and with a key that may not import
//! everything.

use serde_json::Value;
use tempfile::TempDir;

use super::super::{L1, some_states, stderr, stub};
use super::{put, str};
use crate::harness::{Server, statekeep, tfstate};

#[test]
fn another_backend_is_read_with_its_credentials_and_its_history_by_serial() {
    let (to, dir) = (Server::start(), TempDir::new().expect("a folder"));
    let url = format!("{}/state/net", stub(gitlab));
    let name = ["--workspace", "team", "--building-block"];
    let import = |more: &[&str], password: &str| {
        let args = [&["import", "--from-url", &url][..], &name, more].concat();
        let mut command = statekeep(&args);
        command
            .env("STATEKEEP_DATA", to.data())
            .env("TF_HTTP_USERNAME", "me")
            .env("TF_HTTP_PASSWORD", password)
            .output()
            .expect("it runs")
    };
    let wrong = import(&["net"], "wrong-secret");
    assert_eq!(wrong.status.code(), Some(1));
    assert!(
        stderr(&wrong).contains("credentials") && !stderr(&wrong).contains("wrong-secret"),
        "{}",
        stderr(&wrong)
    );
    assert_eq!(import(&["net"], "right").status.code(), Some(0));
    assert_eq!(to.admin().versions("team/net").len(), 1);
    put(dir.path(), "password", "right\n");
    let file = dir.path().join("password");
    let whole = import(
        &[
            "all",
            "--history",
            "--from-user",
            "me",
            "--from-password-file",
            str(&file),
        ],
        "wrong",
    );
    assert_eq!(whole.status.code(), Some(0), "{}", stderr(&whole));
    let serials: Vec<Value> = to
        .admin()
        .versions("team/all")
        .iter()
        .map(|version| version["serial"].clone())
        .collect();
    assert_eq!(serials, [9, 8, 6]);
    assert_eq!(to.admin().read("team/all").text(), tfstate(L1, 9));
    let nobody = statekeep(&["import", "--from-url", "http://127.0.0.1:9/x", "a/b"])
        .output()
        .expect("it runs");
    assert_eq!(nobody.status.code(), Some(1));
    assert!(
        stderr(&nobody).contains("127.0.0.1:9"),
        "{}",
        stderr(&nobody)
    );
}

/// Another backend's answer, with a current state of serial 9, and versions 6 and 8 below
/// `/versions`; for `me` with the password `right`.
fn gitlab(head: &str) -> String {
    let (line, headers) = head.split_once("\r\n").unwrap_or_default();
    let empty = |status: &str| {
        format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    };
    if !headers.contains("Basic bWU6cmlnaHQ=") {
        return empty("401 Unauthorized");
    }
    let serial = match line.split(' ').nth(1) {
        Some("/state/net") => 9,
        Some("/state/net/versions/8") => 8,
        Some("/state/net/versions/6") => 6,
        _ => return empty("404 Not Found"),
    };
    let body = tfstate(L1, serial);
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn a_key_imports_what_it_may_and_is_told_what_it_may_not() {
    let (from, to, dir) = (
        Server::start(),
        Server::start(),
        TempDir::new().expect("a folder"),
    );
    some_states(&from.admin());
    let out = dir.path().join("out");
    assert_eq!(from.cli(&["export", str(&out)]).status.code(), Some(0));
    put(dir.path(), "key", to.key("team", "writer").secret());
    let key = dir.path().join("key");
    let output = statekeep(&[
        "import",
        str(&out),
        "--url",
        to.url(),
        "--key-file",
        str(&key),
    ])
    .output()
    .expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("rival/net") && stderr(&output).contains("ADM_OPERATE"),
        "{}",
        stderr(&output)
    );
    let admin = to.admin();
    assert_eq!(admin.versions("team/net").len(), 3);
    admin.read("rival/net").expect_problem(404, "no_state");
    assert_ne!(
        admin.versions("team/net")[0]["created_at"],
        from.admin().versions("team/net")[0]["created_at"]
    );
}
