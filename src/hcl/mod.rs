//! Whether a root module says itself where its state goes, as Terraform and OpenTofu would load it;
//! and the one file that says it where it does not.
//!
//! An answer is never a guess: whatever cannot be read as those two programs read it is undecided,
//! with its file, line and reason. Nothing of what the sources hold is in an answer but names:
//! values may be secret.

mod archive;
mod backend;
mod borrowed;
mod folder;
mod json;
mod members;
mod names;
mod native;
mod places;
mod placing;
mod settings;
mod syntax;

pub use archive::{BadFiles, of_archive, of_map};
pub use backend::{Backend, FILE, HIDING_FILE, Present, Writer, left_beside};
pub use borrowed::{BORROWED_FILE, Borrowed};
pub use folder::{
    MAX_ENTRIES, MAX_FILE, MAX_FILES, MAX_TOTAL, loads_something, scan, scan_without,
};
pub use members::Members;
pub use settings::settings;

use serde::Serialize;

use names::Language;
use places::Places;

/// The most blocks, doubts and files not examined that are told, each.
pub const MAX_TOLD: usize = 1_000;
/// What taking a text apart needs at most, as a multiple of its size.
pub const SIZE_PARSED: u64 = 100;

/// Who would load the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Program {
    /// `terraform`, which does not know `.tofu`.
    Terraform,
    /// `tofu`, for which `x.tofu` hides `x.tf`.
    Tofu,
}

/// How a module is looked at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ask {
    /// Who would load it; where nobody says, both have to come to the same.
    pub program: Option<Program>,
    /// Whether JSON files are examined as well.
    pub include_json: bool,
}

/// The answer in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// The module says where its state goes.
    Configured,
    /// It does not.
    None,
    /// That cannot be told.
    Undecided,
}

/// The block that says where a state goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// `backend "http" {}`.
    Backend,
    /// `cloud {}`.
    Cloud,
    /// `state_store "type" {}`.
    StateStore,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Backend, Self::Cloud, Self::StateStore];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Backend => "backend",
            Self::Cloud => "cloud",
            Self::StateStore => "state_store",
        }
    }

    fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// How many labels it takes.
    const fn labels(self) -> usize {
        match self {
            Self::Backend | Self::StateStore => 1,
            Self::Cloud => 0,
        }
    }
}

/// A block that says where the state goes.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Which block.
    pub kind: Kind,
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

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Doubt {
    /// The file, if it is about one.
    pub file: Option<String>,
    /// The line, from 1, if it is about one.
    pub line: Option<usize>,
    /// What is in doubt, and what to do.
    pub reason: String,
}

/// What a module says.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Detection {
    /// The answer in a word.
    pub answer: Answer,
    /// For which program, if one was asked for.
    pub program: Option<Program>,
    /// What was found, in the order in which it counts: the last one holds.
    pub found: Vec<Found>,
    /// Why it is undecided.
    pub undecided: Vec<Doubt>,
    /// JSON files that were not looked into.
    pub not_examined: Vec<String>,
    /// Whether one of these lists was cut.
    pub truncated: bool,
    /// Whether `OpenTofu` may encrypt the state: a file says so, or was not looked into.
    #[serde(skip)]
    pub may_encrypt: bool,
    /// Whether no program that is asked about would load a file, but for override files, which
    /// change others and say nothing by themselves.
    #[serde(skip)]
    pub is_empty: bool,
}

impl Detection {
    /// The block that holds: of override files the last, as both programs merge them.
    pub fn effective(&self) -> Option<&Found> {
        self.found
            .last()
            .filter(|_| self.answer == Answer::Configured)
    }

    fn undecided(program: Option<Program>, doubts: Vec<Doubt>) -> Self {
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

    fn cut(mut self) -> Self {
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
}

/// A file in the root directory that one of the programs would load: its name, and its bytes or why
/// there are none.
pub struct Source {
    name: String,
    content: Result<Vec<u8>, String>,
}

impl Source {
    /// The file's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many bytes it has.
    pub fn size(&self) -> u64 {
        self.content.as_ref().map_or(0, |bytes| bytes.len() as u64)
    }
}

/// What one file says.
#[derive(Default)]
struct Reading {
    found: Vec<Found>,
    doubts: Vec<Doubt>,
    /// Whether it says how the state is encrypted.
    encrypts: bool,
}

/// The block in which a file says how the state is encrypted.
const ENCRYPTION: &str = "encryption";

impl Reading {
    fn doubt(name: &str, line: Option<usize>, reason: impl Into<String>) -> Self {
        Self {
            doubts: vec![Doubt {
                file: Some(name.to_owned()),
                line,
                reason: reason.into(),
            }],
            ..Self::default()
        }
    }

    /// One more doubt; of more than are told the first ones count.
    fn in_doubt(&mut self, name: &str, line: usize, reason: impl Into<String>) {
        if self.doubts.len() <= MAX_TOLD {
            self.doubts.push(Doubt {
                file: Some(name.to_owned()),
                line: Some(line),
                reason: reason.into(),
            });
        }
    }

    /// One more block; of more than are told the last ones count.
    fn found(&mut self, found: Found) {
        if self.found.len() > 2 * MAX_TOLD {
            self.found.drain(..MAX_TOLD);
        }
        self.found.push(found);
    }
}

/// Reads one file.
fn read(name: &str, content: &Result<Vec<u8>, String>) -> Reading {
    let bytes = match content {
        Ok(bytes) => bytes,
        Err(reason) => return Reading::doubt(name, None, reason),
    };
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let valid = std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default();
            let (line, _) = Places::new(valid).of(valid.len());
            return Reading::doubt(name, Some(line), "the file is not UTF-8");
        }
    };
    match names::language(name) {
        Some(Language::Json) => json::read(name, text),
        Some(Language::Native) | None => native::read(name, text),
    }
}

/// Judges files that were sent, one after the other.
pub fn judge(mut sources: Vec<Source>, ask: Ask) -> Detection {
    sources.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    let names: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
    let views = Views::of(&names, ask);
    let read = |name: &&str| {
        let index = names.binary_search(name).ok();
        index
            .and_then(|index| sources.get(index))
            .map(|source| read(name, &source.content))
            .unwrap_or_default()
    };
    let wanted = views.wanted();
    let readings: Vec<Reading> = wanted.iter().map(read).collect();
    views.judge(&wanted, &readings)
}

/// What each program that is asked about would load.
struct Views<'a> {
    ask: Ask,
    /// By program, in the order in which it counts.
    loaded: Vec<(Program, Vec<&'a str>)>,
    not_examined: Vec<String>,
    is_empty: bool,
}

impl<'a> Views<'a> {
    /// From the names of all files, which are sorted.
    fn of(names: &[&'a str], ask: Ask) -> Self {
        let programs = match ask.program {
            Some(program) => vec![program],
            None => vec![Program::Terraform, Program::Tofu],
        };
        let mut loaded: Vec<(Program, Vec<&str>)> = programs
            .into_iter()
            .map(|program| (program, names::loaded(names, program)))
            .filter(|(_, files)| !files.is_empty())
            .collect();
        let is_empty = loaded
            .iter()
            .flat_map(|(_, files)| files)
            .all(|name| names::overrides(name));
        let is_json = |name: &&str| names::language(name) == Some(Language::Json);
        let mut not_examined: Vec<String> = Vec::new();
        if !ask.include_json {
            let json = names.iter().filter(|name| {
                is_json(name) && loaded.iter().any(|(_, files)| files.contains(name))
            });
            not_examined = json.map(|name| (*name).to_owned()).collect();
            for (_, files) in &mut loaded {
                files.retain(|name| !is_json(name));
            }
        }
        Self {
            ask,
            loaded,
            not_examined,
            is_empty,
        }
    }

    /// Every file that has to be read, once.
    fn wanted(&self) -> Vec<&'a str> {
        let mut wanted: Vec<&str> = self
            .loaded
            .iter()
            .flat_map(|(_, files)| files.iter().copied())
            .collect();
        wanted.sort_unstable();
        wanted.dedup();
        wanted
    }

    /// Puts together what the files say.
    fn judge(self, wanted: &[&str], readings: &[Reading]) -> Detection {
        let verdicts: Vec<Detection> = self
            .loaded
            .iter()
            .map(|(_, files)| self.verdict(files, wanted, readings))
            .collect();
        let mut detection = match verdicts.as_slice() {
            [] => Detection {
                answer: Answer::None,
                ..Detection::undecided(self.ask.program, Vec::new())
            },
            [one] => one.clone(),
            [one, other, ..] if one == other => one.clone(),
            [one, other, ..] => self.differing(one, other),
        };
        detection.may_encrypt =
            !self.not_examined.is_empty() || readings.iter().any(|reading| reading.encrypts);
        detection.not_examined = self.not_examined;
        detection.is_empty = self.is_empty;
        detection.cut()
    }

    fn verdict(&self, files: &[&str], wanted: &[&str], readings: &[Reading]) -> Detection {
        let mut verdict = Detection {
            answer: Answer::None,
            ..Detection::undecided(self.ask.program, Vec::new())
        };
        for reading in files
            .iter()
            .filter_map(|name| readings.get(wanted.binary_search(name).ok()?))
        {
            verdict.found.extend_from_slice(&reading.found);
            verdict.undecided.extend_from_slice(&reading.doubts);
        }
        verdict.answer = match (verdict.undecided.is_empty(), verdict.found.is_empty()) {
            (false, _) => Answer::Undecided,
            (true, false) => Answer::Configured,
            (true, true) => Answer::None,
        };
        verdict
    }

    /// Both programs could load the module, and would not come to the same.
    fn differing(&self, terraform: &Detection, tofu: &Detection) -> Detection {
        let mut doubts = terraform.undecided.clone();
        doubts.extend(
            tofu.undecided
                .iter()
                .filter(|doubt| !terraform.undecided.contains(doubt))
                .cloned(),
        );
        if doubts.is_empty() {
            let seen_by_one = |one: &Detection, other: &Detection| {
                one.found
                    .iter()
                    .find(|found| !other.found.contains(found))
                    .cloned()
            };
            let where_it_shows = seen_by_one(tofu, terraform)
                .or_else(|| seen_by_one(terraform, tofu))
                .or_else(|| tofu.found.last().cloned());
            let reason = format!(
                "terraform and tofu would load different files: for terraform {}, for tofu {}; say \
                    which it is with `program`",
                terraform.in_words(),
                tofu.in_words()
            );
            doubts.push(Doubt {
                line: where_it_shows.as_ref().map(|found| found.line),
                file: where_it_shows.map(|found| found.file),
                reason,
            });
        }
        Detection::undecided(self.ask.program, doubts)
    }
}

impl Detection {
    fn in_words(&self) -> String {
        match self.found.last() {
            Some(Found {
                kind,
                label: Some(label),
                file,
                ..
            }) => format!("{file} has `{} {label:?}`", kind.name()),
            Some(Found {
                kind,
                label: None,
                file,
                ..
            }) => format!("{file} has `{}`", kind.name()),
            None => "nothing is configured".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
