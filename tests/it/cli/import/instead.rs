//! What people take for a state and is none: told what it is and how they get the state, by the
//! command and by the server; nothing is stored.

use super::super::{L1, Place, stderr, stub};
use super::{nothing, str};
use crate::harness::{Server, state_path, tfstate};
use tempfile::TempDir;

/// What it is, its bytes, and what has to be said of it.
type Row = (&'static str, Vec<u8>, &'static str);

fn text(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

/// What else people have of their states, or of other things.
fn other_files() -> Vec<Row> {
    let old_record = r#"{"version":3,"serial":1,"lineage":"l",
        "backend":{"type":"s3","config":{"bucket":"b"},"hash":1},
        "modules":[{"path":["root"],"outputs":{},"resources":{},"depends_on":[]}]}"#;
    vec![
        ("an empty file", Vec::new(), "nothing in it"),
        ("blanks", text(" \n\n"), "nothing in it"),
        (
            "a record",
            text(
                r#"{"version":3,"terraform_version":"1.11.4",
                "backend":{"type":"s3","config":{"bucket":"b"},"hash":1}}"#,
            ),
            "record of its backend",
        ),
        ("an old record", text(old_record), "record of its backend"),
        (
            "show -json",
            text(
                r#"{"format_version":"1.0","terraform_version":"1.11.4",
                "values":{"root_module":{}}}"#,
            ),
            "show -json",
        ),
        (
            "a plan in JSON",
            text(
                r#"{"format_version":"1.2","planned_values":{},
                "resource_changes":[],"configuration":{}}"#,
            ),
            "plan in JSON",
        ),
        ("a plan", text("PK\x03\x04tfplan"), "saved plan"),
        (
            "a page",
            text("<!DOCTYPE html>\n<html><title>Sign in</title></html>"),
            "web page",
        ),
        (
            "XML",
            text("<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>"),
            "XML",
        ),
        (
            "sources",
            text("# mine\nresource \"terraform_data\" \"a\" {\n}\n"),
            "Terraform's language",
        ),
        ("an address", text("s3://bucket/key\n"), "an address"),
        (
            "a lock",
            text(
                r#"{"ID":"x","Operation":"OperationTypeApply",
                "Who":"me","Created":"2026-01-02T03:04:05Z"}"#,
            ),
            "a lock",
        ),
        ("gzip", vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0], "gunzip"),
        (
            "output -json",
            text(r#"{"o":{"sensitive":false,"type":"string","value":"x"}}"#),
            "output -json",
        ),
    ]
}

/// A state that something has changed on its way.
fn changed_states() -> Vec<Row> {
    let state = tfstate(L1, 1);
    let utf16 =
        |bytes: fn(u16) -> [u8; 2]| state.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
    vec![
        (
            "UTF-16 with a mark",
            [vec![0xff, 0xfe], utf16(u16::to_le_bytes)].concat(),
            "iconv -f UTF-16 ",
        ),
        (
            "big-endian UTF-16 with a mark",
            [vec![0xfe, 0xff], utf16(u16::to_be_bytes)].concat(),
            "iconv -f UTF-16 ",
        ),
        (
            "UTF-16 without a mark",
            utf16(u16::to_le_bytes),
            "iconv -f UTF-16LE",
        ),
        (
            "big-endian UTF-16 without a mark",
            utf16(u16::to_be_bytes),
            "iconv -f UTF-16BE",
        ),
        (
            "a mark",
            [vec![0xef, 0xbb, 0xbf], text(&state)].concat(),
            "byte order mark",
        ),
        ("half a state", text(&state[..state.len() / 2]), "cut short"),
        (
            "a warning first",
            text(&format!("\nWarning: odd\n\n{state}")),
            "take away what stands before",
        ),
    ]
}

#[test]
fn what_is_no_state_is_told_for_what_it_is() {
    Place::both(nothing, |place| {
        let dir = TempDir::new().expect("a folder");
        for (what, bytes, words) in [other_files(), changed_states()].concat() {
            std::fs::write(dir.path().join("x.tfstate"), &bytes).expect("a file");
            let file = dir.path().join("x.tfstate");
            for args in [
                vec![
                    "import",
                    str(&file),
                    "--workspace",
                    "team",
                    "--building-block",
                    "x",
                ],
                vec!["import", str(dir.path()), "--workspace", "team"],
            ] {
                let output = place.run(&args);
                assert_eq!(output.status.code(), Some(1), "{what}: {}", stderr(&output));
                assert!(
                    stderr(&output).contains(words) && stderr(&output).contains("x.tfstate"),
                    "{what}: {}",
                    stderr(&output)
                );
            }
        }
        place.look(|admin| {
            assert_eq!(
                admin.get("/api/terraform/state?deleted=true").json()["states"],
                serde_json::json!([])
            );
        });
    });
}

#[test]
fn the_server_says_the_same_to_whoever_sends_it() {
    let server = Server::start();
    let admin = server.admin();
    for (what, bytes, words) in [other_files(), changed_states()].concat() {
        for (method, path) in [
            ("POST", state_path("team/x")),
            ("PUT", state_path("team/x")),
            ("POST", format!("{}/import", state_path("team/x"))),
        ] {
            let answer = admin.send(method, &path, bytes.clone()).expect_status(400);
            let detail = answer.json()["detail"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            assert!(detail.contains(words), "{what}, {method} {path}: {detail}");
        }
    }
    admin.read("team/x").expect_problem(404, "no_state");
    admin
        .write("team/x", tfstate(L1, 1), None)
        .expect_status(200);
}

#[test]
fn a_page_from_another_backend_is_told_for_what_it_is() {
    let page = "<!doctype html><html><body>Sign in</body></html>";
    let url = stub(move |_| {
        format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
            page.len()
        )
    });
    let server = Server::start();
    for more in [&[][..], &["--history"]] {
        let output = server.cli(
            &[
                &[
                    "import",
                    "--from-url",
                    &url,
                    "--workspace",
                    "team",
                    "--building-block",
                    "x",
                ],
                more,
            ]
            .concat(),
        );
        assert_eq!(output.status.code(), Some(1));
        assert!(
            stderr(&output).contains("web page") && stderr(&output).contains("credentials"),
            "{}",
            stderr(&output)
        );
    }
    server
        .admin()
        .read("team/x")
        .expect_problem(404, "no_state");
}

#[test]
fn an_address_is_no_file() {
    let server = Server::start();
    for (address, words) in [
        ("s3://bucket/prefix", "aws s3 sync"),
        ("https://host/x", "--from-url"),
        ("gs://bucket/x", "gcloud"),
        ("odd://x/y", "copy what is there"),
    ] {
        let output = server.cli(&["import", address, "--workspace", "team"]);
        assert_eq!(output.status.code(), Some(1), "{address}");
        assert!(
            stderr(&output).contains(words),
            "{address}: {}",
            stderr(&output)
        );
    }
}
