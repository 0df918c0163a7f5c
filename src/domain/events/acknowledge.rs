//! Acknowledgements: a person has looked at an event that is marked for one.

use crate::domain::access::{Acted, act_adding, authorize_somewhere};
use crate::domain::error::Error;
use crate::domain::events::Events;
use crate::model::acknowledgement::Acknowledgement;
use crate::model::caller::{Caller, LiveCaller};
use crate::model::error_code::ErrorCode;
use crate::model::event::{Event, EventKind, NewEvent};
use crate::model::permission::{Permission, Scope};
use crate::model::printable::prints;
use crate::store::{Touches, Tx};

/// The most characters of an acknowledgement's word.
pub const MAX_WORD: usize = 500;

impl Events<'_> {
    /// Says whether a caller may acknowledge anything at all, before a body is read.
    pub fn may_acknowledge(&self, caller: &Caller) -> Result<(), Error> {
        authorize_somewhere(caller, Permission::Events)?;
        if caller.grant.permissions.allows(Permission::Operate) {
            return Ok(());
        }
        authorize_somewhere(caller, Permission::Save)
    }

    /// Notes that a caller has looked at an event, with a word of 1 to [`MAX_WORD`] characters that
    /// can be seen, if they say one. Acknowledged by them with this word already, nothing is done.
    ///
    /// Refused where the caller may neither write what the event is about nor operate the server,
    /// and for events that no person has to look at.
    pub async fn acknowledge(
        &self,
        caller: &Caller,
        seq: u64,
        word: Option<String>,
    ) -> Result<Event, Error> {
        self.may_acknowledge(caller)?;
        let word = word.map(|word| word.trim().to_owned());
        if word.as_deref().is_some_and(is_no_word) {
            let detail = format!(
                "an acknowledgement has no word, or one of 1 to {MAX_WORD} characters that can be \
                    seen: no line breaks, no invisible characters, and no other space than the \
                    plain one"
            );
            return Err(Error::invalid(ErrorCode::BadRequest, detail));
        }
        let size = word.as_ref().map_or(0, String::len);
        let job =
            move |tx: &Tx<'_>, by: LiveCaller<'_>| acknowledge(tx, by, (seq, word.as_deref()));
        act_adding(self.engine, caller, (Touches::NoState, size), job).await
    }
}

fn is_no_word(word: &str) -> bool {
    word.is_empty() || word.chars().count() > MAX_WORD || !word.chars().all(prints)
}

/// Whether a scope reaches what an event is about. What is about the server is for all.
fn reaches(scope: &Scope, event: &Event) -> bool {
    let is_within = |wanted: Option<&str>, has: Option<&str>| wanted.is_none() || wanted == has;
    is_within(scope.workspace(), event.workspace.as_deref())
        && is_within(scope.block(), event.block.as_deref())
}

/// The inner error is why the event is not acknowledged. One that the caller does not see is told
/// as one that there is not.
fn acknowledge(tx: &Tx<'_>, by: LiveCaller<'_>, (seq, word): (u64, Option<&str>)) -> Acted<Event> {
    let found = tx.event(seq)?;
    let Some(event) = found.filter(|event| reaches(&by.grant.scope, event)) else {
        return Ok(Err(Error::NoEvent(seq)));
    };
    let permissions = by.grant.permissions;
    let may_write = event.workspace.is_some() && permissions.allows(Permission::Save);
    if !may_write && !permissions.allows(Permission::Operate) {
        let needed = match &event.workspace {
            Some(_) => Permission::Save.name(&by.grant.scope),
            None => Permission::Operate.name(&Scope::All),
        };
        return Ok(Err(Error::Denied(format!(
            "acknowledging the event {seq} needs the permission {needed}, which the key {:?} does \
                not have",
            by.actor.name
        ))));
    }
    if !event.attention {
        let detail = format!("no person has to look at the event {seq}: it has no `attention`");
        return Ok(Err(Error::invalid(ErrorCode::BadRequest, detail)));
    }
    let is_same = |known: &Acknowledgement| known.by == by.actor && known.word.as_deref() == word;
    if event.acknowledged.as_ref().is_some_and(is_same) {
        return Ok(Ok(event));
    }
    let acknowledged = Acknowledgement {
        at: tx.now(),
        by: by.actor.clone(),
        word: word.map(str::to_owned),
    };
    tx.acknowledge(&event, &acknowledged)?;
    let told = NewEvent {
        workspace: event.workspace.clone(),
        block: event.block.clone(),
        ..NewEvent::new(EventKind::EventAcknowledge, by, tx.now())
    };
    let detail = serde_json::json!({ "event": seq, "kind": event.kind, "word": word });
    tx.record(&told.detail(detail))?;
    Ok(Ok(Event {
        acknowledged: Some(acknowledged),
        ..event
    }))
}
