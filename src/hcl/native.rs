//! Reads one file in HCL's native syntax. A file that neither program would load has no blocks but
//! a reason.

use std::time::Instant;

use super::block::{BlockKind, ENCRYPTION, FoundBlock};
use super::places::Places;
use super::reading::SourceReading;
use super::syntax::{Item, TOO_LONG, What, plain_text, walk};

/// Both programs pass over it at the beginning of a file.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Reads it, by a time if one is given.
pub(super) fn read(name: &str, text: &str, until: Option<Instant>) -> SourceReading {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let mut file = File {
        name,
        places: Places::new(text),
        reading: SourceReading::default(),
        is_settings: false,
        is_http: false,
    };
    match walk(text, until, &mut |item| file.item(&item)) {
        Ok(()) => file.reading,
        Err(failure) if failure.reason == TOO_LONG => SourceReading::doubt(name, None, TOO_LONG),
        Err(failure) => {
            let (line, _) = Places::new(text).of(failure.at);
            SourceReading::doubt(
                name,
                Some(line),
                format!("the file does not parse: {}", failure.reason),
            )
        }
    }
}

struct File<'a> {
    name: &'a str,
    places: Places<'a>,
    reading: SourceReading,
    /// Whether the last block at the top is a `terraform` block.
    is_settings: bool,
    /// Whether the last block in it is an `http` backend.
    is_http: bool,
}

impl File<'_> {
    fn item(&mut self, item: &Item<'_>) {
        match (item.depth, &item.what) {
            (0, What::Block { labels }) => self.block(item, labels),
            (1, What::Block { labels }) if self.is_settings => self.setting(item, labels),
            (1, What::Argument { .. }) if self.is_settings => self.argument(item),
            (2, What::Argument { value })
                if self.is_settings && self.is_http && item.name == "address" =>
            {
                if let Some(found) = self.reading.found.last_mut() {
                    found.address = plain_text(value);
                }
            }
            _ => {}
        }
    }

    fn doubt(&mut self, item: &Item<'_>, reason: impl Into<String>) {
        let (line, _) = self.places.of(item.at);
        self.reading.in_doubt(self.name, line, reason);
    }

    /// A block at the top.
    fn block(&mut self, item: &Item<'_>, labels: &[String]) {
        self.is_settings = item.name == "terraform";
        if self.is_settings && !labels.is_empty() {
            self.doubt(
                item,
                "a `terraform` block takes no label, so neither program would load the file",
            );
        }
    }

    fn argument(&mut self, item: &Item<'_>) {
        if let Some(kind) = BlockKind::of(item.name) {
            let reason = format!(
                "`{}` is a block and no argument, so neither program would load the file",
                kind.name()
            );
            self.doubt(item, reason);
        }
    }

    fn setting(&mut self, item: &Item<'_>, labels: &[String]) {
        self.is_http = false;
        self.reading.encrypts |= item.name == ENCRYPTION;
        let Some(kind) = BlockKind::of(item.name) else {
            return;
        };
        if labels.len() != kind.labels() {
            let takes = if kind.labels() == 0 {
                "no label"
            } else {
                "one label"
            };
            let reason = format!(
                "a `{}` block takes {takes}, so neither program would load the file",
                kind.name()
            );
            self.doubt(item, reason);
            return;
        }
        let label = labels.first().cloned();
        let (line, column) = self.places.of(item.at);
        self.is_http = kind == BlockKind::Backend && label.as_deref() == Some("http");
        self.reading.found(FoundBlock {
            kind,
            label,
            file: self.name.to_owned(),
            line,
            column,
            address: None,
        });
    }
}
