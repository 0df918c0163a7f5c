//! `statekeep state consumers`.

use crate::harness::{Client, eventually, state_path, tfstate};

use super::{L1, Place};

fn reads(admin: &Client) {
    admin
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    admin
        .write("team/idle", tfstate(L1, 1), None)
        .expect_status(200);
    admin.get(&state_path("team/net")).expect_status(200);
    admin
        .get(&format!("{}/outputs", state_path("team/net")))
        .expect_status(200);
    eventually("the reads are counted", || {
        let path = format!("{}/consumers", state_path("team/net"));
        let answer = admin.get(&path).expect_status(200).json();
        answer["consumers"][0]["outputs"] == 1
    });
}

#[test]
fn readers_are_listed_as_a_table_and_as_json() {
    Place::both(reads, |place| {
        let table = place.ok(&["state", "consumers", "team/net"]);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 2, "{table}");
        assert!(lines[0].starts_with("KEY"), "{table}");
        assert!(lines[1].contains("1 whole, 1 outputs"), "{table}");
        assert!(lines[1].contains("yes"), "{table}");
        assert!(lines.iter().all(|line| line.len() <= 80), "{table}");
        let answer = place.json(&["state", "consumers", "team/net"]);
        assert_eq!(answer["consumers"][0]["is_current"], true);
        let none = place.json(&["state", "consumers", "team/idle"]);
        assert_eq!(none["consumers"], serde_json::json!([]));
        place.fails(&["state", "consumers", "team/nett"], "team/net");
    });
}
