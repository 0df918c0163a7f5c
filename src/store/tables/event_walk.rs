//! Follows the chain of events, in steps, and says where it does not hold: an event that was
//! changed, events that are missing, a tail that was cut off, a head of another log.

use std::iter::Peekable;
use std::vec::IntoIter;

use rusqlite::types::{Value, ValueRef};
use rusqlite::{Row, params};

use crate::model::clock::Timestamp;
use crate::model::digest::Digest;
use crate::model::event::EventKind;
use crate::model::event_growth::Growth;
use crate::model::event_head::EventHead;
use crate::store::error::StoreError;
use crate::store::row_hash::RowKey;
use crate::store::statements::Prepare as _;
use crate::store::tables::event_chain::{self, CHAINED, CHAINED_COLUMNS, KnownChain};
use crate::store::tables::event_gaps::{Gap, gap};
use crate::store::tables::event_growth;
use crate::store::tx::View;

/// A head that was noted elsewhere, which the chain has to have.
#[derive(Clone, Copy, Debug)]
pub struct NotedHead {
    /// The number and the hash.
    pub head: EventHead,
    /// Where it was noted.
    pub by: NotedBy,
}

/// Where a head was noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotedBy {
    /// By the caller, who has to be told if it cannot be compared.
    Caller,
    /// In the anchor that there was at the start.
    Anchor,
}

/// What the log has where a head was noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadFound {
    /// The event of the head, or nothing that could be compared.
    Here,
    /// Nothing: it ends before.
    Missing,
    /// Another event.
    Another,
}

/// How far the chain was followed.
#[derive(Clone, Copy, Debug)]
pub struct ChainPlace {
    /// The last row that was read.
    read: i64,
    /// The last place that was looked at; before the chain begins, -1.
    place: i64,
    /// The hash there; none if it is lost.
    chain: Option<Digest>,
}

impl ChainPlace {
    /// Before the chain begins.
    pub const START: Self = Self {
        read: -1,
        place: -1,
        chain: None,
    };
}

/// What one step came to.
#[derive(Debug, Default)]
pub struct ChainStep {
    /// Where the chain does not hold, in words.
    pub faults: Vec<String>,
    /// How many events were compared with their hashes.
    pub events: u64,
    /// Where the next step goes on; none at the end.
    pub next: Option<ChainPlace>,
}

/// Where `fresh` is, behind the columns that are hashed and the two hashes.
const FRESH_AT: usize = CHAINED_COLUMNS + 2;

struct Following<'n> {
    at: ChainPlace,
    noted: &'n [NotedHead],
    /// What the row of the last commit says.
    known: Option<KnownChain>,
    /// From which place on events may be in no index yet.
    fresh_from: i64,
    step: ChainStep,
}

impl Following<'_> {
    fn fault(&mut self, text: String) {
        self.step.faults.push(text);
    }

    /// Goes over events that were removed, to the last of them.
    fn over(&mut self, gap: &Gap) {
        let before = self.at.place;
        let chain = <[u8; 32]>::try_from(gap.chain.as_slice()).ok();
        let chain = chain.map(Digest::from_bytes);
        for noted in self.noted {
            let number = noted.head.number.cast_signed();
            if noted.by == NotedBy::Caller && before < number && number < gap.last {
                self.fault(format!(
                    "the noted head cannot be compared: event {number} was removed by then, as \
                        events are after a while; note heads more often than that"
                ));
            }
        }
        (self.at.place, self.at.chain) = (gap.last, chain);
        self.compare_noted();
    }

    /// Goes over what was removed before a place, or around it.
    fn over_gaps_before(&mut self, seq: i64, gaps: &mut Peekable<IntoIter<Gap>>) {
        while let Some(gap) = gaps.next_if(|gap| gap.first <= seq) {
            if gap.last <= self.at.place {
                continue;
            }
            if gap.first > self.at.place.saturating_add(1) {
                self.missing(gap.first.saturating_sub(1));
            }
            self.over(&gap);
        }
    }

    /// Notes that events are not there which nothing has removed.
    fn missing(&mut self, up_to: i64) {
        let first = self.at.place.saturating_add(1);
        self.fault(if first == 0 {
            "the beginning of the chain is missing".to_owned()
        } else if first == up_to {
            format!("event {first} is missing")
        } else {
            format!("the events {first} to {up_to} are missing")
        });
        (self.at.place, self.at.chain) = (up_to, None);
    }

    /// Takes the event that comes next, whose columns are those of [`View::follow_events`].
    fn take(&mut self, key: &RowKey, row: &Row<'_>) -> rusqlite::Result<()> {
        let seq: i64 = row.get(0)?;
        self.at.read = seq;
        let chain = match row.get_ref(CHAINED_COLUMNS)? {
            ValueRef::Blob(bytes) => <[u8; 32]>::try_from(bytes).ok().map(Digest::from_bytes),
            ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Text(_) => None,
        };
        if seq <= self.at.place {
            let begun = self.known.map_or(0, |known| known.begun);
            if seq > begun || chain.is_some() {
                self.fault(format!("event {seq} was removed, and is there again"));
            }
            return Ok(());
        }
        if seq > self.at.place.saturating_add(1) {
            self.missing(seq.saturating_sub(1));
        }
        self.step.events += 1;
        let should_be = match self.at.chain {
            Some(before) => Some(event_chain::link(&before, row)?),
            // Behind lost events nothing tells what the hash should be.
            None => chain,
        };
        if chain.is_none() || should_be != chain {
            self.fault(format!("event {seq} is not as it was written"));
        } else if !is_grown_well(key, row)? {
            self.fault(format!(
                "event {seq} is not as it was written: its count, its last time or its detail"
            ));
        }
        self.see_to_indexes(seq, row)?;
        (self.at.place, self.at.chain) = (seq, chain);
        self.compare_noted();
        Ok(())
    }

    /// An event that stays fresh is in no index, so lists by state or by actor would not have it.
    /// The chain leaves that mark out.
    fn see_to_indexes(&mut self, seq: i64, row: &Row<'_>) -> rusqlite::Result<()> {
        let mark = row.get_ref(FRESH_AT)?;
        let is_fresh = mark == ValueRef::Integer(1) && seq >= self.fresh_from;
        if mark != ValueRef::Null && !is_fresh {
            self.fault(format!(
                "event {seq} is not as it was written: it is marked as too new for its indexes"
            ));
        }
        Ok(())
    }

    fn compare_noted(&mut self) {
        let at = self.at;
        for noted in self.noted {
            let head = noted.head;
            if head.number.cast_signed() == at.place && Some(head.chain) != at.chain {
                let number = head.number;
                self.fault(format!(
                    "event {number} has another hash than the one that {}: its log is another one, \
                        or was written anew",
                    noted.by.says()
                ));
            }
        }
    }

    /// Compares the end with the last event that the last commit tells of, and with noted heads.
    fn end(&mut self) {
        let (place, chain) = (self.at.place, self.at.chain);
        let end = place.max(0);
        match self.known {
            None => self.fault("which event is the last one is not known".to_owned()),
            Some(known) if !known.fits => {
                self.fault("what the last commit says of the last event was changed".to_owned());
            }
            Some(KnownChain { head, .. }) if head.number.cast_signed() > place => {
                self.fault(format!(
                    "the end is missing: the last event is {}, and the log ends with {end}",
                    head.number
                ));
            }
            Some(KnownChain { head, .. })
                if (head.number.cast_signed(), Some(head.chain)) != (place, chain) =>
            {
                self.fault(format!(
                    "the log ends with event {end}, which is not the one that was recorded last"
                ));
            }
            Some(_) => {}
        }
        for noted in self.noted {
            let number = noted.head.number;
            if number.cast_signed() > place {
                self.fault(format!(
                    "the log ends with event {end}, before event {number} that {}",
                    noted.by.says()
                ));
            }
        }
    }
}

/// Whether what may grow of an event is as it was written.
fn is_grown_well(key: &RowKey, row: &Row<'_>) -> rusqlite::Result<bool> {
    let stored = row.get_ref(CHAINED_COLUMNS + 1)?;
    if event_chain::growth(row)? == Growth::Never {
        return Ok(stored == ValueRef::Null);
    }
    let value = |at: usize| row.get::<_, Value>(at);
    let (seq, chain) = (value(0)?, value(CHAINED_COLUMNS)?);
    let (count, last_at, detail) = (value(11)?, value(12)?, value(14)?);
    let hash = event_growth::hash_of(key, [&seq, &chain, &count, &last_at, &detail])?;
    Ok(stored == ValueRef::Blob(&hash))
}

impl NotedBy {
    const fn says(self) -> &'static str {
        match self {
            Self::Caller => "was noted",
            Self::Anchor => "statekeep.anchor told of at the start",
        }
    }
}

impl View<'_> {
    /// Follows the chain over the next events, at most so many.
    pub fn follow_events(
        &self,
        from: ChainPlace,
        noted: &[NotedHead],
        limit: u32,
    ) -> Result<ChainStep, StoreError> {
        let gaps = self.gaps(from.place, limit)?;
        let has_more_gaps = gaps.len() == limit as usize;
        let mut gaps = gaps.into_iter().peekable();
        let mut following = Following {
            at: from,
            noted,
            known: event_chain::read_head(self.connection, self.row_key)?,
            fresh_from: self.first_fresh()?,
            step: ChainStep::default(),
        };
        let sql = format!(
            "SELECT {CHAINED}, chain, grown, fresh FROM events NOT INDEXED WHERE seq > ?1 ORDER \
                BY seq LIMIT ?2"
        );
        let mut statement = self.connection.prepared(&sql)?;
        let mut found = statement.query(params![from.read, limit])?;
        let mut read = 0;
        while let Some(row) = found.next()? {
            following.over_gaps_before(row.get(0)?, &mut gaps);
            if has_more_gaps && gaps.peek().is_none() {
                following.step.next = Some(following.at);
                return Ok(following.step);
            }
            following.take(self.row_key, row)?;
            read += 1;
        }
        if read < limit {
            following.over_gaps_before(i64::MAX, &mut gaps);
        }
        if read == limit || has_more_gaps {
            following.step.next = Some(following.at);
        } else {
            following.end();
        }
        Ok(following.step)
    }

    /// Looks at a start whether the end of the chain is as the last commit says, and has the event
    /// that the anchor told of; says what is not so.
    pub(in crate::store) fn chain_at_start(
        &self,
        known: &KnownChain,
        anchored: Option<EventHead>,
    ) -> Result<Vec<String>, StoreError> {
        let (mut faults, head) = (Vec::new(), known.head);
        if !known.fits {
            faults.push("what the last commit says of the last event was changed".to_owned());
        } else if !self.has_chain_at(head)? {
            faults.push(format!(
                "the event log does not end with event {}, which was recorded last",
                head.number
            ));
        }
        if let Some(anchored) = anchored
            && !self.has_chain_at(anchored)?
            && !self.is_within_gap(anchored.number)?
        {
            faults.push(format!(
                "event {} is not the one that statekeep.anchor tells of",
                anchored.number
            ));
        }
        Ok(faults)
    }

    /// How the log stands to a head that was noted elsewhere. Few rows are looked at.
    pub fn compare_head(&self, head: EventHead) -> Result<HeadFound, StoreError> {
        if head.number > self.event_head()?.number {
            return Ok(HeadFound::Missing);
        }
        // Of an event that was removed, nothing is left to compare.
        let is_here = self.has_chain_at(head)? || self.is_within_gap(head.number)?;
        Ok(if is_here {
            HeadFound::Here
        } else {
            HeadFound::Another
        })
    }

    /// When it was last noted that a person accepted that writes are missing. All events are looked
    /// at.
    pub fn loss_accepted_at(&self) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT max(last_at) FROM events WHERE kind = ?1";
        let at = self.only(sql, [EventKind::LossAccepted.name()], |row| {
            row.get::<_, Option<i64>>(0)
        })?;
        Ok(at.map(Timestamp::from_millis))
    }

    /// Whether an event, or a gap that ends there, has this hash.
    fn has_chain_at(&self, head: EventHead) -> Result<bool, StoreError> {
        let sql = "SELECT chain FROM event_gaps WHERE first <= ?1 AND last = ?1 UNION ALL \
            SELECT chain FROM events WHERE seq = ?1 AND chain IS NOT NULL LIMIT 1";
        let read = |row: &Row<'_>| row.get::<_, Vec<u8>>(0);
        let found = self.one(sql, [head.number.cast_signed()], read)?;
        Ok(found.is_some_and(|chain| chain == head.chain.as_bytes()))
    }

    fn is_within_gap(&self, number: u64) -> Result<bool, StoreError> {
        let place = number.cast_signed();
        let gap = self.gaps(place, 1)?.pop();
        Ok(gap.is_some_and(|gap| gap.first <= place && place < gap.last))
    }

    /// The gap that a place is in, and those behind it.
    fn gaps(&self, place: i64, limit: u32) -> Result<Vec<Gap>, StoreError> {
        let sql = "SELECT first, last, chain FROM event_gaps WHERE first >= coalesce((SELECT \
            max(first) FROM event_gaps WHERE first <= ?1), 0) ORDER BY first LIMIT ?2";
        self.all(sql, params![place, limit], gap)
    }
}
