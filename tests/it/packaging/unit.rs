//! The units: systemd understands them, they close what they say, start the server as they stand
//! there, and let every system call through that the server makes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use super::text;
use crate::harness::{Server, Setup, binary, lineage, resource, tfstate_with};
use crate::skip;

/// The most that `systemd-analyze security` may find open, in tenths.
const MOST_EXPOSURE: &str = "13";
/// SQLite gives files that root makes to the owner of the database. The unit's user is not root.
const ONLY_AS_ROOT: &str = "fchown";
const PROGRAM: &str = "/usr/bin/statekeep";
const STATE: &str = "team-a/network";
const DATA: &str = "/var/lib/statekeep";
const LISTEN: &str = "127.0.0.1:8680";

#[test]
fn systemd_understands_the_unit_and_finds_little_open() {
    let Some(analyze) = skip::program("systemd-analyze", "STATEKEEP_SYSTEMD_ANALYZE") else {
        return;
    };
    let dir = TempDir::new().expect("a directory");
    let unit = dir.path().join("statekeep.service");
    let socket = dir.path().join("statekeep.socket");
    let program = binary();
    let here = unit_text().replace(PROGRAM, program.to_str().expect("UTF-8"));
    // Sealing is left to the operator. The line is right as it stands there.
    let sealed = here.replace("\n#LoadCredential=", "\nLoadCredential=");
    assert!(sealed.contains("\nLoadCredential=statekeep.storage-key:/"));
    let here = sealed;
    // The manual is installed with the package.
    let here = here.replace("Documentation=man:statekeep(1)\n", "");
    std::fs::write(&unit, here).expect("a file");
    std::fs::write(&socket, text("systemd/statekeep.socket")).expect("a file");

    let verified = Command::new(&analyze)
        .arg("verify")
        .args([&unit, &socket])
        .output()
        .expect("it runs");
    let said = [verified.stdout, verified.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(verified.status.success(), "{said}");
    // Words that it does not know are only a warning.
    let names_ours = said.contains("statekeep.service") || said.contains("statekeep.socket");
    assert!(!names_ours, "{said}");

    let mut security = Command::new(&analyze);
    security.args([
        "security",
        "--offline=yes",
        "--no-pager",
        "--threshold",
        MOST_EXPOSURE,
    ]);
    let judged = security.arg(&unit).output().expect("it runs");
    assert!(
        judged.status.success(),
        "{}",
        String::from_utf8_lossy(&judged.stdout)
    );
}

#[test]
fn the_server_starts_as_the_unit_says() {
    let unit = unit_text();
    let start = values(&unit, "ExecStart");
    assert_eq!(
        start,
        [format!("{PROGRAM} serve")],
        "the test starts it without flags"
    );
    let variables = environment(&unit);
    let expected = BTreeMap::from([("STATEKEEP_DATA", DATA), ("STATEKEEP_LISTEN", LISTEN)]);
    assert_eq!(variables, expected, "the test knows these two variables");
    // The package's settings are all commented out, so that each is a default until then.
    let settings = text("systemd/statekeep.env");
    let mut setup = Setup::new();
    let backups = TempDir::new().expect("a directory");
    for (name, value) in settings.lines().filter_map(setting) {
        match name {
            "STATEKEEP_LISTEN" => assert_eq!(value, LISTEN),
            "STATEKEEP_BACKUP_DIR" => {
                setup = setup.env(name, backups.path().to_str().expect("UTF-8"));
            }
            _ => setup = setup.env(name, value),
        }
    }
    assert_eq!(
        values(&unit, "StateDirectory"),
        [DATA.trim_start_matches("/var/lib/")]
    );

    let server = setup.start();

    // The page tells which address clients have to use.
    let client = server
        .admin()
        .request("LOCK", &crate::harness::state_path(STATE));
    let client = client.header("X-Forwarded-For", "10.1.2.3");
    let lock = crate::harness::lock_body("a");
    crate::harness::Client::ask(client.body(lock)).expect_status(200);
    let events = server.admin().events("kind=lock.acquire");
    assert_eq!(events[0]["address"], "10.1.2.3", "{events:?}");
}

#[test]
fn every_system_call_of_the_server_is_let_through() {
    let analyze = skip::program("systemd-analyze", "STATEKEEP_SYSTEMD_ANALYZE");
    let (Some(analyze), Some(strace)) = (analyze, skip::program("strace", "STATEKEEP_STRACE"))
    else {
        return;
    };
    let seen = tempfile::NamedTempFile::new().expect("a file");
    let (strace, file) = (
        strace.to_str().expect("UTF-8"),
        seen.path().to_str().expect("UTF-8"),
    );
    let mut server = Setup::new()
        .under(&[strace, "-f", "-qq", "-c", "-U", "name", "-o", file])
        .start();
    work(&server);
    for child in crate::harness::children(server.pid()) {
        assert!(crate::harness::kill("TERM", child));
    }
    server.wait();

    let called = std::fs::read_to_string(seen.path()).expect("a summary");
    let called: BTreeSet<&str> = called
        .split_whitespace()
        .filter(|word| is_name(word))
        .collect();
    assert!(
        called.contains("fdatasync") && called.len() > 30,
        "{called:?}"
    );
    let allowed = allowed(&analyze);
    let refused: Vec<&&str> = called
        .iter()
        .filter(|call| !allowed.contains(**call) && **call != ONLY_AS_ROOT)
        .collect();
    assert!(
        refused.is_empty(),
        "the unit lets these not through: {refused:?}"
    );
}

/// Some of all that a server does: keys, logins, writes small and large, a purge, a verification.
fn work(server: &Server) {
    let writer = server.key("team-a", "owner");
    for (number, instances) in [(1, 3), (2, 20_000)] {
        let state = format!("team-a/{number}-{}", server.pid());
        let resources = json!([resource("managed", "terraform_data", "x", instances)]);
        for serial in 1..4 {
            let body = tfstate_with(&lineage(number), serial, &serial.to_string(), &resources);
            writer.write(&state, body, None).expect_status(200);
        }
        writer.read(&state).expect_status(200);
        writer.lock(&state, "a").expect_status(200);
        writer.unlock(&state, "a").expect_status(200);
        let path = crate::harness::state_path(&state);
        let purge = json!({"versions": [1]});
        server
            .admin()
            .post_json(&format!("{path}/purge"), &purge)
            .expect_status(200);
    }
    server
        .admin()
        .post_json("/api/verify", &json!({}))
        .expect_status(200);
    server.admin().get("/metrics").expect_status(200);
    assert!(server.cli(&["state", "list"]).status.success());
}

/// A setting that is commented out.
fn setting(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix("#STATEKEEP_")?;
    line.strip_prefix('#')?.split_once('=')
}

fn unit_text() -> String {
    text("systemd/statekeep.service")
}

/// The values of a setting, in their order.
fn values<'u>(unit: &'u str, setting: &str) -> Vec<&'u str> {
    let lines = unit.lines().filter_map(|line| line.split_once('='));
    lines
        .filter(|(name, _)| *name == setting)
        .map(|(_, value)| value)
        .collect()
}

fn environment(unit: &str) -> BTreeMap<&str, &str> {
    let pairs = values(unit, "Environment").into_iter();
    pairs
        .map(|pair| pair.split_once('=').expect("NAME=value"))
        .collect()
}

/// The calls that the unit's filter lets through: its lists one after the other, `~` takes away.
fn allowed(analyze: &Path) -> BTreeSet<String> {
    let groups = groups(analyze);
    let mut allowed = BTreeSet::new();
    for list in values(&unit_text(), "SystemCallFilter") {
        let (list, removes) = match list.strip_prefix('~') {
            Some(rest) => (rest, true),
            None => (list, false),
        };
        for call in list.split(' ').flat_map(|word| calls(word, &groups)) {
            if removes {
                allowed.remove(&call);
            } else {
                allowed.insert(call);
            }
        }
    }
    allowed
}

/// What each group of calls holds, as systemd knows them.
fn groups(analyze: &Path) -> BTreeMap<String, Vec<String>> {
    let output = Command::new(analyze)
        .args(["syscall-filter", "--no-pager"])
        .output();
    let output = String::from_utf8(output.expect("it runs").stdout).expect("UTF-8");
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut name = String::new();
    for line in output
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
    {
        if line.starts_with('@') {
            line.clone_into(&mut name);
        } else if !line.trim().is_empty() {
            groups
                .entry(name.clone())
                .or_default()
                .push(line.trim().to_owned());
        }
    }
    groups
}

fn calls(word: &str, groups: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let Some(members) = groups.get(word) else {
        return vec![word.to_owned()];
    };
    members
        .iter()
        .flat_map(|member| calls(member, groups))
        .collect()
}

fn is_name(word: &str) -> bool {
    word.starts_with(|first: char| first.is_ascii_lowercase())
        && word
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        && !matches!(word, "total" | "syscall")
}
