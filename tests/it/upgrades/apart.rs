//! Data in which workspaces share blobs, as earlier schemas kept them: the upgrade gives each its
//! own.

use tempfile::TempDir;

use super::fixtures::{COPIES, Fixture};
use crate::api::apart::SHARED;
use crate::harness::Setup;
use crate::inside;

/// The schemas that let workspaces share blobs, of which there is a fixture; the first has no
/// hashes of rows yet.
const SHARING: [i64; 3] = [5, 7, 8];

#[test]
fn an_upgrade_separates_the_blobs_of_workspaces() {
    for schema in SHARING {
        let dir = TempDir::new().expect("a directory");
        let data = dir.path().join("data");
        Fixture::of(schema).unpack(COPIES[0], &data);
        let blobs = "SELECT count(*) FROM blobs";
        let (shared, before) = (inside::number(&data, SHARED), inside::number(&data, blobs));
        assert!(
            shared > 0,
            "the fixture of schema {schema} shares something"
        );
        let server = Setup::new().data(&data).start();
        assert_eq!(inside::number(&data, SHARED), 0, "schema {schema}");
        let now = inside::number(&data, blobs);
        assert_eq!(
            now,
            before + shared,
            "schema {schema}: nothing else is copied"
        );
        let verified = server.cli(&["verify"]);
        let told = String::from_utf8_lossy(&verified.stdout);
        assert!(verified.status.success(), "schema {schema}: {told}");
    }
}
