//! What one file in HCL's JSON form says. Names that stand there twice all count, as they do for the two programs; nothing recurses.

use serde_json::value::RawValue;

use super::members::Members;
use super::native::place;
use super::{Doubt, ENCRYPTION, Found, Kind, Reading};

/// The most bodies that are looked at in one file.
const MAX_BODIES: usize = 10_000;

/// Reads it.
pub(super) fn read(name: &str, text: &str) -> Reading {
    let mut file = File { name, text, reading: Reading::default() };
    match serde_json::from_str::<&RawValue>(text) {
        Ok(root) => file.root(root),
        Err(error) => return Reading::doubt(name, Some(error.line().max(1)), "the file is not JSON"),
    }
    file.reading
}

struct File<'a> {
    name: &'a str,
    text: &'a str,
    reading: Reading,
}

impl<'a> File<'a> {
    fn root(&mut self, root: &'a RawValue) {
        for (_, settings) in self.inside(root).into_iter().filter(|(name, _)| name == "terraform") {
            self.settings(settings);
        }
    }

    fn settings(&mut self, settings: &'a RawValue) {
        for (name, value) in self.inside(settings) {
            self.reading.encrypts |= name == ENCRYPTION;
            match Kind::of(&name) {
                Some(Kind::Cloud) => self.clouds(value),
                Some(kind) => self.labelled(kind, value),
                None => {}
            }
        }
    }

    /// `{"http": {…}}`, or a list of such.
    fn labelled(&mut self, kind: Kind, value: &'a RawValue) {
        for (label, body) in self.inside(value) {
            let is_http = kind == Kind::Backend && label == "http";
            for body in self.bodies(body) {
                self.found(kind, Some(label.clone()), body, address(body).filter(|_| is_http));
            }
        }
    }

    fn clouds(&mut self, value: &'a RawValue) {
        for body in self.bodies(value) {
            self.found(Kind::Cloud, None, body, None);
        }
    }

    fn found(&mut self, kind: Kind, label: Option<String>, body: &RawValue, address: Option<String>) {
        let (line, column) = self.place(body);
        self.reading.found.push(Found { kind, label, file: self.name.to_owned(), line, column, address });
    }

    /// The members of an object, or of each object in a list; `null` has none.
    fn inside(&mut self, value: &'a RawValue) -> Vec<(String, &'a RawValue)> {
        let mut all = Vec::new();
        for body in self.bodies(value) {
            match serde_json::from_str::<Members<&'a RawValue>>(body.get()) {
                Ok(members) => all.extend(members.0),
                Err(_) => self.doubt(body),
            }
        }
        all
    }

    /// The objects that stand for blocks: one, those in a list, or none for `null`.
    fn bodies(&mut self, value: &'a RawValue) -> Vec<&'a RawValue> {
        let bodies = match value.get().as_bytes().first() {
            Some(b'{') => vec![value],
            Some(b'n') => Vec::new(),
            Some(b'[') => serde_json::from_str::<Vec<&'a RawValue>>(value.get()).unwrap_or_default(),
            _ => {
                self.doubt(value);
                Vec::new()
            }
        };
        if bodies.len() > MAX_BODIES || bodies.iter().any(|body| !body.get().starts_with('{')) {
            self.doubt(value);
            return Vec::new();
        }
        bodies
    }

    fn doubt(&mut self, value: &RawValue) {
        let (line, _) = self.place(value);
        let reason = "blocks are objects or lists of objects here, and this is something else".to_owned();
        self.reading.doubts.push(Doubt { file: Some(self.name.to_owned()), line: Some(line), reason });
    }

    /// A value is a part of the text, so where it stands is the distance between the two.
    fn place(&self, value: &RawValue) -> (usize, usize) {
        place(self.text, (value.get().as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize))
    }
}

/// A template is not a plain text.
fn address(body: &RawValue) -> Option<String> {
    let members: Members<&RawValue> = serde_json::from_str(body.get()).ok()?;
    let (_, value) = members.0.into_iter().find(|(name, _)| name == "address")?;
    serde_json::from_str::<String>(value.get()).ok().filter(|text| !text.contains("${") && !text.contains("%{"))
}
