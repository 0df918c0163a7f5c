//! Where nothing is sent: private addresses that nobody allowed, however they are spelt, and names
//! that stand for one.

use serde_json::json;
use tempfile::TempDir;

use super::receiver::Receiver;
use super::{body, make, path};
use crate::harness::{Server, Setup};

fn why(server: &Server, url: &str, private: Option<&str>) -> String {
    let mut wanted = body(&["all"]);
    wanted["url"] = json!(url);
    wanted["allow_private"] = json!(private);
    let answer = server.admin().post_json("/api/hooks", &wanted);
    let problem = answer.expect_problem(400, "bad_request").json();
    problem["detail"].as_str().expect("a text").to_owned()
}

#[test]
fn a_private_address_is_refused_in_each_spelling_unless_its_host_is_named() {
    let (server, receiver) = (Server::start(), Receiver::start());
    let url = receiver.url();
    let port = url.rsplit(':').next().expect("a port");
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "localhost",
        "LOCALHOST.",
        "x.localhost",
    ] {
        let told = why(&server, &format!("https://{host}:{port}"), None);
        assert!(told.contains("is a private address"), "{host}: {told}");
        let told = why(&server, &format!("http://{host}:{port}"), None);
        assert!(
            told.contains("has to begin with https://") && told.contains("--allow-private"),
            "{host}: {told}"
        );
        let told = why(
            &server,
            &format!("https://{host}:{port}"),
            Some("receiver.example"),
        );
        assert!(
            told.starts_with("--allow-private (allow_private) has to be the host"),
            "{host}: {told}"
        );
    }
    for host in ["169.254.169.254", "0.0.0.0", "[fe80::1]", "224.0.0.1"] {
        let told = why(&server, &format!("http://{host}/"), Some(host));
        assert!(
            told.contains("is no address of a receiver"),
            "{host}: {told}"
        );
    }
    assert_eq!(receiver.got().len(), 0);
    assert_eq!(
        server.admin().get("/api/hooks").json(),
        json!({"hooks": []})
    );
    // The control: by its name it is reached.
    let (hook, _) = make(&server, &receiver.wanted(&["all"]));
    let tested = server
        .admin()
        .send("POST", &format!("{}/test", path(&hook)), "");
    assert_eq!(
        tested.json(),
        json!({"delivered": true, "status": 204, "error": null})
    );
}

/// A setup whose machine has these files in `/etc`; none where no test may have that.
fn with_etc(dir: &TempDir, hosts: &str, resolv: Option<&str>) -> Option<Setup> {
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path.to_str().expect("UTF-8").to_owned()
    };
    let (hosts, resolv) = (
        write("hosts", hosts),
        write("resolv", resolv.unwrap_or("\n")),
    );
    let script = format!(
        "mount --bind {hosts} /etc/hosts && mount --bind {resolv} /etc/resolv.conf && exec \"$@\""
    );
    let unshare = ["unshare", "--mount", "sh", "-c", &script, "sh"];
    let may = std::process::Command::new(unshare[0])
        .args(&unshare[1..])
        .arg("true")
        .status();
    if !may.is_ok_and(|status| status.success()) {
        crate::skip::missing("a test may not mount files here");
        return None;
    }
    Some(Setup::new().under(&unshare))
}

#[test]
fn a_name_is_judged_by_the_address_that_is_connected_to() {
    let (dir, receiver) = (TempDir::new().expect("a directory"), Receiver::start());
    let url = receiver.url();
    let port = url.rsplit(':').next().expect("a port").to_owned();
    let hosts = "203.0.113.1 nowhere.example\n127.0.0.1 inner.example\n1.1.1.1 moves.example\n";
    let Some(setup) = with_etc(&dir, hosts, None) else {
        return;
    };
    let server = setup.start();
    let told = why(&server, "https://inner.example/", None);
    assert!(told.contains("127.0.0.1 is a private address"), "{told}");
    let told = why(&server, "https://nowhere.example/", Some("nowhere.example"));
    assert!(told.contains("is no address of a receiver"), "{told}");

    let inner = format!("http://inner.example:{port}");
    let mut wanted = json!({"url": inner, "on": ["all"], "allow_private": "inner.example"});
    let test = |hook: &serde_json::Value| {
        let tested = server
            .admin()
            .send("POST", &format!("{}/test", path(hook)), "");
        tested.expect_status(200).json()
    };
    let (hook, _) = make(&server, &wanted);
    assert_eq!(test(&hook)["status"], 204, "by the name that was allowed");

    // What nobody can look up now is judged when it is sent to. No public service is asked.
    wanted = json!({"url": "https://unknown.example/x", "on": ["all"]});
    let (hook, _) = make(&server, &wanted);
    let told = test(&hook)["error"].to_string();
    assert!(told.contains("/etc/resolv.conf"), "{told}");
}
