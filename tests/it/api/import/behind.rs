//! Imports behind something: where a state has been deleted, moved or has left, and behind writes
//! that were refused.

use serde_json::json;

use super::super::L1;
use super::{LONG_AGO, column, import};
use crate::harness::{Server, lineage, state_path, tfstate};

/// A state whose storage was elsewhere comes to wherever none lives, under whatever lineage it has
/// there.
#[test]
fn a_state_arrives_where_none_lives() {
    let server = Server::start();
    let (admin, writer) = (server.admin(), server.key("team", "writer"));
    let arrive = |name: &str, serial| {
        import(
            &writer,
            name,
            &tfstate(&lineage(serial), serial),
            "arrive=true",
        )
    };
    let rows = |name| column(&admin.versions(name), "kind");

    arrive("team/new", 3).expect_status(200);
    arrive("team/new", 3).expect_status(200);
    assert_eq!(
        rows("team/new"),
        ["import"],
        "sent again after a lost answer"
    );
    arrive("team/new", 4).expect_problem(409, "state_exists");

    admin
        .write("team/gone", tfstate(L1, 7), None)
        .expect_status(200);
    arrive("team/gone", 4).expect_problem(409, "state_exists");
    admin.delete("team/gone").expect_status(200);
    arrive("team/gone", 4).expect_status(200);

    admin
        .write("team/left", tfstate(L1, 7), None)
        .expect_status(200);
    let transfer = format!("{}/transfer", state_path("team/left"));
    writer
        .post_json(&transfer, &json!({ "to": "elsewhere" }))
        .expect_status(200);
    import(&admin, "team/left", &tfstate(L1, 8), "arrive=true").expect_status(423);
    writer
        .post_json(&format!("{transfer}/done"), &json!({ "version": 1 }))
        .expect_status(200);
    arrive("team/left", 4).expect_status(200);

    for name in ["team/gone", "team/left"] {
        assert_eq!(
            admin.read(name).expect_status(200).text(),
            tfstate(&lineage(4), 4),
            "{name}"
        );
        assert_eq!(rows(name), ["import", "write"], "its history stays: {name}");
    }
    assert_eq!(
        admin
            .events("kind=state.restore&buildingBlock=left&workspace=team")
            .len(),
        1
    );
    import(
        &writer,
        "team/new",
        &tfstate(L1, 9),
        "arrive=true&append=true",
    )
    .expect_problem(400, "bad_query");
    import(
        &server.key("team", "reader"),
        "team/other",
        &tfstate(L1, 9),
        "arrive=true",
    )
    .expect_problem(403, "forbidden");
}

/// What an apply stores under a lock that was lost is kept as rejected; whoever wrote it brings it
/// in later, from the client's `errored.tfstate`.
#[test]
fn bytes_that_were_refused_can_be_imported_by_who_wrote_them() {
    let server = Server::start();
    let writer = server.key("team", "writer");
    writer
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    writer
        .write("team/net", tfstate(L1, 2), Some("lost"))
        .expect_problem(409, "stale_lock_id");
    let version = import(&writer, "team/net", &tfstate(L1, 2), "append=true")
        .expect_status(200)
        .json();
    assert_eq!(
        (&version["kind"], &version["current"]),
        (&json!("import"), &json!(true)),
        "{version}"
    );
    assert_eq!(
        writer.read("team/net").expect_status(200).text(),
        tfstate(L1, 2)
    );
    let again = import(&writer, "team/net", &tfstate(L1, 2), "append=true")
        .expect_status(200)
        .json();
    assert_eq!(
        again["number"], version["number"],
        "and sent again it is there"
    );
    writer
        .write("team/net", tfstate(L1, 1), Some("lost"))
        .expect_problem(409, "stale_lock_id");
    let again = import(&writer, "team/net", &tfstate(L1, 2), "append=true")
        .expect_status(200)
        .json();
    assert_eq!(
        again["number"], version["number"],
        "also behind another write that was refused"
    );
    assert_eq!(writer.versions("team/net").len(), 4);
}

#[test]
fn behind_a_refused_write_of_ones_own_nothing_of_somebody_else_is_overwritten() {
    let server = Server::start();
    let (alice, bob) = (server.key("team", "writer"), server.key("team", "writer"));
    bob.write("team/net", tfstate(L1, 5), None)
        .expect_status(200);
    alice
        .write("team/net", tfstate(L1, 4), None)
        .expect_problem(409, "stale_write");
    import(&alice, "team/net", &tfstate(&lineage(7), 1), "after=2")
        .expect_problem(409, "not_imported_so_far");
    assert_eq!(
        alice.read("team/net").expect_status(200).text(),
        tfstate(L1, 5)
    );
    // Her own import may go on behind what was refused of hers.
    import(&alice, "team/own", &tfstate(L1, 5), "").expect_status(200);
    alice
        .write("team/own", tfstate(L1, 4), None)
        .expect_problem(409, "stale_write");
    import(&alice, "team/own", &tfstate(L1, 6), "after=2").expect_status(200);
    // A rejected one that is sent again is the same; what is refused for another reason is another.
    let rejected = |code: &str, after: u64| {
        let query = format!("rejected={code}&after={after}");
        import(&alice, "team/own", &tfstate(L1, 3), &query)
            .expect_status(200)
            .json()["number"]
            .clone()
    };
    assert_eq!(
        [
            rejected("locked", 3),
            rejected("locked", 3),
            rejected("stale_write", 4)
        ],
        [json!(4), json!(4), json!(5)]
    );
}

#[test]
fn what_was_deleted_since_is_not_there() {
    let server = Server::start();
    let (owner, other) = (server.key("team", "owner"), server.key("team", "owner"));
    for _ in 0..2 {
        import(&owner, "team/net", &tfstate(L1, 1), "arrive=true").expect_status(200);
        assert_eq!(
            owner.read("team/net").expect_status(200).text(),
            tfstate(L1, 1),
            "it arrives each time that it was deleted"
        );
        other.delete("team/net").expect_status(200);
    }
    import(&owner, "team/net", &tfstate(L1, 1), "").expect_problem(409, "state_exists");
    import(&owner, "team/net", &tfstate(L1, 2), "after=2").expect_problem(409, "state_deleted");
    import(&owner, "team/net", &tfstate(L1, 2), "after=2&deleted=true")
        .expect_problem(409, "state_deleted");
    owner.read("team/net").expect_problem(404, "no_state");
    // Hidden by the import itself, it goes on hidden or not, and says so when it is sent again.
    import(&owner, "team/gone", &tfstate(L1, 1), "deleted=true").expect_status(200);
    import(&owner, "team/gone", &tfstate(L1, 1), "deleted=true").expect_status(200);
    import(&owner, "team/gone", &tfstate(L1, 1), "").expect_problem(409, "state_exists");
    import(&owner, "team/gone", &tfstate(L1, 2), "after=1&deleted=true").expect_status(200);
    owner.read("team/gone").expect_problem(404, "no_state");
    import(&owner, "team/gone", &tfstate(L1, 3), "after=2").expect_status(200);
    assert_eq!(
        owner.read("team/gone").expect_status(200).text(),
        tfstate(L1, 3)
    );
    assert_eq!(column(&owner.versions("team/gone"), "number"), [3, 2, 1]);
    // Brought back and deleted by somebody: not by the import any more.
    import(&owner, "team/back", &tfstate(L1, 1), "deleted=true").expect_status(200);
    owner
        .send("POST", &format!("{}/restore", state_path("team/back")), "")
        .expect_status(200);
    other.delete("team/back").expect_status(200);
    import(&owner, "team/back", &tfstate(L1, 2), "after=1")
        .expect_problem(409, "not_imported_so_far");
}

#[test]
fn importing_what_was_refused_forgets_no_broken_lock() {
    let server = Server::start();
    let (holder, admin) = (server.key("team", "writer"), server.admin());
    holder
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    for (rejected, status) in [("&rejected=stale_write", 200), ("", 409)] {
        holder.lock("team/net", "lock-1").expect_status(200);
        admin
            .send("UNLOCK", &state_path("team/net"), "")
            .expect_status(200);
        let serial = if rejected.is_empty() { 8 } else { 1 };
        import(
            &admin,
            "team/net",
            &tfstate(L1, serial),
            &format!("append=true{rejected}"),
        )
        .expect_status(200);
        holder
            .write("team/net", tfstate(L1, 9), Some("lock-1"))
            .expect_status(status);
        admin
            .send("UNLOCK", &state_path("team/net"), "")
            .expect_status(200);
        if status == 200 {
            holder
                .write_by_force("team/net", tfstate(L1, 1))
                .expect_status(200);
        }
    }
}

#[test]
fn old_versions_make_no_state_older_and_a_current_one_is_never_left_out() {
    let server = Server::start();
    let admin = server.admin();
    let updated = || {
        admin
            .get("/api/terraform/state?workspace=team")
            .expect_status(200)
            .json()["states"][0]["updated_at"]
            .clone()
    };
    admin
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    let before = updated();
    import(
        &admin,
        "team/net",
        &tfstate(L1, 2),
        &format!("append=true&created_at={LONG_AGO}"),
    )
    .expect_status(200);
    assert_eq!(updated(), before, "it changed here after that");
    let snapshot = import(
        &admin,
        "team/net",
        &tfstate(L1, 3),
        "append=true&intermediate=true",
    )
    .expect_status(200)
    .json();
    assert_eq!(
        snapshot["intermediate"], false,
        "nothing has replaced it yet"
    );
    let listed = || {
        let answer = admin
            .get(&format!(
                "{}/versions?intermediate=false",
                state_path("team/net")
            ))
            .expect_status(200)
            .json();
        column(answer["versions"].as_array().expect("a list"), "number")
    };
    assert_eq!(listed(), [3, 2, 1]);
    import(&admin, "team/net", &tfstate(L1, 4), "append=true").expect_status(200);
    assert_eq!(listed(), [4, 2, 1]);
}
