//! What states are made of: the inventory of all of them, and a resource between its neighbours.

use serde_json::{Value, json};

use super::story::{self, STATE, body, machine, view};
use super::visitor::Visitor;
use crate::harness::{Client, Server, eventually};

fn counts(key: &Client) -> Value {
    let answer = key.get("/api/inventory").expect_status(200).json();
    answer["sums"].clone()
}

/// Waits until the index has all states.
fn index_follows(key: &Client) {
    eventually("the index follows", || counts(key)["not_counted"] == 0);
}

#[test]
fn the_inventory_adds_up_what_the_states_are_made_of() {
    let server = Server::start();
    story::tell(&server);
    let many: Vec<_> = (0..40)
        .map(|number| {
            let mut one = machine("many", "small");
            one["type"] = format!("cloud_kind_{number:02}").into();
            one
        })
        .collect();
    let large = body(1, &many).replace("1.11.4", "1.5.7");
    let others = server.key("others", "writer");
    others.write("others/app", large, None).expect_status(200);
    let admin = server.admin();
    index_follows(&admin);
    let Some(visitor) = Visitor::signed_in(&server, &admin) else {
        return;
    };
    visitor.open("/#/inventory");
    visitor.sees("2 states counted.");
    let sums = counts(&admin);
    assert_eq!(sums["terraform_versions"], json!({"1.11.4": 1, "1.5.7": 1}));
    for told in ["1.5.7", "registry.example/acme/cloud", "cloud_machine"] {
        visitor.sees(told);
    }
    visitor.sees("All 41");
    assert!(!visitor.text().contains("cloud_kind_39"));
    visitor.inspect("inventory");
    visitor.click("button", "All 41 of Types");
    visitor.sees("cloud_kind_39");
    visitor.click("link", "cloud_machine");
    visitor.sees("2 found in 1 state.");
    assert_eq!(visitor.path(), "/#/find?q=cloud_machine&kind=resource");

    visitor.open("/#/inventory?workspace=team");
    visitor.sees("1 state counted.");
    assert!(!visitor.text().contains("1.5.7"));
    visitor.was_quiet();
}

#[test]
#[ignore = "middle tier: the server counts, as its own tests show"]
fn keys_count_their_own_states_alone() {
    let server = Server::start();
    story::tell(&server);
    index_follows(&server.admin());
    let Some(visitor) = Visitor::signed_in(&server, &server.key("others", "auditor")) else {
        return;
    };
    visitor.open("/#/inventory");
    visitor.sees("0 states counted.");
    visitor.click("button", "Sign out");
    visitor.is_soon_offered("button", "Sign in");
    visitor.sign_in(&server.key("team", "outputs"));
    visitor.open("/#/inventory?again");
    visitor.sees("Your key may not see the inventory: it lacks TFSTATE_INSPECT.");
    visitor.was_quiet();
}

/// A machine that depends on others.
fn above(name: &str, others: &[&str]) -> Value {
    let mut one = machine(name, "small");
    let addresses: Vec<_> = others
        .iter()
        .map(|other| format!("cloud_machine.{other}"))
        .collect();
    one["instances"][0]["dependencies"] = addresses.into();
    one
}

/// The names in the picture by the columns in which they stand, from left to right.
const COLUMNS: &str = r#"
const columns = new Map();
for (const node of document.querySelectorAll("svg.graph .node")) {
  const x = Number(node.querySelector("rect").getAttribute("x"));
  columns.set(x, [...(columns.get(x) ?? []), node.querySelector("text:last-child").textContent]);
}
return [...columns].sort(([one], [other]) => one - other).map(([, names]) => names.sort());
"#;

#[test]
fn a_resource_is_drawn_between_its_neighbours_in_one_step_or_two() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let chain = [
        above("root", &[]),
        above("net", &["root"]),
        above("disk", &[]),
        above("app", &["net", "disk"]),
        above("name", &["app"]),
        above("site", &["name"]),
    ];
    writer
        .write(STATE, body(1, &chain), None)
        .expect_status(200);
    let Some(visitor) = Visitor::signed_in(&server, &server.admin()) else {
        return;
    };
    visitor.open(&view("/resources/1/cloud_machine.app"));
    visitor.sees("Depends on 2");
    let drawn = || visitor.run(COLUMNS);
    assert_eq!(drawn(), json!([["name"], ["app"], ["disk", "net"]]));
    visitor.inspect("graph");
    visitor.click("field", "Two steps in the picture");
    visitor.until("two steps are drawn", || {
        drawn() == json!([["site"], ["name"], ["app"], ["disk", "net"], ["root"]])
    });
    visitor.inspect("graph-two-steps");
    visitor.click("link", "cloud_machine.net");
    visitor.sees("Needed by 1");
    visitor.until("it is drawn anew", || {
        drawn() == json!([["app"], ["net"], ["root"]])
    });
    visitor.was_quiet();
}

#[test]
#[ignore = "middle tier: a resource with few is drawn"]
fn what_has_too_many_neighbours_is_listed_and_not_drawn() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    let mut all = vec![above("root", &[]), above("alone", &[])];
    for number in 0..13 {
        all.push(above(&format!("leaf{number:02}"), &["root"]));
    }
    writer.write(STATE, body(1, &all), None).expect_status(200);
    let Some(visitor) = Visitor::signed_in(&server, &server.admin()) else {
        return;
    };
    visitor.open(&view("/resources/1/cloud_machine.root"));
    visitor.sees("Needed by 13");
    assert_eq!(visitor.run(COLUMNS), json!([]));
    visitor.open(&view("/resources/1/cloud_machine.alone"));
    visitor.sees("Nothing needs it.");
    assert_eq!(visitor.run(COLUMNS), json!([]));
    visitor.open(&view("/resources/1/cloud_machine.leaf00"));
    visitor.sees("Depends on 1");
    assert_eq!(visitor.run(COLUMNS), json!([["leaf00"], ["root"]]));
    visitor.was_quiet();
}

/// The charts in the rows of the list, and the days that have a bar in that of all states.
const CHARTS: &str = r#"
const named = (svg) => svg.getAttribute("aria-label");
const bars = document.querySelector(".total svg.writes path").getAttribute("d");
return [[...document.querySelectorAll(".rows svg.writes")].map(named), bars.match(/M\d+/g)];
"#;

#[test]
fn the_writes_of_the_last_weeks_are_drawn_of_all_states_and_of_one() {
    let server = Server::start();
    story::tell(&server);
    let others = server.key("others", "writer");
    for serial in 1..=2 {
        let state = body(serial, &[]);
        others.write("others/app", state, None).expect_status(200);
    }
    let Some(visitor) = Visitor::signed_in(&server, &server.admin()) else {
        return;
    };
    visitor.open("/#/states");
    visitor.sees("7 writes in the last 6 weeks");
    visitor.until("each row has its chart", || {
        let charts = visitor.run(CHARTS);
        let rows = json!([
            "2 writes in the last 6 weeks",
            "5 writes in the last 6 weeks"
        ]);
        // Today is the last of 42 days, each three units wide.
        charts == json!([rows, ["M123"]])
    });
    visitor.inspect("writes");
    visitor.open(&view(""));
    visitor.sees("5 writes in the last 6 weeks");
    visitor.was_quiet();
}
