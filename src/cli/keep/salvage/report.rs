//! What a salvage found and what it knows to be missing: as a table for people, as JSON, and as a
//! file beside the manifest.

use serde::Serialize;
use serde_json::json;

use crate::cli::common::flags::Format;
use crate::cli::output::{self, CliError, counted};
use crate::cli::table::{self, kept};

/// How many lines about missing versions and doubts are printed; the file has all of them.
const MAX_LINES: usize = 50;

/// Everything that was found.
#[derive(Default, Serialize)]
pub(super) struct SalvageReport {
    /// Pages of the file.
    pub(super) pages: u64,
    /// Pages that the disk does not give.
    pub(super) unreadable_pages: u64,
    /// Frames of the log.
    pub(super) frames: u64,
    /// Pages and frames with rows that were recognised.
    pub(super) images_with_rows: u64,
    /// States with a name.
    pub(super) states: Vec<StateFound>,
    /// Files under `unnamed/`.
    pub(super) unnamed: Vec<UnnamedFile>,
    /// What rows name and was not found, in sentences.
    pub(super) missing: Vec<String>,
    /// What could not be decided.
    pub(super) doubts: Vec<String>,
    /// Files of an earlier time in the same directory, which can be salvaged by themselves.
    pub(super) not_read: Vec<String>,
}

/// A state that was found.
#[derive(Serialize)]
pub(super) struct StateFound {
    pub(super) workspace: String,
    #[serde(rename = "buildingBlock")]
    pub(super) block: String,
    /// Where it is, below the folder.
    pub(super) folder: String,
    pub(super) found: Vec<u64>,
    pub(super) missing: Vec<u64>,
    pub(super) current: Option<u64>,
    pub(super) note: Option<String>,
}

/// Bytes without a name.
#[derive(Serialize)]
pub(super) struct UnnamedFile {
    pub(super) sha256: String,
    pub(super) size: usize,
    /// Where it is, below the folder.
    pub(super) file: String,
    /// The number, if a version's row was found and the name of its state was not.
    pub(super) number: Option<u64>,
    pub(super) created_at: Option<String>,
}

impl SalvageReport {
    /// How many versions were written out.
    pub(super) fn versions(&self) -> usize {
        let named = self.states.iter().map(|state| state.found.len());
        named.sum::<usize>() + self.unnamed.len()
    }

    /// How many things are known to be missing.
    pub(super) fn missing(&self) -> usize {
        self.missing.len()
    }

    /// Prints it.
    pub(super) fn print(&self, format: Format) -> Result<(), CliError> {
        match format {
            Format::Json => output::json(&json!(self)),
            Format::Text => self.print_text(),
        }
    }

    fn print_text(&self) -> Result<(), CliError> {
        let rows = self.states.iter().map(|state| {
            vec![
                format!("{}/{}", state.workspace, state.block),
                state.found.len().to_string(),
                state
                    .current
                    .map_or("-".to_owned(), |number| number.to_string()),
                numbers(&state.missing),
                state.note.clone().unwrap_or_default(),
            ]
        });
        let rows: Vec<Vec<String>> = rows
            .map(|row| row.iter().map(|cell| output::harmless(cell)).collect())
            .collect();
        if !rows.is_empty() {
            let header = ["STATE", "VERSIONS", "CURRENT", "MISSING", ""];
            table::whole(&header.map(kept), rows)?;
        }
        for line in self.doubts.iter().chain(&self.missing).take(MAX_LINES) {
            output::message(&output::harmless(line));
        }
        let more = (self.doubts.len() + self.missing.len()).saturating_sub(MAX_LINES);
        if more > 0 {
            output::message(&format!("… and {more} more, in {}", super::folder::REPORT));
        }
        let named: usize = self.states.iter().map(|state| state.found.len()).sum();
        output::message(&format!(
            "read {} and {}; found {} of {}, and {} without a name",
            counted(self.pages, "page"),
            counted(self.frames, "frame") + " of the WAL",
            counted(named, "version"),
            counted(self.states.len(), "state"),
            counted(self.unnamed.len(), "version"),
        ));
        if self.unreadable_pages > 0 {
            let pages = counted(self.unreadable_pages, "page");
            output::message(&format!(
                "the disk did not give {pages}: copy the files with `ddrescue`, then salvage that"
            ));
        }
        tell_not_read(&self.not_read);
        Ok(())
    }
}

/// Says which files were not read, and how to salvage them.
pub(super) fn tell_not_read(files: &[String]) {
    for file in files {
        let file = output::harmless(file);
        output::message(&format!(
            "{file} was not read, since it is of an earlier time. For what is missing here: \
                statekeep salvage {file} OTHER-FOLDER"
        ));
    }
}

/// Numbers as people write them; `-` for none.
fn numbers(numbers: &[u64]) -> String {
    if numbers.is_empty() {
        return "-".to_owned();
    }
    let shown: Vec<String> = numbers.iter().take(20).map(u64::to_string).collect();
    let more = if numbers.len() > shown.len() {
        ", …"
    } else {
        ""
    };
    format!("{}{more}", shown.join(", "))
}
