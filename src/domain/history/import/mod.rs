//! Versions that come from elsewhere: appended one by one in their order, each with its bytes as
//! they were, and each on disk before it is answered.
//!
//! What is there is never overwritten. An import begins where nothing ever was, and goes on behind
//! what the same caller imported; to a state that lives already it adds only along one lineage,
//! with rising serials, and so does one that has left for a storage elsewhere come back. Nobody
//! else is named as the writer: whoever imports is. "It is there already" is said only where it is
//! there as this import would leave it: what was refused is not.

pub mod job;
pub mod request;
pub mod rules;

use std::sync::Arc;

use crate::domain::access::{authorize, authorize_everywhere};
use crate::domain::error::Error;
use crate::domain::history::History;
use crate::domain::history::import::job::ImportJob;
use crate::domain::history::import::request::{ImportRequest, MAX_IMPORTED_NUMBER};
use crate::domain::states::write::check_size;
use crate::model::caller::Caller;
use crate::model::error_code::ErrorCode;
use crate::model::name::StateName;
use crate::model::permission::Permission;
use crate::model::version::Version;
use crate::store::{StoreError, Touches, Tx};

impl History<'_> {
    /// Says whether a caller may import here at all, before a body is read.
    pub fn may_import(
        &self,
        caller: &Caller,
        name: &StateName,
        deleted: bool,
    ) -> Result<(), Error> {
        authorize(caller, Permission::Save, name)?;
        if deleted {
            authorize(caller, Permission::Delete, name)
        } else {
            Ok(())
        }
    }

    /// Imports one version, or says why not. Answers when it is on disk. The same one sent again is
    /// answered in the same way and not stored twice.
    pub async fn import(
        &self,
        caller: &Caller,
        name: &StateName,
        request: ImportRequest,
    ) -> Result<Version, Error> {
        self.may_import(caller, name, request.terms.deleted)?;
        check_size(&self.engine.limits, request.bytes.len() as u64)?;
        check_number(request.terms.number)?;
        // Only the operator can say when a version was written.
        let keeps_times = authorize_everywhere(caller, Permission::Operate).is_ok();
        let written = request.created_at.filter(|_| keeps_times);
        let limits = &self.engine.limits;
        let (max_nesting, min_free_space) = (limits.max_nesting, limits.min_free_space);
        let (who, wanted) = (caller.clone(), name.clone());
        let prepare = move |request| ImportJob::prepare(request, wanted, who, written, max_nesting);
        let job = self.engine.on_a_core(request, prepare).await??;
        let (compaction, wanted) = (Arc::clone(&self.content.compaction), name.clone());
        let remember = move |outcome: &Result<Result<Version, Error>, StoreError>| {
            if matches!(outcome, Ok(Ok(_))) {
                compaction.remember(&wanted);
            }
        };
        let (size, run) = (job.size(), move |tx: &Tx<'_>| job.run(tx, min_free_space));
        let version = self
            .engine
            .store
            .write_then(Touches::Address(name.clone()), size, run, remember)
            .await??;
        self.engine
            .metrics
            .writes
            .with_label_values(&["imported"])
            .inc();
        Ok(version)
    }
}

fn check_number(number: Option<u64>) -> Result<(), Error> {
    if number.is_some_and(|number| number == 0 || number > MAX_IMPORTED_NUMBER) {
        let detail = format!("number is from 1 to {MAX_IMPORTED_NUMBER}");
        return Err(Error::invalid(ErrorCode::BadQuery, detail));
    }
    Ok(())
}
