//! The way from a key's file to a token, while other things are done.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::cli::client::login_source::LoginSource;
use crate::cli::client::token::{Key, RunToken};
use crate::cli::output::CliError;
use crate::cli::process::child::End;
use crate::cli::process::signals::Signals;
use crate::cli::run::stop::Stop;
use crate::model::name::{BuildingBlock, StateName, Workspace};

/// How long a token that is on its way is waited for when a signal came, so that it can be ended.
const GRACE: Duration = Duration::from_secs(2);

/// A key that is being read.
pub(super) type KeyReading = JoinHandle<Result<Key, CliError>>;

/// Begins to read a key's secret or an ID token.
pub(super) fn read_key(source: LoginSource, server: String) -> KeyReading {
    tokio::task::spawn_blocking(move || Key::read(&source, &server))
}

/// A token that is on its way.
pub(super) struct Login(JoinHandle<Result<RunToken, CliError>>);

impl Login {
    /// Asks for a token, while other things are done; for a plan for one that writes nothing.
    pub(super) fn begin(key: KeyReading, state: StateName, only_plans: bool) -> Self {
        Self(tokio::spawn(async move {
            let key = key.await.map_err(CliError::because)??;
            if only_plans {
                key.login_to_plan(&state).await
            } else {
                key.login(&state).await
            }
        }))
    }

    /// The same for a state or a whole workspace.
    pub(super) fn begin_for(
        key: KeyReading,
        workspace: Workspace,
        block: Option<BuildingBlock>,
    ) -> Self {
        Self(tokio::spawn(async move {
            key.await
                .map_err(CliError::because)??
                .login_for(&workspace, block.as_ref())
                .await
        }))
    }

    /// The token, unless a signal comes first.
    pub(super) async fn done(mut self, signals: &Signals) -> Result<RunToken, Stop> {
        let login = tokio::select! {
            login = &mut self.0 => login,
            signal = signals.ended() => {
                if let Ok(Ok(Ok(token))) = timeout(GRACE, &mut self.0).await {
                    token.end().await;
                }
                self.0.abort();
                return Err(Stop::Ended(End::Signal(signal)));
            }
        };
        Ok(login.map_err(CliError::because)??)
    }
}
