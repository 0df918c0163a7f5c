//! Writing a state as its next version.

use tokio::sync::oneshot;

use crate::config::MIB;
use crate::domain::content::read::SIZE_TAKEN_APART;
use crate::domain::engine::budget::WhenFull;
use crate::domain::engine::cores::panicked;
use crate::domain::error::Error;
use crate::domain::states::States;
use crate::domain::states::append::compact_after;
use crate::domain::states::compared::Before;
use crate::domain::states::job::{WriteRequest, Written};
use crate::domain::states::permit::WritePermit;
use crate::domain::states::prepare::{self, Unprepared};
use crate::model::caller::Caller;
use crate::model::name::StateName;
use crate::model::state::Lookup;

/// Larger states are not compared by their resources' addresses, only by their number.
const MAX_COMPARED: u64 = 32 * MIB;

impl States<'_> {
    /// Permits a caller to send a state, before its body is read.
    pub fn may_write(&self, caller: &Caller, name: &StateName) -> Result<WritePermit, Error> {
        WritePermit::of(self.engine, caller, name)
    }

    /// Stores a state as the next version, or says why not. Answers when it is on disk.
    pub async fn write(&self, mut request: WriteRequest, bytes: Vec<u8>) -> Result<Written, Error> {
        let size = bytes.len() as u64;
        request.permit.check_size(size)?;
        let reservation = &mut request.reservation;
        self.engine.reserve_to_compress(reservation, size).await?;
        let place = self.engine.place_in_queue(request.permit.acting.caller())?;
        // Under a lock no other writer's resources can be lost, and a write is trusted.
        let before = if request.lock_id.is_none() {
            self.before(&request.permit.name, size).await
        } else {
            None
        };
        let (reply, answer) = oneshot::channel();
        let compact = compact_after(self.content, &request.permit.name);
        let reply = Box::new(move |written| {
            if !matches!(written, Ok(Ok(Written::Unchanged(_)))) {
                compact(&written);
            }
            let _ = reply.send(written);
        });
        let write = Unprepared {
            request,
            bytes,
            before,
            place,
        };
        prepare::begin(self.engine, write, reply);
        let written = answer.await.map_err(|_| panicked())??;
        self.engine.note_quota(&written);
        let written = written?;
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
