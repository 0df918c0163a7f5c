//! The one client of the API, and the ways to reach it: the running server's socket, a server elsewhere, or, when none runs, the same application
//! started inside the command for as long as it takes. So the command line, the page and a script see the same thing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::output::Failure;
use crate::config::{DEFAULT_DATA, Limits, TrustedProxies};
use crate::domain::Domain;
use crate::domain::data_dir::{DirError, DirLock, SOCKET};
use crate::http::{self, Bindings, Running};
use crate::model::clock;
use crate::model::secret::Secret;

/// How long a command waits for another one, or for a server that starts or leaves.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it looks meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// How long a connection to a server elsewhere may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How often a request that the server has no room for is made again, and after how long.
const MAX_TRIES: u32 = 120;
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// How a command reaches the API.
#[derive(Args)]
pub(super) struct Reach {
    /// The data directory, on which commands act as the operator
    #[arg(long, global = true, env = "STATEKEEP_DATA", default_value = DEFAULT_DATA, value_name = "DIR")]
    data: PathBuf,
    /// A server elsewhere, instead of a data directory
    #[arg(long, global = true, env = "STATEKEEP_URL", value_name = "URL")]
    url: Option<String>,
    /// The file with the API key's secret for --url
    #[arg(long, global = true, env = "STATEKEEP_KEY_FILE", value_name = "FILE")]
    key_file: Option<PathBuf>,
}

/// A way to the API.
pub(super) struct Client {
    wire: Arc<Wire>,
    inside: Option<Inside>,
    // Keeps the data directory open where its path is too long for a socket's.
    _open: Option<std::fs::File>,
}

/// What requests go over; several at the same time may.
pub(super) struct Wire {
    http: reqwest::Client,
    base: String,
    secret: Option<Secret>,
}

/// The application inside this command.
struct Inside {
    domain: Arc<Domain>,
    running: Running,
    socket: PathBuf,
}

/// An answer that is not an error.
pub(super) struct Reply {
    pub(super) bytes: Bytes,
}

impl Reply {
    /// The answer as JSON.
    pub(super) fn json(&self) -> Result<Value, Failure> {
        serde_json::from_slice(&self.bytes)
            .map_err(|_| Failure::Failed("the server's answer is not JSON; is --url a statekeep?".to_owned()))
    }
}

impl Client {
    /// Finds the way.
    pub(super) async fn connect(reach: &Reach) -> Result<Self, Failure> {
        match &reach.url {
            Some(url) => Self::elsewhere(url, reach.key_file.as_deref()),
            None => Self::on_directory(&reach.data).await,
        }
    }

    fn elsewhere(url: &str, key_file: Option<&Path>) -> Result<Self, Failure> {
        let path = key_file.ok_or_else(|| Failure::Usage("--url needs --key-file with an API key's secret".to_owned()))?;
        let secret = secret_in(path)?;
        let scheme_is_known = url.starts_with("http://") || url.starts_with("https://");
        if !scheme_is_known {
            return Err(Failure::Usage("--url has to begin with http:// or https://".to_owned()));
        }
        Ok(Self { wire: Arc::new(Wire::elsewhere(url, secret)?), inside: None, _open: None })
    }

    async fn on_directory(dir: &Path) -> Result<Self, Failure> {
        let end = clock::monotonic() + PATIENCE;
        loop {
            let in_use = match DirLock::take(dir) {
                Ok(lock) => return Self::inside(lock),
                Err(error @ DirError::InUse { .. }) => error,
                Err(error) => return Err(Failure::because(error)),
            };
            // Another has it: a server with its socket, or a command that will soon be done.
            let (path, open) = http::reachable_path(dir, SOCKET)?;
            if tokio::net::UnixStream::connect(&path).await.is_ok() {
                return Self::by_socket(&path, open, None);
            }
            if clock::monotonic() > end {
                return Err(Failure::Failed(format!("{in_use}; it does not answer on its socket")));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn by_socket(path: &Path, open: Option<std::fs::File>, inside: Option<Inside>) -> Result<Self, Failure> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        // No certificates are needed here, and an air-gapped machine may have none.
        let http = reqwest::Client::builder().unix_socket(path).tls_certs_only([]).build().map_err(Failure::because)?;
        let wire = Wire { http, base: "http://localhost".to_owned(), secret: None };
        Ok(Self { wire: Arc::new(wire), inside, _open: open })
    }

    fn inside(lock: DirLock) -> Result<Self, Failure> {
        let dir = lock.path().to_owned();
        let name = format!(".command-{}.sock", std::process::id());
        let domain = Domain::open(lock, Limits::default()).map_err(Failure::because)?;
        let socket = http::bind_socket(&dir, &name)?;
        let bindings = Bindings { tcp: None, socket, workers: Some(1) };
        let running = http::start(&domain, TrustedProxies::default(), bindings)?;
        let (path, open) = http::reachable_path(&dir, &name)?;
        let inside = Inside { domain, running, socket: path.clone() };
        Self::by_socket(&path, open, Some(inside))
    }

    /// Leaves in good order: what the application inside this command still has to write is on disk after this.
    pub(super) async fn close(self) -> Result<(), Failure> {
        let Some(Inside { domain, running, socket }) = self.inside else { return Ok(()) };
        // Idle connections of ours would be waited for.
        drop(self.wire);
        running.stop().await?;
        domain.close().await;
        Ok(std::fs::remove_file(socket)?)
    }

    /// What requests go over, for several at the same time. It has to be given back before [`close`](Self::close).
    pub(super) fn wire(&self) -> Arc<Wire> {
        Arc::clone(&self.wire)
    }

    /// Asks, and gives back an answer that is not an error.
    pub(super) async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Result<Reply, Failure> {
        self.wire.ask(method, path, body.map(|body| Bytes::from(body.to_string()))).await.map_err(Refusal::into_failure)
    }

    /// Asks for JSON.
    pub(super) async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.ask("GET", path, None).await?.json()
    }

    /// Asks for all pages of a list, or for as many rows as are wanted; `{"<name>": […], "next"}` as one page would be.
    pub(super) async fn list(&self, path: &str, name: &str, cursor: &str, wanted: Option<usize>) -> Result<Value, Failure> {
        self.wire.list(path, name, cursor, wanted).await.map_err(Refusal::into_failure)
    }
}

impl Wire {
    /// To a server elsewhere.
    pub(super) fn elsewhere(url: &str, secret: Secret) -> Result<Self, Failure> {
        Ok(Self { http: http_elsewhere(url)?, base: url.trim_end_matches('/').to_owned(), secret: Some(secret) })
    }

    /// The same way, for another's secret.
    pub(super) fn with(&self, secret: Secret) -> Self {
        Self { http: self.http.clone(), base: self.base.clone(), secret: Some(secret) }
    }

    /// Asks, and gives back an answer that is not an error. While the server has no room it is asked again, for a while.
    pub(super) async fn ask_patiently(&self, method: &str, path: &str, body: Option<Bytes>) -> Result<Reply, Refusal> {
        let mut tries = 0;
        loop {
            match self.ask(method, path, body.clone()).await {
                Err(refusal) if refusal.is_busy() && tries < MAX_TRIES => tokio::time::sleep(TRY_AGAIN_AFTER).await,
                answer => return answer,
            }
            tries += 1;
        }
    }

    /// Asks for all pages of a list, or for as many rows as are wanted; `{"<name>": […], "next"}` as one page would be.
    pub(super) async fn list(&self, path: &str, name: &str, cursor: &str, wanted: Option<usize>) -> Result<Value, Refusal> {
        let mut rows = Vec::new();
        let mut next = Value::Null;
        loop {
            let limit = wanted.map_or(1_000, |wanted| (wanted - rows.len()).min(1_000));
            let separator = if path.contains('?') { '&' } else { '?' };
            let from = if next.is_null() { String::new() } else { format!("&{cursor}={}", super::output::text(&next)) };
            let mut page = self.ask("GET", &format!("{path}{separator}limit={limit}{from}"), None).await?.json().map_err(Refusal::of)?;
            next = page["next"].take();
            rows.extend(page[name].as_array_mut().map(std::mem::take).unwrap_or_default());
            if next.is_null() || wanted.is_some_and(|wanted| rows.len() >= wanted) {
                return Ok(serde_json::json!({ name: rows, "next": next }));
            }
        }
    }

    /// Asks once.
    pub(super) async fn ask(&self, method: &str, path: &str, body: Option<Bytes>) -> Result<Reply, Refusal> {
        let method = Method::from_bytes(method.as_bytes()).map_err(|error| Refusal::Unreachable(error.to_string()))?;
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(secret) = &self.secret {
            request = request.bearer_auth(secret.reveal());
        }
        if let Some(body) = body {
            request = request.header(reqwest::header::CONTENT_TYPE, "application/json").body(body);
        }
        let unreachable = |error: reqwest::Error| Refusal::Unreachable(format!("cannot reach {}: {}", self.base, on_the_way(&error)));
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(unreachable)?;
        if status.is_success() { Ok(Reply { bytes }) } else { Err(Refusal::Refused(status, bytes)) }
    }
}

/// The secret in a key file.
pub(super) fn secret_in(path: &Path) -> Result<Secret, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::Failed(format!("{}: {error}", path.display())))?;
    Ok(Secret::new(text.trim().to_owned()))
}

/// Why there is no answer that is not an error.
pub(super) enum Refusal {
    /// Nobody answered.
    Unreachable(String),
    /// The server's answer is an error.
    Refused(StatusCode, Bytes),
}

impl Refusal {
    pub(super) fn of(failure: Failure) -> Self {
        match failure {
            Failure::Failed(why) | Failure::Usage(why) => Self::Unreachable(why),
        }
    }

    /// Whether the server has no room at the moment.
    fn is_busy(&self) -> bool {
        matches!(self, Self::Refused(StatusCode::SERVICE_UNAVAILABLE, _))
    }

    /// The status and the code of the server's answer, where it gave one.
    pub(super) fn status_and_code(&self) -> Option<(u16, String)> {
        let Self::Refused(status, bytes) = self else { return None };
        let body: Value = serde_json::from_slice(bytes).unwrap_or_default();
        Some((status.as_u16(), super::output::text(&body["code"])))
    }

    /// As a person reads it.
    pub(super) fn into_failure(self) -> Failure {
        match self {
            Self::Unreachable(why) => Failure::Failed(why),
            Self::Refused(status, bytes) => refused(status, &bytes),
        }
    }
}

/// A client for servers elsewhere. It follows no redirect, which would take credentials to where nobody meant them to go.
pub(super) fn http_elsewhere(url: &str) -> Result<reqwest::Client, Failure> {
    // Only fails when one is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT).redirect(reqwest::redirect::Policy::none());
    // Reading the machine's authorities takes longer than a request, and without TLS nobody looks at them.
    let builder = if url.starts_with("http://") { builder.tls_certs_only([]) } else { builder };
    builder.build().map_err(Failure::because)
}

/// What went wrong on the way to a server, and what to do where its certificate is not trusted.
pub(super) fn on_the_way(error: &reqwest::Error) -> String {
    let why = innermost(error);
    let is_untrusted = why.contains("certificate");
    let hint = if is_untrusted {
        "; this machine does not trust it, SSL_CERT_FILE names a file with the authorities that it is to trust"
    } else {
        ""
    };
    format!("{why}{hint}")
}

/// What went wrong at the bottom, without the address that the request had.
fn innermost(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), innermost)
}

/// What the server says in an error, as a person reads it.
fn refused(status: StatusCode, bytes: &[u8]) -> Failure {
    let body: Value = serde_json::from_slice(bytes).unwrap_or_default();
    if let Some(detail) = body["detail"].as_str() {
        let detail = super::output::harmless(detail);
        return Failure::Failed(format!("{detail} ({})", body["code"].as_str().unwrap_or("error")));
    }
    if let Some(id) = body["ID"].as_str() {
        let (who, since) = (super::output::text(&body["Who"]), super::output::text(&body["Created"]));
        return Failure::Failed(format!("the state is locked by {who} since {since}, lock ID {id} (locked)"));
    }
    Failure::Failed(format!("the server answers {status}; is --url a statekeep?"))
}
