//! Someone who looks at the page: reads, clicks and types as a person does, by the names that a
//! person sees or a screen reader says.
//!
//! Every visitor sees to it that the page stays quiet: nothing on the console but refusals that the
//! test has announced, no report of the policy, no request to another host. [`Visitor::inspect`]
//! looks at a whole view: axe-core finds nothing in light and dark, nothing has to be scrolled
//! sideways, and pictures of it are written if they are asked for.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use serde_json::{Value, json};

use super::driver::Driver;
use crate::harness::{Client, Server, eventually};

/// The name of an element, as a screen reader says it.
const NAME_OF: &str = r#"
const named = (id) => document.getElementById(id)?.textContent ?? "";
const nameOf = (element) => (
  element.getAttribute("aria-label")
  ?? element.getAttribute("aria-labelledby")?.split(" ").map(named).join(" ")
  ?? (element.labels?.length ? [...element.labels].map((one) => one.textContent).join(" ") : null)
  ?? element.textContent
).replace(/\s+/g, " ").trim();
"#;

/// Finds what a person would point at: the visible element of this role with this name, or whose
/// name begins with it.
const FIND: &str = r#"
const [role, name] = arguments;
const selectors = {
  button: "button, [role=button], summary, [role=tab]",
  link: "a[href]",
  field: "input, select, textarea",
  heading: "h1, h2, h3, h4",
};
const isSeen = (element) => element.checkVisibility({ checkVisibilityCSS: true });
const seen = [...document.querySelectorAll(selectors[role])].filter(isSeen);
return seen.find((element) => nameOf(element) === name)
  ?? seen.find((element) => nameOf(element).startsWith(name)) ?? null;
"#;

/// The name of what has the focus, and whether one sees that it has.
const FOCUSED: &str = r#"
const element = document.activeElement;
const style = getComputedStyle(element);
const isMarked = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
return [nameOf(element), isMarked || element === document.body];
"#;

/// A page has fewer places for the focus than this.
const MOST_TABS: usize = 200;

/// Runs axe-core over the document as it stands: all rules, or those with these tags.
const AXE: &str = r#"
const [tags, done] = arguments;
const where = ({ html, failureSummary }) => `${html} ${failureSummary}`;
const told = ({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(where).join(" | ")}`;
const runOnly = tags.length > 0 ? { runOnly: tags } : {};
axe.run(document, { resultTypes: ["violations"], ...runOnly }).then(
  ({ violations }) => done(violations.map(told)),
  (error) => done([String(error)]),
);
"#;

/// What lies beyond the right edge of a narrow window.
const TOO_WIDE: &str = r#"
const width = document.documentElement.clientWidth;
if (document.scrollingElement.scrollWidth <= width) return [];
const isBeyond = (element) => element.getBoundingClientRect().right > width + 1;
const beyond = [...document.body.querySelectorAll("*")].filter(isBeyond);
return beyond.slice(0, 5).map((element) => element.outerHTML.slice(0, 200));
"#;

/// WebDriver's name for the key.
const TAB: &str = "\u{e004}";

/// Points at moments, some of all there are, one after the other: what lies beyond the window of
/// what is told of each. A window that is open above them leaves none to point at.
const TIPS_BEYOND: &str = r#"
const [done] = arguments;
const isSeen = (moment) => moment.checkVisibility({ checkVisibilityCSS: true });
const beyond = [];
const aFrame = () => new Promise((shown) => requestAnimationFrame(() => setTimeout(shown)));
const pointAt = async (moment) => {
  moment.focus();
  if (document.activeElement !== moment) return;
  await aFrame();
  const box = moment.querySelector(".tip")?.getBoundingClientRect();
  const width = document.documentElement.clientWidth;
  const isInside = box && box.width > 0 && box.left >= 0 && box.right <= width;
  if (!isInside) beyond.push(`${moment.outerHTML} ${JSON.stringify(box)}`);
};
const pointAtAll = async () => {
  // A window that has another width now is drawn anew.
  await aFrame();
  await aFrame();
  const all = [...document.querySelectorAll(".timed")].filter(isSeen);
  const some = all.filter((_, at) => at % Math.ceil(all.length / 12) === 0);
  for (const moment of some) await pointAt(moment);
  document.activeElement.blur();
};
pointAtAll().then(() => done(beyond), (error) => done([String(error)]));
"#;

/// A person with a browser at one server.
pub(super) struct Visitor {
    driver: Driver,
    url: String,
    /// Statuses of answers that the test brings about on purpose: a browser writes each to its
    /// console as an error.
    announced: RefCell<Vec<u16>>,
}

impl Visitor {
    /// Someone who has not opened anything yet; `None` where there is no browser.
    pub(super) fn at(server: &Server) -> Option<Self> {
        Self::at_url(server.url())
    }

    /// The same at the address of a page.
    pub(super) fn at_url(url: &str) -> Option<Self> {
        Some(Self {
            driver: Driver::start()?,
            url: url.trim_end_matches('/').to_owned(),
            announced: RefCell::default(),
        })
    }

    /// Someone who has opened the page and signed in with this key.
    pub(super) fn signed_in(server: &Server, key: &Client) -> Option<Self> {
        let visitor = Self::at(server)?;
        visitor.open("/");
        visitor.sign_in(key);
        Some(visitor)
    }

    /// Fills in the form of someone who is not signed in yet.
    #[track_caller]
    pub(super) fn sign_in(&self, key: &Client) {
        self.fill("Secret of an API key", key.secret());
        self.click("button", "Sign in");
        self.is_soon_offered("button", "Sign out");
    }

    /// Opens a path of the server, its fragment included.
    pub(super) fn open(&self, path: &str) {
        self.driver.open(&format!("{}{path}", self.url));
    }

    /// Says that answers with this status are meant to come.
    pub(super) fn announce(&self, status: u16) {
        self.announced.borrow_mut().push(status);
    }

    #[track_caller]
    pub(super) fn click(&self, role: &str, name: &str) {
        self.act(role, name, |element| self.driver.click(element));
    }

    /// Types into the field with this label.
    #[track_caller]
    pub(super) fn fill(&self, label: &str, text: &str) {
        self.act("field", label, |element| {
            self.driver.type_into(element, text)
        });
    }

    /// What stands on the page for a person to read.
    pub(super) fn text(&self) -> String {
        let text = self.driver.run("return document.body.innerText", &[]);
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the page says this.
    #[track_caller]
    pub(super) fn sees(&self, words: &str) {
        let mut text = String::new();
        self.until(&format!("the page says `{words}`"), || {
            text = self.text();
            text.contains(words)
        });
    }

    /// Whether a person is offered this.
    pub(super) fn is_offered(&self, role: &str, name: &str) -> bool {
        !self.find(role, name).is_null()
    }

    /// Waits until a person is offered this.
    #[track_caller]
    pub(super) fn is_soon_offered(&self, role: &str, name: &str) {
        self.until(&format!("{role} `{name}` is offered"), || {
            self.is_offered(role, name)
        });
    }

    /// The address bar behind the server's own address.
    pub(super) fn path(&self) -> String {
        let location = self.driver.run("return location.href", &[]);
        let location = location.as_str().unwrap_or_default();
        location
            .strip_prefix(&self.url)
            .unwrap_or(location)
            .to_owned()
    }

    pub(super) fn press(&self, key: &str) {
        self.driver.press(key);
    }

    /// Types into whatever has the focus.
    pub(super) fn type_text(&self, text: &str) {
        for letter in text.chars() {
            self.press(&letter.to_string());
        }
    }

    /// The name of what has the focus.
    pub(super) fn focused(&self) -> String {
        self.focus().0
    }

    /// Presses Tab until the element with this name has the focus. On its way the focus is never
    /// unseen.
    #[track_caller]
    pub(super) fn tab_to(&self, name: &str) {
        for _ in 0..MOST_TABS {
            self.press(TAB);
            let (focused, is_seen) = self.focus();
            assert!(is_seen, "nothing shows that `{focused}` has the focus");
            if focused == name {
                return;
            }
        }
        panic!("no Tab leads to `{name}`: {}", self.text());
    }

    fn focus(&self) -> (String, bool) {
        let focus = self.driver.run(&format!("{NAME_OF}{FOCUSED}"), &[]);
        let name = focus[0].as_str().unwrap_or_default().to_owned();
        (name, focus[1] == true)
    }

    pub(super) fn run(&self, body: &str) -> Value {
        self.driver.run(body, &[])
    }

    pub(super) fn run_until_done(&self, body: &str) -> Value {
        self.driver.run_until_done(body, &[])
    }

    /// Waits until something is so, and shows the page if it never is.
    #[track_caller]
    pub(super) fn until(&self, what: &str, mut condition: impl FnMut() -> bool) {
        let mut tries = 0_u32;
        eventually(what, || {
            tries += 1;
            // Ten seconds in, whoever reads the output learns what the page says instead.
            if tries == 500 {
                eprintln!(
                    "--- still waiting: {what}; the page says ---\n{}",
                    self.text()
                );
            }
            condition()
        });
    }

    #[track_caller]
    fn act(&self, role: &str, name: &str, act: impl Fn(&Value) -> Result<(), String>) {
        // A page that draws itself anew may take an element away between a look and a click.
        self.until(&format!("{role} `{name}` can be used"), || {
            let element = self.find(role, name);
            !element.is_null() && act(&element).is_ok()
        });
    }

    fn find(&self, role: &str, name: &str) -> Value {
        let find = format!("{NAME_OF}{FIND}");
        self.driver.run(&find, &[json!(role), json!(name)])
    }
}

/// What the browser noticed.
impl Visitor {
    /// Nothing was on the console that the test has not announced, and the browser has asked
    /// nobody but the server.
    #[track_caller]
    pub(super) fn was_quiet(&self) {
        assert_eq!(self.complaints(), Vec::<String>::new());
    }

    /// What the console says that was not announced, and what the browser has asked of others,
    /// since it was asked last.
    pub(super) fn complaints(&self) -> Vec<String> {
        let announced = self.announced.borrow();
        let is_announced = |entry: &Value| {
            let message = entry["message"].as_str().unwrap_or_default();
            let status = |status: &u16| message.contains(&format!("status of {status} "));
            entry["source"] == "network" && announced.iter().any(status)
        };
        let mut console = self.driver.log("browser");
        console.retain(|entry| !is_announced(entry));
        let asked = self.driver.log("performance");
        let elsewhere = asked
            .iter()
            .filter_map(requested)
            .filter(|url| !self.is_own(url))
            .map(|url| format!("a request to {url}"));
        console
            .iter()
            .map(Value::to_string)
            .chain(elsewhere)
            .collect()
    }

    /// Whether a request went to no host, or to the server.
    fn is_own(&self, url: &str) -> bool {
        let has_host = ["http", "ws", "ftp"]
            .iter()
            .any(|scheme| url.starts_with(scheme));
        !has_host || url.starts_with(&format!("{}/", self.url))
    }

    /// A view as it stands now: quiet, accessible in light and dark, never wider than a narrow
    /// window; with pictures of it at 1280 and 360 pixels if `STATEKEEP_PICTURES` is set.
    #[track_caller]
    pub(super) fn inspect(&self, view: &str) {
        self.was_quiet();
        assert_eq!(self.too_wide(), Vec::<String>::new(), "{view}");
        // Dark differs from light in its colours alone.
        for (scheme, rules) in [("light", &[][..]), ("dark", &["cat.color"])] {
            let feature = json!({"name": "prefers-color-scheme", "value": scheme});
            let media = json!({ "features": [feature] });
            self.driver.devtools("Emulation.setEmulatedMedia", &media);
            assert_eq!(self.axe_by(rules), Vec::<String>::new(), "{view}, {scheme}");
            self.pictures(view, scheme);
        }
        self.driver
            .devtools("Emulation.setEmulatedMedia", &json!({"features": []}));
    }

    fn pictures(&self, view: &str, scheme: &str) {
        if std::env::var_os("STATEKEEP_PICTURES").is_none() {
            return;
        }
        for width in [1280, 360] {
            self.narrow(width);
            self.picture(&format!("{view}-{width}-{scheme}"));
        }
        self.driver
            .devtools("Emulation.clearDeviceMetricsOverride", &json!({}));
    }

    fn narrow(&self, width: u32) {
        let metrics =
            json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
        self.driver
            .devtools("Emulation.setDeviceMetricsOverride", &metrics);
    }

    /// What is wider than a window of 320 pixels.
    pub(super) fn too_wide(&self) -> Vec<String> {
        self.narrow(320);
        let found = self.driver.run(TOO_WIDE, &[]);
        self.driver
            .devtools("Emulation.clearDeviceMetricsOverride", &json!({}));
        texts(&found)
    }

    /// What is told of a moment lies in the window, narrow or not.
    #[track_caller]
    pub(super) fn inspect_tips(&self, view: &str) {
        for width in [320, 720] {
            self.narrow(width);
            let beyond = texts(&self.run_until_done(TIPS_BEYOND));
            assert_eq!(beyond, Vec::<String>::new(), "{view} at {width}");
        }
        self.driver
            .devtools("Emulation.clearDeviceMetricsOverride", &json!({}));
    }

    /// What axe-core finds wrong.
    pub(super) fn axe(&self) -> Vec<String> {
        self.axe_by(&[])
    }

    fn axe_by(&self, tags: &[&str]) -> Vec<String> {
        if self.driver.run("return typeof axe", &[]) == "undefined" {
            self.driver.run(include_str!("axe/axe.min.js"), &[]);
        }
        texts(&self.driver.run_until_done(AXE, &[json!(tags)]))
    }

    fn picture(&self, name: &str) {
        let parameters = json!({"format": "png", "captureBeyondViewport": true});
        let shot = self.driver.devtools("Page.captureScreenshot", &parameters);
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(shot["data"].as_str().expect("a picture"))
            .expect("base64");
        std::fs::create_dir_all(pictures()).expect("a directory");
        std::fs::write(pictures().join(format!("{name}.png")), bytes).expect("written");
    }
}

fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().expect("a list").iter();
    list.map(|one| one.as_str().unwrap_or_default().to_owned())
        .collect()
}

/// Where the pictures of all views are.
fn pictures() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("page")
}

/// The address of a request, if an entry of the performance log tells of one.
fn requested(entry: &Value) -> Option<String> {
    let message: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
    let message = &message["message"];
    let is_request = message["method"] == "Network.requestWillBeSent";
    let url = message["params"]["request"]["url"].as_str()?;
    is_request.then(|| url.to_owned())
}
