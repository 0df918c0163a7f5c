//! What cannot be undone, or breaks somebody else's work, is shown first, and done only if a person
//! at a terminal, or whoever wrote `--yes`, wants it.

use clap::Args;

use crate::cli::output;
use crate::cli::output::Failure;

#[derive(Args)]
pub(in crate::cli) struct Asking {
    /// Do not ask; required if there is no terminal
    #[arg(long)]
    yes: bool,
}

impl Asking {
    /// Whether `--yes` answers, so that nobody is asked and nothing has to be shown.
    pub(in crate::cli) fn answers_yes(&self) -> bool {
        self.yes
    }

    /// Shows what an act would hit, and asks.
    pub(in crate::cli) fn about(&self, hit: &[String], question: &str) -> Result<(), Failure> {
        if self.yes {
            return Ok(());
        }
        for line in hit {
            output::message(&output::harmless(line));
        }
        if !output::can_ask() {
            return Err(Failure::Usage(format!(
                "{question} There is no terminal to ask at; --yes confirms it. Nothing was done"
            )));
        }
        if output::ask(question)? {
            Ok(())
        } else {
            Err(Failure::Failed("nothing was done".to_owned()))
        }
    }
}
