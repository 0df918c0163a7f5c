//! Rows that are not as they were written: by an edit behind the server's back, or by a rotten bit.
//! The server gives the true answer or says that it is damaged; it never makes one up.

mod freezes;
mod key;
mod lists;
mod locks;
mod rotten;

use std::path::Path;

use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;

use crate::answer::Answer;
use crate::harness::{Client, Server, Setup, eventually, state_path, tfstate};

use super::L1;

/// A data directory with something of each kind that a client is told of, and the callers.
struct World {
    dir: TempDir,
    writer: Client,
    reader: Client,
    /// Of a key that was revoked.
    revoked: Client,
}

/// The bytes of `team/net`: its current version, and the next.
fn net(serial: u64) -> String {
    tfstate(L1, serial)
}

const OTHER: &str = "22222222-2222-4222-8222-222222222222";

impl World {
    fn new() -> Self {
        let dir = TempDir::new().expect("a directory");
        let server = Setup::new().data(&dir.path().join("data")).start();
        let owner = server.key("team", "owner");
        for serial in 1..=2 {
            owner
                .write("team/net", net(serial), None)
                .expect_status(200);
        }
        let other = tfstate(OTHER, 1);
        for name in ["team/other", "team/left", "team/gone", "team/held"] {
            owner.write(name, &other, None).expect_status(200);
        }
        let to = json!({"workspace": "team", "buildingBlock": "there"});
        owner
            .post_json(&format!("{}/move", state_path("team/left")), &to)
            .expect_status(200);
        owner.delete("team/gone").expect_status(200);
        owner.lock("team/held", "lock-1").expect_status(200);
        owner.lock("team/early", "lock-2").expect_status(200);
        let policy = json!({"keep_last": 5}).to_string();
        server
            .admin()
            .send("PUT", "/api/retention/team", policy)
            .expect_status(200);
        let revoked_key = server.key("team", "writer");
        let token = |role: &str| server.token(&server.key("team", role), json!({}));
        let (writer, reader) = (token("writer"), token("planner"));
        let revoked = server.token(&revoked_key, json!({}));
        server
            .admin()
            .send("DELETE", &format!("/api/keys/{}", revoked_key.key_id), "");
        revoked.read("team/net").expect_status(401);
        assert!(server.stop().success());
        Self {
            dir,
            writer,
            reader,
            revoked,
        }
    }

    fn data(&self) -> std::path::PathBuf {
        self.dir.path().join("data")
    }

    /// The callers, at a server.
    fn at(&self, server: &Server) -> Callers {
        Callers {
            writer: self.writer.at(server),
            reader: self.reader.at(server),
            revoked: self.revoked.at(server),
        }
    }
}

/// Who asks.
struct Callers {
    writer: Client,
    reader: Client,
    revoked: Client,
}

/// A question whose true answer is known.
type Question = (&'static str, fn(&Callers) -> Answer, fn(&Answer) -> bool);

/// None of them changes what another one asks about, unless it is answered wrongly.
const QUESTIONS: [Question; 10] = [
    (
        "a live state",
        |by| by.writer.read("team/net"),
        |answer| answer.status == 200 && answer.text() == net(2),
    ),
    (
        "its earlier version",
        |by| {
            by.writer
                .get(&format!("{}/versions/1", state_path("team/net")))
        },
        |answer| answer.status == 200 && answer.text() == net(1),
    ),
    (
        "another state",
        |by| by.reader.read("team/other"),
        |answer| answer.status == 200 && answer.text() == tfstate(OTHER, 1),
    ),
    (
        "a state that moved",
        |by| by.reader.read("team/left"),
        |answer| answer.status == 410,
    ),
    (
        "a state that was deleted",
        |by| by.reader.read("team/gone"),
        |answer| answer.status == 404,
    ),
    (
        "a lock that another holds",
        |by| by.writer.lock("team/held", "mine"),
        |answer| answer.status == 423 && answer.text().contains("lock-1"),
    ),
    (
        "a lock before the first write",
        |by| by.writer.lock("team/early", "mine"),
        |answer| answer.status == 423 && answer.text().contains("lock-2"),
    ),
    (
        "a key that was revoked",
        |by| by.revoked.read("team/net"),
        |answer| answer.status == 401,
    ),
    (
        "a key that may only read",
        |by| by.reader.write("team/net", net(3), None),
        |answer| answer.status == 403,
    ),
    (
        "the next write",
        |by| match by.writer.write("team/net", net(3), None) {
            written if written.status == 200 => by
                .writer
                .get(&format!("{}/versions/3", state_path("team/net"))),
            refused => refused,
        },
        |answer| answer.status == 200 && answer.text() == net(3),
    ),
];

fn is_damaged(answer: &Answer) -> bool {
    answer.status == 500 && answer.json()["code"] == "damaged"
}

/// The questions that were answered with something that is not true, and how many were damaged.
fn lies(by: &Callers) -> (Vec<String>, usize) {
    let (mut lies, mut damaged) = (Vec::new(), 0);
    for (what, ask, is_true) in QUESTIONS {
        let answer = ask(by);
        if is_damaged(&answer) {
            damaged += 1;
        } else if !is_true(&answer) {
            lies.push(format!("{what}: {} {}", answer.status, answer.text()));
        }
    }
    (lies, damaged)
}

/// Changes the database while no server runs.
fn edit(data: &Path, statements: &str) {
    let database = Connection::open(data.join("statekeep.db")).expect("the database");
    database
        .execute_batch(&format!("PRAGMA foreign_keys = OFF; {statements}"))
        .unwrap_or_else(|error| panic!("{statements}: {error}"));
}

const NET: &str = "building_block = 'net'";

/// Edits, each with the question that it concerns and what a verification finds.
const EDITS: [(&str, &str, &str); 15] = [
    (
        "UPDATE states SET current = 1 WHERE ",
        "a live state",
        "changed_row",
    ),
    (
        "UPDATE states SET current = NULL WHERE ",
        "a live state",
        "changed_row",
    ),
    (
        "UPDATE states SET current = 9 WHERE ",
        "a live state",
        "changed_row",
    ),
    (
        "UPDATE states SET deleted_at = 9 WHERE ",
        "a live state",
        "changed_row",
    ),
    (
        "UPDATE states SET building_block = 'nix' WHERE ",
        "a live state",
        "lost_row",
    ),
    ("DELETE FROM states WHERE ", "a live state", "lost_row"),
    (
        "UPDATE states SET deleted_at = NULL WHERE building_block = 'gone';",
        "a state that was deleted",
        "changed_row",
    ),
    ("DELETE FROM moves;", "a state that moved", "lost_row"),
    (
        "UPDATE moves SET state_id = 1;",
        "a state that moved",
        "changed_row",
    ),
    (
        "DELETE FROM locks WHERE building_block = 'early';",
        "a lock before the first write",
        "lost_row",
    ),
    (
        "UPDATE locks SET body = replace(body, 'lock-1', 'lock-9');",
        "a lock that another holds",
        "changed_row",
    ),
    (
        "UPDATE keys SET revoked_at = NULL;",
        "a key that was revoked",
        "changed_row",
    ),
    (
        "UPDATE tokens SET permissions = (SELECT t.permissions FROM tokens t ORDER BY \
            length(t.permissions) DESC LIMIT 1);",
        "a key that may only read",
        "changed_row",
    ),
    (
        "UPDATE keys SET permissions = (SELECT k.permissions FROM keys k ORDER BY \
            length(k.permissions) DESC LIMIT 1);",
        "a key that may only read",
        "changed_row",
    ),
    (
        "UPDATE versions SET sha256 = zeroblob(32) WHERE number = 1;",
        "its earlier version",
        "damaged",
    ),
];

#[test]
fn an_edit_behind_the_servers_back_is_damage_and_neither_truth_nor_written_over() {
    let world = World::new();
    for (statement, concerned, code) in EDITS {
        let copy = Copy::of(&world);
        let whole = statement.ends_with(';');
        edit(
            &copy.data,
            &if whole {
                statement.to_owned()
            } else {
                format!("{statement}{NET};")
            },
        );
        let server = Setup::new().data(&copy.data).start();
        let by = world.at(&server);
        let (found, _) = lies(&by);
        assert!(found.is_empty(), "{statement}: {found:?}");
        let (_, ask, _) = QUESTIONS
            .into_iter()
            .find(|(what, ..)| *what == concerned)
            .expect("a question");
        assert!(is_damaged(&ask(&by)), "{statement}: {}", ask(&by).text());
        let admin = server.admin();
        eventually("an event tells of it", || {
            !admin.events("kind=row.damaged&attention=true").is_empty()
        });
        let ready = server.anonymous().get("/readyz").expect_status(200).json();
        assert_eq!(
            ready["problems"][0]["code"], "damaged_rows",
            "{statement}: {ready}"
        );
        let answer = admin
            .post_json("/api/verify", &json!({}))
            .expect_status(200);
        assert!(
            answer.text().contains(&format!("\"{code}\"")),
            "{statement}: {}",
            answer.text()
        );
    }
}

#[test]
fn without_an_edit_all_is_true_and_nothing_is_found() {
    let world = World::new();
    let server = Setup::new().data(&world.data()).start();
    assert_eq!(lies(&world.at(&server)), (Vec::new(), 0));
    let admin = server.admin();
    let answer = admin
        .post_json("/api/verify", &json!({}))
        .expect_status(200);
    assert_eq!(answer.json()["found"], 0, "{}", answer.text());
    assert!(admin.events("kind=row.damaged").is_empty());
}

#[test]
fn a_current_version_that_is_not_there_is_damage_and_no_404() {
    let world = World::new();
    for statement in [
        "DELETE FROM versions WHERE number = 2;",
        "INSERT INTO versions SELECT state_id, 3, blob_id, sha256, size, format, serial, lineage, \
            terraform_version, resources, added, changed, removed, encrypted, kind, rejection, \
            intermediate, from_version, created_at, created_by, created_by_name, address, lock_id, \
            lock_operation, lock_who, held_at, held_by, held_by_name, held_reason, replaced, mac \
            FROM versions WHERE number = 2;",
    ] {
        let copy = Copy::of(&world);
        edit(&copy.data, statement);
        let server = Setup::new().data(&copy.data).start();
        let by = world.at(&server);
        by.writer.read("team/net").expect_problem(500, "damaged");
        by.writer
            .write("team/net", net(3), None)
            .expect_problem(500, "damaged");
        by.writer
            .lock("team/net", "mine")
            .expect_problem(500, "damaged");
        by.reader.read("team/other").expect_status(200);
        let answer = server.admin().post_json("/api/verify", &json!({})).json();
        assert!(answer["found"].as_u64() > Some(0), "{answer}");
    }
}

/// A data directory of its own with what another one has.
struct Copy {
    _dir: TempDir,
    data: std::path::PathBuf,
}

impl Copy {
    fn of(world: &World) -> Self {
        let dir = TempDir::new().expect("a directory");
        let data = dir.path().join("data");
        std::fs::create_dir(&data).expect("our directory");
        for entry in std::fs::read_dir(world.data()).expect("a directory") {
            let entry = entry.expect("an entry");
            if entry.file_type().expect("a type").is_file() {
                std::fs::copy(entry.path(), data.join(entry.file_name())).expect("a file");
            }
        }
        Self { _dir: dir, data }
    }
}
