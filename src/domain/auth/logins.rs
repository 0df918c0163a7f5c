//! Credentials: from what a request carries to the caller that it comes from, and tokens made from
//! keys.

use std::time::Duration;

use crate::domain::auth::credentials::{FailureKey, SecretChecks, random};
use crate::domain::auth::tokens::{Extension, extend_token, make_token};
use crate::domain::engine::Engine;
use crate::domain::error::{Error, Unproven};
use crate::domain::events::Events;
use crate::model::actor::{Actor, Origin};
use crate::model::caller::{Caller, Proof};
use crate::model::digest::Digest;
use crate::model::error_code::ErrorCode;
use crate::model::event::{EventKind, NewEvent};
use crate::model::key::{KeyId, KeyStatus, KeyWithHashes, Token};
use crate::model::permission::{Grant, PermissionSet, Scope};
use crate::model::secret::{CredentialKind, Secret};
use crate::store::{Touches, Tx};

const NO_CREDENTIALS: &str =
    "this needs credentials: a key's secret or a token, as Bearer or as the password of Basic";
const NOT_OURS: &str = "these credentials are no key or token of statekeep, or were mistyped: keys \
    begin with skp_, tokens with skt_";
const BAD: &str = "these credentials are not good, or not any more: the key or token is unknown, \
    ended, or was given another secret";

/// Credentials and tokens.
pub struct Logins<'a> {
    engine: &'a Engine,
    credentials: &'a SecretChecks,
    events: Events<'a>,
}

impl<'a> Logins<'a> {
    pub(in crate::domain) const fn new(
        engine: &'a Engine,
        credentials: &'a SecretChecks,
        events: Events<'a>,
    ) -> Self {
        Self {
            engine,
            credentials,
            events,
        }
    }
}

/// What a token is asked for with; what is left out is as the key has it.
#[derive(Clone, Debug, Default)]
pub struct WantedToken {
    /// For one workspace only.
    pub workspace: Option<String>,
    /// For one building block only.
    pub block: Option<String>,
    /// With these permissions only.
    pub permissions: Option<Vec<String>>,
    /// For so many seconds.
    pub expires_in: Option<u64>,
    /// Whether it may extend itself.
    pub renewable: bool,
}

/// A token that was made or extended.
pub struct Issued {
    /// The token; none when it was extended.
    pub token: Option<Secret>,
    /// For how long it lives.
    pub expires_in: Duration,
    /// What it may do, where it was made.
    pub permissions: Option<Vec<&'static str>>,
}

impl Logins<'_> {
    /// Who a request comes from, by the credentials that it carries.
    pub async fn authenticate(
        &self,
        secret: Option<&Secret>,
        origin: Origin,
    ) -> Result<Caller, Error> {
        let secret = secret.ok_or(Error::Unauthorized(Unproven {
            told: NO_CREDENTIALS,
            reason: "missing",
            key: None,
        }))?;
        let here = FailureKey::Address(origin.address.clone());
        match secret.kind() {
            Some(CredentialKind::Key(id)) => self.by_key(secret, id, origin).await,
            Some(CredentialKind::Token(sha256)) => match self.by_token(sha256, &origin).await? {
                Ok(caller) => Ok(caller),
                Err((reason, key)) => Err(self.refuse(
                    &[here],
                    Unproven {
                        told: BAD,
                        reason,
                        key,
                    },
                    &origin,
                )),
            },
            None => Err(self.refuse(
                &[here],
                Unproven {
                    told: NOT_OURS,
                    reason: "malformed",
                    key: None,
                },
                &origin,
            )),
        }
    }

    async fn by_key(&self, secret: &Secret, id: KeyId, origin: Origin) -> Result<Caller, Error> {
        let now = self.engine.time_for_ends();
        let here = FailureKey::Address(origin.address.clone());
        let found = self.engine.store.key(id).await?;
        let Some(KeyWithHashes {
            key,
            hash,
            old_hash,
        }) = found.as_ref()
        else {
            return Err(self.refuse(
                &[here],
                Unproven {
                    told: BAD,
                    reason: "unknown",
                    key: None,
                },
                &origin,
            ));
        };
        let failing_keys = [here, FailureKey::Key(id.to_string())];
        let old_hash = old_hash
            .as_ref()
            .filter(|_| key.old_secret_until.is_some_and(|until| until > now));
        let hashes: Vec<&str> = std::iter::once(hash)
            .chain(old_hash)
            .map(String::as_str)
            .collect();
        // A key that has ended costs no argon2.
        let is_good = key.standing(now) == KeyStatus::Active
            && self
                .credentials
                .check(secret, &hashes, &failing_keys)
                .await?;
        if !is_good {
            let reason = why_not(key.standing(now));
            return Err(self.refuse(
                &failing_keys,
                Unproven {
                    told: BAD,
                    reason,
                    key: Some(key.actor()),
                },
                &origin,
            ));
        }
        self.events.count_use(id);
        Ok(Caller {
            actor: key.actor(),
            proof: Proof::Key(id),
            grant: key.grant.clone(),
            ends: key.expires_at,
            origin,
        })
    }

    /// The inner error is why a token is not good any more, and whose it is.
    async fn by_token(
        &self,
        sha256: Digest,
        origin: &Origin,
    ) -> Result<Result<Caller, (&'static str, Option<Actor>)>, Error> {
        let now = self.engine.time_for_ends();
        let found = self.engine.store.token(sha256).await?;
        let Some((token, KeyWithHashes { key, .. })) = found.as_ref() else {
            return Ok(Err((why_not(KeyStatus::Active), None)));
        };
        let standing = key.standing(now);
        if standing != KeyStatus::Active || token.expires_at <= now {
            let reason = why_not(if standing == KeyStatus::Active {
                KeyStatus::Expired
            } else {
                standing
            });
            return Ok(Err((reason, Some(key.actor()))));
        }
        self.events.count_use(key.id);
        let (actor, grant, origin) = (key.actor(), token.grant.clone(), origin.clone());
        Ok(Ok(Caller {
            actor,
            proof: Proof::Token(key.id),
            grant,
            ends: Some(token.expires_at),
            origin,
        }))
    }

    /// Counts and notes a refusal, and says what the caller is told.
    fn refuse(&self, failing_keys: &[FailureKey], why: Unproven, origin: &Origin) -> Error {
        let too_many = self.credentials.refuse_too_many(failing_keys);
        self.credentials.record_failure(failing_keys);
        self.events
            .count_bad_credentials(why.key.as_ref(), origin, why.reason);
        too_many.err().unwrap_or(Error::Unauthorized(why))
    }

    /// Makes a token from a key's id and secret, with all that the key has or less.
    pub async fn login(
        &self,
        client_id: &str,
        secret: &Secret,
        wanted: WantedToken,
        origin: Origin,
    ) -> Result<Issued, Error> {
        let named = client_id.parse::<KeyId>().ok();
        let of_key = match secret.kind() {
            Some(CredentialKind::Key(id)) => Some(id),
            Some(CredentialKind::Token(_)) | None => None,
        };
        if named.is_none() || named != of_key {
            let reason = if of_key.is_some() {
                "unknown"
            } else {
                "malformed"
            };
            return Err(self.refuse(
                &[FailureKey::Address(origin.address.clone())],
                Unproven {
                    told: BAD,
                    reason,
                    key: None,
                },
                &origin,
            ));
        }
        let caller = self.authenticate(Some(secret), origin).await?;
        let now = self.engine.time_for_ends();
        let token = Secret::for_token(random());
        let lifetime = self.lifetime(wanted.expires_in)?;
        let expires_at = caller
            .ends
            .map_or(now + lifetime, |end| end.min(now + lifetime));
        let grant = narrowed(&caller, &wanted)?;
        let key = caller.key().ok_or_else(unknown)?;
        let permissions = grant.permissions.names(&grant.scope);
        let kept = Token {
            key,
            grant,
            created_at: now,
            expires_at,
            renewable: wanted.renewable,
        };
        let digest = token.digest();
        let made = self
            .engine
            .store
            .write(Touches::NoState, 0, move |tx| {
                make_token(tx, &caller, digest, &kept, now)
            })
            .await?;
        made.map_err(Error::TooManyTokens)?;
        Ok(Issued {
            token: Some(token),
            expires_in: expires_at.since(now),
            permissions: Some(permissions),
        })
    }

    fn lifetime(&self, wanted: Option<u64>) -> Result<Duration, Error> {
        let longest = self.engine.limits.token_lifetime;
        let wanted = wanted.map_or(longest, Duration::from_secs);
        if wanted.is_zero() || wanted > longest {
            let detail = format!(
                "expires_in has to be from 1 to {} seconds",
                longest.as_secs()
            );
            return Err(Error::invalid(ErrorCode::BadRequest, detail));
        }
        Ok(wanted)
    }

    /// Lets a token live on: any of its key's with the key's own credentials, or itself when it is
    /// renewable.
    pub async fn extend(
        &self,
        caller: &Caller,
        presented: Option<&Secret>,
        token: Option<&Secret>,
        expires_in: Option<u64>,
    ) -> Result<Issued, Error> {
        let lifetime = self.lifetime(expires_in)?;
        let (sha256, by_itself) = own_token(caller, presented, token)?;
        let now = self.engine.time_for_ends();
        let who = caller.clone();
        let extension = Extension {
            by_itself,
            now,
            lifetime,
        };
        let extend = move |tx: &Tx<'_>| extend_token(tx, &who, sha256, &extension);
        let until = self
            .engine
            .store
            .write(Touches::NoState, 0, extend)
            .await?
            .map_err(|why| Error::Denied(why.to_owned()))?;
        Ok(Issued {
            token: None,
            expires_in: until.since(now),
            permissions: None,
        })
    }

    /// Ends a token: the one that was presented, or with the key's own credentials another one of
    /// the key.
    pub async fn end(
        &self,
        caller: &Caller,
        presented: Option<&Secret>,
        token: Option<&Secret>,
    ) -> Result<(), Error> {
        let (sha256, _) = own_token(caller, presented, token)?;
        let who = caller.clone();
        let end = move |tx: &Tx<'_>| {
            let Some(found) = tx.token(sha256)? else {
                return Ok(Ok(()));
            };
            if Some(found.key) != who.key() {
                return Ok(Err(Error::Denied(
                    "this token belongs to another key".to_owned(),
                )));
            }
            tx.end_token(sha256)?;
            tx.record(
                &NewEvent::new(EventKind::TokenEnd, &who, tx.now()).within(&found.grant.scope),
            )?;
            Ok(Ok(()))
        };
        self.engine.store.write(Touches::NoState, 0, end).await?
    }
}

fn unknown() -> Error {
    Error::Unauthorized(Unproven {
        told: BAD,
        reason: "unknown",
        key: None,
    })
}

/// Why a credential is refused whose key stands like this. Of a key that is active, the secret or
/// token is another one than those that it has.
const fn why_not(standing: KeyStatus) -> &'static str {
    match standing {
        KeyStatus::Active => "unknown",
        KeyStatus::Expired => "expired",
        KeyStatus::Revoked => "revoked",
    }
}

/// The token that is meant, and whether it speaks for itself.
fn own_token(
    caller: &Caller,
    presented: Option<&Secret>,
    token: Option<&Secret>,
) -> Result<(Digest, bool), Error> {
    match (caller.proof, token) {
        (Proof::Token(_), None) => presented
            .map(|token| (token.digest(), true))
            .ok_or_else(unknown),
        (Proof::Token(_), Some(token)) if Some(token.digest()) == presented.map(Secret::digest) => {
            Ok((token.digest(), true))
        }
        (Proof::Token(_), Some(_)) => Err(Error::Denied(
            "a token can only extend or end itself; use the key's own credentials".to_owned(),
        )),
        (Proof::Key(_), Some(token)) => Ok((token.digest(), false)),
        (Proof::Key(_), None) => Err(Error::invalid(
            ErrorCode::BadBody,
            "say which token with {\"token\": \"skt_…\"}",
        )),
        (Proof::Operator, _) => Err(Error::Denied(
            "the operator has no tokens; use the key's own credentials".to_owned(),
        )),
    }
}

/// What a token gets that was asked for with less.
fn narrowed(caller: &Caller, wanted: &WantedToken) -> Result<Grant, Error> {
    let bad =
        |error: &dyn std::fmt::Display| Error::invalid(ErrorCode::BadRequest, error.to_string());
    let has = &caller.grant;
    let scope = match (&wanted.workspace, &wanted.block) {
        (None, None) => has.scope.clone(),
        (None, Some(block)) => {
            let workspace = has.scope.workspace().ok_or_else(|| {
                Error::invalid(
                    ErrorCode::BadRequest,
                    "buildingBlock needs a workspace beside it",
                )
            })?;
            Scope::from_parts(Some(workspace), Some(block)).map_err(|error| bad(&error))?
        }
        (Some(workspace), block) => {
            Scope::from_parts(Some(workspace), block.as_deref()).map_err(|error| bad(&error))?
        }
    };
    let permissions = match &wanted.permissions {
        Some(names) => PermissionSet::parse(names.iter().map(String::as_str), &scope)
            .map_err(|error| bad(&error))?,
        None if scope == Scope::All => has.permissions,
        None => has.permissions.without_admin_only(),
    };
    let grant = Grant { scope, permissions };
    if grant.permissions.is_empty() {
        return Err(Error::Denied(
            "nothing of what the key may do is left for such a token".to_owned(),
        ));
    }
    if !has.covers(&grant) {
        return Err(Error::Denied(format!(
            "a token cannot do more than its key, which is for {}",
            has.scope
        )));
    }
    Ok(grant)
}
