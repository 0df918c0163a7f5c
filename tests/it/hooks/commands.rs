//! `statekeep hook …`, who may, and that a secret is shown once.

use serde_json::Value;

use super::receiver::{Receiver, Reply};
use super::{body, make, newest, path, write};
use crate::harness::{Server, statekeep};

/// Runs a command as the operator of a server: what it printed and said, and its exit code.
fn run(server: &Server, args: &[&str]) -> (String, String, Option<i32>) {
    let data = server.data().to_str().expect("UTF-8");
    let args = [&["hook"], args, &["--data", data]].concat();
    let done = statekeep(&args).output().expect("the binary runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (text(done.stdout), text(done.stderr), done.status.code())
}

#[test]
fn hooks_are_made_listed_shown_tested_and_deleted() {
    let (server, receiver) = (Server::start(), Receiver::start());
    let url = receiver.url();
    let create = [
        "create",
        &url,
        "--on",
        "state.write,attention",
        "--workspace",
        "team",
        "--allow-private",
        "127.0.0.1",
    ];
    let (secret, told, code) = run(&server, &create);
    assert_eq!(code, Some(0), "{told}");
    let secret = secret.trim();
    assert!(secret.starts_with("skh_") && secret.len() == 54, "{secret}");
    assert!(told.contains("state.write,attention of team"), "{told}");
    write(&server, 1..=1);
    let got = receiver.waits_for(1);
    assert_eq!(got[0].json()["event"]["workspace"], "team");

    let (list, _, _) = run(&server, &["list"]);
    assert!(list.contains("active") && list.contains(&url), "{list}");
    let hook = server.admin().get("/api/hooks").json()["hooks"][0].clone();
    newest(&server, &hook, "delivered");
    let (shown, _, _) = run(&server, &["show", &url]);
    for said in [
        "state.write",
        "delivered",
        "204",
        "operator",
        "missed          0\n",
    ] {
        assert!(shown.contains(said), "{said} in {shown}");
    }
    let (json, _, _) = run(&server, &["show", &url, "--format", "json"]);
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["deliveries"][0]["outcome"], "delivered");

    let (_, told, code) = run(&server, &["test", &url]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("answered 204"), "{told}");
    assert_eq!(receiver.got()[1].header("statekeep-event"), "test");
    receiver.will(&Reply::Status(418, String::new()), 1);
    let (_, told, code) = run(&server, &["test", &url]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("the receiver answered 418"), "{told}");

    let (_, told, code) = run(&server, &["delete", &url, "--yes"]);
    assert_eq!(code, Some(0), "{told}");
    let (_, told, code) = run(&server, &["show", &url]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("no_hook"), "{told}");
}

#[test]
fn the_secret_is_shown_once_and_the_address_to_those_who_may() {
    let (server, receiver) = (Server::start(), Receiver::start());
    receiver.will(&Reply::Status(500, String::new()), 1);
    let mut wanted = receiver.wanted(&["state.write"]);
    wanted["url"] = format!("{}?token=in-the-address", receiver.url()).into();
    let (hook, secret) = make(&server, &wanted);
    write(&server, 1..=1);
    newest(&server, &hook, "delivered");
    let admin = server.admin();
    let enable = format!("{}/enable", path(&hook));
    let mut seen = admin.send("POST", &enable, "").text();
    for path in [
        "/api/hooks",
        &path(&hook),
        &format!("{}/deliveries", path(&hook)),
    ] {
        seen += &admin.get(path).expect_status(200).text();
    }
    assert!(seen.contains("in-the-address"), "a control");
    let (list, _, _) = run(&server, &["list"]);
    let mut told = admin.get("/api/events?limit=1000").text();
    assert!(told.contains("hook.create"), "a control");
    told += &server.anonymous().get("/readyz").text();
    told += &admin.get("/metrics").text();
    told += &admin.get("/api/status").text();
    told += &server.stop_and_log();
    assert!(told.contains("a webhook fails"), "a control");
    assert!(!told.contains("in-the-address"), "{told}");
    for text in [seen, list, told] {
        assert!(!text.contains(&secret));
    }
}

#[test]
fn only_who_operates_the_server_and_sees_all_events_has_hooks() {
    let server = Server::start();
    let (hook, _) = make(&server, &Receiver::start().wanted(&["login"]));
    let one = path(&hook);
    let calls = [
        ("GET", "/api/hooks".to_owned()),
        ("POST", "/api/hooks".to_owned()),
        ("GET", one.clone()),
        ("DELETE", one.clone()),
        ("GET", format!("{one}/deliveries")),
        ("POST", format!("{one}/enable")),
        ("POST", format!("{one}/test")),
    ];
    for caller in [
        server.key("", "auditor"),
        server.key("", "monitor"),
        server.key("", "writer"),
        server.key("team", "owner"),
        server.key_with("", &["ADM_OPERATE"]),
        server.key_with("", &["ADM_EVENTLOG_LIST", "ADM_APIKEY_SAVE"]),
    ] {
        for (method, path) in &calls {
            let answer = caller.send(method, path, body(&["all"]).to_string());
            answer.expect_problem(403, "forbidden");
        }
    }
    for (method, path) in &calls {
        let answer = server
            .anonymous()
            .send(method, path, body(&["all"]).to_string());
        answer.expect_status(401);
    }
    let both = server.key_with("", &["ADM_OPERATE", "ADM_EVENTLOG_LIST"]);
    both.get("/api/hooks").expect_status(200);
    both.send("DELETE", &one, "").expect_status(200);
}

#[test]
fn a_key_that_is_revoked_with_its_children_takes_their_hooks_along() {
    let (server, receiver) = (Server::start(), Receiver::start());
    let maker = server.make_key(&serde_json::json!({"name": "maker", "role": "admin"}));
    let made = maker.post_json("/api/hooks", &receiver.wanted(&["state.write"]));
    let made = made.expect_status(201).json();
    let (other, _) = make(&server, &receiver.wanted(&["lock.acquire"]));
    let path = format!("/api/keys/{}?children=true", maker.key_id);
    let revoked = server.admin().send("DELETE", &path, "").expect_status(200);
    assert_eq!(
        revoked.json()["hooks"],
        serde_json::json!([made["hook"]["id"]])
    );
    let deleted = server.admin().events("kind=hook.delete");
    assert_eq!(deleted[0]["detail"]["hook"], made["hook"]["id"]);
    write(&server, 1..=1);
    server.admin().lock("team/net", "l").expect_status(200);
    newest(&server, &other, "delivered");
    assert_eq!(receiver.got().len(), 1, "only the other one is told");
}

#[test]
fn what_makes_no_hook_says_why() {
    let server = Server::start();
    let admin = server.admin();
    let refused = |wanted: &Value| {
        let answer = admin.post_json("/api/hooks", wanted);
        let problem = answer.expect_problem(400, "bad_request").json();
        problem["detail"].as_str().expect("a text").to_owned()
    };
    for (on, told) in [
        (&[][..], "on has to name"),
        (&["state"], "no event has the kind"),
        (&["version\u{1b}"], "no event has the kind"),
        (&["state.read"], "counted by the minute"),
        (&["credentials.*"], "counted by the minute"),
    ] {
        let detail = refused(&body(on));
        assert!(
            detail.contains(told) && !detail.contains('\u{1b}'),
            "{detail}"
        );
    }
    let mut wanted = body(&["all"]);
    wanted["workspace"] = "a/b".into();
    assert!(refused(&wanted).contains("workspace"));
    let receiver = Receiver::start();
    for _ in 0..50 {
        make(&server, &receiver.wanted(&["clock.trust"]));
    }
    let detail = refused(&receiver.wanted(&["all"]));
    assert!(detail.contains("there are 50 hooks"), "{detail}");
    let bad = admin.get("/api/hooks/x");
    bad.expect_problem(400, "bad_address");
}
