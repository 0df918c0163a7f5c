//! An import as it is asked for.

use std::sync::Arc;

use crate::config::Limits;
use crate::domain::access::authorize;
use crate::domain::engine::budget::{Reservation, Reserved};
use crate::domain::error::Error;
use crate::domain::states::permit::check_size;
use crate::model::caller::Caller;
use crate::model::clock::Timestamp;
use crate::model::name::StateName;
use crate::model::permission::Permission;
use crate::model::version::Rejection;

/// The highest number that an imported version may have: no history is so long, and there is room
/// for more behind it.
pub const MAX_IMPORTED_NUMBER: u64 = 1 << 40;

/// What an imported version may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportOnto {
    /// Nothing: the address was never used.
    Nothing,
    /// The version of this number, the newest of the state. The same caller imported it, and
    /// imported the current one.
    Imported(u64),
    /// Anything that is there and does not live: the state arrives from a storage elsewhere,
    /// under the lineage that it has there.
    NothingLive,
    /// The current version, of any writer: of the same lineage, with a lower serial. A state
    /// that has left for a storage elsewhere comes back by that, also with the bytes with which it
    /// left.
    Current,
}

/// The proof that a caller may import to an address.
pub struct ImportPermit {
    pub(super) caller: Caller,
    pub(super) name: StateName,
    pub(super) limits: Arc<Limits>,
    /// Whether the state is deleted with the imported version as its last.
    pub(super) deleted: bool,
}

impl ImportPermit {
    /// The proof that a caller may import here, before a body is read.
    pub(super) fn of(
        caller: &Caller,
        name: &StateName,
        limits: &Arc<Limits>,
    ) -> Result<Self, Error> {
        authorize(caller, Permission::Save, name)?;
        Ok(Self {
            caller: caller.clone(),
            name: name.clone(),
            limits: Arc::clone(limits),
            deleted: false,
        })
    }

    /// The proof that the caller may also leave the state deleted.
    pub fn deleted(self) -> Result<Self, Error> {
        authorize(&self.caller, Permission::Delete, &self.name)?;
        Ok(Self {
            deleted: true,
            ..self
        })
    }

    /// Refuses a body of so many bytes, which may be known before it is read.
    pub fn check_size(&self, bytes: u64) -> Result<(), Error> {
        check_size(&self.limits, bytes)
    }
}

/// A version as it is to be imported.
pub struct ImportRequest {
    /// The proof that the caller may import.
    pub permit: ImportPermit,
    /// The exact bytes.
    pub bytes: Vec<u8>,
    /// The memory that they are in.
    pub reservation: Reservation,
    /// The client's `Content-MD5`.
    pub content_md5: Option<String>,
    /// The SHA-256 that they have to have, in lower-case hex.
    pub sha256: Option<String>,
    /// When it was written; counts only if the caller operates the server.
    pub created_at: Option<Timestamp>,
    /// How it joins the history.
    pub terms: ImportTerms,
}

/// How an imported version joins the history.
#[derive(Clone, Debug)]
pub struct ImportTerms {
    /// What it follows.
    pub onto: ImportOnto,
    /// The number that it had; the next one if none.
    pub number: Option<u64>,
    /// The highest serial that versions of its lineage had which do not come along: a rollback's
    /// serial lies above it too.
    pub removed_serial: Option<u64>,
    /// Why it was rejected, if it was: it does not become current.
    pub rejected: Option<Rejection>,
    /// Whether it is a snapshot of an apply that went on.
    pub intermediate: bool,
    /// The caller's own lock, if the state is locked.
    pub lock_id: Option<String>,
}

/// The bytes come with the memory that they are in.
impl Reserved for ImportRequest {}
