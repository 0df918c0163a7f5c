//! What a command gets its token with: an API key's secret, or an ID token that a CI system has
//! signed for its job.
//!
//! A CI system may put a fresh ID token in place of one that ends soon, so its file is read each
//! time.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::cli::common::reach::secret_in;
use crate::cli::output::{CliError, ShownPath as _, harmless};
use crate::config::id_token_variable;
use crate::model::key::KeyId;
use crate::model::secret::{CredentialKind, Secret};

/// The grant of a login with an ID token.
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// Where a command finds what it gets its token with.
#[derive(Clone)]
pub(in crate::cli) enum LoginSource {
    /// The file with an API key's secret.
    Key(PathBuf),
    /// The file with an ID token.
    IdTokenFile(PathBuf),
    /// The variable with an ID token.
    IdTokenVariable(String),
}

/// What was read there.
#[derive(Clone)]
pub(in crate::cli) enum LoginSecret {
    /// A key's id and secret.
    Key(KeyId, Secret),
    /// An ID token.
    IdToken(Secret),
}

impl LoginSource {
    /// The variable that it is in, if it is in one.
    pub(in crate::cli) fn variable(&self) -> Option<&str> {
        match self {
            Self::IdTokenVariable(name) => Some(name),
            Self::Key(_) | Self::IdTokenFile(_) => None,
        }
    }

    /// Reads it.
    pub(in crate::cli) fn read(&self) -> Result<LoginSecret, CliError> {
        match self {
            Self::Key(file) => {
                let secret = secret_in(file)?;
                let id = match secret.kind() {
                    Some(CredentialKind::Key(id)) => Ok(id),
                    Some(CredentialKind::Token(_)) => Err(
                        "this is a token, and a token makes no tokens; `run` needs an API key's \
                            secret, which begins with skp_",
                    ),
                    None if secret.is_like_id_token() => {
                        Err("this is an ID token; name its file with --id-token-file")
                    }
                    None => {
                        Err("this is no API key's secret, or was mistyped; one begins with skp_")
                    }
                };
                let id =
                    id.map_err(|what| CliError::Failed(format!("{}: {what}", file.shown())))?;
                Ok(LoginSecret::Key(id, secret))
            }
            Self::IdTokenFile(file) => {
                let secret = secret_in(file)?;
                id_token(secret, &file.shown())
            }
            Self::IdTokenVariable(name) => {
                let text = id_token_variable(name).ok_or_else(|| {
                    let name = harmless(name);
                    CliError::Failed(format!(
                        "the variable {name} is not set, or empty; --id-token-env names the one \
                            with the ID token"
                    ))
                })?;
                id_token(Secret::new(text), &harmless(name))
            }
        }
    }
}

fn id_token(secret: Secret, place: &str) -> Result<LoginSecret, CliError> {
    if secret.is_like_id_token() {
        return Ok(LoginSecret::IdToken(secret));
    }
    Err(CliError::Failed(format!(
        "{place}: this is no ID token, which has three parts between two dots"
    )))
}

impl LoginSecret {
    /// What authenticates a request.
    pub(in crate::cli) const fn secret(&self) -> &Secret {
        match self {
            Self::Key(_, secret) | Self::IdToken(secret) => secret,
        }
    }

    /// The members of a login.
    pub(in crate::cli) fn members(&self) -> Value {
        match self {
            Self::Key(id, secret) => {
                json!({ "clientId": id.to_string(), "clientSecret": secret.reveal() })
            }
            Self::IdToken(token) => {
                json!({ "grant_type": JWT_BEARER, "assertion": token.reveal() })
            }
        }
    }
}
