//! Credentials: from what a request carries to the caller that it comes from, and tokens made from
//! keys.

use std::time::Duration;

use crate::domain::access::{Acted, act, act_adding, lapsed};
use crate::domain::auth::credentials::{FailureKey, KnownSecret, SecretChecks, random};
use crate::domain::auth::tokens::{Exchanged, Extension, NewToken, extend_token, make_token};
use crate::domain::engine::Engine;
use crate::domain::error::{Error, Unproven};
use crate::domain::events::Events;
use crate::model::actor::{Actor, Origin};
use crate::model::caller::{Caller, LiveCaller, Proof};
use crate::model::clock::Timestamp;
use crate::model::digest::Digest;
use crate::model::error_code::ErrorCode;
use crate::model::event::{EventKind, NewEvent};
use crate::model::key::{KeyId, KeyWithHashes, Lapse, SOON};
use crate::model::permission::{Grant, PermissionSet, Scope};
use crate::model::secret::{CredentialKind, Secret};
use crate::model::token::{CredentialOwner, Token};
use crate::store::{Touches, Tx};

const NO_CREDENTIALS: &str =
    "this needs credentials: a key's secret or a token, as Bearer or as the password of Basic";
const NOT_OURS: &str = "these credentials are no key or token of statekeep, or were mistyped: keys \
    begin with skp_, tokens with skt_";

/// Credentials and tokens.
pub struct Logins<'a> {
    pub(super) engine: &'a Engine,
    pub(super) credentials: &'a SecretChecks,
    pub(super) events: Events<'a>,
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
    /// When the key that it was made from ends, if that is soon.
    pub key_ends: Option<Timestamp>,
    /// The trust that it was made under, if it was made from an ID token.
    pub trust: Option<Actor>,
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
        match secret.kind() {
            Some(CredentialKind::Key(id)) => self.by_key(secret, id, origin).await,
            Some(CredentialKind::Token(sha256)) => self.by_token(sha256, origin).await,
            None if secret.is_like_id_token() => self.by_id_token(secret, origin).await,
            None => {
                let why = Unproven {
                    told: NOT_OURS,
                    reason: "malformed",
                    key: None,
                };
                Err(self.refuse(&FailureKey::at(&origin), why, &origin))
            }
        }
    }

    async fn by_key(&self, secret: &Secret, id: KeyId, origin: Origin) -> Result<Caller, Error> {
        let now = self.engine.time_for_ends();
        let failing = FailureKey::at(&origin);
        let found = self.engine.store.key(id).await?;
        let Some(found) = found.as_ref() else {
            let why = Unproven::bad(Lapse::Unknown.as_str(), None);
            return Err(self.refuse(&failing, why, &origin));
        };
        let (key, failing) = (&found.key, failing.and_key(id));
        let secrets = secrets_of(found, now);
        let known = match &secrets {
            Ok(secrets) => self.credentials.check(secret, secrets, &failing).await?,
            Err(_) => None,
        };
        let Some(known) = known else {
            let lapse = secrets.err().unwrap_or(Lapse::Unknown);
            let why = Unproven::bad(lapse.as_str(), Some(key.actor()));
            return Err(self.refuse(&failing, why, &origin));
        };
        if known.check.fingerprint.is_none() {
            self.note_fingerprint(id, &known.check.hash, secret).await;
        }
        if !key.client_sans.admits(origin.certificate.as_deref(), now) {
            let why = Unproven::bad(Lapse::Certificate.as_str(), Some(key.actor()));
            return Err(self.refuse(&failing, why, &origin));
        }
        self.events.count_use(id);
        Ok(Caller {
            actor: key.actor(),
            proof: Proof::Key(id, known.generation),
            grant: key.grant.clone(),
            ends: key.expires_at,
            client_sans: key.client_sans.clone(),
            origin,
        })
    }

    /// Notes by what a wrong secret of this key is known from now on. If that cannot be written,
    /// the next request tries again.
    async fn note_fingerprint(&self, id: KeyId, hash: &str, secret: &Secret) {
        let (hash, fingerprint) = (hash.to_owned(), secret.fingerprint());
        let note = move |tx: &Tx<'_>| tx.note_fingerprint(id, &hash, fingerprint);
        if let Err(error) = self.engine.store.write(Touches::NoState, 0, note).await {
            tracing::debug!(%error, "a key's fingerprint is noted at its next use");
        }
    }

    async fn by_token(&self, sha256: Digest, origin: Origin) -> Result<Caller, Error> {
        let now = self.engine.time_for_ends();
        let found = self.engine.store.token(sha256).await?;
        let shown = origin.certificate.as_deref();
        let checked = match found.as_ref() {
            None => Err((Lapse::Unknown, None)),
            Some((token, owner)) => {
                let actor = owner.as_ref().map(CredentialOwner::actor);
                match (token.check(owner.as_ref(), shown, now), actor) {
                    (Ok(()), Some(actor)) => Ok((token, owner.as_ref(), actor)),
                    (Ok(()), None) => Err((Lapse::Unknown, None)),
                    (Err(lapse), actor) => Err((lapse, actor)),
                }
            }
        };
        match checked {
            Ok((token, owner, actor)) => {
                let key = owner.and_then(CredentialOwner::key);
                self.events.count_use(token.owner.id());
                Ok(Caller {
                    actor,
                    proof: Proof::Token(token.owner, sha256),
                    grant: token.grant.clone(),
                    ends: Some(token.expires_at),
                    client_sans: key.map(|key| key.client_sans.clone()).unwrap_or_default(),
                    origin,
                })
            }
            Err((lapse, actor)) => {
                let why = Unproven::bad(lapse.as_str(), actor);
                Err(self.refuse(&FailureKey::at(&origin), why, &origin))
            }
        }
    }

    /// Whether the credentials of a caller still stand. What changes something asks again in its
    /// transaction; this is for what only reads.
    pub async fn look_again(&self, caller: &Caller) -> Result<(), Error> {
        let now = self.engine.time_for_ends();
        let store = &self.engine.store;
        let judged = match caller.proof {
            Proof::Operator => return Ok(()),
            Proof::Key(id, _) => {
                let found = store.key(id).await?;
                let key = Option::as_ref(&found).map(|found| found.key.clone());
                let owner = key.map(|key| CredentialOwner::Key(Box::new(key)));
                LiveCaller::judge(caller, owner.as_ref(), None, now).map(drop)
            }
            Proof::Token(_, sha256) => {
                let found = store.token(sha256).await?;
                let (token, owner) = match Option::as_ref(&found) {
                    Some((token, owner)) => (Some(token), owner.as_ref()),
                    None => (None, None),
                };
                LiveCaller::judge(caller, owner, token, now).map(drop)
            }
            Proof::IdToken(id) => {
                let found = store.read_briefly(move |view| view.trust(id)).await?;
                let owner = found.map(|trust| CredentialOwner::Trust(Box::new(trust)));
                LiveCaller::judge(caller, owner.as_ref(), None, now).map(drop)
            }
        };
        judged.map_err(|lapse| lapsed(caller, lapse))
    }

    /// Counts and notes a refusal, and says what the caller is told.
    pub(super) fn refuse(&self, failing: &FailureKey, why: Unproven, origin: &Origin) -> Error {
        let too_many = self.credentials.refuse_too_many(failing);
        self.credentials.record_failure(failing);
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
            let why = Unproven::bad(reason, None);
            return Err(self.refuse(&FailureKey::at(&origin), why, &origin));
        }
        let caller = self.authenticate(Some(secret), origin).await?;
        let Proof::Key(key, generation) = caller.proof else {
            return Err(unknown());
        };
        let issued = self
            .issue(&caller, &wanted, (Some(generation), None))
            .await?;
        let now = self.engine.time_for_ends();
        Ok(Issued {
            key_ends: self.ends_soon(&caller, key, now).await?,
            ..issued
        })
    }

    /// Makes a token for a caller: with all that they may do or less, and no longer than they may.
    pub(super) async fn issue(
        &self,
        caller: &Caller,
        wanted: &WantedToken,
        (generation, exchanged): (Option<u64>, Option<Exchanged>),
    ) -> Result<Issued, Error> {
        let owner = caller.owner().ok_or_else(unknown)?;
        let now = self.engine.time_for_ends();
        let token = Secret::for_token(random());
        let lifetime = self.lifetime(wanted.expires_in)?;
        let expires_at = caller
            .ends
            .map_or(now + lifetime, |end| end.min(now + lifetime));
        let grant = narrowed(caller, wanted)?;
        let permissions = grant.permissions.names(&grant.scope);
        let trust = exchanged.as_ref().map(|from| from.let_in.trust.clone());
        let new = NewToken {
            sha256: token.digest(),
            token: Token {
                owner,
                grant,
                created_at: now,
                expires_at,
                renewable: wanted.renewable,
                generation,
            },
            exchanged,
        };
        let make = move |tx: &Tx<'_>, by: LiveCaller<'_>| make_token(tx, by, &new, now);
        let kept_token = act_adding(self.engine, caller, (Touches::NoState, 0), make);
        let expires_at = kept_token.await?;
        Ok(Issued {
            token: Some(token),
            expires_in: expires_at.since(now),
            permissions: Some(permissions),
            key_ends: None,
            trust,
        })
    }

    /// When the key behind a login ends, if that is soon.
    async fn ends_soon(
        &self,
        caller: &Caller,
        key: KeyId,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Error> {
        if caller.ends.is_none_or(|end| end > now + SOON) {
            return Ok(None);
        }
        let found = self.engine.store.read(move |view| view.key(key)).await?;
        Ok(found.and_then(|found| found.key.ends_soon(now)))
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

    /// Lets a token live on: any of its key's with the key's own credentials, itself when it is
    /// renewable, or one of a trust's with a fresh ID token, and no longer than that.
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
        let extension = Extension {
            by_itself,
            now,
            lifetime,
        };
        let extend = move |tx: &Tx<'_>, by: LiveCaller<'_>| {
            let extended = extend_token(tx, by, sha256, &extension)?;
            Ok(extended.map_err(|why| Error::Denied(why.to_owned())))
        };
        let until = act(self.engine, caller, (Touches::NoState, 0), extend).await?;
        Ok(Issued {
            token: None,
            expires_in: until.since(now),
            permissions: None,
            key_ends: None,
            trust: None,
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
        let end = move |tx: &Tx<'_>, by: LiveCaller<'_>| end_token(tx, by, sha256);
        act(self.engine, caller, (Touches::NoState, 0), end).await
    }
}

fn end_token(tx: &Tx<'_>, by: LiveCaller<'_>, sha256: Digest) -> Acted<()> {
    let Some(found) = tx.token(sha256)? else {
        return Ok(Ok(()));
    };
    if Some(found.owner) != by.owner() {
        return Ok(Err(Error::Denied(
            "this token belongs to another key or trust".to_owned(),
        )));
    }
    tx.end_token(sha256)?;
    tx.record(&NewEvent::new(EventKind::TokenEnd, by, tx.now()).within(&found.grant.scope))?;
    Ok(Ok(()))
}

/// The secrets of a key that are good at this moment, or why none is.
fn secrets_of(found: &KeyWithHashes, now: Timestamp) -> Result<Vec<KnownSecret<'_>>, Lapse> {
    let (key, present) = (&found.key, found.key.generation);
    key.check_secret(present, now)?;
    let of = |check, generation| KnownSecret { check, generation };
    let old = found
        .old_check
        .as_ref()
        .zip(present.checked_sub(1))
        .filter(|(_, generation)| key.check_secret(*generation, now).is_ok());
    let old = old.map(|(check, generation)| of(check, generation));
    Ok(std::iter::once(of(&found.check, present))
        .chain(old)
        .collect())
}

fn unknown() -> Error {
    Error::Unauthorized(Unproven::bad(Lapse::Unknown.as_str(), None))
}

/// The token that is meant, and whether it speaks for itself.
fn own_token(
    caller: &Caller,
    presented: Option<&Secret>,
    token: Option<&Secret>,
) -> Result<(Digest, bool), Error> {
    match (caller.proof, token) {
        (Proof::Token(..), None) => presented
            .map(|token| (token.digest(), true))
            .ok_or_else(unknown),
        (Proof::Token(..), Some(token))
            if Some(token.digest()) == presented.map(Secret::digest) =>
        {
            Ok((token.digest(), true))
        }
        (Proof::Token(..), Some(_)) => Err(Error::Denied(
            "a token can only extend or end itself; use the key's own credentials".to_owned(),
        )),
        (Proof::Key(..) | Proof::IdToken(_), Some(token)) => Ok((token.digest(), false)),
        (Proof::Key(..) | Proof::IdToken(_), None) => Err(Error::invalid(
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
            "a token cannot do more than its key or trust, which is for {}",
            has.scope
        )));
    }
    Ok(grant)
}
