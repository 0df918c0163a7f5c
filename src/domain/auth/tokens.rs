//! Tokens in their transactions: made, and extended.

use std::time::Duration;

use crate::domain::access::Acted;
use crate::domain::error::Error;
use crate::model::caller::LiveCaller;
use crate::model::clock::Timestamp;
use crate::model::digest::Digest;
use crate::model::event::{EventKind, NewEvent};
use crate::model::key::Token;
use crate::store::{StoreError, Tx};

/// For how long from its making a token may extend itself.
pub const MAX_RENEWAL: Duration = Duration::from_hours(12);
/// How many live tokens a key may have.
pub const MAX_TOKENS: u64 = 10_000;
/// How many ended tokens are removed whenever one is made.
const TOKENS_PER_SWEEP: u32 = 100;

/// Keeps a token, and says when it ends: with the secret that made it, at the latest.
pub(super) fn make_token(
    tx: &Tx<'_>,
    by: LiveCaller<'_>,
    sha256: Digest,
    token: &Token,
    now: Timestamp,
) -> Acted<Timestamp> {
    tx.remove_ended_tokens(now, TOKENS_PER_SWEEP)?;
    let live = tx.live_tokens(token.key, now)?;
    if live >= MAX_TOKENS {
        return Ok(Err(Error::TooManyTokens(live)));
    }
    let secret_ends = tx
        .key(token.key)?
        .and_then(|found| found.key.secret_ends(token.generation_of(&found.key)));
    let token = &Token {
        expires_at: secret_ends.map_or(token.expires_at, |end| end.min(token.expires_at)),
        ..token.clone()
    };
    tx.make_token(sha256, token)?;
    let event = NewEvent::new(EventKind::Login, by, tx.now()).within(&token.grant.scope);
    tx.record(&event.detail(serde_json::json!({
        "permissions": token.grant.permissions.names(&token.grant.scope),
        "expires_at": token.expires_at,
        "renewable": token.renewable,
    })))?;
    Ok(Ok(token.expires_at))
}

/// Why a token that is not there, or not good any more, is not extended.
const NO_TOKEN: &str = "there is no such live token of this key";

/// How a token is to be extended.
pub(super) struct Extension {
    /// Whether the token itself asks for it.
    pub(super) by_itself: bool,
    pub(super) now: Timestamp,
    pub(super) lifetime: Duration,
}

/// The inner error is why the token may not be extended.
pub(super) fn extend_token(
    tx: &Tx<'_>,
    by: LiveCaller<'_>,
    sha256: Digest,
    extension: &Extension,
) -> Result<Result<Timestamp, &'static str>, StoreError> {
    let Extension {
        by_itself,
        now,
        lifetime,
    } = *extension;
    let found = tx
        .token(sha256)?
        .filter(|token| Some(token.key) == by.key() && token.expires_at > now);
    let Some(token) = found else {
        return Ok(Err(NO_TOKEN));
    };
    if by_itself && !token.renewable {
        return Ok(Err(
            "this token is not renewable; extend it with the key's own credentials",
        ));
    }
    let Some(key) = tx.key(token.key)?.map(|found| found.key) else {
        return Ok(Err(NO_TOKEN));
    };
    if token.check(&key, now).is_err() {
        return Ok(Err(NO_TOKEN));
    }
    let secret_ends = key.secret_ends(token.generation_of(&key));
    let limit = by_itself.then(|| token.created_at + MAX_RENEWAL);
    let until = [key.expires_at, secret_ends, limit]
        .into_iter()
        .flatten()
        .fold(now + lifetime, Timestamp::min);
    if until <= now {
        return Ok(Err(
            "this token has extended itself for as long as it may; get a new one",
        ));
    }
    // Asking for less than is left takes nothing away.
    let until = until.max(token.expires_at);
    tx.extend_token(sha256, until)?;
    tx.record(
        &NewEvent::new(EventKind::TokenExtend, by, tx.now())
            .within(&token.grant.scope)
            .detail(serde_json::json!({ "until": until })),
    )?;
    Ok(Ok(until))
}
