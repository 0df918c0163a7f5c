//! A wrapped command: run as it is, or with a token that is kept alive meanwhile.

use std::process::Command;

use crate::cli::client::token::RunToken;
use crate::cli::module::address::StateAddress;
use crate::cli::output::CliError;
use crate::cli::process::child;
use crate::cli::process::child::End;
use crate::cli::process::signals::Signals;
use crate::cli::run::args::{RunArgs, TransferMode};
use crate::cli::run::left;
use crate::cli::run::login::{KeyReading, Login};
use crate::cli::terraform::invocation::Invocation;
use crate::cli::transfer::state_move::Move;
use crate::model::clock;

/// A command that is wrapped, and the state that it is about.
pub(super) struct Run {
    pub(super) args: RunArgs,
    pub(super) invocation: Invocation,
    pub(super) address: StateAddress,
    pub(super) signals: Signals,
}

impl Run {
    /// The command as it is.
    pub(super) async fn plain(&self) -> End {
        child::run(&mut self.invocation.wrapped(), &self.signals).await
    }

    /// Runs the command, and says which lock is there behind it.
    pub(super) async fn told(&self, token: &mut RunToken, command: &mut Command) -> End {
        let began = clock::now();
        let end = self.kept(token, command).await;
        if matches!(end, End::Ran(_) | End::Lost(_)) {
            left::tell(token, &self.address.name, began).await;
        }
        end
    }

    /// Runs a command while its token is kept alive.
    pub(super) async fn kept(&self, token: &mut RunToken, command: &mut Command) -> End {
        tokio::select! {
            end = child::run(command, &self.signals) => end,
            never = token.keep() => match never {},
        }
    }

    /// Does something about a state that may move.
    pub(super) async fn moving<T>(
        &self,
        token: &RunToken,
        act: impl AsyncFnOnce(Move<'_>) -> Result<T, CliError>,
    ) -> Result<T, CliError> {
        let (wire, credentials) = (token.wire(), token.credentials());
        let moving = act(Move {
            address: &self.address,
            wire: &wire,
            credentials: &credentials,
            invocation: &self.invocation,
        });
        token.meanwhile(moving).await
    }

    pub(super) fn login(&self, key: KeyReading) -> Login {
        // A wrapper of another name may do more than its word says.
        let only_plans = self.invocation.program().is_some()
            && self.invocation.subcommand() == Some("plan")
            && self.args.transfer != TransferMode::Now;
        Login::begin(key, self.address.name.clone(), only_plans)
    }
}
