//! The caller: who asks, what they may do, and from where. Every method of the domain takes one.
//!
//! A [`Caller`] had good credentials when its request arrived. A [`LiveCaller`] has them in the
//! transaction of its act. An event of an act can only be made with a [`LiveCaller`], so an act
//! without the second look does not compile.

use std::ops::Deref;

use super::actor::{Actor, Origin};
use super::clock::Timestamp;
use super::digest::Digest;
use super::key::{ApiKey, KeyId, Lapse, Token};
use super::name::StateName;
use super::permission::{Grant, Permission, PermissionSet, Scope};

/// How a caller proved who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// By being at the machine.
    Operator,
    /// By an API key's secret, of this generation.
    Key(KeyId, u64),
    /// By a token that was made from a key, with this digest.
    Token(KeyId, Digest),
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
            origin,
        }
    }

    /// The server itself, for what it was told to do from time to time.
    pub fn server() -> Self {
        let origin = Origin {
            address: "server".to_owned(),
            request_id: String::new(),
        };
        Self {
            actor: Actor::server(),
            ..Self::operator(origin)
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

    /// The key behind the credentials; none for the operator.
    pub fn key(&self) -> Option<KeyId> {
        match self.proof {
            Proof::Operator => None,
            Proof::Key(id, _) | Proof::Token(id, _) => Some(id),
        }
    }
}

/// A caller whose credentials stood when they were looked at once more.
#[derive(Clone, Copy, Debug)]
pub struct LiveCaller<'c>(&'c Caller);

impl<'c> LiveCaller<'c> {
    /// Judges a caller by the rows of their key and token as they are now.
    pub fn judge(
        caller: &'c Caller,
        key: Option<&ApiKey>,
        token: Option<&Token>,
        now: Timestamp,
    ) -> Result<Self, Lapse> {
        match caller.proof {
            Proof::Operator => {}
            Proof::Key(_, generation) => {
                key.ok_or(Lapse::Unknown)?.check_secret(generation, now)?;
            }
            Proof::Token(..) => {
                let (key, token) = key.zip(token).ok_or(Lapse::Unknown)?;
                token.check(key, now)?;
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
