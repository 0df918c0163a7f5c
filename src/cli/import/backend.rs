//! Reading a state from another `http` backend, and, if it keeps versions by serial, as GitLab
//! does, the earlier ones too.

use bytes::{Bytes, BytesMut};
use reqwest::{Response, StatusCode, Url};

use super::plan::{MAX_STATE, VersionBytes};
use crate::cli::client::network::{http_elsewhere, on_the_way};
use crate::cli::output::CliError;
use crate::config::{MIB, http_backend_credentials};
use crate::model::secret::Secret;
use crate::model::terraform::tfstate;

/// How many earlier serials are asked for at most.
const MAX_SERIALS: u64 = 100_000;
/// After so many serials in a row that are not there, older ones are not looked for.
const MAX_GAP: u32 = 50;
/// The most memory that all versions together may need, in bytes.
const MAX_HISTORY: usize = 1024 * 1024 * 1024;
/// How deep a state may be nested, in levels.
const MAX_NESTING: usize = 10_000;

/// Another backend, and who asks it.
pub(super) struct HttpBackend {
    http: reqwest::Client,
    url: Url,
    user: String,
    password: Secret,
}

impl HttpBackend {
    /// One with the credentials that the clients would use, or with these.
    pub(super) fn new(
        url: &str,
        user: Option<String>,
        password: Option<Secret>,
    ) -> Result<Self, CliError> {
        let url = Url::parse(url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"));
        let url = url.ok_or_else(|| {
            CliError::Usage(
                "--from-url has to be an address that begins with http:// or https://".to_owned(),
            )
        })?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(CliError::Usage(
                "--from-url is an address without credentials; use --from-password-file or \
                    TF_HTTP_PASSWORD"
                    .to_owned(),
            ));
        }
        let (known_user, known_password) = http_backend_credentials();
        let (user, password) = (
            user.unwrap_or(known_user),
            password.unwrap_or(known_password),
        );
        Ok(Self {
            http: http_elsewhere(url.as_str())?,
            url,
            user,
            password,
        })
    }

    /// The state, and with `history` its earlier versions before it, the oldest first.
    pub(super) async fn versions(&self, history: bool) -> Result<Vec<VersionBytes>, CliError> {
        let current = self.get(self.url.clone()).await?;
        let current = current
            .ok_or_else(|| CliError::Failed(format!("there is no state at {}", self.url)))?;
        if !history {
            return Ok(vec![VersionBytes::Memory(current)]);
        }
        let head = tfstate::read_head(&current, MAX_NESTING)
            .map_err(|error| CliError::Failed(format!("{}: {error}", self.url)))?;
        let (mut size, mut gap, mut versions) =
            (current.len(), 0, vec![VersionBytes::Memory(current)]);
        for serial in (head.serial.saturating_sub(MAX_SERIALS)..head.serial).rev() {
            let earlier = self.earlier(serial, &head.lineage).await?;
            gap = if earlier.is_some() { 0 } else { gap + 1 };
            size += earlier.as_ref().map_or(0, Bytes::len);
            if size > MAX_HISTORY {
                return Err(CliError::Failed(format!(
                    "its versions are more than {MAX_HISTORY} bytes together; import without \
                        --history"
                )));
            }
            versions.extend(earlier.map(VersionBytes::Memory));
            if gap >= MAX_GAP {
                break;
            }
        }
        versions.reverse();
        Ok(versions)
    }

    /// The version of a serial, if it is there.
    async fn earlier(&self, serial: u64, lineage: &str) -> Result<Option<Bytes>, CliError> {
        let Some(bytes) = self.get(self.at_serial(serial)?).await? else {
            return Ok(None);
        };
        match tfstate::read_head(&bytes, MAX_NESTING) {
            Ok(head) if head.serial == serial && head.lineage == lineage => Ok(Some(bytes)),
            Ok(_) | Err(_) => {
                let why = format!(
                    "what {} keeps as serial {serial} is not of that serial and lineage; import \
                        without --history",
                    self.url
                );
                Err(CliError::Failed(why))
            }
        }
    }

    /// Where a version is: `…/versions/SERIAL` below the path, the query as it was.
    fn at_serial(&self, serial: u64) -> Result<Url, CliError> {
        let mut url = self.url.clone();
        let unfit =
            || CliError::Usage("--from-url has no path that versions could lie below".to_owned());
        url.path_segments_mut()
            .map_err(|()| unfit())?
            .pop_if_empty()
            .extend(["versions", &serial.to_string()]);
        Ok(url)
    }

    /// The state at an address; none if the answer is one that a client takes for no state.
    async fn get(&self, url: Url) -> Result<Option<Bytes>, CliError> {
        let mut request = self.http.get(url.clone());
        if !self.user.is_empty() || !self.password.reveal().is_empty() {
            request = request.basic_auth(&self.user, Some(self.password.reveal()));
        }
        let unreachable = |error: reqwest::Error| {
            CliError::Failed(format!("cannot reach {url}: {}", on_the_way(&error)))
        };
        let response = request.send().await.map_err(unreachable)?;
        match response.status() {
            StatusCode::OK => body(response, &url)
                .await
                .map(|bytes| Some(bytes).filter(|bytes| !bytes.is_empty())),
            StatusCode::NOT_FOUND | StatusCode::NO_CONTENT => Ok(None),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let why = "it does not take these credentials; give --from-user and \
                    --from-password-file, or TF_HTTP_USERNAME and TF_HTTP_PASSWORD";
                Err(CliError::Failed(format!("{url}: {why}")))
            }
            status => Err(CliError::Failed(format!("{url} answers {status}"))),
        }
    }
}

/// A body that is no larger than a state may be.
async fn body(mut response: Response, url: &Url) -> Result<Bytes, CliError> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| CliError::Failed(format!("{url}: {}", on_the_way(&error))))?
    {
        if bytes.len() as u64 + chunk.len() as u64 > MAX_STATE {
            return Err(CliError::Failed(format!(
                "{url}: larger than {} MiB, the most that is taken for a state",
                MAX_STATE / MIB
            )));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}
