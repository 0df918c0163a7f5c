//! Terragrunt, as far as it has to be known: by its name, by its sources, and by the words with
//! which it writes.

use std::path::Path;

use crate::cli::terraform::invocation::{Invocation, TERRAGRUNT};
use crate::cli::terraform::reading::read_at_most;

/// What Terragrunt reads in a unit, and by convention above its units.
const SOURCES: [&str; 2] = ["terragrunt.hcl", "root.hcl"];
/// The most bytes of a source that are looked at.
const MAX_SOURCE: u64 = 4 * 1024 * 1024;
/// What is in every address of a state.
pub(super) const STATES: &str = "/api/terraform/state/workspace/";

/// By its file's name, or as a program of another name in a folder that only Terragrunt could load.
pub(super) fn is_terragrunt(invocation: &Invocation) -> bool {
    invocation.is_called(TERRAGRUNT)
        || (invocation.program().is_none() && is_a_unit(invocation.root()))
}

fn is_a_unit(dir: &Path) -> bool {
    let is_source = |name: &String| {
        [".tf", ".tofu", ".tf.json", ".tofu.json"]
            .iter()
            .any(|end| name.ends_with(end))
            && name != crate::hcl::FILE
    };
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let has_sources = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .any(|name| is_source(&name));
    dir.join(SOURCES[0]).is_file() && !has_sources
}

/// Whether Terragrunt's own words write: `run --all apply`, `run-all apply`, `run -- destroy`.
pub(super) fn writes(invocation: &Invocation) -> bool {
    let runs = matches!(invocation.subcommand(), Some("run" | "run-all"));
    runs && is_terragrunt(invocation)
        && invocation
            .arguments()
            .any(|word| matches!(word, "apply" | "destroy" | "import" | "refresh"))
}

/// Whether Terragrunt's sources, here or above, name a state of a statekeep.
pub(super) fn is_configured(root: &Path) -> bool {
    let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    let files = root
        .ancestors()
        .flat_map(|dir| SOURCES.map(|name| dir.join(name)));
    files
        .filter_map(|path| read_at_most(&path, MAX_SOURCE).ok().flatten())
        .any(|text| String::from_utf8_lossy(&text).contains(STATES))
}
