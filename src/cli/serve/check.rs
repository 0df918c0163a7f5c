//! `serve --check`: what a start would do, without a start.

use std::path::Path;

use crate::cli::output::{self, CliError};
use crate::domain::engine::start_preview;

/// Prints what was found, and fails if a start would.
pub(super) fn run(data: &Path) -> Result<(), CliError> {
    let found = start_preview::findings_in(data);
    for note in &found.notes {
        output::line(note)?;
    }
    for problem in &found.problems {
        output::line(&format!("problem: {problem}"))?;
    }
    if found.problems.is_empty() {
        output::line("a start would succeed; nothing was changed")
    } else {
        Err(CliError::Failed(
            "a start would fail; nothing was changed".to_owned(),
        ))
    }
}
