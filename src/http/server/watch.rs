//! Looks at all connections now and then. Closes those whose request is never complete, whose
//! reader takes nothing of an answer, and idle ones if there are few places left. It also notices
//! clients that close their connection while a request is under way, as killed clients, impatient
//! proxies and Ctrl-C do. The request ends then.
//!
//! The HTTP library has time-outs for the headers of a connection's first request and for
//! connections on which nothing at all comes. Between the two, a client that was answered once
//! could send half a request and hold its connection for ever. It waits for readers for ever, too.

use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::http::server::door::Door;

/// The time between two looks at clients that wait for an answer.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// After so many of these, connections that wait for their client are looked at.
const LOOKS: u32 = 4;

/// Closes connections that are quiet for so long, or on which nothing of an answer is read for so
/// long. Runs until it is dropped.
pub(super) async fn watch(door: Arc<Door>, quiet: Duration, pause: Duration) {
    let [quiet, pause] =
        [quiet, pause].map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    for look in (1..=LOOKS).cycle() {
        tokio::time::sleep(LOOK_EVERY).await;
        look_for_gone(&door);
        if look == LOOKS {
            let now = door.now();
            for connection in door.connections() {
                connection.hang_up_if_stuck(now, quiet, pause);
            }
            door.make_room();
        }
    }
}

fn look_for_gone(door: &Door) {
    let waiting = door.connections().into_iter();
    let waiting = waiting.filter(|connection| connection.is_waited_for());
    let waiting: Vec<_> = waiting
        .filter_map(|connection| Some((connection.socket()?, connection)))
        .collect();
    let mut sockets: Vec<PollFd<'_>> = waiting
        .iter()
        .map(|(socket, _)| PollFd::new(socket, PollFlags::RDHUP))
        .collect();
    // This does not wait. If the system cannot be asked, the next look notices who has gone.
    if sockets.is_empty() || poll(&mut sockets, Some(&Timespec::default())).unwrap_or(0) == 0 {
        return;
    }
    let gone = waiting
        .iter()
        .zip(&sockets)
        .filter(|(_, socket)| !socket.revents().is_empty());
    gone.for_each(|((_, connection), _)| connection.tell_gone());
}
