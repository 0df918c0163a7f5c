//! Keeps the event log within its bounds: by age and by rows, ordinary events and lasting ones each
//! on their own.
//!
//! Rows are counted once, when there may be too many of them, and then only those that are new. So
//! a sweep of a full log costs what a minute has brought, and not what the log holds.

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::domain::engine::Engine;
use crate::domain::events::shares::to_remove;
use crate::model::clock;
use crate::model::event_class::{EventClass, EventCount, EventShare};
use crate::sabotage::{self, Fault};
use crate::store::{OldEvents, StoreError, Touches, Tx, View};

/// How many rows one transaction removes, so that it never holds writes up for long. Each lies on
/// a page of its own in the table and in two indexes; with more of them the WAL would grow faster
/// than it is moved.
const ROWS_PER_STEP: u32 = 200;
/// How many transactions a sweep has at most.
const STEPS_PER_SWEEP: u32 = 500;

/// Keeps the event log within its bounds, and remembers how many rows there are.
#[derive(Default)]
pub(in crate::domain) struct EventBounds {
    counted: Option<Counted>,
}

/// How many rows each state has.
#[derive(Default)]
struct Counted {
    /// The last place in the log that is counted.
    up_to: u64,
    ordinary: HashMap<EventShare, u64>,
    lasting: HashMap<EventShare, u64>,
}

impl Counted {
    fn of(&mut self, class: EventClass) -> &mut HashMap<EventShare, u64> {
        match class {
            EventClass::Ordinary => &mut self.ordinary,
            EventClass::Lasting => &mut self.lasting,
        }
    }

    fn add(&mut self, counts: Vec<EventCount>) {
        for EventCount { of, class, rows } in counts {
            *self.of(class).entry(of).or_default() += rows;
        }
    }

    fn take_off(&mut self, class: EventClass, share: &EventShare, rows: u64) {
        let counts = self.of(class);
        if let Some(count) = counts.get_mut(share) {
            *count = count.saturating_sub(rows);
            if *count == 0 {
                counts.remove(share);
            }
        }
    }
}

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::domain) struct Swept {
    /// How many events it removed.
    pub(in crate::domain) events: usize,
    /// Whether there is more to remove than one sweep does.
    pub(in crate::domain) has_more: bool,
}

impl EventBounds {
    /// Removes the events that are too old or too many.
    pub(in crate::domain) async fn sweep(&mut self, engine: &Engine) -> Result<Swept, StoreError> {
        let mut steps = STEPS_PER_SWEEP;
        let mut events = 0;
        // Where the clock cannot be believed no event is too old.
        if engine.trust.doubt().is_none() {
            events += self.remove_old(engine, &mut steps).await?;
            events += self.remove_old_lasting(engine, &mut steps).await?;
        }
        let swept = self.remove_too_many(engine, &mut steps).await;
        if swept.is_err() {
            // Nobody knows how far it came.
            self.counted = None;
        }
        Ok(Swept {
            events: events + swept?,
            has_more: steps == 0,
        })
    }

    /// Ordinary events: those that read find which ones go, so the writer only removes them.
    async fn remove_old(&mut self, engine: &Engine, steps: &mut u32) -> Result<usize, StoreError> {
        let (oldest, mut events) = (clock::now() - engine.limits.event_retention, 0);
        let mut next = Some(0);
        while let Some(from) = next
            && *steps > 0
        {
            let most = ROWS_PER_STEP as usize;
            let find = move |view: &View<'_>| view.old_events(from, oldest, most);
            let found = engine.store.read(find).await?;
            next = found.next;
            if found.places.is_empty() && found.swept.is_empty() {
                continue;
            }
            for (share, _) in &found.places {
                self.take_off(EventClass::Ordinary, share);
            }
            events += remove_found(engine, found, steps).await?;
        }
        Ok(events)
    }

    async fn remove_old_lasting(
        &mut self,
        engine: &Engine,
        steps: &mut u32,
    ) -> Result<usize, StoreError> {
        let oldest = clock::now() - engine.limits.lasting_event_retention;
        let mut events = 0;
        while *steps > 0 {
            *steps -= 1;
            engine.store.wal_is_moved().await;
            let step = move |tx: &Tx<'_>| tx.remove_lasting_events(oldest, ROWS_PER_STEP);
            let gone = engine.store.write(Touches::NoState, 0, step).await?;
            events += gone.len();
            for share in &gone {
                self.take_off(EventClass::Lasting, share);
            }
            if gone.len() < ROWS_PER_STEP as usize {
                break;
            }
        }
        Ok(events)
    }

    fn take_off(&mut self, class: EventClass, share: &EventShare) {
        if let Some(counted) = &mut self.counted {
            counted.take_off(class, share, 1);
        }
    }

    async fn remove_too_many(
        &mut self,
        engine: &Engine,
        steps: &mut u32,
    ) -> Result<usize, StoreError> {
        let (ordinary, lasting) = (engine.limits.max_events, engine.limits.max_lasting_events);
        let read = |view: &View<'_>| view.event_places();
        let places = engine.store.read_inline(read).await?;
        let Some((first, last)) =
            places.filter(|(first, last)| last - first >= ordinary.min(lasting))
        else {
            // However they are counted, there are not too many.
            self.counted = None;
            return Ok(0);
        };
        tracing::trace!(first, last, "the event log may have too many rows");
        self.count(engine).await?;
        let mut events = 0;
        for (class, most) in [
            (EventClass::Ordinary, ordinary),
            (EventClass::Lasting, lasting),
        ] {
            events += self.remove_beyond(engine, (class, most), steps).await?;
        }
        Ok(events)
    }

    /// Counts what is new, or all if nothing is counted yet.
    async fn count(&mut self, engine: &Engine) -> Result<(), StoreError> {
        let after = self.counted.as_ref().map(|counted| counted.up_to);
        let count = move |view: &View<'_>| {
            let up_to = view.event_places()?.map_or(0, |(_, last)| last);
            let counts = if let Some(after) = after {
                view.count_events_after(after)?
            } else {
                let mut counts = view.count_events(EventClass::Ordinary)?;
                counts.append(&mut view.count_events(EventClass::Lasting)?);
                counts
            };
            Ok((up_to, counts))
        };
        let (up_to, counts) = engine.store.read(count).await?;
        let counted = self.counted.get_or_insert_default();
        counted.up_to = up_to;
        counted.add(counts);
        Ok(())
    }

    async fn remove_beyond(
        &mut self,
        engine: &Engine,
        (class, most): (EventClass, u64),
        steps: &mut u32,
    ) -> Result<usize, StoreError> {
        let Some(counted) = &mut self.counted else {
            return Ok(0);
        };
        if sabotage::is(Fault::EventShares) {
            return remove_oldest(engine, (class, most), counted).await;
        }
        let mut wanted = to_remove(counted.of(class), most);
        wanted.sort_unstable_by_key(|(_, rows)| Reverse(*rows));
        let most_places = u64::from(*steps) * u64::from(ROWS_PER_STEP);
        let find = move |view: &View<'_>| {
            let found = oldest(view, class, &wanted, most_places)?;
            Ok((wanted, found))
        };
        let (wanted, found) = engine.store.read(find).await?;
        let mut events = 0;
        for step in found.chunks(ROWS_PER_STEP as usize) {
            *steps -= 1;
            let places: Vec<u64> = step.iter().map(|(_, place)| *place).collect();
            engine.store.wal_is_moved().await;
            let remove = move |tx: &Tx<'_>| tx.remove_events_at(&places);
            events += engine.store.write(Touches::NoState, 0, remove).await?;
            let shares = step.iter().filter_map(|(at, _)| wanted.get(*at));
            shares.for_each(|(share, _)| counted.take_off(class, share, 1));
        }
        Ok(events)
    }
}

/// Removes the oldest events of all workspaces alike, as a sabotaged server does.
async fn remove_oldest(
    engine: &Engine,
    (class, most): (EventClass, u64),
    counted: &mut Counted,
) -> Result<usize, StoreError> {
    let rows: u64 = counted.of(class).values().sum();
    let too_many = u32::try_from(rows.saturating_sub(most)).unwrap_or(u32::MAX);
    let before = clock::now() + std::time::Duration::from_secs(1);
    let find = move |view: &View<'_>| view.old_events(0, before, too_many as usize);
    let mut found = match class {
        EventClass::Ordinary => engine.store.read(find).await?.places,
        EventClass::Lasting => Vec::new(),
    };
    found.truncate(too_many as usize);
    let places: Vec<u64> = found.iter().map(|(_, place)| *place).collect();
    let remove = move |tx: &Tx<'_>| match class {
        EventClass::Ordinary => tx.remove_events_at(&places).map(|_| Vec::new()),
        EventClass::Lasting => tx.remove_lasting_events(before, too_many),
    };
    let mut gone = engine.store.write(Touches::NoState, 0, remove).await?;
    gone.extend(found.into_iter().map(|(share, _)| share));
    for share in &gone {
        counted.take_off(class, share, 1);
    }
    Ok(gone.len())
}

/// Removes old events, and notes which blocks have none any more.
async fn remove_found(
    engine: &Engine,
    found: OldEvents,
    steps: &mut u32,
) -> Result<usize, StoreError> {
    let mut events = 0;
    for step in found.places.chunks(ROWS_PER_STEP as usize) {
        *steps = steps.saturating_sub(1);
        let places: Vec<u64> = step.iter().map(|(_, place)| *place).collect();
        engine.store.wal_is_moved().await;
        let remove = move |tx: &Tx<'_>| tx.remove_events_at(&places);
        events += engine.store.write(Touches::NoState, 0, remove).await?;
    }
    *steps = steps.saturating_sub(1);
    let note = move |tx: &Tx<'_>| tx.note_swept(&found.swept);
    engine.store.write(Touches::NoState, 0, note).await?;
    Ok(events)
}

/// The places of the oldest rows of those that lose some, each with whose it is.
fn oldest(
    view: &View<'_>,
    class: EventClass,
    wanted: &[(EventShare, u64)],
    most: u64,
) -> Result<Vec<(usize, u64)>, StoreError> {
    let mut found = Vec::new();
    for (at, (share, rows)) in wanted.iter().enumerate() {
        let limit = (*rows).min(most.saturating_sub(found.len() as u64));
        if limit == 0 {
            break;
        }
        let places = view.oldest_events(share, class, limit)?;
        found.extend(places.into_iter().map(|place| (at, place)));
    }
    Ok(found)
}
