//! Checking secrets: argon2 as rarely as possible, never on a request thread, never more at once
//! than the machine has cores to spare.
//!
//! Only good credentials are remembered, under a keyed hash whose key dies with the process. What
//! is remembered spares argon2 only: whether a key is revoked, expired or changed is read from the
//! database each time. Failures are counted for each address and each key, and never lock out a
//! credential that was good before.

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

use crate::config::Limits;
use crate::domain::engine::cores::off_thread;
use crate::domain::engine::single_flight::SingleFlight;
use crate::domain::error::Error;
use crate::metrics::Metrics;
use crate::model::clock;
use crate::model::secret::Secret;

/// How long a good credential needs no argon2.
const REMEMBERED_FOR: Duration = Duration::from_mins(5);
/// How many good credentials are remembered.
const MAX_REMEMBERED: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();
/// How many addresses and keys with failures are remembered.
const MAX_FAILING: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();
/// Over how long failures are counted.
const FAILURE_WINDOW: Duration = Duration::from_mins(1);
/// How many unknown credentials may wait for argon2.
const MAX_WAITING: usize = 64;

/// A secret under the keyed hash of this process.
type Tag = [u8; 32];

/// Where failures are counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::domain) enum FailureKey {
    /// At a client address.
    Address(String),
    /// At a key, whoever claims to have it.
    Key(String),
}

/// What is known of credentials.
pub(in crate::domain) struct SecretChecks {
    key: [u8; 32],
    good: RwLock<LruCache<Tag, Instant>>,
    // Identical checks under way share one run of argon2.
    running: SingleFlight<Tag, bool>,
    failing: Mutex<LruCache<FailureKey, (Instant, u32)>>,
    max_failures: u32,
    runs: Semaphore,
    waiting: Semaphore,
    metrics: Arc<Metrics>,
}

impl SecretChecks {
    pub(in crate::domain) fn new(limits: &Limits, metrics: Arc<Metrics>) -> Self {
        Self {
            key: random(),
            good: RwLock::new(LruCache::new(MAX_REMEMBERED)),
            running: SingleFlight::default(),
            failing: Mutex::new(LruCache::new(MAX_FAILING)),
            max_failures: limits.max_failures,
            runs: Semaphore::new(limits.max_argon2),
            waiting: Semaphore::new(MAX_WAITING),
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

    /// Whether a secret belongs to one of these argon2id hashes. Strangers are refused while one of
    /// the `failing_keys` has failed too often.
    pub(in crate::domain) async fn check(
        &self,
        secret: &Secret,
        hashes: &[&str],
        failing_keys: &[FailureKey],
    ) -> Result<bool, Error> {
        let tagged: Vec<(Tag, &str)> = hashes
            .iter()
            .map(|hash| (self.tag(secret, hash), *hash))
            .collect();
        let known = tagged.iter().find_map(|(tag, hash)| {
            self.good
                .read()
                .peek(tag)
                .map(|checked_at| (*tag, *hash, *checked_at))
        });
        // A caller who was good before waits for as long as it takes; strangers only while there is
        // room, and not after too many failures.
        if let Some((tag, hash, checked_at)) = known {
            let is_fresh = clock::monotonic().duration_since(checked_at) < REMEMBERED_FOR;
            return if is_fresh {
                Ok(true)
            } else {
                self.run(tag, secret, hash, || Ok(None)).await
            };
        }
        self.refuse_too_many(failing_keys)?;
        let lookup = || {
            self.waiting
                .try_acquire()
                .map(Some)
                .map_err(|_| Error::CredentialsBusy)
        };
        for (tag, hash) in tagged {
            if self.run(tag, secret, hash, lookup).await? {
                return Ok(true);
            }
        }
        Ok(false)
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
            let _place = lookup()?;
            self.argon2(move || verify(&secret, &hash)).await
        };
        let is_good = self.running.run(tag, check).await?;
        if is_good {
            self.good.write().put(tag, clock::monotonic());
        }
        Ok(is_good)
    }

    /// The argon2id hash of a new secret.
    pub(in crate::domain) async fn hash(&self, secret: &Secret) -> Result<String, Error> {
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
    pub(in crate::domain) fn refuse_too_many(
        &self,
        failing_keys: &[FailureKey],
    ) -> Result<(), Error> {
        let now = clock::monotonic();
        let mut failing = self.failing.lock();
        for key in failing_keys {
            if let Some((since, count)) = failing.get(key)
                && *count >= self.max_failures
                && let Some(left) = FAILURE_WINDOW.checked_sub(now.duration_since(*since))
            {
                return Err(Error::TooManyFailures(left.max(Duration::from_secs(1))));
            }
        }
        Ok(())
    }

    /// Counts a failure.
    pub(in crate::domain) fn record_failure(&self, failing_keys: &[FailureKey]) {
        let now = clock::monotonic();
        let mut failing = self.failing.lock();
        for key in failing_keys {
            let (since, count) = failing.get_or_insert_mut(key.clone(), || (now, 0));
            if now.duration_since(*since) >= FAILURE_WINDOW {
                (*since, *count) = (now, 0);
            }
            *count = count.saturating_add(1);
        }
    }
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
