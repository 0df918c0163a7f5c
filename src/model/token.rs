//! Tokens that are given for a key's secret or for an ID token, and what they hang on.

use super::actor::Actor;
use super::client_certificate::ClientCertificate;
use super::clock::Timestamp;
use super::key::{ApiKey, KeyId, Lapse};
use super::permission::Grant;
use super::trust::IssuerTrust;

/// What credentials belong to, by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnerId {
    /// A key.
    Key(KeyId),
    /// A trust.
    Trust(KeyId),
}

impl OwnerId {
    /// The id alone.
    pub const fn id(self) -> KeyId {
        match self {
            Self::Key(id) | Self::Trust(id) => id,
        }
    }
}

/// What credentials belong to, as it stands.
#[derive(Clone, Debug)]
pub enum CredentialOwner {
    /// A key.
    Key(Box<ApiKey>),
    /// A trust.
    Trust(Box<IssuerTrust>),
}

impl CredentialOwner {
    /// The key, if it is one.
    pub fn key(&self) -> Option<&ApiKey> {
        match self {
            Self::Key(key) => Some(key),
            Self::Trust(_) => None,
        }
    }

    /// The key or trust as an actor.
    pub fn actor(&self) -> Actor {
        match self {
            Self::Key(key) => key.actor(),
            Self::Trust(trust) => trust.actor(),
        }
    }

    /// The trust, if it is one.
    pub fn trust(&self) -> Option<&IssuerTrust> {
        match self {
            Self::Trust(trust) => Some(trust),
            Self::Key(_) => None,
        }
    }
}

/// A token that was made from a key or under a trust.
#[derive(Clone, Debug)]
pub struct Token {
    /// What it counts as.
    pub owner: OwnerId,
    /// What it may do; never more than its owner.
    pub grant: Grant,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Whether it may extend itself.
    pub renewable: bool,
    /// The generation of the secret that it was made with; none if an earlier schema made it, or if
    /// it was made under a trust.
    pub generation: Option<u64>,
}

impl Token {
    /// The generation of the secret that it was made with. If that was not noted, the token is as
    /// old as its time says.
    pub fn generation_of(&self, key: &ApiKey) -> u64 {
        let is_older = key.rotated_at.is_some_and(|at| self.created_at < at);
        match self.generation {
            Some(generation) => generation,
            None if is_older && key.generation == 1 => 0,
            None => 1,
        }
    }

    /// Whether it is good at this moment on a connection with this client certificate, or without
    /// one. A trust that is gone has ended its tokens.
    pub fn check(
        &self,
        owner: Option<&CredentialOwner>,
        shown: Option<&ClientCertificate>,
        now: Timestamp,
    ) -> Result<(), Lapse> {
        match (self.owner, owner) {
            (OwnerId::Key(_), Some(CredentialOwner::Key(key))) => {
                key.check(self.generation_of(key), shown, now)?;
            }
            (OwnerId::Trust(_), Some(CredentialOwner::Trust(trust))) => trust.check(now)?,
            (OwnerId::Trust(_), None) => return Err(Lapse::Revoked),
            (OwnerId::Key(_) | OwnerId::Trust(_), _) => return Err(Lapse::Unknown),
        }
        if self.expires_at <= now {
            return Err(Lapse::Expired);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::model::client_certificate::CertificateBinding;
    use crate::model::permission::{PermissionSet, Scope};

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    /// A key that was rotated at 10, and lets the old secret live until 20.
    fn rotated(generation: u64) -> ApiKey {
        ApiKey {
            id: KeyId(Uuid::nil()),
            name: String::new(),
            grant: grant(),
            created_at: at(0),
            created_by: Actor::operator(),
            expires_at: Some(at(100)),
            revoked_at: None,
            rotated_at: Some(at(10)),
            old_secret_until: Some(at(20)),
            generation,
            client_sans: CertificateBinding::default(),
            last_used_at: None,
        }
    }

    fn grant() -> Grant {
        Grant {
            scope: Scope::All,
            permissions: PermissionSet::ALL,
        }
    }

    fn owner(key: ApiKey) -> CredentialOwner {
        CredentialOwner::Key(Box::new(key))
    }

    fn token(created_at: i64, generation: Option<u64>) -> Token {
        Token {
            owner: OwnerId::Key(KeyId(Uuid::nil())),
            grant: grant(),
            created_at: at(created_at),
            expires_at: at(50),
            renewable: true,
            generation,
        }
    }

    #[test]
    fn a_token_ends_with_the_secret_that_made_it() {
        let rotated_away = Err(Lapse::Rotated);
        for (key, token, now, expected) in [
            (3, token(5, Some(3)), 15, Ok(())),
            (3, token(5, Some(2)), 15, Ok(())),
            (3, token(5, Some(2)), 20, rotated_away),
            (3, token(12, Some(2)), 20, rotated_away),
            (3, token(5, Some(1)), 15, rotated_away),
            (3, token(5, Some(3)), 50, Err(Lapse::Expired)),
            // Made by an earlier schema, which noted no generation.
            (1, token(5, None), 15, Ok(())),
            (1, token(5, None), 20, rotated_away),
            (1, token(12, None), 20, Ok(())),
            (2, token(5, None), 15, Ok(())),
            (2, token(5, None), 20, rotated_away),
            (3, token(5, None), 15, rotated_away),
        ] {
            let told = format!("{key} {token:?} {now}");
            assert_eq!(
                token.check(Some(&owner(rotated(key))), None, at(now)),
                expected,
                "{told}"
            );
        }
        let mut revoked = rotated(3);
        revoked.revoked_at = Some(at(1));
        let of_present = token(5, Some(3));
        assert_eq!(
            of_present.check(Some(&owner(revoked)), None, at(15)),
            Err(Lapse::Revoked)
        );
        assert_eq!(
            of_present.check(Some(&owner(rotated(3))), None, at(100)),
            Err(Lapse::Expired)
        );
    }
}
