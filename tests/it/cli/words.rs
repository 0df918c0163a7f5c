//! What commands say: what is wrong where, in the words of the command line, and what to do next.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command};

use tempfile::TempDir;

use crate::harness::{Client, Server, Setup, eventually, statekeep, tfstate};

use super::remote::{hosting_tls, with_tls};
use super::{L1, Place, some_states, stderr};

fn serve(dir: &TempDir, flags: &[&str]) -> Command {
    let data = dir.path().join("data");
    let mut command = statekeep(&["serve", "--data"]);
    command.arg(data).args(flags);
    command
}

/// A command that runs, and is killed at the end; what it says goes to files.
struct Started {
    child: Child,
    dir: PathBuf,
}

impl Started {
    fn new(mut command: Command, dir: &TempDir) -> Self {
        let file = |name: &str| std::fs::File::create(dir.path().join(name)).expect("a file");
        let child = command.stdout(file("out")).stderr(file("err")).spawn().expect("it runs");
        Self { child, dir: dir.path().to_owned() }
    }

    fn said(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.join(name)).expect("a file")
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
fn refused(mut command: Command, code: i32, words: &[&str]) {
    let output = command.output().expect("it runs");
    assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
    for word in words {
        assert!(stderr(&output).contains(word), "{word}: {}", stderr(&output));
    }
}

#[test]
fn a_server_listens_where_people_say_or_says_what_is_wrong() {
    for listen in ["localhost:0", "LOCALHOST:0", "0"] {
        let dir = TempDir::new().expect("a directory");
        let started = Started::new(serve(&dir, &["--listen", listen]), &dir);
        eventually("it listens", || started.said("out").contains("listening on http://127.0.0.1:"));
    }
    let dir = TempDir::new().expect("a directory");
    for listen in [":8680", "*:8680", "8680x", "localhost", "127.0.0.1", "host.example:8680", ""] {
        refused(serve(&dir, &["--listen", listen]), 2, &["--listen", "127.0.0.1:8680"]);
    }
    let held = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = held.local_addr().expect("an address").to_string();
    refused(serve(&dir, &["--listen", &taken]), 1, &[&taken, "Another program listens there"]);
    // An address for documentation, which no machine has.
    refused(serve(&dir, &["--listen", "192.0.2.1:0"]), 1, &["This machine has no address 192.0.2.1"]);
}

#[test]
fn a_bad_value_of_a_variable_names_the_variable() {
    let dir = TempDir::new().expect("a directory");
    for (name, value) in [("MAX_PAGE", "abc"), ("MAX_PAGE", "0"), ("HEADER_TIMEOUT", "3"), ("LISTEN", "nowhere"), ("KEEP_LAST", "0")] {
        let variable = format!("STATEKEEP_{name}");
        let mut command = serve(&dir, &[]);
        command.env(&variable, value);
        refused(command, 2, &[&variable]);
    }
    let given = serve(&dir, &["--max-page", "abc"]).env("STATEKEEP_MAX_PAGE", "5").output().expect("it runs");
    assert!(!stderr(&given).contains("STATEKEEP_MAX_PAGE"), "{}", stderr(&given));
}

#[test]
fn durations_come_back_as_they_were_given() {
    Place::both(some_states, |place| {
        for given in ["90d", "36h", "75s", "30m"] {
            let set = place.run(&["retention", "set", "team", "--keep-within", given]);
            assert!(stderr(&set).contains(&format!("keep-within {given}")), "{}", stderr(&set));
            assert!(place.ok(&["retention", "list"]).contains(&format!("keep-within {given}")));
        }
        refused(statekeep(&["prune", "--keep-within", "3"]), 2, &["90s, 30m, 12h or 90d"]);
    });
    let help = statekeep(&["serve", "--help"]).output().expect("it runs");
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    for default in ["[default: 75s]", "[default: 400d]", "[default: 30d]", "[default: 64MiB]"] {
        assert!(help.contains(default), "{default}");
    }
}

#[test]
fn what_was_probably_meant_is_told() {
    for (args, word) in [
        (&["unlock", "a/b"][..], "statekeep state unlock"),
        (&["rollback", "a/b", "1"], "statekeep state rollback"),
        (&["revoke", "x"], "statekeep key revoke"),
        (&["state", "lst"], "list"),
        (&["prune"], "--configured"),
        (&["prune"], "--keep-daily"),
        (&["retention", "set", "team"], "--keep-all"),
    ] {
        refused(statekeep(args), 2, &[word]);
    }
    Place::both(some_states, |place| {
        assert_eq!(place.ok(&["state", "ls"]), place.ok(&["state", "list"]));
    });
}

#[test]
fn the_command_line_has_words_of_its_own() {
    let prepare = |admin: &Client| {
        some_states(admin);
        admin
            .write("team/sealed", r#"{"serial":1,"lineage":"x","encrypted_data":"eA==","encryption_version":"v0"}"#, None)
            .expect_status(200);
        admin
            .write("team/sealed", r#"{"serial":2,"lineage":"x","encrypted_data":"eB==","encryption_version":"v0"}"#, None)
            .expect_status(200);
        admin.write("team/gone", tfstate(L1, 1), None).expect_status(200);
    };
    Place::both(prepare, |place| {
        place.ok(&["state", "move", "team/gone", "team/there"]);
        place.ok(&["state", "hold", "team/net", "1", "--reason", "good"]);
        for (args, word) in [
            (&["state", "rollback", "team/sealed", "1", "--yes"][..], "--allow-serial-regression"),
            (&["state", "pull", "team/net", "--version", "9"], "statekeep state history team/net"),
            (&["key", "show", "0b5f7c3e-1d2a-4c4b-9e8f-00112233aabb"], "no_key"),
            (&["state", "pull", "team/gone"], "statekeep state show team/there"),
            (&["state", "purge", "team/net", "1", "--yes"], "statekeep state release team/net"),
            (&["state", "purge", "team/net", "--all", "--yes"], "statekeep state delete team/net"),
        ] {
            let output = place.run(args);
            let said = stderr(&output);
            assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
            assert!(said.contains(word), "{args:?}: {word}: {said}");
            for api in ["allow_serial_regression", "GET /", "/versions", "?force", "/api/"] {
                assert!(!said.contains(api), "{args:?}: {said}");
            }
        }
        let output = place.run(&["state", "rollback", "team/sealed", "1", "--yes"]);
        assert_eq!(stderr(&output).matches("(encrypted)").count(), 1, "said once: {}", stderr(&output));
        let released = place.run(&["state", "release", "team/net", "1"]);
        assert!(stderr(&released).contains("is not held any more"), "{}", stderr(&released));
        let released = place.run(&["state", "release", "team/net", "1"]);
        assert!(stderr(&released).contains("was not held"), "{}", stderr(&released));
        place.ok(&["state", "delete", "team/net", "--yes"]);
        let shown = place.ok(&["state", "show", "team/net"]);
        assert!(shown.contains("deleted ") && !shown.contains("written by"), "{shown}");
        let made = place.run(&["key", "create", "x", "--role", "admin", "--expires", "1d"]);
        assert!(stderr(&made).contains("until 20") && stderr(&made).contains("goes to stdout"), "{}", stderr(&made));
    });
}

#[test]
fn the_wrong_scheme_and_a_wrong_certificate_are_told_apart() {
    let server = Server::start();
    let dir = TempDir::new().expect("a directory");
    let key = dir.path().join("key");
    std::fs::write(&key, server.admin().secret()).expect("a file");
    let (tls, good) = with_tls(server.address());
    let (other, elsewhere) = hosting_tls(server.address(), "states.example");
    let certificate = |name: &str, text: &str| {
        std::fs::File::create(dir.path().join(name)).and_then(|mut file| file.write_all(text.as_bytes())).expect("a file");
        dir.path().join(name).to_str().expect("UTF-8").to_owned()
    };
    let (good, elsewhere, empty) = (certificate("good", &good), certificate("elsewhere", &elsewhere), certificate("empty", ""));
    let plain = server.url().to_owned();
    for (url, trusted, words, never) in [
        (plain.replace("http", "https"), None, &["speaks no TLS", "http://"][..], "SSL_CERT_FILE"),
        (tls.replace("https", "http"), None, &["does it speak https"], "SSL_CERT_FILE"),
        (tls.clone(), None, &["does not trust it", "SSL_CERT_FILE"], "other names"),
        (other.clone(), Some(elsewhere), &["other names", "states.example"], "does not trust it"),
        (tls.clone(), Some("/nonexistent/ca.pem".to_owned()), &["SSL_CERT_FILE=/nonexistent/ca.pem cannot be read"], "does not trust it"),
        (tls.clone(), Some(empty), &["SSL_CERT_FILE=", "no certificate in it"], "does not trust it"),
    ] {
        let mut command = statekeep(&["state", "list", "--url", &url, "--key-file"]);
        command.arg(&key);
        match trusted {
            Some(file) => command.env("SSL_CERT_FILE", file),
            None => command.env_remove("SSL_CERT_FILE"),
        };
        let output = command.output().expect("it runs");
        assert_eq!(output.status.code(), Some(1), "{url}: {}", stderr(&output));
        assert!(words.iter().all(|word| stderr(&output).contains(word)) && !stderr(&output).contains(never), "{url}: {}", stderr(&output));
    }
    let taken = statekeep(&["state", "list", "--url", &tls, "--key-file"]).arg(&key).env("SSL_CERT_FILE", good).output().expect("it runs");
    assert_eq!(taken.status.code(), Some(0), "{}", stderr(&taken));
}

#[test]
fn a_server_waits_for_a_command_that_has_the_directory_and_not_for_a_server() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    assert!(Setup::new().data(&data).start().stop().success());
    let lock = std::fs::OpenOptions::new().write(true).open(data.join("statekeep.lock")).expect("a file");
    lock.lock().expect("nobody has it");
    let started = Started::new(Setup::new().command(&data), &dir);
    eventually("the server waits", || started.said("err").contains("waiting until it is done"));
    assert_eq!(started.said("out"), "");
    lock.unlock().expect("we have it");
    eventually("the server listens", || started.said("out").contains("listening on"));
    let begun = std::time::Instant::now();
    let second = Setup::new().command(&data).output().expect("it runs");
    assert_eq!(second.status.code(), Some(1), "{}", stderr(&second));
    assert!(stderr(&second).contains("in use by another statekeep"), "{}", stderr(&second));
    assert!(begun.elapsed() < std::time::Duration::from_secs(9), "it does not wait for a server");
}
