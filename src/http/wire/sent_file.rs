//! A file on its way to a client, of which a few pieces are in memory. A thread that may wait for
//! the disk reads it, and stops when the client goes away.

use std::fs::File;
use std::io::{self, Read as _};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{Receiver, channel};

use crate::http::wire::pace::PeerPace;

/// How much is read at a time.
const PIECE: usize = 256 * 1024;
/// How many pieces wait for the client.
const AHEAD: usize = 4;

/// A file under way.
pub(in crate::http) struct SentFile {
    pieces: Receiver<io::Result<Bytes>>,
    size: u64,
    sent: u64,
    pace: PeerPace,
    // Others wait until it is sent.
    _turn: OwnedSemaphorePermit,
}

impl SentFile {
    /// Sends a file of this size from where it stands, to a client that may pause for so long.
    pub(in crate::http) fn new(
        mut file: File,
        size: u64,
        pause: Duration,
        turn: OwnedSemaphorePermit,
    ) -> Self {
        let (sender, pieces) = channel(AHEAD);
        let read = move || {
            let mut has_failed = false;
            // The first piece that cannot be read, or that nobody takes, is the last one.
            while !has_failed && let Some(piece) = next_piece(&mut file).transpose() {
                has_failed = piece.is_err();
                has_failed |= sender.blocking_send(piece).is_err();
            }
        };
        drop(tokio::task::spawn_blocking(read));
        Self {
            pieces,
            size,
            sent: 0,
            pace: PeerPace::of_a_file(pause),
            _turn: turn,
        }
    }
}

/// The next piece of a file; none at its end.
fn next_piece(file: &mut File) -> io::Result<Option<Bytes>> {
    let mut piece = vec![0; PIECE];
    let length = loop {
        match file.read(&mut piece) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => break read?,
        }
    };
    piece.truncate(length);
    Ok((length > 0).then(|| Bytes::from(piece)))
}

impl MessageBody for SentFile {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.size)
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, io::Error>>> {
        if self.sent == self.size {
            return Poll::Ready(None);
        }
        if self.pace.time_left(self.sent).is_zero() {
            let slow = io::Error::new(io::ErrorKind::TimedOut, "the client reads too slowly");
            return Poll::Ready(Some(Err(slow)));
        }
        let piece = match self.pieces.poll_recv(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(None) => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
            Poll::Ready(Some(piece)) => piece,
        };
        if let Ok(piece) = &piece {
            self.sent += piece.len() as u64;
        }
        Poll::Ready(Some(piece))
    }
}
