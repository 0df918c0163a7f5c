//! The application inside a command, if no server runs: it listens on a socket of its own for as
//! long as the command takes.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
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

/// How the names of sockets of commands begin and end.
const BEGIN: &str = ".command-";
const END: &str = ".sock";

/// The name of this command's socket.
pub(super) fn socket() -> String {
    format!("{BEGIN}{}{END}", std::process::id())
}

/// Removes the sockets of commands that were killed, as by ^C at a question: who has the lock on
/// the directory is the only one who works there.
fn sweep(dir: &Path) {
    let is_one = |name: &str| name.starts_with(BEGIN) && name.ends_with(END);
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_str().is_some_and(is_one)) {
        let _ = std::fs::remove_file(entry.path());
    }
}

impl Inside {
    /// Starts it on a data directory, on a socket of this name there.
    pub(super) fn start(lock: DirLock, name: &str) -> Result<Self, CliError> {
        let dir = lock.path().to_owned();
        sweep(&dir);
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
        match std::fs::remove_file(self.socket) {
            // The next command may have removed it.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => Ok(removed?),
        }
    }
}
