//! `salvage`: whatever happened to a data directory, each version whose pages are intact comes out
//! byte for byte under its own name, nothing comes out that was not written, and an import of it
//! gives the same histories.

mod asking;
mod file;
mod log;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::LazyLock;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::disk::noise;
use crate::harness::{
    Client, Server, Setup, resource, sha256, statekeep, tfstate_noted, tfstate_with,
};
use crate::inside;

/// What was written: the bytes of each version, by the state's name and the number.
type Written = BTreeMap<(String, u64), Vec<u8>>;

/// Names at the edges of what a name may be.
const NAMES: [&str; 5] = [
    "team/net",
    "A.b_c-7/x..y__z--1",
    "team/67e55044-10b1-426f-9247-bb680e5fe0c8",
    "0/1",
    "sixty-three-characters-are-the-most-that-a-name-may-have-xxxxxx/\
     sixty-three-characters-are-the-most-that-a-name-may-have-yyyyyy",
];

/// Two data directories of one server: killed, with half of its versions in the log, and stopped
/// later, with all of them in the file.
struct Sample {
    dir: TempDir,
    /// What was in the file when the log began.
    first: Written,
    all: Written,
    /// Of each state, what its history says.
    histories: BTreeMap<String, Vec<Value>>,
}

static SAMPLE: LazyLock<Sample> = LazyLock::new(Sample::make);

impl Sample {
    fn make() -> Self {
        let dir = TempDir::new().expect("a directory");
        let data = dir.path().join("data");
        let mut all = Written::new();
        let server = Setup::new().data(&data).start();
        let admin = server.admin();
        write(&admin, 1..13, &mut all);
        inside::compacted(&data);
        assert!(server.stop().success());
        let first = all.clone();
        let mut server = Setup::new().data(&data).start();
        let admin = admin.at(&server);
        // So few that the WAL stays shorter than what is moved into the file.
        write(&admin, 13..19, &mut all);
        let stale = tfstate_noted(crate::harness::lineage(0).as_str(), 3, "stale");
        admin.write("team/net", &stale, None).expect_status(409);
        all.insert(("team/net".to_owned(), 19), stale.into_bytes());
        admin.delete("0/1").expect_status(200);
        inside::compacted(&data);
        let names = all.keys().map(|(name, _)| name.clone());
        let names: BTreeSet<String> = names.collect();
        let histories = names.into_iter().map(|name| {
            let rows = admin.versions(&name);
            (name, rows)
        });
        let histories = histories.collect();
        server.kill();
        copy(&data, &dir.path().join("killed"));
        assert!(Setup::new().data(&data).start().stop().success());
        copy(&data, &dir.path().join("stopped"));
        Self {
            dir,
            first,
            all,
            histories,
        }
    }

    /// A copy of its own to damage.
    fn copy_of(&self, which: &str) -> Damaged {
        let dir = TempDir::new().expect("a directory");
        copy(&self.dir.path().join(which), &dir.path().join("data"));
        Damaged { dir }
    }

    /// Fails if anything came out that was not written.
    fn nothing_is_wrong(&self, found: &Salvaged) {
        for (key, bytes) in &found.named {
            assert!(self.all.get(key) == Some(bytes), "{key:?} is another one");
        }
        for (hash, bytes) in &found.unnamed {
            assert_eq!(&sha256(bytes), hash);
            let is_one = self.all.values().any(|written| written == bytes);
            assert!(is_one, "{hash} was never written");
        }
    }

    /// Fails if something is missing, or wrong.
    fn all_came_out(&self, found: &Salvaged) {
        self.nothing_is_wrong(found);
        let lost: Vec<_> = self
            .all
            .keys()
            .filter(|key| !found.named.contains_key(*key))
            .collect();
        assert!(lost.is_empty(), "{lost:?} are missing: {}", found.said);
        assert_eq!(found.code, 0, "{}", found.said);
    }

    /// The versions that came out neither under their names nor without one.
    fn lost(&self, found: &Salvaged) -> Vec<&(String, u64)> {
        let is_lost = |(key, bytes): &(&(String, u64), &Vec<u8>)| {
            !found.named.contains_key(*key) && !found.unnamed.contains_key(&sha256(bytes))
        };
        self.all
            .iter()
            .filter(is_lost)
            .map(|(key, _)| key)
            .collect()
    }
}

/// Writes versions with these serials to each state.
fn write(admin: &Client, serials: std::ops::Range<u64>, written: &mut Written) {
    for serial in serials {
        for (index, name) in (0..).zip(NAMES) {
            let count = usize::try_from(serial + index).expect("few");
            let resources = json!([resource("managed", "null_resource", "many", 20 + count)]);
            let lineage = crate::harness::lineage(index);
            let body = tfstate_with(&lineage, serial, &format!("{name} {serial}"), &resources);
            admin.write(name, &body, None).expect_status(200);
            written.insert((name.to_owned(), serial), body.into_bytes());
        }
        if serial % 6 == 0 {
            let number = serial / 6;
            let body = tfstate_noted(&crate::harness::lineage(9), number, &noise(serial, 200_000));
            admin.write("team/large", &body, None).expect_status(200);
            written.insert(("team/large".to_owned(), number), body.into_bytes());
        }
    }
}

/// Copies what a salvage reads.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).expect("a directory");
    for name in ["statekeep.db", "statekeep.db-wal"] {
        if from.join(name).exists() {
            std::fs::copy(from.join(name), to.join(name)).expect("a copy");
        }
    }
}

/// A data directory that a test damages.
struct Damaged {
    dir: TempDir,
}

impl Damaged {
    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn database(&self) -> PathBuf {
        self.data().join("statekeep.db")
    }

    fn log(&self) -> PathBuf {
        self.data().join("statekeep.db-wal")
    }

    fn salvage(&self) -> Salvaged {
        Salvaged::of(&self.data(), &self.dir.path().join("out"))
    }
}

/// What came out.
struct Salvaged {
    named: Written,
    unnamed: BTreeMap<String, Vec<u8>>,
    code: i32,
    /// What was printed.
    said: String,
}

impl Salvaged {
    /// Salvages into a folder that is removed again.
    fn of(source: &Path, out: &Path) -> Self {
        let args = [source, out].map(|path| path.to_str().expect("UTF-8"));
        let output = statekeep(&[&["salvage"], &args[..]].concat()).output();
        let found = Self::read(out, &output.expect("the binary runs"));
        let _ = std::fs::remove_dir_all(out);
        found
    }

    fn read(out: &Path, output: &Output) -> Self {
        let mut found = Self {
            named: named_in(out),
            unnamed: BTreeMap::new(),
            code: output.status.code().expect("an exit code"),
            said: String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into(),
        };
        let is_one = found.said.contains(" 1 frame of the WAL");
        let one = found.said.contains(" frame of the WAL");
        assert_eq!(one, is_one, "one of several is told: {}", found.said);
        for entry in std::fs::read_dir(out.join("unnamed")).into_iter().flatten() {
            let path = entry.expect("readable").path();
            let bytes = std::fs::read(&path).expect("a file");
            let name = path
                .file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            found.unnamed.insert(name, bytes);
        }
        found
    }
}

/// The versions that a folder's manifest names, with their bytes.
fn named_in(out: &Path) -> Written {
    let Ok(manifest) = std::fs::read(out.join("manifest.json")) else {
        return Written::new();
    };
    let manifest: Value = serde_json::from_slice(&manifest).expect("JSON");
    let mut found = Written::new();
    for state in manifest["states"].as_array().expect("states") {
        let part = |name: &str| state[name].as_str().expect("a name").to_owned();
        let name = format!("{}/{}", part("workspace"), part("buildingBlock"));
        for version in state["versions"].as_array().expect("versions") {
            let number = version["number"].as_u64().expect("a number");
            if let Some(file) = version["file"].as_str() {
                let bytes = std::fs::read(out.join(file)).expect("the file");
                assert_eq!(version["sha256"], sha256(&bytes), "{file}");
                found.insert((name.clone(), number), bytes);
            }
        }
    }
    found
}

/// Overwrites bytes of a file.
fn overwrite(path: &Path, offset: usize, bytes: &[u8]) {
    use std::os::unix::fs::FileExt as _;
    let file = std::fs::OpenOptions::new().write(true).open(path);
    let file = file.expect("our file");
    file.write_all_at(bytes, offset as u64).expect("our file");
}

#[test]
fn an_undamaged_directory_comes_out_as_a_whole() {
    for which in ["stopped", "killed"] {
        let found = SAMPLE.copy_of(which).salvage();
        SAMPLE.all_came_out(&found);
        assert!(found.unnamed.is_empty(), "{which}: {}", found.said);
    }
}

#[test]
fn an_import_of_what_came_out_gives_the_same_histories() {
    let damaged = SAMPLE.copy_of("killed");
    overwrite(&damaged.database(), 0, &[0; 4_096]);
    let out = damaged.dir.path().join("kept");
    let out = out.to_str().expect("UTF-8");
    let source = damaged.data();
    let output = statekeep(&["salvage", source.to_str().expect("UTF-8"), out]).output();
    assert!(output.expect("the binary runs").status.success());
    let server = Server::start();
    let imported = server.cli(&["import", out]);
    let said = String::from_utf8_lossy(&imported.stderr);
    assert!(imported.status.success(), "{said}");
    let admin = server.admin();
    for (name, history) in &SAMPLE.histories {
        let facts = |rows: &[Value]| {
            let of = |row: &Value| {
                [
                    "number",
                    "sha256",
                    "serial",
                    "lineage",
                    "created_at",
                    "rejected",
                ]
                .map(|fact| row[fact].clone())
            };
            rows.iter().map(of).collect::<Vec<_>>()
        };
        assert_eq!(facts(&admin.versions(name)), facts(history), "{name}");
        for ((_, number), bytes) in SAMPLE.all.iter().filter(|((of, _), _)| of == name) {
            let path = format!("{}/versions/{number}", crate::harness::state_path(name));
            let read = admin.get(&path).expect_status(200);
            assert!(read.text().as_bytes() == &bytes[..], "{name} {number}");
        }
    }
    admin.read("0/1").expect_problem(404, "no_state");
}
