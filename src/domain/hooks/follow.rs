//! Each hook follows the log of events by itself, so that a slow receiver delays no other. The log
//! is its queue: nothing is copied, and where a hook stands is one number.
//!
//! An event is sent after its commit, in the order of the log, until the receiver has it or it is
//! given up. What came of a try is written before the next one. So after a kill an event may come
//! twice, and none is left out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use uuid::Uuid;

use crate::domain::engine::Engine;
use crate::domain::hooks::plan::{
    NextEvent, after_try, is_to_be_told, next_of, pause_after, within_bound,
};
use crate::domain::hooks::sender::HookPost;
use crate::domain::hooks::signed::SignedDelivery;
use crate::domain::hooks::state::HookState;
use crate::model::clock::{self, Timestamp};
use crate::model::event::{Event, EventKind, NewEvent};
use crate::model::hook::{Delivery, DeliveryOutcome, Hook, HookId};
use crate::store::{StoreError, Touches, Tx, View};

/// How often it is looked whether there are new events.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How many events one look reads.
const AT_A_TIME: u32 = 200;
/// How far a hook moves over events that are not its own until that is written down.
const UNWRITTEN: u64 = 10_000;
/// How many deliveries of a hook are kept.
pub const KEPT_DELIVERIES: u32 = 100;
/// The pause after the database could not be read or written.
const AFTER_FAULT: Duration = Duration::from_secs(10);

/// Follows the log for all hooks until it is dropped.
pub(in crate::domain) async fn follow(engine: &Arc<Engine>, state: &Arc<HookState>) {
    if state.sender.get().is_none() {
        return;
    }
    let (new_events, last) = watch::channel(0);
    let mut courses = Courses::default();
    loop {
        let changed = state.changed.notified();
        let hooks = |view: &View<'_>| view.hooks();
        match engine.store.read_page(hooks).await {
            Ok(hooks) => courses.run_those_of(hooks.rows, engine, state, &last),
            Err(error) => {
                tracing::warn!(%error, "the webhooks cannot be read");
                tokio::time::sleep(AFTER_FAULT).await;
                continue;
            }
        }
        tokio::select! {
            () = changed => {}
            () = tell_of_new(engine, &new_events), if !courses.running.is_empty() => {}
        }
    }
}

/// The hooks that are on their way, each as a task that ends with this.
#[derive(Default)]
struct Courses {
    tasks: JoinSet<()>,
    running: BTreeMap<HookId, AbortHandle>,
}

impl Courses {
    /// Ends those of hooks that are gone or disabled, and begins those that are new.
    fn run_those_of(
        &mut self,
        hooks: Vec<Hook>,
        engine: &Arc<Engine>,
        state: &Arc<HookState>,
        last: &watch::Receiver<u64>,
    ) {
        let enabled = hooks.into_iter().filter(|hook| hook.enabled);
        let mut enabled: BTreeMap<HookId, Hook> = enabled.map(|hook| (hook.id, hook)).collect();
        self.running.retain(|id, task| {
            let stays = !task.is_finished() && enabled.remove(id).is_some();
            if !stays {
                task.abort();
                state.is_well(*id);
            }
            stays
        });
        for (id, hook) in enabled {
            let course = Course::new(engine, state, hook).run(last.clone());
            self.running.insert(id, self.tasks.spawn(course));
        }
        while self.tasks.try_join_next().is_some() {}
    }
}

/// Tells how far the log is, again and again.
async fn tell_of_new(engine: &Engine, new_events: &watch::Sender<u64>) {
    loop {
        let read = |view: &View<'_>| view.last_event();
        if let Ok(Some(last)) = engine.store.read_inline(read).await {
            new_events.send_if_modified(|known| std::mem::replace(known, last) != last);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// What comes after a step.
enum Then {
    /// The next one.
    GoOn,
    /// The next one, when there are new events.
    WaitForEvents,
    /// The next one, after a pause.
    Pause(Duration),
    /// Nothing: the hook is gone.
    End,
}

/// The way of one hook through the log.
struct Course {
    engine: Arc<Engine>,
    state: Arc<HookState>,
    hook: Hook,
    instance: Uuid,
    /// Up to where no event is the hook's, and how many were missed there: not written down yet.
    seen: u64,
    missed: u64,
    /// What a try has come to, as long as it cannot be written down.
    unwritten: Option<Delivery>,
}

impl Course {
    fn new(engine: &Arc<Engine>, state: &Arc<HookState>, hook: Hook) -> Self {
        Self {
            instance: engine.store.instance(),
            engine: Arc::clone(engine),
            state: Arc::clone(state),
            hook,
            seen: 0,
            missed: 0,
            unwritten: None,
        }
    }

    async fn run(mut self, mut last: watch::Receiver<u64>) {
        loop {
            last.borrow_and_update();
            match self.step().await {
                Ok(Then::WaitForEvents) if last.changed().await.is_err() => return,
                Ok(Then::GoOn | Then::WaitForEvents) => {}
                Ok(Then::Pause(pause)) => tokio::time::sleep(pause).await,
                Ok(Then::End) => {
                    self.state.is_well(self.hook.id);
                    return;
                }
                Err(error) => {
                    let hook = self.hook.id;
                    tracing::warn!(%hook, %error, "a webhook waits for the database");
                    tokio::time::sleep(AFTER_FAULT).await;
                }
            }
        }
    }

    async fn step(&mut self) -> Result<Then, StoreError> {
        if let Some(delivery) = self.unwritten.clone() {
            return self.write_down(delivery).await;
        }
        let (hook, seen) = (self.hook.clone(), self.seen);
        let read = move |view: &View<'_>| next_in(view, &hook, seen);
        let Some((next, before)) = self.engine.store.read(read).await? else {
            return Ok(Then::End);
        };
        let was = self.seen.max(1);
        (self.seen, self.missed) = (next.upto, self.missed + next.missed);
        match next.event {
            Some(event) => {
                let delivery = self.send(before, &event).await;
                self.unwritten = Some(delivery.clone());
                self.write_down(delivery).await
            }
            None if self.missed > 0 || self.seen / UNWRITTEN > was / UNWRITTEN => {
                self.move_on().await
            }
            None if self.seen > was => Ok(Then::GoOn),
            None => Ok(Then::WaitForEvents),
        }
    }

    /// Tries to deliver an event.
    async fn send(&self, before: Option<Delivery>, event: &Event) -> Delivery {
        let signed = SignedDelivery::of(&self.hook, self.instance, event);
        let headers = signed.headers(&self.hook.secret, clock::now());
        let post = HookPost {
            url: &self.hook.url,
            may_be_private: self.hook.may_be_private,
            headers: &headers,
            body: &signed.body,
        };
        let answer = match self.state.sender.get() {
            Some(sender) => sender.post(post).await,
            None => Err("this command sends nothing".to_owned()),
        };
        after_try(before, event, clock::now(), &answer)
    }

    /// Writes down what a try has come to, and with it how far the hook is.
    async fn write_down(&mut self, delivery: Delivery) -> Result<Then, StoreError> {
        let (id, missed) = (self.hook.id, self.missed);
        let is_done = delivery.outcome != DeliveryOutcome::Retrying;
        let place = if is_done { delivery.event } else { self.seen };
        let failing = (delivery.outcome != DeliveryOutcome::Delivered)
            .then(|| self.state.fails(id, delivery.first_at));
        let noted = delivery.clone();
        let job = move |tx: &Tx<'_>| {
            if !tx.move_hook(id, place, missed)? {
                return Ok(false);
            }
            tx.note_delivery(id, &noted, KEPT_DELIVERIES)?;
            if let Some(since) = failing {
                tell_of_failure(tx, id, since, &noted)?;
            }
            Ok(true)
        };
        let is_there = self.engine.store.write(Touches::NoState, 0, job).await?;
        (self.unwritten, self.missed, self.seen) = (None, 0, place);
        if !is_there {
            return Ok(Then::End);
        }
        self.tell(&delivery);
        Ok(match delivery.outcome {
            DeliveryOutcome::Delivered => {
                self.state.is_well(id);
                Then::GoOn
            }
            DeliveryOutcome::GivenUp => Then::GoOn,
            DeliveryOutcome::Retrying => {
                let (chance, ..) = Uuid::new_v4().as_fields();
                Then::Pause(pause_after(delivery.tries, chance))
            }
        })
    }

    /// Counts what a try has come to. A receiver that fails is told of once, and when it is given
    /// up.
    fn tell(&self, delivery: &Delivery) {
        let (hook, event) = (self.hook.id, delivery.event);
        let (status, error) = (delivery.status, delivery.error.as_deref());
        let outcome = match delivery.outcome {
            DeliveryOutcome::Delivered => "delivered",
            DeliveryOutcome::GivenUp => {
                tracing::warn!(%hook, event, status, error, "a delivery of a webhook was given up");
                "given_up"
            }
            DeliveryOutcome::Retrying => {
                if delivery.tries == 1 {
                    tracing::warn!(%hook, event, status, error, "a webhook fails; trying again");
                }
                "failed"
            }
        };
        let counter = &self.engine.metrics.hook_tries;
        counter.with_label_values(&[outcome]).inc();
    }

    /// Writes down how far the hook is.
    async fn move_on(&mut self) -> Result<Then, StoreError> {
        let (id, place, missed) = (self.hook.id, self.seen, self.missed);
        let job = move |tx: &Tx<'_>| tx.move_hook(id, place, missed);
        let is_there = self.engine.store.write(Touches::NoState, 0, job).await?;
        if missed > 0 {
            tracing::warn!(hook = %id, missed, "events were gone before a webhook was told");
        }
        self.missed = 0;
        Ok(if is_there { Then::GoOn } else { Then::End })
    }
}

/// Looks for the next event of a hook, and for what its delivery has come to; none if the hook is
/// gone.
fn next_in(
    view: &View<'_>,
    hook: &Hook,
    seen: u64,
) -> Result<Option<(NextEvent, Option<Delivery>)>, StoreError> {
    let Some(progress) = view.hook_progress(hook.id)? else {
        return Ok(None);
    };
    let last = view.last_event()?.unwrap_or(0);
    let (from, missed) = within_bound(progress.place.max(seen), last);
    let (page, read_to) = view.events_after(from, AT_A_TIME)?;
    let mut next = next_of(hook, from, page.rows, read_to);
    next.missed += missed;
    let before = match &next.event {
        Some(event) => view.hook_delivery(hook.id, event.seq)?,
        None => None,
    };
    Ok(Some((next, before)))
}

/// Tells a person of a hook that fails for long, at most once a day.
fn tell_of_failure(
    tx: &Tx<'_>,
    id: HookId,
    since: Timestamp,
    delivery: &Delivery,
) -> Result<(), StoreError> {
    let told_at = tx.hook_progress(id)?.and_then(|progress| progress.told_at);
    if !is_to_be_told(since, told_at, tx.now()) {
        return Ok(());
    }
    let detail = serde_json::json!({
        "hook": id,
        "since": since,
        "event": delivery.event,
        "status": delivery.status,
        "error": delivery.error,
    });
    let event = NewEvent::by_the_server(EventKind::HookFail, tx.now());
    tx.record(&event.attention(true).detail(detail))?;
    tx.note_hook_told(id, tx.now())
}
