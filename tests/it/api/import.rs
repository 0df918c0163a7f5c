//! `POST …/import`: versions from elsewhere, in their order, with their bytes, numbers and times,
//! over nothing that is there.

mod behind;

use serde_json::{Value, json};

use crate::harness::{Answer, Client, Server, lineage, sha256, state_path, tfstate};

use super::L1;

const LONG_AGO: &str = "2024-05-06T07:08:09.123Z";

fn import(who: &Client, name: &str, body: &str, query: &str) -> Answer {
    who.send(
        "POST",
        &format!("{}/import?{query}", state_path(name)),
        body.to_owned(),
    )
}

/// Imports three versions as an export would have them: 2, 5 (rejected) and 7.
fn three(who: &Client, name: &str) {
    import(
        who,
        name,
        &tfstate(L1, 2),
        &format!("number=2&created_at={LONG_AGO}&intermediate=true"),
    )
    .expect_status(200);
    import(
        who,
        name,
        &tfstate(L1, 9),
        "number=5&rejected=stale_write&after=2",
    )
    .expect_status(200);
    import(who, name, &tfstate(L1, 3), "number=7&after=5").expect_status(200);
}

fn column(versions: &[Value], name: &str) -> Vec<Value> {
    versions
        .iter()
        .map(|version| version[name].clone())
        .collect()
}

#[test]
fn versions_keep_their_bytes_numbers_and_times() {
    let server = Server::start();
    let admin = server.admin();
    three(&admin, "team/net");
    let versions = admin.versions("team/net");
    assert_eq!(column(&versions, "number"), [7, 5, 2]);
    assert_eq!(column(&versions, "kind"), ["import", "rejected", "import"]);
    assert_eq!(column(&versions, "intermediate"), [false, false, true]);
    assert_eq!(
        column(&versions, "sha256"),
        [3, 9, 2].map(|serial| sha256(tfstate(L1, serial).as_bytes()))
    );
    assert_eq!(versions[2]["created_at"], LONG_AGO);
    assert_eq!(versions[1]["rejected"], "stale_write");
    assert_eq!(
        admin.read("team/net").expect_status(200).text(),
        tfstate(L1, 3),
        "what was rejected is not current"
    );
    import(&admin, "team/half", &tfstate(L1, 2), "").expect_status(200);
    import(
        &admin,
        "team/half",
        &tfstate(L1, 9),
        "rejected=locked&after=1",
    )
    .expect_status(200);
    assert_eq!(
        admin.read("team/half").expect_status(200).text(),
        tfstate(L1, 2)
    );
    let events = admin.events("kind=state.import&buildingBlock=net&workspace=team");
    assert_eq!(
        (
            events.len(),
            &events[0]["version"],
            &events[0]["detail"]["serial"]
        ),
        (3, &json!(7), &json!(3))
    );
    admin
        .write("team/net", tfstate(L1, 4), None)
        .expect_status(200);
    assert_eq!(admin.versions("team/net")[0]["number"], 8);
}

#[test]
fn what_is_there_is_never_overwritten() {
    let server = Server::start();
    let admin = server.admin();
    admin
        .write("team/net", tfstate(L1, 5), None)
        .expect_status(200);
    admin
        .write("team/gone", tfstate(L1, 1), None)
        .expect_status(200);
    admin.delete("team/gone").expect_status(200);
    for name in ["team/net", "team/gone"] {
        import(&admin, name, &tfstate(L1, 6), "").expect_problem(409, "state_exists");
        import(&admin, name, &tfstate(L1, 6), "after=1").expect_problem(409, "not_imported_so_far");
    }
    import(&admin, "team/gone", &tfstate(L1, 6), "append=true")
        .expect_problem(409, "state_deleted");
    import(&admin, "team/net", &tfstate(&lineage(7), 6), "append=true")
        .expect_problem(409, "other_lineage");
    import(&admin, "team/net", &tfstate(L1, 5), "append=true")
        .expect_problem(409, "serial_not_above");
    import(&admin, "team/net", &tfstate(L1, 6), "append=true&number=1")
        .expect_problem(409, "number_taken");
    assert_eq!(
        (
            admin.versions("team/net").len(),
            admin.events("kind=state.import").len()
        ),
        (1, 0)
    );
    import(&admin, "team/net", &tfstate(L1, 6), "append=true").expect_status(200);
    import(&admin, "team/net", &tfstate(L1, 7), "append=true").expect_status(200);
    assert_eq!(column(&admin.versions("team/net"), "serial"), [7, 6, 5]);
}

#[test]
fn an_import_goes_on_only_behind_what_the_same_caller_imported() {
    let server = Server::start();
    let (owner, other) = (server.key("team", "owner"), server.key("team", "writer"));
    import(&owner, "team/net", &tfstate(L1, 1), "").expect_status(200);
    import(&other, "team/net", &tfstate(L1, 2), "after=1")
        .expect_problem(409, "not_imported_so_far");
    import(&owner, "team/net", &tfstate(L1, 2), "after=7")
        .expect_problem(409, "not_imported_so_far");
    other
        .write("team/net", tfstate(L1, 2), None)
        .expect_status(200);
    import(&owner, "team/net", &tfstate(L1, 3), "after=2")
        .expect_problem(409, "not_imported_so_far");
    assert_eq!(owner.versions("team/net").len(), 2);
}

#[test]
fn sent_again_after_a_lost_answer_it_is_stored_once() {
    let server = Server::start();
    let admin = server.admin();
    for query in ["number=3", "number=4&after=3"] {
        let body = tfstate(L1, 1);
        let first = import(&admin, "team/net", &body, query)
            .expect_status(200)
            .json();
        assert_eq!(
            import(&admin, "team/net", &body, query)
                .expect_status(200)
                .json()["number"],
            first["number"]
        );
    }
    assert_eq!(
        column(&admin.versions("team/net"), "number"),
        [4, 3],
        "equal bytes under two numbers are two versions"
    );
    server
        .key("team", "writer")
        .send(
            "POST",
            &format!("{}/import?number=4", state_path("team/net")),
            tfstate(L1, 1),
        )
        .expect_problem(409, "state_exists");
}

#[test]
fn nobody_forges_when_or_by_whom_a_version_was_written() {
    let server = Server::start();
    let owner = server.key("team", "owner");
    import(
        &owner,
        "team/net",
        &tfstate(L1, 1),
        &format!("created_at={LONG_AGO}"),
    )
    .expect_status(200);
    let version = &owner.versions("team/net")[0];
    assert_ne!(
        version["created_at"], LONG_AGO,
        "only who operates the server says when"
    );
    assert_eq!(version["created_by"]["id"], owner.key_id.as_str());
    let admin = server.admin();
    import(
        &admin,
        "team/late",
        &tfstate(L1, 1),
        "created_at=2999-01-01T00:00:00Z",
    )
    .expect_status(200);
    let written = admin.versions("team/late")[0]["created_at"]
        .as_str()
        .expect("a time")
        .to_owned();
    assert!(
        !written.starts_with("2999"),
        "nothing is written later than now: {written}"
    );
}

#[test]
fn a_deleted_state_arrives_deleted() {
    let server = Server::start();
    let (owner, writer) = (server.key("team", "owner"), server.key("team", "writer"));
    import(&writer, "team/net", &tfstate(L1, 1), "deleted=true").expect_problem(403, "forbidden");
    import(&owner, "team/net", &tfstate(L1, 1), "deleted=true").expect_status(200);
    owner.read("team/net").expect_problem(404, "no_state");
    assert_eq!(
        owner
            .send("POST", &format!("{}/restore", state_path("team/net")), "")
            .expect_status(200)
            .json()["number"],
        2
    );
    assert_eq!(
        owner.read("team/net").expect_status(200).text(),
        tfstate(L1, 1)
    );
}

#[test]
fn a_lock_keeps_an_import_out() {
    let server = Server::start();
    let admin = server.admin();
    server
        .key("team", "writer")
        .lock("team/net", "theirs")
        .expect_status(200);
    import(&admin, "team/net", &tfstate(L1, 1), "").expect_status(423);
    assert!(admin.versions("team/net").is_empty());
}

#[test]
fn what_makes_no_sense_is_400_and_nothing_is_stored() {
    let server = Server::start();
    let admin = server.admin();
    let good = tfstate(L1, 1);
    for query in [
        "number=0",
        "number=1099511627777",
        "number=x",
        "created_at=yesterday",
        "rejected=because",
        "append=true&after=1",
        "author=me",
    ] {
        import(&admin, "team/net", &good, query).expect_problem(400, "bad_query");
    }
    import(
        &admin,
        "team/net",
        &good,
        &format!("sha256={}", sha256(b"other")),
    )
    .expect_problem(400, "sha256_mismatch");
    import(&admin, "team/net", "{}", "").expect_problem(400, "not_a_state");
    import(&admin, "team/net", "", "").expect_problem(400, "bad_body");
    import(&admin, "team/net", &"[".repeat(100_000), "").expect_problem(400, "too_deep");
    admin.read("team/net").expect_problem(404, "no_state");
    import(
        &admin,
        "team/net",
        &good,
        &format!("sha256={}", sha256(good.as_bytes())),
    )
    .expect_status(200);
}
