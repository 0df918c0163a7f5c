//! `serve --syslog`: a receiver gets signed heads of the event log, over TCP and TLS, as RFC 5424
//! and its framing say. One that is away, or that hangs, is told and holds up nobody.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{PATIENCE, Server, Setup, eventually, statekeep, tfstate};
use crate::tls::authority::{Authority, Pair};

const LINEAGE: &str = "00000001-1111-4111-8111-111111111111";

/// What a receiver was sent on each connection.
type Messages = Receiver<Vec<u8>>;

/// A receiver that takes what it is sent and then closes, as those in use do.
fn receive(listener: TcpListener, tls: Option<Arc<ServerConfig>>) -> Messages {
    let (sender, messages) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.expect("a connection");
            let message = match &tls {
                None => read(stream),
                Some(tls) => {
                    let connection = ServerConnection::new(Arc::clone(tls)).expect("a connection");
                    read(StreamOwned::new(connection, stream))
                }
            };
            if let Some(message) = message
                && sender.send(message).is_err()
            {
                return;
            }
        }
    });
    messages
}

fn read(mut stream: impl Read + Write) -> Option<Vec<u8>> {
    let mut message = Vec::new();
    stream.read_to_end(&mut message).ok()?;
    Some(message)
}

fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    (listener, port)
}

fn start(url: &str) -> Server {
    Setup::new().flag("--syslog", url).start()
}

/// The head of a message, once its frame and its header were looked at.
#[track_caller]
fn head(message: &[u8]) -> (Value, String) {
    let text = std::str::from_utf8(message).expect("UTF-8");
    let (length, message) = text.split_once(' ').expect("a length");
    assert_eq!(length.parse(), Ok(message.len()), "{text}");
    let (header, rest) = message.split_once(" [").expect("structured data");
    let fields: Vec<&str> = header.split(' ').collect();
    let [priority, at, host, app, process, id] = fields[..] else {
        panic!("{header}");
    };
    assert_eq!(
        [priority, host, app, process, id],
        ["<109>1", "-", "statekeep", "-", "head"]
    );
    let (element, line) = rest.split_once("] ").expect("a text");
    let line: Value = serde_json::from_str(line).expect("JSON");
    let said = &line["head"];
    assert_eq!(said["at"], at);
    let param = |name: &str| format!("{name}=\"{}\"", said[name].to_string().trim_matches('"'));
    let params = ["instance", "number", "hash", "key", "signature"].map(param);
    assert_eq!(element, format!("head@32473 {}", params.join(" ")));
    (said.clone(), line.to_string())
}

#[track_caller]
fn next(messages: &Messages) -> (Value, String) {
    head(&messages.recv_timeout(PATIENCE).expect("a message"))
}

fn write(server: &Server, serial: u64) {
    let state = tfstate(LINEAGE, serial);
    let admin = server.admin();
    admin.write("team/net", state, None).expect_status(200);
}

fn problem(server: &Server) -> Option<String> {
    let ready = server.anonymous().get("/readyz").expect_status(200).json();
    assert_eq!(ready["status"], "ready");
    let problems = ready["problems"].as_array().expect("a list");
    let found = problems
        .iter()
        .find(|problem| problem["code"] == "syslog_behind");
    found.map(|problem| problem["detail"].to_string())
}

#[test]
fn a_receiver_gets_the_head_at_the_start_and_the_last_one_at_the_end_and_both_are_genuine() {
    let (listener, port) = listen();
    let messages = receive(listener, None);
    let server = start(&format!("tcp://127.0.0.1:{port}"));
    let (first, first_line) = next(&messages);
    write(&server, 1);
    let shown = server.admin().get("/api/events/head").json();
    assert_eq!(problem(&server), None);
    assert!(server.stop().success());
    let (last, last_line) = next(&messages);
    assert_eq!(last["key"], shown["signed"]["key"]);
    assert_eq!(last["instance"], first["instance"]);
    let number = |head: &Value| head["number"].as_u64();
    assert!(number(&last) > number(&first), "{first} {last}");
    assert!(number(&last) >= number(&shown), "{last} {shown}");

    // The texts alone are what `events --check` reads.
    let dir = TempDir::new().expect("a directory");
    let file = dir.path().join("heads");
    std::fs::write(&file, format!("{first_line}\n{last_line}\n")).expect("a file");
    let key = last["key"].as_str().expect("a key");
    let file = file.to_str().expect("UTF-8");
    let checked = statekeep(&["events", "--check", file, "--signed-by", key]).output();
    let checked = checked.expect("it runs");
    assert!(checked.status.success(), "{checked:?}");
}

#[test]
fn a_receiver_behind_tls_is_believed_only_if_the_machine_trusts_it() {
    let authority = Authority::new();
    let pair = authority.server(1);
    let (listener, port) = listen();
    let messages = receive(listener, Some(pair.served()));
    let url = format!("tls://127.0.0.1:{port}");

    let server = start(&url);
    eventually("it is told", || problem(&server).is_some());
    assert!(server.log().contains("UnknownIssuer"), "{}", server.log());
    drop(server);
    assert!(messages.try_recv().is_err(), "nothing was sent to it");

    let dir = TempDir::new().expect("a directory");
    let file = dir.path().join("ca.pem");
    std::fs::write(&file, authority.pem()).expect("a file");
    let setup = Setup::new().env("SSL_CERT_FILE", file.to_str().expect("UTF-8"));
    let server = setup.flag("--syslog", &url).start();
    next(&messages);
    assert_eq!(problem(&server), None);
}

#[test]
fn a_receiver_that_asks_for_a_certificate_is_shown_the_one_of_now() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (listener, port) = listen();
    let tls = authority.server(1).served_to_those_of(&authority);
    let messages = receive(listener, Some(tls));
    let url = format!("tls://127.0.0.1:{port}");
    let dir = TempDir::new().expect("a directory");
    let file = |name: &str| dir.path().join(name).to_str().expect("UTF-8").to_owned();
    let put = |pair: &Pair| {
        std::fs::write(file("head.key"), &pair.key).expect("a file");
        std::fs::write(file("head.pem"), &pair.cert).expect("a file");
    };
    std::fs::write(file("ca.pem"), authority.pem()).expect("a file");
    let setup = || {
        let setup = Setup::new().env("SSL_CERT_FILE", &file("ca.pem"));
        setup.flag("--syslog", &url)
    };

    let server = setup().start();
    eventually("it is told", || problem(&server).is_some());
    drop(server);
    assert!(messages.try_recv().is_err(), "nothing was taken");

    put(&authority.between(&["statekeep.example"], -1, 1));
    let setup = setup().flag("--log-level", "trace");
    let setup = setup.flag("--syslog-cert", &file("head.pem"));
    let server = setup.flag("--syslog-key", &file("head.key")).start();
    next(&messages);

    // Another authority's is shown too, and is not taken.
    put(&other.between(&["statekeep.example"], -1, 1));
    take_backup(&server, dir.path());
    eventually("it is told", || problem(&server).is_some());
    assert!(messages.try_recv().is_err(), "nothing was taken");
    let last = authority.between(&["statekeep.example"], -1, 1);
    put(&last);
    next(&messages);
    eventually("it is well again", || problem(&server).is_none());
    let log = server.log();
    assert!(log.contains("head.pem") || log.contains("syslog"), "{log}");
    assert!(!log.contains(inside(&last.key)), "{log}");
}

/// A part of a key's file that is nothing but key.
fn inside(pem: &str) -> &str {
    let body = pem.lines().nth(1).expect("PEM");
    &body[body.len() / 2..]
}

#[test]
fn a_certificate_that_cannot_be_shown_is_refused_at_the_start() {
    let authority = Authority::new();
    let (pair, other) = (authority.server(1), authority.server(1));
    let dir = TempDir::new().expect("a directory");
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path.to_str().expect("UTF-8").to_owned()
    };
    let (cert, key) = (file("head.pem", &pair.cert), file("head.key", &pair.key));
    let (another, empty) = (file("other.key", &other.key), file("empty", ""));
    let missing = dir
        .path()
        .join("missing")
        .to_str()
        .expect("UTF-8")
        .to_owned();
    let cases = [
        (
            "tls",
            &cert,
            &another,
            "is not that of the first certificate",
        ),
        ("tls", &cert, &missing, "No such file"),
        ("tls", &empty, &key, "BEGIN CERTIFICATE"),
        ("tls", &cert, &empty, "BEGIN PRIVATE KEY"),
        ("tcp", &cert, &key, "is in clear"),
    ];
    for (scheme, cert, key, word) in cases {
        let setup = Setup::new().flag("--syslog", &format!("{scheme}://127.0.0.1:9"));
        let setup = setup.flag("--syslog-cert", cert).flag("--syslog-key", key);
        let told = setup.try_start().err().expect("it does not start");
        assert!(told.contains(word), "{word}: {told}");
        for key in [&pair.key, &other.key] {
            assert!(!told.contains(inside(key)), "{told}");
        }
    }
    let alone = Setup::new().flag("--syslog-cert", &cert);
    let told = alone.try_start().err().expect("it does not start");
    assert!(told.contains("--syslog-key"), "{told}");
}

fn take_backup(server: &Server, dir: &Path) {
    let file = dir.join(format!("{}.tar.zst", uuid::Uuid::new_v4()));
    let output = server.cli(&["backup", file.to_str().expect("UTF-8")]);
    assert!(output.status.success(), "{output:?}");
}

/// The newest backup that the log has an event of.
fn newest_backup(server: &Server) -> u64 {
    let query = "/api/events?kind=backup.make&limit=1";
    let events = server.admin().get(query).expect_status(200).json();
    events["events"][0]["seq"].as_u64().expect("an event")
}

#[test]
fn a_receiver_gets_the_head_at_each_backup() {
    let (listener, port) = listen();
    let messages = receive(listener, None);
    let dir = TempDir::new().expect("a directory");
    let kept = dir.path().join("kept");
    let setup = Setup::new().flag("--backup-dir", kept.to_str().expect("UTF-8"));
    let url = format!("tcp://127.0.0.1:{port}");
    let server = setup.flag("--syslog", &url).start();
    let mut heads = vec![next(&messages).0];
    // The server makes the first one by itself.
    heads.push(next(&messages).0);
    let number = |head: &Value| head["number"].as_u64().expect("a number");
    assert!(number(&heads[1]) >= newest_backup(&server), "{heads:?}");
    for _ in 0..3 {
        take_backup(&server, dir.path());
        heads.push(next(&messages).0);
        assert!(
            number(&heads[heads.len() - 1]) >= newest_backup(&server),
            "{heads:?}"
        );
    }
    // Without backups, a minute lies between two heads.
    let at = |head: &Value| {
        let at = head["at"].as_str().expect("a time");
        humantime::parse_rfc3339(at).expect("a time")
    };
    let apart = |two: &[Value]| at(&two[1]).duration_since(at(&two[0])).expect("in order");
    let nearest = heads[1..].windows(2).map(apart).min().expect("heads");
    assert!(nearest < Duration::from_mins(1), "{heads:?}");
    let first = apart(&heads[..2]);
    assert!(
        first < Duration::from_mins(1),
        "the server's own: {heads:?}"
    );
}

#[test]
fn a_receiver_that_was_away_gets_the_newest_head_and_nobody_waited_for_it() {
    let (listener, port) = listen();
    drop(listener);
    let server = start(&format!("tcp://127.0.0.1:{port}"));
    eventually("it is told", || problem(&server).is_some());
    write(&server, 1);
    let told = problem(&server).expect("a problem");
    assert!(!told.contains(&port.to_string()), "{told}");
    assert!(server.log().contains(&format!("tcp://127.0.0.1:{port}")));
    let behind = || {
        let metrics = server.admin().get("/metrics").text().clone();
        !metrics.contains("statekeep_syslog_behind_seconds 0")
    };
    eventually("it is measured", behind);
    let newest = server.admin().get("/api/events/head").json();
    let messages = receive(
        TcpListener::bind(("127.0.0.1", port)).expect("the port"),
        None,
    );
    let (head, _) = next(&messages);
    assert!(head["number"].as_u64() >= newest["number"].as_u64());
    eventually("it is well again", || problem(&server).is_none());
}

/// The kernel takes the connection and the bytes. Only that the other side closes shows that they
/// were read.
#[test]
fn a_receiver_that_hangs_is_a_problem_and_holds_up_no_act_and_no_end() {
    let (listener, port) = listen();
    let held = std::thread::spawn(move || {
        let streams = listener.incoming().take(2).collect::<Vec<_>>();
        (listener, streams)
    });
    let server = start(&format!("tcp://127.0.0.1:{port}"));
    write(&server, 1);
    eventually("it is told", || problem(&server).is_some());
    write(&server, 2);
    assert!(server.log().contains("it took longer than 5 s"));
    assert!(server.stop().success());
    drop(held);
}

#[test]
fn a_receiver_that_is_none_is_refused() {
    for bad in ["udp://logs:514", "tcp://logs", "tls://:6514", "logs:601"] {
        let setup = Setup::new().flag("--syslog", bad);
        let told = setup.try_start().err().expect("it does not start");
        assert!(
            told.contains("tcp://HOST:PORT or tls://HOST:PORT"),
            "{told}"
        );
    }
}

/// A message that nobody can read as one would be a loss that nobody notices.
#[test]
fn a_stream_that_is_closed_at_once_took_nothing() {
    let (listener, port) = listen();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // Unread bytes make the end a reset.
            let stream: TcpStream = stream.expect("a connection");
            let mut first = [0; 1];
            let _ = (&stream).read(&mut first);
        }
    });
    let server = start(&format!("tcp://127.0.0.1:{port}"));
    eventually("it is told", || problem(&server).is_some());
}
