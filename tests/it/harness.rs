//! The harness: the real binary on a port of its own with a data directory of its own, the cast of
//! callers, and verbs to speak with.
//!
//! A test starts a [`Server`], asks it for a [`Client`] (`server.admin()`, `server.key(…)`,
//! `server.anonymous()`), and talks HTTP. The server is killed and its directory removed when the
//! value is dropped. `STATEKEEP_BIN` points the tests at another binary.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use reqwest::Method;
use reqwest::blocking::{Body, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;

pub use crate::answer::Answer;
pub use crate::samples::*;

/// How long a test waits for something that has to happen.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// The binary under test.
pub fn binary() -> PathBuf {
    std::env::var_os("STATEKEEP_BIN").map_or_else(
        || PathBuf::from(env!("CARGO_BIN_EXE_statekeep")),
        PathBuf::from,
    )
}

/// A command of the binary with a clean environment, so that nobody's own settings change a test.
pub fn statekeep(args: &[&str]) -> Command {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("STATEKEEP_") {
            command.env_remove(name);
        }
    }
    command.args(args).stdin(Stdio::null());
    command
}

/// How a server is to be started; `Setup::new().flag("--unlocked-writes", "refuse").start()`.
#[derive(Default)]
pub struct Setup {
    data: Option<PathBuf>,
    flags: Vec<String>,
    environment: Vec<(String, String)>,
    wrapper: Vec<String>,
}

impl Setup {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn flag(mut self, name: &str, value: &str) -> Self {
        self.flags.extend([name.to_owned(), value.to_owned()]);
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Uses this data directory, which outlives the server, instead of one of its own.
    pub fn data(mut self, dir: &Path) -> Self {
        self.data = Some(dir.to_owned());
        self
    }

    /// Runs the server under another program, such as `strace -f …`.
    pub fn under(mut self, wrapper: &[&str]) -> Self {
        self.wrapper = wrapper.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// The command that `start` runs, for tests of starts that fail.
    pub fn command(&self, data: &Path) -> Command {
        let data = data.to_str().expect("test directories are UTF-8");
        let args = ["serve", "--data", data, "--listen", "127.0.0.1:0"];
        let mut command = statekeep(&args);
        if let Some((program, rest)) = self.wrapper.split_first() {
            let inner = command;
            command = Command::new(program);
            command
                .args(rest)
                .arg(inner.get_program())
                .args(inner.get_args())
                .stdin(Stdio::null());
        }
        command
            .args(&self.flags)
            .envs(self.environment.iter().cloned());
        command
    }

    pub fn start(self) -> Server {
        let own = self
            .data
            .is_none()
            .then(|| TempDir::new().expect("a temporary directory"));
        let data = self
            .data
            .clone()
            .unwrap_or_else(|| own.as_ref().expect("made above").path().join("data"));
        let log = tempfile::NamedTempFile::new().expect("a log file");
        let mut child = self
            .command(&data)
            .stdout(Stdio::piped())
            .stderr(log.reopen().expect("the log file"))
            .spawn()
            .expect("the binary starts");
        let line = first_line(child.stdout.take().expect("piped"));
        let Some(url) = line.trim().strip_prefix("listening on ").map(str::to_owned) else {
            end(&mut child);
            panic!(
                "the server did not start: {}",
                std::fs::read_to_string(log.path()).unwrap_or_default()
            );
        };
        Server {
            child,
            url,
            data,
            log,
            admin: String::new(),
            _own: own,
        }
        .with_admin()
    }
}

/// The first line of a program's output, or nothing where none comes; the rest is read and thrown
/// away, so that the program never waits for us.
fn first_line(output: ChildStdout) -> String {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut line = String::new();
        let _ = output.read_line(&mut line);
        let _ = sender.send(line);
        let _ = output.read_to_end(&mut Vec::new());
    });
    receiver.recv_timeout(PATIENCE).unwrap_or_default()
}

/// The processes that a process has started and that still run.
pub fn children(pid: u32) -> Vec<u32> {
    let list =
        std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect()
}

/// Sends a process a signal, by the shell's own `kill`: a small machine may have no program of that
/// name. Says whether it was there.
pub fn kill(signal: &str, pid: u32) -> bool {
    let command = format!("kill -{signal} {pid}");
    Command::new("sh")
        .args(["-c", &command])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The same command, which finds no signal ignored: tests that a shell runs in the background
/// inherit that.
pub fn with_usual_signals(command: &Command) -> Command {
    let mut usual = Command::new("env");
    usual
        .arg("--default-signal=HUP,INT,QUIT")
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => usual.env(name, value),
            None => usual.env_remove(name),
        };
    }
    if let Some(dir) = command.get_current_dir() {
        usual.current_dir(dir);
    }
    usual
}

/// Kills a process and, where it is a wrapper such as strace, what it wraps.
fn end(child: &mut Child) {
    let started = children(child.id());
    for pid in &started {
        kill("KILL", *pid);
    }
    let _ = child.kill();
    let _ = child.wait();
    // What it has started is not ours to wait for, and holds its files until it is gone.
    let deadline = Instant::now() + PATIENCE;
    while started.iter().any(|pid| is_running(*pid)) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Whether a process still holds what it has opened: its last thread gives that back, which need
/// not be its first one.
fn is_running(pid: u32) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return false;
    };
    let mut stats =
        threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("stat")).ok());
    stats.any(|stat| {
        !stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .trim_start()
            .starts_with(['Z', 'X'])
    })
}

/// A running server.
pub struct Server {
    child: Child,
    url: String,
    data: PathBuf,
    log: tempfile::NamedTempFile,
    admin: String,
    _own: Option<TempDir>,
}

impl Server {
    pub fn start() -> Self {
        Setup::new().start()
    }

    fn with_admin(mut self) -> Self {
        let file = std::fs::read_to_string(self.data.join("initial-admin-key")).unwrap_or_default();
        file.trim().clone_into(&mut self.admin);
        self
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// `127.0.0.1:PORT`, for tests that speak through a socket of their own.
    pub fn address(&self) -> &str {
        self.url
            .strip_prefix("http://")
            .expect("the server speaks HTTP")
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Every whole line that the server has logged so far. A thread of its own writes them, so a
    /// line may come after what it tells of.
    pub fn log(&self) -> String {
        let mut log = std::fs::read_to_string(self.log.path()).expect("the log file");
        log.truncate(log.rfind('\n').map_or(0, |end| end + 1));
        log
    }

    /// The address of a state: `server.state("team/network")`.
    pub fn state(&self, name: &str) -> String {
        format!("{}{}", self.url, state_path(name))
    }

    pub fn anonymous(&self) -> Client {
        Client::new(&self.url, None)
    }

    /// A caller with the secret of the first start's admin key.
    pub fn admin(&self) -> Client {
        Client::new(&self.url, Some(self.admin.clone()))
    }

    /// A caller with these credentials, as Basic password.
    pub fn with(&self, secret: &str) -> Client {
        Client::new(&self.url, Some(secret.to_owned()))
    }

    /// A new key for a scope (`"team"`, `"team/network"`, or `""` for all) with a role;
    /// `server.key("team", "writer")`.
    pub fn key(&self, scope: &str, role: &str) -> Client {
        self.make_key(&scope_json(
            scope,
            json!({"name": format!("{role} of {scope}"), "role": role}),
        ))
    }

    /// A new key with single permissions.
    pub fn key_with(&self, scope: &str, permissions: &[&str]) -> Client {
        self.make_key(&scope_json(
            scope,
            json!({"name": permissions.join("+"), "permissions": permissions}),
        ))
    }

    /// A new key from a body for `POST /api/keys`.
    pub fn make_key(&self, body: &Value) -> Client {
        let answer = self
            .admin()
            .post_json("/api/keys", body)
            .expect_status(201)
            .json();
        let client = self.with(answer["secret"].as_str().expect("a secret"));
        client.of_key(answer["key"]["id"].as_str().expect("an id"))
    }

    /// A token of a key, asked for with less where `less` says so:
    /// `json!({"permissions": ["TFSTATE_LIST"]})`.
    pub fn token(&self, key: &Client, less: Value) -> Client {
        let mut body = less;
        body["clientId"] = json!(key.key_id);
        body["clientSecret"] = json!(key.secret());
        let answer = self
            .anonymous()
            .post_json("/api/login", &body)
            .expect_status(200)
            .json();
        self.with(answer["access_token"].as_str().expect("a token"))
            .of_key(&key.key_id)
    }

    /// Asks the process to leave, as a service manager does, and waits for it.
    pub fn stop(mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait()
    }

    /// The same, for what it has logged until its end.
    pub fn stop_and_log(mut self) -> String {
        self.signal("TERM");
        self.wait();
        self.log()
    }

    pub fn signal(&self, name: &str) {
        assert!(kill(name, self.pid()));
    }

    /// Waits until the process ends by itself.
    pub fn wait(&mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("the child is ours") {
                return status;
            }
            assert!(
                Instant::now() < end,
                "the server did not end; its log: {}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Kills the process at once, as a crash does.
    pub fn kill(&mut self) {
        end(&mut self.child);
    }

    /// Runs a command of the binary on this server's data directory.
    pub fn cli(&self, args: &[&str]) -> Output {
        statekeep(args)
            .env("STATEKEEP_DATA", &self.data)
            .output()
            .expect("the binary runs")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- the server's log ---\n{}", self.log());
        }
    }
}

fn scope_json(scope: &str, mut body: Value) -> Value {
    let mut parts = scope.split('/').filter(|part| !part.is_empty());
    if let Some(workspace) = parts.next() {
        body["workspace"] = json!(workspace);
    }
    if let Some(block) = parts.next() {
        body["buildingBlock"] = json!(block);
    }
    body
}

/// The path of a state named `workspace/block`.
pub fn state_path(name: &str) -> String {
    let (workspace, block) = name.split_once('/').expect("workspace/block");
    format!("/api/terraform/state/workspace/{workspace}/buildingblock/{block}")
}

/// Someone who talks to a server.
#[derive(Clone)]
pub struct Client {
    http: reqwest::blocking::Client,
    url: String,
    secret: Option<String>,
    pub key_id: String,
}

impl Client {
    fn new(url: &str, secret: Option<String>) -> Self {
        Self {
            http: http_client(None),
            url: url.to_owned(),
            secret,
            key_id: String::new(),
        }
    }

    /// The same caller from another address of this machine, such as `127.0.0.2`.
    pub fn calling_from(&self, address: &str) -> Self {
        Self {
            http: http_client(Some(address.parse().expect("an address"))),
            ..self.clone()
        }
    }

    /// The same caller with a server that was started anew.
    pub fn at(&self, server: &Server) -> Self {
        Self {
            url: server.url.clone(),
            ..self.clone()
        }
    }

    /// Someone else with these credentials at the same server.
    pub fn with_secret(&self, secret: &str) -> Self {
        Self::new(&self.url, Some(secret.to_owned()))
    }

    /// The same caller, who knows the id of its key.
    pub fn of_key(self, id: &str) -> Self {
        Self {
            key_id: id.to_owned(),
            ..self
        }
    }

    pub fn secret(&self) -> &str {
        self.secret.as_deref().expect("a caller with credentials")
    }

    /// A request to a path, with this caller's credentials, not sent yet.
    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let request = self.http.request(method, format!("{}{path}", self.url));
        match &self.secret {
            Some(secret) => request.basic_auth("x", Some(secret)),
            None => request,
        }
    }

    pub fn send(&self, method: &str, path: &str, body: impl Into<Body>) -> Answer {
        Answer::of(
            self.request(method, path)
                .body(body)
                .send()
                .expect("an answer"),
        )
    }

    pub fn get(&self, path: &str) -> Answer {
        Answer::of(self.request("GET", path).send().expect("an answer"))
    }

    /// Sends a request that was made with [`Client::request`].
    pub fn ask(request: RequestBuilder) -> Answer {
        Answer::of(request.send().expect("an answer"))
    }

    pub fn post_json(&self, path: &str, body: &Value) -> Answer {
        Answer::of(
            self.request("POST", path)
                .json(body)
                .send()
                .expect("an answer"),
        )
    }

    /// The state's bytes, or whatever else the server answers.
    pub fn read(&self, name: &str) -> Answer {
        self.get(&state_path(name))
    }

    /// Writes a state as the clients do, with its MD5; `lock` is the `ID` they add.
    pub fn write(&self, name: &str, body: impl AsRef<[u8]>, lock: Option<&str>) -> Answer {
        let query = lock.map(|id| format!("?ID={id}")).unwrap_or_default();
        let path = format!("{}{query}", state_path(name));
        let request = self
            .request("POST", &path)
            .header("Content-Type", "application/json")
            .header("Content-MD5", md5(body.as_ref()));
        Answer::of(
            request
                .body(body.as_ref().to_vec())
                .send()
                .expect("an answer"),
        )
    }

    /// The same over the stale-write guard.
    pub fn write_by_force(&self, name: &str, body: impl AsRef<[u8]>) -> Answer {
        self.send(
            "POST",
            &format!("{}?force=true", state_path(name)),
            body.as_ref().to_vec(),
        )
    }

    pub fn lock(&self, name: &str, id: &str) -> Answer {
        self.send("LOCK", &state_path(name), lock_body(id))
    }

    /// The same for a plan, which keys that may not write can do as well.
    pub fn lock_to_plan(&self, name: &str, id: &str) -> Answer {
        self.send(
            "LOCK",
            &state_path(name),
            lock_body_to("OperationTypePlan", id),
        )
    }

    pub fn unlock(&self, name: &str, id: &str) -> Answer {
        self.send("UNLOCK", &state_path(name), lock_body(id))
    }

    pub fn delete(&self, name: &str) -> Answer {
        self.send("DELETE", &state_path(name), "")
    }

    /// The versions of a state, newest first.
    pub fn versions(&self, name: &str) -> Vec<Value> {
        let answer = self
            .get(&format!("{}/versions?limit=1000", state_path(name)))
            .expect_status(200)
            .json();
        answer["versions"].as_array().expect("a list").clone()
    }

    /// The versions of a state without their counts: those are filled in later, in the background,
    /// and so are no part of what was written.
    pub fn written(&self, name: &str) -> Vec<Value> {
        let mut rows = self.versions(name);
        for row in rows.iter_mut().filter_map(Value::as_object_mut) {
            for count in ["added", "changed", "removed"] {
                assert!(row.remove(count).is_some(), "a version has `{count}`");
            }
        }
        rows
    }

    /// The events that fit a query such as `kind=state.write`, newest first.
    pub fn events(&self, query: &str) -> Vec<Value> {
        let answer = self
            .get(&format!("/api/events?limit=1000&{query}"))
            .expect_status(200)
            .json();
        answer["events"].as_array().expect("a list").clone()
    }
}

fn http_client(from: Option<std::net::IpAddr>) -> reqwest::blocking::Client {
    // The program's own reqwest wants its provider of cryptography named, and so does this one; a
    // second time is refused, which is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::blocking::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none());
    builder
        .timeout(5 * PATIENCE)
        .local_address(from)
        .build()
        .expect("an HTTP client")
}

/// Waits until something is true, and fails with `what` when it never is.
#[track_caller]
pub fn eventually(what: &str, condition: impl FnMut() -> bool) {
    eventually_within(PATIENCE, what, condition);
}

#[track_caller]
pub fn eventually_within(patience: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + patience;
    while !condition() {
        assert!(Instant::now() < end, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
