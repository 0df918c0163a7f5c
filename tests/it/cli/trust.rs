//! Whom the command line trusts, which certificate it shows, and that programs it runs get both.

use std::process::Output;

use tempfile::TempDir;

use super::{L1, stderr};
use crate::harness::{Server, Setup, state_path, statekeep, tfstate};
use crate::tls::authority::Site;

/// A server with TLS, and a folder with a key file.
struct Remote {
    site: Site,
    server: Server,
    dir: TempDir,
}

impl Remote {
    fn new() -> Self {
        let site = Site::new();
        let server = site.setup().start();
        Self::of(site, server)
    }

    /// One that asks for certificates.
    fn asking() -> Self {
        let site = Site::new();
        let pair = site.authority.between(&["ci.example"], -1, 90);
        site.write("client.pem", &pair.cert);
        site.write("client.key", &pair.key);
        let setup: Setup = site.setup_over(site.authority.client_with(&pair));
        let server = setup.flag("--tls-client-ca", &site.flag("ca.pem")).start();
        Self::of(site, server)
    }

    fn of(site: Site, server: Server) -> Self {
        let dir = TempDir::new().expect("a directory");
        site.write("secret", server.admin().secret());
        let admin = server.admin();
        admin
            .write("team/net", tfstate(L1, 1), None)
            .expect_status(200);
        Self { site, server, dir }
    }

    fn run(&self, args: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut command = statekeep(args);
        command.current_dir(self.dir.path());
        for name in [
            "SSL_CERT_FILE",
            "SSL_CERT_DIR",
            "TF_HTTP_CLIENT_CA_CERTIFICATE_PEM",
        ] {
            command.env_remove(name);
        }
        command
            .env("STATEKEEP_URL", self.server.url())
            .env("STATEKEEP_KEY_FILE", self.site.path("secret"))
            .envs(variables.iter().copied());
        command.output().expect("it runs")
    }
}

const PULL: [&str; 3] = ["state", "pull", "team/net"];

#[test]
fn an_authority_is_trusted_if_it_is_named() {
    let remote = Remote::new();
    let ca = remote.site.flag("ca.pem");
    let refused = remote.run(&PULL, &[]);
    assert_eq!(refused.status.code(), Some(1));
    let text = stderr(&refused);
    assert!(
        text.contains("does not trust") && text.contains("--ca-file"),
        "{text}"
    );
    for (args, variables) in [
        (&[&PULL[..], &["--ca-file", &ca]].concat()[..], &[][..]),
        (&PULL, &[("STATEKEEP_CA_FILE", &*ca)]),
        (&PULL, &[("SSL_CERT_FILE", &*ca)]),
    ] {
        let pulled = remote.run(args, variables);
        assert_eq!(pulled.status.code(), Some(0), "{}", stderr(&pulled));
        assert_eq!(String::from_utf8_lossy(&pulled.stdout), tfstate(L1, 1));
    }
    let missing = remote.site.flag("nothing");
    for (file, word) in [
        (&missing, "No such file"),
        (&remote.site.flag("secret"), "no certificate in it"),
    ] {
        let failed = remote.run(&PULL, &[("STATEKEEP_CA_FILE", file)]);
        assert_eq!(failed.status.code(), Some(1));
        let text = stderr(&failed);
        assert!(text.contains("--ca-file") && text.contains(word), "{text}");
    }
}

#[test]
fn a_certificate_is_shown_if_it_is_named() {
    let remote = Remote::asking();
    let [ca, cert, key] = ["ca.pem", "client.pem", "client.key"].map(|name| remote.site.flag(name));
    let trusted = [&PULL[..], &["--ca-file", &ca]].concat();
    let refused = remote.run(&trusted, &[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr(&refused).contains("--client-cert"),
        "{}",
        stderr(&refused)
    );
    let shown = [
        &trusted[..],
        &["--client-cert", &cert, "--client-key", &key],
    ]
    .concat();
    let pulled = remote.run(&shown, &[]);
    assert_eq!(pulled.status.code(), Some(0), "{}", stderr(&pulled));
    let half = [&trusted[..], &["--client-cert", &cert]].concat();
    assert_eq!(remote.run(&half, &[]).status.code(), Some(2));
    let no_key = [&trusted[..], &["--client-cert", &cert, "--client-key", &ca]].concat();
    let failed = remote.run(&no_key, &[]);
    assert_eq!(failed.status.code(), Some(1));
    assert!(
        stderr(&failed).contains("--client-key"),
        "{}",
        stderr(&failed)
    );
    let secret = std::fs::read_to_string(remote.site.path("client.key")).expect("a key");
    assert!(!stderr(&failed).contains(secret.lines().nth(1).expect("a line")));
}

#[test]
fn a_program_that_is_run_gets_them_unless_its_user_has_set_others() {
    let remote = Remote::asking();
    let [ca, cert, key] = ["ca.pem", "client.pem", "client.key"].map(|name| remote.site.flag(name));
    let names = ["--workspace", "team"];
    let files = [
        "--ca-file",
        &ca,
        "--client-cert",
        &cert,
        "--client-key",
        &key,
    ];
    let all = "printf '%s|%s|%s' \"$TF_HTTP_CLIENT_CA_CERTIFICATE_PEM\" \
        \"$TF_HTTP_CLIENT_CERTIFICATE_PEM\" \"$TF_HTTP_CLIENT_PRIVATE_KEY_PEM\"";
    let command = [&["run"][..], &names, &files, &["--", "sh", "-c", all]].concat();
    let read = |name: &str| std::fs::read_to_string(remote.site.path(name)).expect("a file");
    let output = remote.run(&command, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let expected = ["ca.pem", "client.pem", "client.key"].map(read).join("|");
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    let own = [("TF_HTTP_CLIENT_CA_CERTIFICATE_PEM", "mine")];
    let output = remote.run(&command, &own);
    assert!(output.stdout.starts_with(b"mine|"), "{}", stderr(&output));
}

#[test]
fn configure_says_what_the_program_needs() {
    let remote = Remote::new();
    let ca = remote.site.flag("ca.pem");
    std::fs::write(remote.dir.path().join("main.tf"), "").expect("a file");
    let names = ["--workspace", "team", "--building-block", "app", "--check"];
    let command = [&["configure"][..], &names, &["--ca-file", &ca]].concat();
    let output = remote.run(&command, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stderr(&output);
    assert!(
        text.contains("TF_HTTP_CLIENT_CA_CERTIFICATE_PEM=\"$(cat "),
        "{text}"
    );
}

#[test]
fn import_reads_from_another_backend_over_tls_and_not_in_the_clear() {
    let remote = Remote::new();
    let here = Server::start();
    let import = |url: &str, more: &[&str]| {
        let mut command = statekeep(&["import", "--from-url", url]);
        command.args(["--workspace", "team", "--building-block", "copy"]);
        command
            .env("STATEKEEP_DATA", here.data())
            .env_remove("SSL_CERT_FILE");
        command
            .env("TF_HTTP_USERNAME", "x")
            .env("TF_HTTP_PASSWORD", remote.server.admin().secret());
        command.args(more).output().expect("it runs")
    };
    let url = remote.server.state("team/net");
    let refused = import(&url, &[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr(&refused).contains("--ca-file"),
        "{}",
        stderr(&refused)
    );
    let taken = import(&url, &["--ca-file", &remote.site.flag("ca.pem")]);
    assert_eq!(taken.status.code(), Some(0), "{}", stderr(&taken));
    assert_eq!(
        here.admin().read("team/copy").expect_status(200).text(),
        tfstate(L1, 1)
    );

    let open = format!("http://statekeep.invalid{}", state_path("team/net"));
    let refused = import(&open, &[]);
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    assert!(
        stderr(&refused).contains("--insecure-http"),
        "{}",
        stderr(&refused)
    );
    let meant = import(&open, &["--insecure-http"]);
    assert_eq!(
        meant.status.code(),
        Some(1),
        "no such host: {}",
        stderr(&meant)
    );
}
