//! Acknowledged writes that are missing since a start that a person has allowed: noted once, for a
//! person to look at.
//!
//! What the data directory shows of itself, the store has judged when it opened the data. A whole
//! directory that was put back from an old copy shows nothing. So heads of the event log that were
//! noted elsewhere are compared with it, before anything is written.

use std::fmt;

use serde_json::{Value, json};

use crate::domain::error::Error;
use crate::domain::integrity::Integrity;
use crate::model::clock::Timestamp;
use crate::model::digest::Digest;
use crate::model::event::{EventKind, NewEvent};
use crate::model::event_head::EventHead;
use crate::model::on_loss::OnLoss;
use crate::model::signed_head::SignedHead;
use crate::store::{HeadFound, LogEnd, Touches};

/// A head of the event log that was noted outside of the data directory.
pub(in crate::domain) struct NotedElsewhere {
    /// Where, in words that go on with "tells of".
    pub(in crate::domain) place: &'static str,
    /// What was noted.
    pub(in crate::domain) head: SignedHead,
}

/// The data is not the one that was told of elsewhere: an older copy was put back, and no person
/// has said that this is meant.
#[derive(Debug)]
pub struct Unannounced {
    place: &'static str,
    noted: EventHead,
    noted_at: Timestamp,
    /// The last event that is here.
    last: u64,
}

impl fmt::Display for Unannounced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            place,
            noted,
            noted_at,
            last,
        } = self;
        let number = noted.number;
        write!(
            f,
            "acknowledged writes are missing (restored_unannounced): {place} tells of event \
                {number} of this data, signed at {noted_at}, and "
        )?;
        if number > *last {
            write!(f, "the event log here ends with event {last}")?;
        } else {
            write!(f, "event {number} here is another one")?;
        }
        f.write_str(
            ". An older copy of the data was put back. No state was changed. If that was not \
                meant, put the newer data back, or go back to a newer backup with `statekeep \
                restore`. If it was, `statekeep serve --accept-loss` goes on with what is here, \
                and an event says so",
        )
    }
}

impl std::error::Error for Unannounced {}

/// Why a start ends before anything is served.
#[derive(Debug, thiserror::Error)]
pub enum NotBegun {
    /// An older copy was put back.
    #[error(transparent)]
    Unannounced(#[from] Box<Unannounced>),
    /// What a person has accepted could not be written down.
    #[error(transparent)]
    Failed(#[from] Error),
}

/// Why a start would be refused by heads that were noted elsewhere, as far as the end of the log
/// shows it. Nothing is changed, and the database is not opened.
pub(in crate::domain) fn foreseen(noted: Vec<NotedElsewhere>, end: &LogEnd) -> Option<Unannounced> {
    let instance = end.instance.to_string();
    let ours = noted
        .into_iter()
        .filter(|noted| noted.head.is_genuine() && noted.head.instance == instance);
    let missing = ours.filter_map(|noted| {
        let (number, chain) = (noted.head.number, Digest::parse(&noted.head.hash)?);
        let noted_at = Timestamp::parse(&noted.head.at)?;
        let head = EventHead { number, chain };
        let is_another = number == end.last.number && head != end.last;
        let is_void = end.loss_accepted_at >= Some(noted_at);
        let is_missing = (number > end.last.number || is_another) && !is_void;
        is_missing.then_some(Unannounced {
            place: noted.place,
            noted: head,
            noted_at,
            last: end.last.number,
        })
    });
    missing.max_by_key(|missing| missing.noted.number)
}

impl Integrity<'_> {
    /// Compares heads that were noted elsewhere with the log, and records what was missing at this
    /// start if a person has accepted that. Before this, nothing else is written.
    pub(in crate::domain) async fn begin(
        &self,
        noted: Vec<NotedElsewhere>,
    ) -> Result<(), NotBegun> {
        let older = self.unannounced(noted);
        if let Some(older) = older {
            if self.engine.dir.confirmed().on_loss == OnLoss::Refuse {
                return Err(NotBegun::Unannounced(Box::new(older)));
            }
            return Ok(self.note_accepted_loss(Some(&older)).await?);
        }
        Ok(self.note_accepted_loss(None).await?)
    }

    /// What of this data was told of elsewhere and is not here: of several heads, the newest.
    fn unannounced(&self, noted: Vec<NotedElsewhere>) -> Option<Unannounced> {
        let instance = self.engine.store.instance().to_string();
        let ours = noted.into_iter().filter(|noted| {
            let (place, is_genuine) = (noted.place, noted.head.is_genuine());
            if !is_genuine {
                tracing::warn!(
                    place,
                    "a head of the event log there is not what was signed"
                );
            }
            is_genuine && noted.head.instance == instance
        });
        let missing = ours.filter_map(|noted| self.missing(&noted));
        missing.max_by_key(|missing| missing.noted.number)
    }

    /// What the log has not of a head. One from before a person last accepted that writes are
    /// missing is void. Damage in the log is told by itself, and does not hold up a start.
    fn missing(&self, noted: &NotedElsewhere) -> Option<Unannounced> {
        let (place, number) = (noted.place, noted.head.number);
        let (chain, noted_at) = (
            Digest::parse(&noted.head.hash)?,
            Timestamp::parse(&noted.head.at)?,
        );
        let head = EventHead { number, chain };
        let compared = self.engine.store.read_at_start(|view| {
            if view.compare_head(head)? == HeadFound::Here {
                return Ok(None);
            }
            let is_void = view.loss_accepted_at()? >= Some(noted_at);
            let last = view.event_head()?.number;
            Ok((!is_void).then_some(last))
        });
        let last = compared.unwrap_or_else(|error| {
            tracing::warn!(%error, place, "what is told of there cannot be compared with the log");
            None
        });
        Some(Unannounced {
            place,
            noted: head,
            noted_at,
            last: last?,
        })
    }

    /// Records what was missing at this start, and begins a generation of commits that no earlier
    /// anchor tells of.
    async fn note_accepted_loss(&self, older: Option<&Unannounced>) -> Result<(), Error> {
        let Some(detail) = self.accepted(older) else {
            return Ok(());
        };
        let note = self.engine.store.write(Touches::NoState, 0, move |tx| {
            tx.begin_generation()?;
            let event = NewEvent::by_the_server(EventKind::LossAccepted, tx.now());
            tx.record(&event.attention(true).detail(detail.clone()))
        });
        Ok(note.await?)
    }

    /// What there is to say of it, if anything was missing.
    fn accepted(&self, older: Option<&Unannounced>) -> Option<Value> {
        let store = &self.engine.store;
        let mut detail = match (store.accepted_loss(), older) {
            (Some(loss), _) => loss.detail(),
            (None, Some(_)) => json!({
                "sign": "restored_unannounced",
                "lost_commits": null,
                "last_commit": null,
                "last_commit_at": null,
                "states": [],
            }),
            (None, None) => return None,
        };
        if let Some(older) = older {
            tracing::warn!(
                noted = older.noted.number,
                last = older.last,
                "going on with an older copy of the data"
            );
            detail["noted_elsewhere"] = json!({
                "place": older.place,
                "event": older.noted.number,
                "at": older.noted_at,
                "last_event": older.last,
            });
        }
        detail["reason"] = json!(match self.engine.dir.confirmed().on_loss {
            OnLoss::Restored => "restored",
            OnLoss::Accept | OnLoss::Refuse => "accepted",
        });
        Some(detail)
    }
}
