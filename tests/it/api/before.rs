//! What a version is compared with: what was current when it came. Where that is gone, nobody makes
//! something up.

use serde_json::{Value, json};

use crate::harness::{Client, Server, eventually, lineage, resource, state_path, tfstate_with};
use crate::inside;

use super::L1;
use super::prune::{numbers, prune};

/// A state with so many instances of one resource.
fn state(serial: u64, instances: usize) -> String {
    tfstate_with(
        L1,
        serial,
        "",
        &json!([resource("managed", "aws_x", "y", instances)]),
    )
}

fn diff(caller: &Client, number: u64) -> Value {
    caller
        .get(&format!(
            "{}/versions/{number}/diff",
            state_path("team/net")
        ))
        .expect_status(200)
        .json()
}

/// What a version added, changed and removed, as history has it.
fn counts(caller: &Client, number: u64) -> Value {
    let row = caller
        .get(&format!(
            "{}/versions/{number}/info",
            state_path("team/net")
        ))
        .expect_status(200)
        .json();
    json!([row["added"], row["changed"], row["removed"]])
}

fn write(caller: &Client, serials: std::ops::RangeInclusive<u64>) {
    for serial in serials {
        let instances = 20 + usize::try_from(serial).expect("a small number");
        caller
            .write("team/net", state(serial, instances), None)
            .expect_status(200);
    }
}

#[test]
fn after_a_prune_the_first_one_says_what_it_recorded_and_that_the_one_before_is_gone() {
    let server = Server::start();
    let admin = server.admin();
    write(&admin, 1..=3);
    inside::compacted(server.data());
    prune(&admin, &json!({"keep_last": 2})).expect_status(200);
    let found = diff(&admin, 2);
    assert_eq!(
        (&found["from"], &found["from_reason"], &found["diff"]),
        (&Value::Null, &json!("pruned"), &Value::Null),
        "{found}"
    );
    assert_eq!(
        found["not_compared"],
        json!({
            "code": "pruned", "detail": "the version before it was pruned; it recorded +1 ~0 -0"
        })
    );
    assert_eq!(
        (&found["to"]["added"], &found["to"]["number"]),
        (&json!(1), &json!(2))
    );
    let next = diff(&admin, 3);
    assert_eq!(
        (
            &next["from"]["number"],
            &next["from_reason"],
            &next["diff"]["counts"]["added"]
        ),
        (&json!(2), &Value::Null, &json!(1))
    );
    assert_eq!(
        counts(&admin, 2),
        json!([1, 0, 0]),
        "what was counted stays"
    );
    let printed = server.cli(&["state", "diff", "team/net", "2"]);
    let printed = String::from_utf8(printed.stdout).expect("UTF-8");
    assert!(printed.starts_with("team/net: version 2\n"), "{printed}");
    assert!(
        printed.contains("the version before it was pruned; it recorded +1 ~0 -0")
            && !printed.contains("added"),
        "{printed}"
    );
}

#[test]
fn what_was_never_counted_is_not_counted_against_something_else() {
    let server = Server::start();
    let admin = server.admin();
    write(&admin, 1..=4);
    // Version 2 is held, so that something older than what version 4 replaced is there.
    admin
        .post_json(
            &format!("{}/versions/2/hold", state_path("team/net")),
            &json!({"reason": "r"}),
        )
        .expect_status(200);
    prune(&admin, &json!({"keep_last": 1})).expect_status(200);
    assert_eq!(numbers(&admin, "team/net"), [2, 4]);
    inside::compacted(server.data());
    let found = diff(&admin, 4);
    assert_eq!(
        (&found["from"], &found["not_compared"]["code"]),
        (&Value::Null, &json!("pruned")),
        "never against version 2: {found}"
    );
    let detail = found["not_compared"]["detail"].as_str().expect("a text");
    let added = &found["to"]["added"];
    if added.is_null() {
        assert_eq!(
            detail,
            "the version before it was pruned; what changed was never counted"
        );
    } else {
        assert_eq!(
            (added, detail),
            (
                &json!(1),
                "the version before it was pruned; it recorded +1 ~0 -0"
            )
        );
    }
}

#[test]
fn what_is_not_there_any_more_says_who_pruned_it_and_what_never_was_does_not() {
    let server = Server::start();
    let admin = server.admin();
    write(&admin, 1..=5);
    prune(&admin, &json!({"keep_last": 2})).expect_status(200);
    let at = admin.events("kind=state.prune")[0]["at"]
        .as_str()
        .expect("a time")
        .to_owned();
    for below in ["3", "3/info", "3/diff", "4/diff?from=2"] {
        let answer = admin
            .get(&format!("{}/versions/{below}", state_path("team/net")))
            .expect_problem(404, "no_version");
        let detail = answer.json()["detail"].as_str().expect("a text").to_owned();
        assert!(
            detail.contains(&format!("was pruned at {at} by admin")),
            "{below}: {detail}"
        );
    }
    let rollback = admin.post_json(
        &format!("{}/rollback", state_path("team/net")),
        &json!({"version": 2}),
    );
    assert!(
        rollback
            .expect_problem(404, "no_version")
            .text()
            .contains("was pruned at")
    );
    for below in ["6", "0", "99/diff"] {
        let answer = admin
            .get(&format!("{}/versions/{below}", state_path("team/net")))
            .expect_problem(404, "no_version");
        assert!(
            !answer.text().contains("pruned"),
            "{below}: {}",
            answer.text()
        );
    }
}

#[test]
fn after_a_deletion_nothing_was_current() {
    let server = Server::start();
    let admin = server.admin();
    write(&admin, 1..=1);
    admin.delete("team/net").expect_status(200);
    admin
        .write(
            "team/net",
            tfstate_with(
                &lineage(7),
                1,
                "",
                &json!([resource("managed", "aws_z", "z", 3)]),
            ),
            None,
        )
        .expect_status(200);
    let found = diff(&admin, 2);
    assert_eq!(
        (
            &found["from"],
            &found["from_reason"],
            &found["not_compared"]
        ),
        (&Value::Null, &json!("deleted"), &Value::Null),
        "{found}"
    );
    assert_eq!(
        found["diff"]["counts"],
        json!({"added": 3, "changed": 0, "removed": 0, "moved": 0})
    );
    eventually("it is counted", || counts(&admin, 2) == json!([3, 0, 0]));
    let first = diff(&admin, 1);
    assert_eq!(
        (
            &first["from"],
            &first["from_reason"],
            &first["diff"]["counts"]["added"]
        ),
        (&Value::Null, &json!("first"), &json!(21))
    );
    admin.delete("team/net").expect_status(200);
    admin
        .send("POST", &format!("{}/restore", state_path("team/net")), "")
        .expect_status(200);
    assert_eq!(
        diff(&admin, 3)["from"]["number"],
        2,
        "it comes back as it was"
    );
    eventually("the restored one is counted", || {
        counts(&admin, 3) == json!([0, 0, 0])
    });
}

#[test]
fn what_did_not_come_along_with_an_import_is_not_taken_for_nothing() {
    let server = Server::start();
    let admin = server.admin();
    let import = |serial: u64, query: &str| {
        let body = state(
            serial,
            20 + usize::try_from(serial).expect("a small number"),
        );
        admin
            .send(
                "POST",
                &format!("{}/import?{query}", state_path("team/net")),
                body,
            )
            .expect_status(200);
    };
    import(4, "number=4");
    import(5, "number=5&after=4");
    import(8, "number=8&after=5");
    inside::compacted(server.data());
    let reasons: Vec<Value> = [4, 5, 8]
        .map(|number| diff(&admin, number)["from_reason"].clone())
        .to_vec();
    assert_eq!(reasons, [json!("pruned"), Value::Null, json!("pruned")]);
    assert_eq!(
        [4, 5, 8].map(|number| counts(&admin, number)),
        [
            json!([null, null, null]),
            json!([1, 0, 0]),
            json!([null, null, null])
        ]
    );
}
