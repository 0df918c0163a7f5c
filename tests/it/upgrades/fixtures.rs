//! The fixtures in `tests/it/fixtures/`: each is opened by this binary, and all that it records is
//! read back. There is one for each schema, the present one included.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use super::making::HOW;
use super::recorded;
use crate::harness::{Server, Setup};
use crate::inside;

/// The copies of a data directory in a fixture: of a server that has stopped, and of one that was
/// killed, whose last commits are in the WAL alone.
pub(super) const COPIES: [&str; 2] = ["stopped.tar.zst", "killed.tar.zst"];

/// What must be read back.
pub(super) const RECORDED: &str = "recorded.json";

/// A data directory that a schema made, in two copies, and what must be read back from it.
pub(super) struct Fixture {
    pub(super) dir: PathBuf,
}

impl Fixture {
    /// The fixture of a schema, there or not.
    pub(super) fn of(schema: i64) -> Self {
        Self {
            dir: folder().join(format!("schema-{schema}")),
        }
    }

    /// Every fixture there is.
    fn all() -> Vec<Self> {
        let entries = folder().read_dir().expect("the fixtures");
        let entries = entries.map(|entry| entry.expect("readable").path());
        entries
            .filter(|path| path.is_dir())
            .map(|dir| Self { dir })
            .collect()
    }

    pub(super) fn recorded(&self) -> Value {
        let text = std::fs::read(self.dir.join(RECORDED)).expect("what is recorded");
        serde_json::from_slice(&text).expect("JSON")
    }

    /// Unpacks a copy into a directory, which is then a data directory.
    pub(super) fn unpack(&self, copy: &str, data: &Path) {
        let packed = std::fs::File::open(self.dir.join(copy)).expect("a copy");
        let files = zstd::stream::read::Decoder::new(packed).expect("zstd");
        tar::Archive::new(files).unpack(data).expect("a tar");
    }

    /// Opens the copy of a server that was killed, and reads all back.
    fn check_killed(&self) {
        let dir = TempDir::new().expect("a directory");
        let data = dir.path().join("data");
        self.unpack("killed.tar.zst", &data);
        let server = Setup::new().data(&data).start();
        let (recorded, what) = (self.recorded(), self.dir.display().to_string());
        recorded::check(&server, &recorded, &what);
        recorded::check_stale_writer(&server, &recorded);
    }

    /// Opens each copy, reads all back, and again after another start.
    pub(super) fn check(&self) {
        let recorded = self.recorded();
        for copy in COPIES {
            let dir = TempDir::new().expect("a directory");
            let data = dir.path().join("data");
            self.unpack(copy, &data);
            let what = format!("{} of {}", copy, self.dir.display());
            let server = Setup::new().data(&data).start();
            recorded::check(&server, &recorded, &what);
            assert!(server.stop().success(), "{what}");
            let server = Setup::new().data(&data).start();
            recorded::check(&server, &recorded, &format!("{what}, started again"));
            recorded::check_stale_writer(&server, &recorded);
        }
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures")
}

/// The schema that this binary makes.
pub(super) fn present_schema(data: &Path) -> i64 {
    inside::number(data, "SELECT max(version) FROM refinery_schema_history")
}

#[test]
fn all_that_earlier_schemas_kept_is_read_back() {
    let fixtures = Fixture::all();
    assert!(!fixtures.is_empty());
    for fixture in fixtures {
        fixture.check_killed();
    }
}

#[test]
#[ignore = "middle tier: each fixture also stopped cleanly, and started again"]
fn all_that_earlier_schemas_kept_is_read_back_after_either_end() {
    for fixture in Fixture::all() {
        fixture.check();
    }
}

#[test]
fn the_present_schema_has_a_fixture() {
    let server = Server::start();
    let schema = present_schema(server.data());
    assert!(
        Fixture::of(schema).dir.join(RECORDED).is_file(),
        "schema {schema} has no fixture: the next schema's upgrade could not be tried on it. Make \
            it, and commit it with the migration: {HOW}"
    );
}
