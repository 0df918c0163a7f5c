//! Sealed content through the front door: nothing of it stands on the disk in the clear, nothing of
//! it opens without its key or at another place, and what a kill leaves is gone on with.

mod beside;
mod changed;
mod commands;
mod keys;
mod kills;

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::json;
use tempfile::TempDir;

use crate::harness::{Client, Server, Setup, eventually, statekeep};

/// What must not stand anywhere: parts of a name, an attribute, an output, a provider.
const CANARIES: [&str; 4] = [
    "canary_resource_kq7",
    "canary-attribute-zx91",
    "canary-output-pp34",
    "canary-provider-vv55",
];
const LINEAGE: &str = "11111111-1111-4111-8111-111111111111";
/// How many versions a site has.
const VERSIONS: u64 = 6;

/// A state that has every canary, and text that compresses.
fn state(serial: u64) -> String {
    let [resource, attribute, output, provider] = CANARIES;
    let filler = (0..400).map(|n| {
        json!({"index_key": n, "schema_version": 0,
        "attributes": {"id": format!("i-{:x}", n * 7_919), "note": format!("{attribute} {serial}")},
        "sensitive_attributes": [], "dependencies": []})
    });
    json!({
        "version": 4, "terraform_version": "1.9.0", "serial": serial, "lineage": LINEAGE,
        "outputs": {"address": {"value": format!("{output} {serial}"), "type": "string"}},
        "resources": [{"mode": "managed", "type": "aws_x", "name": resource,
            "provider": format!("provider[\"registry.example/{provider}/aws\"]"),
            "instances": filler.collect::<Vec<_>>()}],
        "check_results": null,
    })
    .to_string()
}

/// A folder with two storage keys and room for data.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self {
            folder: TempDir::new().expect("a directory"),
        };
        for name in ["one", "two"] {
            succeeds(run(&["key", "new-storage", text(&place.key(name))]));
        }
        place
    }

    fn key(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A server whose storage keys are these, the first one sealing.
    fn setup(&self, keys: &[&str]) -> Setup {
        let files: Vec<String> = keys
            .iter()
            .map(|name| text(&self.key(name)).to_owned())
            .collect();
        let setup = Setup::new().data(&self.data());
        if files.is_empty() {
            setup
        } else {
            setup.flag("--storage-key-file", &files.join(","))
        }
    }

    fn start(&self, keys: &[&str]) -> Server {
        self.setup(keys).start()
    }

    /// A server with some versions of a state.
    fn written(&self, keys: &[&str]) -> Server {
        let server = self.start(keys);
        for serial in 1..=VERSIONS {
            let answer = server.admin().write("team/net", state(serial), None);
            answer.expect_status(200);
        }
        server
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("test paths are UTF-8")
}

fn run(args: &[&str]) -> Output {
    statekeep(args).output().expect("the binary runs")
}

#[track_caller]
fn succeeds(output: Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{}: {said}", output.status);
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The same of what it told people.
#[track_caller]
fn tells(output: Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    succeeds(output) + &said
}

/// Each version is what was written.
#[track_caller]
fn check_versions(admin: &Client, what: &str) {
    for number in 1..=VERSIONS {
        let path = format!(
            "{}/versions/{number}",
            crate::harness::state_path("team/net")
        );
        let answer = admin.get(&path);
        assert_eq!(answer.status, 200, "{what}: {number}: {}", answer.text());
        assert_eq!(answer.text(), state(number), "{what}: {number}");
    }
}

/// A verification finds nothing.
#[track_caller]
fn verify(admin: &Client) {
    let answer = admin
        .post_json("/api/verify", &json!({}))
        .expect_status(200);
    assert_eq!(answer.json()["found"], 0, "{}", answer.text());
}

/// Waits until a search for a canary finds it.
fn wait_for_search(admin: &Client, canary: &str) {
    eventually("the search finds it", || {
        let found = admin.get(&format!("/api/search?q={canary}"));
        found.expect_status(200).text().contains(canary)
    });
}

/// Waits until nothing is left to be sealed or erased.
fn wait_for_rest(server: &Server, admin: &Client) {
    eventually("nothing is left to be sealed", || {
        admin.get("/api/storage").json()["pending"].is_null()
    });
    eventually("what stood in the clear is erased", || {
        crate::inside::number(server.data(), "SELECT count(*) FROM pending_erasure") == 0
    });
}

/// The canaries that stand in a file of a folder: as they are, or inside a zstd frame.
fn found_in(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().expect("a directory") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(bytes) = std::fs::read(&path) {
                found.extend(
                    CANARIES
                        .iter()
                        .filter(|canary| holds(&bytes, canary))
                        .map(|canary| format!("{canary} in {}", path.display())),
                );
            }
        }
    }
    found
}

fn holds(bytes: &[u8], canary: &str) -> bool {
    has(bytes, canary.as_bytes()) || frames(bytes).any(|frame| has(&frame, canary.as_bytes()))
}

fn has(bytes: &[u8], canary: &[u8]) -> bool {
    bytes.windows(canary.len()).any(|window| window == canary)
}

/// What comes out of all that begins as a zstd frame does.
fn frames(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
    let starts = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(&MAGIC));
    starts.map(|at| {
        use std::io::Read as _;
        let mut out = Vec::new();
        if let Ok(decoder) = zstd::Decoder::new(&bytes[at..]) {
            // As far as it goes: SQLite cuts long frames into pages.
            let _ = decoder.take(4 * 1024 * 1024).read_to_end(&mut out);
        }
        out
    })
}

#[test]
fn nothing_of_sealed_content_stands_in_the_clear() {
    let place = Place::new();
    let server = place.written(&["one"]);
    let admin = server.admin();
    wait_for_search(&admin, CANARIES[0]);
    let inventory = admin.get("/api/inventory").expect_status(200).text();
    assert!(
        inventory.contains("aws_x") && inventory.contains(CANARIES[3]),
        "{inventory}"
    );
    crate::inside::compacted(server.data());
    check_versions(&admin, "running");
    let backup = place.folder.path().join("b.tar.zst");
    succeeds(server.cli(&["backup", text(&backup)]));
    assert_eq!(found_in(server.data()), Vec::<String>::new(), "running");
    let folder = TempDir::new().expect("a directory");
    let unpacked = std::fs::File::open(&backup).expect("the backup");
    let unpacked = zstd::Decoder::new(unpacked).expect("zstd");
    tar::Archive::new(unpacked)
        .unpack(folder.path())
        .expect("a tar");
    assert_eq!(
        found_in(folder.path()),
        Vec::<String>::new(),
        "in the backup"
    );
    assert!(server.stop().success());
    assert_eq!(found_in(&place.data()), Vec::<String>::new(), "stopped");
    let server = place.start(&["one"]);
    check_versions(&admin.at(&server), "started again");
    wait_for_search(&admin.at(&server), CANARIES[0]);
    let same = admin.at(&server).write("team/net", state(VERSIONS), None);
    same.expect_status(200);
    verify(&admin.at(&server));
}

#[test]
fn what_stands_in_the_clear_is_sealed_when_a_person_asks() {
    let place = Place::new();
    let server = place.written(&[]);
    let admin = server.admin();
    wait_for_search(&admin, CANARIES[0]);
    crate::inside::compacted(server.data());
    assert!(
        !found_in(server.data()).is_empty(),
        "the search finds what is in the clear"
    );
    admin
        .post_json("/api/storage/encrypt", &json!({}))
        .expect_problem(400, "not_sealed");
    assert!(server.stop().success());
    let server = place.start(&["one"]);
    let admin = admin.at(&server);
    check_versions(&admin, "in the clear");
    assert!(
        !found_in(server.data()).is_empty(),
        "not before it is asked for"
    );
    let told = tells(server.cli(&["encrypt-storage"]));
    assert!(told.contains("all content is sealed"), "{told}");
    wait_for_rest(&server, &admin);
    check_versions(&admin, "sealed");
    wait_for_search(&admin, CANARIES[0]);
    assert_eq!(found_in(server.data()), Vec::<String>::new(), "running");
    let events = admin.events("kind=storage.encrypt");
    assert_eq!(events.len(), 1, "{events:?}");
    verify(&admin);
    assert!(server.stop().success());
    assert_eq!(found_in(&place.data()), Vec::<String>::new(), "stopped");
}
