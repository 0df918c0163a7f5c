//! Acknowledged writes that are missing: what shows it, how many, and how to go on.

use std::fmt;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::model::commit::Commit;

/// The most states that a message names.
const MOST_NAMES: usize = 20;

/// Acknowledged writes are missing in a data directory.
#[derive(Clone, Debug)]
pub struct Loss {
    pub(super) dir: PathBuf,
    pub(super) sign: Sign,
    /// The last commit that is there.
    pub(super) kept: Option<Commit>,
    /// The number of the last one that is known to have been.
    pub(super) newest: Option<u64>,
    /// States that were written in the missing commits, as far as that can be told.
    pub(super) states: Vec<String>,
}

/// By which sign it is known that writes are missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// A frame of the WAL, counted from 1, of so many.
    DamagedWal(u64, u64),
    DamagedWalHeader,
    /// From this frame of the WAL on, counted from 1, of so many, nothing can be used.
    TornWal(u64, u64),
    NoWal,
    EmptyWal,
    CutWal,
    /// The WAL is not the one of this database.
    OtherWal,
    /// The database is of an earlier time than the anchor.
    OldDatabase,
    /// The database is not the one that the anchor tells of.
    OtherDatabase,
    /// The last event is not the one that the anchor tells of, though the last commit is.
    OtherEvents,
    /// There is none, but this file.
    NoDatabase(String),
    /// It has no bytes, but there is this file.
    EmptyDatabase(String),
}

impl Loss {
    /// How many commits are missing, as far as that can be told.
    pub fn commits(&self) -> Option<u64> {
        let kept = self.kept.map_or(0, |kept| kept.number);
        self.newest?.checked_sub(kept).filter(|count| *count > 0)
    }

    /// Whether there is not even a database.
    pub(super) const fn has_no_database(&self) -> bool {
        matches!(self.sign, Sign::NoDatabase(_) | Sign::EmptyDatabase(_))
    }

    /// What there is to say of it in an event.
    pub fn detail(&self) -> Value {
        json!({
            "sign": self.sign.to_string(),
            "lost_commits": self.commits(),
            "last_commit": self.kept.map(|kept| kept.number),
            "last_commit_at": self.kept.map(|kept| kept.at),
            "states": self.states.iter().take(MOST_NAMES).collect::<Vec<_>>(),
        })
    }

    fn fmt_lost(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.commits() {
            Some(1) => write!(f, "1 commit is missing")?,
            Some(count) => write!(f, "{count} commits are missing")?,
            None => write!(f, "How many commits are missing cannot be told")?,
        }
        match self.kept {
            Some(kept) => write!(f, "; the last one that is there is of {}", kept.at)?,
            None => write!(f, "; none is left here")?,
        }
        if !self.states.is_empty() {
            let named = self.states[..self.states.len().min(MOST_NAMES)].join(", ");
            write!(f, ". States that were written in them: {named}")?;
            if self.states.len() > MOST_NAMES {
                write!(f, " and {} more", self.states.len() - MOST_NAMES)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (dir, sign) = (self.dir.display(), &self.sign);
        write!(
            f,
            "acknowledged writes are missing in {dir}: {sign}. Nothing was changed. "
        )?;
        self.fmt_lost(f)?;
        write!(
            f,
            ". Copy the directory first. Then `statekeep salvage {dir} OUT` reads out all that can \
                be read, `statekeep restore` goes back to a backup, and `statekeep serve \
                --accept-loss` goes on without the missing writes"
        )
    }
}

impl std::error::Error for Loss {}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DamagedWal(frame, frames) => write!(
                f,
                "frame {frame} of {frames} in the WAL statekeep.db-wal is damaged, and committed \
                    frames follow it"
            ),
            Self::DamagedWalHeader => f.write_str(
                "the header of the WAL statekeep.db-wal is damaged, and committed frames follow it",
            ),
            Self::TornWal(frame, frames) => write!(
                f,
                "the WAL statekeep.db-wal is damaged from frame {frame} of {frames} on"
            ),
            Self::NoWal => f.write_str("the WAL statekeep.db-wal is not there any more"),
            Self::EmptyWal => f.write_str("the WAL statekeep.db-wal was emptied"),
            Self::CutWal => f.write_str("the WAL statekeep.db-wal ends too early"),
            Self::OtherWal => {
                f.write_str("statekeep.db and the WAL statekeep.db-wal do not belong together")
            }
            Self::OldDatabase => {
                f.write_str("statekeep.db is of an earlier time than its anchor statekeep.anchor")
            }
            Self::OtherDatabase => {
                f.write_str("statekeep.db is not the data that statekeep.anchor tells of")
            }
            Self::OtherEvents => f.write_str(
                "the last event in statekeep.db is not the one that statekeep.anchor tells of",
            ),
            Self::NoDatabase(trace) => write!(f, "statekeep.db is not there, but {trace} is"),
            Self::EmptyDatabase(trace) => {
                write!(f, "statekeep.db is empty, but {trace} is there")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::clock::Timestamp;
    use uuid::Uuid;

    #[test]
    fn says_how_many_commits_are_missing_since_when_and_how_to_go_on() {
        let at = Timestamp::from_millis(1_767_323_045_678);
        let mut loss = Loss {
            dir: "/data".into(),
            sign: Sign::DamagedWal(12, 300),
            kept: Some(Commit::first(Uuid::from_u128(1), at).next(at)),
            newest: Some(42),
            states: vec!["team/net".to_owned()],
        };
        let text = loss.to_string();
        for part in [
            "frame 12 of 300",
            "41 commits are missing",
            "2026-01-02T03:04:05.678Z",
            "team/net",
            "--accept-loss",
            "statekeep salvage /data OUT",
        ] {
            assert!(text.contains(part), "{text}");
        }
        loss.newest = None;
        assert!(loss.to_string().contains("cannot be told"), "{loss}");
    }
}
