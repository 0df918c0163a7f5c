//! The blocks that configure where the state of a module is stored.

use serde::Serialize;

/// The kinds of these blocks.
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

    /// The number of labels that it takes.
    pub(super) const fn labels(self) -> usize {
        match self {
            Self::Backend | Self::StateStore => 1,
            Self::Cloud => 0,
        }
    }
}

/// A block that was found.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct FoundBlock {
    /// Its kind.
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
    /// The address of an `http` backend, if it is a plain text. It may hold a password, so it is in
    /// no answer.
    #[serde(skip)]
    pub address: Option<String>,
}

/// The block that configures the encryption of a state.
pub(super) const ENCRYPTION: &str = "encryption";
