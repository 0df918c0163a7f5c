//! A long list is whole, and the page draws only the rows of it that are seen: what a scroll costs
//! does not depend on how many states there are.

use super::visitor::Visitor;
use crate::harness::{Client, Server, lineage, state_path, tfstate};

const STATES: u64 = 10_000;

/// More rows than this are never drawn at once.
const MOST_ROWS: u64 = 100;

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
    let told = visitor.run_until_done(SCROLL);
    assert!(told["height"].as_u64() > Some(STATES), "{told}");
    assert!(told["most"].as_u64() < Some(MOST_ROWS), "{told}");
    let last = told["last"].as_str().expect("a text");
    assert!(
        last.contains("state-09999"),
        "the end can be reached: {last}"
    );
    visitor.was_quiet();
}
