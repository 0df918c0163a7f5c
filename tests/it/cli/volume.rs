//! How much a command says: `-q` leaves out what is no warning and no error, `-v` tells what is
//! asked of the server and never a secret, and `-o` is short for `--format`. What follows `--`
//! belongs to another program.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Server, Setup, resource, statekeep, tfstate, tfstate_with};

use super::daily::command_elsewhere;
use super::{L1, Place, some_states, stderr};

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

/// What needs a person, or changes what the output means, is said all the same; what was done is
/// not.
#[test]
fn quiet_says_what_needs_a_person() {
    let dir = TempDir::new().expect("a directory");
    let server = Server::start();
    let admin = server.admin();
    for serial in 1..=3 {
        admin
            .write("team/net", tfstate(L1, serial), None)
            .expect_status(200);
    }
    let body = json!({ "name": "short", "role": "reader", "expires_in": 864_000 });
    server.make_key(&body);
    let path = |name: &str| dir.path().join(name).display().to_string();
    let (key, tls) = (path("storage.key"), path("tls"));
    let rows: [(&[&str], &[&str], &str); 6] = [
        (&["key", "list"], &["ending soon: short in 9d"], "\0"),
        (
            &[
                "key",
                "create",
                "bound",
                "--role",
                "reader",
                "--client-san",
                "a.example",
            ],
            &["no client is asked for a certificate"],
            "its secret is printed",
        ),
        (
            &["state", "purge", "team/net", "1", "--yes"],
            &["backups made before may still hold it"],
            "is removed and erased",
        ),
        (&["events", "--limit", "1"], &["there are older ones"], "\0"),
        (
            &["key", "new-storage", &key],
            &["keep a copy of", "nobody can help"],
            "made the storage key",
        ),
        (
            &["tls", "self-signed", "a.example", "--out", &tls],
            &["where the server cannot read it"],
            "\0",
        ),
    ];
    for (args, needed, done) in rows {
        let output = server.cli(&[args, &["-q"]].concat());
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {said}");
        for text in needed {
            assert!(said.contains(text), "{args:?}: {said}");
        }
        assert!(!said.contains(done), "{args:?}: {said}");
    }
}

#[test]
fn quiet_says_what_a_rollback_would_have_forgotten() {
    let server = Server::start();
    let admin = server.admin();
    let of = |serial, names: &[&str]| {
        let all: Vec<Value> = names
            .iter()
            .map(|name| resource("managed", "terraform_data", name, 1))
            .collect();
        tfstate_with(L1, serial, "", &json!(all))
    };
    for (serial, names) in [(1, &["a"][..]), (2, &["a", "lonely"])] {
        admin
            .write("team/net", of(serial, names), None)
            .expect_status(200);
    }
    let args = ["state", "rollback", "team/net", "1", "--yes", "-q"];
    let output = server.cli(&args);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(
        said.contains("they keep running unmanaged") && said.contains("terraform_data.lonely"),
        "{said}"
    );
    assert!(!said.contains("rolled back"), "{said}");
}

/// A server says warnings, and where it has put the first key.
#[test]
fn a_quiet_server_says_what_needs_a_person() {
    let server = Setup::new().switch("-q").start();
    let log = server.stop_and_log();
    assert!(
        log.contains("the first start created an admin key"),
        "{log}"
    );
    assert!(!log.contains("statekeep runs"), "{log}");
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
    // Those that do not share the common flags.
    for command in ["detect", "configure", "transfer", "salvage"] {
        let help = statekeep(&[command, "--help"]).output().expect("it runs");
        let help = String::from_utf8_lossy(&help.stdout).into_owned();
        assert!(help.contains("-o, --format"), "{command}: {help}");
    }
}
