//! `statekeep state …`: one file a command.

mod acknowledge;
mod answer;
mod changes;
mod consumers;
mod delete;
mod diff;
mod folding;
mod freeze;
mod history;
mod hold;
mod list;
mod outputs;
mod pull;
mod purge;
mod relocate;
mod resource;
mod resource_history;
mod resources;
mod restore;
mod rollback;
mod show;
mod unlock;

use clap::Subcommand;

use crate::cli::client::api::Client;
use crate::cli::common::flags::{Common, Format};
use crate::cli::output::CliError;

#[derive(Subcommand)]
pub(super) enum StateCommand {
    /// List the states, and addresses that are only locked
    #[command(visible_alias = "ls")]
    List(list::ListArgs),
    /// Show one state and its lock, or one resource instance of it
    Show(show::ShowArgs),
    /// Print the exact bytes of a state
    Pull(pull::PullArgs),
    /// List the versions of a state, newest first
    History(history::HistoryArgs),
    /// Show what changed from one version of a state to another
    Diff(diff::DiffArgs),
    /// Show which versions changed a resource instance, or one attribute of it, newest first
    #[command(name = "blame")]
    ResourceHistory(resource_history::ResourceHistoryArgs),
    /// Show the outputs of a state
    Outputs(outputs::OutputsArgs),
    /// List who has read a state, and whether what they read is what it is now
    Consumers(consumers::ConsumersArgs),
    /// List the resource instances of a state; `state show W/B ADDRESS` shows one of them
    Resources(resources::ResourcesArgs),
    /// Make the content of an earlier version current again, as a new version with a new serial
    Rollback(rollback::RollbackArgs),
    /// Remove the content of versions from the disk for good; their rows stay
    Purge(purge::PurgeArgs),
    /// Bring back a deleted or moved state, or one that has left for another backend
    Restore(restore::RestoreArgs),
    /// Give a state with its whole history another address
    Move(relocate::MoveArgs),
    /// Break the lock on a state
    Unlock(unlock::UnlockArgs),
    /// Freeze a state: nothing changes it for a while, and plans go on
    Freeze(freeze::FreezeArgs),
    /// Lift the freeze of a state
    Unfreeze(freeze::UnfreezeArgs),
    /// Note that a person has looked at what happened to a state
    Acknowledge(acknowledge::AcknowledgeArgs),
    /// Hold a version, so that it is neither pruned nor purged
    Hold(hold::HoldArgs),
    /// Release a held version
    Release(hold::ReleaseArgs),
    /// Delete a state; its history stays, and it can be restored
    Delete(delete::DeleteArgs),
}

/// Runs one of them.
pub(super) async fn run(command: StateCommand, common: Common) -> Result<(), CliError> {
    let client = Client::connect(&common.reach).await?;
    let done = act(&client, command, common.format).await;
    client.close().await?;
    done
}

async fn act(client: &Client, command: StateCommand, format: Format) -> Result<(), CliError> {
    match command {
        StateCommand::List(args) => list::run(client, args, format).await,
        StateCommand::Show(args) => show::run(client, &args, format).await,
        StateCommand::Pull(args) => pull::run(client, &args).await,
        StateCommand::History(args) => history::run(client, &args, format).await,
        StateCommand::Diff(args) => diff::run(client, args, format).await,
        StateCommand::ResourceHistory(args) => resource_history::run(client, &args, format).await,
        StateCommand::Outputs(args) => outputs::run(client, &args, format).await,
        StateCommand::Consumers(args) => consumers::run(client, &args, format).await,
        StateCommand::Resources(args) => resources::run(client, args, format).await,
        StateCommand::Rollback(args) => rollback::run(client, args, format).await,
        StateCommand::Purge(args) => purge::run(client, args, format).await,
        StateCommand::Restore(args) => restore::run(client, &args, format).await,
        StateCommand::Move(args) => relocate::run(client, args, format).await,
        StateCommand::Unlock(args) => unlock::run(client, args, format).await,
        StateCommand::Freeze(args) => freeze::freeze(client, args, format).await,
        StateCommand::Unfreeze(args) => freeze::unfreeze(client, &args, format).await,
        StateCommand::Acknowledge(args) => acknowledge::run(client, args, format).await,
        StateCommand::Hold(args) => hold::hold(client, args, format).await,
        StateCommand::Release(args) => hold::release(client, &args, format).await,
        StateCommand::Delete(args) => delete::run(client, &args, format).await,
    }
}
