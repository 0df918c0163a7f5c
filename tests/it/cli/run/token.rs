//! The token lives as long as the command; and without a server that gives one, there is no
//! command.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::*;

#[test]
fn it_is_extended_while_the_command_runs() {
    let site = Site::of(Setup::new().flag("--token-lifetime", "2s"));
    site.close("command");
    let run = site.apply().spawn().expect("it runs");
    site.reached("command");
    let (start, admin) = (Instant::now(), site.server.admin());
    eventually("it is extended again and again", || {
        admin.events("kind=token.extend").len() > 4
    });
    assert!(
        start.elapsed() > Duration::from_secs(2),
        "longer than it lives"
    );
    site.token().read(STATE).expect_problem(404, "no_state");
    site.open("command");
    let output = run.wait_with_output().expect("it ends");
    assert!(
        output.status.success() && !stderr(&output).contains("token"),
        "{}",
        stderr(&output)
    );
    site.expect_nothing_left();
}

#[test]
fn a_server_that_goes_away_is_told_of_once_and_the_command_goes_on() {
    let site = Site::new();
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&tries);
    let url = super::super::stub(move |head| {
        let (status, body) = match head {
            _ if head.starts_with("POST /api/login") => {
                ("200 OK", r#"{"access_token":"skt_stub","expires_in":1}"#)
            }
            _ if head.contains("/lock ") => ("404 Not Found", r#"{"code":"no_lock"}"#),
            _ if head.starts_with("HEAD ") => ("404 Not Found", ""),
            _ => ("502 Bad Gateway", ""),
        };
        counted.fetch_add(usize::from(head.contains("/extend ")), Ordering::SeqCst);
        format!(
            "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    });
    site.close("command");
    let run = site
        .command(&["--url", &url], &[&site.terraform(), "apply"])
        .spawn()
        .expect("it runs");
    site.reached("command");
    eventually("it is tried again and again", || {
        tries.load(Ordering::SeqCst) > 4
    });
    site.open("command");
    let output = run.wait_with_output().expect("it ends");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_eq!(
        said.matches("was not extended and lapses at 20").count(),
        1,
        "{said}"
    );
    assert_eq!(
        said.matches("was not ended and lapses at 20").count(),
        1,
        "{said}"
    );
    assert!(
        !said.contains("skt_") && !said.contains("skp_") && !site.path(FILE).exists(),
        "{said}"
    );
}

#[test]
fn without_a_good_key_nothing_is_run() {
    let site = Site::new();
    let good = site.secret();
    let key = site.server.key("team", "writer");
    site.server
        .admin()
        .request("DELETE", &format!("/api/keys/{}", key.key_id))
        .send()
        .expect("revoked");
    let token = site
        .server
        .token(&site.server.key("team", "writer"), serde_json::json!({}));
    for (secret, why) in [
        (key.secret(), "not good"),
        (token.secret(), "this is a token"),
        (&good[..good.len() - 1], "no API key's secret"),
        ("", "no API key's secret"),
        (
            site.server.key("rival", "writer").secret(),
            "a token cannot do more than its key",
        ),
    ] {
        std::fs::write(site.dir.path().join("key"), secret).expect("a file");
        let output = site.apply().output().expect("it runs");
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.contains(why) && said.contains("not run") && site.calls().is_empty(),
            "{said}"
        );
        assert!(secret.is_empty() || !said.contains(secret), "{said}");
        assert!(!is_there(&site.path(FILE)));
    }
    std::fs::remove_file(site.dir.path().join("key")).expect("there");
    let output = site.apply().output().expect("it runs");
    assert!(
        output.status.code() == Some(1) && stderr(&output).contains("key: No such file"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn without_a_server_that_is_trusted_nothing_is_run() {
    let site = Site::new();
    let at = |url: &str| site.command(&["--url", url], &[&site.terraform(), "apply"]);
    site.refused(
        &mut at("http://127.0.0.1:1"),
        1,
        "cannot reach http://127.0.0.1:1",
    );
    let (tls, _) = super::super::remote::with_tls(site.server.address());
    site.refused(&mut at(&tls), 1, "certificate");
    site.refused(
        &mut at(&super::super::stub(|_| {
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_owned()
        })),
        1,
        "no token",
    );
    site.refused(&mut at("http://x:hunter2@127.0.0.1:1"), 2, "--base-url");
    assert!(!is_there(&site.path(FILE)) && site.calls().is_empty());
}

/// What the tokens of a key may do that `run` makes for this command.
fn permissions_for(site: &Site, words: &[&str]) -> Vec<String> {
    let terraform = site.terraform();
    site.ok(&mut site.command(&[], &[&[terraform.as_str()], words].concat()));
    let login = &site.server.admin().events("kind=login")[0];
    let names = login["detail"]["permissions"].as_array().expect("a list");
    let names = names
        .iter()
        .map(|name| name.as_str().expect("a text").to_owned());
    names.collect()
}

#[test]
fn a_plan_gets_a_token_that_writes_nothing() {
    let site = Site::new();
    assert_eq!(permissions_for(&site, &["plan"]), ["TFSTATE_PLAN"]);
    let all = permissions_for(&site, &["apply"]);
    assert!(all.contains(&"TFSTATE_SAVE".to_owned()), "{all:?}");
    site.key_file(site.server.key("team", "planner").secret());
    assert_eq!(permissions_for(&site, &["plan"]), ["TFSTATE_PLAN"]);
    // A key that may only read plans without a lock, as before.
    site.key_file(site.server.key("team", "reader").secret());
    assert_eq!(
        permissions_for(&site, &["plan", "-lock=false"]),
        ["TFSTATE_LIST"]
    );
    site.expect_nothing_left();
}
