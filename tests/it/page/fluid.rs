//! A long list is whole, and the page draws only the rows of it that are seen: what a scroll costs
//! does not depend on how many states there are. The same of a long history, and of a large state.

use serde_json::json;

use super::story::{STATE, body, machine, view};
use super::visitor::Visitor;
use crate::harness::{Client, Server, lineage, state_path, tfstate};

const STATES: u64 = 10_000;
const VERSIONS: u64 = 5_000;

/// More rows than this are never drawn at once.
const MOST_ROWS: u64 = 100;

/// Notes the longest task of the page from now on, in milliseconds. It is told and not judged: what
/// else the machine does makes tasks longer too.
const NOTE_LONGEST: &str = r#"
window.longest = 0;
new PerformanceObserver((list) => {
  const times = list.getEntries().map((entry) => entry.duration);
  window.longest = Math.max(window.longest, ...times);
}).observe({ type: "longtask" });
"#;

/// Turns the wheel by one notch in each of eighty frames, and then goes to the end. Gives the most
/// rows that were there at once, the height of the list, and the text of the last row.
const SCROLL: &str = r#"
const done = arguments[arguments.length - 1];
const isLong = (element) => element.scrollHeight > element.clientHeight + 100;
const scrolls = (element) => ["auto", "scroll"].includes(getComputedStyle(element).overflowY);
const inner = [...document.querySelectorAll("main *")].find((one) => scrolls(one) && isLong(one));
const list = inner ?? document.scrollingElement;
const NOTCH = 100;
const STEPS = 80;
let step = 0;
let most = 0;
const rows = () => [...document.querySelectorAll("main [role=row]")];
const next = () => {
  step += 1;
  list.scrollTop = step < STEPS ? step * NOTCH : list.scrollHeight;
  most = Math.max(most, rows().length);
  if (step < STEPS) requestAnimationFrame(next);
  else setTimeout(() => done({
    most, height: list.scrollHeight, last: rows().at(-1).textContent,
  }), 500);
};
requestAnimationFrame(next);
"#;

fn tell_longest(what: &str, visitor: &Visitor) {
    let longest = visitor.run("return window.longest");
    eprintln!("{what}: the longest task took {longest} ms");
}

fn write_many(client: &Client, first: u64, count: u64) {
    for number in first..first + count {
        let name = format!("team/state-{number:05}");
        let body = tfstate(&lineage(number), 1);
        client
            .send("POST", &state_path(&name), body)
            .expect_status(200);
    }
}

#[test]
#[ignore = "middle tier: writes ten thousand states"]
fn ten_thousand_states_are_a_whole_list_of_few_rows() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    std::thread::scope(|scope| {
        for part in 0..8 {
            let writer = &writer;
            scope.spawn(move || write_many(writer, part * STATES / 8, STATES / 8));
        }
    });
    let Some(visitor) = Visitor::signed_in(&server, &server.admin()) else {
        return;
    };
    visitor.open("/#/states");
    visitor.sees("10,000");
    visitor.run(NOTE_LONGEST);
    let told = visitor.run_until_done(SCROLL);
    tell_longest("10,000 states", &visitor);
    assert!(told["height"].as_u64() > Some(STATES), "{told}");
    assert!(told["most"].as_u64() < Some(MOST_ROWS), "{told}");
    let last = told["last"].as_str().expect("a text");
    assert!(
        last.contains("state-09999"),
        "the end can be reached: {last}"
    );
    visitor.was_quiet();
}

/// Turns the wheel through the whole page, a notch in each frame. Gives how many lines are drawn at
/// most (lines far away are skipped by the browser), and how many elements there are.
const SCROLL_LINES: &str = r#"
const done = arguments[arguments.length - 1];
const page = document.scrollingElement;
let [most, step] = [0, 0];
const isDrawn = (line) => line.firstElementChild.checkVisibility({ contentVisibilityAuto: true });
const next = () => {
  step += 1;
  page.scrollTop += 200;
  if (step % 10 === 0) {
    most = Math.max(most, [...document.querySelectorAll(".history > li")].filter(isDrawn).length);
  }
  if (step < 120) requestAnimationFrame(next);
  else setTimeout(() => done({
    most, elements: document.querySelectorAll("*").length, at: page.scrollTop,
  }), 500);
};
requestAnimationFrame(next);
"#;

#[test]
#[ignore = "middle tier: writes five thousand versions"]
fn five_thousand_versions_come_page_by_page_and_few_lines_are_drawn() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    for serial in 1..=VERSIONS {
        let state = tfstate(&lineage(1), serial);
        writer.write(STATE, state, None).expect_status(200);
    }
    let Some(visitor) = Visitor::signed_in(&server, &server.admin()) else {
        return;
    };
    visitor.open(&view(""));
    visitor.sees("1,000 writes or more in the last 6 weeks");
    for page in 2..=10 {
        visitor.click("button", "Older versions");
        let last = VERSIONS - 50 * page + 1;
        visitor.is_soon_offered("link", &format!("Changes of version {last}"));
    }
    visitor.run(NOTE_LONGEST);
    let told = visitor.run_until_done(SCROLL_LINES);
    tell_longest("500 of 5,000 versions", &visitor);
    assert!(
        told["at"].as_u64() > Some(10_000),
        "it was scrolled: {told}"
    );
    assert!(told["most"].as_u64() < Some(MOST_ROWS), "{told}");
    assert!(told["most"].as_u64() > Some(0), "{told}");
    assert!(told["elements"].as_u64() < Some(20_000), "{told}");
    visitor.was_quiet();
}

/// How many resources are drawn, and how many elements there are.
const DRAWN: &str = r#"
return [document.querySelectorAll(".type li").length, document.querySelectorAll("*").length];
"#;

/// A state of 20 MB: instances of one resource.
fn large_state() -> String {
    let note = "x".repeat(900);
    let instances: Vec<_> = (0..20_000)
        .map(|index| {
            json!({
                "index_key": index, "schema_version": 0, "sensitive_attributes": [],
                "attributes": {"id": format!("vm-{index}"), "note": note}
            })
        })
        .collect();
    let mut one = machine("many", "small");
    one["instances"] = instances.into();
    body(1, &[one])
}

#[test]
#[ignore = "middle tier: a state of 20 MB"]
fn a_large_state_is_drawn_as_far_as_it_is_opened() {
    let server = Server::start();
    let state = large_state();
    assert!(state.len() > 20_000_000, "{} bytes", state.len());
    let writer = server.key("team", "writer");
    writer.write(STATE, state, None).expect_status(200);
    let Some(visitor) = Visitor::signed_in(&server, &server.admin()) else {
        return;
    };
    visitor.open(&view("/resources"));
    visitor.sees("500 resources of version 1, and more.");
    visitor.run(NOTE_LONGEST);
    let drawn = || visitor.run(DRAWN);
    assert_eq!(drawn()[0], 0, "what is folded is not drawn");
    visitor.click("button", "cloud_machine");
    visitor.until("a part is drawn", || drawn()[0] == 200);
    visitor.click("button", "200 more of cloud_machine");
    visitor.until("the next part is drawn", || drawn()[0] == 400);
    for count in ["1,000", "1,500", "2,000"] {
        visitor.click("button", "More resources");
        visitor.sees(&format!("{count} resources of version 1, and more."));
    }
    assert_eq!(drawn()[0], 400, "no more is drawn than was opened");
    tell_longest("2,000 resources of a state of 20 MB", &visitor);
    assert!(drawn()[1].as_u64() < Some(4_000), "{}", drawn());
    // WebDriver would put it below the header.
    visitor.run("scrollTo(0, 0)");
    visitor.click("link", "cloud_machine.many[0]");
    visitor.sees("vm-0");
    visitor.was_quiet();
}
