//! A server of a test: the real binary on a port of its own with a data directory of its own, and
//! the cast of callers.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::client::{Client, state_path};
use super::process::{binary, clean_command, end, first_line, kill, statekeep};
use super::waiting::PATIENCE;

/// How a server is to be started; `Setup::new().flag("--unlocked-writes", "refuse").start()`.
#[derive(Default)]
pub struct Setup {
    data: Option<PathBuf>,
    flags: Vec<String>,
    environment: Vec<(String, String)>,
    wrapper: Vec<String>,
    binary: Option<PathBuf>,
    http: Option<reqwest::blocking::Client>,
}

impl Setup {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn flag(mut self, name: &str, value: &str) -> Self {
        self.flags.extend([name.to_owned(), value.to_owned()]);
        self
    }

    /// A flag without a value.
    pub fn switch(mut self, name: &str) -> Self {
        self.flags.push(name.to_owned());
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

    /// All callers reach the server over this client, which knows whom to trust.
    pub fn reached_by(mut self, http: reqwest::blocking::Client) -> Self {
        self.http = Some(http);
        self
    }

    /// Runs this binary instead of the one under test.
    pub fn binary(mut self, path: &Path) -> Self {
        self.binary = Some(path.to_owned());
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
        let usual = binary();
        let mut command = clean_command(self.binary.as_ref().unwrap_or(&usual), &args);
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
        self.try_start()
            .unwrap_or_else(|log| panic!("the server did not start: {log}"))
    }

    /// The same, or what the server has logged where it does not start.
    pub fn try_start(self) -> Result<Server, String> {
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
            return Err(std::fs::read_to_string(log.path()).unwrap_or_default());
        };
        let server = Server {
            child,
            url,
            data,
            log,
            admin: String::new(),
            http: self.http,
            _own: own,
        };
        Ok(server.with_admin())
    }
}

/// A running server.
pub struct Server {
    child: Child,
    url: String,
    data: PathBuf,
    log: tempfile::NamedTempFile,
    admin: String,
    http: Option<reqwest::blocking::Client>,
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
        let (_, address) = self.url.split_once("://").expect("an address");
        address
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
        self.caller(None)
    }

    fn caller(&self, secret: Option<String>) -> Client {
        match &self.http {
            Some(http) => Client::over(http.clone(), &self.url, secret),
            None => Client::new(&self.url, secret),
        }
    }

    /// A caller with the secret of the first start's admin key.
    pub fn admin(&self) -> Client {
        self.caller(Some(self.admin.clone()))
    }

    /// A caller with these credentials, as Basic password.
    pub fn with(&self, secret: &str) -> Client {
        self.caller(Some(secret.to_owned()))
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
        // A name means one live key, and a test may want several that differ in nothing.
        let mut body = body.clone();
        let name = body["name"].as_str().unwrap_or_default().to_owned();
        let mut answer = self.admin().post_json("/api/keys", &body);
        for number in 2.. {
            if answer.status != 409 {
                break;
            }
            body["name"] = json!(format!("{name} {number}"));
            answer = self.admin().post_json("/api/keys", &body);
        }
        let answer = answer.expect_status(201).json();
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

    /// Whether the process has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("the child is ours").is_some()
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

impl Client {
    /// The same caller with a server that was started anew.
    pub fn at(&self, server: &Server) -> Self {
        self.at_url(&server.url)
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
