//! `docs/format.md` is enough to read the data without statekeep: its queries and its script are
//! run here on a data directory that a server left, and each version's bytes are compared with what
//! was written. Its tables name every table, every column of the data and every member of a
//! manifest.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use rusqlite::{Connection, named_params};
use serde_json::{Value, json};
use tempfile::TempDir;
use zstd::zstd_safe::DCtx;

use crate::disk::noise;
use crate::harness::{Client, Server, Setup, sha256, state_path, tfstate_noted};
use crate::{inside, skip};

const PAGE: &str = include_str!("../../docs/format.md");
const LINEAGE: &str = "6b0bb6f4-4bd5-4bd7-9a0e-7b8c0b3f5f11";

/// How many versions of the state are accepted; one rejected version follows.
const ACCEPTED: u64 = 20;

/// What was written: by state and number.
type Written = BTreeMap<(String, u64), String>;

/// A state of some 30 kB of which each serial changes a little.
fn state(serial: u64) -> String {
    let parts = (0..30)
        .map(|part| noise(part * 1_000 + serial.saturating_sub(part) / 30, 1_000))
        .collect::<Vec<_>>();
    tfstate_noted(LINEAGE, serial, &parts.join(" "))
}

fn write_all(writer: &Client) -> Written {
    let mut written = Written::new();
    for serial in 1..=ACCEPTED {
        writer
            .write("team/net", state(serial), None)
            .expect_status(200);
        written.insert(("team/net".to_owned(), serial), state(serial));
    }
    writer
        .write("team/net", state(1), None)
        .expect_problem(409, "stale_write");
    written.insert(("team/net".to_owned(), ACCEPTED + 1), state(1));
    let alone = r#"{"version": 4, "serial": 18446744073709551615}"#;
    writer.write("team/dns", alone, None).expect_status(200);
    written.insert(("team/dns".to_owned(), 1), alone.to_owned());
    written
}

/// A server with a history that is compacted, and what was written.
fn server(data: &Path) -> (Server, Written) {
    let server = Setup::new().data(data).start();
    let written = write_all(&server.key("team", "writer"));
    inside::compacted(server.data());
    (server, written)
}

/// The page's blocks in one language.
fn blocks(language: &str) -> Vec<&'static str> {
    let start = format!("```{language}\n");
    PAGE.split(&start)
        .skip(1)
        .filter_map(|rest| rest.split_once("```"))
        .map(|(block, _)| block)
        .collect()
}

/// The page's one block in a language that has these words.
fn block(language: &str, words: &str) -> &'static str {
    let mut found = blocks(language);
    found.retain(|block| block.contains(words));
    assert_eq!(found.len(), 1, "one block with '{words}': {found:?}");
    found[0]
}

/// Each version in the database with its SHA-256, by the page's query.
fn listed(database: &Connection) -> BTreeMap<(String, u64), String> {
    let mut list = database
        .prepare(block("sql", "is_current"))
        .expect("the page's query");
    let row = |row: &rusqlite::Row<'_>| {
        let name = format!("{}/{}", row.get::<_, String>(0)?, row.get::<_, String>(1)?);
        Ok(((name, row.get::<_, i64>(2)?.cast_unsigned()), row.get(3)?))
    };
    list.query_map([], row)
        .expect("rows")
        .collect::<rusqlite::Result<_>>()
        .expect("rows as the page says")
}

/// A version's bytes, decoded as the page says; how many frames that took.
fn decoded(database: &Connection, name: &str, number: u64) -> (Vec<u8>, usize) {
    let mut chain = database
        .prepare(block("sql", "c.step DESC"))
        .expect("the page's query");
    let (workspace, block) = name.split_once('/').expect("two names");
    let key = named_params! {
        ":workspace": workspace, ":building_block": block, ":number": number.cast_signed(),
    };
    let frames: Vec<(u32, u32, Vec<u8>)> = chain
        .query_map(key, |row| Ok((row.get(1)?, row.get(2)?, row.get(3)?)))
        .expect("rows")
        .collect::<rusqlite::Result<_>>()
        .expect("rows as the page says");
    let mut bytes = Vec::new();
    for (format, size, frame) in &frames {
        bytes = decode(*format, *size, frame, &bytes);
    }
    (bytes, frames.len())
}

fn decode(format: u32, size: u32, frame: &[u8], base: &[u8]) -> Vec<u8> {
    let mut context = DCtx::create();
    match format {
        1 => {}
        2 => drop(context.ref_prefix(base).expect("a prefix")),
        other => panic!("a format that the page does not know: {other}"),
    }
    let size = usize::try_from(size).expect("a size");
    let mut bytes = Vec::with_capacity(size);
    context.decompress(&mut bytes, frame).expect("a frame");
    assert_eq!(bytes.len(), size);
    bytes
}

#[test]
fn every_version_is_read_from_the_file_by_what_the_page_says() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let (server, written) = server(&data);
    assert!(server.stop().success());
    let database = inside::open(&data);
    let listed = listed(&database);
    assert!(listed.keys().eq(written.keys()), "{listed:?}");
    let mut longest = 0;
    for ((name, number), text) in &written {
        let (bytes, frames) = decoded(&database, name, *number);
        assert!(bytes == text.as_bytes(), "version {number} of {name}");
        assert_eq!(listed[&(name.clone(), *number)], sha256(&bytes));
        longest = longest.max(frames);
    }
    assert!((3..=9).contains(&longest), "deltas to deltas: {longest}");
    let (current, frames) = decoded(&database, "team/net", ACCEPTED);
    assert_eq!((current.len(), frames), (state(ACCEPTED).len(), 1));
    assert_eq!(decoded(&database, "team/net", 99), (Vec::new(), 0));
}

#[test]
fn the_script_of_the_page_reads_every_version() {
    for (program, variable) in [("sqlite3", "STATEKEEP_SQLITE3"), ("zstd", "STATEKEEP_ZSTD")] {
        if skip::program(program, variable).is_none() {
            return;
        }
    }
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let (server, written) = server(&data);
    assert!(server.stop().success());
    let script = dir.path().join("read-version.sh");
    std::fs::write(&script, block("sh", "writefile")).expect("a script");
    let run = |name: &str, number: u64| {
        let (workspace, block) = name.split_once('/').expect("two names");
        Command::new("sh")
            .arg(&script)
            .arg(data.join("statekeep.db"))
            .args([workspace, block, &number.to_string()])
            .output()
            .expect("a shell")
    };
    for ((name, number), text) in &written {
        let output = run(name, *number);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{number} of {name}: {said}");
        assert!(output.stdout == text.as_bytes(), "{number} of {name}");
    }
    assert!(!run("team/net", 99).status.success(), "there is none");
}

/// The names in the first column of the table behind a line of the page.
fn names_behind(line: &str) -> BTreeSet<String> {
    let (_, rest) = PAGE
        .split_once(&format!("\n{line}\n"))
        .unwrap_or_else(|| panic!("the page has no line '{line}'"));
    let rows = rest
        .lines()
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .skip(2);
    let cells = rows.filter_map(|row| row.split('|').nth(1));
    cells
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_page_names_every_table_and_every_column_of_the_data() {
    let server = Server::start();
    let database = inside::open(server.data());
    let names = |sql: &str| -> BTreeSet<String> {
        let mut statement = database.prepare(sql).expect("a query");
        let rows = statement.query_map([], |row| row.get(0)).expect("rows");
        rows.collect::<rusqlite::Result<_>>().expect("names")
    };
    let tables = names("SELECT name FROM sqlite_master WHERE type = 'table'");
    assert_eq!(names_behind("## Tables"), tables);
    for table in ["states", "versions", "blobs", "differences"] {
        let columns = names(&format!("SELECT name FROM pragma_table_info('{table}')"));
        assert_eq!(names_behind(&format!("### `{table}`")), columns, "{table}");
    }
    let schema = "SELECT max(version) FROM refinery_schema_history";
    let schema = inside::number(server.data(), schema);
    assert!(PAGE.contains(&format!("This page describes schema {schema}.")));
}

fn members(object: &Value) -> BTreeSet<String> {
    let object = object.as_object().expect("an object");
    object.keys().cloned().collect()
}

#[test]
fn the_page_names_every_member_of_a_manifest() {
    let dir = TempDir::new().expect("a directory");
    let (server, written) = server(&dir.path().join("data"));
    let hold = format!("{}/versions/1/hold", state_path("team/net"));
    let reason = json!({"reason": "known to be good"});
    server.admin().post_json(&hold, &reason).expect_status(200);
    let out = dir.path().join("export");
    let done = server.cli(&["export", out.to_str().expect("UTF-8")]);
    assert!(done.status.success(), "{done:?}");
    let manifest = std::fs::read(out.join("manifest.json")).expect("a manifest");
    let manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
    let state = &manifest["states"][1];
    let rejected = &state["versions"][usize::try_from(ACCEPTED).expect("few")];
    assert_eq!(rejected["kind"], "rejected", "{manifest}");
    let whole = "`manifest.json` is one JSON object:";
    assert_eq!(names_behind(whole), members(&manifest));
    assert_eq!(names_behind("A state in `states`:"), members(state));
    let line = "A version in `versions` is the version as the API shows it ([api.md](api.md)), and \
                one more member:";
    assert_eq!(names_behind(line), members(rejected));
    let file = rejected["file"].as_str().expect("a file");
    let bytes = std::fs::read(out.join(file)).expect("a file");
    assert_eq!(rejected["sha256"], sha256(&bytes));
    assert_eq!(
        bytes,
        written[&("team/net".to_owned(), ACCEPTED + 1)].as_bytes()
    );
}
