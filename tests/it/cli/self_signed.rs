//! `statekeep tls self-signed`: what it makes, that it renews, that it never overwrites an
//! authority, and that the authority can sign for its own names alone.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rcgen::{CertificateParams, Issuer, KeyPair};
use tempfile::TempDir;

use super::stderr;
use crate::clients::module::isolate;
use crate::clients::run::Running;
use crate::clients::{Program, for_either_program};
use crate::harness::{PATIENCE, Server, Setup, eventually, state_path, statekeep};
use crate::skip;

for_either_program![an_authority_is_believed_for_its_own_names_alone];

/// Runs it with the files in `tls` below a directory.
fn make(dir: &Path, args: &[&str]) -> Output {
    let mut command = statekeep(&["tls", "self-signed", "--out", "tls"]);
    command
        .current_dir(dir)
        .args(args)
        .output()
        .expect("it runs")
}

#[track_caller]
fn made(dir: &Path, args: &[&str]) -> String {
    let output = make(dir, args);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[track_caller]
fn refused(dir: &Path, args: &[&str], code: i32, words: &[&str]) {
    let output = make(dir, args);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{text}");
    for word in words {
        assert!(text.contains(word), "{word}: {text}");
    }
}

fn text(dir: &Path, name: &str) -> String {
    std::fs::read_to_string(dir.join("tls").join(name)).expect("a file")
}

fn flag(dir: &Path, name: &str) -> String {
    dir.join("tls")
        .join(name)
        .to_str()
        .expect("UTF-8")
        .to_owned()
}

/// A client that trusts the authority of a directory alone.
fn trusting(dir: &Path) -> reqwest::blocking::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let authority = reqwest::Certificate::from_pem(text(dir, "ca.pem").as_bytes());
    let builder = reqwest::blocking::Client::builder()
        .no_proxy()
        .timeout(PATIENCE);
    let builder = builder.tls_certs_only([authority.expect("a certificate")]);
    builder.build().expect("a client")
}

fn serve(dir: &Path, cert: &str, key: &str) -> Server {
    Setup::new()
        .flag("--tls-cert", &flag(dir, cert))
        .flag("--tls-key", &flag(dir, key))
        .reached_by(trusting(dir))
        .start()
}

#[test]
fn it_makes_what_a_server_and_its_clients_need() {
    let dir = TempDir::new().expect("a directory");
    let told = made(dir.path(), &["localhost", "127.0.0.1", "::1"]);
    for word in [
        "TF_HTTP_CLIENT_CA_CERTIFICATE_PEM",
        "STATEKEEP_CA_FILE",
        "SSL_CERT_FILE",
        "curl --cacert",
        "serve --tls-cert tls/server.pem --tls-key tls/server.key",
        "localhost, 127.0.0.1, ::1",
    ] {
        assert!(told.contains(word), "{word}: {told}");
    }
    for (name, mode) in [
        ("ca.pem", 0o644),
        ("ca.key", 0o600),
        ("server.pem", 0o644),
        ("server.key", 0o600),
    ] {
        let found = std::fs::metadata(dir.path().join("tls").join(name)).expect("a file");
        assert_eq!(found.permissions().mode() & 0o777, mode, "{name}");
    }
    let files = std::fs::read_dir(dir.path().join("tls"))
        .expect("a folder")
        .count();
    assert_eq!(files, 4, "nothing else is left");
    assert!(told.lines().count() > 10, "{told}");
    for key in ["ca.key", "server.key"] {
        let line = text(dir.path(), key);
        assert!(!told.contains(line.lines().nth(1).expect("a line")));
    }

    let server = serve(dir.path(), "server.pem", "server.key");
    let admin = server.admin();
    let status = admin.get("/api/status").expect_status(200).json();
    assert_eq!(status["tls"]["days_left"], 396, "{status}");
    assert_eq!(
        status["tls"]["names"],
        serde_json::json!(["localhost", "127.0.0.1", "::1"])
    );
}

#[test]
fn the_same_command_renews_the_certificate_and_keeps_the_authority() {
    let dir = TempDir::new().expect("a directory");
    made(dir.path(), &["localhost", "127.0.0.1", "--days", "20"]);
    let (authority, key) = (text(dir.path(), "ca.pem"), text(dir.path(), "ca.key"));
    let (before, key_before) = (
        text(dir.path(), "server.pem"),
        text(dir.path(), "server.key"),
    );
    let server = serve(dir.path(), "server.pem", "server.key");
    // Without a name, those of the certificate are used again.
    let told = made(dir.path(), &[]);
    assert!(
        told.contains("kept") && told.contains("localhost, 127.0.0.1"),
        "{told}"
    );
    assert_eq!(text(dir.path(), "ca.pem"), authority);
    assert_eq!(text(dir.path(), "ca.key"), key);
    assert_ne!(text(dir.path(), "server.pem"), before);
    assert_ne!(text(dir.path(), "server.key"), key_before);
    eventually("the server takes it by itself", || {
        let status = server.admin().get("/api/status").expect_status(200).json();
        status["tls"]["days_left"] == 396
    });
}

#[test]
fn an_authority_is_never_overwritten() {
    let dir = TempDir::new().expect("a directory");
    let dir = dir.path();
    refused(dir, &[], 2, &["give the names"]);
    refused(dir, &["https://a.example"], 2, &["no URL"]);
    made(dir, &["a.example"]);
    let authority = text(dir, "ca.pem");
    let server = text(dir, "server.pem");
    refused(
        dir,
        &["b.example"],
        1,
        &["cannot sign for b.example", "--out"],
    );
    refused(
        dir,
        &["a.example", "127.0.0.1"],
        1,
        &["cannot sign for 127.0.0.1"],
    );
    assert_eq!(text(dir, "server.pem"), server, "nothing was exchanged");
    made(dir, &["sub.a.example"]);

    let key = dir.join("tls").join("ca.key");
    let aside = dir.join("aside");
    std::fs::rename(&key, &aside).expect("moved");
    refused(
        dir,
        &["a.example"],
        1,
        &["ca.pem is there and", "ca.key is not"],
    );
    std::fs::rename(&aside, &key).expect("moved");
    std::fs::rename(dir.join("tls").join("ca.pem"), &aside).expect("moved");
    refused(
        dir,
        &["a.example"],
        1,
        &["ca.key is there and", "ca.pem is not"],
    );
    assert_eq!(std::fs::read_to_string(&aside).expect("a file"), authority);

    let mut old = CertificateParams::default();
    old.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    old.not_before = rcgen::date_time_ymd(2000, 1, 1);
    old.not_after = rcgen::date_time_ymd(2010, 1, 1);
    let pair = KeyPair::from_pem(&text(dir, "ca.key")).expect("a key");
    let old = old.self_signed(&pair).expect("a certificate").pem();
    std::fs::write(dir.join("tls").join("ca.pem"), &old).expect("a file");
    refused(dir, &["a.example"], 1, &["until 2010-01-01", "--out"]);
    assert_eq!(text(dir, "ca.pem"), old);
}

/// Signs for names with the key of a directory's authority, as a thief of it would.
fn sign_by_hand(dir: &Path, names: &[&str]) -> PathBuf {
    let key = KeyPair::from_pem(&text(dir, "ca.key")).expect("a key");
    let issuer = Issuer::from_ca_cert_pem(&text(dir, "ca.pem"), key).expect("an authority");
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    params.not_after = rcgen::date_time_ymd(2100, 1, 1);
    params.distinguished_name = rcgen::DistinguishedName::new();
    let own = KeyPair::generate().expect("a key");
    let cert = params.signed_by(&own, &issuer).expect("a certificate");
    std::fs::write(dir.join("tls/stolen.key"), own.serialize_pem()).expect("a file");
    let path = dir.join("tls/stolen.pem");
    std::fs::write(&path, cert.pem()).expect("a file");
    path
}

#[test]
fn openssl_and_rustls_believe_an_authority_for_its_own_names_alone() {
    let openssl = skip::program("openssl", "STATEKEEP_OPENSSL");
    let verified = |dir: &Path, cert: &Path| {
        let openssl = openssl.as_ref()?;
        let mut command = Command::new(openssl);
        command.args(["verify", "-x509_strict", "-CAfile", &flag(dir, "ca.pem")]);
        Some(
            command
                .arg(cert)
                .output()
                .expect("it runs")
                .status
                .success(),
        )
    };
    for (own, other) in [
        (&["host.example"][..], &["other.example"][..]),
        (&["host.example"], &["127.0.0.1"]),
        (&["10.0.0.5"], &["10.0.0.6"]),
        (&["10.0.0.5"], &["other.example"]),
        (&["2001:db8::1"], &["127.0.0.1"]),
        (&["*.team.example", "10.0.0.5"], &["team.other.example"]),
    ] {
        let dir = TempDir::new().expect("a directory");
        let dir = dir.path();
        // The command asks rustls itself whether a client would believe it.
        made(dir, own);
        let server = dir.join("tls/server.pem");
        assert_ne!(verified(dir, &server), Some(false), "{own:?}");
        let stolen = sign_by_hand(dir, other);
        assert_ne!(verified(dir, &stolen), Some(true), "{own:?} {other:?}");
    }
    let dir = TempDir::new().expect("a directory");
    made(dir.path(), &["host.example"]);
    sign_by_hand(dir.path(), &["127.0.0.1", "localhost"]);
    let server = serve(dir.path(), "stolen.pem", "stolen.key");
    let asked = server.anonymous().request("GET", "/healthz").send();
    assert!(asked.is_err(), "rustls believes it");
}

fn an_authority_is_believed_for_its_own_names_alone(program: &Program) {
    let dir = TempDir::new().expect("a directory");
    let dir = dir.path();
    let init = |server: &Server, authority: &str| {
        let address = server.state("team/net");
        let block =
            format!("terraform {{\n  backend \"http\" {{\n    address = \"{address}\"\n  }}\n}}\n");
        let module = TempDir::new().expect("a directory");
        std::fs::write(module.path().join("main.tf"), block).expect("a file");
        let mut command = Command::new(&program.path);
        isolate(&mut command, module.path());
        let secret = server.admin().secret().to_owned();
        command
            .args(["init", "-input=false"])
            .env("TF_HTTP_PASSWORD", secret);
        command
            .env("TF_HTTP_USERNAME", "x")
            .env("TF_HTTP_RETRY_MAX", "0");
        command.env("TF_HTTP_CLIENT_CA_CERTIFICATE_PEM", authority);
        Running::spawn(command).wait()
    };
    made(dir, &["127.0.0.1"]);
    let server = serve(dir, "server.pem", "server.key");
    init(&server, &text(dir, "ca.pem")).ok();
    server
        .admin()
        .get(&state_path("team/net"))
        .expect_problem(404, "no_state");

    let other = TempDir::new().expect("a directory");
    let other = other.path();
    made(other, &["host.example"]);
    sign_by_hand(other, &["127.0.0.1"]);
    let server = serve(other, "stolen.pem", "stolen.key");
    let failed = init(&server, &text(other, "ca.pem")).fails();
    failed.says("certificate");
}
