//! What is spoken on a port with TLS: the whole API over HTTP/1.1, and one line for plain HTTP.

use tempfile::NamedTempFile;

use super::L1;
use super::authority::Site;
use crate::disk::strace;
use crate::harness::{Client, Server, Setup, state_path, tfstate};
use crate::wire::Wire;

#[test]
fn the_api_is_spoken_over_tls_with_addresses_that_say_so() {
    let site = Site::new();
    let server = site.setup().start();
    assert!(
        server.url().starts_with("https://127.0.0.1:"),
        "{}",
        server.url()
    );
    let writer = server.key("team", "owner");
    writer.lock("team/net", "lock-1").expect_status(200);
    writer
        .write("team/net", tfstate(L1, 1), Some("lock-1"))
        .expect_status(200);
    writer.unlock("team/net", "lock-1").expect_status(200);
    let read = writer.read("team/net").expect_status(200);
    assert_eq!(read.text(), tfstate(L1, 1));
    assert!(read.headers.contains_key("statekeep-instance"));

    // A client that was redirected is told so here as well, with an address that says https.
    let request = writer.request("GET", &state_path("team/net"));
    let redirected = Client::ask(request.header("Referer", "https://elsewhere.example/"));
    let problem = redirected.expect_problem(400, "redirected").json();
    let detail = problem["detail"].as_str().expect("a detail");
    assert!(detail.contains(&server.state("team/net")), "{detail}");

    // The operator's socket stays as it is.
    let listed = server.cli(&["state", "list"]);
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.contains("team/net"), "{listed}");
}

#[test]
fn plain_http_on_the_port_is_told_in_one_line_and_goes_nowhere() {
    let site = Site::new();
    let server = site.setup().start();
    for request in [
        "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        format!(
            "POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n{}",
            state_path("team/net"),
            "x".repeat(60_000)
        ),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
    ] {
        let mut wire = Wire::to(&server);
        wire.send(&request);
        let answer = wire.answer().expect("an answer");
        assert!(!answer.headers.contains_key("location"));
        assert_eq!(answer.text().lines().count(), 1);
        let problem = answer.expect_problem(400, "plain_http").json();
        let detail = problem["detail"].as_str().expect("a detail");
        assert!(detail.contains("https://"), "{detail}");
        wire.closes();
    }
    server.anonymous().get("/healthz").expect_status(200);
}

#[test]
fn a_port_without_tls_is_as_it_was() {
    let server = Server::start();
    assert!(server.url().starts_with("http://"), "{}", server.url());
    let mut wire = Wire::to(&server);
    // The beginning of a handshake.
    wire.send([0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0]);
    wire.finish();
    if let Some(answer) = wire.answer() {
        answer.expect_status(400);
    }
    wire.closes();
}

/// It would hold for each port of the host, and so for services that are not ours.
#[test]
fn browsers_are_not_told_to_use_tls_for_the_whole_host() {
    let site = Site::new();
    let server = site.setup().start();
    for path in ["/", "/healthz", "/api/whoami"] {
        let answer = server.admin().get(path).expect_status(200);
        assert!(
            !answer.headers.contains_key("strict-transport-security"),
            "{path}"
        );
    }
}

/// With a delay, the last part of an answer waits until the client has acknowledged the others,
/// which clients put off for 40 ms.
#[test]
fn no_part_of_an_answer_waits_for_what_the_client_says_of_another() {
    let site = Site::new();
    for setup in [Setup::new(), site.setup()] {
        let calls = NamedTempFile::new().expect("a file");
        let into = calls.path().to_str().expect("UTF-8");
        let Some(setup) = strace(setup, &["-o", into, "-e", "trace=setsockopt"]) else {
            return;
        };
        let server = setup.start();
        server.anonymous().get("/healthz").expect_status(200);
        // Said before the request was read.
        let calls = std::fs::read_to_string(calls.path()).expect("what strace saw");
        assert!(calls.contains("TCP_NODELAY, [1]"), "{calls}");
    }
}
