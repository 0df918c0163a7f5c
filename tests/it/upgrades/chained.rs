//! Events from before they were chained: the chain begins behind them, and nothing can be put among
//! them later without being found.

use serde_json::json;
use tempfile::TempDir;

use super::fixtures::{COPIES, Fixture};
use crate::harness::Setup;
use crate::inside;

/// The last schema without a chain.
const WITHOUT: i64 = 12;

#[test]
fn the_chain_begins_behind_the_events_that_there_were() {
    for copy in COPIES {
        let dir = TempDir::new().expect("a directory");
        let data = dir.path().join("data");
        let fixture = Fixture::of(WITHOUT);
        fixture.unpack(copy, &data);
        let last = inside::number(&data, "SELECT max(seq) FROM events");
        assert!(last > 10, "the fixture has events");
        let server = Setup::new().data(&data).start();
        let recorded = fixture.recorded();
        let secret = recorded["secrets"]["admin"].as_str().expect("a secret");
        let admin = server.with(secret);
        server.key("team", "reader");
        let newest = admin.get("/api/events?limit=1").json()["events"][0].clone();
        let mut head = admin.get("/api/events/head").json();
        let signed = head.as_object_mut().expect("an object").remove("signed");
        assert!(signed.is_some_and(|signed| signed.is_object()), "{copy}");
        assert_eq!(
            head,
            json!({"number": newest["seq"], "hash": newest["hash"]}),
            "{copy}"
        );
        assert!(newest["hash"].is_string(), "{copy}: {newest}");
        let old = admin.get(&format!("/api/events?limit=1&before={}", last + 1));
        assert!(old.json()["events"][0]["hash"].is_null(), "{copy}");
        let verify = || {
            admin
                .post_json("/api/verify", &json!({"events": true}))
                .json()
        };
        assert_eq!(verify()["found"], 0, "{copy}: {}", verify());
        let begun = "SELECT events_begun FROM commits";
        let gap = "SELECT last FROM event_gaps WHERE first = 0";
        assert_eq!(
            [begun, gap].map(|sql| inside::number(&data, sql)),
            [last; 2],
            "{copy}"
        );

        // The place where it begins cannot be moved.
        let database = rusqlite::Connection::open(data.join("statekeep.db")).expect("it opens");
        database
            .busy_timeout(std::time::Duration::from_secs(5))
            .expect("a setting");
        let later = "UPDATE commits SET events_begun = events_begun + 1";
        database.execute(later, []).expect("an edit");
        assert_eq!(verify()["found"], 1, "{copy}: {}", verify());
    }
}
