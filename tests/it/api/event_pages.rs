//! `GET /api/events` on a log that has grown: a page reads a bounded number of events and says
//! where the next one goes on, and times lead to their events wherever these are.

use serde_json::Value;
use tempfile::TempDir;

use crate::disk::sql;
use crate::harness::{Client, Server, Setup, eventually, tfstate};
use crate::inside;

use super::{L1, pages};

/// In milliseconds.
const DAY: i64 = 86_400_000;

/// Two months ago, in milliseconds since 1970.
fn long_ago() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.expect("a time after 1970").as_millis();
    i64::try_from(now).expect("a time") - 60 * DAY
}

/// Many events behind those that are there: `columns` say how the one with the number `i` differs,
/// as `kind`, `at`, `workspace` and `building_block`.
fn many(rows: u64, [kind, at, workspace, block]: [&str; 4]) -> String {
    format!(
        "CREATE TEMP TABLE top AS SELECT max(seq) AS seq FROM events; \
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) INSERT \
         INTO events (seq, at, kind, address, workspace, building_block, count, last_at, \
         attention) SELECT (SELECT seq FROM top) + i, {at}, {kind}, '', {workspace}, {block}, 1, \
         {at}, 0 FROM n; DROP TABLE top;"
    )
}

/// A server whose log has these rows too.
fn with_rows(dir: &TempDir, rows: &str) -> Option<(Server, Client)> {
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    let admin = server.admin();
    server
        .key("team", "owner")
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    assert!(server.stop().success());
    sql(&data.join("statekeep.db"), rows)?;
    let server = Setup::new().data(&data).start();
    let admin = admin.at(&server);
    Some((server, admin))
}

/// The places of all events that a query finds, page after page.
fn places(admin: &Client, query: &str) -> Vec<i64> {
    let path = format!("/api/events?limit=1000&{query}");
    let all = pages(admin, &path, "events", "before").concat();
    all.iter()
        .filter_map(|event| event["seq"].as_i64())
        .collect()
}

#[test]
fn a_page_reads_so_many_events_and_says_where_the_next_one_goes_on() {
    let dir = TempDir::new().expect("a directory");
    let rows = many(
        60_000,
        [
            "'lock.acquire'",
            "(SELECT max(at) FROM events) + i",
            "'w'",
            "'b' || (i % 3)",
        ],
    );
    let Some((_server, admin)) = with_rows(&dir, &rows) else {
        return;
    };
    let first: Value = admin.get("/api/events?kind=key.create&limit=10").json();
    assert_eq!(first["events"].as_array().map(Vec::len), Some(0));
    assert!(first["next"].is_u64(), "{first}");
    let path = "/api/events?kind=key.create&limit=10";
    let found = pages(&admin, path, "events", "before");
    assert_eq!(found.concat().len(), 2, "the admin's key and the owner's");
    assert!(found.len() <= 3, "{} pages", found.len());
    let none = admin.get("/api/events?workspace=w&buildingBlock=b1&kind=login");
    assert!(none.json()["next"].is_null(), "20,000 events are one page");
}

#[test]
fn times_lead_to_their_events_also_where_a_clock_was_set_back() {
    let dir = TempDir::new().expect("a directory");
    let long_ago = long_ago();
    let jump = 20 * DAY;
    // The clock was ahead for 1,500 events, and late for 300.
    let at = format!(
        "{long_ago} + i * 1000 + iif(i BETWEEN 2000 AND 3499, {jump}, 0) - iif(i BETWEEN 5000 AND \
         5299, {jump}, 0)"
    );
    let rows = many(7_000, ["'state.write'", &at, "'w'", "'b'"]);
    let Some((server, admin)) = with_rows(&dir, &rows) else {
        return;
    };
    let time = |millis: i64| {
        let since_1970 = std::time::Duration::from_millis(millis.unsigned_abs());
        humantime::format_rfc3339_millis(std::time::UNIX_EPOCH + since_1970).to_string()
    };
    for (since, until) in [
        (0, 100_000),
        (1_500_000, 2_500_000),
        (4_000_000, 6_999_000),
        (jump + 2_500_000, jump + 2_600_000),
        (-jump, -jump + 5_100_000),
        (-jump, jump),
        (6_990_000, jump),
        (-2 * jump, 1_000),
        (2 * jump, 3 * jump),
    ] {
        let (since, until) = (long_ago + since, long_ago + until);
        let found = places(
            &admin,
            &format!(
                "kind=state.write&since={}&until={}",
                time(since),
                time(until)
            ),
        );
        let sql = format!(
            "SELECT count(*) FROM events WHERE kind = 'state.write' AND last_at >= {since} AND at \
             < {until}"
        );
        let expected = inside::number(server.data(), &sql);
        assert_eq!(
            i64::try_from(found.len()),
            Ok(expected),
            "{since} to {until}"
        );
    }
    let newest = places(&admin, &format!("since={}", time(long_ago + 59 * DAY)));
    let told = "two keys, a write, and that there are rows which nobody recorded";
    assert_eq!(newest.len(), 4, "{told}");
}

#[test]
fn the_events_of_a_workspace_are_those_of_all_its_states_in_their_order() {
    let dir = TempDir::new().expect("a directory");
    let block = "iif(i % 7 = 0, NULL, 'b' || (i % 5))";
    let rows = many(
        3_000,
        [
            "'lock.acquire'",
            "(SELECT max(at) FROM events) + i",
            "'w' || (i % 2)",
            block,
        ],
    );
    let Some((server, admin)) = with_rows(&dir, &rows) else {
        return;
    };
    let all = inside::number(
        server.data(),
        "SELECT count(*) FROM events WHERE workspace = 'w1'",
    );
    let found = places(&admin, "workspace=w1");
    assert_eq!(i64::try_from(found.len()), Ok(all));
    assert!(found.windows(2).all(|pair| pair[0] > pair[1]), "{found:?}");
    let newest = admin.get("/api/events?workspace=w1&limit=2").json();
    assert_eq!(newest["events"][1]["seq"].as_i64(), Some(found[1]));
    assert_eq!(newest["next"].as_i64(), Some(found[1]));
}

#[test]
fn the_sweep_leaves_lasting_events_and_goes_on_behind_them() {
    let dir = TempDir::new().expect("a directory");
    let old = "(SELECT max(at) FROM events) - 2 * 31536000000";
    let rows = many(5_000, ["'state.write'", old, "'w'", "'b'"])
        + "UPDATE events SET lasting = 1, kind = 'state.delete' WHERE at < (SELECT max(at) FROM \
           events) - 31536000000 AND (seq % 100 = 0 OR seq < 2500);";
    let Some((server, admin)) = with_rows(&dir, &rows) else {
        return;
    };
    let count = |condition: &str| {
        let sql = format!("SELECT count(*) FROM {condition}");
        inside::number(server.data(), &sql)
    };
    let lasting = count("events WHERE kind = 'state.delete'");
    // The newest event never goes.
    admin
        .write("team/new", tfstate(L1, 1), None)
        .expect_status(200);
    eventually("old ordinary events go", || {
        count("events WHERE workspace = 'w' AND lasting IS NULL") == 0
    });
    assert_eq!(count("events WHERE kind = 'state.delete'"), lasting);
    eventually("full blocks without ordinary events are known", || {
        // The first one has those of the server's first start.
        count("event_blocks WHERE swept = 0 AND block > 0") == 0
    });
    assert_eq!(
        i64::try_from(places(&admin, "kind=state.delete").len()),
        Ok(lasting)
    );
}
