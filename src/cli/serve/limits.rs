//! The limits of `serve` as flags, each with its unit, its range and its default.

use std::path::PathBuf;

use bytesize::ByteSize;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};

use crate::cli::keep::rules::age;
use crate::config::{
    BackupPlan, BadSetting, DEFAULT_BACKUP_EVERY, DEFAULT_BACKUP_KEEP, DEFAULT_BODY_TIMEOUT,
    DEFAULT_EVENT_RETENTION, DEFAULT_HEADER_TIMEOUT, DEFAULT_IDLE_TIMEOUT,
    DEFAULT_LASTING_EVENT_RETENTION, DEFAULT_MAX_CLOCK_JUMP, DEFAULT_MAX_CONNECTIONS,
    DEFAULT_MAX_EVENTS, DEFAULT_MAX_FAILURES, DEFAULT_MAX_LASTING_EVENTS, DEFAULT_MAX_NESTING,
    DEFAULT_MAX_PAGE, DEFAULT_MAX_QUEUE, DEFAULT_PRUNE_EVERY, DEFAULT_SCRUB_EVERY,
    DEFAULT_TOKEN_LIFETIME, Limits, UnlockedWrites, memory_of_this_machine,
};
use crate::model::approval::GuardedAct;
use crate::model::retention::Policy;
use crate::model::span::Span;
use crate::model::time_of_day::TimeOfDay;

#[derive(Args)]
#[command(next_help_heading = "Limits")]
pub(in crate::cli) struct LimitArgs {
    /// The largest state, 1 KiB to 900 MiB; larger ones get 413 [default: 256 MiB, less if memory
    /// is short]
    #[arg(long, env = "STATEKEEP_MAX_STATE_SIZE", value_name = "SIZE")]
    max_state_size: Option<ByteSize>,
    /// The deepest nesting of a state, 1,000 to 10,000 levels; deeper ones get 400
    #[arg(
        long,
        env = "STATEKEEP_MAX_NESTING",
        value_name = "LEVELS",
        default_value_t = DEFAULT_MAX_NESTING
    )]
    max_nesting: usize,
    /// Memory for request bodies, responses and working copies; above it, requests get 503. Bodies
    /// up to 64 KiB have 32 MiB of their own [default: 512 MiB, less if memory is short]
    #[arg(long, env = "STATEKEEP_MAX_IN_FLIGHT", value_name = "SIZE")]
    max_in_flight: Option<ByteSize>,
    /// How much of that may be decoded states that are kept for their next reader, at most half; 0
    /// keeps none [default: 32 MiB, less if memory is short]
    #[arg(long, env = "STATEKEEP_CACHE_SIZE", value_name = "SIZE")]
    cache_size: Option<ByteSize>,
    /// The free space on the disk below which writes get 507
    #[arg(
        long,
        env = "STATEKEEP_MIN_FREE_SPACE",
        value_name = "SIZE",
        default_value = "64MiB"
    )]
    min_free_space: ByteSize,
    /// The most writes that wait for the disk, 1 to 1,000,000; above it, writes get 503
    #[arg(
        long,
        env = "STATEKEEP_MAX_QUEUE",
        value_name = "WRITES",
        default_value_t = DEFAULT_MAX_QUEUE
    )]
    max_queue: usize,
    /// The most runs of argon2 at the same time, 1 to 64, 19 MiB and a core each [default: cores
    /// less one, 1 to 4]
    #[arg(long, env = "STATEKEEP_MAX_ARGON2", value_name = "RUNS")]
    max_argon2: Option<usize>,
    /// The most failed credentials from one address, or for one key, in a minute, 1 to 1,000,000;
    /// above it, 429
    #[arg(
        long,
        env = "STATEKEEP_MAX_FAILURES",
        value_name = "FAILURES",
        default_value_t = DEFAULT_MAX_FAILURES
    )]
    max_failures: u32,
    /// The most open connections, 8 to 100,000; idle ones are closed for further ones
    #[arg(
        long,
        env = "STATEKEEP_MAX_CONNECTIONS",
        value_name = "CONNECTIONS",
        default_value_t = DEFAULT_MAX_CONNECTIONS
    )]
    max_connections: usize,
    /// The most rows of a list's page, 1 to 10,000
    #[arg(
        long,
        env = "STATEKEEP_MAX_PAGE",
        value_name = "ROWS",
        default_value_t = DEFAULT_MAX_PAGE
    )]
    max_page: u32,
    /// How long the headers of a request may take, 1s to 1h
    #[arg(
        long,
        env = "STATEKEEP_HEADER_TIMEOUT",
        value_name = "DURATION",
        default_value_t = Span(DEFAULT_HEADER_TIMEOUT)
    )]
    header_timeout: Span,
    /// How long a body may pause, and the reader of an answer, 1s to 1h
    #[arg(
        long,
        env = "STATEKEEP_BODY_TIMEOUT",
        value_name = "DURATION",
        default_value_t = Span(DEFAULT_BODY_TIMEOUT)
    )]
    body_timeout: Span,
    /// How long a connection may be idle, 1s to 1h
    #[arg(
        long,
        env = "STATEKEEP_IDLE_TIMEOUT",
        value_name = "DURATION",
        default_value_t = Span(DEFAULT_IDLE_TIMEOUT)
    )]
    idle_timeout: Span,
    /// What happens to writes without a lock
    #[arg(
        long,
        env = "STATEKEEP_UNLOCKED_WRITES",
        value_enum,
        default_value_t = UnlockedArg::Guard
    )]
    unlocked_writes: UnlockedArg,
    /// Acts that a second key has to approve: purge, prune, admin-key, policy
    #[arg(
        long,
        env = "STATEKEEP_TWO_PERSON",
        value_name = "ACT",
        value_delimiter = ',',
        hide_possible_values = true,
        value_parser = guarded_act()
    )]
    two_person: Vec<GuardedAct>,
    /// How long a token lives, 1s to 12h
    #[arg(
        long,
        env = "STATEKEEP_TOKEN_LIFETIME",
        value_name = "DURATION",
        default_value_t = Span(DEFAULT_TOKEN_LIFETIME)
    )]
    token_lifetime: Span,
    /// How long events are kept, at least 1m
    #[arg(
        long,
        env = "STATEKEEP_EVENT_RETENTION",
        value_name = "DURATION",
        default_value_t = Span(DEFAULT_EVENT_RETENTION)
    )]
    event_retention: Span,
    /// How long lasting events are kept, at least 1m: of keys, purges, broken locks, refused writes
    /// and the like
    #[arg(
        long,
        env = "STATEKEEP_LASTING_EVENT_RETENTION",
        value_name = "DURATION",
        default_value_t = Span(DEFAULT_LASTING_EVENT_RETENTION)
    )]
    lasting_event_retention: Span,
    /// How often everything is verified in the background, with at most 5 % of a core; 1s to 366d,
    /// 0 never
    #[arg(
        long,
        env = "STATEKEEP_SCRUB_EVERY",
        value_name = "DURATION",
        default_value_t = Span(DEFAULT_SCRUB_EVERY)
    )]
    scrub_every: Span,
    /// The most rows of the event log, 1,000 to 1,000,000,000; above it, the workspace with the
    /// most loses its oldest ones
    #[arg(
        long,
        env = "STATEKEEP_MAX_EVENTS",
        value_name = "ROWS",
        default_value_t = DEFAULT_MAX_EVENTS
    )]
    max_events: u64,
    /// The same for the rows of lasting events, which are not among those
    #[arg(
        long,
        env = "STATEKEEP_MAX_LASTING_EVENTS",
        value_name = "ROWS",
        default_value_t = DEFAULT_MAX_LASTING_EVENTS
    )]
    max_lasting_events: u64,
    #[command(flatten)]
    keep: KeepArgs,
    #[command(flatten)]
    backups: BackupPlanArgs,
}

/// What is kept of a history, for the server to prune the rest by itself.
#[derive(Args)]
#[command(
    next_help_heading = "History (without any of these rules everything is kept; a version stays \
        if any of them keeps it)"
)]
struct KeepArgs {
    /// Keep the newest so many versions of each state, 1 to 1,000,000; rejected ones are not
    /// counted
    #[arg(long, env = "STATEKEEP_KEEP_LAST", value_name = "VERSIONS")]
    keep_last: Option<u32>,
    /// Keep versions that are younger than this, 1s to 100y
    #[arg(long, env = "STATEKEEP_KEEP_WITHIN", value_name = "DURATION")]
    keep_within: Option<Span>,
    /// Keep the newest version of each of the last so many days that have one, in UTC, 1 to
    /// 1,000,000
    #[arg(long, env = "STATEKEEP_KEEP_DAILY", value_name = "DAYS")]
    keep_daily: Option<u32>,
    /// Keep the newest version of each of the last so many weeks that have one, from Monday on, in
    /// UTC, 1 to 1,000,000
    #[arg(long, env = "STATEKEEP_KEEP_WEEKLY", value_name = "WEEKS")]
    keep_weekly: Option<u32>,
    /// Keep snapshots of an apply for so long only, 0s to 100y; the rules above do not count them
    #[arg(long, env = "STATEKEEP_DROP_INTERMEDIATE", value_name = "DURATION")]
    drop_intermediate: Option<Span>,
    /// Keep rejected versions for so long only, 1s to 100y
    #[arg(long, env = "STATEKEEP_KEEP_REJECTED", value_name = "DURATION")]
    keep_rejected: Option<Span>,
    /// How often the server removes versions that no rule keeps, 1s to 366d
    #[arg(
        long,
        env = "STATEKEEP_PRUNE_EVERY",
        value_name = "DURATION",
        default_value_t = Span(DEFAULT_PRUNE_EVERY)
    )]
    prune_every: Span,
    /// At which time of the day purged content is erased from the disk, HH:MM in UTC; without it,
    /// at once. It cannot be read any more in either case
    #[arg(long, env = "STATEKEEP_ERASE_AT", value_name = "TIME")]
    erase_at: Option<TimeOfDay>,
    /// If the clock is later than the last known time by more than this, nothing is removed by age,
    /// 1h to 100y
    #[arg(
        long,
        env = "STATEKEEP_MAX_CLOCK_JUMP",
        value_name = "DURATION",
        default_value_t = Span(DEFAULT_MAX_CLOCK_JUMP)
    )]
    max_clock_jump: Span,
}

/// The backups that the server makes by itself.
#[derive(Args)]
#[command(next_help_heading = "Backups (without --backup-dir the server makes none by itself)")]
struct BackupPlanArgs {
    /// The directory for the server's own backups; created with mode 0700 if it is missing
    #[arg(long = "backup-dir", env = "STATEKEEP_BACKUP_DIR", value_name = "DIR")]
    dir: Option<PathBuf>,
    /// How long after a backup the next one is made, 1s to 366d
    #[arg(
        long = "backup-every",
        env = "STATEKEEP_BACKUP_EVERY",
        value_name = "DURATION",
        default_value_t = Span(DEFAULT_BACKUP_EVERY)
    )]
    every: Span,
    /// How many of its own backups the server keeps, 1 to 10,000
    #[arg(
        long = "backup-keep",
        env = "STATEKEEP_BACKUP_KEEP",
        value_name = "BACKUPS",
        default_value_t = DEFAULT_BACKUP_KEEP
    )]
    keep: u32,
}

impl BackupPlanArgs {
    fn plan(&self) -> Option<BackupPlan> {
        Some(BackupPlan {
            dir: self.dir.clone()?,
            every: self.every.0,
            keep: self.keep,
        })
    }
}

impl KeepArgs {
    /// The policy, if any of it was given.
    fn policy(&self) -> Option<Policy> {
        let policy = Policy {
            keep_last: self.keep_last,
            keep_within: age(self.keep_within),
            keep_daily: self.keep_daily,
            keep_weekly: self.keep_weekly,
            drop_intermediate: age(self.drop_intermediate),
            keep_rejected: age(self.keep_rejected),
            keep_all: false,
        };
        (policy != Policy::default()).then_some(policy)
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum UnlockedArg {
    /// Accepted if newer than the current version, of the same lineage, and the writer was not
    /// refused before
    Guard,
    /// Accepted
    Accept,
    /// Refused
    Refuse,
}

fn guarded_act() -> impl TypedValueParser<Value = GuardedAct> {
    let names = PossibleValuesParser::new(GuardedAct::ALL.map(GuardedAct::name));
    names.try_map(|name| name.parse())
}

impl From<UnlockedArg> for UnlockedWrites {
    fn from(arg: UnlockedArg) -> Self {
        match arg {
            UnlockedArg::Guard => Self::Guard,
            UnlockedArg::Accept => Self::Accept,
            UnlockedArg::Refuse => Self::Refuse,
        }
    }
}

impl LimitArgs {
    /// The limits, unless they could not work here.
    pub(in crate::cli) fn checked(&self) -> Result<Limits, BadSetting> {
        let default = Limits::default();
        let size = |given: Option<ByteSize>, default| given.map_or(default, |size| size.as_u64());
        let max_in_flight = size(self.max_in_flight, default.max_in_flight);
        let limits = Limits {
            max_state_size: size(self.max_state_size, default.max_state_size),
            mirror_dir: None,
            storage_keys: Vec::new(),
            events_file: None,
            max_nesting: self.max_nesting,
            max_in_flight,
            cache_size: size(self.cache_size, default.cache_size.min(max_in_flight / 4)),
            min_free_space: self.min_free_space.as_u64(),
            max_queue: self.max_queue,
            max_argon2: self.max_argon2.unwrap_or(default.max_argon2),
            max_failures: self.max_failures,
            max_connections: self.max_connections,
            max_page: self.max_page,
            header_timeout: self.header_timeout.0,
            body_timeout: self.body_timeout.0,
            idle_timeout: self.idle_timeout.0,
            unlocked_writes: self.unlocked_writes.into(),
            two_person: self.two_person.clone(),
            token_lifetime: self.token_lifetime.0,
            event_retention: self.event_retention.0,
            lasting_event_retention: self.lasting_event_retention.0,
            scrub_every: Some(self.scrub_every.0).filter(|every| !every.is_zero()),
            max_events: self.max_events,
            max_lasting_events: self.max_lasting_events,
            policy: self.keep.policy(),
            prune_every: self.keep.prune_every.0,
            erase_at: self.keep.erase_at,
            max_clock_jump: self.keep.max_clock_jump.0,
            backups: self.backups.plan(),
        };
        limits.check(memory_of_this_machine())?;
        Ok(limits)
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command, Parser as _};

    use super::*;

    #[derive(clap::Parser)]
    struct Alone {
        #[command(flatten)]
        args: LimitArgs,
    }

    #[test]
    fn what_the_help_says_is_what_the_settings_have_and_what_may_be_given() {
        let (alone, default) = (Alone::parse_from(["serve"]), Limits::default());
        let limits = alone.args.checked().expect("the defaults");
        assert_eq!(format!("{limits:?}"), format!("{default:?}"));
        let help = LimitArgs::augment_args(Command::new("serve"))
            .render_long_help()
            .to_string();
        for shown in [
            "[default: 75s]",
            "[default: 1h]",
            "[default: 400d]",
            "[default: 1d]",
            "[default: 30d]",
            "[default: 64MiB]",
        ] {
            assert!(help.contains(shown), "{shown} in {help}");
        }
    }
}
