//! The caller: who asks, what they may do, and from where. Every method of the domain takes one.
//!
//! A [`Caller`] had good credentials when its request arrived. A [`LiveCaller`] has them in the
//! transaction of its act. An event of an act can only be made with a [`LiveCaller`], so an act
//! without the second look does not compile.

use std::ops::Deref;

use super::actor::{Actor, Origin};
use super::client_certificate::CertificateBinding;
use super::clock::Timestamp;
use super::digest::Digest;
use super::key::{KeyId, Lapse};
use super::name::StateName;
use super::permission::{Grant, Permission, PermissionSet, Scope};
use super::token::{CredentialOwner, OwnerId, Token};

/// How a caller proved who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// By being at the machine.
    Operator,
    /// By an API key's secret, of this generation.
    Key(KeyId, u64),
    /// By a token that was made from a key or under a trust, with this digest.
    Token(OwnerId, Digest),
    /// By an ID token, under a trust.
    IdToken(KeyId),
}

/// A client whose credentials were good.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who.
    pub actor: Actor,
    /// How they proved it.
    pub proof: Proof,
    /// What they may do.
    pub grant: Grant,
    /// When their credentials end, if they do.
    pub ends: Option<Timestamp>,
    /// The client certificates that their key is bound to.
    pub client_sans: CertificateBinding,
    /// From where they ask.
    pub origin: Origin,
}

impl Caller {
    /// The person at the machine, who may do everything.
    pub fn operator(origin: Origin) -> Self {
        let grant = Grant {
            scope: Scope::All,
            permissions: PermissionSet::ALL,
        };
        Self {
            actor: Actor::operator(),
            proof: Proof::Operator,
            grant,
            ends: None,
            client_sans: CertificateBinding::default(),
            origin,
        }
    }

    /// The server itself, for what it was told to do from time to time.
    pub fn server() -> Self {
        Self {
            actor: Actor::server(),
            ..Self::operator(Origin::within("server"))
        }
    }

    /// Whether it is the server itself.
    pub fn is_server(&self) -> bool {
        self.actor == Actor::server()
    }

    /// Whether something is allowed on one state.
    pub fn may(&self, permission: Permission, name: &StateName) -> bool {
        self.grant.allows(permission, name)
    }

    /// The key or the trust behind the credentials; none for the operator.
    pub const fn owner(&self) -> Option<OwnerId> {
        match self.proof {
            Proof::Operator => None,
            Proof::Key(id, _) => Some(OwnerId::Key(id)),
            Proof::Token(owner, _) => Some(owner),
            Proof::IdToken(id) => Some(OwnerId::Trust(id)),
        }
    }

    /// The id of either: what is bounded for each key is for each trust.
    pub fn key(&self) -> Option<KeyId> {
        self.owner().map(OwnerId::id)
    }
}

/// A caller whose credentials stood when they were looked at once more.
#[derive(Clone, Copy, Debug)]
pub struct LiveCaller<'c>(&'c Caller);

impl<'c> LiveCaller<'c> {
    /// Judges a caller by the rows of their key or trust and of their token as they are now, and by
    /// the client certificate of their connection.
    pub fn judge(
        caller: &'c Caller,
        owner: Option<&CredentialOwner>,
        token: Option<&Token>,
        now: Timestamp,
    ) -> Result<Self, Lapse> {
        let shown = caller.origin.certificate.as_deref();
        match caller.proof {
            Proof::Operator => {}
            Proof::Key(_, generation) => {
                let key = owner.and_then(CredentialOwner::key).ok_or(Lapse::Unknown)?;
                key.check(generation, shown, now)?;
            }
            Proof::Token(..) => token.ok_or(Lapse::Unknown)?.check(owner, shown, now)?,
            Proof::IdToken(_) => {
                let trust = owner
                    .and_then(CredentialOwner::trust)
                    .ok_or(Lapse::Revoked)?;
                trust.check(now)?;
                if caller.ends.is_some_and(|end| end <= now) {
                    return Err(Lapse::Expired);
                }
            }
        }
        Ok(Self(caller))
    }
}

impl Deref for LiveCaller<'_> {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use uuid::Uuid;

    use super::*;
    use crate::model::client_certificate::{CertificateName, ClientCertificate};
    use crate::model::key::ApiKey;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    /// A caller with a bound key, on a connection that shows a certificate with this name.
    fn caller(proof: Proof, shown: Option<&str>) -> Caller {
        let certificate = shown.map(|name| {
            Arc::new(ClientCertificate {
                names: vec![CertificateName::Dns(name.to_owned())],
                ends: at(10),
            })
        });
        Caller {
            proof,
            ..Caller::operator(Origin {
                certificate,
                ..Origin::within("192.0.2.1")
            })
        }
    }

    #[test]
    fn a_bound_key_and_its_tokens_are_judged_by_the_certificate_once_more() {
        let grant = Caller::server().grant;
        let id = KeyId(Uuid::nil());
        let key = ApiKey {
            id,
            name: String::new(),
            grant: grant.clone(),
            created_at: at(0),
            created_by: Actor::operator(),
            expires_at: None,
            revoked_at: None,
            rotated_at: None,
            old_secret_until: None,
            generation: 1,
            client_sans: CertificateBinding::wanted(&["ci.example".to_owned()]).unwrap(),
            last_used_at: None,
        };
        let token = Token {
            owner: OwnerId::Key(id),
            grant,
            created_at: at(0),
            expires_at: at(100),
            renewable: false,
            generation: Some(1),
        };
        let owner = CredentialOwner::Key(Box::new(key));
        let by_token = Proof::Token(OwnerId::Key(id), Digest::of(b"token"));
        for (shown, now, lapse) in [
            (Some("ci.example"), 10, None),
            (Some("ci.example"), 11, Some(Lapse::Certificate)),
            (Some("other.example"), 1, Some(Lapse::Certificate)),
            (None, 1, Some(Lapse::Certificate)),
        ] {
            for proof in [Proof::Key(id, 1), by_token] {
                let caller = caller(proof, shown);
                let judged = LiveCaller::judge(&caller, Some(&owner), Some(&token), at(now));
                assert_eq!(judged.err(), lapse, "{proof:?} {shown:?} {now}");
            }
        }
    }
}
