//! Another key beside everything else: writes, compaction and purges go on, and come to what they
//! would without it.

use serde_json::json;

use super::{Place, check_versions, state, verify, wait_for_rest};
use crate::harness::{Client, state_path};

/// How many versions a writer makes of its state, each in a workspace of its own.
const WRITES: u64 = 25;

fn write_all(admin: &Client, name: &str) {
    for serial in 1..=WRITES {
        admin.write(name, state(serial), None).expect_status(200);
    }
}

/// Purges every fifth version but the last ones, while they are compacted.
fn purge_some(admin: &Client, name: &str) {
    for number in (1..WRITES - 5).step_by(5) {
        let path = format!("{}/purge", state_path(name));
        let purge = json!({"versions": [number]});
        admin.post_json(&path, &purge).expect_status(200);
    }
}

#[test]
fn writes_and_purges_beside_a_new_key_come_to_what_they_would() {
    let place = Place::new();
    let server = place.written(&["one"]);
    let admin = server.admin();
    write_all(&admin, "purged/net");
    let rekey = || {
        let answer = admin.post_json("/api/storage/rekey", &json!({}));
        answer.expect_status(200);
    };
    rekey();
    std::thread::scope(|scope| {
        scope.spawn(|| write_all(&server.admin(), "one/net"));
        scope.spawn(|| write_all(&server.admin(), "two/net"));
        scope.spawn(|| purge_some(&server.admin(), "purged/net"));
        // Once more in the middle of it.
        rekey();
    });
    rekey();
    wait_for_rest(&server, &admin);
    check_versions(&admin, "from before");
    for name in ["one/net", "two/net"] {
        for number in 1..=WRITES {
            let path = format!("{}/versions/{number}", state_path(name));
            let answer = admin.get(&path).expect_status(200);
            assert_eq!(answer.text(), state(number), "{name}: {number}");
        }
    }
    for number in 1..=WRITES {
        let path = format!("{}/versions/{number}", state_path("purged/net"));
        let is_purged = number < WRITES - 5 && number % 5 == 1;
        let status = if is_purged { 410 } else { 200 };
        assert_eq!(admin.get(&path).status, status, "{number}");
    }
    let older = "SELECT count(*) FROM blobs WHERE format / 256 <> \
        (SELECT max(number) FROM data_keys)";
    assert_eq!(crate::inside::number(server.data(), older), 0);
    verify(&admin);
}
