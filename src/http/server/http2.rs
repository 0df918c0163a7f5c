//! HTTP/2 on one connection, with the bounds that HTTP/1.1 has by itself: few requests at a time,
//! small heads, an end for clients that do nothing, take nothing, or begin requests only to give
//! them up. The library would set none of them.
//!
//! A request that its client gives up ends as one whose client went away. Requests are counted by
//! address as connections are (`super::trace`).

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use actix_http::{BoxedPayloadStream, Payload, Request, Response};
use actix_service::Service;
use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::ServiceResponse;
use actix_web::error::PayloadError;
use actix_web::http::header::{
    CONNECTION, CONTENT_LENGTH, DATE, HOST, HeaderName, HeaderValue, HttpDate, TRANSFER_ENCODING,
    UPGRADE,
};
use actix_web::{Error, HttpMessage as _};
use bytes::Bytes;
use futures_core::Stream;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::config::Limits;
use crate::http::server::connection::Connection;
use crate::http::server::io::Io;
use crate::model::clock;

/// How many requests may be under way on one connection.
const MAX_STREAMS: u32 = 32;
/// The largest head of a request in bytes, as HTTP/2 counts it.
const MAX_HEAD: u32 = 16 * 1024;
/// How much of a body, and of all bodies on a connection, a client may send before it is read.
const WINDOW: u32 = 256 * 1024;
const WINDOW_OF_ALL: u32 = 512 * 1024;
/// How much of an answer waits for the network, in bytes.
const MAX_UNSENT: usize = 64 * 1024;
/// The largest piece of an answer, in bytes.
const PIECE: usize = 16 * 1024;
/// So many requests more than it lets be answered a client may give up.
const MAX_GIVEN_UP: u32 = 64;
/// How long a connection without requests still lives once it is to end, and a request whose body
/// is not wanted once it is answered.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Headers that belong to one connection of HTTP/1.1.
const OF_HTTP_1: [HeaderName; 5] = [
    CONNECTION,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// What became of a request.
enum Done {
    Answered,
    GivenUp,
}

/// Answers the requests of one connection until it ends. `leaving` resolves when the server leaves.
pub(super) async fn serve<S, A, B>(
    io: Io<S>,
    app: Rc<A>,
    leaving: impl Future<Output = ()>,
    limits: &Limits,
) where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
    A: Service<Request, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    let connection = Arc::clone(io.connection());
    let handshake = settings().handshake::<_, Bytes>(io);
    let Ok(Ok(mut http)) = timeout(limits.header_timeout, handshake).await else {
        return;
    };
    let mut leaving = pin!(leaving);
    let mut requests = JoinSet::new();
    let mut ends = Ends::after(limits.idle_timeout);
    loop {
        tokio::select! {
            accepted = http.accept() => {
                let Some(Ok((request, sender))) = accepted else { return };
                let app = Rc::clone(&app);
                let (connection, pause) = (Arc::clone(&connection), limits.body_timeout);
                requests.spawn_local(answer(app, request, sender, connection, pause));
            }
            Some(done) = requests.join_next() => {
                ends.note(&done.unwrap_or(Done::Answered));
                if ends.given_up > MAX_GIVEN_UP {
                    http.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
                    requests.abort_all();
                    ends.now();
                }
            }
            () = &mut leaving, if !ends.is_near => {
                http.graceful_shutdown();
                ends.now();
            }
            () = sleep_until(ends.at), if requests.is_empty() => {
                if ends.is_near {
                    return;
                }
                http.graceful_shutdown();
                ends.now();
            }
        }
    }
}

fn settings() -> h2::server::Builder {
    let mut settings = h2::server::Builder::new();
    settings
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD)
        .initial_window_size(WINDOW)
        .initial_connection_window_size(WINDOW_OF_ALL)
        .max_send_buffer_size(MAX_UNSENT);
    settings
}

/// When a connection ends that does nothing, and how many requests its client has given up.
struct Ends {
    idle: Duration,
    at: Instant,
    is_near: bool,
    given_up: u32,
}

impl Ends {
    fn after(idle: Duration) -> Self {
        Self {
            idle,
            at: later(idle),
            is_near: false,
            given_up: 0,
        }
    }

    /// A request is over.
    fn note(&mut self, done: &Done) {
        self.given_up = match done {
            Done::Answered => self.given_up.saturating_sub(1),
            Done::GivenUp => self.given_up + 1,
        };
        self.at = later(if self.is_near { LAST_WORDS } else { self.idle });
    }

    /// It is to end as soon as nothing is under way.
    fn now(&mut self) {
        self.is_near = true;
        self.at = later(LAST_WORDS);
    }
}

fn later(time: Duration) -> Instant {
    Instant::from_std(clock::monotonic() + time)
}

/// Answers one request, unless its client gives it up.
async fn answer<A, B>(
    app: Rc<A>,
    request: http_types::Request<RecvStream>,
    mut sender: SendResponse<Bytes>,
    connection: Arc<Connection>,
    pause: Duration,
) -> Done
where
    A: Service<Request, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    let is_head = request.method() == http_types::Method::HEAD;
    let ended = Rc::new(Cell::new(request.body().is_end_stream()));
    let mut work = Box::pin(app.call(request_of(request, &connection, &ended)));
    let answer = poll_fn(|context| {
        if sender.poll_reset(context).is_ready() {
            return Poll::Ready(None);
        }
        work.as_mut().poll(context).map(Some)
    });
    let answer = answer.await;
    // A body that was not read to its end is not wanted any more.
    drop(work);
    let sent = match answer {
        None => None,
        Some(Ok(response)) => send(response.into(), sender, is_head, pause).await,
        Some(Err(error)) => send(error.error_response().into(), sender, is_head, pause).await,
    };
    let Some(mut stream) = sent else {
        return Done::GivenUp;
    };
    if !ended.get() {
        // The stream ends with a reset, behind which some clients would not read the answer.
        let gone = poll_fn(|context| stream.poll_reset(context));
        let _ = timeout(LAST_WORDS, gone).await;
    }
    Done::Answered
}

/// A request as the application takes it.
fn request_of(
    request: http_types::Request<RecvStream>,
    connection: &Arc<Connection>,
    ended: &Rc<Cell<bool>>,
) -> Request {
    let (parts, body) = request.into_parts();
    let mut request = Request::new();
    if !body.is_end_stream() {
        let payload: BoxedPayloadStream = Box::pin(Body(body, Rc::clone(ended)));
        *request.payload() = Payload::Stream { payload };
    }
    let head = request.head_mut();
    let host = parts
        .uri
        .authority()
        .map(|host| HeaderValue::from_str(host.as_str()));
    head.uri = parts.uri;
    head.method = parts.method;
    head.version = parts.version;
    head.headers = parts.headers.into();
    if let Some(Ok(host)) = host {
        head.headers.insert(HOST, host);
    }
    connection.goes_with(&mut request.extensions_mut());
    request
}

/// A request's body, and whether it was read to its end. What was read makes room for more of it.
struct Body(RecvStream, Rc<Cell<bool>>);

impl Stream for Body {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> Poll<Option<Self::Item>> {
        let piece = std::task::ready!(self.0.poll_data(context));
        self.1.set(piece.is_none());
        let piece = piece.map(|piece| {
            let piece = piece.map_err(PayloadError::Http2Payload)?;
            let freed = self.0.flow_control().release_capacity(piece.len());
            freed.map_err(PayloadError::Http2Payload)?;
            Ok(piece)
        });
        Poll::Ready(piece)
    }
}

/// Sends an answer; none if its client has given it up, or takes nothing of it for so long.
async fn send<B: MessageBody>(
    response: Response<B>,
    mut sender: SendResponse<Bytes>,
    is_head: bool,
    pause: Duration,
) -> Option<SendStream<Bytes>> {
    let (response, body) = response.into_parts();
    let size = body.size();
    let is_whole = is_head || size.is_eof();
    let stream = sender.send_response(head_of(&response, size), is_whole);
    let mut stream = stream.ok()?;
    if is_whole {
        return Some(stream);
    }
    let mut body = pin!(body);
    while let Some(piece) = poll_fn(|context| body.as_mut().poll_next(context)).await {
        let Ok(mut piece) = piece else {
            stream.send_reset(Reason::INTERNAL_ERROR);
            return Some(stream);
        };
        while !piece.is_empty() {
            let Ok(room) = timeout(pause, room(&mut stream, piece.len())).await else {
                stream.send_reset(Reason::CANCEL);
                return None;
            };
            let next = piece.split_to(room?.min(piece.len()));
            stream.send_data(next, false).ok()?;
        }
    }
    stream.send_data(Bytes::new(), true).ok()?;
    Some(stream)
}

/// How many bytes may be sent now; none if the client has given the answer up.
async fn room(stream: &mut SendStream<Bytes>, wanted: usize) -> Option<usize> {
    stream.reserve_capacity(wanted.min(PIECE));
    loop {
        match poll_fn(|context| stream.poll_capacity(context)).await {
            Some(Ok(0)) => {}
            Some(Ok(room)) => return Some(room),
            Some(Err(_)) | None => return None,
        }
    }
}

/// The head of an answer.
fn head_of(response: &Response<()>, size: BodySize) -> http_types::Response<()> {
    let mut head = http_types::Response::new(());
    *head.status_mut() = response.status();
    let headers = head.headers_mut();
    let kept = response.headers().iter();
    for (name, value) in kept.filter(|(name, _)| !OF_HTTP_1.contains(name)) {
        headers.append(name, value.clone());
    }
    if let BodySize::Sized(length) = size {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    let now = HttpDate::from(clock::now().system_time()).to_string();
    if let Ok(now) = HeaderValue::try_from(now) {
        headers.entry(DATE).or_insert(now);
    }
    head
}
