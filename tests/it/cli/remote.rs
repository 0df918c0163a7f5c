//! `--url` and `--key-file`: a server elsewhere, with a key of one's own.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Output;
use std::sync::Arc;

use serde_json::json;
use tempfile::TempDir;

use crate::harness::{Server, eventually, statekeep, tfstate, tfstate_noted};

use super::export::files;
use super::{L1, stderr};

struct Remote {
    server: Server,
    dir: TempDir,
}

impl Remote {
    fn new() -> Self {
        Self {
            server: Server::start(),
            dir: TempDir::new().expect("a directory"),
        }
    }

    /// A file with a secret in it.
    fn key_file(&self, content: &str) -> PathBuf {
        let path = self.dir.path().join("key");
        std::fs::write(&path, content).expect("a file");
        let own = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&path, own).expect("a mode");
        path
    }

    fn run(&self, content: &str, args: &[&str]) -> Output {
        let file = self.key_file(content);
        let mut command = statekeep(args);
        command
            .current_dir(self.dir.path())
            .args(["--url", self.server.url(), "--key-file"])
            .arg(file)
            .output()
            .expect("it runs")
    }
}

#[test]
fn states_and_keys_of_a_server_elsewhere_are_reached_with_a_key() {
    let remote = Remote::new();
    let admin = remote.server.admin();
    admin
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    let pull = remote.run(
        &format!("{}\n", admin.secret()),
        &["state", "pull", "team/net"],
    );
    assert_eq!(pull.status.code(), Some(0), "{}", stderr(&pull));
    assert_eq!(String::from_utf8_lossy(&pull.stdout), tfstate(L1, 1));
    let made = remote.run(
        admin.secret(),
        &[
            "key",
            "create",
            "ci",
            "--workspace",
            "team",
            "--role",
            "reader",
        ],
    );
    let secret = String::from_utf8_lossy(&made.stdout).trim().to_owned();
    remote
        .server
        .with(&secret)
        .read("team/net")
        .expect_status(200);
    let list = remote.run(&secret, &["state", "list"]);
    assert!(String::from_utf8_lossy(&list.stdout).contains("team/net"));
    let events = admin.events("kind=key.create");
    assert_eq!(
        events[0]["actor"]["name"], "admin",
        "as the key, not as the operator"
    );
    assert!(
        !remote.dir.path().join("statekeep-data").exists(),
        "no data directory is made"
    );
}

#[test]
fn the_workspace_of_ones_own_key_is_there_before_its_first_state() {
    let remote = Remote::new();
    let team = remote.server.key("team", "writer");
    for args in [["state", "list"], ["inventory", "--workspace"]] {
        let run = |workspace| remote.run(team.secret(), &[&args[..], &[workspace]].concat());
        let own = run("team");
        assert_eq!(own.status.code(), Some(0), "{args:?}: {}", stderr(&own));
        let mistyped = run("taem");
        assert_eq!(mistyped.status.code(), Some(1), "{args:?}");
        assert!(
            stderr(&mistyped).contains("did you mean team?"),
            "{}",
            stderr(&mistyped)
        );
    }
}

#[test]
fn the_keys_permissions_count() {
    let remote = Remote::new();
    remote
        .server
        .admin()
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    let reader = remote.server.key("team", "reader");
    for args in [
        &["state", "delete", "team/net", "--yes"][..],
        &["key", "list"],
        &["state", "pull", "rival/net"],
    ] {
        let output = remote.run(reader.secret(), args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(output.stdout.is_empty());
        assert!(stderr(&output).len() > 20, "{}", stderr(&output));
        assert!(!stderr(&output).contains(reader.secret()));
    }
    remote.server.admin().read("team/net").expect_status(200);
}

#[test]
fn both_are_variables_too() {
    let remote = Remote::new();
    let file = remote.key_file(remote.server.admin().secret());
    let output = statekeep(&["key", "list", "--format", "json"])
        .current_dir(remote.dir.path())
        .env("STATEKEEP_URL", remote.server.url())
        .env("STATEKEEP_KEY_FILE", &file)
        .output()
        .expect("it runs");
    let list: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(list["keys"][0]["name"], json!("admin"));
}

#[test]
fn what_cannot_work_says_why() {
    let remote = Remote::new();
    let wrong = remote.run("skp_nonsense", &["state", "list"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(
        wrong.stdout.is_empty() && !stderr(&wrong).contains("skp_nonsense"),
        "{}",
        stderr(&wrong)
    );
    let missing = statekeep(&[
        "state",
        "list",
        "--url",
        remote.server.url(),
        "--key-file",
        "/nonexistent/key",
    ])
    .output()
    .expect("it runs");
    assert_eq!(missing.status.code(), Some(1));
    assert!(
        stderr(&missing).contains("/nonexistent/key"),
        "{}",
        stderr(&missing)
    );
    let file = remote.key_file(remote.server.admin().secret());
    let nobody = statekeep(&["state", "list", "--url", "http://127.0.0.1:9", "--key-file"])
        .arg(&file)
        .output()
        .expect("it runs");
    assert_eq!(nobody.status.code(), Some(1));
    assert!(
        stderr(&nobody).contains("127.0.0.1:9"),
        "{}",
        stderr(&nobody)
    );
}

/// Commands that change nothing.
const READS: [&[&str]; 13] = [
    &["state", "list"],
    &["state", "list", "--workspace", "team", "--deleted"],
    &["state", "show", "team/net"],
    &["state", "pull", "team/net", "--version", "2"],
    &["state", "history", "team/net"],
    &["state", "diff", "team/net"],
    &["state", "outputs", "team/net"],
    &["state", "rollback", "team/net", "1", "--dry-run"],
    &["state", "pull", "team/none"],
    &["retention", "list"],
    &["prune", "--keep-last", "1", "--dry-run"],
    &["verify", "--quick"],
    &["verify"],
];

/// Commands that change something, and a word that each says.
const WRITES: [(&[&str], &str); 11] = [
    (
        &["state", "hold", "team/net", "1", "--reason", "known good"],
        "held",
    ),
    (
        &["state", "release", "team/net", "1"],
        "not held any more; it was: known good",
    ),
    (&["state", "delete", "team/two", "--yes"], "deleted"),
    (&["state", "restore", "team/two"], "is back"),
    (&["state", "move", "team/two", "team/three"], "is now"),
    (
        &["state", "rollback", "team/net", "1", "--yes"],
        "rolled back",
    ),
    (&["state", "purge", "team/net", "2", "--yes"], ""),
    (&["state", "unlock", "team/net"], "not locked"),
    (&["prune", "--keep-last", "1", "--yes"], ""),
    (&["retention", "set", "team", "--keep-last", "5"], ""),
    (&["retention", "unset", "team"], ""),
];

#[test]
fn every_command_tells_the_same_as_on_the_data_directory() {
    let remote = Remote::new();
    let admin = remote.server.admin();
    super::some_states(&admin);
    admin
        .write("team/net", tfstate_noted(L1, 4, "new"), None)
        .expect_status(200);
    let number_of_versions = || {
        admin
            .versions("team/net")
            .iter()
            .filter(|version| version["added"].is_null())
            .count()
    };
    eventually("the versions are counted", || number_of_versions() == 0);
    for args in READS {
        let here = remote.server.cli(args);
        let there = remote.run(admin.secret(), args);
        assert_eq!(
            String::from_utf8_lossy(&there.stdout),
            String::from_utf8_lossy(&here.stdout),
            "{args:?}"
        );
        assert_eq!(
            (there.status.code(), stderr(&there)),
            (here.status.code(), stderr(&here)),
            "{args:?}"
        );
    }
    expect_the_same_export(&remote);
    for (args, word) in WRITES {
        let done = remote.run(admin.secret(), args);
        assert_eq!(done.status.code(), Some(0), "{args:?}: {}", stderr(&done));
        assert!(stderr(&done).contains(word), "{args:?}: {}", stderr(&done));
    }
}

fn expect_the_same_export(remote: &Remote) {
    let admin = remote.server.admin();
    let out = |way: &str| {
        remote
            .dir
            .path()
            .join(way)
            .to_str()
            .expect("UTF-8")
            .to_owned()
    };
    assert_eq!(
        remote.server.cli(&["export", &out("here")]).status.code(),
        Some(0)
    );
    assert_eq!(
        remote
            .run(admin.secret(), &["export", &out("there")])
            .status
            .code(),
        Some(0)
    );
    let (mut here, mut there) = (files(out("here").as_ref()), files(out("there").as_ref()));
    assert!(here.remove("manifest.json").is_some() && there.remove("manifest.json").is_some());
    assert_eq!((here.len(), here), (6, there));
}

#[test]
fn every_command_says_why_it_cannot_reach_the_server_or_is_not_let_in() {
    let remote = Remote::new();
    let (wrong, good) = (
        remote.dir.path().join("wrong"),
        remote.dir.path().join("good"),
    );
    std::fs::write(&wrong, "skp_nonsense").expect("a file");
    std::fs::write(&good, remote.server.admin().secret()).expect("a file");
    let (out, state) = (
        remote.dir.path().join("out"),
        remote.dir.path().join("x.tfstate"),
    );
    std::fs::write(&state, tfstate(L1, 1)).expect("a file");
    let (out, state) = (out.to_str().expect("UTF-8"), state.to_str().expect("UTF-8"));
    for args in [
        &["state", "list"][..],
        &["state", "delete", "team/net"],
        &["key", "list"],
        &["prune", "--keep-last", "1"],
        &["verify"],
        &["retention", "list"],
        &["export", out],
        &[
            "import",
            state,
            "--workspace",
            "team",
            "--building-block",
            "net",
        ],
    ] {
        for (url, key, word) in [
            (remote.server.url(), &wrong, "unauthorized"),
            (
                "http://127.0.0.1:9",
                &good,
                "cannot reach http://127.0.0.1:9",
            ),
        ] {
            let failed = statekeep(args)
                .args(["--url", url, "--key-file"])
                .arg(key)
                .output()
                .expect("it runs");
            assert_eq!(
                failed.status.code(),
                Some(1),
                "{args:?}: {}",
                stderr(&failed)
            );
            assert!(
                failed.stdout.is_empty() && stderr(&failed).contains(word),
                "{args:?}: {}",
                stderr(&failed)
            );
            assert!(
                !stderr(&failed).contains("skp_nonsense"),
                "{}",
                stderr(&failed)
            );
        }
    }
    assert!(!std::path::Path::new(out).exists(), "nothing was begun");
}

#[test]
fn a_certificate_has_to_be_trusted() {
    let remote = Remote::new();
    remote
        .server
        .admin()
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    let (url, certificate) = with_tls(remote.server.address());
    let authority = remote.dir.path().join("authority.pem");
    std::fs::write(&authority, certificate).expect("a file");
    let key = remote.key_file(remote.server.admin().secret());
    let run = |trusted: bool| {
        let mut command = statekeep(&["state", "pull", "team/net", "--url", &url, "--key-file"]);
        if trusted {
            command.env("SSL_CERT_FILE", &authority);
        }
        command.arg(&key).output().expect("it runs")
    };
    let refused = run(false);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        refused.stdout.is_empty() && stderr(&refused).contains("certificate"),
        "{}",
        stderr(&refused)
    );
    assert!(
        stderr(&refused).contains("SSL_CERT_FILE"),
        "{}",
        stderr(&refused)
    );
    let taken = run(true);
    assert_eq!(taken.status.code(), Some(0), "{}", stderr(&taken));
    assert_eq!(String::from_utf8_lossy(&taken.stdout), tfstate(L1, 1));
}

/// The address of a proxy with TLS in front of a server, for requests without a body, and its
/// certificate.
pub(super) fn with_tls(address: &str) -> (String, String) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der())
        .expect("a key");
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key);
    let config = Arc::new(config.expect("a configuration"));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let address = address.to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection =
                rustls::ServerConnection::new(Arc::clone(&config)).expect("a connection");
            // One that does not trust the certificate hangs up.
            let _ = hand_on(
                rustls::StreamOwned::new(connection, stream.expect("a connection")),
                &address,
            );
        }
    });
    (format!("https://localhost:{port}"), made.cert.pem())
}

/// Hands one request on, and its answer back.
fn hand_on(
    mut client: rustls::StreamOwned<rustls::ServerConnection, TcpStream>,
    address: &str,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        head.extend(byte);
    }
    head.truncate(head.len() - 2);
    head.extend(b"Connection: close\r\n\r\n");
    let mut server = TcpStream::connect(address)?;
    server.write_all(&head)?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    client.write_all(&answer)?;
    client.conn.send_close_notify();
    client.flush()
}

#[test]
fn this_machine_is_asked_past_the_proxy_that_the_environment_names() {
    let remote = Remote::new();
    let file = remote.key_file(remote.server.admin().secret());
    let proxy = TcpListener::bind("127.0.0.1:0").expect("a port");
    proxy.set_nonblocking(true).expect("a mode");
    let name = format!("http://{}", proxy.local_addr().expect("bound"));
    let whoami = |url: &str, proxy: &str| {
        let mut command = statekeep(&["whoami", "--url", url, "--insecure-http", "--key-file"]);
        for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
            command.env(variable, proxy);
        }
        command.env_remove("NO_PROXY").env_remove("no_proxy");
        command.arg(&file).output().expect("it runs")
    };
    let port = remote.server.address().rsplit(':').next().expect("a port");
    for host in ["127.0.0.1", "localhost"] {
        let output = whoami(&format!("http://{host}:{port}"), &name);
        assert!(output.status.success(), "{host}: {}", stderr(&output));
        assert!(proxy.accept().is_err(), "the proxy was asked for {host}");
    }
    // Any other is asked through it, and a failure says that it was.
    let output = whoami("http://state.invalid", "http://127.0.0.1:1");
    let said = stderr(&output);
    assert!(
        !output.status.success() && said.contains("http_proxy names a proxy"),
        "{said}"
    );
}
