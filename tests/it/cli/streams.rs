//! Lists are printed as they are read: the first rows are there before more were asked for, and
//! what a command holds does not grow with the list.

use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{PATIENCE, statekeep};

use super::stub;

/// The rows of a list, and in how many bytes a command may read it.
const ROWS: u64 = 12_000;
const MAX_MEMORY: u64 = 40 * 1024 * 1024;

/// What the first row alone has in it, in every format.
const FIRST: &str = "n000000";

/// A server that waits with the second page, and with the last one, until it may go on.
struct Slow {
    url: String,
    /// Says which page was asked for.
    asked: Receiver<Page>,
    go_on: Sender<()>,
}

#[derive(Debug, PartialEq, Eq)]
enum Page {
    Second,
    Last,
}

/// What stands in a query after a name.
fn parameter(head: &str, name: &str) -> Option<u64> {
    let (_, rest) = head.split_once(&format!("{name}="))?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

fn answer(body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

/// A list of so many rows. Its cursor is the number of the next one.
fn list(name: &'static str, cursor: &'static str, row: fn(u64) -> Value) -> Slow {
    let (asked_here, asked) = channel();
    let (go_on, may_go_on) = channel();
    let cursor = format!("&{cursor}");
    let url = stub(move |head| {
        let begin = parameter(head, &cursor).unwrap_or(0);
        let end = ROWS.min(begin + parameter(head, "limit").expect("a limit"));
        for page in [
            (begin > 0 && begin <= 1_000).then_some(Page::Second),
            (end == ROWS).then_some(Page::Last),
        ]
        .into_iter()
        .flatten()
        {
            let _ = asked_here.send(page);
            let _ = may_go_on.recv_timeout(PATIENCE);
        }
        let rows: Vec<Value> = (begin..end).map(row).collect();
        let next = (end < ROWS).then_some(end);
        answer(&json!({ name: rows, "next": next }).to_string())
    });
    Slow { url, asked, go_on }
}

/// The most memory that a process has had at a time, in bytes.
fn peak_memory(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.trim().parse::<u64>().ok())
        .expect("a number")
        * 1024
}

fn spawned(url: &str, dir: &Path, args: &[&str]) -> Child {
    let key = dir.join("key");
    std::fs::write(&key, "skp_x").expect("a key");
    let mut command = statekeep(args);
    command
        .current_dir(dir)
        .env("STATEKEEP_URL", url)
        .env("STATEKEEP_KEY_FILE", key);
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it runs")
}

/// Runs a command that lists, and gives all that it prints.
fn listed(slow: &Slow, args: &[&str]) -> String {
    let dir = TempDir::new().expect("a directory");
    let mut child = spawned(&slow.url, dir.path(), args);
    let mut output = child.stdout.take().expect("piped");
    let (text_of_all, text) = channel();
    let (first_row, first) = channel();
    std::thread::spawn(move || {
        let (mut seen, mut buffer) = (Vec::new(), vec![0; 65536]);
        while let Ok(length @ 1..) = output.read(&mut buffer) {
            seen.extend_from_slice(&buffer[..length]);
            if seen
                .windows(FIRST.len())
                .any(|part| part == FIRST.as_bytes())
            {
                break;
            }
        }
        let _ = first_row.send(());
        let _ = output.read_to_end(&mut seen);
        let _ = text_of_all.send(seen);
    });
    let page = slow.asked.recv_timeout(PATIENCE);
    assert_eq!(page, Ok(Page::Second), "{args:?}");
    assert_eq!(
        first.recv_timeout(PATIENCE),
        Ok(()),
        "{args:?}: no row before the second page"
    );
    slow.go_on.send(()).expect("it waits");
    assert_eq!(
        slow.asked.recv_timeout(PATIENCE),
        Ok(Page::Last),
        "{args:?}"
    );
    let peak = peak_memory(&child);
    assert!(peak < MAX_MEMORY, "{args:?}: {peak} bytes");
    slow.go_on.send(()).expect("it waits");
    let text = text.recv_timeout(PATIENCE).expect("it ends");
    assert!(child.wait().expect("it ends").success(), "{args:?}");
    String::from_utf8(text).expect("UTF-8")
}

fn version(index: u64) -> Value {
    json!({
        "number": ROWS - index, "sha256": "6e".repeat(32), "size": 61234, "serial": index,
        "lineage": "11111111-1111-4111-8111-111111111111", "terraform_version": "1.11.4",
        "format": 4, "resources": 40, "added": 1, "changed": 2, "removed": 3, "encrypted": false,
        "kind": "write", "intermediate": false, "from_version": null, "address": "10.0.0.7",
        "created_at": "2026-01-02T03:04:05.678Z", "current": false, "purged": true, "held": null,
        "created_by": { "id": "22222222-2222-4222-8222-222222222222", "name": name(index) },
        "lock": { "id": index.to_string(), "operation": "OperationTypeApply", "who": "x@y" },
    })
}

fn name(index: u64) -> String {
    format!("n{index:06}")
}

fn state(index: u64) -> Value {
    json!({
        "workspace": "team", "buildingBlock": name(index), "address": "http://server",
        "current": version(ROWS - 1), "versions": 1, "size": 61234, "history_size": 61234,
        "lock": null, "created_at": "2026-01-02T03:04:05.678Z", "deleted_at": null,
        "updated_at": "2026-01-02T03:04:05.678Z", "transferred_to": null,
    })
}

fn key(index: u64) -> Value {
    json!({
        "id": format!("{index:08}-1111-4111-8111-111111111111"), "name": name(index),
        "workspace": "team", "buildingBlock": null, "permissions": ["TFSTATE_SAVE"],
        "status": "active", "created_at": "2026-01-02T03:04:05.678Z", "expires_at": null,
        "created_by": { "id": "operator", "name": "operator" }, "last_used_at": null,
        "revoked_at": null, "rotated_at": null, "old_secret_until": null,
        "client_sans": [],
    })
}

/// A command that lists, the member of an answer that has the rows, the cursor, and a row.
type Listed = (
    &'static [&'static str],
    &'static str,
    &'static str,
    fn(u64) -> Value,
);

#[test]
fn the_first_rows_are_printed_before_more_are_asked_for_and_none_are_kept() {
    let lists: [Listed; 4] = [
        (&["state", "list"], "states", "after", state),
        (
            &["state", "history", "team/net"],
            "versions",
            "before",
            version,
        ),
        (
            &["state", "history", "team/net", "--all"],
            "versions",
            "before",
            version,
        ),
        (&["key", "list"], "keys", "after", key),
    ];
    for (args, name, cursor, row) in &lists {
        let text = listed(&list(name, cursor, *row), args);
        assert_eq!(text.lines().count() as u64, ROWS + 1, "{args:?}");
    }
    // One document of all pages: with a cursor that is a name, and with one that is a number.
    for (args, name, cursor, row) in &lists[..2] {
        let json = [*args, &["--format", "json"]].concat();
        let text = listed(&list(name, cursor, *row), &json);
        let whole: Value = serde_json::from_str(&text).expect("one document");
        assert_eq!(
            whole[*name].as_array().map(Vec::len),
            usize::try_from(ROWS).ok(),
            "{json:?}"
        );
        assert_eq!((&whole["next"], text.lines().count()), (&Value::Null, 1));
    }
}

#[test]
fn the_manifest_of_an_export_does_not_wait_in_memory() {
    let (asked_here, asked) = channel();
    let (go_on, may_go_on) = channel();
    let url = stub(move |head| {
        if !head.contains("/versions?") {
            return answer(&json!({ "states": [state(0)], "next": null }).to_string());
        }
        // The cursor is the number below which a page has its versions.
        let before = parameter(head, "&before").unwrap_or(ROWS + 1);
        let lowest = before
            .saturating_sub(parameter(head, "limit").expect("a limit"))
            .max(1);
        if before > ROWS && !head.contains("fields=") && asked_here.send(()).is_ok() {
            let _ = may_go_on.recv_timeout(PATIENCE);
        }
        let rows: Vec<Value> = (lowest..before)
            .rev()
            .map(|number| version(ROWS - number))
            .collect();
        let next = (lowest > 1).then_some(lowest);
        answer(&json!({ "versions": rows, "next": next }).to_string())
    });
    let dir = TempDir::new().expect("a directory");
    let mut child = spawned(&url, dir.path(), &["export", "out"]);
    // Once to see whether there are more pages, and once as the last one that is read.
    for _ in 0..2 {
        asked.recv_timeout(PATIENCE).expect("it is asked for");
        let peak = peak_memory(&child);
        assert!(peak < MAX_MEMORY, "{peak} bytes");
        go_on.send(()).expect("it waits");
    }
    assert!(child.wait().expect("it ends").success());
    let manifest = super::export::manifest(&dir.path().join("out"));
    let versions = manifest["states"][0]["versions"]
        .as_array()
        .expect("versions");
    let numbers = versions.iter().map(|version| version["number"].as_u64());
    assert!(
        numbers.eq((1..=ROWS).map(Some)),
        "all of them, the oldest first"
    );
}

#[test]
fn a_list_that_breaks_off_is_no_whole_document() {
    let url = stub(|head| {
        if head.contains("&after") {
            return "HTTP/1.1 500 Internal\r\nContent-Length: 0\r\n\r\n".to_owned();
        }
        answer(&json!({ "states": [state(0)], "next": 1 }).to_string())
    });
    let dir = TempDir::new().expect("a directory");
    let child = spawned(&url, dir.path(), &["state", "list", "--format", "json"]);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(text.contains(FIRST), "{text}");
    assert!(serde_json::from_str::<Value>(&text).is_err(), "{text}");
}
