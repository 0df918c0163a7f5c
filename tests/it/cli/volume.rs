//! How much a command says: `-q` leaves out what is no warning and no error, `-v` tells what is
//! asked of the server and never a secret, and `-o` is short for `--format`. What follows `--`
//! belongs to another program.

use serde_json::Value;

use crate::harness::{Server, statekeep};

use super::daily::command_elsewhere;
use super::{Place, some_states, stderr};

#[test]
fn quiet_leaves_out_what_is_no_warning_and_no_error() {
    Place::both(some_states, |place| {
        let said = |args: &[&str]| {
            let output = place.run(args);
            assert_eq!(output.status.code(), Some(0), "{args:?}");
            stderr(&output)
        };
        let delete = ["state", "delete", "team/two", "--yes"];
        assert!(said(&delete).starts_with("deleted team/two"));
        assert_eq!(said(&["state", "restore", "team/two", "-q"]), "");
        assert_eq!(said(&["-q", "state", "history", "team/net"]), "");
        let secret = place.run(&["key", "create", "ci", "--role", "admin", "-q"]);
        assert!(secret.stdout.starts_with(b"skp_") && secret.stderr.is_empty());
        place.fails(
            &["state", "show", "team/none", "--quiet"],
            "no state at team/none",
        );
        let output = place.run(&["state", "list", "-q", "-v"]);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    });
}

#[test]
fn verbose_tells_what_is_asked_and_no_secret() {
    Place::both(some_states, |place| {
        let output = place.run(&["state", "list", "-v", "--workspace", "team"]);
        let said = stderr(&output);
        assert!(said.starts_with("statekeep: acts "), "{said}");
        assert!(said.contains("as the operator"), "{said}");
        assert!(
            said.contains("statekeep: GET /api/terraform/state?"),
            "{said}"
        );
        assert!(said.contains(": 200 OK after "), "{said}");
        assert_eq!(stderr(&place.run(&["state", "list"])), "");
    });
    let server = Server::start();
    let key = server.key("team", "writer");
    let output = command_elsewhere(server.url(), key.secret(), &["whoami", "-v"])
        .output()
        .expect("it runs");
    let said = stderr(&output);
    assert!(
        said.contains(&format!("as the key {}", key.key_id)),
        "{said}"
    );
    assert!(said.contains("GET /api/whoami: 200 OK"), "{said}");
    assert!(!said.contains(key.secret()), "{said}");
    assert!(!said.contains("skp_"), "{said}");
}

#[test]
fn o_is_short_for_format() {
    Place::both(some_states, |place| {
        for json in [&["-o", "json"][..], &["-ojson"], &["--json"]] {
            let args = [&["state", "list"], json].concat();
            let list: Value = serde_json::from_str(&place.ok(&args)).expect("JSON");
            assert!(list["states"].is_array(), "{json:?}");
            let output = place.run(&[&["state", "show", "team/none"], json].concat());
            let problem: Value = serde_json::from_str(&stderr(&output)).expect("JSON");
            assert_eq!(problem["code"], "no_state");
        }
        assert!(
            place
                .ok(&["state", "list", "-o", "text"])
                .starts_with("STATE")
        );
    });
    let output = statekeep(&["detect", ".", "-o", "json"])
        .output()
        .expect("it runs");
    assert!(serde_json::from_slice::<Value>(&output.stdout).is_ok());
}
