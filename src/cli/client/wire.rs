//! Requests and answers: what goes over one way to a server, how long it is waited for, and lists
//! page by page.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Map, Value};
use tokio::time::timeout;

use crate::cli::client::escaped::escaped;
use crate::cli::client::network::ANSWER_TIMEOUT;
use crate::cli::client::network::http_patient;
use crate::cli::client::network::on_the_way;
use crate::cli::common::request_error::RequestError;
use crate::cli::common::request_error::Server;
use crate::cli::common::rows::{DAMAGED, take_rows};
use crate::cli::output;
use crate::cli::output::CliError;
use crate::model::clock;
use crate::model::secret::Secret;

/// The pace in bytes a second at which a body may go to it; the server takes none that is slower.
const SLOWEST_BODY: u64 = 8 * 1024;
/// What takes as long as it takes, with nothing to be read meanwhile: a network that goes away is
/// noticed by its connection.
const LONG: [&str; 6] = [
    "/api/verify",
    "/api/prune",
    "/api/backup",
    "/purge",
    "/rollback",
    "/diff",
];

/// How often a request that the server has no room for is made again, and after how long.
const MAX_TRIES: u32 = 120;
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// How many rows of a list are asked for at a time, until a server says that it gives less.
const PAGE: u32 = 1_000;

/// What requests go over; several at the same time may.
pub(in crate::cli) struct Wire {
    http: reqwest::Client,
    server: Arc<Server>,
    secret: Option<Secret>,
    /// How long to wait for an answer, and within it; for ever on this machine.
    timeout: Option<Duration>,
    page: AtomicU32,
}

/// An answer that is not an error.
pub(in crate::cli) struct ApiReply {
    pub(in crate::cli) bytes: Bytes,
}

impl ApiReply {
    /// The answer as JSON. Every answer of the API is an object; anything else does not come from a
    /// statekeep.
    pub(in crate::cli) fn json(&self) -> Result<Value, CliError> {
        let answer = serde_json::from_slice(&self.bytes)
            .ok()
            .filter(Value::is_object);
        answer.ok_or_else(|| {
            CliError::Failed(
                "the server's answer is no JSON object; is a statekeep at --url?".to_owned(),
            )
        })
    }
}

/// Where a list goes on behind a page, which is not where it began; null at its end.
pub(in crate::cli) fn following(page: &mut Value, begun_at: &Value) -> Result<Value, CliError> {
    let next = page["next"].take();
    if !next.is_null() && next == *begun_at {
        return Err(CliError::Failed(
            "the server's list never ends; is a statekeep at --url?".to_owned(),
        ));
    }
    Ok(next)
}

/// A list as the server gives it: damaged rows are named only if there are any.
fn list_of(name: &str, rows: Vec<Value>, next: Value, damaged: Vec<Value>) -> Value {
    let mut list = Map::from_iter([
        (name.to_owned(), Value::Array(rows)),
        ("next".to_owned(), next),
    ]);
    if !damaged.is_empty() {
        list.insert(DAMAGED.to_owned(), Value::Array(damaged));
    }
    Value::Object(list)
}

/// What was asked and answered, in a line: no body, and no credentials.
fn asked(method: &str, path: &str, status: StatusCode, took: Duration) -> String {
    format!("{method} {path}: {status} after {} ms", took.as_millis())
}

impl Wire {
    /// To a server elsewhere.
    pub(in crate::cli) fn elsewhere(url: &str, secret: Secret) -> Result<Self, CliError> {
        Self::to(
            Server {
                base: url.trim_end_matches('/').to_owned(),
                instead_of_operator: None,
            },
            secret,
        )
    }

    /// To the server that listens on a socket of this machine. Requests go without a secret, and
    /// their answers may take as long as they take.
    pub(in crate::cli) fn by_socket(path: &Path) -> Result<Self, CliError> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        // No certificates are needed here, and an air-gapped machine may have none.
        let http = reqwest::Client::builder()
            .unix_socket(path)
            .tls_certs_only([])
            .build()
            .map_err(CliError::because)?;
        let server = Server {
            base: "http://localhost".to_owned(),
            instead_of_operator: None,
        };
        Ok(Self {
            http,
            server: Arc::new(server),
            secret: None,
            timeout: None,
            page: AtomicU32::new(PAGE),
        })
    }

    /// To a server over a network, as nobody.
    pub(in crate::cli) fn nameless(base: String) -> Result<Self, CliError> {
        Self::over_network(
            Server {
                base,
                instead_of_operator: None,
            },
            None,
        )
    }

    /// To a server over a network, as the owner of a secret.
    pub(in crate::cli) fn to(server: Server, secret: Secret) -> Result<Self, CliError> {
        Self::over_network(server, Some(secret))
    }

    fn over_network(server: Server, secret: Option<Secret>) -> Result<Self, CliError> {
        let http = http_patient(&server.base)?;
        Ok(Self {
            http,
            server: Arc::new(server),
            secret,
            timeout: Some(ANSWER_TIMEOUT),
            page: AtomicU32::new(PAGE),
        })
    }

    /// The same way, for another's secret.
    pub(in crate::cli) fn with(&self, secret: Secret) -> Self {
        let page = AtomicU32::new(self.page.load(Ordering::Relaxed));
        Self {
            http: self.http.clone(),
            server: Arc::clone(&self.server),
            secret: Some(secret),
            timeout: self.timeout,
            page,
        }
    }

    /// Asks, and gives back an answer that is not an error. While the server has no room it is
    /// asked again, for a while.
    pub(in crate::cli) async fn ask_patiently(
        &self,
        method: &str,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<ApiReply, RequestError> {
        let mut tries = 0;
        loop {
            match self.ask(method, path, body.clone()).await {
                Err(refusal) if refusal.is_busy() && tries < MAX_TRIES => {
                    tokio::time::sleep(TRY_AGAIN_AFTER).await;
                }
                answer => return answer,
            }
            tries += 1;
        }
    }

    /// Asks for all pages of a list, or for as many rows as are wanted; `{"<name>": […], "next"}`
    /// as one page would be.
    pub(in crate::cli) async fn list(
        &self,
        path: &str,
        name: &str,
        cursor: &str,
        wanted: Option<usize>,
    ) -> Result<Value, RequestError> {
        let (mut rows, mut damaged) = (Vec::new(), Vec::new());
        let mut next = Value::Null;
        loop {
            let missing = wanted.map(|wanted| wanted.saturating_sub(rows.len()));
            let mut page = self.page(path, cursor, &next, missing).await?;
            next = following(&mut page, &next).map_err(RequestError::of)?;
            rows.extend(take_rows(&mut page, name));
            damaged.extend(take_rows(&mut page, DAMAGED));
            if next.is_null() || wanted.is_some_and(|wanted| rows.len() >= wanted) {
                return Ok(list_of(name, rows, next, damaged));
            }
        }
    }

    /// Asks for a page of a list, as large as the server gives it and with no more rows than are
    /// wanted.
    pub(in crate::cli) async fn page(
        &self,
        path: &str,
        cursor: &str,
        next: &Value,
        wanted: Option<usize>,
    ) -> Result<Value, RequestError> {
        let page = self.page_as_sent(path, cursor, next, wanted).await?;
        page.json().map_err(RequestError::of)
    }

    /// The same as the server wrote it.
    pub(in crate::cli) async fn page_as_sent(
        &self,
        path: &str,
        cursor: &str,
        next: &Value,
        wanted: Option<usize>,
    ) -> Result<ApiReply, RequestError> {
        let separator = if path.contains('?') { '&' } else { '?' };
        let from = if next.is_null() {
            String::new()
        } else {
            format!("&{cursor}={}", escaped(&output::text(next)))
        };
        let wanted = wanted.map_or(u32::MAX, |wanted| u32::try_from(wanted).unwrap_or(u32::MAX));
        loop {
            let limit = wanted.min(self.page.load(Ordering::Relaxed)).max(1);
            let path = format!("{path}{separator}limit={limit}{from}");
            let refusal = match self.ask("GET", &path, None).await {
                Ok(reply) => return Ok(reply),
                Err(refusal) => refusal,
            };
            match refusal.largest_page() {
                Some(largest) if largest < limit => {
                    self.page.store(largest.max(1), Ordering::Relaxed);
                }
                _ => return Err(refusal),
            }
        }
    }

    /// Asks once.
    pub(in crate::cli) async fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<ApiReply, RequestError> {
        let is_long = LONG.iter().any(|part| path.contains(part));
        let limit = self.timeout.filter(|_| !is_long);
        let size = body.as_ref().map_or(0, Bytes::len) as u64;
        let on_its_way = Duration::from_secs(size / SLOWEST_BODY);
        let request = self.request(method, path, body)?;
        let begun_at = clock::monotonic();
        let sent = self.within(limit.map(|limit| limit + on_its_way), request.send());
        let response = sent.await?.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let took = clock::monotonic() - begun_at;
        output::detail(|| asked(method, path, status, took));
        let bytes = self.body_of(response, limit).await?;
        if status.is_success() {
            Ok(ApiReply { bytes })
        } else {
            Err(RequestError::refused(status, &bytes, path, &self.server))
        }
    }

    /// Asks for a file, and hands it on piece by piece as it comes.
    pub(in crate::cli) async fn download(
        &self,
        path: &str,
        take: &mut dyn FnMut(&[u8]) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        let sent = self
            .request("GET", path, None)
            .map_err(RequestError::into_failure)?;
        let begun_at = clock::monotonic();
        let response = sent.send().await.map_err(|error| self.unreachable(&error));
        let mut response = response.map_err(RequestError::into_failure)?;
        let status = response.status();
        output::detail(|| asked("GET", path, status, clock::monotonic() - begun_at));
        if !status.is_success() {
            let bytes = self.body_of(response, self.timeout).await;
            let bytes = bytes.map_err(RequestError::into_failure)?;
            let refused = RequestError::refused(status, &bytes, path, &self.server);
            return Err(refused.into_failure());
        }
        loop {
            let piece = self.within(self.timeout, response.chunk()).await;
            let piece = piece.map_err(RequestError::into_failure)?;
            match piece.map_err(|error| self.unreachable(&error).into_failure())? {
                Some(piece) => take(&piece)?,
                None => return Ok(()),
            }
        }
    }

    fn request(
        &self,
        method: &str,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<RequestBuilder, RequestError> {
        let method = Method::from_bytes(method.as_bytes())
            .map_err(|error| RequestError::Unreachable(error.to_string()))?;
        let url = format!("{}{path}", self.server.base);
        let mut request = self.http.request(method, url);
        if let Some(secret) = &self.secret {
            request = request.bearer_auth(secret.reveal());
        }
        Ok(match body {
            None => request,
            Some(body) => request.header(CONTENT_TYPE, "application/json").body(body),
        })
    }

    async fn body_of(
        &self,
        mut response: Response,
        limit: Option<Duration>,
    ) -> Result<Bytes, RequestError> {
        let mut bytes = Vec::new();
        loop {
            let chunk = self.within(limit, response.chunk()).await?;
            match chunk.map_err(|error| self.unreachable(&error))? {
                Some(chunk) => bytes.extend_from_slice(&chunk),
                None => return Ok(Bytes::from(bytes)),
            }
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> RequestError {
        let (server, why) = (&self.server.base, on_the_way(error));
        RequestError::Unreachable(format!("cannot reach {server}: {why}"))
    }

    /// What comes within a time, if there is one.
    async fn within<T>(
        &self,
        limit: Option<Duration>,
        coming: impl Future<Output = T>,
    ) -> Result<T, RequestError> {
        let Some(limit) = limit else {
            return Ok(coming.await);
        };
        let late = |_| {
            let limit = crate::model::span::Span(limit);
            RequestError::Unreachable(format!(
                "{} has not answered for {limit}: the server, or the network between, is down",
                self.server.base
            ))
        };
        timeout(limit, coming).await.map_err(late)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_says_nothing_is_given_up() {
        let within = |timeout: Duration, answer: &'static [u8]| {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
            let url = format!("http://{}", listener.local_addr().expect("an address"));
            let silent = std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().expect("a connection");
                // An answer that comes before the question would be refused as nobody's.
                let asked = std::io::Read::read(&mut stream, &mut [0; 4096]).expect("a request");
                assert!(asked > 0, "a connection without a request");
                std::io::Write::write_all(&mut stream, answer).expect("it is written");
                stream
            });
            let wire = Wire {
                timeout: Some(timeout),
                ..Wire::elsewhere(&url, Secret::new("x".to_owned())).expect("a way")
            };
            let asked = crate::http::block_on(wire.ask("GET", "/api/keys", None));
            drop(silent.join());
            asked.map_or_else(
                |refusal| refusal.into_failure().into_message(),
                |_| "an answer".to_owned(),
            )
        };
        let said = |answer| within(Duration::from_millis(50), answer);
        assert!(said(b"").contains("has not answered for"));
        assert!(
            said(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
                .contains("has not answered for")
        );
        assert_eq!(
            within(
                Duration::from_mins(1),
                b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhalf"
            ),
            "an answer"
        );
    }
}
