//! Whether the holder of a lock can still write. A lock is taken with credentials; once those can
//! write no more, it is dead: it keeps others away from nothing that its holder could still do.
//!
//! Pure: what is known of the credentials comes in, and what it means goes out. What is not known
//! counts as alive.

use serde::Serialize;

use super::caller::{Caller, Proof};
use super::clock::Timestamp;
use super::digest::Digest;
use super::key::{ApiKey, Lapse};
use super::token::{CredentialOwner, Token};

/// With what a lock was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakenWith {
    /// With a key's own secret.
    Key,
    /// With the token of this digest.
    Token(Digest),
    /// With an ID token, under a trust.
    IdToken,
}

/// The credentials that hold a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockCredential {
    /// What they are.
    pub with: TakenWith,
    /// When the ID token ends, or when the token lapsed that is not kept any more.
    pub good_until: Option<Timestamp>,
    /// When the token was ended, or the trust removed.
    pub ended_at: Option<Timestamp>,
}

impl LockCredential {
    /// Those of a caller; none for the person at the machine.
    pub const fn of(caller: &Caller) -> Option<Self> {
        let (with, good_until) = match caller.proof {
            Proof::Operator => return None,
            Proof::Key(..) => (TakenWith::Key, None),
            Proof::Token(_, sha256) => (TakenWith::Token(sha256), None),
            Proof::IdToken(_) => (TakenWith::IdToken, caller.ends),
        };
        Some(Self {
            with,
            good_until,
            ended_at: None,
        })
    }

    /// Whether they can write no more, by what is known of them.
    pub fn died(
        &self,
        owner: Option<&CredentialOwner>,
        token: Option<&Token>,
        now: Timestamp,
    ) -> Option<LockDeath> {
        let known = match (self.with, token) {
            (TakenWith::Key, _) => [of_key(owner, None, now), None, None],
            (TakenWith::Token(_), None) => [self.ended(), self.lapsed(now), None],
            (TakenWith::Token(_), Some(token)) => {
                let lapsed = DeathCause::Expired.by(token.expires_at, now);
                [of_key(owner, Some(token), now), lapsed, self.ended()]
            }
            (TakenWith::IdToken, _) => [of_key(owner, None, now), self.lapsed(now), self.ended()],
        };
        // Credentials that end twice ended the first time.
        let first = known.into_iter().flatten().min_by_key(|death| death.since);
        let is_gone = matches!((self.with, token), (TakenWith::Token(_), None));
        first.or(is_gone.then_some(LockDeath {
            since: None,
            why: DeathCause::Ended,
        }))
    }

    fn ended(&self) -> Option<LockDeath> {
        self.ended_at.map(|at| DeathCause::Ended.at(at))
    }

    fn lapsed(&self, now: Timestamp) -> Option<LockDeath> {
        self.good_until
            .and_then(|end| DeathCause::Expired.by(end, now))
    }
}

/// Why the key or the trust ends all that hangs on it, or this token of the key.
fn of_key(
    owner: Option<&CredentialOwner>,
    token: Option<&Token>,
    now: Timestamp,
) -> Option<LockDeath> {
    let key = match owner? {
        CredentialOwner::Key(key) => key,
        CredentialOwner::Trust(trust) => {
            return trust
                .expires_at
                .and_then(|end| DeathCause::Expired.by(end, now));
        }
    };
    let generation = token.map_or(key.generation, |token| token.generation_of(key));
    let (why, since) = match key.check_secret(generation, now).err()? {
        Lapse::Revoked => (DeathCause::Revoked, key.revoked_at),
        Lapse::Expired => (DeathCause::Expired, key.expires_at),
        Lapse::Rotated => (DeathCause::Rotated, rotated_away(key, generation)),
        // Neither is asked for here.
        Lapse::Unknown | Lapse::Certificate => return None,
    };
    Some(LockDeath { since, why })
}

/// When the secret of a generation ended that a rotation has replaced.
fn rotated_away(key: &ApiKey, generation: u64) -> Option<Timestamp> {
    let is_latest = generation.checked_add(1) == Some(key.generation);
    key.old_secret_until
        .filter(|_| is_latest)
        .or(key.rotated_at)
}

/// What ended the credentials that hold a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeathCause {
    /// Their end came.
    Expired,
    /// The token was ended, or the trust removed.
    Ended,
    /// The key was revoked.
    Revoked,
    /// The key got another secret.
    Rotated,
}

impl DeathCause {
    const fn at(self, since: Timestamp) -> LockDeath {
        LockDeath {
            since: Some(since),
            why: self,
        }
    }

    fn by(self, end: Timestamp, now: Timestamp) -> Option<LockDeath> {
        (end <= now).then_some(self.at(end))
    }
}

/// Since when the holder of a lock can write no more, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LockDeath {
    /// Since when; null if that was not noted.
    pub since: Option<Timestamp>,
    /// What ended.
    pub why: DeathCause,
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::model::actor::{Actor, Origin};
    use crate::model::client_certificate::CertificateBinding;
    use crate::model::key::KeyId;
    use crate::model::token::OwnerId;

    const NOW: i64 = 50;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn id() -> KeyId {
        KeyId(Uuid::nil())
    }

    /// A key that lives, and has had three secrets.
    fn key() -> ApiKey {
        ApiKey {
            id: id(),
            name: String::new(),
            grant: Caller::server().grant,
            created_at: at(0),
            created_by: Actor::operator(),
            expires_at: Some(at(1_000)),
            revoked_at: None,
            rotated_at: Some(at(20)),
            old_secret_until: Some(at(30)),
            generation: 3,
            client_sans: CertificateBinding::default(),
            last_used_at: None,
        }
    }

    /// A token of the key's secret of a generation, which lives until a time.
    fn token(generation: u64, until: i64) -> Token {
        Token {
            owner: OwnerId::Key(id()),
            grant: Caller::server().grant,
            created_at: at(1),
            expires_at: at(until),
            renewable: false,
            generation: Some(generation),
        }
    }

    fn taken(with: TakenWith) -> LockCredential {
        LockCredential {
            with,
            good_until: None,
            ended_at: None,
        }
    }

    fn by_token() -> LockCredential {
        taken(TakenWith::Token(Digest::of(b"token")))
    }

    /// Since when a lock is dead, and why.
    fn judged(
        credential: &LockCredential,
        key: ApiKey,
        token: Option<&Token>,
    ) -> Option<(Option<i64>, DeathCause)> {
        let owner = CredentialOwner::Key(Box::new(key));
        let died = credential.died(Some(&owner), token, at(NOW));
        died.map(|death| (death.since.map(Timestamp::millis), death.why))
    }

    #[test]
    fn a_token_s_lock_dies_with_the_token_or_with_its_secret_whichever_is_first() {
        let revoked = |at_time| ApiKey {
            revoked_at: Some(at(at_time)),
            ..key()
        };
        for (key, token, died) in [
            (key(), token(3, 51), None),
            (key(), token(3, 50), Some((Some(50), DeathCause::Expired))),
            (key(), token(2, 99), Some((Some(30), DeathCause::Rotated))),
            (key(), token(1, 99), Some((Some(20), DeathCause::Rotated))),
            (key(), token(2, 25), Some((Some(25), DeathCause::Expired))),
            (
                revoked(40),
                token(3, 99),
                Some((Some(40), DeathCause::Revoked)),
            ),
            (
                revoked(40),
                token(3, 35),
                Some((Some(35), DeathCause::Expired)),
            ),
        ] {
            assert_eq!(judged(&by_token(), key, Some(&token)), died, "{token:?}");
        }
    }

    #[test]
    fn a_token_that_is_not_kept_is_dead_and_says_what_was_noted() {
        let noted = |good_until: Option<i64>, ended_at: Option<i64>| LockCredential {
            good_until: good_until.map(at),
            ended_at: ended_at.map(at),
            ..by_token()
        };
        for (credential, died) in [
            (noted(None, None), (None, DeathCause::Ended)),
            (noted(None, Some(7)), (Some(7), DeathCause::Ended)),
            (noted(Some(9), None), (Some(9), DeathCause::Expired)),
            (noted(Some(9), Some(7)), (Some(7), DeathCause::Ended)),
        ] {
            assert_eq!(judged(&credential, key(), None), Some(died));
        }
    }

    #[test]
    fn a_key_s_own_lock_dies_only_if_the_key_can_act_no_more() {
        let own = taken(TakenWith::Key);
        let revoked = ApiKey {
            revoked_at: Some(at(40)),
            ..key()
        };
        let expired = ApiKey {
            expires_at: Some(at(50)),
            ..key()
        };
        for (key, died) in [
            (key(), None),
            (revoked, Some((Some(40), DeathCause::Revoked))),
            (expired, Some((Some(50), DeathCause::Expired))),
        ] {
            assert_eq!(judged(&own, key, None), died);
        }
        assert_eq!(own.died(None, None, at(NOW)), None, "nothing is known");
    }

    #[test]
    fn an_id_token_s_lock_dies_with_it_or_with_its_trust() {
        let until = |good_until: i64, ended_at: Option<i64>| LockCredential {
            good_until: Some(at(good_until)),
            ended_at: ended_at.map(at),
            ..taken(TakenWith::IdToken)
        };
        let why = |credential: LockCredential| {
            let died = credential.died(None, None, at(NOW));
            died.map(|death| (death.since.map(Timestamp::millis), death.why))
        };
        assert_eq!(why(until(51, None)), None);
        assert_eq!(why(until(50, None)), Some((Some(50), DeathCause::Expired)));
        assert_eq!(why(until(51, Some(8))), Some((Some(8), DeathCause::Ended)));
    }

    #[test]
    fn the_person_at_the_machine_holds_a_lock_with_nothing_that_ends() {
        let operator = Caller::operator(Origin::within("socket"));
        assert_eq!(LockCredential::of(&operator), None);
    }
}
