//! `statekeep events --check FILE`: whether the signed heads in a file are genuine. It asks no
//! server and opens no data directory, so an auditor can run it anywhere.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use serde_json::{Value, json};

use crate::cli::common::flags::Format;
use crate::cli::output::{self, CliError, ShownPath as _, counted};
use crate::model::signed_head::SignedHead;

/// The longest line in bytes; an event's is far shorter.
const MAX_LINE: u64 = 1 << 20;

/// What was found so far.
#[derive(Default)]
struct Checked {
    heads: u64,
    keys: BTreeSet<String>,
    last: Option<SignedHead>,
    /// The number and the hash of the last event that has a line.
    event: Option<(u64, String)>,
}

/// Checks a file of events, a head, or the manifest of a backup.
pub(super) fn check(path: &Path, signed_by: Option<&str>, format: Format) -> Result<(), CliError> {
    let failed = |error: std::io::Error| CliError::Failed(format!("{}: {error}", path.shown()));
    let mut lines = BufReader::new(File::open(path).map_err(failed)?);
    let mut checked = Checked::default();
    let (mut text, mut rest) = (String::new(), String::new());
    loop {
        text.clear();
        let read = (&mut lines).take(MAX_LINE).read_line(&mut text);
        if read.map_err(failed)? == 0 {
            break;
        }
        // What is no JSON by itself may be a part of one that stands in several lines.
        match serde_json::from_str::<Value>(&text) {
            Ok(line) if line.is_object() => checked.line(&line, signed_by)?,
            Ok(_) | Err(_) if rest.len() as u64 <= MAX_LINE => rest.push_str(&text),
            Ok(_) | Err(_) => {}
        }
    }
    if let Ok(whole) = serde_json::from_str(&rest) {
        checked.line(&whole, signed_by)?;
    }
    checked.tell(path, format)
}

/// The signed head in a line, if it has one.
fn head_in(line: &Value) -> Option<SignedHead> {
    let places = ["", "/head", "/signed", "/event_head/signed"];
    let found = places.iter().filter_map(|place| line.pointer(place));
    found
        .filter(|found| found["signature"].is_string())
        .find_map(|found| serde_json::from_value(found.clone()).ok())
}

impl Checked {
    fn line(&mut self, line: &Value, signed_by: Option<&str>) -> Result<(), CliError> {
        if let (Some(seq), Some(hash)) = (line["seq"].as_u64(), line["hash"].as_str()) {
            self.event = Some((seq, hash.to_owned()));
        }
        let Some(head) = head_in(line) else {
            return Ok(());
        };
        let number = head.number;
        if !head.is_genuine() {
            return Err(CliError::Failed(format!(
                "the head of event {number} is not what its key has signed: it was changed"
            )));
        }
        if signed_by.is_some_and(|key| !key.eq_ignore_ascii_case(&head.key)) {
            return Err(CliError::Failed(format!(
                "the head of event {number} is signed by another key"
            )));
        }
        let other_event = |(seq, hash): &(u64, String)| *seq == number && *hash != head.hash;
        if self.event.as_ref().is_some_and(other_event) {
            return Err(CliError::Failed(format!(
                "the line of event {number} has another hash than the head that is signed"
            )));
        }
        self.heads += 1;
        self.keys.insert(head.key.clone());
        self.last = Some(head);
        Ok(())
    }

    fn tell(&self, path: &Path, format: Format) -> Result<(), CliError> {
        let Some(last) = &self.last else {
            return Err(CliError::Failed(format!(
                "{}: there is no signed head in it",
                path.shown()
            )));
        };
        if format == Format::Json {
            let told = json!({ "heads": self.heads, "last": last, "keys": self.keys });
            return output::json(&told);
        }
        output::line(&format!("{} genuine", counted(self.heads, "head")))?;
        output::line(&format!(
            "the last one: {}:{} at {}, instance {}",
            last.number, last.hash, last.at, last.instance
        ))?;
        let keys = self.keys.iter();
        keys.map(|key| format!("signed by {key}"))
            .try_for_each(|line| output::line(&line))
    }
}
