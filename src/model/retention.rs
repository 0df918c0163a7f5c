//! What of a history is kept: the policy that a person asks for, and what is known of a version to
//! judge it.
//!
//! A parsed policy can be applied; [`Policy::check`] refuses those that make no
//! sense, and above all those that keep nothing.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::actor::Actor;
use super::clock::Timestamp;

/// The most versions, days or weeks that a rule may keep.
pub const MOST_KEPT: u32 = 1_000_000;
/// How long a rule may keep versions: a second to a hundred years.
const AGES: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_hours(100 * 366 * 24);

/// The members of a policy that can be out of their range, and their flags.
const FLAGS: [(&str, &str); 6] = [
    ("keep_last", "--keep-last"),
    ("keep_within", "--keep-within"),
    ("keep_daily", "--keep-daily"),
    ("keep_weekly", "--keep-weekly"),
    ("drop_intermediate", "--drop-intermediate"),
    ("keep_rejected", "--keep-rejected"),
];

/// Which versions of a state are kept: those that any rule keeps. The current version and held ones
/// are kept by no policy but always.
///
/// Without `keep_last`, `keep_within`, `keep_daily` and `keep_weekly` every accepted version is
/// kept that `drop_intermediate` does not drop.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// The newest so many accepted versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_last: Option<u32>,
    /// Versions that are younger than this; in seconds on the wire.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_within: Option<Age>,
    /// The newest version of each of the last so many days that have one, in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_daily: Option<u32>,
    /// The newest version of each of the last so many weeks that have one, from Monday on, in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_weekly: Option<u32>,
    /// Snapshots of an apply that went on are kept for so long and no longer, whatever the rules
    /// above say, which then do not count them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drop_intermediate: Option<Age>,
    /// Rejected versions are kept for so long; without it only their number and size on disk are
    /// bounded. No rule above counts them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_rejected: Option<Age>,
    /// Everything is kept. Nothing else may then be said.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub keep_all: bool,
}

/// A time span of a policy: whole seconds in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Age(pub Duration);

impl Serialize for Age {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0.as_secs())
    }
}

impl<'de> Deserialize<'de> for Age {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(|seconds| Self(Duration::from_secs(seconds)))
    }
}

/// Why a policy is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPolicy {
    /// It says nothing, so it would keep nothing.
    #[error(
        "the policy has no rule, so it would keep nothing; give at least one of keep_last, \
            keep_within, keep_daily, keep_weekly, drop_intermediate and keep_rejected"
    )]
    KeepsNothing,
    /// It keeps everything and something else.
    #[error("keep_all keeps everything; it cannot be given together with another rule")]
    AllAndMore,
    /// A number is out of its range.
    #[error("{0} has to be from 1 to {MOST_KEPT}: a rule keeps at least one version")]
    Number(&'static str),
    /// An age is out of its range.
    #[error(
        "{0} has to be a number of seconds, at least 1 (0 for drop_intermediate), \
            and at most 100 years"
    )]
    Age(&'static str),
}

impl BadPolicy {
    /// The flag of the command line that it is about.
    pub fn flag(&self) -> &'static str {
        match self {
            Self::KeepsNothing | Self::AllAndMore => "--keep-…",
            Self::Number(name) | Self::Age(name) => FLAGS
                .iter()
                .find(|(member, _)| member == name)
                .map_or("--keep-…", |(_, flag)| flag),
        }
    }

    /// What is wrong with it.
    pub fn reason(&self) -> String {
        match self {
            Self::KeepsNothing => {
                "has to be given at least once, or nothing would be kept".to_owned()
            }
            Self::AllAndMore => self.to_string(),
            Self::Number(_) => format!("has to be from 1 to {MOST_KEPT}"),
            Self::Age("drop_intermediate") => "has to be from 0s to 100 years".to_owned(),
            Self::Age(_) => "has to be from 1s to 100 years".to_owned(),
        }
    }
}

impl Policy {
    /// Whether a rule says which accepted versions are kept, so that the others go.
    pub const fn bounds_accepted(&self) -> bool {
        self.keep_last.is_some()
            || self.keep_within.is_some()
            || self.keep_daily.is_some()
            || self.keep_weekly.is_some()
    }

    /// Refuses a policy that keeps nothing, or whose numbers make no sense.
    pub fn check(&self) -> Result<(), BadPolicy> {
        let says_nothing = Self {
            keep_all: false,
            ..self.clone()
        } == Self::default();
        match (self.keep_all, says_nothing) {
            (false, true) => return Err(BadPolicy::KeepsNothing),
            (true, false) => return Err(BadPolicy::AllAndMore),
            (true, true) | (false, false) => {}
        }
        let numbers = [
            ("keep_last", self.keep_last),
            ("keep_daily", self.keep_daily),
            ("keep_weekly", self.keep_weekly),
        ];
        if let Some((name, _)) = numbers
            .iter()
            .find(|(_, number)| number.is_some_and(|number| !(1..=MOST_KEPT).contains(&number)))
        {
            return Err(BadPolicy::Number(name));
        }
        let ages = [
            ("keep_within", self.keep_within),
            ("keep_rejected", self.keep_rejected),
        ];
        if let Some((name, _)) = ages
            .iter()
            .find(|(_, age)| age.is_some_and(|age| !AGES.contains(&age.0)))
        {
            return Err(BadPolicy::Age(name));
        }
        // An intermediate snapshot has been replaced already, so it may go at once.
        match self.drop_intermediate {
            Some(age) if age.0 > *AGES.end() => Err(BadPolicy::Age("drop_intermediate")),
            _ => Ok(()),
        }
    }
}

/// The policy of a workspace that has one of its own.
#[derive(Clone, Debug, Serialize)]
pub struct WorkspacePolicy {
    /// The workspace.
    pub workspace: String,
    /// What is kept there.
    pub policy: Policy,
    /// Since when.
    pub set_at: Timestamp,
    /// Who said so.
    pub set_by: Actor,
}

/// What is known of a version to judge whether it is kept.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a column of its own")]
pub struct PlanRow {
    /// Its number.
    pub number: u64,
    /// When it was written.
    pub created_at: Timestamp,
    /// Whether it is the current version, or was when the state was deleted.
    pub current: bool,
    /// Whether it is held.
    pub held: bool,
    /// Whether it was refused.
    pub rejected: bool,
    /// Whether it is a snapshot of an apply that went on.
    pub intermediate: bool,
    /// Whether its content was removed.
    pub purged: bool,
    /// Whether it is known to be damaged.
    pub damaged: bool,
}

/// A time that outlives a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Until when the clock could be trusted.
    Trusted,
    /// The latest time that could be believed, by which keys and tokens end.
    Latest,
    /// When the server's own run of the policies last came to its end.
    Pruned,
    /// When a backup last went through its drill.
    Drilled,
}

impl Moment {
    /// Its name in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trusted => "trusted",
            Self::Latest => "latest",
            Self::Pruned => "pruned",
            Self::Drilled => "drilled",
        }
    }
}

/// How large the database is, with all that is still in its WAL, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Space {
    /// The whole of it.
    pub size: u64,
    /// How much of that holds nothing.
    pub free: u64,
}

/// What one step has removed of a state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// How many numbers were looked at.
    pub looked_at: usize,
    /// How many of these versions went.
    pub count: u64,
    /// The lowest number that went.
    pub first: Option<u64>,
    /// The highest number that went.
    pub last: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Policy {
        serde_json::from_str(text).expect("a policy")
    }

    #[test]
    fn a_policy_that_keeps_nothing_or_makes_no_sense_is_refused() {
        for (text, why) in [
            ("{}", BadPolicy::KeepsNothing),
            (r#"{"keep_all": false}"#, BadPolicy::KeepsNothing),
            (r#"{"keep_last": 0}"#, BadPolicy::Number("keep_last")),
            (
                r#"{"keep_last": 3, "keep_daily": 0}"#,
                BadPolicy::Number("keep_daily"),
            ),
            (
                r#"{"keep_weekly": 1000001}"#,
                BadPolicy::Number("keep_weekly"),
            ),
            (r#"{"keep_within": 0}"#, BadPolicy::Age("keep_within")),
            (
                r#"{"keep_within": 18446744073709551615}"#,
                BadPolicy::Age("keep_within"),
            ),
            (r#"{"keep_rejected": 0}"#, BadPolicy::Age("keep_rejected")),
            (
                r#"{"drop_intermediate": 18446744073709551615}"#,
                BadPolicy::Age("drop_intermediate"),
            ),
            (
                r#"{"keep_all": true, "keep_last": 3}"#,
                BadPolicy::AllAndMore,
            ),
        ] {
            assert_eq!(parse(text).check(), Err(why), "{text}");
        }
        for text in [
            r#"{"keep_last": 1}"#,
            r#"{"keep_within": 1}"#,
            r#"{"drop_intermediate": 0}"#,
            r#"{"keep_all": true}"#,
        ] {
            assert_eq!(parse(text).check(), Ok(()), "{text}");
        }
    }

    #[test]
    fn a_policy_is_read_as_it_was_written_and_unknown_members_are_refused() {
        let policy = parse(r#"{"keep_last": 3, "keep_within": 86400, "keep_rejected": 60}"#);
        assert_eq!(
            serde_json::to_string(&policy).expect("JSON"),
            r#"{"keep_last":3,"keep_within":86400,"keep_rejected":60}"#
        );
        for text in [
            r#"{"keep_lasts": 3}"#,
            r#"{"keep_last": -1}"#,
            r#"{"keep_last": 1.5}"#,
            r#"{"keep_within": "90d"}"#,
            "null",
        ] {
            assert!(serde_json::from_str::<Policy>(text).is_err(), "{text}");
        }
    }
}
