//! Pages of other origins, which make a browser send requests with the credentials that it has.

use std::path::PathBuf;

use reqwest::blocking::RequestBuilder;
use serde_json::Value;

use super::browser::Visit;
use super::stub::Stub;
use crate::harness::{Answer, Client, Server, Setup, eventually, lock_body, state_path, tfstate};
use crate::skip;

/// Long enough for a form or a call.
const A_CALL: u32 = 5;

fn with(request: RequestBuilder, headers: &[(&str, &str)]) -> RequestBuilder {
    headers.iter().fold(request, |request, (name, value)| {
        request.header(*name, *value)
    })
}

/// One request of each kind that changes something, with these headers.
fn acts(client: &Client, headers: &[(&str, &str)]) -> Vec<(String, Answer)> {
    let state = state_path("team/net");
    let calls = [
        ("POST", format!("{state}?force=true"), tfstate("l", 1)),
        ("PUT", state.clone(), tfstate("l", 1)),
        ("LOCK", state.clone(), lock_body("id")),
        ("UNLOCK", state.clone(), lock_body("id")),
        ("DELETE", state, String::new()),
        ("POST", "/api/prune".to_owned(), "{}".to_owned()),
        (
            "POST",
            "/api/keys".to_owned(),
            r#"{"name":"x","role":"admin"}"#.to_owned(),
        ),
        ("POST", "/api/login".to_owned(), "{}".to_owned()),
        ("POST", "/nothing".to_owned(), String::new()),
    ];
    calls
        .into_iter()
        .map(|(method, path, body)| {
            let request = client
                .request(method, &path)
                .header("Content-Type", "text/plain")
                .body(body);
            (
                format!("{method} {path}"),
                Client::ask(with(request, headers)),
            )
        })
        .collect()
}

#[test]
fn no_page_of_another_origin_changes_anything() {
    let server = Server::start();
    let admin = server.admin();
    for headers in [
        &[("Sec-Fetch-Site", "cross-site")][..],
        &[("Sec-Fetch-Site", "same-site")],
        &[
            ("Sec-Fetch-Site", "same-origin"),
            ("Sec-Fetch-Site", "cross-site"),
        ],
        &[("Sec-Fetch-Site", "Same-Origin ")],
        &[("Sec-Fetch-Site", "")],
        &[("Sec-Fetch-Site", "cross-site"), ("Origin", server.url())],
        &[("Origin", "https://evil.example")],
        &[("Origin", "null")],
        &[("Origin", "")],
        &[("Origin", "http://127.0.0.1")],
        &[
            ("Origin", "http://evil.example"),
            ("X-Forwarded-Host", "evil.example"),
        ],
        &[("Origin", server.url()), ("Origin", "http://evil.example")],
    ] {
        for (call, answer) in acts(&admin, headers) {
            assert_eq!(
                answer.status.as_u16(),
                403,
                "{call} {headers:?}: {}",
                answer.text()
            );
            answer.expect_problem(403, "cross_origin");
        }
        let read = with(admin.request("GET", "/api/status"), headers);
        Client::ask(read).expect_status(200);
    }
    assert_eq!(admin.count_versions("team/net"), 0);
    assert!(
        admin.events("kind=key.create").len() <= 1,
        "the first key alone"
    );
}

/// The refusals that are told of, with how many requests each stands for.
fn told(server: &Server) -> Vec<(Value, u64)> {
    let events = server.admin().events("kind=access.refused");
    let of = |event: Value| {
        let count = event["count"].as_u64().expect("a number");
        (event, count)
    };
    events.into_iter().map(of).collect()
}

#[test]
fn what_a_page_of_another_origin_tried_is_in_the_log_and_in_the_events() {
    let server = Server::start();
    let (admin, from_elsewhere) = (server.admin(), [("Sec-Fetch-Site", "cross-site")]);
    let mut sent = 0;
    for _ in 0..10 {
        sent += acts(&admin, &from_elsewhere).len() as u64;
    }
    eventually("each of them is counted", || {
        told(&server).iter().map(|(_, count)| count).sum::<u64>() == sent
    });
    let told = told(&server);
    assert!(told.len() <= 2, "one row in a minute: {told:?}");
    for (event, _) in &told {
        assert_eq!(event["detail"]["reason"], "cross_origin", "{event}");
        assert!(event["actor"].is_null(), "nobody looked: {event}");
        assert!(event["workspace"].is_null(), "{event}");
        assert_eq!(event["address"], "127.0.0.1", "{event}");
    }
    let log = server.stop_and_log();
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let of_these = lines.filter(|line: &Value| line["reason"] == "cross_origin");
    assert_eq!(of_these.count() as u64, sent);
}

#[test]
fn the_own_origin_and_programs_are_not_refused() {
    let server = Server::start();
    let admin = server.admin();
    for headers in [
        &[][..],
        &[("Sec-Fetch-Site", "same-origin")],
        &[("Sec-Fetch-Site", "none")],
        &[
            ("Sec-Fetch-Site", "same-origin"),
            ("Origin", "https://rewritten.example"),
        ],
        &[("Origin", server.url())],
    ] {
        for (call, answer) in acts(&admin, headers) {
            assert_ne!(answer.header("content-type"), "", "{call}");
            assert!(
                !answer.text().contains("cross_origin"),
                "{call} {headers:?}"
            );
        }
    }
}

#[test]
fn the_own_origin_is_known_by_its_public_name() {
    let named = Setup::new()
        .flag("--base-url", "https://state.example:8443")
        .flag("--trusted-proxy", "127.0.0.1/32")
        .start();
    let login = |headers: &[(&str, &str)]| {
        let request = named.anonymous().request("POST", "/api/login").body("{}");
        Client::ask(with(request, headers)).status.as_u16()
    };
    assert_eq!(login(&[("Origin", "https://state.example:8443")]), 400);
    assert_eq!(login(&[("Origin", "http://state.example:8443")]), 403);
    assert_eq!(login(&[("Origin", "https://state.example")]), 403);
    let forwarded = ("X-Forwarded-Host", "other.example");
    assert_eq!(
        login(&[("Origin", "https://other.example"), forwarded]),
        400
    );
    assert_eq!(login(&[("Origin", "https://evil.example"), forwarded]), 403);
}

#[test]
fn a_browser_is_not_asked_for_a_password() {
    let server = Server::start();
    let challenges = |headers: &[(&str, &str)]| {
        let request = server.anonymous().request("GET", "/api/status");
        let answer = Client::ask(with(request, headers)).expect_problem(401, "unauthorized");
        let values = answer.headers.get_all("www-authenticate").iter();
        values
            .map(|value| {
                value
                    .to_str()
                    .expect("a text")
                    .split(' ')
                    .next()
                    .unwrap_or("")
                    .to_owned()
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(challenges(&[]), ["Basic", "Bearer"]);
    assert_eq!(
        challenges(&[("Accept", "application/json")]),
        ["Basic", "Bearer"]
    );
    for browser in [
        ("Sec-Fetch-Mode", "navigate"),
        ("Sec-Fetch-Mode", "no-cors"),
        ("Sec-Fetch-Site", "same-origin"),
        ("Accept", "text/html,application/xhtml+xml"),
        ("Origin", "https://evil.example"),
    ] {
        assert_eq!(challenges(&[browser]), ["Bearer"], "{browser:?}");
    }
}

fn chromium() -> Option<PathBuf> {
    skip::program("chromium", "STATEKEEP_CHROMIUM")
}

/// The log's lines of requests with this method and status.
fn lines(server: &Server, method: &str, status: u16) -> usize {
    let log = server.log();
    let wanted = [
        format!("\"method\":\"{method}\""),
        format!("\"status\":{status}"),
    ];
    let fits = |line: &&str| wanted.iter().all(|word| line.contains(word.as_str()));
    log.lines().filter(fits).count()
}

#[test]
#[ignore = "middle tier: starts a browser several times"]
fn chromium_sends_nothing_for_another_page_that_is_done() {
    let Some(chromium) = chromium() else { return };
    let server = Server::start();
    let port = server.url().rsplit(':').next().expect("a port").to_owned();
    // The page is at 127.0.0.1 too: another port there is another origin of the same site.
    for host in ["127.0.0.1", "localhost"] {
        let target = format!("http://{host}:{port}{}?force=true", state_path("team/net"));
        let form = Stub::stranger(&format!(
            "<form method=post enctype=text/plain action='{target}'><input name='{{\"a' \
            value='\":1}}'></form><script>document.forms[0].submit()</script></html>"
        ));
        let page = Visit::to(&chromium, &form.url(), A_CALL);
        assert!(page.dom().contains("cross_origin"), "{}", page.dom());
    }
    let before = lines(&server, "POST", 403);
    let target = format!("http://localhost:{port}/api/login");
    let call = Stub::stranger(&format!(
        "<p id=done></p><script>fetch('{target}', {{method: 'POST', mode: 'no-cors', \
        credentials: 'include', body: 'x'}}).then(() => {{ \
        document.getElementById('done').textContent = 'sent'; }})</script></html>"
    ));
    assert_eq!(
        Visit::to(&chromium, &call.url(), A_CALL).text("done"),
        "sent"
    );
    eventually("the call is in the log", || {
        lines(&server, "POST", 403) == before + 1
    });
    assert_eq!(server.admin().count_versions("team/net"), 0);
}

#[test]
#[ignore = "middle tier: starts a browser"]
fn chromium_keeps_no_password() {
    let Some(chromium) = chromium() else { return };
    let server = Server::start();
    let secret = server.admin().secret().to_owned();
    let page = format!("http://x:{secret}@{}/api/status", server.address());
    let page = Visit::to(&chromium, &page, A_CALL);
    assert!(page.dom().contains("unauthorized"), "{}", page.dom());
}
