//! Receivers that refuse, send elsewhere or cannot be believed; and who is told of a hook that
//! fails.

use serde_json::json;
use tempfile::TempDir;

use super::receiver::{Receiver, Reply};
use super::{make, newest, path, shown, write};
use crate::disk::sql;
use crate::harness::{Server, Setup, eventually};
use crate::tls::authority::Authority;

#[test]
fn no_redirect_is_followed() {
    let (server, receiver, elsewhere) = (Server::start(), Receiver::start(), Receiver::start());
    for status in [301, 302, 303, 307, 308] {
        let to = format!("location: {}\r\n", elsewhere.url());
        receiver.will(&Reply::Status(status, to), 1);
        let (hook, _) = make(&server, &receiver.wanted(&["state.write"]));
        let tested = server
            .admin()
            .send("POST", &format!("{}/test", path(&hook)), "");
        let tested = tested.expect_status(200).json();
        assert_eq!(
            tested,
            json!({"delivered": false, "status": status, "error": null})
        );
        server
            .admin()
            .send("DELETE", &path(&hook), "")
            .expect_status(200);
    }
    assert_eq!(receiver.got().len(), 5);
    assert_eq!(elsewhere.got().len(), 0);
}

#[test]
fn a_proxy_of_the_environment_is_not_asked() {
    let (receiver, proxy) = (Receiver::start(), Receiver::start());
    let url = proxy.url();
    let server = Setup::new()
        .env("HTTP_PROXY", &url)
        .env("http_proxy", &url)
        .env("ALL_PROXY", &url)
        .start();
    make(&server, &receiver.wanted(&["state.write"]));
    write(&server, 1..=1);
    receiver.waits_for(1);
    assert_eq!(proxy.got().len(), 0);
}

#[test]
fn a_receiver_behind_tls_is_believed_under_an_authority_that_was_named() {
    let authority = Authority::new();
    let pair = authority.server(1);
    let receiver = Receiver::on(0, Some(pair.served()));

    let server = Server::start();
    let (hook, _) = make(&server, &receiver.wanted(&["state.write"]));
    write(&server, 1..=1);
    let failed = newest(&server, &hook, "retrying");
    let told = failed["error"].as_str().expect("a reason");
    assert!(told.contains("--hook-ca-file"), "{told}");
    assert_eq!(
        receiver.got().len(),
        0,
        "nothing is sent to whom nobody vouches for"
    );

    let dir = TempDir::new().expect("a directory");
    let file = dir.path().join("ca.pem");
    std::fs::write(&file, authority.pem()).expect("a file");
    let name = file.to_str().expect("UTF-8");
    let server = Setup::new().flag("--hook-ca-file", name).start();
    make(&server, &receiver.wanted(&["state.write"]));
    write(&server, 1..=1);
    receiver.waits_for(1);

    std::fs::write(&file, "nothing").expect("a file");
    let refused = Setup::new().flag("--hook-ca-file", name).try_start();
    let told = refused.err().expect("it does not start");
    assert!(told.contains("there is no certificate in it"), "{told}");
}

#[test]
fn a_hook_that_fails_for_long_is_a_problem_and_an_event_and_the_server_stays_ready() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    let (receiver, other) = (Receiver::start(), Receiver::start());
    receiver.will(&Reply::Status(503, String::new()), 1_000);
    let (hook, _) = make(&server, &receiver.wanted(&["state.write", "attention"]));
    make(&server, &other.wanted(&["attention"]));
    write(&server, 1..=1);
    newest(&server, &hook, "retrying");
    let status = server.admin().get("/api/status").json();
    let hooks = json!({"total": 2, "disabled": 0, "failing": 0});
    assert_eq!(status["hooks"], hooks, "not yet: it fails for seconds");
    assert!(server.admin().events("kind=hook.fail").is_empty());
    let admin = server.admin();
    assert!(server.stop().success());
    // As if it had begun two hours ago.
    let edit = "UPDATE hook_deliveries SET first_at = first_at - 7200000;";
    if sql(&data.join("statekeep.db"), edit).is_none() {
        return;
    }
    let server = Setup::new().data(&data).start();
    let admin = admin.at(&server);
    eventually("a person is told", || {
        !admin.events("kind=hook.fail").is_empty()
    });
    receiver.waits_for(4);
    let events = admin.events("kind=hook.fail");
    assert_eq!(events.len(), 1, "once a day");
    assert_eq!(events[0]["attention"], true);
    let detail = &events[0]["detail"];
    assert_eq!(
        (&detail["hook"], &detail["status"]),
        (&hook["id"], &json!(503))
    );
    let told = other.waits_for(1);
    assert_eq!(told[0].header("statekeep-event"), "hook.fail");
    let status = admin.get("/api/status").expect_status(200).json();
    assert_eq!(status["hooks"]["failing"], 1);
    let ready = server.anonymous().get("/readyz").expect_status(200).json();
    assert_eq!(ready["status"], "ready");
    let mut problems = ready["problems"].as_array().expect("a list").iter();
    assert!(
        problems.any(|problem| problem["code"] == "hooks_failing"),
        "{ready}"
    );
    let text = ready.to_string();
    assert!(!text.contains("127.0.0.1") && !text.contains(hook["id"].as_str().expect("an id")));
    assert!(
        admin
            .get("/metrics")
            .text()
            .contains("statekeep_hooks_failing 1")
    );
    assert_eq!(admin.get(&path(&hook)).json()["status"], "failing");
    admin.send("DELETE", &path(&hook), "").expect_status(200);
    eventually("a hook that is gone fails no more", || {
        admin.get("/api/status").json()["hooks"] == json!({"total": 1, "disabled": 0, "failing": 0})
    });
}

#[test]
fn a_deleted_hook_is_told_of_nothing_more() {
    let (server, receiver) = (Server::start(), Receiver::start());
    receiver.will(&Reply::Status(500, String::new()), 1);
    let (hook, _) = make(&server, &receiver.wanted(&["state.write"]));
    let (other, _) = make(&server, &receiver.wanted(&["lock.*"]));
    write(&server, 1..=1);
    newest(&server, &hook, "retrying");
    server
        .admin()
        .send("DELETE", &path(&hook), "")
        .expect_status(200);
    server
        .admin()
        .get(&path(&hook))
        .expect_problem(404, "no_hook");
    server.admin().lock("team/net", "l").expect_status(200);
    newest(&server, &other, "delivered");
    assert_eq!(receiver.got().len(), 2);
    let deleted = server.admin().events("kind=hook.delete");
    assert_eq!(deleted[0]["detail"]["hook"], hook["id"]);
    assert!(shown(&server, &other)["last_delivery"]["outcome"] == "delivered");
}
