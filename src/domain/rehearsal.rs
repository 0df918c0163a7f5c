//! What a rollback would do, told before it is done: nothing is written, whatever is found.

use super::access::authorize;
use super::error::Error;
use super::history::History;
use super::rollback::{Found, NoRollback, Rollback};
use crate::model::caller::Caller;
use crate::model::lock::HeldLock;
use crate::model::name::StateName;
use crate::model::permission::Permission;
use crate::model::version::Version;

/// What a rollback would do.
pub struct Rehearsal {
    /// The version whose content would come back.
    pub version: Version,
    /// The version that is current, or was when the state was deleted; none where every write was rejected.
    pub current: Option<Version>,
    /// Whether the state is deleted, and would be brought back.
    pub is_deleted: bool,
    /// Where the state is, if it would be brought back from another address.
    pub away: Option<StateName>,
    /// Whether the version is current already, so that nothing would be written.
    pub is_unchanged: bool,
    /// The serial that it would get; none where there is none left.
    pub serial: Option<u64>,
    /// The lock on the state.
    pub lock: Option<HeldLock>,
    /// Why it would be refused, if it would.
    pub refusals: Vec<Refusal>,
}

/// One reason why a rollback would be refused.
pub struct Refusal {
    /// The code that the answer would have.
    pub code: &'static str,
    /// In words.
    pub detail: String,
}

impl From<NoRollback> for Refusal {
    fn from(why: NoRollback) -> Self {
        Self { code: why.code(), detail: why.to_string() }
    }
}

impl History<'_> {
    /// Says what a rollback would do.
    pub async fn rehearse(&self, caller: &Caller, name: &StateName, ask: &Rollback) -> Result<Rehearsal, Error> {
        self.may_rehearse(caller, name)?;
        let found = self.0.find(name, ask.number).await?;
        found.authorize(caller, &[Permission::List])?;
        let wanted = found.wanted(name, ask.number)?.clone();
        let lock = self.0.store.look(|view| view.lock(found.away.as_ref().unwrap_or(name)))?;
        let serial = if wanted.head.encrypted { Some(wanted.head.serial) } else { found.highest.checked_add(1) };
        let is_unchanged = found.is_unchanged(ask.number);
        let refusals = refusals(&Asked { caller, name, ask }, &found, &wanted, lock.as_ref());
        self.0.gather_read(caller, found.away.as_ref().unwrap_or(name), Some(ask.number));
        Ok(Rehearsal {
            version: wanted,
            is_deleted: found.is_deleted,
            is_unchanged,
            serial,
            lock,
            refusals,
            current: found.last,
            away: found.away,
        })
    }
}

/// Who asks what, of which state.
struct Asked<'a> {
    caller: &'a Caller,
    name: &'a StateName,
    ask: &'a Rollback,
}

/// Why a rollback would be refused, in the order in which that is seen.
fn refusals(asked: &Asked<'_>, found: &Found, wanted: &Version, lock: Option<&HeldLock>) -> Vec<Refusal> {
    let Asked { caller, name, ask } = *asked;
    let may_save = authorize(caller, Permission::Save, name);
    let may_move = found.authorize(caller, &[Permission::Delete, Permission::Save]);
    let denied = [may_save, may_move].into_iter().filter_map(Result::err).take(1);
    let mut refusals: Vec<Refusal> = denied.map(|error| Refusal { code: "forbidden", detail: error.to_string() }).collect();
    refusals.extend(found.check_current(ask).err().map(Refusal::from));
    if found.is_unchanged(ask.number) {
        return refusals;
    }
    refusals.extend(Found::check_encrypted(wanted, ask).err().map(Refusal::from));
    refusals.extend(found.next_serial(wanted).err().map(Refusal::from));
    refusals.extend(by_lock(caller, ask, found, lock));
    refusals
}

fn by_lock(caller: &Caller, ask: &Rollback, found: &Found, lock: Option<&HeldLock>) -> Option<Refusal> {
    let Some(held) = lock else { return ask.lock_id.as_ref().map(|_| NoRollback::StaleLockId.into()) };
    // A lock belongs to an address, so none of one's own lets a state leave the one where it is.
    let is_own = found.away.is_none() && ask.lock_id.as_deref().is_some_and(|id| held.is_held_by(&caller.actor, id));
    let detail = format!("the state is locked by the key {:?}, with the lock ID {}", held.holder.name, held.lock.id);
    (!is_own).then_some(Refusal { code: "locked", detail })
}
