//! A request that is sent again, for bytes that were damaged meanwhile: "it is kept already" is
//! said only of what can be read, and the bytes that were sent mend it.

use serde_json::json;
use tempfile::TempDir;

use super::L1;
use crate::disk::{damage, noise};
use crate::harness::{Answer, Client, Server, Setup, state_path, tfstate_noted};

const NAME: &str = "team/large";

/// How a large version comes to be kept, by this caller of two: one who may do all, and one who may
/// only plan.
type Send = fn((&Client, &Client), &str) -> Answer;

/// Makes the large version number 1 in one way, damages it, and sends the request again.
fn is_mended_when_it_is_sent_again(what: &str, first: Send, again: Send) {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let large = tfstate_noted(L1, 1, &noise(1, 4 * 1024 * 1024));
    let server = Setup::new().data(&data).start();
    let (owner, planner) = (server.key("team", "owner"), server.key("team", "planner"));
    let answered = first((&owner, &planner), &large);
    assert!(server.stop().success());
    damage(&data);
    let server: Server = Setup::new().data(&data).start();
    let (owner, planner) = (owner.at(&server), planner.at(&server));
    let version = format!("{}/versions/1", state_path(NAME));
    owner.get(&version).expect_problem(500, "damaged");
    let repeated = again((&owner, &planner), &large);
    if repeated.status == answered.status {
        let number = |answer: &Answer| answer.json()["rejected_version"].clone();
        assert_eq!(number(&repeated), number(&answered), "{what}");
    }
    let kept = owner.get(&version).expect_status(200);
    assert!(kept.text() == large, "{what}: it can be read again");
    assert_eq!(owner.versions(NAME).len(), 1, "{what}: and is kept once");
}

/// Another one's lock is in the way.
fn locked((owner, _): (&Client, &Client), body: &str) -> Answer {
    owner.lock(NAME, "an-apply").expect_status(200);
    owner.write(NAME, body, None).expect_status(423)
}

fn written((owner, _): (&Client, &Client), body: &str) -> Answer {
    owner.write(NAME, body, None).expect_status(200)
}

fn denied((_, planner): (&Client, &Client), body: &str) -> Answer {
    planner.write(NAME, body, None).expect_status(403)
}

fn imported((owner, _): (&Client, &Client), body: &str) -> Answer {
    let path = format!("{}/import", state_path(NAME));
    owner
        .send("POST", &path, body.to_owned())
        .expect_status(200)
}

fn imported_as_rejected((owner, _): (&Client, &Client), body: &str) -> Answer {
    let path = format!("{}/import?number=1&rejected=stale_write", state_path(NAME));
    owner
        .send("POST", &path, body.to_owned())
        .expect_status(200)
}

#[test]
fn a_rejected_version_is_mended_by_its_bytes() {
    is_mended_when_it_is_sent_again("behind a lock", locked, locked);
    is_mended_when_it_is_sent_again("without permission", denied, denied);
}

#[test]
fn a_current_version_is_mended_by_its_bytes_from_one_who_may_not_write() {
    is_mended_when_it_is_sent_again("a planner's", written, denied);
}

#[test]
fn an_imported_version_is_mended_by_its_bytes() {
    is_mended_when_it_is_sent_again("imported", imported, imported);
    let (first, again) = (imported_as_rejected, imported_as_rejected);
    is_mended_when_it_is_sent_again("imported as rejected", first, again);
}

#[test]
fn a_rollback_to_a_current_version_that_is_damaged_says_so() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    let owner = server.key("team", "owner");
    let large = tfstate_noted(L1, 1, &noise(1, 4 * 1024 * 1024));
    owner.write(NAME, large, None).expect_status(200);
    assert!(server.stop().success());
    damage(&data);
    let server = Setup::new().data(&data).start();
    let path = format!("{}/rollback", state_path(NAME));
    for dry_run in [true, false] {
        let body = json!({"version": 1, "dry_run": dry_run});
        let answer = owner.at(&server).post_json(&path, &body);
        answer.expect_problem(500, "damaged");
    }
}
