//! Every view that is not one state's, on a server that has something to show: nothing that
//! axe-core finds wrong, in light and dark, and nothing wider than a narrow window. The pictures of
//! the README are of this server.

use serde_json::{Value, json};

use super::story;
use super::visitor::Visitor;
use crate::harness::{Server, eventually, state_path};
use crate::trusts::issuer::any_trust;

const WORKSPACES: [&str; 3] = ["payments", "platform", "web"];
const BLOCKS: [(&str, usize); 6] = [
    ("cdn", 11),
    ("cluster", 56),
    ("database", 116),
    ("dns", 12),
    ("iam", 16),
    ("network", 120),
];

/// So many machines.
fn machines(count: usize) -> Vec<Value> {
    let name = |number| format!("node-{number:03}");
    (0..count)
        .map(|number| story::machine(&name(number), "small"))
        .collect()
}

/// A server with states of three teams: one state is locked, one frozen, of one a lock was broken.
fn with_something_to_show() -> Server {
    let server = Server::start();
    let admin = server.admin();
    for (at, workspace) in WORKSPACES.into_iter().enumerate() {
        let key = server.key(workspace, "owner");
        for (block, count) in BLOCKS {
            let name = format!("{workspace}/{block}");
            let state = story::body(1, &machines(count + 7 * at));
            key.write(&name, state, None).expect_status(200);
        }
        let trust = any_trust(&server, &format!("pipelines of {workspace}"));
        admin.post_json("/api/trusts", &trust).expect_status(201);
    }
    admin.lock("payments/network", "3f1c").expect_status(200);
    admin.lock("web/dns", "9a02").expect_status(200);
    let owner = server.key("web", "owner");
    owner
        .send("UNLOCK", &state_path("web/dns"), "")
        .expect_status(200);
    let freeze = format!("{}/freeze", state_path("platform/iam"));
    let reason = json!({ "reason": "audit until Monday" });
    admin.post_json(&freeze, &reason).expect_status(200);
    eventually("the index follows", || {
        let answer = admin.get("/api/inventory").expect_status(200).json();
        answer["sums"]["not_counted"] == 0
    });
    server
}

#[test]
fn every_view_can_be_looked_at_by_everybody() {
    let server = with_something_to_show();
    let Some(visitor) = Visitor::at(&server) else {
        return;
    };
    visitor.open("/");
    visitor.sees("States can be read and written.");
    visitor.inspect("front");
    visitor.sign_in(&server.admin());
    for (path, name, says) in [
        ("/#/", "home", "platform/iam is frozen: audit until Monday"),
        ("/#/states", "states", "18 of 18 states"),
        ("/#/find?q=node-119", "found", "5 found in 5 states."),
        ("/#/inventory", "counted", "18 states counted."),
        ("/#/keys", "keys", "5 keys"),
        ("/#/trusts", "all-trusts", "3 trusts"),
        ("/#/events", "events", "State frozen"),
    ] {
        visitor.open(path);
        visitor.sees(says);
        visitor.inspect(name);
        visitor.inspect_tips(name);
    }
}
