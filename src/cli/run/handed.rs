//! Programs that run the client themselves, and make backend files of their own or have many
//! states: Terragrunt, Terramate, make. They get the token and nothing else. A file of ours would
//! be a second backend for Terragrunt, which copies the sources into its caches.

use std::process::ExitCode;

use crate::cli::client::token::RunToken;
use crate::cli::module::folder;
use crate::cli::module::target::Subject;
use crate::cli::output::{self, CliError};
use crate::cli::process::child;
use crate::cli::process::child::End;
use crate::cli::process::signals::Signals;
use crate::cli::run::left;
use crate::cli::run::login::{Login, read_key};
use crate::cli::run::refusals;
use crate::cli::run::stop::Stop;
use crate::cli::run::terragrunt::{STATES, is_configured, is_terragrunt};
use crate::cli::terraform::invocation::Invocation;
use crate::model::clock;
use crate::model::name::{BuildingBlock, StateName, Workspace};

/// Whether the command is handed a token, and nothing is generated.
pub(super) fn is_all(subject: &Subject, invocation: &Invocation) -> bool {
    is_terragrunt(invocation) || (!subject.names_a_state() && invocation.program().is_none())
}

/// Runs it; the exit code is the command's.
pub(super) fn run(subject: &Subject, invocation: &Invocation) -> Result<ExitCode, CliError> {
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
    let key = read_key(subject.login_source()?, server);
    let login = Login::begin_for(key, workspace.clone(), block.clone());
    let mut token = login.done(signals).await?;
    let (place, state) = match block {
        None => (workspace.to_string(), None),
        Some(block) => {
            let state = StateName { workspace, block };
            (state.to_string(), Some(state))
        }
    };
    let ended = match refusals::writing(invocation, &token, &place) {
        Ok(()) => Ok(with_token(invocation, &mut token, state.as_ref(), signals).await),
        Err(refusal) => Err(refusal.into()),
    };
    token.end().await;
    ended
}

/// Runs the command with a token that is kept alive, and says which lock is there behind it.
async fn with_token(
    invocation: &Invocation,
    token: &mut RunToken,
    state: Option<&StateName>,
    signals: &Signals,
) -> End {
    let mut command = invocation.wrapped();
    token.credentials().give(&mut command);
    let began = clock::now();
    let end = tokio::select! {
        end = child::run(&mut command, signals) => end,
        never = token.keep() => match never {},
    };
    if let Some(state) = state {
        left::tell(token, state, began).await;
    }
    end
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
