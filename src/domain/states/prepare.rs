//! The way of a write to the writer: prepared off the request threads, several at a time where
//! several wait, and by the fewest threads where one is alone.
//!
//! Each write has its own answer, whoever it was prepared with. There are never more here than
//! connections, and the memory of each is reserved for it.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::domain::content::encode::Body;
use crate::domain::content::md5_lanes::{LANES, md5_of_each};
use crate::domain::engine::Engine;
use crate::domain::error::Error;
use crate::domain::states::compared::Before;
use crate::domain::states::job::{WriteJob, WriteRequest, Written};
use crate::store::{Queue, StoreError, Touches, Tx};

/// The most bytes, those that a write is compared with among them, that an idle writer looks at
/// itself: whoever comes meanwhile waits some 0.5 ms longer.
const MAX_PREPARED_BY_WRITER: usize = 128 * 1024;
/// Larger bodies are hashed alone, so that those beside them need not wait.
const MAX_SIDE_BY_SIDE: usize = 1024 * 1024;

/// Where the answer to a write goes, whether or not anybody still waits for it.
type Reply = Box<dyn FnOnce(Result<Result<Written, Error>, StoreError>) + Send>;

/// A write before it is prepared.
pub(super) struct Unprepared {
    pub(super) request: WriteRequest,
    pub(super) body: Arc<Body>,
    pub(super) before: Option<Before>,
}

impl Unprepared {
    /// The addresses that its job touches.
    fn touches(&self) -> Touches {
        Touches::Address(self.request.permit.name.clone())
    }

    /// How many bytes are to be written.
    fn size(&self) -> usize {
        self.body.bytes().len()
    }

    /// How many bytes have to be looked at for it: its own, and those of the version that it is
    /// compared with.
    fn work(&self) -> usize {
        self.size()
            .saturating_add(self.before.as_ref().map_or(0, Before::size))
    }

    /// The bytes whose MD5 is to be compared; none if the client sent none.
    fn to_compare(&self) -> Option<&[u8]> {
        self.body.has_md5().then(|| self.body.bytes())
    }

    fn prepare(self, md5: Option<[u8; 16]>) -> Result<WriteJob, Error> {
        WriteJob::prepare(self.request, &self.body, self.before, md5)
    }
}

/// Writes that wait for a core.
#[derive(Default)]
pub(in crate::domain) struct PrepareQueue {
    waiting: Mutex<VecDeque<Waiting>>,
}

struct Waiting {
    write: Unprepared,
    queue: Queue,
    reply: Reply,
}

impl PrepareQueue {
    /// Prepares a write and hands it to the writer, whose answer goes straight to `reply`.
    pub(super) fn begin(self: &Arc<Self>, engine: &Engine, write: Unprepared, reply: Reply) {
        let queue = engine.store.queue();
        if write.work() <= MAX_PREPARED_BY_WRITER && queue.is_idle() {
            // The writer prepares it: one thread less to wait for, which takes a lone write longest
            // beside the disk. Another thread hashes it meanwhile, or the writer does, should
            // nobody have begun with that once it needs the digest. The threads that have a core
            // each would look for more to do for a while, which costs more than a lone write's
            // digest.
            let body = Arc::downgrade(&write.body);
            let (touches, size) = (write.touches(), write.size());
            queue.write(touches, size, prepared_by_writer(write), reply);
            drop(tokio::task::spawn_blocking(move || {
                body.upgrade().map(|body| body.sha256(None))
            }));
            return;
        }
        self.waiting.lock().push_back(Waiting {
            write,
            queue,
            reply,
        });
        let preparing = Arc::clone(self);
        engine.begin_on_a_core(move || preparing.go_on());
    }

    /// Prepares the write that has waited longest, and what is hashed beside it. Called once for
    /// each write that waits.
    fn go_on(&self) {
        let taken = self.take();
        let bodies: Vec<&[u8]> = taken
            .iter()
            .filter_map(|waiting| waiting.write.to_compare())
            .collect();
        if bodies.len() < 2 {
            return taken.into_iter().for_each(|waiting| waiting.prepare(None));
        }
        let md5s = md5_of_each(&bodies);
        // The rest of each is for whichever core comes first.
        for (waiting, md5) in taken.into_iter().zip(md5s) {
            rayon::spawn_fifo(move || waiting.prepare(Some(md5)));
        }
    }

    fn take(&self) -> Vec<Waiting> {
        let mut waiting = self.waiting.lock();
        let Some(first) = waiting.pop_front() else {
            return Vec::new();
        };
        let (mut taken, size) = (Vec::with_capacity(LANES), first.write.size());
        let may_share = first.write.to_compare().is_some() && size <= MAX_SIDE_BY_SIDE;
        taken.push(first);
        while may_share
            && taken.len() < LANES
            && let Some(next) = waiting.pop_front_if(|next| {
                next.write.to_compare().is_some() && are_alike(size, next.write.size())
            })
        {
            taken.push(next);
        }
        taken
    }
}

/// Whether two bodies are of about the same size: the smaller one is then not held up for long.
fn are_alike(one: usize, other: usize) -> bool {
    one.max(other) <= 2 * one.min(other)
}

impl Waiting {
    fn prepare(self, md5: Option<[u8; 16]>) {
        let Self {
            write,
            queue,
            reply,
        } = self;
        let touches = write.touches();
        match write.prepare(md5) {
            Ok(job) => queue.write(touches, job.size(), move |tx| job.run(tx), reply),
            Err(error) => reply(Ok(Err(error))),
        }
    }
}

/// A job that prepares its write when it runs for the first time.
fn prepared_by_writer(
    write: Unprepared,
) -> impl FnMut(&Tx<'_>) -> Result<Result<Written, Error>, StoreError> {
    let (mut unprepared, mut prepared) = (Some(write), None);
    move |tx| {
        if let Some(write) = unprepared.take() {
            prepared = Some(write.prepare(None));
        }
        match &prepared {
            Some(Ok(job)) => WriteJob::run(job, tx),
            Some(Err(error)) => Ok(Err(error.clone())),
            None => Err(StoreError::Panicked),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MIB;
    use crate::domain::access::Acting;
    use crate::domain::engine::budget::Budget;
    use crate::domain::engine::leased_bytes::LeasedBytes;
    use crate::domain::states::permit::WritePermit;
    use crate::model::digest::Digest;
    use crate::model::name::StateName;

    #[test]
    fn what_a_write_is_compared_with_counts_as_work() {
        let budget = Budget::new(100 * MIB);
        let reserved = |bytes| budget.for_copy(bytes).unwrap();
        let permit = || WritePermit {
            name: StateName::parse("w", "b").unwrap(),
            limits: Arc::default(),
            denied: None,
            acting: Acting::for_tests(),
        };
        let write = |before: Option<Before>| Unprepared {
            body: Arc::new(Body::new(vec![b' '; 100], None)),
            request: WriteRequest {
                permit: permit(),
                reservation: reserved(100),
                content_md5: None,
                lock_id: None,
                force: false,
            },
            before,
        };
        let before = |bytes| {
            Some(Before {
                sha256: Digest::of(b""),
                bytes,
            })
        };
        let large = LeasedBytes::new(vec![b' '; 26_000_000], reserved(26_000_000));
        assert_eq!(write(None).work(), 100);
        assert_eq!(
            write(before(None)).work(),
            100,
            "only the numbers of resources are compared"
        );
        assert_eq!(write(before(Some((large, reserved(1))))).work(), 26_000_100);
    }
}
