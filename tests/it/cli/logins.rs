//! `statekeep login` and `statekeep logout`: a token in a file of one's own in place of a key.

use std::fs::Permissions;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Client, Server, binary, statekeep};
use crate::skip;

use super::stderr;

/// A server, and a person's home elsewhere.
struct Person {
    server: Server,
    key: Client,
    home: TempDir,
}

impl Person {
    fn new() -> Self {
        let server = Server::start();
        let key = server.key("team", "writer");
        Self {
            server,
            key,
            home: TempDir::new().expect("a home"),
        }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = statekeep(args);
        command
            .current_dir(self.home.path())
            .env("HOME", self.home.path())
            .env_remove("XDG_STATE_HOME")
            .args(["--url", self.server.url()]);
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("it runs")
    }

    /// Runs a command that finds a text on its standard input.
    fn run_with(&self, args: &[&str], input: &str) -> Output {
        let mut command = self.command(args);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let mut stdin = child.stdin.take().expect("piped");
        stdin.write_all(input.as_bytes()).expect("it listens");
        drop(stdin);
        child.wait_with_output().expect("it ends")
    }

    fn sign_in(&self) {
        let done = self.run_with(&["login"], &format!("{}\n", self.key.secret()));
        assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
    }

    fn dir(&self) -> PathBuf {
        self.home.path().join(".local/state/statekeep/logins")
    }

    /// The files of logins.
    fn files(&self) -> Vec<PathBuf> {
        std::fs::read_dir(self.dir()).map_or_else(
            |_| Vec::new(),
            |dir| dir.map(|entry| entry.expect("an entry").path()).collect(),
        )
    }

    fn kept(&self) -> Value {
        let text = std::fs::read_to_string(&self.files()[0]).expect("a login");
        serde_json::from_str(&text).expect("JSON")
    }

    fn token(&self) -> Client {
        let kept = self.kept();
        self.server.with(kept["token"].as_str().expect("a token"))
    }

    /// Changes a member of the kept login.
    fn change(&self, member: &str, value: &Value) {
        let mut kept = self.kept();
        kept[member] = value.clone();
        std::fs::write(&self.files()[0], kept.to_string()).expect("written");
    }
}

#[test]
fn a_login_is_used_where_no_key_is_named_and_ends_at_the_logout() {
    let person = Person::new();
    person.sign_in();
    let whoami = person.run(&["whoami", "--json"]);
    assert_eq!(whoami.status.code(), Some(0), "{}", stderr(&whoami));
    let told: Value = serde_json::from_slice(&whoami.stdout).expect("JSON");
    assert_eq!(
        (&told["kind"], &told["workspace"]),
        (&json!("token"), &json!("team"))
    );
    let token = person.token();
    token.get("/api/whoami").expect_status(200);

    let done = person.run(&["logout"]);
    assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
    assert_eq!(person.files(), Vec::<PathBuf>::new());
    token.get("/api/whoami").expect_problem(401, "unauthorized");
    let whoami = person.run(&["whoami"]);
    assert_eq!(whoami.status.code(), Some(2), "{}", stderr(&whoami));
    assert!(stderr(&whoami).contains("statekeep login"));
    let again = person.run(&["logout"]);
    assert_eq!(again.status.code(), Some(1), "{}", stderr(&again));
}

#[test]
fn the_file_is_for_its_owner_and_has_no_key_in_it() {
    let person = Person::new();
    person.sign_in();
    let mode = |path: &PathBuf| path.metadata().expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(&person.dir()), 0o700);
    let files = person.files();
    assert_eq!((files.len(), mode(&files[0])), (1, 0o600));
    let text = std::fs::read_to_string(&files[0]).expect("text");
    assert!(text.contains("skt_") && !text.contains("skp_"));

    // The one before ends with the next one.
    let before = person.token();
    person.sign_in();
    assert_eq!(person.files().len(), 1);
    before
        .get("/api/whoami")
        .expect_problem(401, "unauthorized");
    person.token().get("/api/whoami").expect_status(200);
}

#[test]
fn a_file_that_others_could_have_read_or_put_there_is_not_used() {
    let person = Person::new();
    person.sign_in();
    let file = person.files().remove(0);
    let refused = |what: &str| {
        let output = person.run(&["whoami"]);
        assert_eq!(output.status.code(), Some(1), "{what}: {}", stderr(&output));
        assert!(!stderr(&output).contains("skt_"), "{what}");
    };
    for mode in [0o640, 0o604, 0o620, 0o602] {
        std::fs::set_permissions(&file, Permissions::from_mode(mode)).expect("a mode");
        refused(&format!("{mode:o}"));
    }
    std::fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("a mode");
    assert_eq!(person.run(&["whoami"]).status.code(), Some(0));

    let elsewhere = person.home.path().join("elsewhere");
    std::fs::rename(&file, &elsewhere).expect("moved");
    symlink(&elsewhere, &file).expect("a link");
    refused("a link");
    std::fs::remove_file(&file).expect("removed");
    std::fs::rename(&elsewhere, &file).expect("moved");

    person.change("url", &json!("http://127.0.0.1:1"));
    refused("the login of another address");
    std::fs::write(&file, "{").expect("written");
    refused("no JSON");
}

#[test]
fn no_token_is_made_for_a_directory_that_others_may_write_into() {
    let person = Person::new();
    std::fs::create_dir_all(person.dir()).expect("a directory");
    std::fs::set_permissions(person.dir(), Permissions::from_mode(0o777)).expect("a mode");
    let output = person.run_with(&["login"], person.key.secret());
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_eq!(person.files(), Vec::<PathBuf>::new());
    let ended = person.server.admin().events("kind=token.end");
    assert_eq!(ended.len(), 1, "the token that cannot be kept is ended");
}

#[test]
fn a_login_is_extended_by_the_command_that_uses_it_late_in_its_life() {
    let person = Person::new();
    person.sign_in();
    let fresh = person.kept()["ends_at"].clone();
    let extensions = || person.server.admin().events("kind=token.extend").len();
    assert_eq!(person.run(&["whoami"]).status.code(), Some(0));
    assert_eq!((extensions(), &person.kept()["ends_at"]), (0, &fresh));

    person.change("ends_at", &json!("2020-01-02T03:04:05.000Z"));
    assert_eq!(person.run(&["whoami"]).status.code(), Some(0));
    assert_eq!(extensions(), 1);
    let extended = person.kept()["ends_at"].clone();
    assert!(extended.as_str() >= fresh.as_str(), "{extended}, {fresh}");

    // What the server has ended is refused by the server, and the message says how to go on.
    person
        .token()
        .send("DELETE", "/api/token", "")
        .expect_status(204);
    let output = person.run(&["whoami"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("statekeep login"),
        "{}",
        stderr(&output)
    );
    // A logout of it is none the less one.
    assert_eq!(person.run(&["logout"]).status.code(), Some(0));
    assert_eq!(person.files(), Vec::<PathBuf>::new());
}

#[test]
fn a_logout_without_a_server_removes_the_file_and_says_what_is_left() {
    let mut person = Person::new();
    person.sign_in();
    let ends = person.kept()["ends_at"].clone();
    person.server.kill();
    let output = person.run(&["logout"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let ends = ends.as_str().expect("a time");
    assert!(stderr(&output).contains(ends), "{}", stderr(&output));
    assert_eq!(person.files(), Vec::<PathBuf>::new());
}

#[test]
fn what_is_no_key_makes_no_login() {
    let person = Person::new();
    let token = person.server.token(&person.key, json!({}));
    let wrong = person.key.secret().replace("skp_", "skp-");
    for input in ["", "\n", "hunter2", wrong.as_str(), token.secret()] {
        let output = person.run_with(&["login"], input);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert!(input.len() < 2 || !stderr(&output).contains(input));
    }
    assert_eq!(person.files(), Vec::<PathBuf>::new());
    let no_url = statekeep(&["login"])
        .env("HOME", person.home.path())
        .output();
    assert_eq!(no_url.expect("it runs").status.code(), Some(2));
}

#[test]
fn on_a_terminal_the_secret_is_asked_for_and_not_shown() {
    let Some(script) = skip::program("script", "STATEKEEP_SCRIPT") else {
        return;
    };
    let person = Person::new();
    let (program, url) = (binary(), person.server.url());
    let line = format!("{} login --url {url} && stty -a", program.display());
    let typed = |secret: &str| {
        let mut child = Command::new(&script)
            .args(["-qec", &line, "/dev/null"])
            .env("HOME", person.home.path())
            .env_remove("XDG_STATE_HOME")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("script starts");
        let (mut said, mut byte) = (Vec::new(), [0]);
        let mut output = child.stdout.take().expect("piped");
        while !said.ends_with(b"not shown): ") && output.read(&mut byte).is_ok_and(|n| n == 1) {
            said.push(byte[0]);
        }
        let mut stdin = child.stdin.take().expect("piped");
        stdin.write_all(secret.as_bytes()).expect("it listens");
        stdin.flush().expect("it listens");
        output.read_to_end(&mut said).expect("it talks");
        let code = child.wait().expect("it ends").code();
        (code, String::from_utf8_lossy(&said).into_owned())
    };
    let (code, said) = typed("skp_abc\u{3}");
    assert!(
        code == Some(1) && said.contains("nothing was done"),
        "{said}"
    );
    let secret = person.key.secret();
    let (code, said) = typed(&format!("nonsense\u{15}{secret}x\u{7f}\r"));
    assert_eq!(code, Some(0), "{said}");
    assert!(
        !said.contains("skp_") && !said.contains("nonsense"),
        "{said}"
    );
    assert!(
        said.contains(" echo ") && said.contains(" icanon "),
        "{said}"
    );
    person.token().get("/api/whoami").expect_status(200);
}
