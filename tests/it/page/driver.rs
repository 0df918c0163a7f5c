//! Real Chromium, driven through chromedriver by the calls of W3C WebDriver that the tests need.
//!
//! They are a dozen calls of JSON over HTTP, and the tests have a client for that: a crate around
//! them would bring a second client and a runtime. Each browser is a process of its own with a
//! profile of its own, and ends with its value.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{PATIENCE, http_client, kill};
use crate::skip;

/// The member under which WebDriver hands out an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// None of the browser's own services: what it asks, the page has asked.
const QUIET: [&str; 12] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
    "--force-prefers-reduced-motion",
    "--window-size=1280,900",
];

/// How often chromedriver is started until it has a port.
const TRIES: usize = 5;

/// A browser with one tab.
pub(super) struct Driver {
    http: reqwest::blocking::Client,
    session: String,
    chromedriver: Child,
    profile: TempDir,
}

impl Driver {
    /// Starts a browser; `None` (after saying so) if Chromium or chromedriver is not installed.
    pub(super) fn start() -> Option<Self> {
        let chromium = skip::program("chromium", "STATEKEEP_CHROMIUM")?;
        let program = skip::program("chromedriver", "STATEKEEP_CHROMEDRIVER")?;
        let profile = TempDir::new().expect("a temporary directory");
        let start = || started(&program, &profile);
        let (chromedriver, port) = (0..TRIES)
            .find_map(|_| start())
            .expect("chromedriver's port");
        let mut driver = Self {
            http: http_client(None),
            session: format!("http://127.0.0.1:{port}/session"),
            chromedriver,
            profile,
        };
        let answer = driver.call("", &capabilities(&chromium, driver.profile.path()));
        let id = answer["sessionId"].as_str().expect("a session has an id");
        driver.session = format!("{}/{id}", driver.session);
        Some(driver)
    }

    pub(super) fn open(&self, url: &str) {
        self.call("/url", &json!({ "url": url }));
    }

    /// Runs a function's body in the page, and hands back what it returns.
    #[track_caller]
    pub(super) fn run(&self, body: &str, arguments: &[Value]) -> Value {
        self.call("/execute/sync", &script(body, arguments))
    }

    /// The same for a body that calls its last argument when it is done.
    #[track_caller]
    pub(super) fn run_until_done(&self, body: &str, arguments: &[Value]) -> Value {
        self.call("/execute/async", &script(body, arguments))
    }

    /// Clicks an element that [`Driver::run`] returned, as a mouse does. The error is WebDriver's:
    /// the element has gone, or another one lies above it.
    pub(super) fn click(&self, element: &Value) -> Result<(), String> {
        self.try_call(&of(element, "click"), &json!({})).map(drop)
    }

    /// Types into an element that [`Driver::run`] returned.
    pub(super) fn type_into(&self, element: &Value, text: &str) -> Result<(), String> {
        self.try_call(&of(element, "value"), &json!({ "text": text }))
            .map(drop)
    }

    /// Presses a key and releases it.
    pub(super) fn press(&self, key: &str) {
        let actions = ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": key}));
        let keyboard = json!({"type": "key", "id": "keyboard", "actions": actions});
        self.call("/actions", &json!({ "actions": [keyboard] }));
    }

    /// One call of the browser's own protocol, such as `Page.captureScreenshot`.
    pub(super) fn devtools(&self, command: &str, parameters: &Value) -> Value {
        let body = json!({"cmd": command, "params": parameters});
        self.call("/goog/cdp/execute", &body)
    }

    /// What has come into one of the browser's logs (`browser`, `performance`) since the last call.
    pub(super) fn log(&self, kind: &str) -> Vec<Value> {
        let entries = self.call("/se/log", &json!({ "type": kind }));
        entries.as_array().cloned().unwrap_or_default()
    }

    #[track_caller]
    fn call(&self, path: &str, body: &Value) -> Value {
        match self.try_call(path, body) {
            Ok(value) => value,
            Err(error) => panic!("{path}: {error}"),
        }
    }

    fn try_call(&self, path: &str, body: &Value) -> Result<Value, String> {
        let request = self.http.post(format!("{}{path}", self.session)).json(body);
        let answer = request.send().expect("chromedriver answers");
        let is_done = answer.status().is_success();
        let mut answer: Value = answer.json().expect("WebDriver speaks JSON");
        let value = answer["value"].take();
        if is_done {
            return Ok(value);
        }
        let said = |member: &str| value[member].as_str().unwrap_or_default().to_owned();
        Err(format!("{}: {}", said("error"), said("message")))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Ends the browser. Where that fails, it ends with its driver's group below.
        let _ = self.http.delete(&self.session).send();
        for pid in crate::harness::children(self.chromedriver.id()) {
            kill("KILL", pid);
        }
        let _ = self.chromedriver.kill();
        let _ = self.chromedriver.wait();
    }
}

fn script(body: &str, arguments: &[Value]) -> Value {
    json!({"script": body, "args": arguments})
}

/// Starts chromedriver on a port that is free; `None` if it ended, because it found one for IPv4
/// that another program has for IPv6.
fn started(program: &Path, profile: &TempDir) -> Option<(Child, u16)> {
    let mut chromedriver = Command::new(program)
        .arg("--port=0")
        .env("HOME", profile.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("chromedriver starts");
    let port = port_of(&mut chromedriver);
    if port.is_none() {
        let _ = chromedriver.kill();
        let _ = chromedriver.wait();
    }
    port.map(|port| (chromedriver, port))
}

/// The port that chromedriver has taken, which it prints; the rest of its output is thrown away.
fn port_of(chromedriver: &mut Child) -> Option<u16> {
    let output = chromedriver.stdout.take().expect("piped");
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut line = String::new();
        while output.read_line(&mut line).is_ok_and(|read| read > 0) {
            let port = line
                .trim()
                .trim_end_matches('.')
                .rsplit_once("successfully on port ");
            if let Some(port) = port.and_then(|(_, port)| port.parse().ok()) {
                let _ = sender.send(port);
                break;
            }
            line.clear();
        }
        let _ = output.read_to_end(&mut Vec::new());
    });
    receiver.recv_timeout(PATIENCE).ok()
}

fn capabilities(chromium: &Path, profile: &Path) -> Value {
    let mut arguments: Vec<String> = QUIET.iter().map(|flag| (*flag).to_owned()).collect();
    arguments.push(format!("--user-data-dir={}", profile.join("tab").display()));
    let timeouts = json!({"script": PATIENCE.as_millis(), "pageLoad": PATIENCE.as_millis()});
    json!({"capabilities": {"alwaysMatch": {
        "browserName": "chrome",
        "timeouts": timeouts,
        "goog:chromeOptions": {
            "binary": chromium,
            "args": arguments,
            "perfLoggingPrefs": {"enableNetwork": true, "enablePage": false},
        },
        "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
    }}})
}

/// The path of a call about an element.
fn of(element: &Value, verb: &str) -> String {
    let id = element[ELEMENT].as_str().expect("an element of the page");
    format!("/element/{id}/{verb}")
}
