//! `GET /api/terraform/state`: the states that the caller may see.

use serde_json::{Value, json};

use crate::harness::{Client, Server, lock_body, state_path, tfstate};

use super::{L1, pages, refuses_bad_queries};

const LIST: &str = "/api/terraform/state";

fn names(caller: &Client, query: &str) -> Vec<String> {
    let list = caller
        .get(&format!("{LIST}?{query}"))
        .expect_status(200)
        .json();
    list["states"]
        .as_array()
        .expect("a list")
        .iter()
        .map(name)
        .collect()
}

fn name(row: &Value) -> String {
    format!(
        "{}/{}",
        row["workspace"].as_str().expect("a workspace"),
        row["buildingBlock"].as_str().expect("a block")
    )
}

fn several() -> Server {
    let server = Server::start();
    let admin = server.admin();
    for name in ["b/two", "a/one", "b/one", "c/one", "a/two"] {
        admin.write(name, tfstate(L1, 1), None).expect_status(200);
    }
    server
}

/// The lock as `…/lock` shows it, but for the freeze beside it.
fn shown_lock(who: &Client, name: &str) -> Value {
    let mut shown = who.get(&format!("{}/lock", state_path(name))).json();
    let members = shown.as_object_mut().expect("an object");
    members.remove("frozen").expect("a member");
    shown
}

#[test]
fn it_lists_by_name_what_the_caller_may_see() {
    let server = several();
    assert_eq!(
        names(&server.admin(), ""),
        ["a/one", "a/two", "b/one", "b/two", "c/one"]
    );
    assert_eq!(
        names(&server.key("", "reader"), ""),
        ["a/one", "a/two", "b/one", "b/two", "c/one"]
    );
    assert_eq!(names(&server.key("b", "reader"), ""), ["b/one", "b/two"]);
    assert_eq!(names(&server.key("a/two", "reader"), ""), ["a/two"]);
    assert!(names(&server.key("d", "reader"), "").is_empty());
}

#[test]
fn it_can_be_asked_for_less_and_never_for_more() {
    let server = several();
    assert_eq!(names(&server.admin(), "workspace=b"), ["b/one", "b/two"]);
    assert_eq!(
        names(&server.admin(), "workspace=b&buildingBlock=two"),
        ["b/two"]
    );
    assert_eq!(
        names(&server.admin(), "buildingBlock=one"),
        ["a/one", "b/one", "c/one"]
    );
    assert!(names(&server.admin(), "workspace=none").is_empty());
    let reader = server.key("b", "reader");
    assert_eq!(names(&reader, "workspace=b"), ["b/one", "b/two"]);
    let other = reader.get(&format!("{LIST}?workspace=a"));
    assert!(
        other.status == 403 || other.json()["states"] == json!([]),
        "{}",
        other.text()
    );
}

#[test]
fn it_comes_in_pages_without_gap_or_repeat() {
    let server = several();
    let all = pages(
        &server.admin(),
        &format!("{LIST}?limit=2"),
        "states",
        "after",
    );
    assert_eq!(all.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
    assert_eq!(
        all.concat().iter().map(name).collect::<Vec<_>>(),
        ["a/one", "a/two", "b/one", "b/two", "c/one"]
    );
    assert_eq!(names(&server.admin(), "after=b/one"), ["b/two", "c/one"]);
    refuses_bad_queries(&server.admin(), LIST, &["deleted=maybe"]);
}

#[test]
fn a_row_tells_of_version_size_lock_and_times() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    writer
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    writer
        .write("team/net", tfstate(L1, 22), None)
        .expect_status(200);
    let row = writer.get(LIST).json()["states"][0].clone();
    assert_eq!(
        row["current"],
        writer
            .get(&format!("{}/versions/2/info", state_path("team/net")))
            .json()
    );
    assert_eq!(
        (&row["versions"], &row["size"]),
        (&json!(2), &json!(tfstate(L1, 22).len()))
    );
    assert!(row["history_size"].as_u64().is_some_and(|size| size > 0));
    assert_eq!(
        (&row["lock"], &row["deleted_at"]),
        (&json!(null), &json!(null))
    );
    assert!(
        row["address"]
            .as_str()
            .is_some_and(|address| address.ends_with(&state_path("team/net"))),
        "{row}"
    );
    let time = |name: &str| {
        humantime::parse_rfc3339(row[name].as_str().expect("a time")).expect("RFC 3339")
    };
    assert!(time("created_at") <= time("updated_at"));

    writer
        .send("LOCK", &state_path("team/net"), lock_body("lock-1"))
        .expect_status(200);
    let row = writer.get(LIST).json()["states"][0].clone();
    assert_eq!(
        row["lock"],
        shown_lock(&writer, "team/net"),
        "the lock as …/lock shows it"
    );
}

#[test]
fn deleted_states_and_those_with_only_rejected_versions_are_listed_on_demand() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    for name in ["team/a", "team/b"] {
        owner.write(name, tfstate(L1, 1), None).expect_status(200);
    }
    owner.delete("team/a").expect_status(200);
    owner
        .write("team/c", tfstate(L1, 1), Some("lock-9"))
        .expect_status(409);
    assert_eq!(names(&owner, ""), ["team/b"]);
    assert_eq!(names(&owner, "deleted=false"), ["team/b"]);
    assert_eq!(
        names(&owner, "deleted=true"),
        ["team/a", "team/b", "team/c"]
    );
    let row = owner.get(&format!("{LIST}?deleted=true")).json()["states"][0].clone();
    assert_eq!(row["current"], json!(null));
    assert!(humantime::parse_rfc3339(row["deleted_at"].as_str().expect("a time")).is_ok());
}

#[test]
fn a_state_that_is_locked_before_its_first_write_is_listed() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    for name in ["team/a", "team/c", "team/e"] {
        owner.write(name, tfstate(L1, 1), None).expect_status(200);
    }
    for name in ["team/b", "team/c", "team/d", "team/f"] {
        owner.lock(name, "lock-1").expect_status(200);
    }
    let all = ["team/a", "team/b", "team/c", "team/d", "team/e", "team/f"];
    assert_eq!(names(&owner, ""), all);
    assert_eq!(names(&owner, "deleted=true"), all);
    assert_eq!(
        names(&owner, "locked=true"),
        ["team/b", "team/c", "team/d", "team/f"]
    );
    assert_eq!(
        names(&owner, "locked=true&workspace=team&buildingBlock=d"),
        ["team/d"]
    );
    assert_eq!(
        names(&owner, "workspace=team&buildingBlock=e&locked=true"),
        [""; 0]
    );
    assert_eq!(
        names(&owner, "after=team/b"),
        ["team/c", "team/d", "team/e", "team/f"]
    );
    assert_eq!(names(&server.key("team/d", "reader"), ""), ["team/d"]);
    assert!(
        names(&server.key("other", "reader"), "locked=true").is_empty(),
        "not theirs to see"
    );
    let paged = pages(&owner, &format!("{LIST}?limit=2"), "states", "after");
    assert_eq!(paged.concat().iter().map(name).collect::<Vec<_>>(), all);
    let row = owner.get(&format!("{LIST}?buildingBlock=b")).json()["states"][0].clone();
    assert_eq!(
        (
            &row["current"],
            &row["versions"],
            &row["size"],
            &row["created_at"]
        ),
        (&json!(null), &json!(0), &json!(null), &json!(null))
    );
    assert_eq!(row["lock"], shown_lock(&owner, "team/b"));
    owner.unlock("team/b", "lock-1").expect_status(200);
    assert_eq!(names(&owner, "buildingBlock=b&deleted=true"), [""; 0]);
}

#[test]
fn a_lock_is_listed_whatever_became_of_its_state() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    owner
        .write("team/deleted", tfstate(L1, 1), None)
        .expect_status(200);
    owner.delete("team/deleted").expect_status(200);
    owner
        .write("team/rejected", tfstate(L1, 1), Some("lock-9"))
        .expect_status(409);
    assert!(names(&owner, "").is_empty());
    for name in ["team/deleted", "team/rejected"] {
        owner.lock(name, "lock-1").expect_status(200);
    }
    assert_eq!(names(&owner, ""), ["team/deleted", "team/rejected"]);
    assert_eq!(
        names(&owner, "locked=true"),
        ["team/deleted", "team/rejected"]
    );
    let row = owner.get(&format!("{LIST}?buildingBlock=deleted")).json()["states"][0].clone();
    assert!(
        row["current"].is_null() && row["deleted_at"].is_string(),
        "{row}"
    );
}

#[test]
fn a_moved_state_is_listed_where_it_is() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    owner
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    let to = json!({"workspace": "team", "buildingBlock": "there"});
    owner
        .post_json(&format!("{}/move", state_path("team/net")), &to)
        .expect_status(200);
    assert_eq!(names(&owner, ""), ["team/there"]);
}
