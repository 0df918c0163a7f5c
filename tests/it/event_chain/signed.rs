//! Signed heads: in the answer, the file of events, a backup and the anchor; checked without a
//! server.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

use super::{acts, head, settled};
use crate::harness::{Setup, eventually, statekeep};

fn check(file: &Path, more: &[&str]) -> Output {
    let mut command = statekeep(&["events", "--check", file.to_str().expect("UTF-8")]);
    command.args(more).output().expect("it runs")
}

#[track_caller]
fn told(output: &Output, code: i32) -> String {
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let told = told + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{told}");
    told
}

/// A script reads the same as JSON.
#[track_caller]
fn told_as_json(file: &Path, key: &str) {
    let json = told(&check(file, &["--signed-by", key, "--json"]), 0);
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["keys"], serde_json::json!([key]));
    assert!(json["heads"].as_u64() > Some(0), "{json}");
    assert_eq!(json["last"]["key"], key, "{json}");
}

#[test]
fn signed_heads_are_checked_without_a_server() {
    let place = TempDir::new().expect("a directory");
    let file = place.path().join("events.jsonl");
    let data = place.path().join("data");
    let start = || {
        let setup = Setup::new().data(&data);
        setup
            .flag("--events-file", file.to_str().expect("UTF-8"))
            .start()
    };
    let server = start();
    acts(&server);
    settled(&server);
    let shown = head(&server.admin());
    let key = shown["signed"]["key"].as_str().expect("a key").to_owned();
    let found = std::fs::metadata(data.join("statekeep.eventkey")).expect("it is there");
    assert_eq!(found.permissions().mode() & 0o777, 0o600);
    let anchor = || std::fs::read_to_string(data.join("statekeep.anchor")).unwrap_or_default();
    eventually("the anchor is signed", || {
        anchor().contains(&format!("signed {key} "))
    });
    let backup = place.path().join("b.tar.zst");
    let copied = server.cli(&["backup", backup.to_str().expect("UTF-8")]);
    assert!(copied.status.success());
    assert!(server.stop().success());

    // The end of the server is one of the moments at which a head is written.
    let good = told(&check(&file, &["--signed-by", &key]), 0);
    assert!(good.contains(&format!("signed by {key}")), "{good}");
    assert!(good.contains("genuine"), "{good}");
    told_as_json(&file, &key);
    let text = std::fs::read_to_string(&file).expect("the lines");
    let last = text
        .lines()
        .rfind(|line| line.starts_with("{\"head\""))
        .expect("a head");
    let last: Value = serde_json::from_str(last).expect("JSON");
    assert!(
        good.contains(&format!("{}:", last["head"]["number"])),
        "{good}"
    );
    // The same key signs after a restart.
    assert!(start().stop().success());
    let again = told(&check(&file, &["--signed-by", &key]), 0);
    assert_eq!(again.matches("signed by").count(), 1, "{again}");

    let other = "0".repeat(64);
    let refused = told(&check(&file, &["--signed-by", &other]), 1);
    assert!(refused.contains("by another key"), "{refused}");
    let changed = place.path().join("changed");
    let hash = last["head"]["hash"].as_str().expect("a hash");
    let forged = text.replace(hash, &other);
    std::fs::write(&changed, forged).expect("a file");
    let found = told(&check(&changed, &[]), 1);
    assert!(found.contains("is not what its key has signed"), "{found}");
    let line = format!("\"hash\":\"{hash}\"}}\n");
    std::fs::write(&changed, text.replace(&line, &line.replace(hash, &other))).expect("a file");
    let found = told(&check(&changed, &[]), 1);
    assert!(found.contains("another hash than the head"), "{found}");
    std::fs::write(&changed, "{}\n").expect("a file");
    assert!(told(&check(&changed, &[]), 1).contains("no signed head"));
    told(&check(&place.path().join("missing"), &[]), 1);

    let manifest = place.path().join("manifest.json");
    let packed = std::fs::File::open(&backup).expect("a backup");
    let files = zstd::stream::read::Decoder::new(packed).expect("zstd");
    let mut files = tar::Archive::new(files);
    let mut first = files
        .entries()
        .expect("a tar")
        .next()
        .expect("a file")
        .expect("readable");
    first.unpack(&manifest).expect("the manifest");
    let good = told(&check(&manifest, &["--signed-by", &key]), 0);
    assert!(good.contains("1 head genuine"), "{good}");
}
