//! The one client of the API, and the ways to reach it: the running server's socket, a server
//! elsewhere, or, when none runs, the same application started inside the command for as long as it
//! takes. So the command line, the page and a script see the same thing.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use crate::cli::client::inside::{self, Inside};
use crate::cli::client::wire::ApiReply;
use crate::cli::client::wire::Wire;
use crate::cli::common::nearest;
use crate::cli::common::reach::Credentials;
use crate::cli::common::reach::Reach;
use crate::cli::common::reach::Way;
use crate::cli::common::reach::owner_of;
use crate::cli::common::reach::secret_in;
use crate::cli::common::request_error::Server;
use crate::cli::output;
use crate::cli::output::ShownPath as _;
use crate::cli::output::{CliError, KnownReason};
use crate::domain::engine::data_dir;
use crate::domain::engine::data_dir::DirError;
use crate::domain::engine::data_dir::DirLock;
use crate::domain::engine::data_dir::SOCKET;
use crate::http;
use crate::model::clock;

/// How long a command waits for another one, or for a server that starts or leaves.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it looks meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// Whether a command makes a database if there is none.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum WhereNone {
    /// It makes one.
    Make,
    /// It says that there is none, and leaves nothing behind.
    Refuse,
}

/// A way to the API.
pub(in crate::cli) struct Client {
    wire: Arc<Wire>,
    inside: Option<Inside>,
    // Keeps the data directory open if its path is too long for a socket's.
    _open: Option<std::fs::File>,
}

impl Client {
    /// Finds the way for a command that needs what is there.
    pub(in crate::cli) async fn connect(reach: &Reach) -> Result<Self, CliError> {
        Self::connect_or(reach, WhereNone::Refuse).await
    }

    /// Finds the way.
    pub(in crate::cli) async fn connect_or(
        reach: &Reach,
        where_none: WhereNone,
    ) -> Result<Self, CliError> {
        match reach.way()? {
            Way::Directory(dir) => Self::on_directory(dir, where_none).await,
            Way::Elsewhere {
                base,
                credentials,
                because,
            } => Self::elsewhere(base, credentials, because).await,
        }
    }

    /// Finds the way to a server that runs: the application inside the command is none.
    pub(in crate::cli) async fn connect_running(reach: &Reach) -> Result<Self, CliError> {
        match reach.way()? {
            Way::Elsewhere {
                base,
                credentials,
                because,
            } => Self::elsewhere(base, credentials, because).await,
            Way::Directory(dir) => {
                let no_server = || CliError::Known {
                    message: format!("no server runs on {}", dir.shown()),
                    reason: KnownReason::unreachable(),
                };
                let (path, open) = http::reachable_path(dir, SOCKET).map_err(|_| no_server())?;
                let there = tokio::net::UnixStream::connect(&path).await;
                there.map_err(|_| no_server())?;
                Self::by_socket(&path, open, None)
            }
        }
    }

    /// The same for a question that needs no credentials: without any if none are named.
    pub(in crate::cli) async fn connect_to_ask(reach: &Reach) -> Result<Self, CliError> {
        let Some(base) = reach.nameless()? else {
            return Self::connect_running(reach).await;
        };
        output::detail(|| format!("asks {base} without credentials"));
        Ok(Self {
            wire: Arc::new(Wire::nameless(base)?),
            inside: None,
            _open: None,
        })
    }

    /// Finds the way to a server that runs, for a look that changes nothing: no token is extended,
    /// and a key is read from a file alone, which cannot keep the reader waiting.
    pub(in crate::cli) async fn connect_to_look(reach: &Reach) -> Result<Self, CliError> {
        let Way::Elsewhere {
            base, credentials, ..
        } = reach.way()?
        else {
            return Self::connect_running(reach).await;
        };
        let secret = match credentials {
            Credentials::KeyFile(file) if file.is_file() => secret_in(file)?,
            Credentials::KeyFile(file) => {
                let file = file.shown();
                return Err(CliError::Failed(format!("{file} is no file")));
            }
            Credentials::Login(login) => login.token_as_it_is(),
        };
        Ok(Self {
            wire: Arc::new(Wire::elsewhere(&base, secret)?),
            inside: None,
            _open: None,
        })
    }

    /// Whether no server runs, and the application inside this command answers.
    pub(in crate::cli) fn is_by_itself(&self) -> bool {
        self.inside.is_some()
    }

    async fn elsewhere(
        base: String,
        credentials: Credentials<'_>,
        because: &str,
    ) -> Result<Self, CliError> {
        let (secret, who) = match credentials {
            Credentials::KeyFile(file) => {
                let secret = secret_in(file)?;
                let who = format!("{} of {}", owner_of(&secret), file.shown());
                (secret, who)
            }
            Credentials::Login(login) => (
                login.token().await,
                format!("your login there (`statekeep login --url {base}` renews it)"),
            ),
        };
        output::detail(|| format!("acts at {base} as {who}"));
        let instead = format!("as {who}, not as the operator, because {because}");
        let server = Server {
            base,
            instead_of_operator: Some(output::harmless(&instead)),
        };
        Ok(Self {
            wire: Arc::new(Wire::to(server, secret)?),
            inside: None,
            _open: None,
        })
    }

    async fn on_directory(dir: &Path, where_none: WhereNone) -> Result<Self, CliError> {
        let end = clock::monotonic() + PATIENCE;
        loop {
            let in_use = match take(dir, where_none) {
                Ok(lock) => {
                    let dir = dir.shown();
                    let alone = format!("acts on {dir} as the operator; no server runs on it");
                    output::detail(|| alone);
                    return Self::inside(lock);
                }
                Err(error @ DirError::InUse { .. }) => error,
                Err(error) => return Err(CliError::because(error)),
            };
            // Another has it: a server with its socket, or a command that will soon be done.
            let (path, open) = http::reachable_path(dir, SOCKET)?;
            if tokio::net::UnixStream::connect(&path).await.is_ok() {
                let dir = dir.shown();
                let beside = format!("acts as the operator, through the server's socket on {dir}");
                output::detail(|| beside);
                return Self::by_socket(&path, open, None);
            }
            if clock::monotonic() > end {
                return Err(CliError::Failed(format!(
                    "{in_use}; it does not answer on its socket"
                )));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn by_socket(
        path: &Path,
        open: Option<std::fs::File>,
        inside: Option<Inside>,
    ) -> Result<Self, CliError> {
        Ok(Self {
            wire: Arc::new(Wire::by_socket(path)?),
            inside,
            _open: open,
        })
    }

    fn inside(lock: DirLock) -> Result<Self, CliError> {
        let dir = lock.path().to_owned();
        let name = inside::socket();
        let inside = Inside::start(lock, &name)?;
        let (path, open) = http::reachable_path(&dir, &name)?;
        Self::by_socket(&path, open, Some(inside))
    }

    /// Leaves in good order: what the application inside this command still has to write is on disk
    /// after this.
    pub(in crate::cli) async fn close(self) -> Result<(), CliError> {
        let Some(inside) = self.inside else {
            return Ok(());
        };
        // Idle connections of ours would be waited for.
        drop(self.wire);
        inside.stop().await
    }

    /// What requests go over, for several at the same time. It has to be given back before
    /// [`close`](Self::close).
    pub(in crate::cli) fn wire(&self) -> Arc<Wire> {
        Arc::clone(&self.wire)
    }

    /// Asks, and gives back an answer that is not an error.
    pub(in crate::cli) async fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Result<ApiReply, CliError> {
        match self
            .wire
            .ask(method, path, body.map(|body| Bytes::from(body.to_string())))
            .await
        {
            Ok(reply) => Ok(reply),
            Err(refusal) => Err(nearest::explained(&self.wire, refusal).await),
        }
    }

    /// Asks, and gives back the JSON of an answer that is not an error.
    pub(in crate::cli) async fn call(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value, CliError> {
        self.ask(method, path, body).await?.json()
    }

    /// Asks for JSON.
    pub(in crate::cli) async fn get(&self, path: &str) -> Result<Value, CliError> {
        self.call("GET", path, None).await
    }

    /// Asks for all pages of a list, or for as many rows as are wanted; `{"<name>": […], "next"}`
    /// as one page would be.
    pub(in crate::cli) async fn list(
        &self,
        path: &str,
        name: &str,
        cursor: &str,
        wanted: Option<usize>,
    ) -> Result<Value, CliError> {
        match self.wire.list(path, name, cursor, wanted).await {
            Ok(list) => Ok(list),
            Err(refusal) => Err(nearest::explained(&self.wire, refusal).await),
        }
    }
}

/// Takes the data directory of a command.
fn take(dir: &Path, where_none: WhereNone) -> Result<DirLock, DirError> {
    match where_none {
        WhereNone::Make => data_dir::make(dir).and_then(|()| DirLock::take(dir)),
        WhereNone::Refuse => DirLock::take_used(dir),
    }
}
