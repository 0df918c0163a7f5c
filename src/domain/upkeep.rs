//! What the server does by itself: writes down buffered events, removes what has ended, prunes if
//! it was told to, gives memory back, compacts versions, erases what was purged, verifies what it
//! holds, makes backups, and tells webhooks.

pub mod start;

use std::time::Duration;

use crate::domain::backups::Backups;
use crate::domain::content::Content;
use crate::domain::engine::Engine;
use crate::domain::events::Events;
use crate::domain::events::bounds::EventBounds;
use crate::domain::events::file::EventFile;
use crate::domain::events::syslog::Syslog;
use crate::domain::hooks::Hooks;
use crate::domain::integrity::Integrity;
use crate::domain::mirror::Mirror;
use crate::domain::retention::Retention;
use crate::domain::status::Status;
use crate::model::clock;
use crate::model::consumer::UtcDay;
use crate::sabotage::{self, Fault};
use crate::store::{StoreError, Touches, Tx};

/// How long events are buffered before they are written; a second after its read at the latest, an
/// event is on disk.
const GATHER_FOR: Duration = Duration::from_millis(500);
/// How often ended tokens and old events are removed.
const SWEEP_EVERY: Duration = Duration::from_mins(1);
/// How soon it goes on when there was more than one sweep removes.
const SWEEP_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How long decoded versions are kept that nobody uses.
const KEPT_FOR: Duration = Duration::from_secs(30);
/// How long connections that read are. The server's own looks come twice a minute, and are no use.
const READERS_KEPT_FOR: Duration = Duration::from_secs(15);
/// How often it is looked for such.
const COOL_EVERY: Duration = Duration::from_secs(10);
/// How many ended tokens one transaction removes, so that it never holds writes up for long.
const ROWS_PER_STEP: u32 = 200;
/// How long it is kept who read a state, unless the events of the reads go before.
const READS_KEPT_FOR: Duration = Duration::from_hours(400 * 24);
/// How many such transactions a sweep has at most.
const STEPS_PER_SWEEP: u32 = 500;
/// How often it is remembered that the clock can be trusted.
const NOTE_TIME_EVERY: Duration = Duration::from_hours(1);
/// How often it is looked whether it is time to prune, unless that is to be done more often.
const LOOK_WHETHER_TO_PRUNE_EVERY: Duration = Duration::from_mins(1);

/// What the server does by itself.
pub struct Upkeep<'a> {
    engine: &'a Engine,
    content: &'a Content,
    events: Events<'a>,
    status: Status<'a>,
    retention: Retention<'a>,
    integrity: Integrity<'a>,
    backups: Backups<'a>,
    mirror: Mirror<'a>,
    event_file: EventFile<'a>,
    syslog: Syslog<'a>,
    hooks: Hooks<'a>,
}

impl<'a> Upkeep<'a> {
    pub(in crate::domain) fn new(
        events: Events<'a>,
        status: Status<'a>,
        retention: Retention<'a>,
        integrity: Integrity<'a>,
        backups: Backups<'a>,
    ) -> Self {
        Self {
            engine: status.engine,
            content: status.content,
            mirror: status.mirror(),
            event_file: status.event_file(),
            syslog: status.syslog(),
            hooks: status.hooks(),
            events,
            status,
            retention,
            integrity,
            backups,
        }
    }

    /// Runs until it is dropped.
    pub async fn run(&self) {
        tokio::join!(
            self.write_events(),
            self.tell_damage(),
            self.sweep_often(),
            self.give_memory_back(),
            self.note_time(),
            self.prune(),
            self.content.compact(),
            self.content.follow_words(),
            self.look_at_outputs(),
            self.content.go_on_erasing(),
            self.content.go_on_sealing(),
            self.integrity.scrub(),
            self.backups.make_by_themselves(),
            self.mirror.follow(),
            self.event_file.follow(),
            self.syslog.follow(),
            self.tell_backups(),
            self.hooks.follow()
        );
    }

    /// Brings the break-glass folder, the file of events and the receiver of syslog up to date, and
    /// notes the time when the server leaves, so that the next start knows it whatever its clock
    /// says.
    pub async fn end(&self) {
        self.mirror.catch_up().await;
        self.events.flush().await;
        self.event_file.catch_up().await;
        self.syslog.catch_up().await;
        if let Err(error) = self.retention.note_time().await {
            tracing::warn!(%error, "could not note the time");
        }
    }

    async fn write_events(&self) {
        loop {
            self.events.buffer.buffered().await;
            tokio::time::sleep(GATHER_FOR).await;
            self.events.flush().await;
        }
    }

    /// A head of the event log goes out with each backup, so that what came after it can be told
    /// from what came before.
    async fn tell_backups(&self) {
        loop {
            self.backups.one_made().await;
            self.syslog.send_now();
        }
    }

    async fn look_at_outputs(&self) {
        loop {
            if let Err(error) = self.content.look_at_read_outputs().await {
                tracing::debug!(%error, "outputs that were read are looked at later");
                tokio::time::sleep(SWEEP_AGAIN_AFTER).await;
                continue;
            }
            self.events.buffer.reads.written().await;
        }
    }

    async fn tell_damage(&self) {
        self.events.write_down_new_row_key().await;
        loop {
            self.engine.store.met_damage().await;
            self.events.write_down_damage().await;
        }
    }

    async fn sweep_often(&self) {
        let mut bounds = EventBounds::default();
        loop {
            let has_more = self.sweep(&mut bounds).await;
            let pause = if has_more || sabotage::is(Fault::EventShares) {
                SWEEP_AGAIN_AFTER
            } else {
                SWEEP_EVERY
            };
            tokio::time::sleep(pause).await;
        }
    }

    async fn give_memory_back(&self) {
        loop {
            tokio::time::sleep(COOL_EVERY).await;
            self.content.cache.forget_unread(KEPT_FOR);
            self.engine.store.give_back_unused(READERS_KEPT_FOR);
            self.events.buffer.forget_written();
        }
    }

    async fn note_time(&self) {
        loop {
            if let Err(error) = self.retention.note_time().await {
                tracing::warn!(%error, "could not note the time; trying again in an hour");
            }
            tokio::time::sleep(NOTE_TIME_EVERY).await;
        }
    }

    async fn prune(&self) {
        loop {
            self.retention.prune_when_due().await;
            let pause = LOOK_WHETHER_TO_PRUNE_EVERY.min(self.engine.limits.prune_every);
            // A run that waited for the clock to be trusted waits no longer.
            let _ = tokio::time::timeout(pause, self.retention.trusted_again()).await;
        }
    }

    /// Says whether there is more to remove than one sweep does.
    async fn sweep(&self, bounds: &mut EventBounds) -> bool {
        if self.engine.store.is_without_room() {
            // A small write finds out whether there is room again.
            let _ = self.retention.note_time().await;
        }
        let health = self.status.health().await;
        for problem in health.problems {
            tracing::warn!(
                code = problem.code,
                detail = problem.detail,
                "the server has a problem"
            );
        }
        let swept = async {
            self.remove_ended_tokens().await?;
            self.remove_old_reads().await?;
            bounds.sweep(self.engine).await
        };
        match swept.await {
            Ok(swept) => {
                if swept.events > 0 {
                    tracing::info!(
                        events = swept.events,
                        "removed events that were too old, or more than the log may have"
                    );
                }
                swept.has_more
            }
            Err(error) => {
                tracing::warn!(%error, "could not remove what has ended; trying again in a minute");
                false
            }
        }
    }

    /// Removes what is known of readers of old days, in steps.
    async fn remove_old_reads(&self) -> Result<(), StoreError> {
        if self.engine.trust.doubt().is_some() {
            return Ok(());
        }
        let kept = self.engine.limits.event_retention.min(READS_KEPT_FOR);
        let before = UtcDay::of(clock::now() - kept);
        for _ in 0..STEPS_PER_SWEEP {
            self.engine.store.wal_is_moved().await;
            let step = move |tx: &Tx<'_>| tx.remove_old_reads(before, ROWS_PER_STEP);
            let removed = self.engine.store.write(Touches::NoState, 0, step).await?;
            if removed < ROWS_PER_STEP as usize {
                break;
            }
        }
        Ok(())
    }

    /// Removes ended tokens, in steps.
    async fn remove_ended_tokens(&self) -> Result<(), StoreError> {
        // Where the clock cannot be believed, no token is removed.
        if self.engine.trust.doubt().is_some() {
            return Ok(());
        }
        let ended = self.engine.time_for_ends();
        for _ in 0..STEPS_PER_SWEEP {
            self.engine.store.wal_is_moved().await;
            let step = move |tx: &Tx<'_>| tx.remove_ended_tokens(ended, ROWS_PER_STEP);
            let removed = self.engine.store.write(Touches::NoState, 0, step).await?;
            if removed < ROWS_PER_STEP as usize {
                break;
            }
        }
        Ok(())
    }
}
