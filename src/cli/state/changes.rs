//! What changed from one version to another, as people know it from plans. What was, was: the past
//! tense.

use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::cli::output;
use crate::cli::output::CliError;
use crate::cli::output::Tone;
use crate::cli::state::answer::as_written;

#[derive(Deserialize)]
pub(super) struct Changes {
    counts: Counts,
    terraform_version: Option<Changed>,
    outputs: Vec<Changed>,
    resources: Vec<ChangedResource>,
    truncated: bool,
}

#[derive(Deserialize)]
struct Counts {
    added: u64,
    changed: u64,
    removed: u64,
    moved: u64,
}

/// A resource instance that is not as it was.
#[derive(Deserialize)]
pub(super) struct ChangedResource {
    action: Action,
    address: String,
    previous_address: Option<String>,
    mode: String,
    #[serde(rename = "type")]
    kind: String,
    name: String,
    deposed: Option<String>,
    id: Option<String>,
    attributes: Vec<Changed>,
    meta: Vec<Changed>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    Added,
    Removed,
    Moved,
    Changed,
}

impl Action {
    /// How it is marked, what it is called, and how it is painted.
    fn words(self) -> (&'static str, &'static str, Tone) {
        match self {
            Self::Added => ("+", "added", Tone::Good),
            Self::Removed => ("-", "removed", Tone::Bad),
            Self::Moved => ("->", "moved", Tone::Other),
            Self::Changed => ("~", "changed", Tone::Warn),
        }
    }
}

/// A value that is not as it was: an attribute, or an output with its action.
#[derive(Deserialize)]
struct Changed {
    path: String,
    #[serde(default, deserialize_with = "as_written")]
    before: Option<Box<RawValue>>,
    #[serde(default, deserialize_with = "as_written")]
    after: Option<Box<RawValue>>,
    #[serde(default)]
    hidden: bool,
    #[serde(default)]
    too_long: bool,
    action: Option<Action>,
}

impl Changed {
    fn action(&self) -> Action {
        self.action.unwrap_or(match (&self.before, &self.after) {
            (None, Some(_)) => Action::Added,
            (Some(_), None) => Action::Removed,
            (Some(_), Some(_)) | (None, None) => Action::Changed,
        })
    }

    fn values(&self) -> String {
        match (&self.before, &self.after) {
            _ if self.hidden => "(hidden)".to_owned(),
            _ if self.too_long => "(too long to show)".to_owned(),
            (Some(before), Some(after)) => format!("{} -> {}", before.get(), after.get()),
            (Some(only), None) | (None, Some(only)) => only.get().to_owned(),
            (None, None) => "null".to_owned(),
        }
    }

    fn print(&self, indent: usize, width: usize) -> Result<(), CliError> {
        let (mark, _, tone) = self.action().words();
        output::toned(&[
            (tone, format!("{:indent$}{mark}", "")),
            (
                Tone::Plain,
                format!(" {:width$} = {}", self.path, self.values()),
            ),
        ])
    }
}

impl Changes {
    /// Prints them.
    pub(super) fn print(&self) -> Result<(), CliError> {
        for resource in &self.resources {
            resource.print()?;
        }
        print_block("Outputs:", &self.outputs)?;
        if let Some(program) = &self.terraform_version {
            print_block("Written by:", std::slice::from_ref(program))?;
        }
        heading(self.sum())?;
        if self.truncated {
            output::message("the list was too long and was cut; the numbers count all resources");
        }
        Ok(())
    }

    fn sum(&self) -> String {
        let Counts {
            added,
            changed,
            removed,
            moved,
        } = &self.counts;
        let moved = if *moved > 0 {
            format!(" ({moved} of them moved)")
        } else {
            String::new()
        };
        let outputs = self.outputs.len();
        format!(
            "Resources: {added} added, {changed} changed{moved}, {removed} removed. Outputs: \
                {outputs} changed."
        )
    }
}

/// Begins something new after an empty line.
fn heading(text: String) -> Result<(), CliError> {
    output::line("")?;
    output::toned(&[(Tone::Bold, text)])
}

fn print_block(title: &str, values: &[Changed]) -> Result<(), CliError> {
    if values.is_empty() {
        return Ok(());
    }
    heading(title.to_owned())?;
    let width = width(values.iter());
    values.iter().try_for_each(|value| value.print(2, width))
}

fn width<'a>(values: impl Iterator<Item = &'a Changed>) -> usize {
    /// Names beyond this many letters do not push all others aside.
    const MAX_WIDTH: usize = 40;
    values
        .map(|value| value.path.chars().count())
        .max()
        .unwrap_or(0)
        .min(MAX_WIDTH)
}

impl ChangedResource {
    /// Prints how it changed.
    pub(super) fn print(&self) -> Result<(), CliError> {
        let (mark, word, tone) = self.action.words();
        heading(format!("  # {}", self.sentence(word)))?;
        output::toned(&[(tone, format!("{mark:>3}")), (Tone::Plain, self.block())])?;
        let values = || self.attributes.iter().chain(&self.meta);
        let width = width(values());
        values().try_for_each(|value| value.print(6, width))
    }

    /// What happened to it.
    fn sentence(&self, word: &str) -> String {
        let was_at = self.previous_address.as_ref().unwrap_or(&self.address);
        let mut said = was_at.clone();
        if let Some(key) = &self.deposed {
            let _ = write!(said, " (deposed object {key})");
        }
        let _ = write!(said, " was {word}");
        if self.previous_address.is_some() {
            let _ = write!(said, " to {}", self.address);
        }
        said
    }

    /// The head of its block in the sources, with its id.
    fn block(&self) -> String {
        let block = match self.mode.as_str() {
            "managed" => "resource",
            mode => mode,
        };
        let id = self.id.as_ref().map(|id| format!(" (id = {id})"));
        let id = id.unwrap_or_default();
        format!(" {block} \"{}\" \"{}\"{id}", self.kind, self.name)
    }
}
