//! Reading bodies: never more than the limit, never more than the memory that is granted, never
//! slower than a client may be.

use std::time::Duration;

use actix_web::error::PayloadError;
use actix_web::web::Payload;
use actix_web::{HttpMessage as _, HttpRequest};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::domain::Domain;
use crate::domain::engine::Engine;
use crate::domain::engine::budget::{Reservation, SMALL};
use crate::domain::engine::shares::Holder;
use crate::domain::error::Error;
use crate::http::wire::credentials::{KnownAs, look_again};
use crate::http::wire::error::ApiError;
use crate::http::wire::headers::announced_length;
use crate::http::wire::pace::PeerPace;
use crate::http::wire::path;
use crate::model::clock;
use crate::model::error_code::ErrorCode;
use crate::model::nul;
use crate::sabotage::{self, Fault};

/// The largest body of a call that takes a small JSON object.
const MAX_SMALL_BODY: u64 = 64 * 1024;
/// In a body with more members, the wrong one is not looked for.
const MAX_MEMBERS: usize = 32;
/// The longest name of a member that a refusal repeats.
const MAX_NAME: usize = 32;
/// The largest lock that is taken. Real ones have some 300 bytes.
pub(in crate::http) const MAX_LOCK: u64 = 4 * 1024;
/// The largest lock that is released: an earlier version of the server took such ones.
pub(in crate::http) const MAX_OLD_LOCK: u64 = 64 * 1024;

/// A body in memory that is reserved for it.
pub(in crate::http) struct ReceivedBody {
    pub(in crate::http) bytes: Vec<u8>,
    /// Comes back when this is dropped.
    pub(in crate::http) reservation: Reservation,
}

/// Reads a body. `check` refuses a size. If the client announces one, the check and the budget are
/// asked before anything is read. Memory is reserved as the body arrives: an announcement holds
/// none.
pub(in crate::http) async fn read(
    request: &HttpRequest,
    payload: &mut Payload,
    domain: &Domain,
    check: impl Fn(u64) -> Result<(), Error>,
) -> Result<ReceivedBody, ApiError> {
    let announced = announced_length(request);
    check(announced)?;
    let (engine, holder) = (domain.engine(), holder(request));
    engine.check_body(&holder, announced)?;
    let mut body = ComingBody::default();
    let mut pace = PeerPace::of_size(engine.limits().body_timeout, announced);
    while let Some(chunk) = next(payload, pace.time_left(body.bytes.len() as u64)).await? {
        let size = body.bytes.len() + chunk.len();
        check(size as u64)?;
        if size > body.bytes.capacity() {
            let full = clock::monotonic();
            let made = body.make_room(size, announced, (engine, &holder)).await;
            made.map_err(ApiError::AmidBody)?;
            pace.excuse(full.elapsed());
        }
        body.bytes.extend_from_slice(&chunk);
    }
    // A body may take long to come.
    look_again(request, domain).await?;
    let reservation = match body.reservation {
        Some(reservation) => reservation,
        None => engine.reserve_for_body(&holder, 0).await?,
    };
    let bytes = body.bytes;
    Ok(ReceivedBody { bytes, reservation })
}

/// Whose share the memory of a request is in: that of its key, and of the workspace in its path.
pub(in crate::http) fn holder(request: &HttpRequest) -> Holder {
    let workspace = Some(path::part(request, "workspace")).filter(|name| !name.is_empty());
    let known = request.extensions();
    let of = |known: &KnownAs| Holder::of(&known.0, workspace);
    known.get::<KnownAs>().map(of).unwrap_or_default()
}

/// How much a body that has grown to `size` bytes is given, if there is so much: twice of that, and
/// no more than is announced.
fn step(size: usize, announced: u64) -> usize {
    if sabotage::is(Fault::Announced) {
        return usize::try_from(announced).unwrap_or(size).max(size);
    }
    let mut doubled = size.saturating_mul(2);
    if size as u64 <= SMALL {
        // One that is small so far takes none of the memory of large ones.
        doubled = doubled.min(usize::try_from(SMALL).unwrap_or(size));
    }
    match usize::try_from(announced) {
        Ok(announced) if announced >= size => doubled.min(announced),
        _ => doubled,
    }
}

/// A body under way, in memory that was reserved before it came.
#[derive(Default)]
struct ComingBody {
    bytes: Vec<u8>,
    reservation: Option<Reservation>,
}

impl ComingBody {
    /// Makes room for this size, and for some more if that is free.
    async fn make_room(
        &mut self,
        size: usize,
        announced: u64,
        (engine, holder): (&Engine, &Holder),
    ) -> Result<(), Error> {
        let step = step(size, announced);
        let of_step = match &mut self.reservation {
            Some(reserved) => engine.reserve_more_if_free(reserved, holder, step as u64),
            None => engine
                .reserve_if_free_for_body(holder, step as u64)
                .map(|reserved| {
                    self.reservation = Some(reserved);
                }),
        };
        let room = if of_step.is_some() {
            step
        } else if let Some(reserved) = &mut self.reservation {
            engine.reserve_more(reserved, holder, size as u64).await?;
            size
        } else {
            self.reservation = Some(engine.reserve_for_body(holder, size as u64).await?);
            size
        };
        self.bytes.reserve_exact(room - self.bytes.len());
        Ok(())
    }
}

/// The next piece of a body, if it comes in time.
pub(in crate::http) async fn next(
    payload: &mut Payload,
    time_left: Duration,
) -> Result<Option<actix_web::web::Bytes>, ApiError> {
    let chunk = std::future::poll_fn(|context| {
        futures_core::Stream::poll_next(std::pin::Pin::new(&mut *payload), context)
    });
    match tokio::time::timeout(time_left, chunk).await {
        Err(_) => Err(ApiError::SlowBody),
        Ok(None) => Ok(None),
        Ok(Some(Ok(chunk))) => Ok(Some(chunk)),
        Ok(Some(Err(error))) => Err(cut_short(&error)),
    }
}

fn cut_short(error: &PayloadError) -> ApiError {
    ApiError::invalid(
        ErrorCode::BadBody,
        format!(
            "the body was cut short or is not well-formed ({error}); nothing was done, send it \
            again"
        ),
    )
}

/// Refuses a body that is larger than `limit`.
pub(in crate::http) fn at_most(limit: u64, code: ErrorCode) -> impl Fn(u64) -> Result<(), Error> {
    move |size| {
        if size <= limit {
            return Ok(());
        }
        Err(Error::TooLarge {
            code,
            detail: format!("the body is larger than {limit} bytes, the most that is taken here"),
        })
    }
}

/// The client's checksum of what it sends.
pub(in crate::http) fn content_md5(request: &HttpRequest) -> Option<String> {
    request
        .headers()
        .get("content-md5")
        .map(|value| value.to_str().unwrap_or("not text").to_owned())
}

/// Reads a small body.
pub(in crate::http) async fn small(
    request: &HttpRequest,
    payload: &mut Payload,
    domain: &Domain,
) -> Result<Vec<u8>, ApiError> {
    Ok(read(
        request,
        payload,
        domain,
        at_most(MAX_SMALL_BODY, ErrorCode::BodyTooLarge),
    )
    .await?
    .bytes)
}

/// Reads a small JSON object.
pub(in crate::http) async fn json<T: DeserializeOwned>(
    request: &HttpRequest,
    payload: &mut Payload,
    domain: &Domain,
) -> Result<T, ApiError> {
    parse(&small(request, payload, domain).await?)
}

/// Reads a small JSON object that may be left out.
pub(in crate::http) async fn maybe_json<T: DeserializeOwned + Default>(
    request: &HttpRequest,
    payload: &mut Payload,
    domain: &Domain,
) -> Result<T, ApiError> {
    let bytes = small(request, payload, domain).await?;
    if bytes.is_empty() {
        Ok(T::default())
    } else {
        parse(&bytes)
    }
}

/// Parses JSON without repeating any of it in the error: it may hold a secret.
pub(in crate::http) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    // The parser takes a list for an object.
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        return Err(ApiError::invalid(
            ErrorCode::BadBody,
            "the body is a list, where this call takes a JSON object; docs/api.md says which",
        ));
    }
    if nul::is_in_json(bytes) {
        return Err(ApiError::invalid(
            ErrorCode::BadBody,
            "a text in the body has a NUL character (`\\u0000`), which no text can have here",
        ));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        let somewhere = || {
            let (line, column) = (error.line(), error.column());
            format!(
                "the body is not the JSON that this call takes (line {line}, column {column}); \
                docs/api.md says what it takes"
            )
        };
        ApiError::invalid(
            ErrorCode::BadBody,
            wrong_member::<T>(bytes, &error.to_string()).unwrap_or_else(somewhere),
        )
    })
}

/// Which member of an object is wrong, and how. Values are never repeated, since they may hold
/// secrets. A name is repeated if the call knows it, or if it is short and plain.
fn wrong_member<T: DeserializeOwned>(bytes: &[u8], error: &str) -> Option<String> {
    if let Some(detail) = missing_or_unknown(error) {
        return Some(detail);
    }
    let members: Map<String, Value> = serde_json::from_slice(bytes).ok()?;
    if members.len() > MAX_MEMBERS {
        return None;
    }
    // The member without which the body would be right, or lack just it.
    let (name, _) = members.iter().find(|(name, _)| {
        let mut others = members.clone();
        others.remove(*name);
        match T::deserialize(Value::Object(others)) {
            Ok(_) => true,
            Err(error) => error
                .to_string()
                .starts_with(&format!("missing field `{name}`")),
        }
    })?;
    let name = Some(name).filter(|name| is_plain(name))?;
    Some(
        match error
            .rsplit_once(", expected ")
            .map(|(_, expected)| expected.split(" at line ").next().unwrap_or_default())
        {
            Some("u64" | "u32") => {
                format!("the member `{name}` has to be a whole number, 0 or more")
            }
            Some("a boolean") => format!("the member `{name}` has to be true or false"),
            Some("a string") => format!("the member `{name}` has to be a text"),
            Some("a sequence") => format!("the member `{name}` has to be a list"),
            _ => format!(
                "the member `{name}` has a value that this call does not take; see docs/api.md"
            ),
        },
    )
}

/// The parser's message about a member that is missing, there twice, or unknown.
pub(in crate::http) fn missing_or_unknown(error: &str) -> Option<String> {
    let named = |before: &str| {
        error
            .split_once(before)?
            .1
            .split_once('`')
            .map(|(name, rest)| (name.to_owned(), rest.to_owned()))
    };
    if let Some((name, _)) = named("missing field `") {
        return Some(format!(
            "the member `{name}` is missing; docs/api.md lists the members of this call"
        ));
    }
    if let Some((name, _)) = named("duplicate field `") {
        return Some(format!("the member `{name}` is there twice"));
    }
    let (name, rest) = named("unknown field `")?;
    let known: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
    let takes = if known.is_empty() {
        String::new()
    } else {
        format!("; it takes {}", known.join(", "))
    };
    Some(if is_plain(&name) {
        format!("this call takes no member `{name}`{takes}")
    } else {
        format!("a member is not one of this call{takes}")
    })
}

/// Whether a name can be repeated: a word, and nothing like a secret.
fn is_plain(name: &str) -> bool {
    let is_word = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_word
        && (1..=MAX_NAME).contains(&name.len())
        && !name.starts_with("skp_")
        && !name.starts_with("skt_")
}
