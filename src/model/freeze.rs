//! Freezes: for a while nothing changes a state. It is shown to clients as a lock, the only refusal
//! that they understand.

use serde::Serialize;

use super::actor::Actor;
use super::clock::Timestamp;
use super::lock::{HeldLock, Lock, MAX_LOCK_ID_LENGTH};
use super::name::StateName;

/// The `Operation` that clients show.
const OPERATION: &str = "freeze";

/// That nothing changes a state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Freeze {
    /// Until when; until it is lifted if none.
    pub until: Option<Timestamp>,
    /// Why.
    pub reason: String,
    /// Since when.
    pub frozen_at: Timestamp,
    /// Who froze it.
    pub frozen_by: Actor,
}

impl Freeze {
    /// Whether it keeps a caller out at a moment. It does not keep out the run that holds its own
    /// lock since before, so that an apply comes to its end. A plan's lock is for no write.
    pub fn keeps_out(&self, own: Option<&HeldLock>, now: Timestamp) -> bool {
        let goes_on =
            |held: &HeldLock| !held.lock.is_for_a_plan() && held.locked_at <= self.frozen_at;
        self.until.is_none_or(|until| now < until) && !own.is_some_and(goes_on)
    }

    /// A lock that says what this is.
    pub fn as_lock(&self, name: &StateName) -> Lock {
        let until = self.until.map_or_else(
            || "until it is lifted".to_owned(),
            |until| format!("until {until}"),
        );
        let (who, reason) = (&self.frozen_by.name, &self.reason);
        // Terraform shows no other member of another's lock than this.
        let id = format!("frozen by {who} {until}: {reason}");
        let id: String = id.chars().take(MAX_LOCK_ID_LENGTH).collect();
        let info = format!(
            "{name} is frozen {until}: {reason}. `statekeep state unfreeze {name}` lifts it"
        );
        Lock::taken_for(who, &id, (OPERATION, &info), self.frozen_at)
    }
}
