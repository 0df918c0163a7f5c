//! TLS towards servers: which authorities are trusted beside the machine's own, and which
//! certificate this client shows. Programs that a command runs get both, unless their user has set
//! something else.
//!
//! It is one for the whole command, since each of its requests goes the same way.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use clap::Args;
use reqwest::{Certificate, ClientBuilder, Identity};

use crate::cli::output::{CliError, ShownPath as _};
use crate::cli::terraform::reading::variable;
use crate::model::secret::Secret;

/// Where the program takes each of them from, as PEM.
pub(in crate::cli) const CA: &str = "TF_HTTP_CLIENT_CA_CERTIFICATE_PEM";
const CERT: &str = "TF_HTTP_CLIENT_CERTIFICATE_PEM";
const KEY: &str = "TF_HTTP_CLIENT_PRIVATE_KEY_PEM";

#[derive(Args)]
pub(in crate::cli) struct TrustArgs {
    /// Trust the authorities in this file too (PEM), beside this machine's
    #[arg(long, global = true, env = "STATEKEEP_CA_FILE", value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// The certificate that this client shows (PEM), where the server asks for one
    #[arg(
        long,
        global = true,
        env = "STATEKEEP_CLIENT_CERT",
        value_name = "FILE",
        requires = "client_key"
    )]
    client_cert: Option<PathBuf>,
    /// The private key of --client-cert (PEM)
    #[arg(
        long,
        global = true,
        env = "STATEKEEP_CLIENT_KEY",
        value_name = "FILE",
        requires = "client_cert"
    )]
    client_key: Option<PathBuf>,
}

/// What the files hold.
#[derive(Default)]
struct Held {
    authorities: Option<String>,
    certificate: Option<(String, Secret)>,
}

static HELD: OnceLock<Held> = OnceLock::new();

impl TrustArgs {
    /// Reads the files, once, for all requests from here on.
    pub(in crate::cli) fn begin(&self) -> Result<(), CliError> {
        if HELD.get().is_some() {
            return Ok(());
        }
        let authorities = self.ca_file.as_deref();
        let held = Held {
            authorities: authorities.map(read_authorities).transpose()?,
            certificate: self.certificate()?,
        };
        let _ = HELD.set(held);
        Ok(())
    }

    /// Whether authorities are named.
    pub(in crate::cli) const fn names_authorities(&self) -> Option<&PathBuf> {
        self.ca_file.as_ref()
    }

    fn certificate(&self) -> Result<Option<(String, Secret)>, CliError> {
        let (Some(cert), Some(key)) = (&self.client_cert, &self.client_key) else {
            return Ok(None);
        };
        let certificate = read("--client-cert", cert)?;
        let secret = Secret::new(read("--client-key", key)?);
        identity(&certificate, &secret).map_err(|_| {
            CliError::Failed(format!(
                "--client-cert {} and --client-key {} are no certificate with its key (PEM)",
                cert.shown(),
                key.shown()
            ))
        })?;
        Ok(Some((certificate, secret)))
    }
}

/// A client that trusts these authorities, and shows this certificate.
pub(super) fn apply(builder: ClientBuilder) -> reqwest::Result<ClientBuilder> {
    let Some(held) = HELD.get() else {
        return Ok(builder);
    };
    let builder = match &held.authorities {
        Some(text) => builder.tls_certs_merge(Certificate::from_pem_bundle(text.as_bytes())?),
        None => builder,
    };
    show_certificate(builder)
}

/// A client that shows this certificate, and trusts as it does.
pub(in crate::cli) fn show_certificate(builder: ClientBuilder) -> reqwest::Result<ClientBuilder> {
    match HELD.get().and_then(|held| held.certificate.as_ref()) {
        Some((certificate, key)) => Ok(builder.identity(identity(certificate, key)?)),
        None => Ok(builder),
    }
}

/// Hands them to a program that is about to start, as far as its user has not set them.
pub(in crate::cli) fn give(command: &mut Command) {
    let Some(held) = HELD.get() else { return };
    if let Some(text) = held.authorities.as_ref().filter(|_| variable(CA).is_none()) {
        command.env(CA, text);
    }
    let certificate = held.certificate.as_ref();
    let is_unset = variable(CERT).is_none() && variable(KEY).is_none();
    if let Some((certificate, key)) = certificate.filter(|_| is_unset) {
        command.env(CERT, certificate).env(KEY, key.reveal());
    }
}

fn identity(certificate: &str, key: &Secret) -> reqwest::Result<Identity> {
    let both = Secret::new(format!("{certificate}\n{}", key.reveal()));
    Identity::from_pem(both.reveal().as_bytes())
}

fn read_authorities(path: &Path) -> Result<String, CliError> {
    let text = read("--ca-file", path)?;
    let found = Certificate::from_pem_bundle(text.as_bytes()).unwrap_or_default();
    if found.is_empty() {
        return Err(CliError::Failed(format!(
            "--ca-file {}: there is no certificate in it (PEM, BEGIN CERTIFICATE)",
            path.shown()
        )));
    }
    Ok(text)
}

fn read(flag: &str, path: &Path) -> Result<String, CliError> {
    std::fs::read_to_string(path)
        .map_err(|error| CliError::Failed(format!("{flag} {}: {error}", path.shown())))
}
