//! What comes out of a backup: the same states, as data of its own.

use std::process::Command;

use serde_json::Value;

use super::archives::{archive, parts, with_database, with_manifest, write};
use super::{L1, back_up, fails, history, names, restore, restored, stage, succeeds, text};
use crate::disk::sql;
use crate::harness::{Client, Server, Setup, lock_body, state_path, statekeep, tfstate};
use crate::skip;
use crate::trusts::issuer::any_trust;

#[test]
fn tokens_end_locks_say_where_they_come_from_and_the_data_is_another() {
    let (server, folder) = stage();
    let (writer, other) = (server.key("team", "writer"), server.key("team", "owner"));
    let token = server.token(&writer, serde_json::json!({}));
    token.lock("team/net", "apply").expect_status(200);
    let file = folder.path().join("b.tar.zst");
    back_up(&server, &file);
    let data = folder.path().join("data");
    let told = succeeds(restore(&file, &data, &[]));
    for said in [
        "2 states, 6 versions",
        "6 versions decoded",
        "ended 1 token",
        "team/net",
        "admin",
    ] {
        assert!(told.contains(said), "{said} in {told}");
    }
    let copy = Setup::new().data(&data).start();
    token.at(&copy).read("team/net").expect_status(401);
    let (writer, other) = (writer.at(&copy), other.at(&copy));
    let answer = writer.read("team/net").expect_status(200);
    let before = server.admin().read("team/net");
    assert_eq!(answer.bytes, before.bytes);
    let id = |answer: &crate::harness::Answer| answer.header("statekeep-instance").to_owned();
    assert!(
        !id(&answer).is_empty() && id(&answer) != id(&before),
        "another id"
    );
    let refused = other.lock("team/net", "mine").expect_status(423).json();
    let info = refused["Info"].as_str().unwrap_or_default();
    assert!(info.starts_with("FROM A BACKUP of 20"), "{refused}");
    assert_eq!(refused["ID"], "apply");
    let shown = other.get(&format!("{}/lock", state_path("team/net")));
    assert_eq!(shown.json()["lock"]["Info"], refused["Info"]);
    writer
        .write("team/net", tfstate(L1, 9), Some("apply"))
        .expect_status(200);
    writer
        .send("UNLOCK", &state_path("team/net"), lock_body("apply"))
        .expect_status(200);
    let events = server.admin().at(&copy).events("kind=backup.restore");
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["attention"], true);
    let detail = &events[0]["detail"];
    let number = |name: &str| detail[name].as_u64();
    let numbers = ["versions", "ended_tokens", "locks", "revoked_keys"].map(number);
    assert_eq!(numbers, [6, 1, 1, 0].map(Some), "{detail}");
    assert_eq!(
        names(&data)
            .iter()
            .filter(|name| name.starts_with('.'))
            .count(),
        0
    );
}

#[test]
fn a_lock_out_of_a_backup_goes_to_nobody_by_itself() {
    let (server, folder) = stage();
    let (writer, other) = (server.key("team", "writer"), server.key("team", "owner"));
    let token = server.token(&writer, serde_json::json!({}));
    token.lock("team/net", "of-a-token").expect_status(200);
    writer.lock("team/db", "of-a-key").expect_status(200);
    let file = folder.path().join("b.tar.zst");
    back_up(&server, &file);
    let copy = restored(&file, &folder.path().join("data"));
    let (admin, other) = (server.admin().at(&copy), other.at(&copy));
    // The restore has ended the token, and a person ends the key.
    token.at(&copy).read("team/net").expect_status(401);
    let key = format!("/api/keys/{}", writer.key_id);
    admin.send("DELETE", &key, "").expect_status(200);
    for name in ["team/net", "team/db"] {
        other.lock(name, "mine").expect_status(423);
        let shown = other.get(&format!("{}/lock", state_path(name))).json();
        assert_eq!(shown["died"], Value::Null, "{shown}");
    }
    assert_eq!(admin.get("/api/status").json()["dead_locks"], 0);
    assert_eq!(admin.events("kind=lock.died"), Vec::<Value>::new());
    // Whoever may break locks says so.
    let broken = other.send("UNLOCK", &state_path("team/net"), "");
    broken.expect_status(200);
    other.lock("team/net", "mine").expect_status(200);
}

#[test]
fn keys_work_on_unless_they_are_all_revoked() {
    let (server, folder) = stage();
    let writer = server.key("team", "writer");
    let trust = any_trust(&server, "gitlab");
    let made = server.admin().post_json("/api/trusts", &trust);
    made.expect_status(201);
    let file = folder.path().join("b.tar.zst");
    back_up(&server, &file);
    let trusts = |server: &Server| {
        let list = server.admin().get("/api/trusts").expect_status(200).json();
        list["trusts"].as_array().map(Vec::len)
    };
    let kept = restored(&file, &folder.path().join("kept"));
    writer.at(&kept).read("team/net").expect_status(200);
    let data = folder.path().join("revoked");
    let told = succeeds(restore(&file, &data, &["--revoke-keys"]));
    assert!(told.contains("revoked 2 keys"), "{told}");
    let copy = Setup::new().data(&data).start();
    for old in [writer, server.admin()] {
        old.at(&copy).read("team/net").expect_status(401);
    }
    assert_eq!(trusts(&copy), Some(0), "no pipeline of then comes in");
    // The harness reads the file with the new admin key.
    assert_ne!(copy.admin().secret(), server.admin().secret());
    let keys = copy.admin().get("/api/keys").expect_status(200).json();
    let is_active = |key: &&Value| key["status"] == "active";
    let active = keys["keys"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(is_active);
    assert_eq!(active.count(), 1, "{keys}");
}

#[test]
fn a_preview_tells_what_is_held_and_what_is_here_and_not_in_it() {
    let (server, folder) = stage();
    let file = folder.path().join("b.tar.zst");
    back_up(&server, &file);
    let dry_run = |data: &std::path::Path| {
        let told = restore(&file, data, &["--dry-run", "--format", "json"]);
        serde_json::from_str::<Value>(&succeeds(told)).expect("JSON")
    };
    let told = dry_run(server.data());
    assert_eq!(told["backup"]["versions"], 6);
    assert_eq!(told["here"]["versions_since"], 0);
    assert_eq!(told["here"]["instance"], told["backup"]["instance"]);
    for serial in 10..13 {
        server
            .admin()
            .write_by_force("team/net", tfstate(L1, serial))
            .expect_status(200);
    }
    assert_eq!(dry_run(server.data())["here"]["versions_since"], 3);
    let text = succeeds(restore(&file, server.data(), &["--dry-run"]));
    assert!(
        text.contains("3 versions here were written after it, and not in it"),
        "{text}"
    );
    let nowhere = folder.path().join("nowhere");
    assert_eq!(dry_run(&nowhere)["here"], Value::Null);
    assert!(!nowhere.exists());
}

#[test]
fn a_backup_comes_from_standard_input() {
    let (server, folder) = stage();
    let file = folder.path().join("b.tar.zst");
    back_up(&server, &file);
    let data = folder.path().join("data");
    let piped = statekeep(&["restore", "-", "--data", text(&data)])
        .stdin(std::fs::File::open(&file).expect("a file"))
        .output()
        .expect("the binary runs");
    succeeds(piped);
    let copy = Setup::new().data(&data).start();
    let admin: Client = server.admin().at(&copy);
    assert_eq!(
        history(&admin, "team/db"),
        history(&server.admin(), "team/db")
    );
}

/// Makes the database that an older program would have: its migrations, with the rows of a newer
/// one.
const OLDER: &str = r#"
import glob, re, sqlite3, sys
new, old, newest, folder = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
number = lambda path: int(re.search(r"V(\d+)__", path).group(1))
c = sqlite3.connect(old)
c.executescript("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA application_id = 0x736b6570;")
for path in sorted(glob.glob(folder + "/V*.sql"), key=number):
    if number(path) <= newest:
        c.executescript(open(path).read())
c.execute("ATTACH ? AS new", [new])
history = "refinery_schema_history"
c.execute(c.execute("SELECT sql FROM new.sqlite_master WHERE name = ?", [history]).fetchone()[0])
c.execute(f"INSERT INTO {history} SELECT * FROM new.{history} WHERE version <= {newest}")
tables = "SELECT name FROM main.sqlite_master WHERE type = 'table' AND name != ?"
for (name,) in c.execute(tables, [history]).fetchall():
    columns = ", ".join(row[1] for row in c.execute(f"PRAGMA main.table_info({name})"))
    c.execute(f"INSERT INTO main.{name} ({columns}) SELECT {columns} FROM new.{name}")
c.commit()
"#;

#[test]
fn a_backup_of_an_older_schema_is_brought_up_to_date_and_its_copy_goes() {
    let Some(python) = skip::program("python3", "STATEKEEP_PYTHON") else {
        return;
    };
    let (server, folder) = stage();
    let file = folder.path().join("b.tar.zst");
    back_up(&server, &file);
    let parts = parts(&file);
    let (new, old) = (folder.path().join("new.db"), folder.path().join("old.db"));
    std::fs::write(&new, &parts[1].bytes).expect("a file");
    let migrations = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
    let mut make = Command::new(python);
    make.args(["-c", OLDER, text(&new), text(&old), "5", migrations]);
    succeeds(make.output().expect("python3 runs"));
    let older = with_database(&parts, std::fs::read(&old).expect("a file"));
    let older = with_manifest(&older, |manifest| manifest["schema"] = 5.into());
    let old = folder.path().join("old.tar.zst");
    write(&old, &archive(&older));
    let data = folder.path().join("data");
    let copy = restored(&old, &data);
    let schema =
        |server: &Server| server.admin().get("/api/status").json()["schema_version"].as_u64();
    assert!(schema(&server) > Some(5), "nothing is older here");
    let admin = server.admin().at(&copy);
    assert_eq!(
        history(&admin, "team/net"),
        history(&server.admin(), "team/net")
    );
    let status = admin.get("/api/status").expect_status(200).json();
    assert_eq!(status["schema_version"].as_u64(), schema(&server));
    let left = names(&data);
    assert!(!left.iter().any(|name| name.contains("schema")), "{left:?}");
}

#[test]
fn a_version_that_is_damaged_in_it_keeps_a_backup_from_being_restored_unless_that_is_accepted() {
    let (server, folder) = stage();
    let file = folder.path().join("b.tar.zst");
    back_up(&server, &file);
    let parts = parts(&file);
    let database = folder.path().join("bad.db");
    std::fs::write(&database, &parts[1].bytes).expect("a file");
    let spoil = "UPDATE blobs SET frame = zeroblob(length(frame)) WHERE id = \
        (SELECT max(id) FROM blobs WHERE frame IS NOT NULL);";
    if sql(&database, spoil).is_none() {
        return;
    }
    let bad = folder.path().join("bad.tar.zst");
    let spoiled = with_database(&parts, std::fs::read(&database).expect("a file"));
    write(&bad, &archive(&spoiled));
    let data = folder.path().join("data");
    let said = fails(restore(&bad, &data, &[]), 1);
    assert!(
        said.contains("version 3") && said.contains("--accept-damage"),
        "{said}"
    );
    assert!(!data.exists());
    let told = succeeds(restore(&bad, &data, &["--accept-damage"]));
    assert!(
        told.contains(" versions decoded, ") && told.contains("finding"),
        "{told}"
    );
    let copy = Setup::new().data(&data).start();
    let admin = server.admin().at(&copy);
    let answers = ["team/net", "team/db"].map(|name| admin.read(name).status.as_u16());
    assert!(
        answers.contains(&200) && answers.contains(&500),
        "{answers:?}"
    );
}

#[test]
fn a_damaged_lock_in_a_backup_keeps_nothing_else_from_being_restored_and_can_be_removed() {
    let (server, folder) = stage();
    let locked = server.admin().lock("team/net", "held");
    locked.expect_status(200);
    server.admin().lock("team/db", "too").expect_status(200);
    let file = folder.path().join("b.tar.zst");
    back_up(&server, &file);
    let parts = parts(&file);
    let database = folder.path().join("bad.db");
    std::fs::write(&database, &parts[1].bytes).expect("a file");
    let spoil = "UPDATE locks SET holder_name = 'x' WHERE building_block = 'net';";
    let connection = rusqlite::Connection::open(&database).expect("the database");
    connection.execute_batch(spoil).expect("a change");
    connection.close().expect("closed");
    let bad = folder.path().join("bad.tar.zst");
    let spoiled = with_database(&parts, std::fs::read(&database).expect("a file"));
    write(&bad, &archive(&spoiled));
    let data = folder.path().join("data");
    fails(restore(&bad, &data, &[]), 1);
    succeeds(restore(&bad, &data, &["--accept-damage"]));
    let copy = Setup::new().data(&data).start();
    let admin = server.admin().at(&copy);
    admin
        .lock("team/net", "mine")
        .expect_problem(500, "damaged");
    let other = admin.lock("team/db", "mine").expect_status(423);
    assert!(other.text().contains("FROM A BACKUP"), "{}", other.text());
    admin
        .send("UNLOCK", &crate::harness::state_path("team/net"), "")
        .expect_status(200);
    admin.lock("team/net", "mine").expect_status(200);
}

#[test]
fn quotas_come_along_with_what_they_bound() {
    let (server, folder) = stage();
    let quota = serde_json::json!({ "versions": 6 });
    let admin = server.admin();
    let set = admin.request("PUT", "/api/quotas/team").json(&quota);
    let before = Client::ask(set).expect_status(200).json();
    let file = folder.path().join("b.tar.zst");
    back_up(&server, &file);
    let data = folder.path().join("data");
    let copy = restored(&file, &data);
    let after = admin.at(&copy).get("/api/quotas/team");
    let after = after.expect_status(200).json();
    assert_eq!(
        (&after["quota"], &after["use"]),
        (&before["quota"], &before["use"])
    );
}
