//! The files of a module that each program would load, and the answer that follows from them.

use std::time::Instant;

use super::detection::{Answer, Detection};
use super::names::{self, Language};
use super::program::{Ask, Program};
use super::read::read;
use super::reading::{Source, SourceReading, UndecidedReason};

/// The most memory for parsing a text, as a multiple of its size.
pub const SIZE_PARSED: u64 = 100;

/// Judges files that were sent, one after the other.
pub fn judge(sources: Vec<Source>, ask: Ask) -> Detection {
    judge_until(sources, ask, None)
}

/// The same. If there is a time, what is not read by then is undecided.
pub fn judge_until(mut sources: Vec<Source>, ask: Ask, until: Option<Instant>) -> Detection {
    sources.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    let names: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
    let views = Views::of(&names, ask);
    let read = |name: &&str| {
        let index = names.binary_search(name).ok();
        index
            .and_then(|index| sources.get(index))
            .map(|source| read(name, &source.content, until))
            .unwrap_or_default()
    };
    let wanted = views.wanted();
    let readings: Vec<SourceReading> = wanted.iter().map(read).collect();
    views.judge(&wanted, &readings)
}

/// The files that each program would load.
pub(super) struct Views<'a> {
    ask: Ask,
    /// By program, in the order in which the files count.
    loaded: Vec<(Program, Vec<&'a str>)>,
    not_examined: Vec<String>,
    pub(super) is_empty: bool,
}

impl<'a> Views<'a> {
    /// From the names of all files, which are sorted.
    pub(super) fn of(names: &[&'a str], ask: Ask) -> Self {
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
    pub(super) fn wanted(&self) -> Vec<&'a str> {
        let mut wanted: Vec<&str> = self
            .loaded
            .iter()
            .flat_map(|(_, files)| files.iter().copied())
            .collect();
        wanted.sort_unstable();
        wanted.dedup();
        wanted
    }

    /// The answer that follows from the files.
    pub(super) fn judge(self, wanted: &[&str], readings: &[SourceReading]) -> Detection {
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

    fn verdict(&self, files: &[&str], wanted: &[&str], readings: &[SourceReading]) -> Detection {
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

    /// Both programs could load the module, and their answers differ.
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
            doubts.push(UndecidedReason {
                line: where_it_shows.as_ref().map(|found| found.line),
                file: where_it_shows.map(|found| found.file),
                reason,
            });
        }
        Detection::undecided(self.ask.program, doubts)
    }
}
