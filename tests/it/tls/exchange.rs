//! A pair is exchanged while the server runs, and no request notices. A pair that is no good never
//! takes the place of one that is.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::authority::{Authority, Pair, Site};
use super::{L1, served};
use crate::harness::{Client, Server, eventually, pipe_at, state_path, tfstate};
use crate::scrape::Scrape;

fn der(pair: &Pair) -> Vec<u8> {
    let der = CertificateDer::from_pem_slice(pair.cert.as_bytes()).expect("PEM");
    der.to_vec()
}

/// The codes of what is wrong with the server.
fn problems(server: &Server) -> Vec<String> {
    let health = server.admin().get("/readyz").expect_status(200).json();
    assert_eq!(health["status"], "ready", "it stays ready: {health}");
    let codes = health["problems"].as_array().expect("a list").iter();
    let codes = codes.filter_map(|problem| problem["code"].as_str());
    codes
        .filter(|code| code.starts_with("tls"))
        .map(str::to_owned)
        .collect()
}

/// How many requests over new connections fail while something is done.
fn failures_while(site: &Site, server: &Server, act: impl FnOnce()) -> (usize, usize) {
    let (ends, asked, failed) = (
        AtomicBool::new(false),
        AtomicUsize::new(0),
        AtomicUsize::new(0),
    );
    let ask = |client: &Client| {
        let answer = client.request("GET", &state_path("team/net")).send();
        let text = answer.and_then(reqwest::blocking::Response::text);
        asked.fetch_add(1, Relaxed);
        if text.ok().as_deref() != Some(&tfstate(L1, 1)) {
            failed.fetch_add(1, Relaxed);
        }
    };
    std::thread::scope(|scope| {
        // One keeps its connection, the others begin anew each time.
        scope.spawn(|| {
            let client = server.admin();
            while !ends.load(Relaxed) {
                ask(&client);
            }
        });
        scope.spawn(|| {
            while !ends.load(Relaxed) {
                let fresh = site.authority.client();
                ask(&server.admin().calling_over(fresh));
            }
        });
        act();
        ends.store(true, Relaxed);
    });
    (asked.into_inner(), failed.into_inner())
}

#[test]
fn a_new_pair_is_taken_by_itself_and_at_sighup_and_no_request_fails() {
    let site = Site::new();
    let server = site.setup().start();
    let admin = server.admin();
    admin
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    let (asked, failed) = failures_while(&site, &server, || {
        for is_asked in [false, true] {
            let pair = site.authority.server(60);
            site.put(&pair);
            if is_asked {
                server.signal("HUP");
            }
            let is_served = || served(&server, &site.authority) == der(&pair);
            eventually("the new pair is served", is_served);
        }
    });
    assert!(asked > 20, "{asked} requests are no load");
    assert_eq!(failed, 0, "of {asked}");
    assert_eq!(problems(&server), [""; 0]);
}

#[test]
fn a_pair_that_is_no_good_keeps_the_one_before_and_is_a_problem_until_it_is_good() {
    let site = Site::new();
    let first = site.authority.server(90);
    site.put(&first);
    let server = site.setup().start();
    let good = site.authority.server(90);
    let alien = Authority::new().server(90).key;
    let bad = [
        (
            "misfit",
            Pair {
                cert: good.cert.clone(),
                key: alien.clone(),
            },
        ),
        (
            "expired",
            site.authority
                .between(&["localhost", "127.0.0.1"], -20, -10),
        ),
        (
            "malformed",
            Pair {
                cert: good.cert.clone(),
                key: "nothing".to_owned(),
            },
        ),
    ];
    for (what, pair) in &bad {
        site.put(pair);
        server.signal("HUP");
        eventually(what, || problems(&server) == ["tls_not_exchanged"]);
        assert_eq!(served(&server, &site.authority), der(&first), "{what}");
    }
    std::fs::remove_file(site.path("server.pem")).expect("it was there");
    server.signal("HUP");
    let status = || server.admin().get("/api/status").expect_status(200).json();
    eventually("the reason is told to those who may know", || {
        let failure = &status()["tls"]["failure"]["detail"];
        failure
            .as_str()
            .is_some_and(|why| why.contains("No such file"))
    });
    let anybody = server.anonymous().get("/readyz").expect_status(200).text();
    assert!(
        !anybody.contains("server.pem"),
        "paths are for the operator: {anybody}"
    );
    let failed = |monitor: &Client| Scrape::of(monitor).value("statekeep_tls_not_exchanged");
    assert_eq!(failed(&server.admin()), 1);

    site.put(&good);
    eventually("a good one is taken by itself", || {
        served(&server, &site.authority) == der(&good)
    });
    eventually("and nothing is wrong", || problems(&server).is_empty());
    assert_eq!(failed(&server.admin()), 0);
    assert!(!server.log().contains(alien.lines().nth(1).expect("a line")));
}

#[test]
fn a_pipe_in_the_place_of_a_file_holds_up_neither_the_exchange_nor_the_end() {
    let site = Site::new();
    let first = site.authority.server(90);
    site.put(&first);
    let server = site.setup().start();
    std::fs::remove_file(site.path("server.pem")).expect("it was there");
    pipe_at(&site.path("server.pem"));
    server.signal("HUP");
    eventually("it is told", || problems(&server) == ["tls_not_exchanged"]);
    assert_eq!(served(&server, &site.authority), der(&first));
    let good = site.authority.server(60);
    site.put(&good);
    eventually("a good one is taken by itself", || {
        served(&server, &site.authority) == der(&good)
    });
    eventually("and nothing is wrong", || problems(&server).is_empty());
    assert!(server.stop().success());
}

#[test]
fn days_left_are_told_and_an_end_that_is_near_is_a_problem() {
    let site = Site::new();
    let server = site.setup().start();
    for (days, expected) in [(90, &[][..]), (13, &["tls_expires_soon"]), (15, &[])] {
        site.put(&site.authority.server(days));
        server.signal("HUP");
        let left = u64::try_from(days).expect("some");
        let days_left = || {
            let admin = server.admin();
            let status = admin.get("/api/status").expect_status(200).json();
            let metric = Scrape::of(&admin).value("statekeep_tls_certificate_days_left");
            (status["tls"]["days_left"].as_u64(), metric)
        };
        eventually("the days are told", || days_left() == (Some(left), left));
        assert_eq!(problems(&server), expected, "{days}");
    }
    let status = server.admin().get("/api/status").expect_status(200).json();
    assert_eq!(
        status["tls"]["names"],
        serde_json::json!(["localhost", "127.0.0.1"])
    );
    assert_eq!(status["tls"]["client_certificates"], "none");
    assert_eq!(
        Server::start().admin().get("/api/status").json()["tls"],
        serde_json::Value::Null
    );
}

#[test]
fn the_key_is_in_no_log() {
    let site = Site::new();
    let pair = site.authority.server(90);
    site.put(&pair);
    let server = site.setup().flag("--log-level", "trace").start();
    server.signal("HUP");
    server.anonymous().get("/healthz").expect_status(200);
    site.put(&Pair {
        cert: pair.cert.clone(),
        key: format!("{}{}", pair.key, pair.key),
    });
    server.signal("HUP");
    eventually("it was read again", || server.log().contains("read anew"));
    let log = server.stop_and_log();
    for line in pair.key.lines().filter(|line| !line.starts_with("-----")) {
        assert!(!log.contains(line), "a line of the key is in the log");
    }
}
