//! The lines of `--events-file` prove themselves: their hashes are made again here from what
//! `docs/format.md` says of them, without the database and without the program's own code.

use serde_json::Value;
use tempfile::TempDir;
use uuid::Uuid;

use super::{acts, settled};
use crate::harness::{Setup, eventually, sha256};

/// A value in the form of the format's page: name, type, and the value.
enum Column {
    Null,
    Integer(i64),
    Text(String),
    Blob(Vec<u8>),
}

fn number(value: &Value) -> Column {
    value.as_i64().map_or(Column::Null, Column::Integer)
}

fn text(value: &Value) -> Column {
    let text = value.as_str().map(str::to_owned);
    text.map_or(Column::Null, Column::Text)
}

/// An id: a UUID takes 16 bytes.
fn id(value: &Value) -> Column {
    let uuid = value.as_str().and_then(|text| Uuid::try_parse(text).ok());
    uuid.map_or_else(
        || text(value),
        |uuid| Column::Blob(uuid.as_bytes().to_vec()),
    )
}

fn time(value: &Value) -> Column {
    let text = value.as_str().expect("a time");
    let at = humantime::parse_rfc3339(text).expect("a time");
    let since = at
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970");
    Column::Integer(i64::try_from(since.as_millis()).expect("milliseconds"))
}

fn detail(value: &Value) -> Column {
    if value.is_null() {
        return Column::Null;
    }
    Column::Text(value.to_string())
}

/// The columns of a line, but for those that grow and `lasting`.
fn columns(event: &Value) -> Vec<(&'static str, Column)> {
    let kind = event["kind"].as_str().expect("a kind");
    let is_counted = [
        "state.read",
        "credentials.refused",
        "access.refused",
        "request.redirected",
    ]
    .contains(&kind);
    let is_in_parts = ["state.prune", "state.purge"].contains(&kind);
    let all = [
        ("seq", number(&event["seq"])),
        ("at", time(&event["at"])),
        ("kind", text(&event["kind"])),
        ("actor", id(&event["actor"]["id"])),
        ("actor_name", text(&event["actor"]["name"])),
        ("address", text(&event["address"])),
        ("request_id", id(&event["request_id"])),
        ("workspace", text(&event["workspace"])),
        ("building_block", text(&event["buildingBlock"])),
        ("version", number(&event["version"])),
        ("lock_id", id(&event["lock_id"])),
        ("count", number(&event["count"])),
        ("last_at", time(&event["last_at"])),
        (
            "attention",
            Column::Integer(i64::from(event["attention"] == true)),
        ),
        ("detail", detail(&event["detail"])),
    ];
    let grows = |name: &str| match name {
        "count" => is_counted,
        "last_at" => is_counted || is_in_parts,
        "detail" => is_in_parts,
        _ => false,
    };
    all.into_iter().filter(|(name, _)| !grows(name)).collect()
}

fn long(into: &mut Vec<u8>, bytes: &[u8]) {
    into.extend((bytes.len() as u64).to_be_bytes());
    into.extend(bytes);
}

fn add(into: &mut Vec<u8>, name: &str, column: &Column) {
    let (kind, value): (u8, &[u8]) = match column {
        Column::Null => return,
        Column::Integer(number) => {
            long(into, name.as_bytes());
            into.push(b'i');
            into.extend(number.to_be_bytes());
            return;
        }
        Column::Text(text) => (b't', text.as_bytes()),
        Column::Blob(bytes) => (b'b', bytes),
    };
    long(into, name.as_bytes());
    into.push(kind);
    long(into, value);
}

fn hash(before: &str, event: &Value, is_lasting: bool) -> String {
    let mut bytes = hex(before);
    long(&mut bytes, b"statekeep event 1");
    for (name, column) in columns(event) {
        add(&mut bytes, name, &column);
    }
    if is_lasting {
        add(&mut bytes, "lasting", &Column::Integer(1));
    }
    sha256(&bytes)
}

fn hex(text: &str) -> Vec<u8> {
    let pair = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("a digit");
    (0..text.len()).step_by(2).map(pair).collect()
}

#[test]
fn each_line_has_the_hash_that_follows_from_the_line_before() {
    let place = TempDir::new().expect("a directory");
    let file = place.path().join("events.jsonl");
    let server = Setup::new()
        .flag("--events-file", file.to_str().expect("UTF-8"))
        .start();
    acts(&server);
    let last = settled(&server);
    let lines = || -> Vec<Value> {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let line = |line: &str| serde_json::from_str(line).ok();
        let lines = text.lines().filter_map(line);
        lines
            .filter(|line: &Value| line["head"].is_null())
            .collect()
    };
    eventually("each event has its line", || lines().len() as u64 >= last);
    let lines = lines();
    let mut kinds = std::collections::BTreeSet::new();
    for pair in lines.windows(2) {
        let (before, event) = (&pair[0], &pair[1]);
        assert_eq!(
            event["seq"].as_u64(),
            before["seq"].as_u64().map(|seq| seq + 1)
        );
        let before = before["hash"].as_str().expect("a hash");
        let told = event["hash"].as_str().expect("a hash");
        let made = [false, true].map(|is_lasting| hash(before, event, is_lasting));
        assert!(made.iter().any(|made| made == told), "{event}: {made:?}");
        let mut other = event.clone();
        other["address"] = Value::from("10.9.9.9");
        assert_ne!(hash(before, &other, false), told);
        assert_ne!(hash(before, &other, true), told);
        kinds.insert(event["kind"].to_string());
    }
    for kind in ["state.write", "state.read", "state.purge", "key.create"] {
        assert!(kinds.contains(&format!("{kind:?}")), "{kind}: {kinds:?}");
    }
}
