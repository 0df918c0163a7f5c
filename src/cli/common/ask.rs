//! A command whose effect cannot be undone, or breaks another person's work, shows the effect
//! first. It acts only if a person at a terminal says yes, or if `--yes` was given.

use clap::Args;

use crate::cli::output;
use crate::cli::output::CliError;

#[derive(Args)]
pub(in crate::cli) struct Asking {
    /// Do not ask; required if there is no terminal
    #[arg(long)]
    yes: bool,
}

impl Asking {
    /// Whether `--yes` answers, so that there is no question and nothing has to be shown.
    pub(in crate::cli) fn answers_yes(&self) -> bool {
        self.yes
    }

    /// Shows what an act would hit, and asks.
    pub(in crate::cli) fn about(&self, hit: &[String], question: &str) -> Result<(), CliError> {
        if self.yes {
            return Ok(());
        }
        for line in hit {
            output::message(&output::harmless(line));
        }
        if !output::can_ask() {
            return Err(CliError::Usage(format!(
                "{question} There is no terminal to ask at; --yes confirms it. Nothing was done"
            )));
        }
        if output::ask(question)? {
            Ok(())
        } else {
            Err(CliError::Failed("nothing was done".to_owned()))
        }
    }
}
