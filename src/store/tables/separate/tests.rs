//! What a state takes along to another workspace, and what an upgrade separates.

use std::path::Path;

use crate::model::actor::Actor;
use crate::model::clock::Timestamp;
use crate::model::digest::Digest;
use crate::model::frame::{Bytes, Kept, StoredBlob};
use crate::model::name::StateName;
use crate::model::terraform::tfstate::read_head;
use crate::model::version::{NewVersion, VersionKind};
use crate::store::tables::hashed::VERSIONS;
use crate::store::tables::separate::*;
use crate::store::{Store, Touches};

const AT: Timestamp = Timestamp::from_millis(0);

fn version(content: u64) -> (NewVersion, StoredBlob) {
    let bytes = content.to_le_bytes();
    let new = NewVersion {
        sha256: Digest::of(&bytes),
        size: 8,
        head: read_head(br#"{"version":4,"serial":1,"lineage":"l"}"#, 10).unwrap(),
        kind: VersionKind::Write,
        from_version: None,
        created_at: AT,
        created_by: Actor {
            id: "a".to_owned(),
            name: "a".to_owned(),
        },
        address: String::new(),
        lock: None,
    };
    let blob = StoredBlob {
        format: 1,
        size: 8,
        frame: bytes.to_vec(),
    };
    (new, blob)
}

fn name(of: &str) -> StateName {
    let (workspace, block) = of.split_once('/').unwrap();
    StateName::parse(workspace, block).unwrap()
}

/// A state with versions of these contents.
fn state(tx: &Tx<'_>, of: &str, contents: &[u64]) -> StateId {
    let state = tx.make_state(&name(of), AT).unwrap();
    for content in contents {
        let (new, blob) = version(*content);
        tx.append(state, &new, &blob).unwrap();
    }
    state
}

fn kept(tx: &Tx<'_>, state: StateId, number: u64) -> Kept {
    tx.kept(state, number).unwrap().unwrap()
}

fn make_delta(tx: &Tx<'_>, of: (StateId, u64), on: (StateId, u64)) -> bool {
    let (of, on) = (kept(tx, of.0, of.1), kept(tx, on.0, on.1));
    let frame = of.id.number().to_le_bytes();
    tx.replace_frame(&of, Some(&on), 2, &frame).unwrap()
}

/// The frames of a version, as they are decoded.
fn frames(tx: &Tx<'_>, state: StateId, number: u64) -> Vec<Vec<u8>> {
    let chain = tx.chain(Bytes::Of(state, number)).unwrap();
    chain.into_iter().map(|blob| blob.frame).collect()
}

/// How many blobs there are that versions of two workspaces need.
fn shared(tx: &Tx<'_>) -> i64 {
    let sql = "WITH RECURSIVE needed (workspace, id) AS (SELECT s.workspace, v.blob_id FROM \
        versions v JOIN states s ON s.id = v.state_id WHERE v.blob_id IS NOT NULL UNION SELECT \
        n.workspace, b.base FROM needed n JOIN blobs b ON b.id = n.id WHERE b.base IS NOT NULL) \
        SELECT count(*) FROM (SELECT id FROM needed GROUP BY id HAVING count(*) > 1)";
    tx.connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

fn count(tx: &Tx<'_>, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    tx.connection.query_row(&sql, [], |row| row.get(0)).unwrap()
}

fn in_store(dir: &Path, test: impl Fn(&Tx<'_>) + Send + 'static) {
    let store = Store::open(dir, 16, &std::sync::Arc::default()).unwrap();
    let job = move |tx: &Tx<'_>| {
        test(tx);
        Ok(())
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let done = store.write(Touches::Everything, 0, job);
    runtime.block_on(done).unwrap();
    runtime.block_on(store.close());
}

fn with_tx(test: impl Fn(&Tx<'_>) + Send + 'static) {
    in_store(tempfile::tempdir().unwrap().path(), test);
}

#[test]
fn equal_bytes_are_kept_once_in_a_workspace_and_once_for_each() {
    with_tx(|tx| {
        let one = state(tx, "w/one", &[1, 2]);
        let two = state(tx, "w/two", &[1]);
        let other = state(tx, "other/one", &[1]);
        assert_eq!(kept(tx, one, 1).id, kept(tx, two, 1).id);
        assert_ne!(kept(tx, one, 1).id, kept(tx, other, 1).id);
        assert_eq!((count(tx, "blobs"), shared(tx)), (3, 0));
    });
}

#[test]
fn bytes_that_are_only_a_base_are_not_found() {
    with_tx(|tx| {
        let one = state(tx, "w/one", &[1, 2, 3]);
        assert!(make_delta(tx, (one, 2), (one, 1)));
        let base = kept(tx, one, 1).id;
        tx.remove_version(one, 1).unwrap();
        assert!(tx.kept_in(base).unwrap().is_some(), "the base stays");
        let two = state(tx, "w/two", &[1]);
        assert_ne!(kept(tx, two, 1).id, base);
    });
}

#[test]
fn a_delta_and_its_base_are_of_one_workspace() {
    with_tx(|tx| {
        let one = state(tx, "w/one", &[1, 2, 3]);
        let two = state(tx, "w/two", &[4, 5]);
        let other = state(tx, "other/one", &[6, 7]);
        assert!(!make_delta(tx, (one, 1), (other, 1)));
        assert!(make_delta(tx, (one, 1), (two, 1)));
        assert!(make_delta(tx, (one, 2), (one, 1)));
        assert!(
            !make_delta(tx, (other, 1), (one, 2)),
            "at the end of a chain"
        );
    });
}

#[test]
fn a_state_that_moves_takes_copies_of_what_others_need() {
    with_tx(|tx| {
        let stays = state(tx, "w/stays", &[1, 2, 3, 4]);
        let goes = state(tx, "w/goes", &[2, 3, 9, 4]);
        assert!(
            make_delta(tx, (stays, 2), (stays, 1)),
            "the base is of one alone"
        );
        assert!(make_delta(tx, (stays, 3), (stays, 2)));
        assert!(
            make_delta(tx, (goes, 3), (goes, 2)),
            "a delta of the other one alone"
        );
        let (before, alone) = (count(tx, "blobs"), kept(tx, goes, 3).id);
        let frames_of = |state, numbers: &[u64]| -> Vec<_> {
            numbers.iter().map(|at| frames(tx, state, *at)).collect()
        };
        let (of_one, of_other) = (
            frames_of(stays, &[1, 2, 3, 4]),
            frames_of(goes, &[1, 2, 3, 4]),
        );
        let (from, to) = (name("w/goes"), name("other/goes"));
        tx.move_state(goes, (&from, &to), AT, 0).unwrap();
        assert_eq!(shared(tx), 0);
        assert_eq!(count(tx, "blobs"), before + 4, "1, 2, 3 and 4, and not 9");
        assert_eq!(kept(tx, goes, 3).id, alone, "it goes along as it is");
        assert_eq!(frames_of(stays, &[1, 2, 3, 4]), of_one);
        assert_eq!(frames_of(goes, &[1, 2, 3, 4]), of_other);
        (1..4).for_each(|number| tx.remove_version(stays, number).unwrap());
        assert_eq!(
            frames_of(goes, &[1, 2, 3, 4]),
            of_other,
            "the others are gone"
        );
        assert_eq!(count(tx, "blobs"), 6);
        assert!(tx.version(goes, 1).unwrap().is_some(), "its row is proven");
    });
}

#[test]
fn a_state_that_moves_within_its_workspace_or_shares_nothing_takes_none() {
    with_tx(|tx| {
        state(tx, "w/stays", &[1]);
        let goes = state(tx, "w/goes", &[1]);
        let (from, to) = (name("w/goes"), name("w/there"));
        tx.move_state(goes, (&from, &to), AT, 0).unwrap();
        assert_eq!(count(tx, "blobs"), 1);
        let alone = state(tx, "w/alone", &[7, 8]);
        let (from, to) = (name("w/alone"), name("other/alone"));
        tx.move_state(alone, (&from, &to), AT, 0).unwrap();
        assert_eq!((count(tx, "blobs"), shared(tx)), (3, 0));
    });
}

#[test]
fn no_copies_are_made_on_a_disk_without_room() {
    with_tx(|tx| {
        state(tx, "w/stays", &[1]);
        let goes = state(tx, "w/goes", &[1]);
        let (from, to) = (name("w/goes"), name("other/goes"));
        let moved = tx.move_state(goes, (&from, &to), AT, u64::MAX);
        assert!(matches!(moved, Err(StoreError::Full)), "{moved:?}");
    });
}

/// Has a version of one state refer to the blob of another one's, as an earlier schema did.
fn share(tx: &Tx<'_>, (state, number): (StateId, i64), with: Kept) {
    let sql = "UPDATE versions SET blob_id = ?3 WHERE state_id = ?1 AND number = ?2";
    let key = params![state, number];
    let changed = tx.update_hashed(&VERSIONS, key, sql, params![state, number, with.id]);
    assert_eq!(changed.unwrap(), 1);
}

#[test]
fn an_upgrade_separates_what_is_shared_and_touches_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    in_store(dir.path(), |tx| {
        let first = state(tx, "a/first", &[1, 2, 3]);
        assert!(make_delta(tx, (first, 2), (first, 1)));
        let others = [("b/one", [2, 5]), ("b/two", [2, 6]), ("c/one", [2, 7])];
        let others = others.map(|(of, contents)| state(tx, of, &contents));
        for sharing in others {
            share(tx, (sharing, 1), kept(tx, first, 2));
        }
        let unused = "DELETE FROM blobs WHERE id NOT IN (SELECT blob_id FROM versions)";
        tx.connection.execute(unused, []).unwrap();
        assert_eq!((count(tx, "blobs"), shared(tx)), (6, 2));
        tx.run("INSERT INTO pending_separation VALUES (1)", [])
            .unwrap();
    });
    in_store(dir.path(), |tx| {
        assert_eq!((shared(tx), count(tx, "pending_separation")), (0, 0));
        assert_eq!(count(tx, "blobs"), 10, "two for each but the last");
        let id = |of: &str| tx.lookup(&name(of)).unwrap().id().unwrap();
        let whole = frames(tx, id("a/first"), 2);
        assert_eq!(whole.len(), 2);
        for of in ["b/one", "b/two", "c/one"] {
            assert_eq!(frames(tx, id(of), 1), whole, "{of}");
            assert!(
                tx.version(id(of), 1).unwrap().is_some(),
                "{of}: its row is proven"
            );
        }
        assert_eq!(kept(tx, id("b/one"), 1).id, kept(tx, id("b/two"), 1).id);
    });
}

#[test]
fn a_damaged_row_keeps_no_upgrade_from_going_on() {
    let dir = tempfile::tempdir().unwrap();
    in_store(dir.path(), |tx| {
        let first = state(tx, "a/first", &[1, 2]);
        let damaged = state(tx, "a/second", &[1, 2]);
        let other = state(tx, "b/one", &[1, 3]);
        share(tx, (other, 1), kept(tx, first, 1));
        let sql = "UPDATE versions SET created_at = 77 WHERE state_id = ?1";
        tx.run(sql, [damaged]).unwrap();
        tx.run("INSERT INTO pending_separation VALUES (1)", [])
            .unwrap();
    });
    in_store(dir.path(), |tx| {
        assert_eq!(count(tx, "pending_separation"), 0);
        let id = |of: &str| tx.lookup(&name(of)).unwrap().id().unwrap();
        assert_eq!(frames(tx, id("a/first"), 1), frames(tx, id("b/one"), 1));
        assert_ne!(kept(tx, id("a/first"), 1).id, kept(tx, id("b/one"), 1).id);
    });
}
