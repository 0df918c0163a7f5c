//! Pairs with which a server does not start, each with a text that says why and what to do.

use std::process::Output;

use super::authority::{Authority, Pair, Site};
use crate::harness::Setup;

fn start(site: &Site, setup: &Setup) -> Output {
    let data = site.path("data");
    let output = setup.command(&data).output().expect("it runs");
    assert!(!data.exists(), "nothing was made");
    output
}

#[track_caller]
fn refused(site: &Site, words: &[&str]) {
    let output = start(site, &site.setup());
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    for word in words {
        assert!(text.contains(word), "{word}: {text}");
    }
    let key = std::fs::read_to_string(site.path("server.key")).unwrap_or_default();
    for line in key.lines().filter(|line| line.len() > 32) {
        assert!(!text.contains(line), "a line of the key is shown");
    }
}

#[test]
fn a_pair_that_is_no_good_is_refused_with_a_reason() {
    let site = Site::new();
    let authority = &site.authority;
    let good = authority.server(90);

    let other = Authority::new().server(90);
    site.put(&Pair {
        cert: good.cert.clone(),
        key: other.key,
    });
    refused(
        &site,
        &[
            "server.key",
            "not that of the first certificate",
            "server.pem",
        ],
    );

    site.put(&authority.between(&["localhost"], -20, -10));
    refused(&site, &["server.pem", "expired at", "renew it"]);

    site.put(&authority.between(&["localhost"], 10, 20));
    refused(&site, &["server.pem", "not valid before", "clock"]);

    site.put(&Pair {
        cert: good.key.clone(),
        key: good.key.clone(),
    });
    refused(
        &site,
        &["server.pem", "no certificate in it", "BEGIN CERTIFICATE"],
    );

    site.put(&Pair {
        cert: good.cert.clone(),
        key: good.cert.clone(),
    });
    refused(
        &site,
        &["server.key", "no private key in it", "BEGIN PRIVATE KEY"],
    );

    let sealed = good.key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    site.put(&Pair {
        cert: good.cert.clone(),
        key: sealed,
    });
    refused(&site, &["server.key", "passphrase", "openssl pkey"]);

    let broken = good.cert.replace('A', "B");
    site.put(&Pair {
        cert: broken,
        key: good.key.clone(),
    });
    refused(&site, &["server.pem"]);

    site.put(&good);
    std::fs::remove_file(site.path("server.key")).expect("it was there");
    refused(&site, &["server.key", "No such file"]);
}

#[test]
fn one_file_of_the_two_is_wrong_usage() {
    let site = Site::new();
    for (flag, missing) in [("--tls-cert", "--tls-key"), ("--tls-key", "--tls-cert")] {
        let output = start(&site, &Setup::new().flag(flag, &site.flag("server.pem")));
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(missing), "{text}");
    }
}

#[test]
fn a_key_that_everybody_can_read_is_a_warning() {
    let site = Site::new();
    let warns = |mode: u32| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(site.path("server.key"), mode).expect("a mode");
        let log = site.setup().start().stop_and_log();
        log.contains("everybody on this machine can read the private key")
    };
    assert!(warns(0o644));
    assert!(!warns(0o640), "a group may be the server's own");
    assert!(!warns(0o600));
}
