//! One file: its name, its bytes, and the blocks in it.

use serde::Serialize;

use super::block::FoundBlock;

/// The most blocks, reasons and files not examined in an answer, each.
pub const MAX_TOLD: usize = 1_000;
/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UndecidedReason {
    /// The file, if it is about one.
    pub file: Option<String>,
    /// The line, from 1, if it is about one.
    pub line: Option<usize>,
    /// The reason, and what to do.
    pub reason: String,
}

/// A file in the root directory that one of the programs would load: its name, and its bytes or the
/// reason why there are none.
pub struct Source {
    pub(super) name: String,
    pub(super) content: Result<Vec<u8>, String>,
}

impl Source {
    /// The file's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.content.as_ref().map_or(0, |bytes| bytes.len() as u64)
    }
}

/// The blocks in one file, and the reasons why it cannot be read.
#[derive(Default)]
pub(super) struct SourceReading {
    pub(super) found: Vec<FoundBlock>,
    pub(super) doubts: Vec<UndecidedReason>,
    /// Whether it configures the encryption of the state.
    pub(super) encrypts: bool,
}

impl SourceReading {
    pub(super) fn doubt(name: &str, line: Option<usize>, reason: impl Into<String>) -> Self {
        Self {
            doubts: vec![UndecidedReason {
                file: Some(name.to_owned()),
                line,
                reason: reason.into(),
            }],
            ..Self::default()
        }
    }

    /// Adds a reason. If there are too many, the first ones are kept.
    pub(super) fn in_doubt(&mut self, name: &str, line: usize, reason: impl Into<String>) {
        if self.doubts.len() <= MAX_TOLD {
            self.doubts.push(UndecidedReason {
                file: Some(name.to_owned()),
                line: Some(line),
                reason: reason.into(),
            });
        }
    }

    /// Adds a block. If there are too many, the last ones are kept.
    pub(super) fn found(&mut self, found: FoundBlock) {
        if self.found.len() > 2 * MAX_TOLD {
            self.found.drain(..MAX_TOLD);
        }
        self.found.push(found);
    }
}
