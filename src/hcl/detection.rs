//! The answer: whether a module configures a backend.

use serde::Serialize;

use super::block::FoundBlock;
use super::program::Program;
use super::reading::{MAX_TOLD, UndecidedReason};

/// The answer in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// The module configures a backend.
    Configured,
    /// It configures none.
    None,
    /// The sources cannot be read as the programs read them.
    Undecided,
}

/// The answer about a module.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Detection {
    /// The answer in a word.
    pub answer: Answer,
    /// The program that was asked about, if one was named.
    pub program: Option<Program>,
    /// The blocks that were found. The last one is in force.
    pub found: Vec<FoundBlock>,
    /// Why it is undecided.
    pub undecided: Vec<UndecidedReason>,
    /// JSON files that were not looked into.
    pub not_examined: Vec<String>,
    /// Whether one of these lists was cut.
    pub truncated: bool,
    /// Whether `OpenTofu` may encrypt the state: a file configures it, or was not examined.
    #[serde(skip)]
    pub may_encrypt: bool,
    /// Whether the programs that are asked about would load no file, apart from override files.
    /// Those only change others.
    #[serde(skip)]
    pub is_empty: bool,
}

impl Detection {
    /// The block in force: that of the last override file, as both programs merge them.
    pub fn effective(&self) -> Option<&FoundBlock> {
        self.found
            .last()
            .filter(|_| self.answer == Answer::Configured)
    }

    pub(super) fn undecided(program: Option<Program>, doubts: Vec<UndecidedReason>) -> Self {
        let answer = Answer::Undecided;
        Self {
            answer,
            program,
            found: Vec::new(),
            undecided: doubts,
            not_examined: Vec::new(),
            truncated: false,
            may_encrypt: false,
            is_empty: false,
        }
    }

    pub(super) fn cut(mut self) -> Self {
        self.truncated = [
            self.found.len(),
            self.undecided.len(),
            self.not_examined.len(),
        ]
        .iter()
        .any(|rows| *rows > MAX_TOLD);
        // The last one holds, so the first ones go.
        self.found
            .drain(..self.found.len().saturating_sub(MAX_TOLD));
        self.undecided.truncate(MAX_TOLD);
        self.not_examined.truncate(MAX_TOLD);
        self
    }

    /// The block in force, in words.
    pub(super) fn in_words(&self) -> String {
        match self.found.last() {
            Some(FoundBlock {
                kind,
                label: Some(label),
                file,
                ..
            }) => format!("{file} has `{} {label:?}`", kind.name()),
            Some(FoundBlock {
                kind,
                label: None,
                file,
                ..
            }) => format!("{file} has `{}`", kind.name()),
            None => "nothing is configured".to_owned(),
        }
    }
}
