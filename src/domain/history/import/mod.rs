//! Versions that come from elsewhere: appended one by one in their order, each with its bytes as
//! they were, and each on disk before it is answered.
//!
//! What is there is never overwritten. An import begins where nothing ever was, and goes on behind
//! what the same caller imported; to a state that lives already it adds only along one lineage,
//! with rising serials, and so does one that has left for a storage elsewhere come back. The
//! caller is named as the writer, and nobody else. "It is there already" is said only where it is
//! there as this import would leave it: what was refused is not.

pub mod job;
pub mod request;
pub mod rules;

use crate::domain::access::authorize_everywhere;
use crate::domain::error::Error;
use crate::domain::history::History;
use crate::domain::history::import::job::ImportJob;
use crate::domain::history::import::request::{ImportPermit, ImportRequest, MAX_IMPORTED_NUMBER};
use crate::domain::states::append::append;
use crate::model::caller::{Caller, LiveCaller};
use crate::model::error_code::ErrorCode;
use crate::model::name::StateName;
use crate::model::permission::Permission;
use crate::model::version::Version;
use crate::store::{Touches, Tx};

impl History<'_> {
    /// Permits a caller to import to an address, before a body is read.
    pub fn may_import(&self, caller: &Caller, name: &StateName) -> Result<ImportPermit, Error> {
        ImportPermit::of(caller, name, &self.engine.limits)
    }

    /// Imports one version, or says why not. Answers when it is on disk. The same one sent again is
    /// answered in the same way and not stored twice.
    pub async fn import(&self, mut request: ImportRequest) -> Result<Version, Error> {
        let size = request.bytes.len() as u64;
        request.permit.check_size(size)?;
        let reservation = &mut request.reservation;
        self.engine.reserve_to_compress(reservation, size).await?;
        check_number(request.terms.number)?;
        // Only the operator can say when a version was written.
        let keeps_times = authorize_everywhere(&request.permit.caller, Permission::Operate).is_ok();
        let written = request.created_at.filter(|_| keeps_times);
        let (caller, name) = (request.permit.caller.clone(), request.permit.name.clone());
        let prepare = move |request| ImportJob::prepare(request, written);
        let job = self.engine.on_a_core(size, request, prepare).await??;
        let touched = (Touches::Address(name.clone()), job.size());
        let run = move |tx: &Tx<'_>, by: LiveCaller<'_>| job.run(tx, by);
        let version = append(self.content, &caller, &name, touched, run).await?;
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
