//! Litestream, the real program, beside a server: its replica is restored and started, its
//! checkpoints are taken for no loss, and a purge beside it ends.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use crate::disk::noise;
use crate::harness::{Client, Server, Setup, eventually, state_path, tfstate_noted};
use crate::{inside, skip};

const LINEAGE: &str = "00000001-1111-4111-8111-111111111111";

/// How often it looks for changes and sends them; the least that a replica is behind.
const SYNC: Duration = Duration::from_secs(1);

/// Litestream, which replicates one database to a folder.
struct Litestream {
    program: PathBuf,
    /// The directory whose database it replicates.
    data: PathBuf,
    dir: TempDir,
    child: Child,
}

impl Litestream {
    /// Starts it beside a data directory; `None` (after saying so) where it is missing. It
    /// checkpoints each second, so that tests need not wait for its usual minute.
    fn beside(data: &Path) -> Option<Self> {
        let program = skip::program("litestream", "STATEKEEP_LITESTREAM")?;
        let dir = TempDir::new().expect("a directory");
        let replica = dir.path().join("replica");
        let config = json!({ "dbs": [{
            "path": data.join("statekeep.db"),
            "checkpoint-interval": "1s",
            "replica": {
                "type": "file",
                "path": replica,
                "sync-interval": format!("{}s", SYNC.as_secs()),
            },
        }]});
        let file = dir.path().join("litestream.yml");
        // JSON is YAML.
        std::fs::write(&file, config.to_string()).expect("a file");
        let log = std::fs::File::create(dir.path().join("log")).expect("a file");
        let child = Command::new(&program)
            .args(["replicate", "-config"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log"))
            .stderr(log)
            .spawn()
            .expect("litestream starts");
        let started = Self {
            program,
            data: data.to_owned(),
            dir,
            child,
        };
        eventually("litestream has begun", || started.restore().is_some());
        Some(started)
    }

    /// What the replica holds now, in a directory of its own with the key that was copied there
    /// once; `None` while it holds nothing whole.
    fn restore(&self) -> Option<TempDir> {
        let dir = TempDir::new().expect("a directory");
        let restored = Command::new(&self.program)
            .args(["restore", "-o"])
            .arg(dir.path().join("statekeep.db"))
            .arg(format!(
                "file://{}",
                self.dir.path().join("replica").display()
            ))
            .output()
            .expect("litestream runs");
        let key = "statekeep.rowkey";
        std::fs::copy(self.data.join(key), dir.path().join(key)).expect("the key");
        restored.status.success().then_some(dir)
    }

    /// Waits until the replica holds so many versions, and restores it. Says how long that took.
    fn restore_with(&self, versions: i64) -> (TempDir, Duration) {
        let since = Instant::now();
        let mut found = None;
        eventually("the replica holds everything", || {
            found = self.restore().filter(|dir| count(dir.path()) >= versions);
            found.is_some()
        });
        (found.expect("waited for"), since.elapsed())
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Litestream {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- litestream's log ---\n{}", self.log());
        }
    }
}

fn count(data: &Path) -> i64 {
    inside::number(data, "SELECT count(*) FROM versions")
}

/// A state whose content is noise, which does not compress.
fn state(serial: u64) -> String {
    tfstate_noted(LINEAGE, serial, &noise(serial, 3_000))
}

fn write(client: &Client, serials: std::ops::RangeInclusive<u64>) {
    for serial in serials {
        client
            .write("team/net", state(serial), None)
            .expect_status(200);
    }
}

/// Each version has the bytes that were acknowledged under its number.
fn assert_holds(client: &Client, serials: std::ops::RangeInclusive<u64>) {
    for serial in serials {
        let answer = client.get(&format!("{}/versions/{serial}", state_path("team/net")));
        assert!(
            answer.expect_status(200).text() == state(serial),
            "version {serial}"
        );
    }
}

fn assert_undamaged(server: &Server, admin: &Client) {
    let report = admin
        .send("POST", "/api/verify", "")
        .expect_status(200)
        .json();
    assert_eq!(report["found"], 0, "{report}");
    let ready = server.anonymous().get("/readyz").expect_status(200).json();
    assert_eq!(ready["problems"], json!([]), "{ready}");
}

/// The salts of the WAL, which change when it starts over.
fn round(data: &Path) -> Vec<u8> {
    std::fs::read(data.join("statekeep.db-wal")).expect("a WAL")[16..24].to_vec()
}

#[test]
fn a_replica_started_elsewhere_holds_everything_up_to_the_last_seconds() {
    let mut server = Server::start();
    let Some(mut litestream) = Litestream::beside(server.data()) else {
        return;
    };
    let (admin, writer) = (server.admin(), server.key("team", "writer"));
    writer.lock("team/net", "mine").expect_status(200);
    for serial in 1..=20 {
        writer
            .write("team/net", state(serial), Some("mine"))
            .expect_status(200);
    }
    let (_, waited) = litestream.restore_with(20);
    assert!(waited < Duration::from_secs(30), "{waited:?} behind");
    assert_undamaged(&server, &admin);
    writer.unlock("team/net", "mine").expect_status(200);
    write(&writer, 21..=30);
    let (restored, _) = litestream.restore_with(30);
    // The first machine is lost.
    server.kill();
    litestream.kill();

    let second = Setup::new().data(restored.path()).start();
    let (admin, writer) = (admin.at(&second), writer.at(&second));
    assert_holds(&writer, 1..=30);
    assert_undamaged(&second, &admin);
    write(&writer, 31..=32);
    second.stop();
    let again = Setup::new().data(restored.path()).start();
    assert_holds(&writer.at(&again), 1..=32);
}

#[test]
fn its_checkpoints_are_taken_for_no_loss() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let mut server = Setup::new().data(&data).start();
    let Some(litestream) = Litestream::beside(&data) else {
        return;
    };
    let (admin, writer) = (server.admin(), server.key("team", "writer"));
    for (serial, killed) in (1..).zip([true, false, true, false]) {
        let before = round(&data);
        write(&writer.at(&server), serial..=serial);
        eventually("litestream lets the WAL start over", || {
            round(&data) != before
        });
        if killed {
            server.kill();
        } else {
            assert!(server.stop().success());
        }
        server = Setup::new().data(&data).start();
        assert_holds(&writer.at(&server), 1..=serial);
        assert_undamaged(&server, &admin.at(&server));
    }
    let (restored, _) = litestream.restore_with(4);
    let second = Setup::new().data(restored.path()).start();
    assert_holds(&writer.at(&second), 1..=4);
}

#[test]
fn a_replica_restored_in_place_is_explained_by_a_person() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let mut server = Setup::new().data(&data).start();
    let Some(mut litestream) = Litestream::beside(&data) else {
        return;
    };
    let (admin, writer) = (server.admin(), server.key("team", "writer"));
    write(&writer, 1..=5);
    let (restored, _) = litestream.restore_with(5);
    litestream.kill();
    write(&writer, 6..=8);
    // So long after a write its commit is in the anchor.
    std::thread::sleep(Duration::from_secs(3));
    server.kill();
    for name in ["statekeep.db-wal", "statekeep.db-shm"] {
        std::fs::remove_file(data.join(name)).expect("it was there");
    }
    std::fs::copy(
        restored.path().join("statekeep.db"),
        data.join("statekeep.db"),
    )
    .expect("a copy");

    let refused = Setup::new().command(&data).output().expect("it runs");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && said.contains("commit"),
        "{said}"
    );
    let server = Setup::new().data(&data).switch("--restored").start();
    let events = admin.at(&server).events("kind=loss.accepted");
    assert_eq!(events[0]["detail"]["reason"], "restored", "{events:?}");
    assert_holds(&writer.at(&server), 1..=5);
    write(&writer.at(&server), 6..=7);
    assert!(server.stop().success());
    // A later start needs no flag.
    let server = Setup::new().data(&data).start();
    assert_holds(&writer.at(&server), 1..=7);
    assert_undamaged(&server, &admin.at(&server));
}

/// Whether the database or its WAL holds a part of these bytes.
fn holds(data: &Path, bytes: &[u8]) -> bool {
    // Pages of the database may cut them anywhere, so any of many parts counts.
    let parts: Vec<_> = bytes.chunks_exact(48).collect();
    ["statekeep.db", "statekeep.db-wal"].iter().any(|name| {
        let content = std::fs::read(data.join(name)).expect("a file");
        parts
            .iter()
            .any(|part| memchr::memmem::find(&content, part).is_some())
    })
}

#[test]
fn a_purge_beside_it_ends() {
    let server = Server::start();
    let Some(litestream) = Litestream::beside(server.data()) else {
        return;
    };
    let (admin, writer) = (server.admin(), server.key("team", "writer"));
    write(&writer, 1..=30);
    inside::compacted(server.data());
    let frame = statekeep::blob::encode_slowly(state(5).as_bytes(), None).expect("a frame");
    assert!(holds(server.data(), &frame), "otherwise this shows nothing");
    let purge = json!({ "versions": [5] });
    let path = format!("{}/purge", state_path("team/net"));
    eventually("the purge has ended", || {
        let answer = admin.post_json(&path, &purge).expect_status(200).json();
        answer["erased"] == true
    });
    assert!(!holds(server.data(), &frame));
    write(&writer, 31..=35);
    assert_undamaged(&server, &admin);
    let (restored, _) = litestream.restore_with(35);
    let second = Setup::new().data(restored.path()).start();
    assert_holds(&writer.at(&second), 1..=4);
    assert_holds(&writer.at(&second), 6..=35);
    let gone = format!("{}/versions/5", state_path("team/net"));
    writer.at(&second).get(&gone).expect_problem(410, "purged");
    assert_undamaged(&second, &admin.at(&second));
}
