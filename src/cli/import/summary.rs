//! What became of an import: of all states together, for people and for scripts.

use serde_json::{Value, json};

use crate::cli::import::send::Done;
use crate::cli::import::sources::FoundStates;
use crate::cli::output::{self, counted};

const PARTLY: &str = "there only in part: run the same command again to continue";
const NO_CONTENT: &str = "no content left that could be imported, and nothing was made of";
const OTHER_TIME: &str = "keeping its own needs ADM_OPERATE, and none lies in the future";
const OTHER_TIMES: &str = "keeping theirs needs ADM_OPERATE, and none lies in the future";
const NOT_HELD: &str =
    "holding needs ADM_OPERATE; run it again with that, and nothing else is done";

/// What became of an import so far.
#[derive(Default)]
pub(super) struct ImportSummary {
    states: usize,
    versions: usize,
    partly: usize,
    there_already: usize,
    /// Those of them that are deleted here, and those that have left only now.
    deleted: usize,
    left: usize,
    no_content: usize,
    other_times: usize,
    held_now: usize,
    not_held: usize,
    passed_over: usize,
    look_like_states: Vec<String>,
    pub(super) failed: Vec<String>,
    pub(super) end: Option<String>,
}

impl ImportSummary {
    /// Before anything is sent: what was found, and what was left out.
    pub(super) fn of(found: &FoundStates) -> Self {
        Self {
            failed: found.skipped.clone(),
            passed_over: found.passed_over,
            look_like_states: found.look_like_states.clone(),
            ..Self::default()
        }
    }

    /// Takes note of a state; false if every other one would fail as well.
    pub(super) fn take(&mut self, done: Done) -> bool {
        let Done {
            name,
            imported,
            failed,
            note,
        } = done;
        if let Some(note) = note {
            output::message(&output::harmless(&note));
        }
        self.versions += imported.versions;
        self.other_times += imported.other_times;
        self.held_now += imported.held_now;
        self.not_held += imported.not_held;
        self.partly += usize::from(failed.is_some() && imported.versions > 0);
        match failed {
            None if imported.has_no_content => self.no_content += 1,
            None if imported.versions == 0 => {
                self.there_already += 1;
                self.deleted += usize::from(imported.is_deleted);
                self.left += usize::from(imported.has_left);
            }
            None => self.states += 1,
            Some(failed) if failed.is_the_end => self.end = Some(failed.why),
            Some(failed) => {
                let why = format!("{name}: {}", failed.why);
                output::message(&output::harmless(&why));
                self.failed.push(why);
            }
        }
        self.end.is_none()
    }

    /// What was done, for people, one line a fact.
    pub(super) fn done(&self) -> Vec<String> {
        let states = counted(self.states, "state");
        let versions = counted(self.versions, "version");
        let already = |count: usize, and: &str| {
            line(
                (count, "state"),
                format!("was there already{and}"),
                format!("were there already{and}"),
            )
        };
        let there_already = [
            already(self.there_already - self.deleted - self.left, ""),
            already(self.deleted, ", deleted"),
            already(self.left, ", and left only now, as in the export"),
        ];
        let held_now = line(
            (self.held_now, "version"),
            "that was there already is held now, as it was".to_owned(),
            "that were there already are held now, as they were".to_owned(),
        );
        let imported = format!("imported {states} with {versions}");
        let also = there_already.into_iter().chain([held_now]).flatten();
        std::iter::once(imported).chain(also).collect()
    }

    /// What is not as it was asked for, for people, one line a fact.
    pub(super) fn left_undone(&self) -> Vec<String> {
        let partly = line(
            (self.partly, "state"),
            format!("is {PARTLY}"),
            format!("are {PARTLY}"),
        );
        let no_content = line(
            (self.no_content, "state"),
            format!("has {NO_CONTENT} it"),
            format!("have {NO_CONTENT} them"),
        );
        let other_times = line(
            (self.other_times, "version"),
            format!("has the time of its import: {OTHER_TIME}"),
            format!("have the time of their import: {OTHER_TIMES}"),
        );
        let not_held = line(
            (self.not_held, "version"),
            format!("that was held is not: {NOT_HELD}"),
            format!("that were held are not: {NOT_HELD}"),
        );
        let lines = [partly, no_content, other_times, not_held].into_iter();
        lines.flatten().collect()
    }

    /// For scripts.
    pub(super) fn json(&self) -> Value {
        json!({
            "states": self.states, "versions": self.versions, "partly": self.partly,
            "there_already": self.there_already, "there_deleted": self.deleted,
            "left_now": self.left, "no_content": self.no_content,
            "other_times": self.other_times, "held_now": self.held_now, "not_held": self.not_held,
            "passed_over": self.passed_over, "look_like_states": self.look_like_states,
            "failed": self.failed,
        })
    }
}

/// So many of something, with what is said of one and of several; none if there are none.
fn line((count, what): (usize, &str), one: String, several: String) -> Option<String> {
    let said = if count == 1 { one } else { several };
    (count > 0).then(|| format!("{} {said}", counted(count, what)))
}
