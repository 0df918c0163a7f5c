//! Programs that run the client themselves, and make backend files of their own or have many
//! states: Terragrunt, Terramate, make. They get the token and nothing else. A file of ours would
//! be a second backend for Terragrunt, which copies the sources into its caches.

use std::path::Path;
use std::process::ExitCode;

use super::signals::Signals;
use super::token::{Key, Login};
use super::{End, Stop, child, folder, left, refusals};
use crate::cli::module::target::Subject;
use crate::cli::output::{self, Failure};
use crate::cli::terraform::Invocation;
use crate::model::clock;
use crate::model::name::{BuildingBlock, StateName, Workspace};

/// What Terragrunt reads in a unit, and by convention above its units.
const SOURCES: [&str; 2] = ["terragrunt.hcl", "root.hcl"];
/// What is in every address of a state.
const STATES: &str = "/api/terraform/state/workspace/";

/// Whether the command is handed a token, and nothing is generated.
pub(super) fn is_all(subject: &Subject, invocation: &Invocation) -> bool {
    is_terragrunt(invocation) || (!subject.names_a_state() && invocation.program().is_none())
}

/// By its file's name, or as a program of another name in a folder that only Terragrunt could load.
fn is_terragrunt(invocation: &Invocation) -> bool {
    let shown = invocation.shown();
    let name = Path::new(&shown)
        .file_name()
        .map(|name| name.to_string_lossy().to_ascii_lowercase())
        .unwrap_or_default();
    let rest = name.strip_prefix("terragrunt");
    rest.is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_alphabetic()))
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

/// Runs it; the exit code is the command's.
pub(super) fn run(subject: &Subject, invocation: &Invocation) -> Result<ExitCode, Failure> {
    let signals = Signals::take()?;
    match crate::http::block_on(whole(subject, invocation, &signals)) {
        Ok(end) | Err(Stop::Ended(end)) => Ok(end.exit(&invocation.shown())),
        Err(Stop::Failed(failure)) => Err(failure),
    }
}

async fn whole(subject: &Subject, invocation: &Invocation, signals: &Signals) -> Result<End, Stop> {
    let is_terragrunt = is_terragrunt(invocation);
    if is_terragrunt && !invocation.needs_backend() {
        return Ok(child::run(&mut invocation.wrapped(), signals).await);
    }
    let (server, workspace, block) = subject.place()?;
    let root = invocation.root();
    if folder::is_left_over(root)? {
        folder::clear(root)?;
    }
    if is_terragrunt && !is_configured(root) {
        tell(&server, &workspace, block.as_ref());
    }
    let key = Key::begin(subject.key_file.clone(), server);
    let mut token = Login::begin_for(key, workspace.clone(), block.clone())
        .done(signals)
        .await?;
    let place = block.as_ref().map_or_else(
        || workspace.to_string(),
        |block| format!("{workspace}/{block}"),
    );
    if let Err(refusal) = refusals::writing(invocation, &token, &place) {
        token.end().await;
        return Err(refusal.into());
    }
    let mut command = invocation.wrapped();
    token.credentials().give(&mut command);
    let began = clock::now();
    let end = tokio::select! {
        end = child::run(&mut command, signals) => end,
        never = token.keep() => match never {},
    };
    if let Some(block) = block {
        left::tell(&token, &StateName { workspace, block }, began).await;
    }
    token.end().await;
    Ok(end)
}

/// Whether Terragrunt's sources, here or above, name a state of a statekeep.
fn is_configured(root: &Path) -> bool {
    let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    let files = root
        .ancestors()
        .flat_map(|dir| SOURCES.map(|name| dir.join(name)));
    files
        .filter_map(|path| std::fs::read_to_string(path).ok())
        .any(|text| text.contains(STATES))
}

/// Shows the block that Terragrunt generates a backend from.
fn tell(server: &str, workspace: &Workspace, block: Option<&BuildingBlock>) {
    let name = block.map_or_else(
        || r#"${replace(path_relative_to_include(), "/", ".")}"#.to_owned(),
        ToString::to_string,
    );
    let address = format!("{server}{STATES}{workspace}/buildingblock/{name}");
    let several = if block.is_some() {
        "; for several units leave --building-block out"
    } else {
        " (or root.hcl) above the units"
    };
    output::message(&format!(
        "statekeep: Terragrunt writes the backend itself, so nothing is generated; it gets the \
            token. In terragrunt.hcl{several}:\n\
         remote_state {{\n  backend = \"http\"\n  generate = {{\n    path      = \
         \"backend.tf\"\n    if_exists = \"overwrite_terragrunt\"\n  }}\n  \
         config = {{\n    address        = \"{address}\"\n    lock_address   = \
         \"{address}\"\n    unlock_address = \"{address}\"\n    \
         lock_method    = \"LOCK\"\n    unlock_method  = \"UNLOCK\"\n    update_method  = \
         \"POST\"\n  }}\n}}"
    ));
}
