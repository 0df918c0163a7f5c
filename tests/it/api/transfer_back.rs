//! A state that has left for a storage elsewhere comes back: by `restore`, `rollback` or an import
//! along its lineage, and by nothing else.

use serde_json::{Value, json};

use crate::harness::{Answer, Client, Server, lineage, state_path, tfstate, tfstate_noted};

use super::L1;
use super::transfer::{NET, THERE, begin, finish, gone, kinds, leave, path};

fn import(who: &Client, body: &str, query: &str) -> Answer {
    who.send(
        "POST",
        &format!("{}/import?{query}", state_path(NET)),
        body.to_owned(),
    )
}

/// Whether the state lives again, with these bytes and this many versions, and nobody knows any
/// more where it was.
#[track_caller]
fn is_back(who: &Client, bytes: &str, versions: usize) {
    assert_eq!(who.read(NET).expect_status(200).text(), bytes);
    let list = who.versions(NET);
    assert_eq!((list.len(), &list[0]["current"]), (versions, &json!(true)));
    who.get(&path("")).expect_problem(404, "no_transfer");
    let row = who
        .get("/api/terraform/state?deleted=true&buildingBlock=net")
        .json();
    assert_eq!(
        (
            &row["states"][0]["transferred_to"],
            &row["states"][0]["deleted_at"]
        ),
        (&Value::Null, &Value::Null)
    );
    who.lock(NET, "next").expect_status(200);
    who.unlock(NET, "next").expect_status(200);
    finish(who, 2).expect_problem(409, "transfer_not_begun");
}

#[test]
fn restore_and_rollback_bring_it_back_and_forget_where_it_went() {
    let (server, one, _) = gone();
    one.send("POST", &format!("{}/restore", state_path(NET)), "")
        .expect_status(200);
    is_back(&one, &tfstate(L1, 2), 3);
    assert_eq!(
        server.admin().events("kind=state.restore")[0]["detail"],
        json!({"from_version": 2, "transferred_to": THERE})
    );
    begin(&one, "gcs://other").expect_status(200);
    finish(&one, 3).expect_status(200);
    let preview = one
        .post_json(
            &format!("{}/rollback", state_path(NET)),
            &json!({"version": 1, "dry_run": true}),
        )
        .expect_status(200)
        .json();
    assert_eq!(
        (&preview["deleted"], &preview["transferred_to"]),
        (&json!(true), &json!("gcs://other"))
    );
    assert_eq!(preview["refused"], json!([]));
    one.post_json(
        &format!("{}/rollback", state_path(NET)),
        &json!({"version": 1, "expected_current": 3}),
    )
    .expect_problem(409, "not_current");
    one.read(NET).expect_problem(410, "transferred");
    one.post_json(
        &format!("{}/rollback", state_path(NET)),
        &json!({"version": 1, "expected_current": 0}),
    )
    .expect_status(200);
    is_back(&one, &tfstate(L1, 3), 4);
}

#[test]
fn all_of_it_can_be_purged_as_of_a_deleted_state() {
    let (server, one, _) = gone();
    let admin = server.admin();
    let purged = admin
        .post_json(
            &format!("{}/purge", state_path(NET)),
            &json!({"versions": "all"}),
        )
        .expect_status(200)
        .json();
    assert_eq!(purged["versions"], json!([1, 2]));
    one.read(NET).expect_problem(410, "transferred");
    one.send("POST", &format!("{}/restore", state_path(NET)), "")
        .expect_problem(410, "purged");
    one.read(NET).expect_problem(410, "transferred");
}

#[test]
fn an_import_that_is_added_brings_it_back_along_its_lineage() {
    for (body, versions) in [(tfstate(L1, 2), 3), (tfstate(L1, 7), 3)] {
        let (server, one, other) = gone();
        let version = import(&other, &body, "append=true")
            .expect_status(200)
            .json();
        assert_eq!(
            (&version["number"], &version["kind"], &version["current"]),
            (&json!(3), &json!("import"), &json!(true))
        );
        is_back(&one, &body, versions);
        // A lost answer: the same again.
        assert_eq!(
            import(&other, &body, "append=true")
                .expect_status(200)
                .json()["number"],
            3
        );
        assert_eq!(kinds(&server, "state.import"), ["state.import"]);
        assert_eq!(
            server.admin().events("kind=state.restore")[0]["detail"]["transferred_to"],
            THERE
        );
    }
}

#[test]
fn what_left_by_an_import_comes_back_by_the_same_one() {
    let server = Server::start();
    let one = server.key("team", "writer");
    import(&one, &tfstate(L1, 1), "").expect_status(200);
    import(&one, &tfstate(L1, 2), "after=1").expect_status(200);
    leave(&one);
    assert_eq!(
        import(&one, &tfstate(L1, 2), "append=true")
            .expect_status(200)
            .json()["number"],
        3
    );
    is_back(&one, &tfstate(L1, 2), 3);
}

#[test]
fn no_other_import_touches_it() {
    let (server, one, _) = gone();
    let admin = server.admin();
    import(&one, &tfstate(&lineage(7), 9), "append=true").expect_problem(409, "other_lineage");
    import(&one, &tfstate_noted(L1, 2, "other"), "append=true")
        .expect_problem(409, "serial_not_above");
    import(&one, &tfstate(L1, 1), "append=true").expect_problem(409, "serial_not_above");
    for query in ["", "after=2", "append=true&rejected=locked"] {
        assert_eq!(
            import(&admin, &tfstate(L1, 3), query)
                .expect_problem(410, "transferred")
                .json()["to"],
            THERE,
            "{query}"
        );
    }
    one.read(NET).expect_problem(410, "transferred");
    assert_eq!(
        (
            one.versions(NET).len(),
            server.admin().events("kind=state.import").len()
        ),
        (2, 0)
    );
}
