//! Real Chromium, driven through chromedriver by the calls of W3C WebDriver that the tests need.
//!
//! They are a dozen calls of JSON over HTTP, and the tests have a client for that: a crate around
//! them would bring a second client and a runtime. A browser that a test is done with serves the
//! next one, with another window: each test has a server of its own, so what a page keeps for its
//! origin is another one's. One whose test has failed is thrown away, and all end with the tests.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, mpsc};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{PATIENCE, http_client};
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

/// Runs chromedriver until its input ends, which it does with these tests at the latest; then the
/// browser, its driver and its profile go.
const UNTIL_INPUT_ENDS: &str = r#"
"$0" --port=0 </dev/null & driver=$!
cat >/dev/null
for browser in $(cat /proc/$driver/task/*/children); do kill -KILL $browser; done
kill -KILL $driver
wait
rm -rf -- "$1"
"#;

/// Browsers that no test uses at the moment.
static SPARE: Mutex<Vec<Browser>> = Mutex::new(Vec::new());

/// A browser with one window.
pub(super) struct Driver {
    /// There until the end.
    browser: Option<Browser>,
}

/// A browser and the program that drives it.
struct Browser {
    http: reqwest::blocking::Client,
    session: String,
    chromedriver: Child,
    profile: TempDir,
}

impl Driver {
    /// Takes a browser that is not in use, or starts one; `None` (after saying so) if Chromium or
    /// chromedriver is not installed.
    pub(super) fn start() -> Option<Self> {
        let spare = SPARE.lock().expect("nothing fails while it is held").pop();
        let browser = spare.or_else(Browser::start);
        browser.map(|browser| Self {
            browser: Some(browser),
        })
    }

    fn browser(&self) -> &Browser {
        self.browser.as_ref().expect("it is there until the end")
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
        self.browser().call(path, body)
    }

    fn try_call(&self, path: &str, body: &Value) -> Result<Value, String> {
        self.browser().try_call(path, body)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let spare = self.browser.take();
        let is_fine = |_: &Browser| !std::thread::panicking();
        if let Some(browser) = spare.filter(is_fine).and_then(Browser::with_other_window) {
            SPARE
                .lock()
                .expect("nothing fails while it is held")
                .push(browser);
        }
    }
}

impl Browser {
    fn start() -> Option<Self> {
        let chromium = skip::program("chromium", "STATEKEEP_CHROMIUM")?;
        let program = skip::program("chromedriver", "STATEKEEP_CHROMEDRIVER")?;
        let profile = TempDir::new().expect("a temporary directory");
        let start = || started(&program, &profile);
        let (chromedriver, port) = (0..TRIES)
            .find_map(|_| start())
            .expect("chromedriver's port");
        let mut browser = Self {
            http: http_client(None),
            session: format!("http://127.0.0.1:{port}/session"),
            chromedriver,
            profile,
        };
        let answer = browser.call("", &capabilities(&chromium, browser.profile.path()));
        let id = answer["sessionId"].as_str().expect("a session has an id");
        browser.session = format!("{}/{id}", browser.session);
        Some(browser)
    }

    /// The same with a window that has seen nothing, and with empty logs; none if it does not obey.
    fn with_other_window(self) -> Option<Self> {
        let new = self.try_call("/window/new", &json!({"type": "window"}));
        let window = new.ok()?["handle"].clone();
        let old = self.http.delete(format!("{}/window", self.session)).send();
        old.ok()?.error_for_status().ok()?;
        self.try_call("/window", &json!({ "handle": window }))
            .ok()?;
        for kind in ["browser", "performance"] {
            self.try_call("/se/log", &json!({ "type": kind })).ok()?;
        }
        Some(self)
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

impl Drop for Browser {
    fn drop(&mut self) {
        // Without its input it ends, and the browser with it.
        drop(self.chromedriver.stdin.take());
        let _ = self.chromedriver.wait();
    }
}

fn script(body: &str, arguments: &[Value]) -> Value {
    json!({"script": body, "args": arguments})
}

/// Starts chromedriver on a port that is free; `None` if it ended, because it found one for IPv4
/// that another program has for IPv6.
fn started(program: &Path, profile: &TempDir) -> Option<(Child, u16)> {
    let mut chromedriver = Command::new("sh")
        .args(["-c", UNTIL_INPUT_ENDS])
        .args([program, profile.path()])
        .env("HOME", profile.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("chromedriver starts");
    let port = port_of(&mut chromedriver);
    if port.is_none() {
        drop(chromedriver.stdin.take());
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
