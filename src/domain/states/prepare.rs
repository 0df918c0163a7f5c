//! The way of a write to the writer: checked, hashed and compressed off the request threads, by a
//! thread that has a core to itself.
//!
//! There are never more writes here than connections, and the memory of each is reserved for it.

use crate::domain::engine::Engine;
use crate::domain::engine::places::TakenPlace;
use crate::domain::error::Error;
use crate::domain::states::compared::Before;
use crate::domain::states::job::{WriteJob, WriteRequest, Written};
use crate::store::{StoreError, Touches, Tx};

/// Where the answer to a write goes, whether or not anybody still waits for it.
type Reply = Box<dyn FnOnce(Result<Result<Written, Error>, StoreError>) + Send>;

/// A write before it is prepared.
pub(super) struct Unprepared {
    pub(super) request: WriteRequest,
    pub(super) bytes: Vec<u8>,
    pub(super) before: Option<Before>,
    /// Its place among those of its key.
    pub(super) place: TakenPlace,
}

/// Prepares a write and hands it to the writer, whose answer goes straight to `reply`.
pub(super) fn begin(engine: &Engine, write: Unprepared, reply: Reply) {
    let key = write.request.permit.acting.caller().key();
    let queue = engine.store.queue().of(key);
    let before = write.before.as_ref().map_or(0, Before::size);
    let bytes = before.saturating_add(write.bytes.len() as u64);
    engine.begin_on_a_core(bytes, move || {
        let touches = Touches::Address(write.request.permit.name.clone());
        let place = write.place;
        match WriteJob::prepare(write.request, write.bytes, write.before) {
            Ok(job) => {
                let size = job.size();
                let run = move |tx: &Tx<'_>| {
                    // It is taken until the write is answered.
                    let _place = &place;
                    job.run(tx)
                };
                queue.write(touches, size, run, reply);
            }
            Err(error) => reply(Ok(Err(error))),
        }
    });
}
