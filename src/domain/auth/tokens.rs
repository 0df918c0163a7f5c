//! Tokens in their transactions: made, and extended.

use std::time::Duration;

use serde_json::Value;

use crate::domain::access::Acted;
use crate::domain::auth::id_tokens::fault::IdTokenFault;
use crate::domain::error::{Error, Unproven};
use crate::model::actor::Actor;
use crate::model::caller::LiveCaller;
use crate::model::clock::Timestamp;
use crate::model::digest::Digest;
use crate::model::event::{EventKind, NewEvent};
use crate::model::key::KeyId;
use crate::model::permission::Grant;
use crate::model::token::{CredentialOwner, OwnerId, Token};
use crate::store::{StoreError, Tx};

/// For how long from its making a token may extend itself.
pub const MAX_RENEWAL: Duration = Duration::from_hours(12);
/// How many live tokens a key may have.
pub const MAX_TOKENS: u64 = 10_000;
/// How many ended tokens are removed whenever one is made.
const TOKENS_PER_SWEEP: u32 = 100;

/// A token that is to be made.
pub(super) struct NewToken {
    /// What it is found by.
    pub(super) sha256: Digest,
    pub(super) token: Token,
    /// What it is made from, if that is an ID token.
    pub(super) exchanged: Option<Exchanged>,
}

/// An ID token that is exchanged.
pub(super) struct Exchanged {
    /// The trust and the claims that let it in.
    pub(super) let_in: LetIn,
    /// What it is remembered by, and when it ends, if it is taken once.
    pub(super) spends: Option<(Digest, Timestamp)>,
}

/// The trust and the claims that let an ID token in.
#[derive(Clone)]
pub(super) struct LetIn {
    pub(super) trust: Actor,
    pub(super) claims: Value,
}

/// Keeps a token, and says when it ends: with the secret that made it, at the latest.
pub(super) fn make_token(
    tx: &Tx<'_>,
    by: LiveCaller<'_>,
    new: &NewToken,
    now: Timestamp,
) -> Acted<Timestamp> {
    let token = &new.token;
    tx.remove_ended_tokens(now, TOKENS_PER_SWEEP)?;
    let live = tx.live_tokens(token.owner, now)?;
    if live >= MAX_TOKENS {
        return Ok(Err(Error::TooManyTokens(live)));
    }
    if let Some(spent) = new.exchanged.as_ref().and_then(|from| from.spends)
        && let Err(refused) = spend(tx, token.owner.id(), spent, now)?
    {
        return Ok(Err(refused));
    }
    let secret_ends = match token.owner {
        OwnerId::Key(id) => tx
            .key(id)?
            .and_then(|found| found.key.secret_ends(token.generation_of(&found.key))),
        OwnerId::Trust(_) => None,
    };
    let token = &Token {
        expires_at: secret_ends.map_or(token.expires_at, |end| end.min(token.expires_at)),
        ..token.clone()
    };
    tx.make_token(new.sha256, token)?;
    let let_in = new.exchanged.as_ref().map(|from| &from.let_in);
    let mut detail = login_detail(&token.grant, token.expires_at, let_in);
    detail["renewable"] = token.renewable.into();
    let event = NewEvent::new(EventKind::Login, by, tx.now()).within(&token.grant.scope);
    tx.record(&event.detail(detail))?;
    Ok(Ok(token.expires_at))
}

/// What the event of a login says.
pub(super) fn login_detail(grant: &Grant, ends: Timestamp, let_in: Option<&LetIn>) -> Value {
    let mut detail = serde_json::json!({
        "permissions": grant.permissions.names(&grant.scope),
        "expires_at": ends,
    });
    if let Some(let_in) = let_in {
        detail["trust"] = serde_json::json!(let_in.trust);
        detail["claims"] = let_in.claims.clone();
    }
    detail
}

/// Remembers that an ID token was exchanged, or refuses it because it was before.
fn spend(tx: &Tx<'_>, trust: KeyId, (jti, ends): (Digest, Timestamp), now: Timestamp) -> Acted<()> {
    tx.forget_ended_id_tokens(now, TOKENS_PER_SWEEP)?;
    if tx.is_spent(jti)? {
        let why = Unproven::id_token(IdTokenFault::Spent.words(), None);
        return Ok(Err(Error::Unauthorized(why)));
    }
    let remembered = tx.spent_under(trust, now)?;
    if remembered >= MAX_TOKENS {
        return Ok(Err(Error::TooManyTokens(remembered)));
    }
    tx.spend_id_token(jti, trust, ends)?;
    Ok(Ok(()))
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
        .filter(|token| Some(token.owner) == by.owner() && token.expires_at > now);
    let Some(token) = found else {
        return Ok(Err(NO_TOKEN));
    };
    if by_itself && !token.renewable {
        return Ok(Err(
            "this token is not renewable; extend it with the key's own credentials, or with a \
                fresh ID token",
        ));
    }
    let owner = tx.credential_owner(token.owner)?;
    let shown = by.origin.certificate.as_deref();
    if token.check(owner.as_ref(), shown, now).is_err() {
        return Ok(Err(NO_TOKEN));
    }
    let limit = by_itself.then(|| token.created_at + MAX_RENEWAL);
    let (ends, secret_ends) = match owner.as_ref().and_then(CredentialOwner::key) {
        Some(key) => (key.expires_at, key.secret_ends(token.generation_of(key))),
        // Only an ID token of the same trust that may do as much, which has its own end.
        None if by.grant.covers(&token.grant) => (by.ends, None),
        None => return Ok(Err("this ID token may do less than the token")),
    };
    let until = [ends, secret_ends, limit]
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
