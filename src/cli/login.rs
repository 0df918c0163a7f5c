//! `statekeep login` and `statekeep logout`: a person signs in once with a key, and commands with
//! the same address use a token that is kept for them. The key itself is kept nowhere, and is never
//! on a command line.

use std::path::Path;

use bytes::Bytes;
use serde_json::json;

use crate::cli::client::kept::KeptLogin;
use crate::cli::client::wire::Wire;
use crate::cli::common::done::tell;
use crate::cli::common::flags::Common;
use crate::cli::common::reach::secret_in;
use crate::cli::common::request_error::RequestError;
use crate::cli::output::{self, CliError, KnownReason, ShownPath as _};
use crate::cli::process::typed;
use crate::model::secret::{CredentialKind, Secret};

/// What a person is asked for.
const QUESTION: &str = "API key's secret (it is not shown): ";

/// Makes a token that can be extended, and keeps it.
pub(super) async fn login(common: Common) -> Result<(), CliError> {
    let (base, key_file) = common.reach.elsewhere()?;
    // One that cannot be used is told before a token is made.
    let before = KeptLogin::find(&base)?;
    let secret = secret(key_file)?;
    let Some(CredentialKind::Key(id)) = secret.kind() else {
        return Err(CliError::Failed(
            "this is no API key's secret, or was mistyped; one begins with skp_".to_owned(),
        ));
    };
    let wire = Wire::elsewhere(&base, secret.clone())?;
    let wanted = json!({
        "clientId": id.to_string(), "clientSecret": secret.reveal(), "renewable": true,
    });
    let body = Some(Bytes::from(wanted.to_string()));
    let answer = wire.ask_patiently("POST", "/api/login", body).await;
    let answer = answer.map_err(RequestError::into_failure)?.json()?;
    let login = KeptLogin::of_answer(&base, &answer)?;
    if let Err(error) = login.keep() {
        // A token that is kept nowhere is of use to nobody.
        let _ = login.end().await;
        return Err(error);
    }
    if let Some(before) = before {
        // It lapses by itself if the server does not end it now.
        let _ = before.end().await;
    }
    let file = login.file().display().to_string();
    let told = json!({ "url": base, "file": file, "ends_at": login.ends_at() });
    tell(&told, common.format, || {
        format!(
            "signed in at {base}. Commands with this --url and no --key-file use {}; `statekeep \
                logout --url {base}` ends it",
            login.file().shown()
        )
    })
}

/// The key's secret: from the file that is named, from the terminal, or from standard input.
fn secret(key_file: Option<&Path>) -> Result<Secret, CliError> {
    match key_file {
        Some(file) => secret_in(file),
        None if output::can_ask() => typed::secret(QUESTION),
        None => secret_in(Path::new("-")),
    }
}

/// Ends the token that is kept, and removes it.
pub(super) async fn logout(common: Common) -> Result<(), CliError> {
    let (base, _) = common.reach.elsewhere()?;
    let Some(login) = KeptLogin::find(&base)? else {
        return Err(CliError::Known {
            message: format!("nobody is signed in at {base}"),
            reason: KnownReason::missing("no_login"),
        });
    };
    let ended = login.end().await;
    login.forget()?;
    ended.map_err(|error| {
        error.and(&format!(
            "the login was removed here, but the server did not end its token, which lapses at {}",
            login.ends_at()
        ))
    })?;
    tell(&json!({ "url": base }), common.format, || {
        format!("signed out at {base}")
    })
}
