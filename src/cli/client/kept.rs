//! The token of a person's login, in a file of their own: so no key has to lie on their machine.
//!
//! The file and its directory are for their owner alone. One that others can read or could have
//! written is refused and never used. The file appears whole or not at all.

use std::ffi::OsString;
use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use rustix::fs::OFlags;
use serde_json::{Value, json};

use crate::cli::client::wire::Wire;
use crate::cli::common::request_error::RequestError;
use crate::cli::output::{self, CliError, ShownPath as _};
use crate::config::home_of_logins;
use crate::model::clock::{self, Timestamp};
use crate::model::digest::Digest;
use crate::model::secret::Secret;

/// The most bytes of a kept login that are read.
const MAX_FILE: u64 = 16 * 1024;
/// The letters of an address's digest that name its file.
const NAME_LENGTH: usize = 32;
/// What others than its owner may do with a file, in its mode.
const OTHERS: u32 = 0o077;
/// A token is extended when less than one part of so many is left of its life.
const PARTS: u32 = 2;

/// A login that is kept.
pub(in crate::cli) struct KeptLogin {
    /// The server's address.
    base: String,
    file: PathBuf,
    token: Secret,
    life: Duration,
    ends_at: Timestamp,
}

impl KeptLogin {
    /// The login at an address, if there is one.
    pub(in crate::cli) fn find(base: &str) -> Result<Option<Self>, CliError> {
        let Some(file) = file_of(base) else {
            return Ok(None);
        };
        let Some(text) = read(&file)? else {
            return Ok(None);
        };
        let said: Value = serde_json::from_str(&text).unwrap_or_default();
        Self::parse(base, file.clone(), &said)
            .map(Some)
            .ok_or_else(|| {
                refused(
                    &file,
                    &format!(
                        "is no login at {base}; remove it, and sign in again with `statekeep login`"
                    ),
                )
            })
    }

    /// From what the file says.
    fn parse(base: &str, file: PathBuf, said: &Value) -> Option<Self> {
        if said["url"].as_str()? != base {
            return None;
        }
        Some(Self {
            base: base.to_owned(),
            file,
            token: Secret::new(said["token"].as_str()?.to_owned()),
            life: Duration::from_secs(said["expires_in"].as_u64()?),
            ends_at: Timestamp::parse(said["ends_at"].as_str()?)?,
        })
    }

    /// From a server's answer to a login.
    pub(in crate::cli) fn of_answer(base: &str, answer: &Value) -> Result<Self, CliError> {
        let file = file_of(base).ok_or_else(|| {
            CliError::Failed(
                "there is no place for the login: set HOME, or XDG_STATE_HOME, to a directory of \
                    yours"
                    .to_owned(),
            )
        })?;
        let token = answer["access_token"].as_str();
        let (Some(token), Some(life)) = (token, answer["expires_in"].as_u64()) else {
            return Err(CliError::Failed(
                "the server's answer has no token; is a statekeep at --url?".to_owned(),
            ));
        };
        let life = Duration::from_secs(life);
        Ok(Self {
            base: base.to_owned(),
            file,
            token: Secret::new(token.to_owned()),
            life,
            ends_at: clock::now() + life,
        })
    }

    /// Where it is kept.
    pub(in crate::cli) fn file(&self) -> &Path {
        &self.file
    }

    /// When its token ends unless it is extended.
    pub(in crate::cli) fn ends_at(&self) -> Timestamp {
        self.ends_at
    }

    /// Writes it into its file.
    pub(in crate::cli) fn keep(&self) -> Result<(), CliError> {
        let dir = self.file.parent().unwrap_or(&self.file);
        let wrong = |error: std::io::Error| refused(&self.file, &error.to_string());
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(wrong)?;
        let found = std::fs::symlink_metadata(dir).map_err(wrong)?;
        if !found.is_dir() || !is_private(&found) {
            return Err(refused(
                dir,
                "is not a directory of yours alone; chmod 700 it, or remove it",
            ));
        }
        let coming = dir.join(format!(".coming-{}", std::process::id()));
        let written = self.write(&coming).and_then(|()| {
            std::fs::rename(&coming, &self.file)?;
            File::open(dir)?.sync_all()
        });
        written.map_err(|error| {
            let _ = std::fs::remove_file(&coming);
            wrong(error)
        })
    }

    fn write(&self, path: &Path) -> std::io::Result<()> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        let text = json!({
            "url": self.base, "token": self.token.reveal(),
            "expires_in": self.life.as_secs(), "ends_at": self.ends_at,
        });
        file.write_all(format!("{text}\n").as_bytes())?;
        file.sync_all()
    }

    /// Removes its file.
    pub(in crate::cli) fn forget(&self) -> Result<(), CliError> {
        match std::fs::remove_file(&self.file) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(refused(&self.file, &error.to_string()))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Its token. If its life nears its end, the token is extended first. If that fails, the token
    /// is used as it is, and the server says what is wrong with it.
    pub(in crate::cli) async fn token(mut self) -> Secret {
        if self.ends_at.since(clock::now()) < self.life / PARTS
            && let Some(life) = self.extended().await
        {
            self.life = life;
            self.ends_at = clock::now() + life;
            // A file that cannot be written costs an extension with each command, and nothing else.
            if let Err(error) = self.keep() {
                output::message(&format!("statekeep: warning: {}", error.into_message()));
            }
        }
        self.token
    }

    /// Its token as it is, for a caller that only looks.
    pub(in crate::cli) fn token_as_it_is(self) -> Secret {
        self.token
    }

    async fn extended(&self) -> Option<Duration> {
        let answer = self.ask("POST", "/api/token/extend").await.ok()?;
        answer["expires_in"].as_u64().map(Duration::from_secs)
    }

    /// Ends its token on the server. One that has ended already is no failure.
    pub(in crate::cli) async fn end(&self) -> Result<(), CliError> {
        let wire = Wire::elsewhere(&self.base, self.token.clone())?;
        match wire.ask_patiently("DELETE", "/api/token", None).await {
            Err(refusal) if refusal.has_status(401) => Ok(()),
            ended => ended.map(drop).map_err(RequestError::into_failure),
        }
    }

    async fn ask(&self, method: &str, path: &str) -> Result<Value, CliError> {
        let wire = Wire::elsewhere(&self.base, self.token.clone())?;
        let asked = wire
            .ask(method, path, Some(Bytes::from_static(b"{}")))
            .await;
        asked.map_err(RequestError::into_failure)?.json()
    }
}

/// The file for the login at an address, if this user has a home.
fn file_of(base: &str) -> Option<PathBuf> {
    let mut name = Digest::of(base.as_bytes()).to_string();
    name.truncate(NAME_LENGTH);
    Some(home_of_logins()?.join(OsString::from(name)))
}

/// The text of a file that only its owner, who we are, can read and write.
fn read(path: &Path) -> Result<Option<String>, CliError> {
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
        .open(path);
    let wrong = |error: std::io::Error| refused(path, &error.to_string());
    let file = match opened {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(wrong)?,
    };
    let found = file.metadata().map_err(wrong)?;
    if !found.is_file() || !is_private(&found) {
        return Err(refused(
            path,
            "is not a file of yours alone, so its login is not used; remove it, and sign in again \
                with `statekeep login`",
        ));
    }
    let mut text = String::new();
    file.take(MAX_FILE)
        .read_to_string(&mut text)
        .map_err(wrong)?;
    Ok(Some(text))
}

fn is_private(found: &Metadata) -> bool {
    found.uid() == rustix::process::geteuid().as_raw() && found.mode() & OTHERS == 0
}

fn refused(path: &Path, why: &str) -> CliError {
    CliError::Failed(format!("{}: {why}", path.shown()))
}
