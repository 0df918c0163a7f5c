//! What the sources of a module say before a file is generated beside them: the rules that
//! `configure` and `run` share.
//!
//! Nothing is generated if it is undecided what the sources say, or if a file that was not examined
//! may say otherwise.

use std::path::Path;

use clap::Args;

use crate::cli::module::detect;
use crate::cli::module::detect::RootModule;
use crate::cli::output::CliError;
use crate::hcl::{self, Answer, Detection, FILE, FoundBlock, HIDING_FILE, Program};

/// The most entries of a folder that are looked at for a hint, and the most that are named.
const MAX_LOOKED_AT: usize = 200;
const MAX_NAMED: usize = 3;

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
    Configure(FoundBlock),
    /// They configure nothing, and a file may be generated.
    AreSilent {
        /// Whether OpenTofu may encrypt the state.
        may_encrypt: bool,
        /// Whether the program would load no file of its own there.
        is_empty: bool,
    },
}

impl Beside {
    /// Looks at the sources, as if one file were not there.
    pub(in crate::cli) fn look(
        &self,
        module: &RootModule,
        without: Option<&str>,
    ) -> Result<Sources, CliError> {
        let detection = module.look(without)?;
        match (detection.answer, detection.effective()) {
            (Answer::Undecided, _) => Err(undecided(&module.dir, &detection)),
            (_, Some(found)) => Ok(Sources::Configure(found.clone())),
            (Answer::None | Answer::Configured, None) => {
                self.refuse_unexamined(&module.dir, &detection)?;
                refuse_hidden(&module.dir)?;
                Ok(Sources::AreSilent {
                    may_encrypt: detection.may_encrypt,
                    is_empty: detection.is_empty,
                })
            }
        }
    }

    fn refuse_unexamined(&self, dir: &Path, detection: &Detection) -> Result<(), CliError> {
        let Some(file) = detection.not_examined.first().filter(|_| !self.ignore_json) else {
            return Ok(());
        };
        let file = detect::in_dir(dir, file);
        Err(CliError::Failed(format!(
            "{file} was not examined and may configure a backend, so nothing is written; give \
                --include-json to examine it, or --ignore-json to write the file anyway"
        )))
    }
}

fn undecided(dir: &Path, detection: &Detection) -> CliError {
    let lines = detect::lines(dir, detection);
    CliError::Failed(format!(
        "it is undecided whether the module configures a backend, so nothing is written:\n{}",
        lines.join("\n")
    ))
}

fn refuse_hidden(dir: &Path) -> Result<(), CliError> {
    if dir.join(HIDING_FILE).symlink_metadata().is_err() {
        return Ok(());
    }
    let hiding = detect::in_dir(dir, HIDING_FILE);
    Err(CliError::Failed(format!(
        "{hiding} would hide {FILE} from tofu, so nothing was written; rename {hiding}"
    )))
}

/// Why nothing is generated in a folder whose files are none for the program: it would go from
/// "nothing to load" to "nothing is wanted".
pub(in crate::cli) fn nothing_to_load(module: &RootModule) -> CliError {
    let program = match module.ask().program {
        Some(Program::Terraform) => "terraform",
        Some(Program::Tofu) => "tofu",
        None => "terraform or tofu",
    };
    let (shown, dir) = (detect::shown(&module.dir), &module.dir);
    let is_there = |name: &str| dir.join(name).is_file();
    let hint = match modules_below(module).as_slice() {
        _ if is_there("terragrunt.hcl") => {
            " Terragrunt makes the files itself: wrap it, as in `statekeep run … -- terragrunt \
                apply`."
                .to_owned()
        }
        [] => String::new(),
        below => format!(" The module may be in {}.", below.join(" or ")),
    };
    CliError::Failed(format!(
        "{shown} holds no file that {program} would load. With a generated file, an apply would \
            destroy everything in the state; nothing is written.{hint}"
    ))
}

/// Folders one level below in which the program would load something, as they are reached.
fn modules_below(module: &RootModule) -> Vec<String> {
    let entries = std::fs::read_dir(&module.dir)
        .into_iter()
        .flatten()
        .flatten()
        .take(MAX_LOOKED_AT);
    let mut below: Vec<String> = entries
        .map(|entry| entry.path())
        .filter(|path| {
            path.is_dir()
                && path
                    .file_name()
                    .is_some_and(|name| !name.as_encoded_bytes().starts_with(b"."))
        })
        .filter(|path| hcl::loads_something(path, module.ask()))
        .map(|path| detect::shown(&path))
        .collect();
    below.sort_unstable();
    below.truncate(MAX_NAMED);
    below
}

/// There is a file of the generated file's name that was not generated.
pub(in crate::cli) fn not_ours(dir: &Path) -> CliError {
    let file = detect::in_dir(dir, FILE);
    CliError::Failed(format!(
        "{file} is not as `statekeep configure` wrote it, so it is left alone; look at it, and \
            remove it yourself"
    ))
}
