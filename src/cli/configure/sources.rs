//! What the sources of a module say before a file is generated beside them: the rules that `configure` and `run` share.
//!
//! Where it is undecided, or something that nobody examined may say otherwise, nothing is generated.

use std::path::Path;

use clap::Args;

use crate::cli::detect::{self, Module};
use crate::cli::output::Failure;
use crate::hcl::{Answer, Detection, FILE, Found, HIDING_FILE};

/// What every command takes that generates a file.
#[derive(Args)]
pub(in crate::cli) struct Beside {
    /// Write the file although JSON files were not examined
    #[arg(long, conflicts_with = "include_json")]
    ignore_json: bool,
}

/// What the sources say.
pub(in crate::cli) enum Sources {
    /// They configure this themselves.
    Configure(Found),
    /// They configure nothing, and a file may be generated.
    AreSilent {
        /// Whether OpenTofu may encrypt the state.
        may_encrypt: bool,
    },
}

impl Beside {
    /// Looks at the sources, as if one file were not there.
    pub(in crate::cli) fn look(&self, module: &Module, without: Option<&str>) -> Result<Sources, Failure> {
        let detection = module.look(without)?;
        match (detection.answer, detection.effective()) {
            (Answer::Undecided, _) => Err(undecided(&module.dir, &detection)),
            (_, Some(found)) => Ok(Sources::Configure(found.clone())),
            (Answer::None | Answer::Configured, None) => {
                self.refuse_unexamined(&module.dir, &detection)?;
                refuse_hidden(&module.dir)?;
                Ok(Sources::AreSilent { may_encrypt: detection.may_encrypt })
            }
        }
    }

    fn refuse_unexamined(&self, dir: &Path, detection: &Detection) -> Result<(), Failure> {
        let Some(file) = detection.not_examined.first().filter(|_| !self.ignore_json) else { return Ok(()) };
        let file = detect::in_dir(dir, file);
        Err(Failure::Failed(format!(
            "{file} was not examined and may configure a backend, so nothing is written; say --include-json, or --ignore-json if you know better"
        )))
    }
}

fn undecided(dir: &Path, detection: &Detection) -> Failure {
    let lines = detect::lines(dir, detection);
    Failure::Failed(format!("it is undecided whether the module says where its state goes, so nothing is written:\n{}", lines.join("\n")))
}

fn refuse_hidden(dir: &Path) -> Result<(), Failure> {
    if dir.join(HIDING_FILE).symlink_metadata().is_err() {
        return Ok(());
    }
    let hiding = detect::in_dir(dir, HIDING_FILE);
    Err(Failure::Failed(format!("{hiding} would hide {FILE} from tofu, so nothing was written; rename it")))
}

/// There is a file of the generated file's name that was not generated.
pub(in crate::cli) fn not_ours(dir: &Path) -> Failure {
    let file = detect::in_dir(dir, FILE);
    Failure::Failed(format!("{file} is not as `statekeep configure` wrote it, so it is left alone; look at it, and remove it yourself"))
}
