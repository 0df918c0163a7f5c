//! What comes between reading a frame and putting it: no sealed frame takes the place of another
//! one than was read, and none of them is lost.

use tempfile::TempDir;

use crate::model::actor::Actor;
use crate::model::clock::Timestamp;
use crate::model::confirmed::Confirmed;
use crate::model::digest::Digest;
use crate::model::frame::{Bytes, StoredBlob};
use crate::model::name::StateName;
use crate::model::state::StateId;
use crate::model::terraform::tfstate::read_head;
use crate::model::version::{NewVersion, VersionKind};
use crate::seal::StorageKey;
use crate::store::tables::sealing::*;
use crate::store::{Store, Touches};

/// Long enough for all of a test.
const LONG: Duration = Duration::from_mins(1);
const MOST: u64 = 1024;

/// A sealed store, and one state.
struct Sealed {
    store: Store,
    key: StorageKey,
    state: StateId,
    runtime: tokio::runtime::Runtime,
    _dir: TempDir,
}

fn version(number: u64) -> NewVersion {
    NewVersion {
        sha256: Digest::of(&number.to_le_bytes()),
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

fn append(tx: &Tx<'_>, state: StateId, number: u64) -> Result<(), StoreError> {
    let blob = StoredBlob {
        format: 1,
        size: 8,
        frame: number.to_le_bytes().to_vec(),
    };
    tx.append(state, &version(number), &blob).map(drop)
}

impl Sealed {
    /// With so many versions, and a newer key than the one that has sealed them.
    fn with_versions(count: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = StorageKey::random().unwrap();
        let keys = (Confirmed::default(), &[key.clone()][..]);
        let store = Store::open_confirmed(dir.path(), 16, &Arc::default(), keys).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let make = move |tx: &Tx<'_>| {
            let name = StateName::parse("w", "b").unwrap();
            let state = tx.make_state(&name, Timestamp::from_millis(0))?;
            for number in 1..=count {
                append(tx, state, number)?;
            }
            Ok(state)
        };
        let state = runtime
            .block_on(store.write(Touches::Everything, 0, make))
            .unwrap();
        let sealed = Self {
            store,
            key,
            state,
            runtime,
            _dir: dir,
        };
        sealed.change_key();
        sealed
    }

    fn write<T: Send + 'static>(
        &self,
        job: impl FnMut(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> T {
        let written = self.store.write(Touches::Everything, 0, job);
        self.runtime.block_on(written).unwrap()
    }

    fn change_key(&self) {
        let (key, install) = (self.key.clone(), self.store.keyring_setter());
        let ring = self.write(move |tx| tx.change_storage_key(&key));
        install(&ring.unwrap());
    }

    /// What is to be sealed next, sealed.
    fn next(&self, most: u64) -> Option<SealedFrames> {
        let plan = self.store.read_at_start(|view| view.next_to_seal(most));
        let plan = plan.unwrap()?;
        let read = self.store.read_at_start(|view| view.frames_to_seal(plan));
        Some(read.unwrap().seal().unwrap())
    }

    /// Puts it; says whether that was the end.
    fn put(&self, batch: SealedFrames) -> bool {
        let put = self.write(move |tx| tx.put_sealed(&batch, LONG));
        put.is_none()
    }

    /// The first batch with frames.
    fn first_frames(&self) -> SealedFrames {
        loop {
            let batch = self.next(MOST).unwrap();
            if !batch.frames.is_empty() {
                return batch;
            }
            assert!(!self.put(batch));
        }
    }

    /// Seals all that is left; says how many steps that took.
    fn to_the_end(&self) -> usize {
        let mut steps = 0;
        while let Some(batch) = self.next(MOST) {
            self.put(batch);
            steps += 1;
            assert!(steps < 20, "it ends");
        }
        steps
    }

    /// The frames of a version, the full one first; none if they were removed.
    fn frames(&self, number: u64) -> Vec<Vec<u8>> {
        let bytes = Bytes::Of(self.state, number);
        let chain = self.store.read_at_start(|view| view.chain(bytes)).unwrap();
        chain.into_iter().map(|blob| blob.frame).collect()
    }

    /// Which keys have sealed the versions.
    fn seals(&self, versions: &[u64]) -> Vec<Option<u32>> {
        let seal = |number: &u64| {
            let kept = self
                .store
                .read_at_start(|view| view.kept(self.state, *number));
            kept.unwrap().unwrap().seal
        };
        versions.iter().map(seal).collect()
    }
}

fn full(number: u64) -> Vec<u8> {
    number.to_le_bytes().to_vec()
}

#[test]
fn what_has_changed_since_it_was_read_stays_as_it_is() {
    let sealed = Sealed::with_versions(4);
    let batch = sealed.first_frames();
    assert_eq!(batch.frames.len(), 4);
    let state = sealed.state;
    sealed.write(move |tx| {
        // One is compacted.
        let kept = |number| tx.kept(state, number).map(Option::unwrap);
        assert!(tx.replace_frame(&kept(1)?, Some(&kept(3)?), 2, b"difference")?);
        // The bytes of another one are gone, and its blob is another's.
        let sql = "UPDATE versions SET blob_id = NULL WHERE state_id = ?1 AND number = 2";
        tx.run(sql, [state])?;
        tx.drop_blob_unless_used(BlobId::new(2))
    });
    assert!(!sealed.put(batch));
    assert_eq!(sealed.frames(1), [full(3), b"difference".to_vec()]);
    assert_eq!(sealed.frames(3), [full(3)]);
    assert_eq!(sealed.frames(4), [full(4)]);
    sealed.to_the_end();
    assert_eq!(sealed.seals(&[1, 3, 4]), [Some(2); 3]);
    assert_eq!(sealed.frames(1), [full(3), b"difference".to_vec()]);
}

#[test]
fn what_has_changed_and_is_not_sealed_yet_is_not_passed_over() {
    let sealed = Sealed::with_versions(3);
    let batch = sealed.first_frames();
    // As no job leaves it: the row is another one, and still of the earlier key.
    sealed.write(|tx| tx.run("UPDATE blobs SET size = 9 WHERE id = 2", []));
    assert!(!sealed.put(batch));
    assert_eq!(sealed.seals(&[1, 2, 3]), [Some(2), Some(1), Some(1)]);
    sealed.write(|tx| tx.run("UPDATE blobs SET size = 8 WHERE id = 2", []));
    sealed.to_the_end();
    assert_eq!(sealed.seals(&[1, 2, 3]), [Some(2); 3]);
    assert_eq!(sealed.frames(2), [full(2)]);
}

#[test]
fn frames_that_were_sealed_before_the_key_was_changed_once_more_are_put_nowhere() {
    let sealed = Sealed::with_versions(3);
    let batch = sealed.first_frames();
    sealed.change_key();
    assert!(!sealed.put(batch));
    assert_eq!(sealed.seals(&[1, 2, 3]), [Some(1); 3]);
    sealed.to_the_end();
    assert_eq!(sealed.seals(&[1, 2, 3]), [Some(3); 3]);
    assert_eq!(sealed.frames(3), [full(3)]);
}

#[test]
fn a_batch_is_bounded_and_has_one_frame_at_least() {
    let sealed = Sealed::with_versions(3);
    let all = sealed.first_frames();
    let frame = all.plan.bytes() / 3;
    for (most, frames) in [(1, 1), (frame, 1), (2 * frame, 2), (2 * frame + 1, 2)] {
        assert_eq!(sealed.next(most).unwrap().frames.len(), frames, "{most}");
    }
    // Where there is no time, one is put all the same, and the others come later.
    let put = sealed.write(move |tx| tx.put_sealed(&all, Duration::ZERO));
    assert_eq!(put, Some(frame));
    assert_eq!(sealed.seals(&[1, 2, 3]), [Some(2), Some(1), Some(1)]);
    sealed.to_the_end();
    assert_eq!(sealed.seals(&[1, 2, 3]), [Some(2); 3]);
}

#[test]
fn the_end_comes_while_others_write() {
    let sealed = Sealed::with_versions(1);
    let batch = sealed.first_frames();
    assert!(!sealed.put(batch));
    let end = sealed.next(MOST).unwrap();
    let state = sealed.state;
    sealed.write(move |tx| append(tx, state, 2));
    assert!(sealed.put(end), "what was written since is sealed");
    assert!(sealed.next(MOST).is_none());
}
