//! Clients that have to show a certificate, and those that may.

use super::authority::{Authority, Site};
use crate::harness::{Server, Setup};

/// A server that asks for certificates of the site's authority.
fn asking(site: &Site, how: &str) -> Setup {
    let pair = site.authority.between(&["ci.example"], -1, 90);
    site.setup_over(site.authority.client_with(&pair))
        .flag("--tls-client-ca", &site.flag("ca.pem"))
        .flag("--tls-client-certs", how)
}

fn is_answered(server: &Server, http: reqwest::blocking::Client) -> bool {
    let client = server.anonymous().calling_over(http);
    let answer = client.request("GET", "/healthz").send();
    answer.is_ok_and(|answer| answer.status() == 200)
}

#[test]
fn a_client_without_a_good_certificate_is_not_answered_where_one_is_required() {
    let site = Site::new();
    let server = asking(&site, "required").start();
    server.admin().get("/api/status").expect_status(200);
    let authority = &site.authority;
    assert!(!is_answered(&server, authority.client()), "without one");
    let alien = Authority::new().between(&["ci.example"], -1, 90);
    assert!(
        !is_answered(&server, authority.client_with(&alien)),
        "another's"
    );
    let expired = authority.between(&["ci.example"], -20, -10);
    assert!(
        !is_answered(&server, authority.client_with(&expired)),
        "expired"
    );
    let status = server.admin().get("/api/status").expect_status(200).json();
    assert_eq!(status["tls"]["client_certificates"], "required");
}

#[test]
fn a_certificate_that_is_optional_has_to_be_good_all_the_same() {
    let site = Site::new();
    let server = asking(&site, "optional").start();
    let authority = &site.authority;
    assert!(is_answered(&server, authority.client()), "without one");
    let alien = Authority::new().between(&["ci.example"], -1, 90);
    assert!(
        !is_answered(&server, authority.client_with(&alien)),
        "another's"
    );
    assert!(is_answered(
        &server,
        authority.client_with(&authority.between(&["x"], -1, 9))
    ));
}

#[test]
fn authorities_that_are_none_are_refused_at_the_start() {
    let site = Site::new();
    site.write("ca.pem", "nobody");
    let data = site.path("data");
    let output = asking(&site, "required")
        .command(&data)
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("ca.pem") && text.contains("no certificate in it"),
        "{text}"
    );
}
