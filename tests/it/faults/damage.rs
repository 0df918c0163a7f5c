//! Bytes that rot on the disk: never served, always told, and the neighbours go on.

use tempfile::TempDir;

use crate::disk::{damage, noise, spoil_page_with, sql};
use crate::harness::{Answer, Client, Server, Setup, lineage, state_path, tfstate, tfstate_noted};
use crate::scrape::Scrape;

use super::L1;

fn is_damaged(answer: Answer) {
    let answer = answer.expect_problem(500, "damaged");
    for header in ["etag", "statekeep-version", "last-modified"] {
        assert_eq!(answer.header(header), "", "nothing that a cache could keep");
    }
}

#[test]
fn a_damaged_version_is_500_and_never_wrong_bytes_while_others_go_on() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    let writer = server.key("team", "writer");
    writer
        .write("team/small", tfstate(L1, 1), None)
        .expect_status(200);
    let large = tfstate_noted(L1, 1, &noise(1, 4 * 1024 * 1024));
    writer.write("team/large", &large, None).expect_status(200);
    writer
        .write("team/late", tfstate(L1, 1), None)
        .expect_status(200);
    assert!(server.stop().success());
    damage(&data);
    let server = Setup::new().data(&data).start();
    let writer: Client = writer.at(&server);
    for _ in 0..3 {
        is_damaged(writer.read("team/large"));
        is_damaged(writer.get(&format!("{}/versions/1", state_path("team/large"))));
    }
    is_damaged(server.key("team", "outputs").read("team/large"));
    writer.send("HEAD", &state_path("team/large"), "");
    for name in ["team/small", "team/late"] {
        assert_eq!(
            writer.read(name).expect_status(200).text(),
            tfstate(L1, 1),
            "{name}"
        );
    }
    assert_eq!(
        writer.versions("team/large")[0]["size"],
        large.len(),
        "its row is still there"
    );
    assert!(
        server.log().contains("team") && server.log().to_lowercase().contains("damaged"),
        "and the log says which: {}",
        server.log()
    );
}

/// A server whose only state, of 4 MiB, is damaged, with its writer and the bytes that it had.
fn damaged(dir: &TempDir) -> (Server, Client, String) {
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    let writer = server.key("team", "writer");
    let large = tfstate_noted(L1, 1, &noise(1, 4 * 1024 * 1024));
    writer.write("team/large", &large, None).expect_status(200);
    assert!(server.stop().success());
    damage(&data);
    let server = Setup::new().data(&data).start();
    let writer = writer.at(&server);
    is_damaged(writer.read("team/large"));
    (server, writer, large)
}

#[test]
fn a_new_version_does_not_lean_on_a_damaged_one() {
    let dir = TempDir::new().expect("a directory");
    let (_server, writer, _) = damaged(&dir);
    let next = tfstate_noted(L1, 2, &noise(1, 4 * 1024 * 1024));
    writer.write("team/large", &next, None).expect_status(200);
    assert!(writer.read("team/large").expect_status(200).text() == next);
}

#[test]
fn a_write_of_the_very_bytes_that_are_damaged_is_acknowledged_only_when_they_can_be_read_again() {
    let dir = TempDir::new().expect("a directory");
    let (_server, writer, large) = damaged(&dir);
    writer.write("team/large", &large, None).expect_status(200);
    assert!(
        writer.read("team/large").expect_status(200).text() == large,
        "whoever sends a state again to mend it, mends it"
    );
    writer.write("team/copy", &large, None).expect_status(200);
    assert!(writer.read("team/copy").expect_status(200).text() == large);
}

#[test]
fn bytes_that_are_kept_for_another_state_are_not_taken_for_good_when_they_are_damaged() {
    let dir = TempDir::new().expect("a directory");
    let (_server, writer, large) = damaged(&dir);
    writer.write("team/copy", &large, None).expect_status(200);
    assert!(
        writer.read("team/copy").expect_status(200).text() == large,
        "what was acknowledged can be read"
    );
}

#[test]
fn bytes_that_come_back_after_other_ones_are_not_taken_for_kept_when_they_are_damaged() {
    let dir = TempDir::new().expect("a directory");
    let (_server, writer, large) = damaged(&dir);
    writer.lock("team/large", "lock-1").expect_status(200);
    writer
        .write("team/large", tfstate(L1, 2), Some("lock-1"))
        .expect_status(200);
    writer
        .write("team/large", &large, Some("lock-1"))
        .expect_status(200);
    assert!(
        writer.read("team/large").expect_status(200).text() == large,
        "what was acknowledged can be read"
    );
}

/// How the bytes of a version of `team/net` are damaged, behind the server's back.
const WAYS: [(&str, &str); 4] = [
    (
        "the frame is cut short",
        "UPDATE blobs SET frame = substr(frame, 1, length(frame) / 2) WHERE id = ",
    ),
    (
        "a frame of other bytes",
        "UPDATE blobs SET frame = (SELECT frame FROM blobs ORDER BY id DESC LIMIT 1) WHERE id = ",
    ),
    (
        "a format that nobody knows",
        "UPDATE blobs SET format = 99 WHERE id = ",
    ),
    ("its row is gone", "DELETE FROM blobs WHERE id = "),
];

/// A version of `team/net` with no delta base.
fn alone(number: u64) -> String {
    tfstate(&lineage(number), number)
}

/// `team/net` in four versions, of which one is damaged, and one more state.
fn with_damage(dir: &TempDir, how: &str, number: u64) -> Option<(Server, Client)> {
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    let owner = server.key("team", "owner");
    (1..=4).for_each(|serial| {
        drop(
            owner
                .write_by_force("team/net", alone(serial))
                .expect_status(200),
        );
    });
    owner
        .write("team/other", tfstate_noted(L1, 1, "other"), None)
        .expect_status(200);
    assert!(server.stop().success());
    let which = format!(
        "(SELECT v.blob_id FROM versions v JOIN states s ON s.id = v.state_id WHERE \
            s.building_block = 'net' AND v.number = {number})"
    );
    sql(
        &data.join("statekeep.db"),
        &format!("PRAGMA foreign_keys = OFF; {how} {which};"),
    )?;
    let server = Setup::new().data(&data).start();
    let owner = owner.at(&server);
    Some((server, owner))
}

/// What is damaged of `team/net`, and how.
struct Damaged<'a> {
    server: &'a Server,
    owner: &'a Client,
    what: &'a str,
    number: u64,
}

/// The events of damaged versions that need attention.
const TOLD: &str = "kind=version.damaged&attention=true";

impl Damaged<'_> {
    fn version(&self, number: u64) -> Answer {
        self.owner
            .get(&format!("{}/versions/{number}", state_path("team/net")))
    }

    fn it_alone_is_lost(&self) {
        let (what, number) = (self.what, self.number);
        for _ in 0..3 {
            is_damaged(self.version(number));
        }
        for other in (1..=4).filter(|other| *other != number) {
            assert_eq!(
                self.version(other).expect_status(200).text(),
                alone(other),
                "{what}: {other}"
            );
        }
        self.owner.read("team/other").expect_status(200);
    }

    fn it_is_told_once(&self) {
        let (server, what) = (self.server, self.what);
        let admin = server.admin();
        let events = admin.events(TOLD);
        assert_eq!(
            events.len(),
            1,
            "{what}: once, not for each read: {events:?}"
        );
        assert_eq!(
            (&events[0]["buildingBlock"], &events[0]["version"]),
            (&"net".into(), &self.number.into())
        );
        let scrape = Scrape::of(&admin);
        assert_eq!(
            (
                scrape.value("statekeep_damaged_reads_total"),
                scrape.value("statekeep_damaged_versions")
            ),
            (3, 1),
            "{what}"
        );
        let ready = server.anonymous().get("/readyz").expect_status(200).json();
        assert_eq!(
            (&ready["status"], &ready["problems"][0]["code"]),
            (&"ready".into(), &"damaged_versions".into()),
            "{ready}"
        );
    }

    fn writes_go_on(&self) {
        let (owner, what) = (self.owner, self.what);
        if self.number == 4 {
            owner.write("team/net", alone(4), None).expect_status(200);
            assert_eq!(
                owner.read("team/net").expect_status(200).text(),
                alone(4),
                "{what}: what is acknowledged can be read"
            );
        }
        owner
            .write_by_force("team/net", alone(5))
            .expect_status(200);
        assert_eq!(
            owner.read("team/net").expect_status(200).text(),
            alone(5),
            "{what}: writes go on"
        );
    }

    fn its_bytes_mend_it(&self) {
        let (server, owner, what) = (self.server, self.owner, self.what);
        let number = self.number;
        owner
            .write("team/mend", alone(number), None)
            .expect_status(200);
        assert_eq!(
            self.version(number).expect_status(200).text(),
            alone(number),
            "{what}: the same bytes mend it"
        );
        assert_eq!(
            server.anonymous().get("/readyz").json()["problems"],
            serde_json::json!([]),
            "{what}: and nothing is wrong any more"
        );
        assert_eq!(server.admin().events(TOLD).len(), 1);
    }
}

#[test]
fn whatever_way_a_version_is_damaged_it_alone_is_lost_told_once_and_mended_by_its_bytes() {
    for (what, how) in WAYS {
        for number in [2, 4] {
            let dir = TempDir::new().expect("a directory");
            let Some((server, owner)) = with_damage(&dir, how, number) else {
                return;
            };
            let damaged = Damaged {
                server: &server,
                owner: &owner,
                what,
                number,
            };
            damaged.it_alone_is_lost();
            damaged.it_is_told_once();
            damaged.writes_go_on();
            if what != "its row is gone" || number == 4 {
                damaged.its_bytes_mend_it();
            }
        }
    }
}

#[test]
fn a_damaged_version_that_was_mended_is_forgotten_though_nobody_reads_it() {
    let dir = TempDir::new().expect("a directory");
    let Some((server, owner)) = with_damage(&dir, WAYS[0].1, 2) else {
        return;
    };
    is_damaged(owner.get(&format!("{}/versions/2", state_path("team/net"))));
    owner.write("team/mend", alone(2), None).expect_status(200);
    let answer = server
        .admin()
        .post_json("/api/verify", &serde_json::json!({}))
        .expect_status(200)
        .json();
    assert_eq!(answer["found"], 0, "{answer}");
    assert_eq!(
        Scrape::of(&server.admin()).value("statekeep_damaged_versions"),
        0
    );
}

#[test]
fn a_damaged_page_costs_what_is_on_it_and_nothing_else() {
    const STATES: u64 = 400;
    // A write moves rows between the pages beside its own, so that those within three pages of a
    // damaged one may be refused as well.
    const NEAR: u64 = 100;
    // No UUID, so that the row has it as this text.
    let marked = |number: u64| format!("lineage-{number:08}");
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    let writer = server.key("team", "writer");
    for number in 0..STATES {
        writer
            .write(
                &format!("team/n{number}"),
                tfstate(&marked(number), 1),
                None,
            )
            .expect_status(200);
    }
    assert!(server.stop().success());
    spoil_page_with(&data, &[250, 251].map(marked));
    let server = Setup::new().data(&data).start();
    let writer = writer.at(&server);
    let lost: Vec<u64> = (0..STATES)
        .filter(|number| writer.read(&format!("team/n{number}")).status == 500)
        .collect();
    assert!((1..60).contains(&lost.len()), "{lost:?}");
    for number in 0..STATES {
        let name = format!("team/n{number}");
        if lost.contains(&number) {
            is_damaged(writer.read(&name));
            writer
                .write(&name, tfstate(&marked(number), 2), None)
                .expect_problem(500, "damaged");
            continue;
        }
        assert_eq!(
            writer.read(&name).expect_status(200).text(),
            tfstate(&marked(number), 1)
        );
        if lost.iter().all(|lost| lost.abs_diff(number) > NEAR) {
            writer
                .write(&name, tfstate(&marked(number), 2), None)
                .expect_status(200);
            assert_eq!(
                writer.read(&name).expect_status(200).text(),
                tfstate(&marked(number), 2)
            );
        }
    }
    assert_eq!(server.anonymous().get("/readyz").json()["status"], "ready");
    let answer = server
        .admin()
        .post_json("/api/verify", &serde_json::json!({}))
        .expect_status(200)
        .json();
    let codes: Vec<&str> = answer["findings"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|one| one["code"].as_str())
        .collect();
    assert!(
        codes.contains(&"structure") && codes.contains(&"damaged"),
        "{answer}"
    );
    assert!(
        answer["checked"]["decoded"].as_u64() > Some(STATES),
        "the others were looked at: {answer}"
    );
}
