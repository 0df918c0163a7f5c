//! Callers that go away while what they asked for is on its way to the disk, and acts that come in
//! between a look and its act: what is remembered is what the database says.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::mpsc::{Sender, channel};
use std::task::Poll;
use std::time::Duration;

use crate::domain::access::act;
use crate::domain::auth::keys::WantedKey;
use crate::domain::engine::shares::Holder;
use crate::domain::error::Error;
use crate::domain::history::purge::Which;
use crate::domain::history::restore::Restore;
use crate::domain::retention::asked::PruneRequest;
use crate::domain::states::job::WriteRequest;
use crate::domain::*;
use crate::model::actor::Origin;
use crate::model::caller::{Caller, LiveCaller};
use crate::model::clock::Timestamp;
use crate::model::event::{Event, EventFilter};
use crate::model::lock::Lock;
use crate::model::name::StateName;
use crate::model::retention::Moment;
use crate::model::state::StateId;
use crate::store::{Touches, Tx, View};

fn name() -> StateName {
    StateName::parse("w", "b").unwrap()
}

fn caller() -> Caller {
    Caller::operator(Origin::within("socket"))
}

fn on_a_domain<F: Future<Output = ()>>(test: impl FnOnce(Arc<Domain>) -> F) {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let domain = Domain::open(DirLock::take(dir.path()).unwrap(), Limits::default()).unwrap();
    runtime.block_on(test(domain));
}

/// Keeps the writer busy until the answer is dropped.
fn occupy(domain: &Domain) -> Sender<()> {
    let (release, wait) = channel::<()>();
    let (begun, has_begun) = channel::<()>();
    let occupied = move |_: &Tx<'_>| {
        let _ = begun.send(());
        let _ = wait.recv();
        Ok(())
    };
    let queue = domain.engine.store.queue();
    queue.write(Touches::NoState, 0, occupied, drop);
    has_begun.recv().unwrap();
    release
}

/// Asks for something and goes away before the writer has come to it; then lets the writer go on.
async fn abandoned(domain: &Domain, act: impl Future) {
    let release = occupy(domain);
    {
        let mut act = pin!(act);
        assert!(
            poll_fn(|context| Poll::Ready(act.as_mut().poll(context).is_pending())).await,
            "it waits"
        );
    }
    drop(release);
    domain
        .engine
        .store
        .write(Touches::NoState, 0, |_| Ok(()))
        .await
        .unwrap();
}

/// Writes a version.
async fn write(domain: &Domain, serial: u64) {
    let bytes =
        format!(r#"{{"version":4,"serial":{serial},"lineage":"l","outputs":{{}},"resources":[]}}"#);
    let size = bytes.len() as u64;
    let nobody = Holder::default();
    let reserved = domain.engine.reserve_for_body(&nobody, size).await;
    let states = domain.states();
    let request = WriteRequest {
        permit: states.may_write(&caller(), &name()).unwrap(),
        reservation: reserved.unwrap(),
        content_md5: None,
        lock_id: None,
        force: false,
    };
    states.write(request, bytes.into_bytes()).await.unwrap();
}

/// The events of a kind.
async fn events_of(domain: &Domain, kind: &str) -> Vec<Event> {
    let filter = EventFilter {
        kind: Some(kind.to_owned()),
        limit: 10,
        ..EventFilter::default()
    };
    let events = move |view: &View<'_>| view.events(&filter);
    let page = domain.engine.store.read(events).await.unwrap();
    page.events.rows
}

#[test]
fn a_run_of_pruning_whose_caller_goes_away_is_told_with_what_it_had_removed() {
    on_a_domain(async |domain| {
        for serial in 1..=3 {
            write(&domain, serial).await;
        }
        let asked = PruneRequest {
            policy: serde_json::from_str(r#"{"keep_last":1}"#).unwrap(),
            ..PruneRequest::default()
        };
        {
            let (retention, by) = (domain.retention(), caller());
            let mut pruning = pin!(retention.prune(&by, &asked));
            while events_of(&domain, "state.prune").await.is_empty() {
                let is_pending =
                    poll_fn(|context| Poll::Ready(pruning.as_mut().poll(context).is_pending()));
                assert!(is_pending.await, "it goes away before its end");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        let done = domain.engine.store.write(Touches::NoState, 0, |_| Ok(()));
        done.await.unwrap();
        let runs = events_of(&domain, "retention.run").await;
        assert_eq!(runs.len(), 1);
        let detail = &runs[0].detail;
        assert_eq!(
            (&detail["removed"], &detail["cut_off"]),
            (&2.into(), &true.into())
        );

        write(&domain, 4).await;
        domain.retention().prune(&caller(), &asked).await.unwrap();
        let runs = events_of(&domain, "retention.run").await;
        assert_eq!(runs.len(), 2, "one that comes to its end is told once");
        assert!(runs.iter().any(|run| run.detail["cut_off"].is_null()));
    });
}

#[test]
fn a_clock_that_a_person_trusts_is_trusted_though_that_person_is_gone() {
    on_a_domain(async |domain| {
        domain
            .keeping
            .pruning
            .trust
            .believe(Timestamp::from_millis(0));
        assert!(domain.keeping.pruning.trust.doubt().is_some());
        abandoned(&domain, domain.retention().trust_clock(&caller())).await;
        assert!(
            domain
                .engine
                .store
                .read_inline(|view| view.moment(Moment::Trusted))
                .await
                .unwrap()
                .is_some(),
            "the database says so"
        );
        assert!(domain.keeping.pruning.trust.doubt().is_none());
    });
}

#[test]
fn an_act_that_queues_behind_the_revocation_of_its_key_does_nothing() {
    on_a_domain(async |domain| {
        let wanted = WantedKey {
            name: "k".to_owned(),
            roles: vec!["admin".to_owned()],
            ..WantedKey::default()
        };
        let made = domain.keys().create(&caller(), wanted).await.unwrap();
        let origin = caller().origin;
        let logins = domain.logins();
        let key = logins.authenticate(Some(&made.secret), origin).await;
        let key = key.unwrap();
        let release = occupy(&domain);
        let (keys, locks) = (domain.keys(), domain.locks());
        let operator = caller();
        let mut revoking = pin!(keys.revoke(&operator, made.key.id, false));
        let lock = Lock::parse(br#"{"ID":"a"}"#).unwrap();
        let state = name();
        let mut locking = pin!(locks.lock(&key, &state, lock));
        // Both queue, the revocation first. The caller was good when both began.
        poll_fn(|context| {
            assert!(revoking.as_mut().poll(context).is_pending());
            assert!(locking.as_mut().poll(context).is_pending());
            Poll::Ready(())
        })
        .await;
        drop(release);
        revoking.await.unwrap();
        assert!(matches!(locking.await, Err(Error::Unauthorized(_))));
        let held = domain.engine.store.read_inline(|view| view.lock(&state));
        assert!(held.await.unwrap().is_none());
        assert!(logins.look_again(&key).await.is_err());
    });
}

#[test]
fn damage_that_could_not_be_written_down_is_found_again_though_its_reader_is_gone() {
    on_a_domain(async |domain| {
        let state = StateId::for_tests();
        abandoned(
            &domain,
            domain.content.damaged.note_damaged(&name(), state, 1),
        )
        .await;
        assert_eq!(domain.content.damaged.count(), 1);
        let lose = |tx: &Tx<'_>| tx.lose_damaged_versions();
        domain
            .engine
            .store
            .write(Touches::NoState, 0, lose)
            .await
            .unwrap();
        abandoned(
            &domain,
            domain.content.damaged.note_damaged(&name(), state, 2),
        )
        .await;
        assert_eq!(domain.content.damaged.count(), 1, "the next read tells it");
    });
}

#[test]
fn what_was_purged_between_the_look_of_a_restore_and_its_act_is_told_as_purged() {
    on_a_domain(async |domain| {
        write(&domain, 1).await;
        let states = domain.states();
        let permit = states.may_delete(&caller(), &name()).unwrap();
        states.delete(permit, None).await.unwrap();
        domain
            .history()
            .purge(&caller(), &name(), Which::All)
            .await
            .unwrap();
        let restore = Restore {
            name: name(),
            away: None,
            lock_id: None,
            min_free_space: 0,
        };
        let touches = Touches::Address(name());
        let run = move |tx: &Tx<'_>, by: LiveCaller<'_>| restore.run(tx, by);
        let outcome = act(&domain.engine, &caller(), (touches, 0), run).await;
        assert!(matches!(outcome, Err(Error::Purged(_, 1))));
    });
}

#[test]
fn what_is_gathered_is_written_once_though_whoever_flushes_it_is_gone() {
    on_a_domain(async |domain| {
        let events = domain.events();
        for _ in 0..4 {
            domain.events().count_read(&caller(), &name(), Some(1));
        }
        {
            let release = occupy(&domain);
            let mut first = pin!(events.flush());
            assert!(
                poll_fn(|context| Poll::Ready(first.as_mut().poll(context).is_pending())).await
            );
            let mut second = pin!(events.flush());
            assert!(
                poll_fn(|context| Poll::Ready(second.as_mut().poll(context).is_ready())).await,
                "nothing is left to it"
            );
            drop(release);
        }
        domain
            .engine
            .store
            .write(Touches::NoState, 0, |_| Ok(()))
            .await
            .unwrap();
        let filter = crate::model::event::EventFilter {
            limit: 10,
            ..Default::default()
        };
        let events = domain
            .engine
            .store
            .read(move |view| view.events(&filter))
            .await
            .unwrap();
        let rows = events.events.rows;
        assert_eq!(rows.iter().map(|event| event.count).sum::<u64>(), 4);
    });
}
