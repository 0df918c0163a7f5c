//! Purges: the content leaves the disk, the deltas that it was the base of stay readable, and the
//! rows stay.

mod beside;
mod steps;

use std::io::Read as _;
use std::path::Path;

use serde_json::{Value, json};

use super::L1;
use crate::disk::noise;
use crate::harness::{Answer, Client, Server, Setup, lock_body, state_path, tfstate_noted};
use crate::inside;

/// A state with a secret of 20 kB in it, which does not compress, and a little that changes.
fn state(serial: u64, secret: Option<u64>) -> String {
    let secret = secret.map(|seed| noise(seed, 20_000)).unwrap_or_default();
    tfstate_noted(L1, serial, &format!("{} {secret}", noise(77, 5_000)))
}

fn purge(client: &Client, name: &str, versions: &Value) -> Answer {
    client.post_json(
        &format!("{}/purge", state_path(name)),
        &json!({ "versions": versions }),
    )
}

/// How many bytes are looked for at a time: too many to be there by chance.
const WINDOW: usize = 24;

/// Whether any file of the data directory holds some part of these bytes, wherever pages of the
/// database may cut them.
fn holds(data: &Path, bytes: &[u8]) -> bool {
    let files = std::fs::read_dir(data)
        .expect("the directory")
        .map(|file| file.expect("a file").path());
    let contents: Vec<Vec<u8>> = files
        .filter(|path| path.is_file())
        .map(|path| std::fs::read(path).expect("a file"))
        .collect();
    let middle = &bytes[bytes.len() / 4..bytes.len() * 3 / 4];
    let parts = middle
        .chunks(200)
        .filter_map(|part| part.first_chunk::<WINDOW>());
    let finders: Vec<_> = parts.map(memchr::memmem::Finder::new).collect();
    assert!(!finders.is_empty(), "too short to be looked for");
    finders.iter().any(|finder| {
        contents
            .iter()
            .any(|content| finder.find(content).is_some())
    })
}

/// Whether these bytes come out of anything in the database file, or its log, that looks like a
/// frame.
fn comes_out_of_a_frame(data: &Path, bytes: &[u8]) -> bool {
    const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
    let part = &bytes[..WINDOW];
    ["statekeep.db", "statekeep.db-wal"].iter().any(|name| {
        let content = std::fs::read(data.join(name)).expect("a file");
        memchr::memmem::find_iter(&content, &MAGIC).any(|at| {
            let mut out = Vec::new();
            // A frame may end in the middle, where its page does: what came out until then counts.
            let _ = zstd::Decoder::new(&content[at..])
                .and_then(|frames| frames.single_frame().take(1 << 20).read_to_end(&mut out));
            memchr::memmem::find(&out, part).is_some()
        })
    })
}

/// The frames in which a state may be kept: as it was acknowledged, at leisure, and as a difference
/// to others.
fn frames(state: &str, others: &[String]) -> Vec<Vec<u8>> {
    let bytes = state.as_bytes();
    let mut frames = vec![
        statekeep::blob::encode(bytes).expect("bytes"),
        statekeep::blob::encode_slowly(bytes, None).expect("bytes"),
    ];
    for other in others {
        frames.push(statekeep::blob::encode_slowly(bytes, Some(other.as_bytes())).expect("bytes"));
    }
    // A difference to a state with the same secret says nothing of it.
    frames.retain(|frame| frame.len() > 10_000);
    frames
}

#[test]
fn what_is_purged_leaves_the_disk_and_the_rest_stays_readable() {
    let server = Setup::new().flag("--cache-size", "0").start();
    let (admin, writer) = (server.admin(), server.key("team", "writer"));
    let states: Vec<String> = (1..=9)
        .map(|serial| state(serial, (5..=6).contains(&serial).then_some(9)))
        .collect();
    for state in &states {
        writer.write("team/net", state, None).expect_status(200);
    }
    inside::compacted(server.data());
    let secret = noise(9, 20_000);
    let leaning = "SELECT count(*) FROM versions v JOIN blobs b ON b.id = v.blob_id JOIN versions \
        o ON o.blob_id = b.base WHERE o.number = 5";
    assert_eq!(
        inside::number(server.data(), leaning),
        2,
        "one that goes as well, and one that stays"
    );
    let forms: Vec<Vec<u8>> = frames(&states[4], &states[..4])
        .into_iter()
        .chain(frames(&states[5], &states[..5]))
        .collect();
    assert!(
        forms.iter().any(|form| holds(server.data(), form)),
        "otherwise this shows nothing"
    );
    let answer = purge(&admin, "team/net", &json!([5, 6]))
        .expect_status(200)
        .json();
    assert_eq!(
        (&answer["versions"], &answer["erased"]),
        (&json!([5, 6]), &json!(true)),
        "{answer}"
    );
    assert!(!holds(server.data(), secret.as_bytes()));
    for form in &forms {
        assert!(!holds(server.data(), form));
    }
    for (number, state) in (1..).zip(&states) {
        let answer = writer.get(&format!("{}/versions/{number}", state_path("team/net")));
        if number == 5 || number == 6 {
            answer.expect_problem(410, "purged");
        } else {
            assert!(
                answer.expect_status(200).text() == *state,
                "version {number}"
            );
        }
    }
    let rows = writer.versions("team/net");
    assert_eq!(
        rows.iter().filter(|row| row["purged"] == true).count(),
        2,
        "the rows stay"
    );
    let events = server.admin().events("kind=state.purge");
    assert_eq!(
        (events.len(), &events[0]["detail"]["versions"]),
        (1, &json!([5, 6]))
    );
    let again = purge(&admin, "team/net", &json!([5, 6]))
        .expect_status(200)
        .json();
    assert_eq!(
        (&again["versions"], &again["erased"]),
        (&json!([]), &json!(true)),
        "nothing is left to purge"
    );
    assert!(inside::most_steps(server.data()) <= 8);
}

#[test]
fn no_frame_that_is_left_gives_the_secret() {
    let server = Server::start();
    let (admin, writer) = (server.admin(), server.key("team", "writer"));
    // Small enough for a frame to lie in one page as a whole.
    let secret = noise(9, 300);
    for (serial, note) in [(1, "before"), (2, &*secret), (3, "after")] {
        writer
            .write("team/net", tfstate_noted(L1, serial, note), None)
            .expect_status(200);
    }
    inside::compacted(server.data());
    assert!(
        comes_out_of_a_frame(server.data(), secret.as_bytes()),
        "otherwise this shows nothing"
    );
    purge(&admin, "team/net", &json!([2])).expect_status(200);
    assert!(!comes_out_of_a_frame(server.data(), secret.as_bytes()));
}

#[test]
fn a_purge_that_makes_no_sense_is_refused() {
    let server = Server::start();
    let (admin, owner) = (server.admin(), server.key("team", "owner"));
    for serial in 1..=3 {
        owner
            .write("team/net", state(serial, None), None)
            .expect_status(200);
    }
    owner
        .write("team/twin", state(2, None), None)
        .expect_status(200);
    purge(&owner, "team/net", &json!([1])).expect_problem(403, "forbidden");
    purge(&admin, "team/net", &json!([3])).expect_problem(409, "current_version");
    purge(&admin, "team/net", &json!([1, 9])).expect_problem(404, "no_version");
    let hold = format!("{}/versions/2/hold", state_path("team/net"));
    admin
        .post_json(&hold, &json!({"reason": "a court asks for it"}))
        .expect_status(200);
    purge(&admin, "team/net", &json!([2])).expect_problem(409, "version_held");
    admin.send("DELETE", &hold, "").expect_status(200);
    purge(&admin, "team/none", &json!([1])).expect_problem(404, "no_state");
    purge(&admin, "team/net", &json!("all")).expect_problem(409, "not_deleted");
    let shared = purge(&admin, "team/net", &json!([1, 2])).expect_problem(409, "content_shared");
    assert!(
        shared.text().contains("version 1 of team/twin"),
        "{}",
        shared.text()
    );
    for bad in [
        json!([]),
        json!("some"),
        json!([0.5]),
        json!([-1]),
        json!(null),
        json!(vec![1; 1_001]),
    ] {
        purge(&admin, "team/net", &bad).expect_status(400);
    }
    admin
        .post_json(&format!("{}/purge", state_path("team/net")), &json!({}))
        .expect_status(400);
    for number in 1..=3 {
        let answer = owner
            .get(&format!("{}/versions/{number}", state_path("team/net")))
            .expect_status(200);
        assert_eq!(answer.text(), state(number, None), "nothing was removed");
    }
}

#[test]
fn a_whole_state_can_go_once_it_is_deleted() {
    let server = Server::start();
    let (admin, owner) = (server.admin(), server.key("team", "owner"));
    for serial in 1..=3 {
        owner
            .write("team/net", state(serial, Some(serial)), None)
            .expect_status(200);
    }
    owner.delete("team/net").expect_status(200);
    owner
        .send("LOCK", &state_path("team/net"), lock_body("mine"))
        .expect_status(200);
    purge(&admin, "team/net", &json!("all")).expect_status(423);
    owner.unlock("team/net", "mine").expect_status(200);
    let answer = purge(&admin, "team/net", &json!("all"))
        .expect_status(200)
        .json();
    assert_eq!(answer["versions"], json!([1, 2, 3]));
    for serial in 1..=3 {
        assert!(!holds(
            server.data(),
            &frames(&state(serial, Some(serial)), &[])[0]
        ));
    }
    owner
        .send("POST", &format!("{}/restore", state_path("team/net")), "")
        .expect_problem(410, "purged");
    owner
        .write("team/net", state(3, Some(3)), None)
        .expect_status(200);
    assert_eq!(
        owner.read("team/net").expect_status(200).text(),
        state(3, Some(3)),
        "the same bytes are written again"
    );
    assert_eq!(owner.versions("team/net").len(), 4);
}
