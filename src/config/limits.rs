//! What the server takes, and how much of it: each limit with its default, its range, and why a
//! value is refused.
//!
//! `docs/limits.md` lists them all, those beside them that cannot be set too.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use crate::model::approval::GuardedAct;
use crate::model::retention::Policy;
use crate::model::span::Span;
use crate::model::time_of_day::TimeOfDay;
use crate::seal::StorageKey;

/// One mebibyte in bytes.
pub const MIB: u64 = 1024 * 1024;

/// The largest state in bytes.
pub const DEFAULT_MAX_STATE_SIZE: u64 = 256 * MIB;
/// The deepest nesting of a state, in levels; Go's own decoder, and so every client, stops there.
pub const DEFAULT_MAX_NESTING: usize = 10_000;
/// The most bytes under way at the same time, working copies included.
pub const DEFAULT_MAX_IN_FLIGHT: u64 = 512 * MIB;
/// How many bytes of decoded versions are kept for the next reader.
pub const DEFAULT_CACHE_SIZE: u64 = 32 * MIB;
/// The room on the disk in bytes below which nothing is written.
pub const DEFAULT_MIN_FREE_SPACE: u64 = 64 * MIB;
/// The last part of that room, in which nothing is added at all: it is for revoking, unlocking,
/// deleting and pruning.
const PART_FOR_REMOVING: u64 = 4;
/// The most writes that may wait for the disk.
pub const DEFAULT_MAX_QUEUE: usize = 4_096;
/// The most runs of argon2 at the same time, on a machine with more cores than that.
pub const DEFAULT_MAX_ARGON2: usize = 4;
/// The most open connections.
pub const DEFAULT_MAX_CONNECTIONS: usize = 2_048;
/// The most rows of a list's page.
pub const DEFAULT_MAX_PAGE: u32 = 1_000;
/// The most failed credentials from one address, or for one key, in a minute.
pub const DEFAULT_MAX_FAILURES: u32 = 20;
/// How long the headers of a request may take.
pub const DEFAULT_HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a body may pause, and how long an answer may wait for its reader.
pub const DEFAULT_BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection may be idle.
pub const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(75);
/// How long a token lives.
pub const DEFAULT_TOKEN_LIFETIME: Duration = Duration::from_hours(1);
/// How long events are kept.
pub const DEFAULT_EVENT_RETENTION: Duration = Duration::from_hours(400 * 24);
/// How long lasting events are kept: ten years.
pub const DEFAULT_LASTING_EVENT_RETENTION: Duration = Duration::from_hours(3_650 * 24);
/// How often everything is verified in the background.
pub const DEFAULT_SCRUB_EVERY: Duration = Duration::from_hours(24);

/// How many rows of ordinary events the event log has.
pub const DEFAULT_MAX_EVENTS: u64 = 10_000_000;
/// How many rows of lasting events it has.
pub const DEFAULT_MAX_LASTING_EVENTS: u64 = 1_000_000;
/// How often the server prunes by itself, if it was told what to keep.
pub const DEFAULT_PRUNE_EVERY: Duration = Duration::from_hours(24);
/// How far the clock may lie past the last time that is known before nothing is removed by age.
pub const DEFAULT_MAX_CLOCK_JUMP: Duration = Duration::from_hours(30 * 24);

/// How often the server makes a backup by itself, if it was told where.
pub const DEFAULT_BACKUP_EVERY: Duration = Duration::from_hours(24);
/// How many of its own backups are kept.
pub const DEFAULT_BACKUP_KEEP: u32 = 14;

/// How much memory a body needs: itself, and its compressed copy, which is never much larger.
pub const COPIES_OF_A_BODY: u64 = 2;

/// SQLite takes values of up to 1 GB.
const STATE_SIZES: RangeInclusive<u64> = 1024..=900 * MIB;
const NESTING: RangeInclusive<usize> = 1_000..=DEFAULT_MAX_NESTING;
const QUEUES: RangeInclusive<usize> = 1..=1_000_000;
/// Each run takes 19 MiB and a core.
const ARGON2_RUNS: RangeInclusive<usize> = 1..=64;
const CONNECTIONS: RangeInclusive<usize> = 8..=100_000;
const PAGES: RangeInclusive<u32> = 1..=10_000;
const FAILURES: RangeInclusive<u32> = 1..=1_000_000;
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(1);
const TOKEN_LIFETIMES: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(12);
const EVENT_RETENTIONS: RangeInclusive<Duration> =
    Duration::from_mins(1)..=Duration::from_hours(100 * 366 * 24);
const SCRUBS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(366 * 24);
const EVENT_ROWS: RangeInclusive<u64> = 1_000..=1_000_000_000;
const PRUNE_PERIODS: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_hours(366 * 24);
const CLOCK_JUMPS: RangeInclusive<Duration> =
    Duration::from_hours(1)..=Duration::from_hours(100 * 366 * 24);
const BACKUP_PERIODS: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_hours(366 * 24);
const BACKUPS_KEPT: RangeInclusive<u32> = 1..=10_000;
/// The most room that may be kept free: 1 PiB.
const FREE_SPACE: RangeInclusive<u64> = 0..=MIB << 30;

/// What happens to a write without a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnlockedWrites {
    /// It is taken when it is newer than the current version, of the same lineage, and its writer
    /// was not refused before.
    Guard,
    /// It is taken.
    Accept,
    /// It is refused.
    Refuse,
}

impl UnlockedWrites {
    /// Its name in flags and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Guard => "guard",
            Self::Accept => "accept",
            Self::Refuse => "refuse",
        }
    }
}

/// The backups that the server makes by itself.
#[derive(Clone, Debug)]
pub struct BackupPlan {
    /// The directory where they are.
    pub dir: PathBuf,
    /// How long after one the next is made.
    pub every: Duration,
    /// How many are kept.
    pub keep: u32,
}

/// What the server takes, and how much of it.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The largest state in bytes.
    pub max_state_size: u64,
    /// The break-glass folder; none if there is none.
    pub mirror_dir: Option<PathBuf>,
    /// What opens sealed content: the first one seals, each opens what it has sealed. None where
    /// content stands in the clear.
    pub storage_keys: Vec<StorageKey>,
    /// The file that gets each event as a JSON line; none if there is none.
    pub events_file: Option<PathBuf>,
    /// The deepest nesting of a state, in levels.
    pub max_nesting: usize,
    /// The most bytes under way, working copies included.
    pub max_in_flight: u64,
    /// How many bytes of decoded versions are kept for the next reader; a part of
    /// [`Self::max_in_flight`].
    pub cache_size: u64,
    /// The room on the disk in bytes below which nothing is written.
    pub min_free_space: u64,
    /// The most writes that may wait for the disk.
    pub max_queue: usize,
    /// The most runs of argon2 at the same time.
    pub max_argon2: usize,
    /// The most failed credentials from one address, or for one key, in a minute.
    pub max_failures: u32,
    /// The most open connections.
    pub max_connections: usize,
    /// The most rows of a list's page.
    pub max_page: u32,
    /// How long the headers of a request may take.
    pub header_timeout: Duration,
    /// How long a body may pause, and how long an answer may wait for its reader.
    pub body_timeout: Duration,
    /// How long a connection may be idle.
    pub idle_timeout: Duration,
    /// What happens to a write without a lock.
    pub unlocked_writes: UnlockedWrites,
    /// The acts that take two people.
    pub two_person: Vec<GuardedAct>,
    /// How long a token lives.
    pub token_lifetime: Duration,
    /// How long ordinary events are kept.
    pub event_retention: Duration,
    /// How long lasting events are kept.
    pub lasting_event_retention: Duration,
    /// How often everything is verified in the background; none for never.
    pub scrub_every: Option<Duration>,
    /// The most rows of ordinary events.
    pub max_events: u64,
    /// The most rows of lasting events.
    pub max_lasting_events: u64,
    /// What is kept of a history where the workspace has no policy of its own; everything if none.
    pub policy: Option<Policy>,
    /// How often the server prunes by itself.
    pub prune_every: Duration,
    /// When purged content is erased from the disk; at once if it is none.
    pub erase_at: Option<TimeOfDay>,
    /// How far the clock may lie past the last time that is known before nothing is removed by age.
    pub max_clock_jump: Duration,
    /// The backups that the server makes by itself; none if it makes none.
    pub backups: Option<BackupPlan>,
}

impl Default for Limits {
    fn default() -> Self {
        let (max_in_flight, max_state_size) =
            default_sizes(super::memory::memory_of_this_machine());
        Self {
            max_state_size,
            mirror_dir: None,
            storage_keys: Vec::new(),
            events_file: None,
            max_nesting: DEFAULT_MAX_NESTING,
            max_in_flight,
            cache_size: DEFAULT_CACHE_SIZE.min(max_in_flight / 4),
            min_free_space: DEFAULT_MIN_FREE_SPACE,
            max_queue: DEFAULT_MAX_QUEUE,
            max_argon2: default_argon2_runs(),
            max_failures: DEFAULT_MAX_FAILURES,
            max_connections: DEFAULT_MAX_CONNECTIONS,
            max_page: DEFAULT_MAX_PAGE,
            header_timeout: DEFAULT_HEADER_TIMEOUT,
            body_timeout: DEFAULT_BODY_TIMEOUT,
            idle_timeout: DEFAULT_IDLE_TIMEOUT,
            unlocked_writes: UnlockedWrites::Guard,
            two_person: Vec::new(),
            token_lifetime: DEFAULT_TOKEN_LIFETIME,
            event_retention: DEFAULT_EVENT_RETENTION,
            lasting_event_retention: DEFAULT_LASTING_EVENT_RETENTION,
            scrub_every: Some(DEFAULT_SCRUB_EVERY),
            max_events: DEFAULT_MAX_EVENTS,
            max_lasting_events: DEFAULT_MAX_LASTING_EVENTS,
            policy: None,
            prune_every: DEFAULT_PRUNE_EVERY,
            erase_at: None,
            max_clock_jump: DEFAULT_MAX_CLOCK_JUMP,
            backups: None,
        }
    }
}

/// The bytes under way and the largest state on a machine with so much memory: at most half of it,
/// and half of that.
fn default_sizes(memory: Option<u64>) -> (u64, u64) {
    let in_flight = memory.map_or(DEFAULT_MAX_IN_FLIGHT, |bytes| {
        DEFAULT_MAX_IN_FLIGHT.min(bytes / 2)
    });
    (
        in_flight,
        DEFAULT_MAX_STATE_SIZE.min(in_flight / COPIES_OF_A_BODY),
    )
}

/// As many as there are cores, but for one that is left for everything else; more than a few help
/// nobody.
fn default_argon2_runs() -> usize {
    std::thread::available_parallelism()
        .map_or(1, |cores| cores.get().saturating_sub(1))
        .clamp(1, DEFAULT_MAX_ARGON2)
}

/// A setting that makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("{flag} {reason}")]
pub struct BadSetting {
    /// The flag that sets it.
    pub flag: &'static str,
    /// What is wrong with its value.
    pub reason: String,
}

fn bad(flag: &'static str, reason: impl Into<String>) -> Result<(), BadSetting> {
    Err(BadSetting {
        flag,
        reason: reason.into(),
    })
}

fn within<T: PartialOrd + Copy>(
    flag: &'static str,
    value: T,
    range: &RangeInclusive<T>,
    shown: impl Fn(T) -> String,
) -> Result<(), BadSetting> {
    if range.contains(&value) {
        return Ok(());
    }
    bad(
        flag,
        format!(
            "has to be from {} to {}",
            shown(*range.start()),
            shown(*range.end())
        ),
    )
}

fn bytes(size: u64) -> String {
    if size >= MIB && size.is_multiple_of(MIB) {
        format!("{} MiB", size / MIB)
    } else {
        format!("{size} B")
    }
}

fn count<T: Copy + ToString>(number: T) -> String {
    number.to_string()
}

fn duration(time: Duration) -> String {
    Span(time).to_string()
}

impl Limits {
    /// The room on the disk in bytes below which nothing small is added either, such as a lock: the
    /// rest is for acts that remove or protect something.
    pub const fn room_for_removing(&self) -> u64 {
        self.min_free_space / PART_FOR_REMOVING
    }

    /// Refuses values that could not work, or not on a machine with so much memory.
    pub fn check(&self, memory: Option<u64>) -> Result<(), BadSetting> {
        self.check_counts()?;
        self.check_times()?;
        self.check_keeping()?;
        self.check_backups()?;
        self.check_policy()?;
        within("--min-free-space", self.min_free_space, &FREE_SPACE, bytes)?;
        self.check_memory(memory)
    }

    fn check_counts(&self) -> Result<(), BadSetting> {
        within("--max-state-size", self.max_state_size, &STATE_SIZES, bytes)?;
        within("--max-nesting", self.max_nesting, &NESTING, count)?;
        within("--max-queue", self.max_queue, &QUEUES, count)?;
        within("--max-argon2", self.max_argon2, &ARGON2_RUNS, count)?;
        within("--max-failures", self.max_failures, &FAILURES, count)?;
        let connections = self.max_connections;
        within("--max-connections", connections, &CONNECTIONS, count)?;
        within("--max-page", self.max_page, &PAGES, count)
    }

    fn check_times(&self) -> Result<(), BadSetting> {
        within("--header-timeout", self.header_timeout, &TIMEOUTS, duration)?;
        within("--body-timeout", self.body_timeout, &TIMEOUTS, duration)?;
        within("--idle-timeout", self.idle_timeout, &TIMEOUTS, duration)?;
        let (token, event) = (self.token_lifetime, self.event_retention);
        within("--token-lifetime", token, &TOKEN_LIFETIMES, duration)?;
        within("--event-retention", event, &EVENT_RETENTIONS, duration)?;
        let lasting = self.lasting_event_retention;
        within(
            "--lasting-event-retention",
            lasting,
            &EVENT_RETENTIONS,
            duration,
        )?;
        let scrub = self.scrub_every.unwrap_or(DEFAULT_SCRUB_EVERY);
        within("--scrub-every", scrub, &SCRUBS, duration)
    }

    fn check_keeping(&self) -> Result<(), BadSetting> {
        within("--max-events", self.max_events, &EVENT_ROWS, count)?;
        let lasting = self.max_lasting_events;
        within("--max-lasting-events", lasting, &EVENT_ROWS, count)?;
        within("--prune-every", self.prune_every, &PRUNE_PERIODS, duration)?;
        let jump = self.max_clock_jump;
        within("--max-clock-jump", jump, &CLOCK_JUMPS, duration)
    }

    fn check_backups(&self) -> Result<(), BadSetting> {
        let Some(backups) = &self.backups else {
            return Ok(());
        };
        within("--backup-every", backups.every, &BACKUP_PERIODS, duration)?;
        within("--backup-keep", backups.keep, &BACKUPS_KEPT, count)
    }

    fn check_policy(&self) -> Result<(), BadSetting> {
        let Some(Err(why)) = self.policy.as_ref().map(Policy::check) else {
            return Ok(());
        };
        bad(why.flag(), why.reason())
    }

    fn check_memory(&self, memory: Option<u64>) -> Result<(), BadSetting> {
        let least = self.max_state_size.saturating_mul(COPIES_OF_A_BODY);
        if self.max_in_flight < least {
            let least = bytes(least);
            return bad(
                "--max-in-flight",
                format!(
                    "has to be at least twice --max-state-size, which is {least}, or the largest \
                        state could never be written"
                ),
            );
        }
        if self.cache_size > self.max_in_flight / 2 {
            return bad(
                "--cache-size",
                format!(
                    "has to be at most half of --max-in-flight, which is {}",
                    bytes(self.max_in_flight / 2)
                ),
            );
        }
        match memory {
            Some(memory) if self.max_in_flight > memory => bad(
                "--max-in-flight",
                format!(
                    "has to fit into the memory that there is, which is {}",
                    bytes(memory)
                ),
            ),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(every: Duration, keep: u32) -> BackupPlan {
        BackupPlan {
            dir: PathBuf::new(),
            every,
            keep,
        }
    }

    /// Changes to the defaults that a server does not start with, where it has 1 GiB of memory.
    const BAD: [fn(&mut Limits); 27] = [
        |limits| limits.max_state_size = 0,
        |limits| {
            limits.max_state_size = 901 * MIB;
            limits.max_in_flight = 1802 * MIB;
        },
        |limits| limits.max_in_flight = DEFAULT_MAX_STATE_SIZE,
        |limits| limits.max_in_flight = 1025 * MIB,
        |limits| limits.cache_size = 257 * MIB,
        |limits| limits.max_nesting = 999,
        |limits| limits.max_queue = 0,
        |limits| limits.max_argon2 = 0,
        |limits| limits.max_failures = 0,
        |limits| limits.max_connections = 0,
        |limits| limits.max_page = 0,
        |limits| limits.header_timeout = Duration::ZERO,
        |limits| limits.body_timeout = Duration::ZERO,
        |limits| limits.idle_timeout = Duration::from_hours(2),
        |limits| limits.token_lifetime = Duration::ZERO,
        |limits| limits.event_retention = Duration::ZERO,
        |limits| limits.scrub_every = Some(Duration::from_millis(999)),
        |limits| limits.lasting_event_retention = Duration::ZERO,
        |limits| limits.max_events = 999,
        |limits| limits.max_lasting_events = 999,
        |limits| limits.prune_every = Duration::ZERO,
        |limits| limits.max_clock_jump = Duration::ZERO,
        |limits| limits.backups = Some(plan(Duration::ZERO, 1)),
        |limits| limits.backups = Some(plan(Duration::from_hours(1), 0)),
        |limits| limits.policy = Some(Policy::default()),
        |limits| {
            limits.policy = Some(Policy {
                keep_last: Some(0),
                ..Policy::default()
            });
        },
        |limits| limits.min_free_space = u64::MAX,
    ];

    #[test]
    fn refuses_limits_that_cannot_work() {
        let (memory, good) = (Some(1024 * MIB), Limits::default());
        assert!(good.check(memory).is_ok());
        for change in BAD {
            let mut bad = good.clone();
            change(&mut bad);
            assert!(bad.check(memory).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn small_machines_have_smaller_defaults_that_fit() {
        assert_eq!(
            default_sizes(Some(64 << 30)),
            (DEFAULT_MAX_IN_FLIGHT, DEFAULT_MAX_STATE_SIZE)
        );
        assert_eq!(
            default_sizes(None),
            (DEFAULT_MAX_IN_FLIGHT, DEFAULT_MAX_STATE_SIZE)
        );
        for memory in [64 * MIB, 256 * MIB, 1000 * MIB] {
            let (max_in_flight, max_state_size) = default_sizes(Some(memory));
            let limits = Limits {
                max_in_flight,
                max_state_size,
                cache_size: max_in_flight / 4,
                ..Limits::default()
            };
            assert!(limits.check(Some(memory)).is_ok(), "{memory}");
        }
    }
}
