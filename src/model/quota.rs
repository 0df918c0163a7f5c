//! Quotas: what a workspace may have, and what it has.

use serde::{Deserialize, Serialize};

use super::actor::Actor;
use super::clock::Timestamp;

/// The highest value of a quota.
pub const MAX_QUOTA: u64 = 1 << 53;

/// What a workspace may have. What is not set has no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// Bytes of the frames that its versions have on the disk.
    #[serde(default)]
    pub bytes: Option<u64>,
    /// States that are not deleted.
    #[serde(default)]
    pub states: Option<u64>,
    /// Versions of all its states, rejected and purged ones too.
    #[serde(default)]
    pub versions: Option<u64>,
    /// New versions a minute.
    #[serde(default)]
    pub rate: Option<u64>,
}

/// One of the bounds of a quota that holds for what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuotaKind {
    /// Bytes on the disk.
    Bytes,
    /// States.
    States,
    /// Versions.
    Versions,
}

impl QuotaKind {
    /// Its name in answers and flags.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::States => "states",
            Self::Versions => "versions",
        }
    }

    /// What makes room for more.
    pub const fn frees(self) -> &'static str {
        match self {
            Self::Bytes | Self::Versions => "prune history, or have the quota raised",
            Self::States => "delete a state, or have the quota raised",
        }
    }
}

/// What a workspace has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WorkspaceUse {
    /// Bytes of the frames that its versions have on the disk; what two versions share counts for
    /// each.
    pub bytes: u64,
    /// States that are not deleted.
    pub states: u64,
    /// Versions of all its states.
    pub versions: u64,
}

impl WorkspaceUse {
    /// This and what else comes with the same state.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            states: self.states.max(other.states),
            versions: self.versions.saturating_add(other.versions),
        }
    }
}

impl Quota {
    /// Its values, with their names.
    pub const fn values(&self) -> [(&'static str, Option<u64>); 4] {
        [
            ("bytes", self.bytes),
            ("states", self.states),
            ("versions", self.versions),
            ("rate", self.rate),
        ]
    }

    /// Why it makes no sense, if it does not.
    pub fn check(&self) -> Result<(), String> {
        let mut set = self
            .values()
            .into_iter()
            .filter(|(_, value)| value.is_some());
        if set.next().is_none() {
            return Err("a quota has at least one of bytes, states, versions and rate".to_owned());
        }
        let is_wrong = |value: Option<u64>| value.is_some_and(|it| it == 0 || it > MAX_QUOTA);
        match self.values().iter().find(|(_, value)| is_wrong(*value)) {
            Some((name, _)) => Err(format!("{name} is from 1 to {MAX_QUOTA}")),
            None => Ok(()),
        }
    }

    /// Which bound keeps something from being added to what there is, and the bound. What does not
    /// add to something is not kept out by it.
    pub fn exceeded(
        &self,
        used: &WorkspaceUse,
        adds: &WorkspaceUse,
    ) -> Option<(QuotaKind, u64, u64)> {
        let bounds = [
            (QuotaKind::Bytes, self.bytes, used.bytes, adds.bytes),
            (QuotaKind::States, self.states, used.states, adds.states),
            (
                QuotaKind::Versions,
                self.versions,
                used.versions,
                adds.versions,
            ),
        ];
        let over = |(kind, bound, used, adds): (QuotaKind, Option<u64>, u64, u64)| {
            let bound = bound?;
            (adds > 0 && used.saturating_add(adds) > bound).then_some((kind, bound, used))
        };
        bounds.into_iter().find_map(over)
    }
}

/// The quota of a workspace, and who set it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WorkspaceQuota {
    /// The workspace.
    pub workspace: String,
    /// What it may have.
    pub quota: Quota,
    /// When that was set.
    pub set_at: Timestamp,
    /// By whom.
    pub set_by: Actor,
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Quota = Quota {
        bytes: None,
        states: None,
        versions: None,
        rate: None,
    };

    #[test]
    fn what_adds_beyond_a_bound_is_kept_out_and_nothing_else() {
        let used = WorkspaceUse {
            bytes: 100,
            states: 2,
            versions: 9,
        };
        let adds = WorkspaceUse {
            bytes: 10,
            states: 0,
            versions: 1,
        };
        let exceeded = |quota: Quota| quota.exceeded(&used, &adds).map(|(kind, ..)| kind.name());
        let bytes = |bytes| Quota {
            bytes: Some(bytes),
            ..NOTHING
        };
        let states = |states| Quota {
            states: Some(states),
            ..NOTHING
        };
        let versions = |versions| Quota {
            versions: Some(versions),
            ..NOTHING
        };
        for (quota, expected) in [
            (NOTHING, None),
            (bytes(110), None),
            (bytes(109), Some("bytes")),
            (states(1), None),
            (versions(10), None),
            (versions(9), Some("versions")),
            (versions(1), Some("versions")),
        ] {
            assert_eq!(exceeded(quota), expected, "{quota:?}");
        }
    }

    #[test]
    fn a_quota_of_nothing_or_of_zero_makes_no_sense() {
        assert!(NOTHING.check().is_err());
        let rate = |rate| {
            Quota {
                rate: Some(rate),
                ..NOTHING
            }
            .check()
        };
        assert!(rate(0).is_err() && rate(MAX_QUOTA + 1).is_err());
        assert!(rate(1).is_ok() && rate(MAX_QUOTA).is_ok());
    }
}
