//! Two people for what cannot be undone. A server that was started with `--two-person` does such an
//! act only for a caller whose very act another key has approved within the last hour.
//!
//! The first call leaves a request and is refused. After the approval the same call does the act,
//! once. Whoever asked cannot approve, nor can a key, a secret or a trust that is younger than the
//! request. Both people are in the event log.

use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::domain::access::{Acted, act, act_adding, authorize_everywhere};
use crate::domain::engine::Engine;
use crate::domain::error::Error;
use crate::model::approval::{Approval, GuardedAct};
use crate::model::caller::{Caller, LiveCaller};
use crate::model::clock::Timestamp;
use crate::model::digest::Digest;
use crate::model::event::{EventKind, NewEvent};
use crate::model::key::KeyId;
use crate::model::token::CredentialOwner;
use crate::store::{StoreError, Touches, Tx, View};

/// How long a request waits, and how long an approval counts.
pub const LIFETIME: Duration = Duration::from_hours(1);
/// The most requests at a time.
const MAX_WAITING: usize = 100;

/// Acts that wait for a second person.
pub struct Approvals<'a> {
    engine: &'a Engine,
}

impl<'a> Approvals<'a> {
    pub(in crate::domain) const fn new(engine: &'a Engine) -> Self {
        Self { engine }
    }

    /// Those that a caller may approve or has asked for, the oldest first.
    pub async fn list(&self, caller: &Caller) -> Result<Vec<Approval>, Error> {
        let now = self.engine.time_for_ends();
        let all = |view: &View<'_>| view.approvals();
        let mut found = self.engine.store.read(all).await?;
        found.retain(|one| one.ends_at > now && may_see(caller, one));
        Ok(found)
    }

    /// Approves an act that another has asked for.
    pub async fn give(&self, caller: &Caller, id: u32) -> Result<Approval, Error> {
        let now = self.engine.time_for_ends();
        let give = move |tx: &Tx<'_>, by: LiveCaller<'_>| give(tx, by, id, now);
        act(self.engine, caller, (Touches::NoState, 0), give).await
    }

    /// Refuses an act that another has asked for, or takes one's own request back.
    pub async fn refuse(&self, caller: &Caller, id: u32) -> Result<Approval, Error> {
        let now = self.engine.time_for_ends();
        let refuse = move |tx: &Tx<'_>, by: LiveCaller<'_>| {
            let found = match seen(tx, by, id, now)? {
                Ok(found) => found,
                Err(why) => return Ok(Err(why)),
            };
            tx.remove_approval(id)?;
            tx.record(&event(EventKind::ApprovalRefuse, by, tx.now(), &found))?;
            Ok(Ok(found))
        };
        act(self.engine, caller, (Touches::NoState, 0), refuse).await
    }
}

fn may_see(caller: &Caller, one: &Approval) -> bool {
    one.asked_by.id == caller.actor.id || authorize_everywhere(caller, one.act.permission()).is_ok()
}

/// The request of an id, if there is one that the caller may see.
fn seen(tx: &Tx<'_>, by: LiveCaller<'_>, id: u32, now: Timestamp) -> Acted<Approval> {
    let mut all = tx.approvals()?.into_iter();
    let found = all.find(|one| one.id == id && one.ends_at > now && may_see(&by, one));
    Ok(found.ok_or(Error::NoApproval(id)))
}

fn give(tx: &Tx<'_>, by: LiveCaller<'_>, id: u32, now: Timestamp) -> Acted<Approval> {
    let mut found = match seen(tx, by, id, now)? {
        Ok(found) => found,
        Err(why) => return Ok(Err(why)),
    };
    if let Err(why) = authorize_everywhere(&by, found.act.permission()) {
        return Ok(Err(why));
    }
    if found.asked_by.id == by.actor.id {
        return Ok(Err(denied("it was asked for with the same key")));
    }
    if let Some(what) = younger_credentials(tx, by, found.asked_at)? {
        return Ok(Err(denied(&format!("{what} is younger than the request"))));
    }
    found.ends_at = now + LIFETIME;
    found.approved_by = Some(by.actor.clone());
    found.approved_at = Some(tx.now());
    tx.approve(id, &by.actor, (tx.now(), found.ends_at))?;
    tx.record(&event(EventKind::ApprovalGive, by, tx.now(), &found))?;
    Ok(Ok(found))
}

/// What of the caller's credentials came to be after a moment, if something did. A key or a trust
/// that was made for an act would not be a second person's, nor would one whose secret the first
/// person has got by a rotation.
fn younger_credentials(
    tx: &Tx<'_>,
    by: LiveCaller<'_>,
    asked_at: Timestamp,
) -> Result<Option<&'static str>, StoreError> {
    let Some(owner) = by.owner() else {
        return Ok(None);
    };
    Ok(match tx.credential_owner(owner)? {
        Some(CredentialOwner::Key(key)) if key.created_at >= asked_at => Some("this key"),
        Some(CredentialOwner::Key(key)) if key.rotated_at.is_some_and(|at| at >= asked_at) => {
            Some("the secret of this key")
        }
        Some(CredentialOwner::Trust(trust)) if trust.created_at >= asked_at => Some("this trust"),
        Some(CredentialOwner::Key(_) | CredentialOwner::Trust(_)) | None => None,
    })
}

fn denied(why: &str) -> Error {
    Error::Denied(format!("a second person has to approve this: {why}"))
}

/// Lets an act through that needs no second person, or that one has approved. Else it is asked for,
/// and refused for now.
pub(in crate::domain) async fn second_person(
    engine: &Engine,
    caller: &Caller,
    guarded: GuardedAct,
    what: Value,
) -> Result<(), Error> {
    if !engine.limits.two_person.contains(&guarded) || caller.is_server() {
        return Ok(());
    }
    let now = engine.time_for_ends();
    let digest = Digest::of(json!([guarded, what]).to_string().as_bytes());
    let ask = move |tx: &Tx<'_>, by: LiveCaller<'_>| {
        let asked = Approval {
            id: free_id(tx)?,
            act: guarded,
            digest,
            what: what.clone(),
            asked_by: by.actor.clone(),
            asked_at: tx.now(),
            ends_at: now + LIFETIME,
            approved_by: None,
            approved_at: None,
        };
        used_or_asked(tx, by, asked, now)
    };
    match act_adding(engine, caller, (Touches::NoState, 0), ask).await? {
        None => Ok(()),
        Some(waiting) => Err(Error::NeedsApproval(Box::new(waiting))),
    }
}

/// Uses up the approval of this very act; else gives the request that waits, an older one if there
/// is one.
fn used_or_asked(
    tx: &Tx<'_>,
    by: LiveCaller<'_>,
    asked: Approval,
    now: Timestamp,
) -> Acted<Option<Approval>> {
    let (ended, live): (Vec<_>, Vec<_>) = tx
        .approvals()?
        .into_iter()
        .partition(|one| one.ends_at <= now);
    ended
        .iter()
        .try_for_each(|one| tx.remove_approval(one.id))?;
    let is_this =
        |one: &&Approval| one.digest == asked.digest && one.asked_by.id == asked.asked_by.id;
    if let Some(found) = live.iter().find(is_this) {
        if found.approved_by.is_none() {
            return Ok(Ok(Some(found.clone())));
        }
        tx.remove_approval(found.id)?;
        if still_counts(tx, found)? {
            tx.record(&event(EventKind::ApprovalUse, by, tx.now(), found))?;
            return Ok(Ok(None));
        }
    }
    if live.len() >= MAX_WAITING {
        return Ok(Err(Error::TooManyApprovals(MAX_WAITING)));
    }
    tx.add_approval(&asked)?;
    let mut noted = event(EventKind::ApprovalAsk, by, tx.now(), &asked);
    noted.attention = true;
    tx.record(&noted)?;
    Ok(Ok(Some(asked)))
}

/// Whether an approval counts that was given: not if the key was revoked or got another secret
/// since, or the trust was removed. Somebody else may have had them.
fn still_counts(tx: &Tx<'_>, given: &Approval) -> Result<bool, StoreError> {
    let by = given.approved_by.as_ref();
    let Some(id) = by.and_then(|by| by.id.parse::<KeyId>().ok()) else {
        // The person at the machine has neither.
        return Ok(true);
    };
    let Some(key) = tx.key(id)?.map(|found| found.key) else {
        return Ok(tx.trust(id)?.is_some());
    };
    let is_as_it_was = key.rotated_at < given.approved_at;
    Ok(key.revoked_at.is_none() && is_as_it_was)
}

/// Six digits that no other request has.
fn free_id(tx: &Tx<'_>) -> Result<u32, StoreError> {
    let taken = tx.approvals()?;
    loop {
        let (chance, ..) = Uuid::new_v4().as_fields();
        let id = 100_000 + chance % 900_000;
        if taken.iter().all(|one| one.id != id) {
            return Ok(id);
        }
    }
}

fn event(kind: EventKind, by: LiveCaller<'_>, at: Timestamp, one: &Approval) -> NewEvent {
    NewEvent::new(kind, by, at).detail(json!({
        "approval": one.id, "act": one.act, "what": one.what, "asked_by": one.asked_by,
        "approved_by": one.approved_by,
    }))
}
