//! The blocks in which a module says where its state goes.

use serde::Serialize;

/// The block that says where a state goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockKind {
    /// `backend "http" {}`.
    Backend,
    /// `cloud {}`.
    Cloud,
    /// `state_store "type" {}`.
    StateStore,
}

impl BlockKind {
    const ALL: [Self; 3] = [Self::Backend, Self::Cloud, Self::StateStore];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Backend => "backend",
            Self::Cloud => "cloud",
            Self::StateStore => "state_store",
        }
    }

    pub(super) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// How many labels it takes.
    pub(super) const fn labels(self) -> usize {
        match self {
            Self::Backend | Self::StateStore => 1,
            Self::Cloud => 0,
        }
    }
}

/// A block that says where the state goes.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct FoundBlock {
    /// Which block.
    pub kind: BlockKind,
    /// Its label; `cloud` has none.
    #[serde(rename = "type")]
    pub label: Option<String>,
    /// The file's name in the root directory.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
    /// The address of an `http` backend, where it is a plain text. It may hold a password, so it is
    /// in no answer.
    #[serde(skip)]
    pub address: Option<String>,
}

/// The block in which a file says how the state is encrypted.
pub(super) const ENCRYPTION: &str = "encryption";
