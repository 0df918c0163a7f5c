//! Keys of a schema that kept no fingerprint of their secrets: each gets one at its first use.

use tempfile::TempDir;

use super::fixtures::{COPIES, Fixture};
use crate::harness::{Client, Server, Setup};
use crate::samples::forged;
use crate::scrape::Scrape;

/// The last schema without fingerprints.
const WITHOUT: i64 = 7;

/// A server on data of that schema, and a key in it that was not used since. The data is there for
/// as long as the directory is.
pub fn without_fingerprints(setup: Setup) -> (Server, Client, TempDir) {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let fixture = Fixture::of(WITHOUT);
    fixture.unpack(COPIES[0], &data);
    let server = setup.data(&data).start();
    let secrets = &fixture.recorded()["secrets"];
    let owner = server.with(secrets["owner"].as_str().expect("a secret"));
    (server, owner, dir)
}

/// How often argon2 has run.
fn runs(server: &Server) -> u64 {
    Scrape::of(&server.admin()).value("statekeep_argon2_duration_seconds_count")
}

#[test]
fn a_key_of_an_earlier_schema_gets_its_fingerprint_at_its_first_use() {
    let (server, owner, dir) = without_fingerprints(Setup::new());
    // The first look at the metrics is the admin key's first use.
    runs(&server);
    let before = runs(&server);
    let guess = |owner: &Client, number| {
        let guess = forged(owner, number).read("team/none");
        guess.expect_problem(401, "unauthorized");
    };
    guess(&owner, 1);
    assert_eq!(runs(&server), before + 1, "nothing tells it apart yet");
    owner.read("team/none").expect_problem(404, "no_state");
    assert_eq!(runs(&server), before + 2);
    guess(&owner, 2);
    assert_eq!(runs(&server), before + 2, "now its fingerprint does");
    assert!(server.stop().success());
    let server = Setup::new().data(&dir.path().join("data")).start();
    let owner = owner.at(&server);
    let before = runs(&server);
    (0..5).for_each(|number| guess(&owner, number));
    assert_eq!(runs(&server), before, "the fingerprint was kept");
    owner.read("team/none").expect_problem(404, "no_state");
    let verified = server.cli(&["verify"]);
    assert!(verified.status.success(), "its row is in order");
}
