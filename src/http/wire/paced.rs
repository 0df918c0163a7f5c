//! The bytes of a state on their way to a client: shared with all who read the same, sent in
//! pieces, and not for longer than a reader may take.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;

use crate::domain::engine::leased_bytes::LeasedBytes;
use crate::domain::engine::shares::ShareHold;
use crate::http::wire::pace::PeerPace;

/// How much is handed over at a time: all of most states, and never so much that a connection holds
/// a copy of a large one.
const PIECE: usize = 64 * 1024;

/// An answer under way. Its memory is reserved until the last piece is with the system, and in its
/// reader's share for as long.
pub(in crate::http) struct PacedBytes {
    rest: Bytes,
    sent: u64,
    pace: PeerPace,
    _hold: Option<ShareHold>,
}

struct Shared(Arc<LeasedBytes>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self.0.as_ref().as_ref()
    }
}

impl PacedBytes {
    /// An answer whose reader may pause for so long, and holds it.
    pub(in crate::http) fn new(
        bytes: Arc<LeasedBytes>,
        hold: Option<ShareHold>,
        pause: Duration,
    ) -> Self {
        let rest = Bytes::from_owner(Shared(bytes));
        Self {
            sent: 0,
            pace: PeerPace::of_size(pause, rest.len() as u64),
            rest,
            _hold: hold,
        }
    }

    /// A text that is part of the program, and so takes no memory that would be reserved.
    pub(in crate::http) fn of_program(text: Bytes, pause: Duration) -> Self {
        Self {
            sent: 0,
            pace: PeerPace::of_size(pause, text.len() as u64),
            rest: text,
            _hold: None,
        }
    }
}

impl MessageBody for PacedBytes {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.rest.len() as u64)
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, io::Error>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        if self.pace.time_left(self.sent).is_zero() {
            return Poll::Ready(Some(Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the client reads too slowly",
            ))));
        }
        let length = self.rest.len().min(PIECE);
        self.sent += length as u64;
        Poll::Ready(Some(Ok(self.rest.split_to(length))))
    }
}
