//! States: what is at an address, where a state went, and which of them are listed.

use super::clock::Timestamp;
use super::name::StateName;
use super::version::Version;

/// A state, as the database knows it. The number has no meaning outside of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StateId(i64);

impl StateId {
    /// Before all others.
    pub const FIRST: Self = Self(i64::MIN);

    /// The state with this number.
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn number(self) -> i64 {
        self.0
    }

    /// The one behind it, whether there is such a state or not; none behind the last that can be.
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}

/// Whether clients get a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// They do.
    Live,
    /// It is hidden: it was deleted.
    Deleted,
    /// It is hidden: it has left for a storage elsewhere, which is named here.
    Transferred(String),
}

/// Where a state is that clients knew at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gone {
    /// At another address of this server.
    Moved(StateName),
    /// In a storage elsewhere.
    Transferred(String),
}

/// What is at an address.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// Nothing was ever written there.
    Free,
    /// A state left it for this address.
    Moved(StateName),
    /// A state.
    State {
        /// Which.
        id: StateId,
        /// Its current version; none when only rejected ones were written.
        current: Option<Box<Version>>,
        /// Whether clients get it.
        visibility: Visibility,
    },
}

impl Lookup {
    /// The state that is there, hidden or not.
    pub const fn id(&self) -> Option<StateId> {
        match self {
            Self::State { id, .. } => Some(*id),
            Self::Free | Self::Moved(_) => None,
        }
    }

    /// The version that a client gets; none when nothing was written, or all is hidden.
    pub fn live(&self) -> Option<&Version> {
        match self {
            Self::State {
                current,
                visibility: Visibility::Live,
                ..
            } => current.as_deref(),
            Self::State { .. } | Self::Free | Self::Moved(_) => None,
        }
    }

    /// Where the state is that clients knew here, if it has left.
    pub fn gone(&self) -> Option<Gone> {
        match self {
            Self::Moved(to) => Some(Gone::Moved(to.clone())),
            Self::State {
                visibility: Visibility::Transferred(to),
                ..
            } => Some(Gone::Transferred(to.clone())),
            Self::State {
                visibility: Visibility::Live | Visibility::Deleted,
                ..
            }
            | Self::Free => None,
        }
    }
}

/// What a reader needs to know of an address.
#[derive(Clone, Debug)]
pub struct AddressInfo {
    /// What is there.
    pub lookup: Lookup,
    /// Whether a writer was refused there as stale and has not read the state since.
    pub has_stale_writers: bool,
}

/// Which states are listed.
#[derive(Clone, Debug, Default)]
pub struct StateFilter {
    /// Of this workspace.
    pub workspace: Option<String>,
    /// Of this building block.
    pub block: Option<String>,
    /// Also those that are hidden or were never accepted.
    pub deleted: bool,
    /// Only those whose lock is held.
    pub locked: bool,
    /// Only those that are frozen.
    pub frozen: bool,
    /// After this name.
    pub after: Option<StateName>,
    /// At most so many.
    pub limit: u32,
}

/// A state in a list.
#[derive(Clone, Debug)]
pub struct StateSummary {
    /// Its name.
    pub name: StateName,
    /// Its current version.
    pub current: Option<Version>,
    /// How many versions it has.
    pub versions: u64,
    /// How many bytes all of them take on disk.
    pub history_size: u64,
    /// When it was first written; none where only its address is locked.
    pub created_at: Option<Timestamp>,
    /// When it last changed; none where only its address is locked.
    pub updated_at: Option<Timestamp>,
    /// Since when it is hidden, if it is.
    pub deleted_at: Option<Timestamp>,
    /// The storage elsewhere that it has left for, if it is hidden because of that.
    pub transferred_to: Option<String>,
}

impl StateSummary {
    /// An address at which nothing was ever written.
    pub const fn of_nothing(name: StateName) -> Self {
        Self {
            name,
            current: None,
            versions: 0,
            history_size: 0,
            created_at: None,
            updated_at: None,
            deleted_at: None,
            transferred_to: None,
        }
    }
}

/// Which states are looked at, in the order in which they were made.
#[derive(Clone, Debug, Default)]
pub struct StateWalk {
    /// Of this workspace.
    pub workspace: Option<String>,
    /// Of this building block.
    pub block: Option<String>,
    /// Made after this one.
    pub after: Option<StateId>,
    /// At most so many.
    pub limit: u32,
}

#[cfg(test)]
impl StateId {
    /// Some state, for tests of rules that do not look at it.
    pub(crate) const fn for_tests() -> Self {
        Self(1)
    }
}
