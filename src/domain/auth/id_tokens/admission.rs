//! Which trust lets an ID token in, and as whom. The signature is judged before all that the token
//! says, its times before its audience, and its audience before its claims.

use std::sync::Arc;

use serde_json::Value;

use crate::domain::auth::id_tokens::fault::IdTokenFault;
use crate::domain::auth::id_tokens::parts::UnverifiedToken;
use crate::domain::auth::id_tokens::sources::KeySets;
use crate::domain::error::Error;
use crate::model::actor::Actor;
use crate::model::claims::Claims;
use crate::model::clock::Timestamp;
use crate::model::digest::Digest;
use crate::model::permission::Grant;
use crate::model::trust::IssuerTrust;
use crate::store::Store;

/// The longest name of an issuer, in bytes.
pub(in crate::domain) const MAX_ISSUER: usize = 512;
/// How far the clock of an issuer may be ahead, in seconds. A token's end has no such room.
pub(in crate::domain) const CLOCK_LEEWAY: i64 = 60;
/// The last second that a time may name: the end of the year 9999.
const LAST_SECOND: f64 = 253_402_300_799.0;

/// An ID token that a trust lets in.
pub(in crate::domain) struct AdmittedToken {
    pub(in crate::domain) trust: IssuerTrust,
    pub(in crate::domain) grant: Grant,
    /// When it ends, or its trust does.
    pub(in crate::domain) ends: Timestamp,
    /// The claims that let it in, for the event.
    pub(in crate::domain) told: Value,
    /// What its `jti` is remembered by; none if it has none.
    pub(in crate::domain) jti: Option<Digest>,
}

/// Why a token is not let in, and the trust that refuses it, if its signature is good and one is
/// meant.
pub(in crate::domain) struct NotAdmitted {
    pub(in crate::domain) fault: IdTokenFault,
    pub(in crate::domain) trust: Option<Actor>,
}

impl From<IdTokenFault> for NotAdmitted {
    fn from(fault: IdTokenFault) -> Self {
        Self { fault, trust: None }
    }
}

/// Finds the trust that lets a token in. The outer error is the store's.
pub(in crate::domain) async fn admit(
    text: &str,
    (store, sets): (&Store, &KeySets),
    now: Timestamp,
) -> Result<Result<AdmittedToken, NotAdmitted>, Error> {
    let token = match UnverifiedToken::read(text) {
        Ok(token) => token,
        Err(fault) => return Ok(Err(fault.into())),
    };
    let issuer = token.claims.get("iss").and_then(Value::as_str);
    let issuer = issuer.filter(|issuer| issuer.len() <= MAX_ISSUER);
    let trusts = match issuer {
        Some(issuer) => store.trusts_in(issuer).await?,
        None => Arc::default(),
    };
    let judged = match verified(&token, &trusts, sets).await {
        Ok(verified) => judge(&token.claims, &verified, now),
        Err(fault) => Err(fault.into()),
    };
    Ok(judged)
}

/// The trusts whose key set has the key that signed a token; why there is none.
async fn verified<'s>(
    token: &UnverifiedToken<'_>,
    trusts: &'s [IssuerTrust],
    sets: &KeySets,
) -> Result<Vec<&'s IssuerTrust>, IdTokenFault> {
    let mut verified = Vec::new();
    let mut furthest = IdTokenFault::Issuer;
    let mut judged: Vec<(&IssuerTrust, Result<(), IdTokenFault>)> = Vec::new();
    for trust in trusts {
        // Trusts that share a source share its verdict.
        let same = judged.iter().find(|(other, _)| other.keys == trust.keys);
        let verdict = match same {
            Some((_, verdict)) => *verdict,
            None => sets.verify(&trust.keys, token).await,
        };
        judged.push((trust, verdict));
        match verdict {
            Ok(()) => verified.push(trust),
            Err(fault) => furthest = furthest.max(fault),
        }
    }
    if verified.is_empty() {
        return Err(furthest);
    }
    Ok(verified)
}

/// Judges what a token says, whose signature is good under each of these trusts.
fn judge(
    claims: &Claims,
    trusts: &[&IssuerTrust],
    now: Timestamp,
) -> Result<AdmittedToken, NotAdmitted> {
    let only = match trusts {
        [trust] => Some(trust.actor()),
        _ => None,
    };
    let ends = in_its_time(claims, now).map_err(|fault| NotAdmitted { fault, trust: only })?;
    let mut best: Option<AdmittedToken> = None;
    let mut refused: Option<NotAdmitted> = None;
    for trust in trusts {
        match under(trust, claims, ends, now) {
            Ok(admitted) => {
                // The trust that asks for the most claims; of several the oldest.
                let asks = admitted.trust.claims.len();
                if best
                    .as_ref()
                    .is_none_or(|best| asks > best.trust.claims.len())
                {
                    best = Some(admitted);
                }
            }
            Err(fault) => {
                if refused.as_ref().is_none_or(|other| fault > other.fault) {
                    let trust = Some(trust.actor());
                    refused = Some(NotAdmitted { fault, trust });
                }
            }
        }
    }
    best.ok_or_else(|| refused.unwrap_or_else(|| IdTokenFault::Issuer.into()))
}

/// What a trust makes of a token.
fn under(
    trust: &IssuerTrust,
    claims: &Claims,
    ends: Timestamp,
    now: Timestamp,
) -> Result<AdmittedToken, IdTokenFault> {
    if !is_for(claims, &trust.audience) {
        return Err(IdTokenFault::Audience);
    }
    if !trust.claims.iter().all(|claim| claim.fits(claims)) {
        return Err(IdTokenFault::Claims);
    }
    let grant = trust.grant(claims).ok_or(IdTokenFault::Scope)?;
    trust.check(now).map_err(|_| IdTokenFault::TrustEnded)?;
    let jti = claims.get("jti").and_then(Value::as_str);
    let jti = jti.filter(|id| !id.is_empty());
    if trust.once && jti.is_none() {
        return Err(IdTokenFault::NoId);
    }
    Ok(AdmittedToken {
        grant,
        ends: trust.expires_at.map_or(ends, |end| end.min(ends)),
        told: trust.told(claims),
        jti: jti.map(|id| Digest::of(format!("{}\n{id}", trust.id).as_bytes())),
        trust: trust.clone(),
    })
}

/// Whether a token is for an audience: `aud` is a text, or a list of texts.
fn is_for(claims: &Claims, audience: &str) -> bool {
    match claims.get("aud") {
        Some(Value::String(one)) => one == audience,
        Some(Value::Array(several)) => several.iter().any(|one| one == audience),
        Some(_) | None => false,
    }
}

/// When a token ends, if it has not and has begun.
fn in_its_time(claims: &Claims, now: Timestamp) -> Result<Timestamp, IdTokenFault> {
    let ends = time(claims, "exp")?.ok_or(IdTokenFault::NoEnd)?;
    if ends <= now {
        return Err(IdTokenFault::Expired);
    }
    let latest = Timestamp::from_millis(now.millis() + CLOCK_LEEWAY * 1000);
    for name in ["nbf", "iat"] {
        if time(claims, name)?.is_some_and(|begins| begins > latest) {
            return Err(IdTokenFault::NotYet);
        }
    }
    Ok(ends)
}

/// The time that a claim has, in seconds since 1970.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the range is checked first"
)]
fn time(claims: &Claims, name: &str) -> Result<Option<Timestamp>, IdTokenFault> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    let seconds = value
        .as_f64()
        .filter(|seconds| (0.0..=LAST_SECOND).contains(seconds));
    let seconds = seconds.ok_or(IdTokenFault::Malformed)?;
    Ok(Some(Timestamp::from_millis((seconds * 1000.0) as i64)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(claims: &Value) -> Claims {
        claims.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn a_token_is_good_within_its_life_alone() {
        use IdTokenFault::{Expired, Malformed, NoEnd, NotYet};
        let now = Timestamp::from_millis(1_000_000);
        for (claims, expected) in [
            (json!({"exp": 1001}), Ok(1_001_000)),
            (json!({"exp": 1000.5}), Ok(1_000_500)),
            (json!({"exp": 1000}), Err(Expired)),
            (json!({"exp": 0}), Err(Expired)),
            (json!({}), Err(NoEnd)),
            (json!({"exp": "1001"}), Err(Malformed)),
            (json!({"exp": null}), Err(Malformed)),
            (json!({"exp": -1}), Err(Malformed)),
            (json!({"exp": 1e300}), Err(Malformed)),
            (json!({"exp": u64::MAX}), Err(Malformed)),
            (
                json!({"exp": 2000, "nbf": 1060, "iat": 1060}),
                Ok(2_000_000),
            ),
            (json!({"exp": 2000, "nbf": 1061}), Err(NotYet)),
            (json!({"exp": 2000, "iat": 1061}), Err(NotYet)),
            (json!({"exp": 2000, "nbf": "0"}), Err(Malformed)),
        ] {
            let judged = in_its_time(&of(&claims), now).map(Timestamp::millis);
            assert_eq!(judged, expected, "{claims}");
        }
    }

    #[test]
    fn an_audience_is_one_text_or_one_of_a_list() {
        for (claims, expected) in [
            (json!({"aud": "a"}), true),
            (json!({"aud": ["b", "a"]}), true),
            (json!({"aud": "A"}), false),
            (json!({"aud": "a "}), false),
            (json!({"aud": []}), false),
            (json!({"aud": [["a"]]}), false),
            (json!({"aud": {"a": 1}}), false),
            (json!({"aud": null}), false),
            (json!({}), false),
        ] {
            assert_eq!(is_for(&of(&claims), "a"), expected, "{claims}");
        }
    }
}
