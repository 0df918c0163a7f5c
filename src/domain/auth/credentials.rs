//! Checking secrets: argon2 as rarely as possible, never on a request thread, never more at once
//! than the machine has cores to spare.
//!
//! A wrong secret does not fit the fingerprint that is kept beside the hash, and costs no argon2. A
//! secret that fits is never refused because others have failed. Only keys of an earlier schema
//! have no fingerprint until they are used: until then, failures are counted against them.
//!
//! Only good credentials are remembered, under a keyed hash whose key dies with the process. What
//! is remembered spares argon2 only: whether a key is revoked, expired or changed is read from the
//! database each time.

use std::hash::Hash;
use std::num::NonZeroUsize;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use std::time::{Duration, Instant};

use argon2::password_hash::PasswordVerifier as _;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, ParamsBuilder, PasswordHasher as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use lru::LruCache;
use sha2::Sha256;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::config::{Limits, Network};
use crate::domain::auth::id_tokens::sources::KeySets;
use crate::domain::engine::cores::off_thread;
use crate::domain::engine::single_flight::SingleFlight;
use crate::domain::error::Error;
use crate::metrics::Metrics;
use crate::model::actor::Origin;
use crate::model::clock;
use crate::model::digest::Digest;
use crate::model::key::{KeyId, SecretCheck};
use crate::model::secret::Secret;
use crate::sabotage::{self, Fault};

/// How long a good credential needs no argon2.
const REMEMBERED_FOR: Duration = Duration::from_mins(5);
/// How many good credentials are remembered.
const MAX_REMEMBERED: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();
/// How many addresses with failures are remembered, and how many keys.
const MAX_FAILING: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();
/// Over how long failures are counted.
const FAILURE_WINDOW: Duration = Duration::from_mins(1);
/// How many unknown credentials may wait for argon2.
const MAX_WAITING: usize = 64;

/// A secret under the keyed hash of this process.
type Tag = [u8; 32];

/// Where failures are counted: at a client's address, and at the key that was named, if one was.
#[derive(Clone, Debug)]
pub(in crate::domain) struct FailureKey {
    /// Of IPv6 only the first 64 bits count: a client has all addresses behind them.
    network: String,
    key: Option<KeyId>,
}

impl FailureKey {
    /// At an address alone.
    pub(in crate::domain) fn at(origin: &Origin) -> Self {
        Self {
            network: network(&origin.address),
            key: None,
        }
    }

    /// At the key that was named as well.
    pub(in crate::domain) fn and_key(self, id: KeyId) -> Self {
        Self {
            key: Some(id),
            ..self
        }
    }
}

/// The network of a client, as far as one client has it.
fn network(address: &str) -> String {
    address.parse().map_or_else(
        |_| address.to_owned(),
        |address| Network::of(address).to_string(),
    )
}

/// Failures since a time.
type Failures = (Instant, u32);

/// A secret that a key has, as one that is presented is compared with it.
#[derive(Clone, Copy)]
pub(in crate::domain) struct KnownSecret<'k> {
    /// What it is checked against.
    pub(in crate::domain) check: &'k SecretCheck,
    /// Which of the key's secrets it is.
    pub(in crate::domain) generation: u64,
}

/// Whether what was good at that time need not be checked again.
fn is_recent(at: Instant) -> bool {
    clock::monotonic().duration_since(at) < REMEMBERED_FOR
}

/// What is known of credentials.
pub(in crate::domain) struct SecretChecks {
    key: [u8; 32],
    good: RwLock<LruCache<Tag, Instant>>,
    // Identical checks under way share one run of argon2.
    running: SingleFlight<Tag, bool>,
    // Apart from each other: many addresses push no key out.
    failing_networks: Mutex<LruCache<String, Failures>>,
    failing_keys: Mutex<LruCache<KeyId, Failures>>,
    max_failures: u32,
    runs: Semaphore,
    waiting: Semaphore,
    /// The keys of issuers that ID tokens are verified with.
    pub(super) key_sets: KeySets,
    /// The ID tokens whose first use is an event already.
    pub(super) seen_id_tokens: Mutex<LruCache<Digest, ()>>,
    metrics: Arc<Metrics>,
}

impl SecretChecks {
    pub(in crate::domain) fn new(limits: &Limits, metrics: Arc<Metrics>) -> Self {
        Self {
            key: random(),
            good: RwLock::new(LruCache::new(MAX_REMEMBERED)),
            running: SingleFlight::default(),
            failing_networks: Mutex::new(LruCache::new(MAX_FAILING)),
            failing_keys: Mutex::new(LruCache::new(MAX_FAILING)),
            max_failures: limits.max_failures,
            runs: Semaphore::new(limits.max_argon2),
            waiting: Semaphore::new(MAX_WAITING),
            key_sets: KeySets::default(),
            seen_id_tokens: Mutex::new(LruCache::new(MAX_REMEMBERED)),
            metrics,
        }
    }

    fn tag(&self, secret: &Secret, hash: &str) -> Tag {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("a key of any length");
        mac.update(hash.as_bytes());
        mac.update(&[0]);
        mac.update(secret.reveal().as_bytes());
        mac.finalize().into_bytes().into()
    }

    /// Which of these a secret is, if it is one of them. What fits a fingerprint waits for as long
    /// as it takes. Against a secret without one, strangers are refused after too many failures.
    pub(in crate::domain) async fn check<'k>(
        &self,
        secret: &Secret,
        known: &[KnownSecret<'k>],
        failing: &FailureKey,
    ) -> Result<Option<KnownSecret<'k>>, Error> {
        let presented = secret.fingerprint();
        let fits = |known: &&KnownSecret<'_>| {
            let fingerprint = known.check.fingerprint;
            fingerprint.is_none_or(|fingerprint| fingerprint.fits(presented))
                || sabotage::is(Fault::Knocking)
        };
        for known in known.iter().filter(fits) {
            if self.is_good(secret, known.check, failing).await? {
                return Ok(Some(*known));
            }
        }
        Ok(None)
    }

    async fn is_good(
        &self,
        secret: &Secret,
        check: &SecretCheck,
        failing: &FailureKey,
    ) -> Result<bool, Error> {
        if sabotage::is(Fault::Knocking) {
            self.refuse_too_many(failing)?;
        }
        let tag = self.tag(secret, &check.hash);
        let good_since = self.good_since(&tag);
        if good_since.is_some_and(is_recent) {
            return Ok(true);
        }
        if good_since.is_some() || check.fingerprint.is_some() {
            return self.run(tag, secret, &check.hash, || Ok(None)).await;
        }
        self.refuse_too_many(failing)?;
        let place = || {
            self.waiting
                .try_acquire()
                .map(Some)
                .map_err(|_| Error::CredentialsBusy)
        };
        self.run(tag, secret, &check.hash, place).await
    }

    /// Checks one hash, and remembers it when it is good. Checks that are identical and under way
    /// at the same time share one run, and one place among those that wait.
    async fn run<'p>(
        &'p self,
        tag: Tag,
        secret: &Secret,
        hash: &str,
        lookup: impl FnOnce() -> Result<Option<SemaphorePermit<'p>>, Error>,
    ) -> Result<bool, Error> {
        let (secret, hash) = (secret.clone(), hash.to_owned());
        let check = async || {
            // It may have ended since its caller looked.
            if self.good_since(&tag).is_some_and(is_recent) {
                return Ok(true);
            }
            let _place = lookup()?;
            let is_good = self.argon2(move || verify(&secret, &hash)).await?;
            if is_good {
                // Before others stop waiting for it: the next caller finds the one or the other.
                self.good.write().put(tag, clock::monotonic());
            }
            Ok(is_good)
        };
        self.running.run(tag, check).await
    }

    fn good_since(&self, tag: &Tag) -> Option<Instant> {
        self.good.read().peek(tag).copied()
    }

    /// What a new secret is checked against.
    pub(in crate::domain) async fn check_of(&self, secret: &Secret) -> Result<SecretCheck, Error> {
        Ok(SecretCheck {
            hash: self.hash(secret).await?,
            fingerprint: Some(secret.fingerprint()),
        })
    }

    async fn hash(&self, secret: &Secret) -> Result<String, Error> {
        let secret = secret.clone();
        let hashed = self
            .argon2(move || {
                argon2().hash_password_with_salt(secret.reveal().as_bytes(), &random::<16>())
            })
            .await?;
        hashed
            .map(|hash| hash.to_string())
            .map_err(|error| Error::Internal(error.to_string()))
    }

    /// Runs argon2 off the request threads, when one of the bounded number of places is free.
    async fn argon2<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let asked = clock::monotonic();
        let _place = self.runs.acquire().await.map_err(|_| Error::ShuttingDown)?;
        let started = clock::monotonic();
        self.metrics
            .argon2_wait_seconds
            .observe(started.duration_since(asked).as_secs_f64());
        let done = off_thread(work).await;
        self.metrics
            .argon2_seconds
            .observe(started.elapsed().as_secs_f64());
        done
    }

    /// Refuses to look at a credential after too many failures.
    pub(in crate::domain) fn refuse_too_many(&self, failing: &FailureKey) -> Result<(), Error> {
        let now = clock::monotonic();
        let of_network = self.failing_networks.lock().get(&failing.network).copied();
        let of_key = failing
            .key
            .and_then(|id| self.failing_keys.lock().get(&id).copied());
        for (since, count) in [of_network, of_key].into_iter().flatten() {
            if count >= self.max_failures
                && let Some(left) = FAILURE_WINDOW.checked_sub(now.duration_since(since))
            {
                return Err(Error::TooManyFailures(left.max(Duration::from_secs(1))));
            }
        }
        Ok(())
    }

    /// Counts a failure.
    pub(in crate::domain) fn record_failure(&self, failing: &FailureKey) {
        let now = clock::monotonic();
        count(&self.failing_networks, failing.network.clone(), now);
        if let Some(id) = failing.key {
            count(&self.failing_keys, id, now);
        }
    }
}

/// Counts one more failure within the window.
fn count<K: Hash + Eq>(failing: &Mutex<LruCache<K, Failures>>, key: K, now: Instant) {
    let mut failing = failing.lock();
    let (since, count) = failing.get_or_insert_mut(key, || (now, 0));
    if now.duration_since(*since) >= FAILURE_WINDOW {
        (*since, *count) = (now, 0);
    }
    *count = count.saturating_add(1);
}

/// argon2id with OWASP's recommendation of 19 MiB, two passes, one lane: the crate's defaults.
///
/// A debug build takes 64 KiB and one pass. Its servers live for one test each, and half of their
/// processor time would go into hashes of their keys. A hash names its parameters, so either build
/// verifies hashes of the other.
fn argon2() -> Argon2<'static> {
    let mut params = ParamsBuilder::new();
    if cfg!(debug_assertions) {
        params.m_cost(64).t_cost(1);
    }
    params.build().map(Argon2::from).unwrap_or_default()
}

fn verify(secret: &Secret, hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| {
        argon2()
            .verify_password(secret.reveal().as_bytes(), &hash)
            .is_ok()
    })
}

/// Bytes from the system's source of randomness.
#[expect(
    clippy::expect_used,
    reason = "without randomness no secret may be made, and Linux always has some"
)]
pub(in crate::domain) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system's randomness");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_has_a_whole_network_of_ipv6() {
        for (address, counted) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
            ("2001:db8:1:3::9", "2001:db8:1:3::/64"),
            ("socket", "socket"),
        ] {
            assert_eq!(network(address), counted);
        }
    }
}
