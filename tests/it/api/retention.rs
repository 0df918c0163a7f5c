//! Policies: the server's, those of workspaces, what they do by themselves, and the clock that
//! jumps.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::disk::sql;
use crate::harness::{Client, Server, Setup, eventually};

use super::prune::{numbers, prune, write};
use super::{column, refuses_bad_queries};

fn set(caller: &Client, workspace: &str, policy: &Value) -> crate::harness::Answer {
    Client::ask(
        caller
            .request("PUT", &format!("/api/retention/{workspace}"))
            .json(policy),
    )
}

#[test]
fn a_workspaces_policy_is_set_shown_listed_and_taken_away() {
    let server = Setup::new()
        .flag("--keep-last", "7")
        .flag("--keep-within", "2d")
        .start();
    let admin = server.admin();
    admin
        .get("/api/retention/team")
        .expect_problem(404, "no_policy");
    let own = set(
        &admin,
        "team",
        &json!({"keep_last": 2, "keep_within": 3600}),
    )
    .expect_status(200)
    .json();
    assert_eq!(
        (&own["workspace"], &own["policy"]),
        (
            &json!("team"),
            &json!({"keep_last": 2, "keep_within": 3600})
        )
    );
    assert_eq!(own["set_by"]["name"], "admin");
    assert_eq!(
        admin.get("/api/retention/team").expect_status(200).json(),
        own
    );
    set(&admin, "legal", &json!({"keep_all": true})).expect_status(200);
    let all = admin.get("/api/retention").expect_status(200).json();
    assert_eq!(
        (&all["server"], &all["prune_every"]),
        (
            &json!({"keep_last": 7, "keep_within": 172_800}),
            &json!(86_400)
        )
    );
    assert_eq!(
        column(all["workspaces"].as_array().expect("a list"), "workspace"),
        ["legal", "team"]
    );
    assert_eq!(
        (&all["clock_in_doubt"], &all["next"]),
        (&json!(null), &json!(null))
    );
    expect_pages(&admin);
    for removed in [true, false] {
        let answer = admin
            .send("DELETE", "/api/retention/team", "")
            .expect_status(200)
            .json();
        assert_eq!(answer, json!({"workspace": "team", "removed": removed}));
    }
    admin
        .get("/api/retention/team")
        .expect_problem(404, "no_policy");
    assert_eq!(
        column(&admin.events("kind=retention.*"), "kind"),
        ["retention.unset", "retention.set", "retention.set"]
    );
}

/// The policies of `legal` and `team`, a page each.
fn expect_pages(admin: &Client) {
    let page = admin
        .get("/api/retention?limit=1")
        .expect_status(200)
        .json();
    assert_eq!(
        (&page["workspaces"][0]["workspace"], &page["next"]),
        (&json!("legal"), &json!("legal"))
    );
    let rest = admin
        .get("/api/retention?limit=1&after=legal")
        .expect_status(200)
        .json();
    assert_eq!(rest["workspaces"][0]["workspace"], "team");
    refuses_bad_queries(admin, "/api/retention", &[]);
}

#[test]
fn policies_that_make_no_sense_are_refused() {
    let server = Server::start();
    let admin = server.admin();
    for policy in [
        json!({}),
        json!({"keep_last": 0}),
        json!({"keep_all": true, "keep_last": 3}),
    ] {
        set(&admin, "team", &policy).expect_problem(400, "bad_policy");
    }
    set(&admin, "team", &json!({"keep": 3})).expect_problem(400, "bad_body");
    set(&admin, "_team", &json!({"keep_last": 3})).expect_problem(400, "bad_address");
    admin
        .get("/api/retention/team")
        .expect_problem(404, "no_policy");
}

#[test]
fn a_workspace_goes_by_its_own_policy_unless_it_is_named() {
    let server = Server::start();
    let admin = server.admin();
    for name in ["team/net", "legal/net", "strict/net"] {
        write(&admin, name, 1..=5);
    }
    set(&admin, "legal", &json!({"keep_all": true})).expect_status(200);
    set(&admin, "strict", &json!({"keep_last": 1})).expect_status(200);
    let counts = || ["team/net", "legal/net", "strict/net"].map(|name| numbers(&admin, name).len());
    admin
        .post_json("/api/prune", &json!({"configured": true, "dry_run": true}))
        .expect_status(200);
    admin
        .post_json("/api/prune", &json!({"configured": true}))
        .expect_status(200);
    assert_eq!(counts(), [5, 5, 1], "the server has no policy");
    prune(&admin, &json!({"keep_last": 3})).expect_status(200);
    assert_eq!(counts(), [3, 5, 1]);
    admin
        .post_json(
            "/api/prune",
            &json!({"policy": {"keep_last": 2}, "workspace": "legal"}),
        )
        .expect_status(200);
    assert_eq!(counts(), [3, 2, 1]);
}

#[test]
fn nothing_is_pruned_by_itself_unless_a_policy_says_so_and_then_again_and_again() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    let admin = server.admin();
    write(&admin, "team/net", 1..=5);
    assert_eq!(
        admin.get("/api/retention").expect_status(200).json()["last_run_at"],
        json!(null)
    );
    assert!(server.stop().success());
    let server = Setup::new()
        .data(&data)
        .flag("--keep-last", "2")
        .flag("--prune-every", "1s")
        .start();
    let admin = admin.at(&server);
    eventually("the old ones go", || numbers(&admin, "team/net") == [4, 5]);
    write(&admin, "team/net", 6..=7);
    eventually("and again", || numbers(&admin, "team/net") == [6, 7]);
    let last_run = || admin.get("/api/retention").json()["last_run_at"].clone();
    for _ in 0..2 {
        let before = last_run();
        eventually("there are more runs, which find nothing", || {
            last_run() != before
        });
    }
    let events = admin.events("kind=state.prune");
    assert_eq!(
        events[0]["actor"],
        json!({"id": "server", "name": "server"}),
        "{events:?}"
    );
    let runs = admin.events("kind=retention.run");
    assert!(
        runs.iter()
            .all(|run| run["detail"]["removed"].as_u64() > Some(0)),
        "runs that find nothing are no events: {runs:?}"
    );
}

#[test]
fn a_run_of_yesterday_is_not_made_again_today() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).flag("--keep-last", "2").start();
    let admin = server.admin();
    write(&admin, "team/net", 1..=2);
    eventually("the first run is over", || {
        admin.get("/api/retention").json()["last_run_at"].is_string()
    });
    write(&admin, "team/net", 3..=5);
    assert!(server.stop().success());
    let server = Setup::new().data(&data).flag("--keep-last", "2").start();
    let admin = admin.at(&server);
    // A person may, and the server's own run would have come first.
    assert_eq!(
        admin
            .post_json("/api/prune", &json!({"configured": true}))
            .expect_status(200)
            .json()["removed"],
        3
    );
}

/// Moves everything that ever happened, as if the clock had jumped the other way since.
fn shift(data: &std::path::Path, days: i64) -> Option<()> {
    let by = days * 86_400_000;
    let statements = format!(
        "UPDATE events SET at = at + ({by}), last_at = last_at + ({by}); UPDATE moments SET at = \
            at + ({by});
         UPDATE versions SET created_at = created_at + ({by});"
    );
    sql(&data.join("statekeep.db"), &statements)
}

/// A server with a policy that keeps what is younger than a day, on five versions and their events
/// that are moved by some days.
fn after_a_jump(data: &std::path::Path, days: i64, forget: &str) -> Option<(Server, Client)> {
    let server = Setup::new().data(data).start();
    let admin = server.admin();
    write(&admin, "team/net", 1..=5);
    eventually("the time is noted", || {
        admin.get("/readyz").json()["status"] == "ready"
    });
    assert!(server.stop().success());
    shift(data, days)?;
    sql(&data.join("statekeep.db"), forget)?;
    let setup = Setup::new()
        .data(data)
        .flag("--keep-within", "1d")
        .flag("--prune-every", "1s")
        .flag("--event-retention", "1d")
        .switch("--new-row-key");
    let server = setup.start();
    let admin = admin.at(&server);
    Some((server, admin))
}

fn problems(caller: &Client) -> Vec<String> {
    let ready = caller.get("/readyz").expect_status(200).json();
    column(ready["problems"].as_array().expect("a list"), "code")
}

#[test]
fn a_clock_that_jumped_does_not_empty_the_history_until_a_person_agrees() {
    // With the time that was noted, and by the events alone.
    for forget in ["SELECT 1;", "DELETE FROM moments;"] {
        let dir = TempDir::new().expect("a directory");
        let data = dir.path().join("data");
        let Some((server, admin)) = after_a_jump(&data, -31, forget) else {
            return;
        };
        assert_eq!(problems(&admin), ["clock_in_doubt"]);
        assert!(admin.get("/api/retention").json()["clock_in_doubt"].is_string());
        eventually("the log warns", || server.log().contains("clock_in_doubt"));
        prune(&admin, &json!({"keep_last": 1})).expect_problem(409, "clock_in_doubt");
        admin
            .post_json(
                "/api/prune",
                &json!({"policy": {"keep_last": 1}, "dry_run": true}),
            )
            .expect_status(200);
        assert!(server.stop().success());
        // What happens under a clock in doubt is no reason to believe it after another start.
        let server = Setup::new().data(&data).flag("--keep-within", "1d").start();
        let admin = admin.at(&server);
        assert_eq!(problems(&admin), ["clock_in_doubt"]);
        assert_eq!(numbers(&admin, "team/net").len(), 5);
        assert_eq!(
            admin.events("kind=state.write").len(),
            5,
            "nor does an event go by its age"
        );
        admin.send("POST", "/api/clock", "").expect_status(200);
        eventually("now the old ones go", || numbers(&admin, "team/net") == [5]);
        assert_eq!(problems(&admin), [] as [&str; 0]);
        assert!(server.stop().success());
        let server = Setup::new().data(&data).start();
        assert!(
            problems(&admin.at(&server)).is_empty(),
            "it is believed after the next start as well"
        );
    }
}

#[test]
fn a_clock_that_goes_back_is_in_doubt_and_one_within_its_bound_is_not() {
    for (days, in_doubt) in [(1, true), (-29, false)] {
        let dir = TempDir::new().expect("a directory");
        let Some((server, admin)) = after_a_jump(&dir.path().join("data"), days, "SELECT 1;")
        else {
            return;
        };
        assert_eq!(problems(&admin).len(), usize::from(in_doubt), "{days}");
        if in_doubt {
            assert_eq!(numbers(&admin, "team/net").len(), 5);
        } else {
            eventually("old ones go", || numbers(&admin, "team/net") == [5]);
        }
        drop(server);
    }
}

#[test]
fn the_event_log_has_a_bound_of_rows_and_the_oldest_go() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    let admin = server.admin();
    write(&admin, "team/net", 1..=3);
    assert!(server.stop().success());
    // The places between are left out, so the event that would end the run never comes.
    let more = "UPDATE events SET fresh = NULL; \
                WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 6000) \
                INSERT INTO events (seq, at, kind, address, count, last_at, attention) \
                SELECT i, (SELECT max(at) FROM events), 'login', '', 1, (SELECT max(at) FROM \
                events), 0 FROM n;";
    if sql(&data.join("statekeep.db"), more).is_none() {
        return;
    }
    let server = Setup::new()
        .data(&data)
        .flag("--max-events", "1000")
        .start();
    let admin = admin.at(&server);
    // Three rows are another workspace's, which has fewer, and those stay.
    eventually("as many as are too many", || {
        admin.events("kind=login&before=5004").is_empty()
    });
    assert_eq!(
        admin.events("kind=login&before=5014").len(),
        10,
        "and no more"
    );
    assert_eq!(admin.events("kind=state.write").len(), 3);
    assert_eq!(
        admin.events("kind=login")[0]["seq"],
        6000,
        "the newest stay"
    );
    assert_eq!(numbers(&admin, "team/net").len(), 3);
}
