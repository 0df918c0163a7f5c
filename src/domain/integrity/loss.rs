//! Acknowledged writes that are missing since a start that a person has allowed: noted once, for a
//! person to look at.
//!
//! What the data directory shows of itself, the store has judged when it opened the data. A whole
//! directory that was put back from an old copy shows nothing. So heads of the event log that were
//! noted elsewhere are compared with it, before anything is written.

use std::fmt;

use serde_json::{Value, json};
use uuid::Uuid;

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

/// What a log says that has not a head which was noted elsewhere.
struct LogWithout {
    /// Its last event.
    last: u64,
    /// When a person last accepted that writes are missing.
    loss_accepted_at: Option<Timestamp>,
}

/// What of an instance's data was told of elsewhere and is not here: of several heads, the newest.
/// This is the one rule, for a start and for what is said of it before. `compare` says what the log
/// says if it has not a head, and nothing if it has, or if that cannot be compared.
///
/// A head from before a person last accepted that writes are missing is void.
fn unannounced(
    noted: Vec<NotedElsewhere>,
    instance: Uuid,
    compare: impl Fn(EventHead, &'static str) -> Option<LogWithout>,
) -> Option<Unannounced> {
    let instance = instance.to_string();
    let missing = noted.into_iter().filter_map(|noted| {
        let NotedElsewhere { place, head: said } = noted;
        if !said.is_genuine() {
            tracing::warn!(
                place,
                "a head of the event log there is not what was signed"
            );
            return None;
        }
        let (chain, noted_at) = (Digest::parse(&said.hash)?, Timestamp::parse(&said.at)?);
        let number = said.number;
        let noted = EventHead { number, chain };
        if said.instance != instance {
            return None;
        }
        let LogWithout {
            last,
            loss_accepted_at,
        } = compare(noted, place)?;
        (loss_accepted_at < Some(noted_at)).then_some(Unannounced {
            place,
            noted,
            noted_at,
            last,
        })
    });
    missing.max_by_key(|missing| missing.noted.number)
}

/// Why a start would be refused by heads that were noted elsewhere, as far as the end of the log
/// shows it. Nothing is changed, and the database is not opened.
pub(in crate::domain) fn foreseen(noted: Vec<NotedElsewhere>, end: &LogEnd) -> Option<Unannounced> {
    unannounced(noted, end.instance, |head, _| {
        let is_another = head.number == end.last.number && head != end.last;
        (head.number > end.last.number || is_another).then_some(LogWithout {
            last: end.last.number,
            loss_accepted_at: end.loss_accepted_at,
        })
    })
}

impl Integrity<'_> {
    /// Compares heads that were noted elsewhere with the log, and records what was missing at this
    /// start if a person has accepted that. Before this, nothing else is written.
    pub(in crate::domain) async fn begin(
        &self,
        noted: Vec<NotedElsewhere>,
    ) -> Result<(), NotBegun> {
        let instance = self.engine.store.instance();
        let compare = |head, place| self.without(head, place);
        if let Some(older) = unannounced(noted, instance, compare) {
            if self.engine.dir.confirmed().on_loss == OnLoss::Refuse {
                return Err(NotBegun::Unannounced(Box::new(older)));
            }
            return Ok(self.note_accepted_loss(Some(&older)).await?);
        }
        Ok(self.note_accepted_loss(None).await?)
    }

    /// What the log says if it has not a head. Damage in the log is told by itself, and does not
    /// hold up a start.
    fn without(&self, head: EventHead, place: &'static str) -> Option<LogWithout> {
        let compared = self.engine.store.read_at_start(|view| {
            if view.compare_head(head)? == HeadFound::Here {
                return Ok(None);
            }
            Ok(Some(LogWithout {
                last: view.event_head()?.number,
                loss_accepted_at: view.loss_accepted_at()?,
            }))
        });
        compared.unwrap_or_else(|error| {
            tracing::warn!(%error, place, "what is told of there cannot be compared with the log");
            None
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
