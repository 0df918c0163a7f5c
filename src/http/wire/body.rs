//! Reading bodies: never more than the limit, never more than the memory that is granted, never
//! slower than a client may be.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::error::PayloadError;
use actix_web::web::Payload;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::domain::Domain;
use crate::domain::engine::budget::{Reservation, SMALL};
use crate::domain::error::Error;
use crate::http::wire::credentials::look_again;
use crate::http::wire::error::ApiError;
use crate::http::wire::headers::announced_length;
use crate::http::wire::origin::is_at_the_machine;
use crate::http::wire::pace::PeerPace;
use crate::model::error_code::ErrorCode;
use crate::model::nul;

/// The largest body of a call that takes a small JSON object.
const MAX_SMALL_BODY: u64 = 64 * 1024;
/// In a body with more members, the wrong one is not looked for.
const MAX_MEMBERS: usize = 32;
/// The longest name of a member that a refusal repeats.
const MAX_NAME: usize = 32;
/// The largest lock.
pub(in crate::http) const MAX_LOCK: u64 = 64 * 1024;

/// A body in memory that is reserved for it.
pub(in crate::http) struct ReceivedBody {
    pub(in crate::http) bytes: Vec<u8>,
    /// Comes back when this is dropped.
    pub(in crate::http) reservation: Reservation,
}

/// Reads a body. `check` refuses a size. If the client announces one, the check is asked before
/// anything is read, and for a large one the budget. Memory for a small one is lent as it comes, so
/// that an announcement takes nothing from others.
pub(in crate::http) async fn read(
    request: &HttpRequest,
    payload: &mut Payload,
    domain: &Domain,
    check: impl Fn(u64) -> Result<(), Error>,
) -> Result<ReceivedBody, ApiError> {
    let announced = announced_length(request);
    check(announced)?;
    let large = Some(announced).filter(|size| *size > SMALL).unwrap_or(0);
    let reservation = if large == 0 && is_at_the_machine(request) {
        domain.engine().reserve_for_the_operator()?
    } else {
        domain.engine().reserve_for_body(large)?
    };
    let mut body = ReceivedBody {
        bytes: Vec::with_capacity(usize::try_from(large).unwrap_or(0)),
        reservation,
    };
    let pace = PeerPace::begin(domain.engine().limits().body_timeout);
    while let Some(chunk) = next(payload, pace.time_left(body.bytes.len() as u64)).await? {
        check((body.bytes.len() + chunk.len()) as u64)?;
        body.take(&chunk, domain)?;
    }
    // A body may take long to come.
    look_again(request, domain).await?;
    Ok(body)
}

impl ReceivedBody {
    /// Takes the next piece. A body whose size was not announced grows in steps, each into memory
    /// that was reserved before.
    fn take(&mut self, chunk: &[u8], domain: &Domain) -> Result<(), Error> {
        let (size, capacity) = (self.bytes.len() + chunk.len(), self.bytes.capacity());
        if size > capacity {
            let mut step = size.max(capacity.saturating_mul(2));
            if size as u64 <= SMALL {
                // One that is small so far takes none of the memory of large ones.
                step = step.min(usize::try_from(SMALL).unwrap_or(size));
            }
            let room = match domain
                .engine()
                .reserve_more(&mut self.reservation, step as u64)
            {
                Ok(()) => step,
                Err(_) => domain
                    .engine()
                    .reserve_more(&mut self.reservation, size as u64)
                    .map(|()| size)?,
            };
            self.bytes.reserve_exact(room - self.bytes.len());
        }
        self.bytes.extend_from_slice(chunk);
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
