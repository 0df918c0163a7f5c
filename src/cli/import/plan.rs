//! What is to be imported, before anything is sent: states with their versions, the oldest first,
//! and what has to be done with each beside what is there.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use crate::cli::output::counted;
use crate::config::MIB;
use crate::model::clock::Timestamp;
use crate::model::digest::Digest;
use crate::model::name::StateName;
use crate::model::terraform::tfstate::{self, StateHead};

/// The largest file that is taken for a state, in bytes: the most that a server can be told to
/// take.
pub(super) const MAX_STATE: u64 = 900 * MIB;
/// How many versions of a state stay in memory from the first look until they are sent: a state
/// with its backup. Those of a longer history are read again, one at a time, and the server
/// compares their SHA-256.
const MAX_READ_ONCE: usize = 2;
/// How deep a state may be nested, in levels: the most that a server can be told to take.
const MAX_NESTING: usize = 10_000;

/// Where the bytes of a version are.
#[derive(Clone)]
pub(super) enum VersionBytes {
    File(PathBuf),
    /// A part of a tar: from this byte on, so many.
    Part(Arc<File>, u64, u64),
    Memory(Bytes),
}

impl VersionBytes {
    /// How many bytes there are.
    pub(super) fn size(&self) -> io::Result<u64> {
        match self {
            Self::File(path) => Ok(std::fs::metadata(path)?.len()),
            Self::Part(_, _, size) => Ok(*size),
            Self::Memory(bytes) => Ok(bytes.len() as u64),
        }
    }

    /// When its file was last written; none if it is no file of its own.
    fn written(&self) -> Option<Timestamp> {
        match self {
            Self::File(path) => {
                let written = std::fs::metadata(path).and_then(|file| file.modified());
                written.ok().map(Timestamp::from)
            }
            Self::Part(..) | Self::Memory(_) => None,
        }
    }

    /// The bytes.
    pub(super) fn read(&self) -> io::Result<Bytes> {
        let size = self.size()?;
        if size > MAX_STATE {
            return Err(io::Error::other(format!(
                "larger than {MAX_STATE} bytes, the most that is taken for a state"
            )));
        }
        match self {
            Self::File(path) => Ok(std::fs::read(path)?.into()),
            Self::Part(file, offset, size) => {
                let mut bytes = vec![0; usize::try_from(*size).map_err(io::Error::other)?];
                file.read_exact_at(&mut bytes, *offset)?;
                Ok(bytes.into())
            }
            Self::Memory(bytes) => Ok(bytes.clone()),
        }
    }
}

/// A version that is to be imported.
#[derive(Clone)]
pub(super) struct PlannedVersion {
    pub(super) content: VersionBytes,
    /// Of the exact bytes; none until they were looked at.
    pub(super) sha256: Option<String>,
    pub(super) serial: Option<u64>,
    /// The highest serial of versions of its lineage that do not come along.
    pub(super) removed_serial: Option<u64>,
    pub(super) number: Option<u64>,
    pub(super) created_at: Option<String>,
    pub(super) rejected: Option<String>,
    pub(super) intermediate: bool,
    /// Why it is held, if it is.
    pub(super) held: Option<String>,
}

impl PlannedVersion {
    /// Bytes of which nothing else is known but the time of their file, if they have one.
    pub(super) fn of(content: VersionBytes) -> Self {
        let written = content.written();
        Self {
            content,
            sha256: None,
            serial: None,
            removed_serial: None,
            number: None,
            created_at: written.map(|written| written.to_string()),
            rejected: None,
            intermediate: false,
            held: None,
        }
    }
}

/// A state that is to be imported.
#[derive(Clone)]
pub(super) struct StatePlan {
    pub(super) name: StateName,
    /// Where it comes from, for people.
    pub(super) from: String,
    /// The oldest first.
    pub(super) versions: Vec<PlannedVersion>,
    pub(super) deleted: bool,
    /// The storage elsewhere that it has left for, if it has.
    pub(super) transferred_to: Option<String>,
    /// Whether all of it was looked at before; else it is looked at before any of it is sent.
    pub(super) is_known: bool,
}

impl StatePlan {
    /// How much memory its bytes need at a time.
    pub(super) fn bytes_at_a_time(&self) -> u64 {
        let sizes = self
            .versions
            .iter()
            .map(|version| version.content.size().unwrap_or(0));
        if self.is_known || self.is_read_again() {
            sizes.max().unwrap_or(0)
        } else {
            sizes.sum()
        }
    }

    /// Whether its versions are read again when they are sent.
    fn is_read_again(&self) -> bool {
        self.versions.len() > MAX_READ_ONCE
    }

    /// Looks at all versions of a state of which nothing is known, so that none of them is sent
    /// if one is no state. An older version that does not belong to the newest one is left out;
    /// it says which.
    pub(super) fn look(mut self) -> Result<(Self, Option<String>), String> {
        if self.is_known {
            return Ok((self, None));
        }
        let mut heads: Vec<StateHead> = Vec::new();
        let is_read_again = self.is_read_again();
        for version in &mut self.versions {
            let told = |why: String| format!("{}: {why}", whence(&version.content, &self.from));
            let bytes = version
                .content
                .read()
                .map_err(|error| told(error.to_string()))?;
            let head =
                tfstate::read_head(&bytes, MAX_NESTING).map_err(|error| told(error.to_string()))?;
            version.sha256 = Some(Digest::of(&bytes).to_string());
            version.serial = Some(head.serial);
            if !is_read_again {
                version.content = VersionBytes::Memory(bytes);
            }
            heads.push(head);
        }
        self.is_known = true;
        let left_out = self.leave_out_strangers(&heads);
        Ok((self, left_out))
    }

    fn leave_out_strangers(&mut self, heads: &[StateHead]) -> Option<String> {
        let newest = heads.last()?;
        let belongs = |head: &StateHead| {
            head == newest || (head.lineage == newest.lineage && head.serial < newest.serial)
        };
        let before = self.versions.len();
        let mut heads_left = heads.iter();
        self.versions
            .retain(|_| heads_left.next().is_some_and(belongs));
        let gone = before - self.versions.len();
        (gone > 0).then(|| {
            let (versions, is) = (
                counted(gone, "older version"),
                if gone == 1 { "is" } else { "are" },
            );
            format!(
                "{}: {versions} left out, which {is} not of the same lineage with a lower serial",
                self.from
            )
        })
    }
}

fn whence(content: &VersionBytes, from: &str) -> String {
    match content {
        VersionBytes::File(path) => path.display().to_string(),
        VersionBytes::Part(..) | VersionBytes::Memory(_) => from.to_owned(),
    }
}

/// A version that the server has already.
pub(super) struct StoredVersion {
    pub(super) number: u64,
    pub(super) sha256: String,
    /// Whether it was refused: its bytes are kept and are no part of what the state was.
    pub(super) rejected: bool,
    pub(super) held: bool,
}

impl StoredVersion {
    fn is(&self, planned: &PlannedVersion) -> bool {
        planned.sha256.as_deref() == Some(&self.sha256)
            && planned.rejected.is_some() == self.rejected
    }

    /// Whether it has the number too that the other one has to have, if that has to have one.
    fn is_in_place(&self, planned: &PlannedVersion) -> bool {
        self.is(planned) && planned.number.is_none_or(|number| number == self.number)
    }
}

/// What is to be done for a state.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Todo {
    /// Nothing: all of it is there.
    Nothing,
    /// All of it, to a new address.
    All,
    /// An import that was cut off goes on behind a number, with what is left behind so many
    /// versions.
    Rest { skip: usize, after: u64 },
    /// It is added to what is there, without so many versions that are there already.
    Append { skip: usize },
    /// Nothing can be done: another state is there.
    Taken,
}

/// Decides it, from what is there, the oldest first.
pub(super) fn todo(there: &[StoredVersion], planned: &[PlannedVersion], append: bool) -> Todo {
    if there.is_empty() {
        return Todo::All;
    }
    let pairs = || there.iter().zip(planned);
    let begins_alike =
        there.len() <= planned.len() && pairs().all(|(there, planned)| there.is_in_place(planned));
    match (begins_alike, there.last()) {
        (true, _) if there.len() == planned.len() => return Todo::Nothing,
        // An export leaves out content that was purged, so this server may have more of it.
        (false, Some(last)) if ends_with(planned, last) && is_all_in_place(there, planned) => {
            return Todo::Nothing;
        }
        (true, Some(last)) if !append => {
            return Todo::Rest {
                skip: there.len(),
                after: last.number,
            };
        }
        (false, _) if !append => return Todo::Taken,
        _ => {}
    }
    let is_there = |planned: &&PlannedVersion| there.iter().any(|there| there.is(planned));
    match planned.iter().take_while(is_there).count() {
        skip if skip == planned.len() => Todo::Nothing,
        skip => Todo::Append { skip },
    }
}

/// Whether the newest version that is there is the newest one that comes, by its number too.
fn ends_with(planned: &[PlannedVersion], last: &StoredVersion) -> bool {
    planned
        .last()
        .is_some_and(|planned| planned.number.is_some() && last.is_in_place(planned))
}

/// Whether each version that comes is there.
fn is_all_in_place(there: &[StoredVersion], planned: &[PlannedVersion]) -> bool {
    let is_there = |planned: &PlannedVersion| there.iter().any(|one| one.is_in_place(planned));
    planned.iter().all(is_there)
}

/// The versions that are there and have to be held as they were, with why: an import that was cut
/// off may not have come to that.
pub(super) fn missing_holds(
    there: &[StoredVersion],
    planned: &[PlannedVersion],
    todo: &Todo,
) -> Vec<(u64, String)> {
    let come = match todo {
        Todo::Nothing => planned.len(),
        Todo::Rest { skip, .. } | Todo::Append { skip } => *skip,
        Todo::All | Todo::Taken => 0,
    };
    let missing = planned.iter().take(come).filter_map(|planned| {
        let same = || there.iter().filter(|there| there.is(planned));
        let found = same()
            .find(|there| planned.number == Some(there.number))
            .or_else(|| same().next_back())?;
        planned
            .held
            .clone()
            .filter(|_| !found.held)
            .map(|reason| (found.number, reason))
    });
    missing.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(versions: &[(u64, &str)]) -> Vec<PlannedVersion> {
        let one = |(number, sha256): &(u64, &str)| PlannedVersion {
            number: (*number > 0).then_some(*number),
            sha256: Some((*sha256).to_owned()),
            ..PlannedVersion::of(VersionBytes::Memory(Bytes::new()))
        };
        versions.iter().map(one).collect()
    }

    fn there(versions: &[(u64, &str)]) -> Vec<StoredVersion> {
        versions
            .iter()
            .map(|(number, sha256)| StoredVersion {
                number: *number,
                sha256: (*sha256).to_owned(),
                rejected: false,
                held: false,
            })
            .collect()
    }

    #[test]
    fn what_is_there_decides_what_is_sent() {
        let new = planned(&[(2, "a"), (4, "b"), (5, "c")]);
        assert_eq!(todo(&[], &new, false), Todo::All);
        assert_eq!(todo(&[], &new, true), Todo::All);
        assert_eq!(
            todo(&there(&[(2, "a"), (4, "b"), (5, "c")]), &new, false),
            Todo::Nothing
        );
        assert_eq!(
            todo(&there(&[(2, "a"), (4, "b")]), &new, false),
            Todo::Rest { skip: 2, after: 4 }
        );
        assert_eq!(
            todo(&there(&[(1, "a"), (4, "b")]), &new, false),
            Todo::Taken,
            "another number"
        );
        assert_eq!(todo(&there(&[(2, "x")]), &new, false), Todo::Taken);
        assert_eq!(
            todo(
                &there(&[(2, "a"), (4, "b"), (5, "c"), (6, "d")]),
                &new,
                false
            ),
            Todo::Taken,
            "somebody went on"
        );
        assert_eq!(
            todo(
                &there(&[(1, "z"), (2, "a"), (3, "y"), (4, "b"), (5, "c")]),
                &new,
                false
            ),
            Todo::Nothing,
            "more of the same history is here"
        );
        assert_eq!(
            todo(&there(&[(1, "z"), (4, "b"), (5, "c")]), &new, false),
            Todo::Taken,
            "one that comes is missing"
        );
        assert_eq!(
            todo(&there(&[(1, "a"), (2, "b")]), &new, true),
            Todo::Append { skip: 2 }
        );
        assert_eq!(
            todo(&there(&[(1, "x")]), &new, true),
            Todo::Append { skip: 0 }
        );
        assert_eq!(
            todo(&there(&[(1, "c"), (2, "b"), (9, "a")]), &new, true),
            Todo::Nothing
        );
        assert_eq!(
            todo(&there(&[(7, "a")]), &planned(&[(0, "a")]), false),
            Todo::Nothing,
            "without a number the bytes count"
        );
    }
    #[test]
    fn what_was_refused_is_not_there() {
        let mut kept = there(&[(1, "a"), (2, "b")]);
        kept[1].rejected = true;
        assert_eq!(
            todo(&kept, &planned(&[(0, "b")]), true),
            Todo::Append { skip: 0 }
        );
        assert_eq!(
            todo(&kept, &planned(&[(1, "a"), (2, "b")]), false),
            Todo::Taken
        );
    }

    #[test]
    fn holds_that_are_missing_are_known() {
        let mut new = planned(&[(1, "a"), (2, "b"), (3, "c")]);
        new[0].held = Some("x".to_owned());
        new[1].held = Some("y".to_owned());
        new[2].held = Some("z".to_owned());
        let mut old = there(&[(1, "a"), (2, "b")]);
        old[0].held = true;
        assert_eq!(
            missing_holds(&old, &new, &Todo::Rest { skip: 2, after: 2 }),
            [(2, "y".to_owned())]
        );
        assert_eq!(
            missing_holds(
                &there(&[(7, "b"), (9, "a")]),
                &new,
                &Todo::Append { skip: 2 }
            ),
            [(9, "x".to_owned()), (7, "y".to_owned())]
        );
        assert!(missing_holds(&old, &new, &Todo::All).is_empty());
    }
}
