//! The caller: who asks, what they may do, and from where. Every method of the domain takes one.

use super::actor::{Actor, Origin};
use super::clock::Timestamp;
use super::key::KeyId;
use super::name::StateName;
use super::permission::{Grant, Permission, PermissionSet, Scope};

/// How a caller proved who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// By being at the machine.
    Operator,
    /// By an API key's secret.
    Key(KeyId),
    /// By a token that was made from a key.
    Token(KeyId),
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

    /// Whether something is allowed on one state.
    pub fn may(&self, permission: Permission, name: &StateName) -> bool {
        self.grant.allows(permission, name)
    }

    /// The key behind the credentials; none for the operator.
    pub fn key(&self) -> Option<KeyId> {
        match self.proof {
            Proof::Operator => None,
            Proof::Key(id) | Proof::Token(id) => Some(id),
        }
    }
}
