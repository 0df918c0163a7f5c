//! The commands that make a storage key, print it for a safe, and take it from there.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::sync::Mutex;

use serde_json::json;

use super::{Place, run, succeeds, text};
use crate::cli::stub;
use crate::harness::{Server, statekeep};

#[test]
fn a_key_goes_into_a_safe_and_comes_back() {
    let place = Place::new();
    let (one, again) = (place.key("one"), place.key("again"));
    let key = std::fs::read_to_string(&one).expect("a key");
    let mode = one.metadata().expect("a file").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let words = succeeds(run(&["key", "escrow", text(&one)]));
    assert_eq!(words.split_whitespace().count(), 24, "{words}");
    let told = succeeds(run(&["key", "escrow", text(&one), "--json"]));
    let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    let listed: Vec<&str> = words.split_whitespace().collect();
    assert_eq!(told["words"], json!(listed));
    let from_escrow = |words: &str| {
        let mut child = statekeep(&["key", "from-escrow", text(&again)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let mut input = child.stdin.take().expect("piped");
        input.write_all(words.as_bytes()).expect("written");
        drop(input);
        child.wait_with_output().expect("the binary ends")
    };
    let mut swapped: Vec<&str> = words.split_whitespace().collect();
    swapped.swap(0, 1);
    let first = words.split_whitespace().next().expect("a word");
    for wrong in [
        swapped.join(" "),
        words.replacen(first, "statekeep", 1),
        String::new(),
    ] {
        let refused = from_escrow(&wrong);
        assert_eq!(refused.status.code(), Some(1), "{wrong}");
        assert!(!again.exists());
    }
    succeeds(from_escrow(&words));
    assert_eq!(std::fs::read_to_string(&again).expect("a key"), key);
    // A full stderr is no reason to make no key.
    std::fs::remove_file(&again).expect("it was made");
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    writer.write_all(words.as_bytes()).expect("written");
    drop(writer);
    let full = std::fs::File::options().write(true).open("/dev/full");
    let code = statekeep(&["key", "from-escrow", text(&again)])
        .stdin(reader)
        .stderr(full.expect("the device"))
        .status()
        .expect("the binary runs")
        .code();
    assert_eq!(code, Some(0));
    assert_eq!(std::fs::read_to_string(&again).expect("a key"), key);
    let refused = run(&["key", "new-storage", text(&one)]);
    assert_eq!(refused.status.code(), Some(1), "a key that is there stays");
    assert_eq!(std::fs::read_to_string(&one).expect("a key"), key);
}

#[test]
fn a_file_that_holds_no_key_is_named_and_its_content_is_not() {
    let place = Place::new();
    let file = place.key("bad");
    std::fs::write(&file, "statekeep-storage-key-1 hunter2\n").expect("written");
    let log = place.setup(&["bad"]).try_start().err().expect("no start");
    assert!(
        log.contains(text(&file)) && !log.contains("hunter2"),
        "{log}"
    );
}

#[test]
fn the_status_says_whether_content_is_sealed_and_by_which_key() {
    let place = Place::new();
    let server = place.start(&[]);
    let told = |server: &crate::harness::Server| succeeds(server.cli(&["status"]));
    let clear = told(&server);
    assert!(clear.contains("storage          in the clear"), "{clear}");
    assert!(clear.contains("certificate      none"), "{clear}");
    assert!(server.stop().success());
    let server = place.start(&["one"]);
    let storage = server.admin().get("/api/status").json()["storage"].clone();
    assert_eq!(storage["sealed"], true);
    let key = storage["storage_key"].as_str().expect("a mark");
    let sealed = told(&server);
    let line = format!("storage          sealed, storage key {key}");
    assert!(sealed.contains(&line), "{sealed}");
}

#[test]
fn how_far_sealing_is_stands_in_lines_where_no_terminal_is() {
    let place = Place::new();
    let key = place.key("secret");
    let secret = Server::start().admin().secret().to_owned();
    std::fs::write(&key, secret).expect("written");
    let answers = Mutex::new([0, 1, 2, 55, 56].into_iter());
    let url = stub(move |head| {
        let next = || answers.lock().expect("unpoisoned").next();
        let done = head.contains(" /api/storage").then(next).flatten();
        let pending = done.map(|done| json!({"done": done, "of": 100}));
        let body = json!({"sealed": true, "storage_key": "k", "pending": pending, "copies": []});
        let body = body.to_string();
        let length = body.len();
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
    });
    let sealed = run(&["encrypt-storage", "--url", &url, "--key-file", text(&key)]);
    let said = String::from_utf8_lossy(&sealed.stderr).into_owned();
    let lines: Vec<&str> = said.lines().filter(|line| line.contains("seal")).collect();
    assert_eq!(
        lines[..2],
        ["sealing 0 of 100", "sealing 55 of 100"],
        "{said}"
    );
    assert!(!said.contains(['\r', '\u{1b}']), "{said:?}");
    assert!(lines.iter().all(|line| !line.contains("56")), "{said}");
    succeeds(sealed);
}
