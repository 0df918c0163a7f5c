//! Writing a state as its next version.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::config::{Limits, MIB};
use crate::domain::access::authorize;
use crate::domain::content::encode::Body;
use crate::domain::content::read::SIZE_TAKEN_APART;
use crate::domain::engine::budget::{Reservation, WhenFull};
use crate::domain::engine::cores::panicked;
use crate::domain::error::Error;
use crate::domain::states::States;
use crate::domain::states::job::{Before, NotWritten, Unprepared, Written};
use crate::model::caller::Caller;
use crate::model::error_code::ErrorCode;
use crate::model::name::StateName;
use crate::model::permission::Permission;
use crate::model::state::Lookup;

/// Larger states are not compared by their resources' addresses, only by their number.
const MAX_COMPARED: u64 = 32 * MIB;

/// A write as it arrives.
pub struct Write {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The memory that they are in.
    pub reservation: Reservation,
    /// The client's `Content-MD5`.
    pub content_md5: Option<String>,
    /// The lock that it names.
    pub lock_id: Option<String>,
    /// Whether it is to be stored over the stale-write guard.
    pub force: bool,
}

impl States<'_> {
    /// Says whether a caller may write here at all, before a body is read.
    pub fn may_write(&self, caller: &Caller, name: &StateName) -> Result<(), Error> {
        authorize(caller, Permission::Save, name)
    }

    /// Whether a valid state is kept that this caller may not write: they may plan here, and have
    /// applied nevertheless.
    pub fn keeps_denied(&self, caller: &Caller, name: &StateName) -> bool {
        caller.may(Permission::Plan, name)
    }

    /// Refuses a body that is too large, or that is too large to be kept of a caller who may not
    /// write.
    pub fn check_write(&self, caller: &Caller, name: &StateName, bytes: u64) -> Result<(), Error> {
        self.check_size(bytes)
            .or_else(|too_large| self.may_write(caller, name).and(Err(too_large)))
    }

    /// Refuses a body that is larger than the limit; its length may be known before it is read.
    pub fn check_size(&self, bytes: u64) -> Result<(), Error> {
        check_size(&self.engine.limits, bytes)
    }

    /// Stores a state as the next version, or says why not. Answers when it is on disk.
    pub async fn write(
        &self,
        caller: &Caller,
        name: &StateName,
        write: Write,
    ) -> Result<Written, Error> {
        let denied = self.may_write(caller, name).err();
        if let Some(denied) = denied.as_ref().filter(|_| !self.keeps_denied(caller, name)) {
            return Err(denied.clone());
        }
        self.check_write(caller, name, write.bytes.len() as u64)?;
        // Under a lock nobody else's resources can be lost, and a write is trusted.
        let before = if write.lock_id.is_none() {
            self.before(name, write.bytes.len() as u64).await
        } else {
            None
        };
        let Write {
            bytes,
            reservation,
            content_md5,
            lock_id,
            force,
        } = write;
        let limits = &self.engine.limits;
        let unprepared = Unprepared {
            name: name.clone(),
            caller: caller.clone(),
            body: Arc::new(Body::new(bytes, content_md5)),
            reservation,
            before,
            lock_id,
            is_denied: denied.is_some(),
            force,
            unlocked_writes: limits.unlocked_writes,
            max_nesting: limits.max_nesting,
            min_free_space: limits.min_free_space,
        };
        let (reply, answer) = oneshot::channel();
        let (compaction, wanted) = (Arc::clone(&self.content.compaction), name.clone());
        let reply = Box::new(move |answer| {
            if let Ok(Ok(written)) = &answer
                && !matches!(written, Written::Unchanged(_))
            {
                compaction.remember(&wanted);
            }
            let _ = reply.send(answer);
        });
        self.preparing.begin(self.engine, unprepared, reply);
        let written = answer.await.map_err(|_| panicked())?;
        let written = match denied {
            None => written?.map_err(|why| why.into_error(name))?,
            Some(denied) => kept(written, denied)?,
        };
        self.engine
            .metrics
            .writes
            .with_label_values(&[written.outcome()])
            .inc();
        Ok(written)
    }

    /// The current version at an address, if there is one, to compare it with a write of some size.
    async fn before(&self, name: &StateName, size: u64) -> Option<Before> {
        let address_info = self.engine.store.address_info(name).await.ok()?;
        let (Lookup::State { id, .. }, Some(current)) =
            (&address_info.lookup, address_info.lookup.live())
        else {
            return None;
        };
        let both = current.size.saturating_add(size);
        let reservation = (both <= MAX_COMPARED)
            .then(|| self.engine.reserve_if_free(both * SIZE_TAKEN_APART))
            .flatten();
        let bytes = match reservation {
            Some(reservation) => self
                .content
                .bytes_of(name, *id, current, WhenFull::Fail)
                .await
                .ok()
                .map(|bytes| (bytes, reservation)),
            None => None,
        };
        Some(Before {
            sha256: current.sha256,
            bytes,
        })
    }
}

/// Refuses a state that is larger than the limit.
pub(in crate::domain) fn check_size(limits: &Limits, bytes: u64) -> Result<(), Error> {
    let limit = limits.max_state_size;
    if bytes <= limit {
        return Ok(());
    }
    let detail = format!(
        "the state is larger than {limit} bytes, the limit of this server (--max-state-size); \
            nothing was stored"
    );
    Err(Error::TooLarge {
        code: ErrorCode::StateTooLarge,
        detail,
    })
}

/// What became of a write by a caller who may not write. If nothing of it is kept, they are told no
/// more than that.
fn kept(
    written: Result<Result<Written, NotWritten>, Error>,
    denied: Error,
) -> Result<Written, Error> {
    match written {
        Ok(Ok(Written::Refused(_, number))) => Ok(Written::Denied(Box::new(denied), number)),
        Ok(_) | Err(Error::Invalid { .. } | Error::TooLarge { .. }) => Err(denied),
        Err(error) => Err(error),
    }
}
