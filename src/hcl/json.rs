//! Reads one file in HCL's JSON form. If a name stands there twice, both count, as they do for the
//! two programs. Nothing recurses.
//!
//! Where a body may stand, both programs take an object, a list of objects whose members count as
//! if they stood in one, or `null`, which has none. Where blocks may stand they take one body, or a
//! list of bodies.

use std::collections::HashSet;

use serde_json::value::RawValue;

use super::block::{BlockKind, ENCRYPTION, FoundBlock};
use super::members::Members;
use super::places::Places;
use super::reading::SourceReading;
use super::syntax::is_number;
use crate::model::json_words::{JsonWord, JsonWords};

/// The most bodies that are looked at in one list.
const MAX_BODIES: usize = 10_000;
/// The arguments that a `terraform` block takes once at most.
const ONCE: [&str; 3] = ["required_version", "experiments", "language"];

const NO_BODY: &str = "blocks are objects or lists of objects here, and this is something else";

/// Reads it.
pub(super) fn read(name: &str, text: &str) -> SourceReading {
    let mut file = File {
        name,
        text,
        places: Places::new(text),
        reading: SourceReading::default(),
    };
    match serde_json::from_str::<&RawValue>(text) {
        Ok(root) => file.root(root),
        Err(error) => {
            return SourceReading::doubt(name, Some(error.line().max(1)), "the file is not JSON");
        }
    }
    if let Some(at) = no_number(text) {
        let (line, _) = file.places.of(at);
        return SourceReading::doubt(
            name,
            Some(line),
            "the file holds a number that neither program can keep",
        );
    }
    file.reading
}

/// The place of a number whose exponent is too large.
fn no_number(text: &str) -> Option<usize> {
    let mut scalars = JsonWords::of(text.as_bytes()).filter(|(word, _)| *word == JsonWord::Scalar);
    let wrong = scalars.find(|(_, place)| {
        let number = text[place.clone()].trim_start_matches('-');
        number.starts_with(|first: char| first.is_ascii_digit()) && !is_number(number)
    });
    wrong.map(|(_, place)| place.start)
}

struct File<'a> {
    name: &'a str,
    text: &'a str,
    places: Places<'a>,
    reading: SourceReading,
}

impl<'a> File<'a> {
    fn root(&mut self, root: &'a RawValue) {
        for (_, settings) in self
            .members(root)
            .into_iter()
            .filter(|(name, _)| name == "terraform")
        {
            for body in self.blocks(settings) {
                self.settings(body);
            }
        }
    }

    fn settings(&mut self, body: &'a RawValue) {
        let mut seen = HashSet::new();
        for (name, value) in self.members(body) {
            self.reading.encrypts |= name == ENCRYPTION;
            match BlockKind::of(&name) {
                Some(BlockKind::Cloud) => self.bodies(BlockKind::Cloud, None, value),
                Some(kind) => self.labelled(kind, value),
                None if ONCE.contains(&name.as_str()) && seen.contains(&name) => {
                    self.doubt(
                        value,
                        format!(
                            "`{name}` stands twice in one block, so neither \
                        program would load the file"
                        ),
                    );
                }
                None => drop(seen.insert(name)),
            }
        }
    }

    /// `{"http": {…}}`, or a list of such.
    fn labelled(&mut self, kind: BlockKind, value: &'a RawValue) {
        let members = self.members(value);
        if members.is_empty() {
            self.doubt(
                value,
                format!(
                    "a `{}` block takes one label, so neither program would load the file",
                    kind.name()
                ),
            );
        }
        for (label, bodies) in members {
            self.bodies(kind, Some(&label), bodies);
        }
    }

    /// Blocks of one kind, with one label.
    fn bodies(&mut self, kind: BlockKind, label: Option<&str>, value: &'a RawValue) {
        let is_http = kind == BlockKind::Backend && label == Some("http");
        for body in self.blocks(value) {
            let address = self
                .members(body)
                .into_iter()
                .find(|(name, _)| name == "address")
                .and_then(|(_, value)| plain_text(value));
            let (line, column) = self.place(body);
            let (label, file, address) = (
                label.map(str::to_owned),
                self.name.to_owned(),
                address.filter(|_| is_http),
            );
            self.reading.found(FoundBlock {
                kind,
                label,
                file,
                line,
                column,
                address,
            });
        }
    }

    /// The members of a body.
    fn members(&mut self, value: &'a RawValue) -> Vec<(String, &'a RawValue)> {
        let mut all = Vec::new();
        for body in self.blocks(value) {
            match serde_json::from_str::<Members<&'a RawValue>>(body.get()) {
                Ok(members) => all.extend(members.0),
                Err(_) => self.doubt(body, NO_BODY),
            }
        }
        all
    }

    /// The bodies of blocks.
    fn blocks(&mut self, value: &'a RawValue) -> Vec<&'a RawValue> {
        match value.get().as_bytes().first() {
            Some(b'{') => vec![value],
            Some(b'n') => Vec::new(),
            Some(b'[') => self.items(value),
            _ => {
                self.doubt(value, NO_BODY);
                Vec::new()
            }
        }
    }

    fn items(&mut self, value: &'a RawValue) -> Vec<&'a RawValue> {
        let items = serde_json::from_str::<Vec<&'a RawValue>>(value.get()).unwrap_or_default();
        if items.len() > MAX_BODIES {
            self.doubt(
                value,
                format!("a list of more than {MAX_BODIES} bodies, the most that are looked at"),
            );
            return Vec::new();
        }
        items
    }

    fn doubt(&mut self, value: &RawValue, reason: impl Into<String>) {
        let (line, _) = self.place(value);
        self.reading.in_doubt(self.name, line, reason);
    }

    /// A value is a part of the text, so where it stands is the distance between the two.
    fn place(&mut self, value: &RawValue) -> (usize, usize) {
        self.places
            .of((value.get().as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize))
    }
}

/// A template is not a plain text.
fn plain_text(value: &RawValue) -> Option<String> {
    serde_json::from_str::<String>(value.get())
        .ok()
        .filter(|text| !text.contains("${") && !text.contains("%{"))
}
