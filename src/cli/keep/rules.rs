//! The rules of what is kept, as flags.

use clap::Args;

use crate::cli::output::CliError;
use crate::model::retention::{Age, MOST_KEPT, Policy};
use crate::model::span::Span;

/// What is kept: what any of the rules keeps.
#[derive(Args)]
#[command(next_help_heading = "What to keep (a version stays if any of these rules keeps it)")]
pub(in crate::cli) struct Rules {
    /// Keep the newest so many versions; rejected ones are not counted
    #[arg(
        long,
        value_name = "VERSIONS",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_KEPT))
    )]
    keep_last: Option<u32>,
    /// Keep versions that are younger than this, such as 90d
    #[arg(long, value_name = "DURATION")]
    keep_within: Option<Span>,
    /// Keep the newest version of each of the last so many days that have one, in UTC
    #[arg(
        long,
        value_name = "DAYS",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_KEPT))
    )]
    keep_daily: Option<u32>,
    /// Keep the newest version of each of the last so many weeks that have one, from Monday on, in
    /// UTC
    #[arg(
        long,
        value_name = "WEEKS",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_KEPT))
    )]
    keep_weekly: Option<u32>,
    /// Keep snapshots of an apply for so long only; the rules above do not count them. 0s drops
    /// them at once
    #[arg(long, value_name = "DURATION")]
    drop_intermediate: Option<Span>,
    /// Keep rejected versions for so long only
    #[arg(long, value_name = "DURATION")]
    keep_rejected: Option<Span>,
}

/// A time span of a flag as a policy has it.
pub(in crate::cli) fn age(given: Option<Span>) -> Option<Age> {
    given.map(|span| Age(span.0))
}

impl Rules {
    /// The policy that they say.
    pub(in crate::cli) fn policy(&self) -> Policy {
        Policy {
            keep_last: self.keep_last,
            keep_within: age(self.keep_within),
            keep_daily: self.keep_daily,
            keep_weekly: self.keep_weekly,
            drop_intermediate: age(self.drop_intermediate),
            keep_rejected: age(self.keep_rejected),
            keep_all: false,
        }
    }

    /// The policy, unless it keeps nothing or makes no sense; `or` is what else can be said.
    pub(in crate::cli) fn checked(&self, or: &str) -> Result<Policy, CliError> {
        let policy = self.policy();
        if policy == Policy::default() {
            return Err(CliError::Usage(format!(
                "give at least one rule: --keep-last, --keep-within, --keep-daily, --keep-weekly, \
                    --drop-intermediate or --keep-rejected; or {or}"
            )));
        }
        policy
            .check()
            .map_err(|why| CliError::Usage(format!("{} {}", why.flag(), why.reason())))?;
        Ok(policy)
    }
}
