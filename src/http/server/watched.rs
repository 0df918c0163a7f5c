//! Bodies that say how far they are: an answer that keeps its connection busy until it is sent, and
//! a request's body of which it is known whether it was wanted, and whether it was read.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::web::Bytes;
use futures_core::Stream;

use crate::http::server::connection::{Busy, Connection};
use crate::http::wire::per_network::Counted;

/// An answer that keeps its connection busy until it is sent.
pub(in crate::http) struct Watched {
    body: BoxBody,
    busy: Option<Busy>,
    _place: Option<Counted>,
}

impl Watched {
    /// Keeps the connection busy, and the client's place taken, until it is sent.
    pub(in crate::http) fn new(
        body: impl MessageBody + 'static,
        busy: Option<Busy>,
        place: Option<Counted>,
    ) -> Self {
        Self {
            body: body.boxed(),
            busy,
            _place: place,
        }
    }
}

impl MessageBody for Watched {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if let Some(busy) = &self.busy {
            busy.sends();
        }
        Pin::new(&mut self.body).poll_next(context)
    }
}

/// A request's body.
struct Arriving {
    payload: Payload,
    connection: Arc<Connection>,
    is_read: bool,
}

/// The body of a request, and none where there is none.
pub(super) fn arriving(payload: Payload, connection: &Arc<Connection>) -> Payload {
    if matches!(payload, Payload::None) {
        return payload;
    }
    Payload::Stream {
        payload: Box::pin(Arriving {
            payload,
            connection: Arc::clone(connection),
            is_read: false,
        }),
    }
}

impl Stream for Arriving {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.connection.wants_body();
        let piece = Pin::new(&mut self.payload).poll_next(context);
        self.is_read |= matches!(piece, Poll::Ready(None));
        piece
    }
}

impl Drop for Arriving {
    /// What has come already is passed over. If that is not all, the connection cannot be used
    /// again.
    fn drop(&mut self) {
        let mut context = Context::from_waker(Waker::noop());
        while !self.is_read {
            match Pin::new(&mut self.payload).poll_next(&mut context) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(None) => self.is_read = true,
                Poll::Ready(Some(Err(_))) | Poll::Pending => {
                    self.connection.leave_body();
                    return;
                }
            }
        }
    }
}
