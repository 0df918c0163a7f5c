//! TLS 1.3, and 1.2 with suites that authenticate what they encrypt. Nothing older is spoken.

use std::process::{Command, Stdio};

use super::authority::Site;
use crate::harness::Server;
use crate::skip;

/// What `openssl s_client` says of a handshake with these settings.
fn handshake(openssl: &std::path::Path, site: &Site, server: &Server, args: &[&str]) -> String {
    let mut command = Command::new(openssl);
    command.args([
        "s_client",
        "-connect",
        server.address(),
        "-servername",
        "localhost",
    ]);
    command.args(["-CAfile", &site.flag("ca.pem"), "-verify_return_error"]);
    let output = command.args(args).stdin(Stdio::null()).output();
    let output = output.expect("openssl runs");
    let (out, err) = (output.stdout, output.stderr);
    format!(
        "{}{}",
        String::from_utf8_lossy(&out),
        String::from_utf8_lossy(&err)
    )
}

#[test]
fn old_versions_and_suites_are_refused() {
    let Some(openssl) = skip::program("openssl", "STATEKEEP_OPENSSL") else {
        return;
    };
    let site = Site::new();
    let server = site.setup().start();
    let says = |args: &[&str]| handshake(&openssl, &site, &server, args);
    for (args, version) in [(&["-tls1_3"][..], "TLSv1.3"), (&["-tls1_2"], "TLSv1.2")] {
        let text = says(args);
        assert!(
            text.contains("Verify return code: 0 (ok)"),
            "{args:?}: {text}"
        );
        assert!(
            text.contains(&format!("New, {version}")),
            "{args:?}: {text}"
        );
    }
    let old = "DEFAULT@SECLEVEL=0";
    for args in [
        &["-tls1_1", "-cipher", old][..],
        &["-tls1", "-cipher", old],
        &[
            "-tls1_2",
            "-cipher",
            "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA",
        ],
        &[
            "-tls1_2",
            "-cipher",
            "ECDHE-RSA-AES128-SHA:AES128-SHA:AES128-GCM-SHA256",
        ],
    ] {
        let text = says(args);
        assert!(
            !text.contains("Verify return code: 0 (ok)\n---\nread R BLOCK"),
            "{text}"
        );
        assert!(text.contains("Cipher is (NONE)"), "{args:?}: {text}");
    }
}
