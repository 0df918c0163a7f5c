//! A restore disables all hooks, so that an exercise calls nobody.

use serde_json::json;
use tempfile::TempDir;

use super::receiver::Receiver;
use super::{make, path};
use crate::harness::{Server, Setup, eventually, statekeep, tfstate};

#[test]
fn hooks_of_a_backup_are_disabled_until_a_person_enables_them() {
    let (server, receiver) = (Server::start(), Receiver::start());
    let (hook, secret) = make(&server, &receiver.wanted(&["state.write"]));
    let dir = TempDir::new().expect("a directory");
    let file = dir.path().join("b.tar.zst");
    let (file, data) = (file.to_str().expect("UTF-8"), dir.path().join("data"));
    assert!(server.cli(&["backup", file]).status.success());
    let to = data.to_str().expect("UTF-8");
    let done = statekeep(&["restore", file, "--data", to])
        .output()
        .expect("it runs");
    let told = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{done:?}");
    assert!(told.contains("disabled 1 webhook"), "{told}");

    let copy = Setup::new().data(&data).start();
    let (admin, witness) = (server.admin().at(&copy), Receiver::start());
    let made = admin.post_json("/api/hooks", &witness.wanted(&["state.write"]));
    made.expect_status(201);
    let write = |serial| {
        let written = admin.write("team/net", tfstate(super::L1, serial), None);
        written.expect_status(200);
    };
    write(1);
    witness.waits_for(1);
    assert_eq!(receiver.got().len(), 0);
    let shown = admin.get(&path(&hook)).expect_status(200).json();
    assert_eq!(shown["status"], "disabled");
    let status = admin.get("/api/status").json();
    assert_eq!(
        status["hooks"],
        json!({"total": 2, "disabled": 1, "failing": 0})
    );
    let events = admin.events("kind=backup.restore");
    assert_eq!(events[0]["detail"]["disabled_hooks"], 1);

    let enabled = admin.send("POST", &format!("{}/enable", path(&hook)), "");
    assert_eq!(enabled.expect_status(200).json()["status"], "active");
    write(2);
    witness.waits_for(2);
    let got = receiver.waits_for(1);
    assert_eq!(
        got[0].json()["event"]["version"],
        2,
        "what came before is not told"
    );
    assert_eq!(admin.events("kind=hook.enable").len(), 1);
    admin
        .send("POST", &format!("{}/enable", path(&hook)), "")
        .expect_status(200);
    assert_eq!(admin.events("kind=hook.enable").len(), 1, "it was enabled");
    let copied = std::fs::read(data.join("initial-admin-key")).unwrap_or_default();
    assert!(!String::from_utf8_lossy(&copied).contains(&secret));
    eventually("the delivery is written down", || {
        admin.get(&path(&hook)).json()["last_delivery"]["outcome"] == "delivered"
    });
}
