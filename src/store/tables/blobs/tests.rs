//! Which frames may take the place of others: what [`Tx::replace_frame`] refuses.

use crate::model::actor::Actor;
use crate::model::clock::Timestamp;
use crate::model::name::StateName;
use crate::model::terraform::tfstate::read_head;
use crate::model::version::{NewVersion, VersionKind};
use crate::store::tables::blobs::*;
use crate::store::{Store, Touches};

fn digest(number: u64) -> Digest {
    Digest::of(&number.to_le_bytes())
}

fn blob(number: u64) -> StoredBlob {
    StoredBlob {
        format: 1,
        size: 8,
        frame: number.to_le_bytes().to_vec(),
    }
}

fn version(number: u64) -> NewVersion {
    NewVersion {
        sha256: digest(number),
        size: 8,
        head: read_head(br#"{"version":4,"serial":1,"lineage":"l"}"#, 10).unwrap(),
        kind: VersionKind::Write,
        from_version: None,
        created_at: Timestamp::from_millis(0),
        created_by: Actor {
            id: "a".to_owned(),
            name: "a".to_owned(),
        },
        address: String::new(),
        lock: None,
    }
}

/// A state with so many versions of different bytes.
fn with_versions(
    count: u64,
    test: impl Fn(&Tx<'_>, StateId) -> Result<(), StoreError> + Send + 'static,
) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), 16, &std::sync::Arc::default()).unwrap();
    let job = move |tx: &Tx<'_>| {
        let state = tx.make_state(
            &StateName::parse("w", "b").unwrap(),
            Timestamp::from_millis(0),
        )?;
        for number in 1..=count {
            tx.append(state, &version(number), &blob(number))?;
        }
        test(tx, state)
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime
        .block_on(store.write(Touches::Everything, 0, job))
        .unwrap();
}

fn kept(tx: &Tx<'_>, state: StateId, number: u64) -> Kept {
    tx.kept(state, number).unwrap().unwrap()
}

fn make_delta(tx: &Tx<'_>, state: StateId, (of, on): (u64, u64)) -> bool {
    let (of, on) = (kept(tx, state, of), kept(tx, state, on));
    tx.replace_frame(&of, Some(&on), 2, b"difference").unwrap()
}

#[test]
fn no_way_is_longer_than_eight_steps_and_none_leads_back() {
    with_versions(12, |tx, state| {
        for number in 2..=9 {
            assert!(make_delta(tx, state, (number, number - 1)), "{number}");
        }
        assert_eq!(tx.chain_size(Bytes::Of(state, 9))?.frames, 9);
        assert!(!make_delta(tx, state, (10, 9)), "nine steps");
        assert!(make_delta(tx, state, (10, 8)), "eight");
        assert!(
            !make_delta(tx, state, (1, 9))
                && !make_delta(tx, state, (1, 1))
                && !make_delta(tx, state, (11, 11)),
            "back to itself"
        );
        assert!(
            !make_delta(tx, state, (1, 11)),
            "nine steps for its own delta"
        );
        assert!(
            make_delta(tx, state, (9, 11)) && make_delta(tx, state, (8, 11)),
            "without deltas of its own, and a shorter chain"
        );
        Ok(())
    });
}

#[test]
fn what_clients_get_is_stored_in_full() {
    with_versions(3, |tx, state| {
        assert!(!make_delta(tx, state, (3, 1)), "the current one");
        tx.hide(state, Timestamp::from_millis(1))?;
        assert!(
            !make_delta(tx, state, (3, 1)),
            "and when its state is deleted"
        );
        assert!(make_delta(tx, state, (2, 1)));
        tx.append(state, &version(2), &blob(2))?;
        assert_eq!(kept(tx, state, 2).base, None, "its bytes are written again");
        assert_eq!(tx.chain(Bytes::Of(state, 2))?.len(), 1);
        assert!(!make_delta(tx, state, (2, 1)), "and are what clients get");
        Ok(())
    });
}

#[test]
fn nothing_is_replaced_that_has_changed_meanwhile() {
    with_versions(4, |tx, state| {
        let (before, base) = (kept(tx, state, 2), kept(tx, state, 1));
        assert!(tx.replace_frame(&before, Some(&base), 2, b"difference")?);
        assert!(
            !tx.replace_frame(&before, Some(&base), 2, b"another")?,
            "it is a delta already"
        );
        assert!(!tx.replace_frame(&before, None, 1, b"alone")?);
        let now = kept(tx, state, 2);
        assert!(
            !tx.replace_frame(
                &now,
                Some(&Kept {
                    digest: digest(9),
                    ..base
                }),
                2,
                b"other"
            )?,
            "its base has other bytes"
        );
        assert!(tx.replace_frame(&now, None, 1, b"alone")?);
        assert!(!tx.replace_frame(&now, None, 1, b"twice")?);
        let frames = tx.chain(Bytes::Of(state, 2))?;
        assert_eq!(
            (frames.len(), frames[0].frame.as_slice()),
            (1, &b"alone"[..])
        );
        Ok(())
    });
}

#[test]
fn a_blob_goes_with_the_last_that_needs_it_and_its_difference_with_it() {
    with_versions(4, |tx, state| {
        assert!(make_delta(tx, state, (2, 1)) && make_delta(tx, state, (3, 2)));
        let count = |table: &str| {
            let sql = format!("SELECT count(*) FROM {table}");
            tx.connection
                .query_row(&sql, [], |row| row.get::<_, i64>(0))
                .unwrap()
        };
        assert_eq!((count("blobs"), count("differences")), (4, 2));
        tx.remove_version(state, 1)?;
        tx.remove_version(state, 2)?;
        assert_eq!(
            (count("blobs"), count("differences")),
            (4, 2),
            "others are deltas to them"
        );
        assert_eq!(tx.bases_without_version(None, 10)?.len(), 2);
        tx.remove_version(state, 3)?;
        assert_eq!((count("blobs"), count("differences")), (1, 0));
        Ok(())
    });
}

#[test]
fn whatever_column_is_not_as_it_was_the_same_bytes_mend_it() {
    for damage in [
        "format = 9",
        "base = (SELECT max(id) FROM blobs)",
        "size = size + 4",
        "stored = stored + 1",
        "difference = 77",
        "frame = x'00'",
        "frame = NULL",
        "digest = zeroblob(32)",
    ] {
        with_versions(2, move |tx, state| {
            let (of, right) = (kept(tx, state, 1).id, tx.chain(Bytes::Of(state, 1))?);
            tx.connection
                .execute(&format!("UPDATE blobs SET {damage} WHERE id = ?1"), [of])?;
            let mended = tx.put_blob(state, digest(1), &blob(1))?;
            tx.lead_to(state, 1, mended)?;
            let now = tx.chain(Bytes::Of(state, 1))?;
            let parts = |chain: &[StoredBlob]| {
                chain
                    .iter()
                    .map(|blob| (blob.format, blob.size, blob.frame.clone()))
                    .collect::<Vec<_>>()
            };
            assert_eq!(parts(&now), parts(&right), "{damage}");
            let kept = kept(tx, state, 1);
            assert_eq!(
                (kept.base, kept.size, kept.stored, kept.digest),
                (None, 8, 8, digest(1)),
                "{damage}"
            );
            let difference = tx.connection.query_row(
                "SELECT difference IS NULL FROM blobs WHERE id = ?1",
                [mended],
                |row| row.get(0),
            )?;
            assert_eq!(
                (difference, tx.put_blob(state, digest(1), &blob(1))?),
                (true, mended),
                "{damage}"
            );
            Ok(())
        });
    }
}

#[test]
fn a_chain_begins_at_bytes_that_are_known() {
    with_versions(4, |tx, state| {
        assert!(make_delta(tx, state, (2, 1)) && make_delta(tx, state, (3, 2)));
        let of = Bytes::Of(state, 3);
        let way = [digest(3), digest(2), digest(1)];
        assert_eq!(tx.chain_digests(of)?, way);
        for (known, frames) in [(vec![], 3), (vec![digest(9)], 3), (vec![digest(1)], 2)] {
            let chain = tx.chain_onto(of, &known)?;
            assert_eq!(
                (chain.frames.len(), chain.is_onto_known),
                (frames, frames < 3),
                "{known:?}"
            );
        }
        let chain = tx.chain_onto(of, &[digest(1), digest(2)])?;
        assert!(chain.is_onto_known, "the nearest of them");
        assert_eq!(chain.frames.len(), 1);
        assert_eq!(chain.frames[0].frame, tx.chain(of)?[2].frame);
        Ok(())
    });
}
