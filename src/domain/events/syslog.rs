//! The receiver of syslog (`--syslog`): it gets the signed head of the event log each minute in
//! which there are new events, at each backup, and one when the server ends.
//!
//! No act waits for it, and nothing is queued. What is sent is the newest head, which proves all
//! events before it. So a receiver that was away knows with the next one all that it has missed.

use std::pin::Pin;
use std::sync::OnceLock;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::domain::engine::Engine;
use crate::model::clock::{self, Timestamp};
use crate::model::event_head::EventHead;
use crate::model::signed_head::SignedHead;
use crate::store::View;

/// How long after a head the next one is sent.
const SEND_EVERY: Duration = Duration::from_mins(1);
/// How long after a try that failed the next one is made.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(5);
/// How often it is looked whether there are new events.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How many tries have to fail, one after the other, until it is a problem.
const TRIES_UNTIL_A_PROBLEM: u32 = 2;
/// How long the end of the server waits for the receiver.
const LAST_TRY: Duration = Duration::from_secs(5);

/// Sends heads. The part of the program that knows the network gives it.
pub trait SendHead: Send + Sync {
    /// Sends one, within a few seconds.
    ///
    /// # Errors
    ///
    /// Why the receiver has not taken it, in words for people.
    fn send<'a>(&'a self, head: &'a SignedHead) -> Sending<'a>;
}

/// A head on its way.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;

/// What is remembered of the receiver.
#[derive(Default)]
pub(in crate::domain) struct SyslogState {
    sender: OnceLock<Box<dyn SendHead>>,
    /// The last head that the receiver has.
    taken: tokio::sync::Mutex<Option<EventHead>>,
    behind: Mutex<Option<Behind>>,
    /// A head is wanted now.
    now: Notify,
}

/// That the receiver has not the newest head.
struct Behind {
    since: Timestamp,
    tries: u32,
    why: String,
}

/// The receiver of syslog.
#[derive(Clone, Copy)]
pub struct Syslog<'a> {
    engine: &'a Engine,
    state: &'a SyslogState,
}

impl<'a> Syslog<'a> {
    pub(in crate::domain) const fn new(engine: &'a Engine, state: &'a SyslogState) -> Self {
        Self { engine, state }
    }

    /// Has heads sent by this from now on.
    pub fn send_with(&self, sender: Box<dyn SendHead>) {
        let _ = self.state.sender.set(sender);
    }

    /// Has the newest head sent without waiting for the next minute.
    pub(in crate::domain) fn send_now(&self) {
        self.state.now.notify_one();
    }

    /// Since when the receiver lacks heads, if that is a problem.
    pub(in crate::domain) fn behind_since(&self) -> Option<Timestamp> {
        let behind = self.state.behind.lock();
        let behind = behind.as_ref();
        behind
            .filter(|behind| behind.tries >= TRIES_UNTIL_A_PROBLEM)
            .map(|behind| behind.since)
    }

    /// For how many seconds the receiver has lacked heads; none without a receiver.
    pub(in crate::domain) fn seconds_behind(&self) -> Option<u64> {
        self.state.sender.get()?;
        let since = self.behind_since();
        Some(since.map_or(0, |since| clock::now().since(since).as_secs()))
    }

    /// Sends heads until it is dropped.
    pub(in crate::domain) async fn follow(&self) {
        let Some(sender) = self.state.sender.get() else {
            return;
        };
        loop {
            let done = self.send_newest(sender.as_ref()).await;
            let pause = match &done {
                Ok(true) => SEND_EVERY,
                Ok(false) => LOOK_EVERY,
                Err(_) => TRY_AGAIN_AFTER,
            };
            self.note(done.err());
            let _ = tokio::time::timeout(pause, self.state.now.notified()).await;
        }
    }

    /// Sends what is left, before the server ends.
    pub(in crate::domain) async fn catch_up(&self) {
        let Some(sender) = self.state.sender.get() else {
            return;
        };
        let sending = tokio::time::timeout(LAST_TRY, self.send_newest(sender.as_ref()));
        let why = match sending.await {
            Ok(Ok(_)) => return,
            Ok(Err(why)) => why,
            Err(_) => "it takes too long".to_owned(),
        };
        tracing::warn!(why, "the receiver of --syslog has not the last head");
    }

    /// Sends the newest head, if the receiver has not got it; says whether it was sent.
    async fn send_newest(&self, sender: &dyn SendHead) -> Result<bool, String> {
        let mut taken = self.state.taken.lock().await;
        let newest = |view: &View<'_>| view.event_head();
        let head = self.engine.store.read_inline(newest);
        let head = head.await.map_err(|error| error.to_string())?;
        if !head.is_begun() || *taken == Some(head) {
            return Ok(false);
        }
        let signed = self.engine.store.sign(head);
        let signed = signed.ok_or("the server has no key that signs heads")?;
        sender.send(&signed).await?;
        *taken = Some(head);
        Ok(true)
    }

    fn note(&self, failed: Option<String>) {
        let mut behind = self.state.behind.lock();
        let Some(why) = failed else {
            if behind.take().is_some() {
                tracing::info!("the receiver of --syslog has the newest head again");
            }
            return;
        };
        let (since, tries) = match behind.take() {
            Some(before) if before.why == why => (before.since, before.tries),
            before => {
                tracing::warn!(
                    why,
                    "the receiver of --syslog has no new head; trying again"
                );
                before.map_or_else(|| (clock::now(), 0), |before| (before.since, before.tries))
            }
        };
        let tries = tries.saturating_add(1);
        *behind = Some(Behind { since, tries, why });
    }
}
