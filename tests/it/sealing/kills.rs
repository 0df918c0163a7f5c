//! Kills while content is sealed, or sealed anew: nothing is lost, and the next start goes on.

use super::{Place, check_versions, found_in, wait_for_rest};
use crate::harness::{Server, state_path};

/// Kills a server so many milliseconds after an act was asked for.
fn killed(mut server: Server, act: &str, after: u64) {
    let answer = server.admin().post_json(act, &serde_json::json!({}));
    answer.expect_status(200);
    std::thread::sleep(std::time::Duration::from_millis(after));
    server.kill();
}

/// Kills in the middle of both acts, then lets them end.
fn kill_at(after: u64) {
    let place = Place::new();
    let server = place.written(&[]);
    let admin = server.admin();
    for serial in 1..20 {
        let name = format!("team/more-{serial}");
        admin
            .write(&name, super::state(serial), None)
            .expect_status(200);
    }
    assert!(server.stop().success());
    killed(place.start(&["one"]), "/api/storage/encrypt", after);
    let server = place.start(&["two", "one"]);
    check_versions(&admin.at(&server), "killed while it was sealed");
    killed(server, "/api/storage/rekey", after);
    let server = place.start(&["two"]);
    let admin = admin.at(&server);
    check_versions(&admin, "killed while it was sealed anew");
    wait_for_rest(&server, &admin);
    check_versions(&admin, "sealed anew");
    let last = admin.get(&state_path("team/more-19"));
    assert_eq!(last.text(), super::state(19));
    assert!(server.stop().success());
    assert_eq!(
        found_in(&place.data()),
        Vec::<String>::new(),
        "after {after} ms"
    );
}

#[test]
fn a_kill_in_the_middle_loses_nothing() {
    kill_at(3);
}

#[test]
#[ignore = "middle tier: a hundred kills while content is sealed"]
fn a_hundred_kills_in_the_middle_lose_nothing() {
    for after in 0..50 {
        kill_at(after);
    }
}
