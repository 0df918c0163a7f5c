//! The application inside a command, if no server runs: it listens on a socket of its own for as
//! long as the command takes.

use std::path::PathBuf;
use std::sync::Arc;

use crate::cli::client::webhook::HookSender;
use crate::cli::common::storage_keys;
use crate::cli::output::CliError;
use crate::config::{Limits, TrustedProxies};
use crate::domain::Domain;
use crate::domain::engine::data_dir::DirLock;
use crate::http::{self, Bindings, RunningServer};

/// The application inside this command.
pub(super) struct Inside {
    domain: Arc<Domain>,
    running: RunningServer,
    socket: PathBuf,
}

impl Inside {
    /// Starts it on a data directory, on a socket of this name there.
    pub(super) fn start(lock: DirLock, name: &str) -> Result<Self, CliError> {
        let dir = lock.path().to_owned();
        let limits = Limits {
            storage_keys: storage_keys::of_environment()?,
            ..Limits::default()
        };
        let domain = Domain::open(lock, limits).map_err(CliError::because)?;
        // Only `hook` asks it: nothing follows the events here.
        domain
            .hooks()
            .send_with(Box::new(HookSender::new(Vec::new())));
        let bindings = Bindings {
            tcp: None,
            tls: None,
            metrics: None,
            socket: http::bind_socket(&dir, name)?,
            workers: Some(1),
        };
        let running = http::start(&domain, TrustedProxies::default(), bindings)?;
        Ok(Self {
            domain,
            running,
            socket: dir.join(name),
        })
    }

    /// Stops it: what it still has to write is on disk after this.
    pub(super) async fn stop(self) -> Result<(), CliError> {
        self.running.stop().await?;
        self.domain.close().await;
        Ok(std::fs::remove_file(self.socket)?)
    }
}
