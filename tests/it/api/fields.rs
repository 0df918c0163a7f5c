//! `fields=`: the rows of a list have the members that were asked for, and no others.

use serde_json::{Value, json};

use crate::harness::{Client, Server, eventually, state_path, tfstate};

const L1: &str = "11111111-1111-4111-8111-111111111111";

fn filled() -> (Server, Client) {
    let server = Server::start();
    let admin = server.admin();
    for serial in 1..=2 {
        admin
            .write("team/net", tfstate(L1, serial), None)
            .expect_status(200);
    }
    admin.lock("team/net", "l").expect_status(200);
    // Kept as a rejected version.
    admin
        .write("team/net", tfstate(L1, 3), Some("other"))
        .expect_status(423);
    (server, admin)
}

/// The lists that take it, each with the name of its rows.
fn lists() -> [(String, &'static str); 4] {
    [
        ("/api/terraform/state?deleted=true".to_owned(), "states"),
        (
            format!("{}/versions?limit=10", state_path("team/net")),
            "versions",
        ),
        ("/api/events?limit=10".to_owned(), "events"),
        ("/api/keys?limit=10".to_owned(), "keys"),
    ]
}

fn rows(admin: &Client, path: &str, name: &str) -> Vec<Value> {
    let answer = admin.get(path).expect_status(200).json();
    answer[name].as_array().expect("rows").clone()
}

#[test]
fn rows_have_the_members_that_were_asked_for() {
    let (_server, admin) = filled();
    let asked = |fields: &str| {
        let path = format!("/api/terraform/state?fields={fields}");
        rows(&admin, &path, "states")
    };
    assert_eq!(
        asked("workspace,versions"),
        [json!({ "workspace": "team", "versions": 3 })]
    );
    assert_eq!(
        asked("current.number,lock.locked_at,buildingBlock,lock.key")[0]["current"],
        json!({ "number": 2 })
    );
    let path = format!(
        "{}/versions?fields=number,created_by.name",
        state_path("team/net")
    );
    assert_eq!(
        rows(&admin, &path, "versions")[1],
        json!({ "number": 2, "created_by": { "name": "admin" } })
    );
    let path = format!("{}/versions?fields=number&limit=1", state_path("team/net"));
    let page = admin.get(&path).expect_status(200).json();
    assert_eq!(
        page["next"], 3,
        "a list goes on whatever is asked for: {page}"
    );
}

/// Every member that a row has can be asked for, alone, and gives the same as without.
#[test]
fn each_member_of_a_row_can_be_asked_for() {
    let (_server, admin) = filled();
    for (path, name) in lists() {
        let whole = rows(&admin, &path, name);
        let names = |row: &Value| {
            row.as_object()
                .expect("a row")
                .keys()
                .cloned()
                .collect::<Vec<_>>()
        };
        let members: std::collections::BTreeSet<String> = whole.iter().flat_map(names).collect();
        assert!(members.len() > 10, "{members:?}");
        for member in members {
            // When a key was last used is written behind the requests.
            eventually(&format!("{name} {member} is as without"), || {
                let whole = rows(&admin, &path, name);
                let alone = rows(&admin, &format!("{path}&fields={member}"), name);
                let is_alone = |row: &Value| row.as_object().expect("a row").len() <= 1;
                assert!(alone.iter().all(is_alone), "{alone:?}");
                let mut both = alone.iter().zip(&whole);
                both.all(|(alone, whole)| alone.get(&member) == whole.get(&member))
            });
            let objects = whole.iter().filter_map(|row| row[&member].as_object());
            let below = objects.flat_map(|object| object.keys());
            let can_be_asked = |inner: &&String| *inner != "refused" || member == "lock";
            for inner in below.filter(can_be_asked).filter(|_| member != "detail") {
                let path = format!("{path}&fields={member}.{inner}");
                let row = &rows(&admin, &path, name)[0];
                assert!(row.as_object().expect("a row").len() <= 1, "{row}");
            }
        }
    }
}

#[test]
fn a_member_that_no_row_has_is_refused_by_name() {
    let (_server, admin) = filled();
    for (path, _) in lists() {
        for bad in [
            "nmuber",
            "kind.x",
            "seq,",
            "number.",
            "x".repeat(500).as_str(),
        ] {
            let refused = admin.get(&format!("{path}&fields={bad}"));
            let refused = refused.expect_problem(400, "bad_query").json();
            let detail = refused["detail"].as_str().expect("a detail");
            assert!(
                detail.contains("fields has no member") && detail.len() < 500,
                "{detail}"
            );
        }
    }
}
