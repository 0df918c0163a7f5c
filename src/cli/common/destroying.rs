//! What a command takes that destroys something: it can be asked to only say what it would do, and
//! it asks before it does it.

use clap::Args;
use serde_json::json;

use crate::cli::common::ask::Asking;
use crate::cli::common::flags::Format;
use crate::cli::output::{self, CliError};

#[derive(Args)]
pub(in crate::cli) struct Destroying {
    /// Only print what would be done
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    asking: Asking,
}

impl Destroying {
    /// Whether nothing is to be done.
    pub(in crate::cli) fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    /// Whether a person is told what would be hit.
    pub(in crate::cli) fn shows(&self) -> bool {
        self.dry_run || !self.asking.answers_yes()
    }

    /// Tells what an act would hit. Whether it is to be done: never if only that was asked for.
    pub(in crate::cli) fn goes_on(
        &self,
        hit: &[String],
        question: &str,
        format: Format,
    ) -> Result<bool, CliError> {
        if !self.dry_run {
            return self.asking.about(hit, question).map(|()| true);
        }
        match format {
            Format::Json => output::json(&json!({ "dry_run": true, "would": hit }))?,
            Format::Text => hit.iter().try_for_each(|line| output::line(line))?,
        }
        Ok(false)
    }
}
