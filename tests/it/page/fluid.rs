//! Long lists stay fluid: while a person scrolls, no task keeps the page from answering for more
//! than 100 ms. Tasks are counted by the browser itself.

use serde_json::Value;

use super::visitor::Visitor;
use crate::harness::{Client, Server, lineage, state_path, tfstate};

/// The longest task while scrolling, in milliseconds.
const LONGEST_MS: u64 = 100;

const STATES: u64 = 10_000;

/// More rows than this are never drawn at once.
const MOST_ROWS: u64 = 100;

/// Other work on the machine lengthens a task now and then: one of so many tries is without.
const TRIES: usize = 5;

/// Turns the wheel by one notch in each of eighty frames. Gives the long tasks, and the most rows
/// that were there at once.
const SCROLL: &str = r#"
const done = arguments[arguments.length - 1];
const tasks = [];
const observer = new PerformanceObserver((list) => {
  tasks.push(...list.getEntries().map((entry) => Math.round(entry.duration)));
});
observer.observe({ type: "longtask" });
const isLong = (element) => element.scrollHeight > element.clientHeight + 100;
const scrolls = (element) => ["auto", "scroll"].includes(getComputedStyle(element).overflowY);
const inner = [...document.querySelectorAll("main *")].find((one) => scrolls(one) && isLong(one));
const list = inner ?? document.scrollingElement;
const NOTCH = 100;
let step = 0;
let rows = 0;
const next = () => {
  step += 1;
  list.scrollTop = step * NOTCH;
  rows = Math.max(rows, document.querySelectorAll("main [role=row]").length);
  if (step < 80) requestAnimationFrame(next);
  else setTimeout(() => done({ tasks, rows, height: list.scrollHeight }), 500);
};
requestAnimationFrame(next);
"#;

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
fn ten_thousand_states_scroll_without_a_long_task() {
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
    let tries: Vec<Value> = (0..TRIES).map(|_| visitor.run_until_done(SCROLL)).collect();
    let is_fluid = |told: &Value| {
        let tasks = told["tasks"].as_array().expect("a list");
        tasks.iter().all(|task| task.as_u64() <= Some(LONGEST_MS))
    };
    assert!(tries.iter().any(is_fluid), "{tries:?}");
    let (height, rows) = (&tries[0]["height"], &tries[0]["rows"]);
    assert!(
        height.as_u64() > Some(STATES),
        "the list is whole: {height}"
    );
    assert!(rows.as_u64() < Some(MOST_ROWS), "only what is seen: {rows}");
    visitor.was_quiet();
}

/// A control: the browser does tell of a long task.
#[test]
#[ignore = "middle tier: starts a browser for a control"]
fn a_long_task_is_noticed() {
    let server = Server::start();
    let Some(visitor) = Visitor::at(&server) else {
        return;
    };
    visitor.open("/");
    let busy = "requestAnimationFrame(() => { const end = performance.now() + 300; \
        while (performance.now() < end); });";
    let told = visitor.run_until_done(&format!("{busy}{SCROLL}"));
    let tasks = told["tasks"].as_array().expect("a list");
    assert_ne!(*tasks, Vec::<Value>::new(), "{told}");
}
