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
