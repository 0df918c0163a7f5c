//! Batches: what becomes of jobs that fail, panic, are abandoned or come too late, and of their
//! neighbours.

use super::*;
use crate::model::clock::{self, Timestamp};
use crate::model::digest::Digest;
use crate::model::frame::StoredBlob;
use crate::model::key::KeyId;
use crate::model::name::StateName;
use crate::model::state::{Lookup, StateId};
use crate::store::Store;
use crate::store::touches::Touches;
use crate::store::tx::{Tx, View};

const MAX_QUEUED: usize = 4_096;

fn name(block: &str) -> StateName {
    StateName::parse("w", block).unwrap()
}

fn make(tx: &Tx<'_>, block: &str) -> Result<(), StoreError> {
    tx.make_state(&name(block), Timestamp::from_millis(0))
        .map(|_| ())
}

async fn is_there(store: &Store, block: &str) -> bool {
    let wanted = name(block);
    matches!(
        store.read(move |view| view.lookup(&wanted)).await.unwrap(),
        Lookup::State { .. }
    )
}

fn on_a_store<F: Future<Output = ()>>(test: impl FnOnce(Arc<Store>) -> F) {
    on_a_measured_store(|store, _| test(store));
}

fn on_a_measured_store<F: Future<Output = ()>>(test: impl FnOnce(Arc<Store>, Arc<Metrics>) -> F) {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let metrics = Arc::default();
    let store = Arc::new(Store::open(dir.path(), MAX_QUEUED, &metrics).unwrap());
    runtime.block_on(test(store, metrics));
}

/// Keeps the writer busy until the answer is dropped, so that what is queued meanwhile is in one
/// batch.
fn occupy(store: &Store) -> std::sync::mpsc::Sender<()> {
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let (begun, has_begun) = std::sync::mpsc::channel::<()>();
    let occupied = move |_: &Tx<'_>| {
        let _ = begun.send(());
        let _ = wait.recv();
        Ok(())
    };
    store.queue().write(Touches::NoState, 0, occupied, drop);
    has_begun.recv().unwrap();
    release
}

#[test]
fn damage_is_the_failure_of_the_jobs_that_meet_it_and_writing_goes_on() {
    on_a_store(async |store| {
        let release = occupy(&store);
        let before = store.write(Touches::Everything, 0, |tx| make(tx, "before"));
        let met = |block: &'static str| {
            store.write(Touches::Everything, 0, move |tx| {
                make(tx, block)?;
                Err::<(), _>(StoreError::Damaged("on purpose".to_owned()))
            })
        };
        let (one, two) = (met("one"), met("two"));
        let after = store.write(Touches::Everything, 0, |tx| make(tx, "after"));
        let release = async move { drop(release) };
        let (before, one, two, after, ()) = tokio::join!(before, one, two, after, release);
        assert!(before.is_ok() && after.is_ok());
        assert!(matches!(
            (one, two),
            (Err(StoreError::Damaged(_)), Err(StoreError::Damaged(_)))
        ));
        for (block, there) in [
            ("before", true),
            ("one", false),
            ("two", false),
            ("after", true),
        ] {
            assert_eq!(is_there(&store, block).await, there, "{block}");
        }
        assert!(store.fault().is_none());
        store
            .write(Touches::Everything, 0, |tx| make(tx, "later"))
            .await
            .unwrap();
    });
}

#[test]
fn what_is_queued_while_a_job_runs_shares_its_commit_and_has_a_later_time() {
    on_a_measured_store(async |store, metrics| {
        let commits = &metrics.commit_jobs;
        let (count, jobs) = (commits.get_sample_count(), commits.get_sample_sum());
        let release = occupy(&store);
        let (asked, at) = (clock::now(), Arc::new(Mutex::new(None)));
        let noted = Arc::clone(&at);
        let write = store.write(Touches::NoState, 0, move |tx| {
            *noted.lock() = Some(tx.now());
            Ok(())
        });
        let free = async {
            // The clock has to go on, or there is no later time.
            while clock::now() <= asked {
                tokio::task::yield_now().await;
            }
            drop(release);
        };
        let (written, ()) = tokio::join!(write, free);
        assert!(written.is_ok());
        assert_eq!(commits.get_sample_count() - count, 1);
        assert!((commits.get_sample_sum() - jobs - 2.0).abs() < f64::EPSILON);
        assert!(at.lock().is_some_and(|at| at > asked), "{:?}", at.lock());
    });
}

#[test]
fn a_job_that_fails_or_panics_leaves_nothing_and_its_neighbours_commit() {
    on_a_store(async |store| {
        let release = occupy(&store);
        let before = store.write(Touches::Everything, 0, |tx| make(tx, "before"));
        let failing = store.write(Touches::Everything, 0, |tx| {
            make(tx, "failing")?;
            Err::<(), _>(StoreError::Statement("on purpose".to_owned()))
        });
        let panicking = store.write(Touches::Everything, 0, |tx| {
            make(tx, "panicking")?;
            if name("x").block.as_str() == "x" {
                std::panic::resume_unwind(Box::new("on purpose"));
            }
            Ok(())
        });
        let after = store.write(Touches::Everything, 0, |tx| make(tx, "after"));
        let all = async { tokio::join!(before, failing, panicking, after) };
        let (results, ()) = tokio::join!(all, async { drop(release) });
        assert!(results.0.is_ok() && results.3.is_ok());
        assert!(matches!(results.1, Err(StoreError::Statement(_))));
        assert!(matches!(results.2, Err(StoreError::Panicked)));
        assert!(is_there(&store, "before").await && is_there(&store, "after").await);
        assert!(!is_there(&store, "failing").await && !is_there(&store, "panicking").await);
    });
}

#[test]
fn a_caller_that_goes_away_does_not_cancel_its_write() {
    on_a_store(async |store| {
        let release = occupy(&store);
        {
            let mut write =
                std::pin::pin!(store.write(Touches::Everything, 0, |tx| make(tx, "abandoned")));
            let queued = std::future::poll_fn(|context| {
                std::task::Poll::Ready(write.as_mut().poll(context).is_pending())
            });
            assert!(queued.await);
        }
        drop(release);
        store
            .write(Touches::Everything, 0, |_| Ok(()))
            .await
            .unwrap();
        assert!(is_there(&store, "abandoned").await);
    });
}

#[test]
fn a_full_queue_answers_at_once_and_loses_nothing_that_it_took() {
    on_a_store(async |store| {
        let release = occupy(&store);
        let taken = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        for _ in 0..MAX_QUEUED + 10 {
            let taken = std::sync::Arc::clone(&taken);
            let take = move |_: &Tx<'_>| {
                taken.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                Ok(())
            };
            store.queue().write(Touches::NoState, 0, take, drop);
        }
        assert!(matches!(
            store.write(Touches::Everything, 0, |_| Ok(())).await,
            Err(StoreError::Busy)
        ));
        drop(release);
        store.close().await;
        let taken = taken.load(std::sync::atomic::Ordering::Relaxed);
        assert_eq!(taken, MAX_QUEUED);
    });
}

#[test]
fn closing_finishes_what_is_queued_and_refuses_what_comes_after() {
    on_a_store(async |store| {
        let release = occupy(&store);
        let last = store.write(Touches::Everything, 0, |tx| make(tx, "last"));
        let closing = async {
            drop(release);
            store.close().await;
        };
        let (written, ()) = tokio::join!(last, closing);
        assert!(written.is_ok());
        assert!(matches!(
            store.write(Touches::Everything, 0, |_| Ok(())).await,
            Err(StoreError::Closed)
        ));
    });
}

#[test]
fn a_lasting_fault_ends_all_writing_and_is_announced() {
    on_a_store(async |store| {
        let failed = store.write(Touches::Everything, 0, |tx| {
            make(tx, "lost")?;
            Err::<(), _>(StoreError::Disk("on purpose".to_owned()))
        });
        assert!(matches!(failed.await, Err(StoreError::Disk(_))));
        assert!(matches!(
            store
                .write(Touches::Everything, 0, |tx| make(tx, "later"))
                .await,
            Err(StoreError::Disk(_))
        ));
        assert!(matches!(store.faulted().await, StoreError::Disk(_)));
        assert!(!is_there(&store, "lost").await && !is_there(&store, "later").await);
    });
}

#[test]
fn the_log_begins_anew_under_load_and_all_of_it_is_in_the_file_after_a_pause() {
    // Far more than it takes, 64 MiB: the thread that moves the log may be kept from its core,
    // while the writer is not.
    const MOST_WRITES: u64 = 4_000;
    const SIZE: usize = 256 * 1024;
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let store = Store::open(dir.path(), MAX_QUEUED, &std::sync::Arc::default()).unwrap();
    runtime.block_on(async {
        let (mut writes, mut longest) = (0_u64, 0_u64);
        loop {
            let (digest, blob) = (
                Digest::of(&writes.to_le_bytes()),
                StoredBlob {
                    format: 1,
                    size: 7,
                    frame: vec![7; SIZE],
                },
            );
            store
                .write(Touches::NoState, SIZE, move |tx| {
                    tx.put_blob(StateId::FIRST, digest, &blob).map(drop)
                })
                .await
                .unwrap();
            writes += 1;
            let log = store.file_sizes().1.unwrap_or(0);
            // One that goes on has each write in it as well.
            if log <= longest {
                break;
            }
            longest = log;
            assert!(
                writes < MOST_WRITES,
                "the log has {log} bytes and never begins anew"
            );
        }
        tokio::time::sleep(2 * PAUSE).await;
        let (all, end) = (
            writes * SIZE as u64,
            clock::monotonic() + Duration::from_mins(5),
        );
        while store.file_sizes().0.unwrap_or(0) < all {
            assert!(clock::monotonic() < end, "{:?}", store.file_sizes());
            tokio::time::sleep(PAUSE).await;
        }
        store.close().await;
    });
}

#[test]
fn a_key_with_many_jobs_holds_up_nobody_elses_and_keeps_its_own_order() {
    on_a_store(async |store| {
        let release = occupy(&store);
        let done = Arc::new(Mutex::new(Vec::new()));
        let write = |key: Option<u128>, number: usize| {
            let done = Arc::clone(&done);
            let job = move |_: &Tx<'_>| {
                done.lock().push((key, number));
                Ok(())
            };
            let key = key.map(|key| KeyId(uuid::Uuid::from_u128(key)));
            store.write_of(key, (Touches::NoState, 0), job)
        };
        // Each is queued when it is polled for the first time.
        let jobs = (0..600).map(|number| (Some(1), number));
        let jobs = jobs.chain((0..3).flat_map(|number| [(Some(2), number), (None, number)]));
        let mut waiting: Vec<_> = jobs
            .map(|(key, number)| Box::pin(write(key, number)))
            .collect();
        std::future::poll_fn(|context| {
            let mut polled = waiting.iter_mut().map(|job| job.as_mut().poll(context));
            assert!(polled.all(|poll| poll.is_pending()));
            std::task::Poll::Ready(())
        })
        .await;
        drop(release);
        for job in waiting {
            job.await.unwrap();
        }
        let order = done.lock().clone();
        let first: Vec<_> = order.iter().take(9).copied().collect();
        let turns = (0..3).flat_map(|at| [(Some(1), at), (Some(2), at), (None, at)]);
        assert_eq!(first, turns.collect::<Vec<_>>());
        let of_the_many = order.iter().filter(|(key, _)| *key == Some(1));
        assert!(of_the_many.map(|(_, number)| *number).eq(0..600));
    });
}

#[test]
fn what_is_queued_behind_the_end_of_the_writer_is_told_that_it_leaves() {
    on_a_store(async |store| {
        let release = occupy(&store);
        let (done, _) = oneshot::channel();
        assert!(store.queue().entrance.send(Message::Close(done)));
        let (reply, answer) = oneshot::channel();
        store.queue().write(
            Touches::Everything,
            0,
            |tx| make(tx, "late"),
            move |outcome| drop(reply.send(outcome)),
        );
        drop(release);
        assert!(
            matches!(answer.await, Ok(Err(StoreError::Closed))),
            "not dropped without a word, which is taken for a panic"
        );
    });
}

#[test]
fn a_job_that_touches_an_address_that_it_did_not_declare_fails_where_that_is_checked() {
    on_a_store(async |store| {
        let declared = Touches::Address(name("declared"));
        let right = store.write(declared.clone(), 0, |tx| make(tx, "declared"));
        assert!(right.await.is_ok());
        let wrong = store.write(declared.clone(), 0, |tx| make(tx, "other"));
        assert!(matches!(wrong.await, Err(StoreError::Panicked)));
        let wrong = store.write(declared, 0, |tx| tx.lookup(&name("other")).map(drop));
        assert!(matches!(wrong.await, Err(StoreError::Panicked)));
        assert!(!is_there(&store, "other").await);
    });
}

#[test]
fn jobs_that_run_one_after_the_other_see_the_same_time() {
    on_a_store(async |store| {
        let release = occupy(&store);
        let slow = store.write(Touches::NoState, 0, |tx| {
            std::thread::sleep(Duration::from_millis(3));
            Ok(tx.now())
        });
        let next = store.write(Touches::NoState, 0, |tx| Ok(tx.now()));
        let release = async move { drop(release) };
        let (slow, next, ()) = tokio::join!(slow, next, release);
        assert_eq!(slow.unwrap(), next.unwrap());
    });
}

#[test]
fn what_a_failed_job_recorded_is_no_part_of_the_chain_of_events() {
    use crate::model::event::{EventKind, NewEvent};
    use crate::store::ChainPlace;

    on_a_store(async |store| {
        let record = |fails: bool| {
            store.write(Touches::NoState, 0, move |tx| {
                let event = NewEvent::by_the_server(EventKind::ClockTrust, tx.now());
                tx.record(&event)?;
                tx.record(&event)?;
                let failure = || StoreError::Statement("on purpose".to_owned());
                (!fails).then_some(()).ok_or_else(failure)
            })
        };
        let release = occupy(&store);
        let (first, failed, last) = (record(false), record(true), record(false));
        let release = async move { drop(release) };
        let (first, failed, last, ()) = tokio::join!(first, failed, last, release);
        assert!(first.is_ok() && failed.is_err() && last.is_ok());
        let follow = |view: &View<'_>| view.follow_events(ChainPlace::START, &[], 100);
        let step = store.read(follow).await.unwrap();
        assert_eq!(step.faults, [""; 0]);
        assert_eq!((step.events, step.next.is_some()), (4, false));
        let head = |view: &View<'_>| view.event_head();
        let head = store.read(head).await.unwrap();
        assert_eq!(head.number, 4, "no place is left out");
    });
}

#[test]
fn the_wal_starts_over_amid_long_work_that_waits_for_it() {
    const STEPS: u32 = 100;
    /// As much as a step of a sweep changes.
    const STEP: &str = "INSERT INTO filler VALUES (randomblob(2000000))";
    const TABLE: &str = "CREATE TABLE IF NOT EXISTS filler (bytes)";
    on_a_store(async |store| {
        let mut longest = 0;
        for _ in 0..STEPS {
            store.wal_is_moved().await;
            let step = |tx: &Tx<'_>| {
                tx.execute(TABLE, [])?;
                tx.execute(STEP, []).map(drop)
            };
            store.write(Touches::NoState, 0, step).await.unwrap();
            longest = longest.max(store.file_sizes().1.unwrap());
        }
        assert!(longest < 100 * 1024 * 1024, "{longest} bytes");
    });
}
