//! Real Chromium without a window: opens an address, lets the page's clock run on, and hands back
//! what the page has become.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// Chromium may take this long, in tenths of a second: it shares the machine with the other tests.
const PATIENCE_DECISECONDS: u32 = 900;

/// None of its services at home: it talks to the page's address and to nobody else.
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
    "--enable-logging=stderr",
    "--dump-dom",
];

/// What came of opening an address.
pub(super) struct Visit {
    dom: String,
    /// What the console said, a violation of the policy included.
    pub(super) console: Vec<String>,
}

impl Visit {
    /// Opens an address and stays for so many seconds of the page's own clock, which runs as fast
    /// as it can.
    pub(super) fn to(chromium: &Path, url: &str, seconds: u32) -> Self {
        let dir = TempDir::new().expect("a temporary directory");
        let (dom, log) = (dir.path().join("dom"), dir.path().join("log"));
        let mut child = Command::new(chromium)
            .args(QUIET)
            .arg(format!(
                "--user-data-dir={}",
                dir.path().join("profile").display()
            ))
            .arg(format!("--virtual-time-budget={}", seconds * 1_000))
            .arg(url)
            .env("HOME", dir.path())
            .stdin(Stdio::null())
            .stdout(File::create(&dom).expect("a file"))
            .stderr(File::create(&log).expect("a file"))
            .spawn()
            .expect("chromium starts");
        let ended = (0..PATIENCE_DECISECONDS).any(|_| {
            std::thread::sleep(Duration::from_millis(100));
            child.try_wait().expect("the child is ours").is_some()
        });
        let _ = child.kill();
        let _ = child.wait();
        let read = |path: &Path| {
            String::from_utf8_lossy(&std::fs::read(path).expect("written above")).into_owned()
        };
        let (dom, log) = (read(&dom), read(&log));
        assert!(
            ended && dom.contains("</html>"),
            "chromium showed no page at {url}: {log}"
        );
        let console = log
            .lines()
            .filter(|line| line.contains(":CONSOLE"))
            .map(str::to_owned)
            .collect();
        Self { dom, console }
    }

    /// The text of the element with this id, up to its first child.
    #[track_caller]
    pub(super) fn text(&self, id: &str) -> &str {
        let element = self.element(id);
        let text = element.split_once('>').expect("a tag ends").1;
        text.split('<').next().unwrap_or_default().trim()
    }

    /// An attribute of the element with this id; nothing at all where it has none.
    #[track_caller]
    pub(super) fn attribute(&self, id: &str, name: &str) -> &str {
        let tag = self.element(id).split('>').next().unwrap_or_default();
        let value = tag
            .split_once(&format!(" {name}=\""))
            .map_or("", |(_, rest)| rest);
        value.split('"').next().unwrap_or_default()
    }

    /// The whole page, as it stands at the end.
    pub(super) fn dom(&self) -> &str {
        &self.dom
    }

    #[track_caller]
    fn element(&self, id: &str) -> &str {
        let mark = format!(" id=\"{id}\"");
        let start = self
            .dom
            .find(&mark)
            .unwrap_or_else(|| panic!("the page has no #{id}: {}", self.dom));
        &self.dom[start..]
    }
}
