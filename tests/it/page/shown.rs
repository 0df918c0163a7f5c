//! What Chromium shows: the real server's page, and the page under every other answer that
//! `/readyz` can give.

use std::path::PathBuf;

use serde_json::json;

use super::browser::Visit;
use super::stub::Stub;
use crate::harness::{PATIENCE, Server, tfstate};
use crate::skip;

/// Long enough for the first answer, too short for the second.
const FIRST_ANSWER: u32 = 5;
/// Long enough for two more.
const THREE_ANSWERS: u32 = 40;

fn chromium() -> Option<PathBuf> {
    skip::program("chromium", "STATEKEEP_CHROMIUM")
}

#[test]
fn a_running_server_is_ready_in_its_version_and_since_its_start() {
    let Some(chromium) = chromium() else { return };
    let server = Server::start();
    let readyz = server.anonymous().get("/readyz").expect_status(200).json();
    let page = Visit::to(&chromium, server.url(), FIRST_ANSWER);

    assert_eq!(page.text("headline"), "Ready");
    assert_eq!(page.text("meaning"), "States can be read and written.");
    assert_eq!(page.text("name"), readyz["name"]);
    assert_eq!(page.text("version"), "told to monitors alone");
    assert_eq!(page.attribute("since", "datetime"), readyz["since"]);
    assert!(page.text("since").ends_with(" UTC"), "{}", page.dom());
    assert!(
        page.text("checked").starts_with("Last answer 2"),
        "{}",
        page.dom()
    );
    assert_eq!(page.text("verified"), "not yet");
    assert_eq!(page.text("address"), server.url());
    assert!(
        page.dom().contains("<title>Ready · statekeep</title>"),
        "{}",
        page.dom()
    );
    assert_eq!(page.console, Vec::<String>::new(), "the browser complained");

    let since = humantime::parse_rfc3339(readyz["since"].as_str().expect("a text"))
        .expect("RFC 3339 in UTC");
    assert!(
        since.elapsed().expect("not in the future") < 5 * PATIENCE,
        "{readyz}"
    );
}

#[test]
fn the_page_knows_nothing_about_states() {
    let Some(chromium) = chromium() else { return };
    let server = Server::start();
    let team = server.key("canary-team", "writer");
    team.write(
        "canary-team/canary-network",
        tfstate("canary-lineage", 1),
        None,
    )
    .expect_status(200);
    team.lock("canary-team/canary-network", "canary-lock")
        .expect_status(200);
    let page = Visit::to(&chromium, server.url(), FIRST_ANSWER);
    assert_eq!(page.text("headline"), "Ready");
    assert!(
        !page.dom().to_lowercase().contains("canary"),
        "{}",
        page.dom()
    );
}

#[test]
fn a_degraded_server_says_what_is_wrong() {
    let Some(chromium) = chromium() else { return };
    let body = json!({
        "status": "degraded", "name": "statekeep", "version": "9.8.7",
        "since": "2026-03-12T14:03:22Z", "verified_at": "2026-03-11T01:02:03.456Z",
        "problems": [{
            "code": "disk_full", "detail": "12 MiB are free <b>and</b> writes need 64 MiB."
        }],
    });
    let page = Visit::to(
        &chromium,
        &Stub::page(&[(200, &body.to_string())]).url(),
        FIRST_ANSWER,
    );
    assert_eq!(page.text("headline"), "Degraded");
    assert_eq!(page.text("version"), "9.8.7");
    assert_eq!(page.text("since"), "2026-03-12 14:03:22 UTC");
    assert_eq!(page.text("verified"), "2026-03-11 01:02:03 UTC");
    let problem = "<li><code>disk_full</code> 12 MiB are free &lt;b&gt;and&lt;/b&gt; writes need \
        64 MiB.</li>";
    assert!(page.dom().contains(problem), "{}", page.dom());
    assert_eq!(page.console, Vec::<String>::new(), "the browser complained");
}

#[test]
#[ignore = "middle tier: a degraded one is tried"]
fn a_server_that_is_not_ready_says_so_with_503() {
    let Some(chromium) = chromium() else { return };
    let body = json!({
        "status": "not_ready", "name": "statekeep", "version": "9.8.7",
        "since": "2026-03-12T14:03:22Z",
        "problems": [{"code": "damaged", "detail": "The database is damaged."}],
    });
    let page = Visit::to(
        &chromium,
        &Stub::page(&[(503, &body.to_string())]).url(),
        FIRST_ANSWER,
    );
    assert_eq!(page.text("headline"), "Not ready");
    assert!(
        page.dom().contains("The database is damaged."),
        "{}",
        page.dom()
    );
}

#[test]
fn a_server_without_an_answer_cannot_be_reached() {
    let Some(chromium) = chromium() else { return };
    let page = Visit::to(&chromium, &Stub::page(&[]).url(), FIRST_ANSWER);
    assert_eq!(page.text("headline"), "Cannot be reached");
    assert_eq!(page.text("meaning"), "No answer: the connection failed.");
    assert_eq!(page.text("version"), "not known");
}

#[test]
#[ignore = "middle tier: five starts of a browser"]
fn an_answer_from_something_in_between_is_not_taken_for_the_servers() {
    let Some(chromium) = chromium() else { return };
    for body in [
        "<html>bad gateway</html>",
        "null",
        r#"{"status": "toString"}"#,
    ] {
        let page = Visit::to(&chromium, &Stub::page(&[(502, body)]).url(), FIRST_ANSWER);
        assert_eq!(page.text("headline"), "Cannot be reached", "{body}");
        assert_eq!(
            page.text("meaning"),
            "The answer is not from statekeep: HTTP 502 without a status.",
            "{body}"
        );
    }
}

#[test]
fn the_page_asks_again_and_does_not_keep_an_old_answer() {
    let Some(chromium) = chromium() else { return };
    let body = json!({
        "status": "ready", "name": "statekeep", "version": "9.8.7", "since": "2026-03-12T14:03:22Z",
        "problems": []
    });
    let page = Visit::to(
        &chromium,
        &Stub::page(&[(200, &body.to_string())]).url(),
        THREE_ANSWERS,
    );
    assert_eq!(page.text("headline"), "Cannot be reached");
    assert!(
        page.text("meaning")
            .ends_with("Its last answer was: ready."),
        "{}",
        page.dom()
    );
    assert_eq!(page.text("since"), "not known");
    assert_eq!(page.text("version"), "9.8.7");
}

/// A control: what the other tests look for is there when something does break the policy.
#[test]
fn a_broken_policy_is_seen() {
    let Some(chromium) = chromium() else { return };
    for breach in [
        "<script>document.title = 'ran'</script>",
        "<style>p { color: red }</style>",
        "<img src='data:image/png;base64,AAAA'>",
    ] {
        let page = Visit::to(
            &chromium,
            &Stub::document(&format!("<!doctype html><title>x</title><p>{breach}")).url(),
            FIRST_ANSWER,
        );
        assert!(
            page.console
                .iter()
                .any(|line| line.contains("Content Security Policy")),
            "{breach}: {:?}",
            page.console
        );
        assert!(!page.dom().contains("<title>ran"), "{breach} ran");
    }
}
