//! What the server itself asks others with: the key sets of issuers, receivers of
//! webhooks, and the receiver of syslog.

use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use clap::Args;
use reqwest::Certificate;

use crate::cli::client::syslog::{ShownFiles, SyslogReceiver, SyslogSender};
use crate::cli::client::webhook::HookSender;
use crate::cli::output::{CliError, ShownPath as _};
use crate::cli::serve::issuers::IssuerArgs;
use crate::domain::Domain;
use crate::domain::auth::id_tokens::sources::FetchKeySet;

#[derive(Args)]
pub(super) struct HookArgs {
    /// Trust the authorities in this file too (PEM), beside this machine's, where webhooks are
    /// delivered
    #[arg(long, env = "STATEKEEP_HOOK_CA_FILE", value_name = "FILE")]
    hook_ca_file: Option<PathBuf>,
    /// A receiver of syslog that gets the signed head of the event log each minute and at each
    /// backup: tcp://HOST:PORT or tls://HOST:PORT
    #[arg(
        long,
        env = "STATEKEEP_SYSLOG",
        value_name = "URL",
        value_parser = SyslogReceiver::from_str
    )]
    syslog: Option<SyslogReceiver>,
    /// Show the receiver of --syslog the certificate in this file if it asks for one (PEM); it is
    /// read anew for each head
    #[arg(
        long,
        env = "STATEKEEP_SYSLOG_CERT",
        value_name = "FILE",
        requires_all = ["syslog", "syslog_key"]
    )]
    syslog_cert: Option<PathBuf>,
    /// The private key of --syslog-cert (PEM)
    #[arg(
        long,
        env = "STATEKEEP_SYSLOG_KEY",
        value_name = "FILE",
        requires = "syslog_cert"
    )]
    syslog_key: Option<PathBuf>,
}

impl HookArgs {
    /// What sends heads to a receiver of syslog, if there is one.
    fn syslog(&self) -> Result<Option<SyslogSender>, CliError> {
        let files = self.syslog_cert.clone().zip(self.syslog_key.clone());
        let files = files.map(|(cert, key)| ShownFiles { cert, key });
        let receiver = self.syslog.clone();
        receiver
            .map(|receiver| SyslogSender::new(receiver, files))
            .transpose()
    }
}

/// What asks others.
pub(super) struct Askers {
    fetcher: Box<dyn FetchKeySet>,
    sender: HookSender,
    syslog: Option<SyslogSender>,
}

impl Askers {
    /// Reads the files with authorities, once.
    pub(super) fn of(issuers: &IssuerArgs, hooks: &HookArgs) -> Result<Self, CliError> {
        let file = hooks.hook_ca_file.as_deref();
        Ok(Self {
            fetcher: issuers.fetcher()?,
            sender: HookSender::new(authorities("--hook-ca-file", file)?),
            syslog: hooks.syslog()?,
        })
    }

    /// They ask for this server from now on.
    pub(super) fn ask_for(self, domain: &Domain) {
        domain.keys().trusts().fetch_key_sets_with(self.fetcher);
        domain.hooks().send_with(Box::new(self.sender));
        if let Some(sender) = self.syslog {
            domain.syslog().send_with(Box::new(sender));
        }
    }
}

/// The authorities in a file that a flag names, if it does.
fn authorities(flag: &str, file: Option<&Path>) -> Result<Vec<Certificate>, CliError> {
    let Some(path) = file else {
        return Ok(Vec::new());
    };
    let wrong = |why: &str| CliError::Failed(format!("{flag} {}: {why}", path.shown()));
    let text = std::fs::read(path).map_err(|error| wrong(&error.to_string()))?;
    let authorities = Certificate::from_pem_bundle(&text).unwrap_or_default();
    if authorities.is_empty() {
        return Err(wrong(
            "there is no certificate in it (PEM, BEGIN CERTIFICATE)",
        ));
    }
    Ok(authorities)
}
