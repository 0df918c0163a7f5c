//! The key sets that issuers of ID tokens publish, fetched for the domain, which knows no HTTP.
//!
//! Each is asked for by a client of its own, without credentials, and follows no redirect: an
//! issuer is trusted at the address that a person has named.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Response};

use crate::cli::client::names::any_names;
use crate::cli::client::network::on_the_way;
use crate::cli::output::{CliError, ShownPath as _, harmless};
use crate::domain::auth::id_tokens::sources::{FetchKeySet, Fetching};

/// How long an issuer may take for all of its key set.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Args)]
pub(super) struct IssuerArgs {
    /// Trust the authorities in this file too (PEM), beside this machine's, where keys of issuers
    /// are fetched
    #[arg(long, env = "STATEKEEP_ISSUER_CA_FILE", value_name = "FILE")]
    issuer_ca_file: Option<PathBuf>,
}

impl IssuerArgs {
    /// What fetches key sets. The file is read once.
    pub(super) fn fetcher(&self) -> Result<Box<dyn FetchKeySet>, CliError> {
        let Some(path) = &self.issuer_ca_file else {
            return Ok(Box::new(Fetcher(Vec::new())));
        };
        let wrong =
            |why: &str| CliError::Failed(format!("--issuer-ca-file {}: {why}", path.shown()));
        let text = std::fs::read(path).map_err(|error| wrong(&error.to_string()))?;
        let authorities = Certificate::from_pem_bundle(&text).unwrap_or_default();
        if authorities.is_empty() {
            return Err(wrong(
                "there is no certificate in it (PEM, BEGIN CERTIFICATE)",
            ));
        }
        Ok(Box::new(Fetcher(authorities)))
    }
}

/// Trusts these authorities beside the machine's.
struct Fetcher(Vec<Certificate>);

impl FetchKeySet for Fetcher {
    fn fetch<'a>(&'a self, url: &'a str, most: usize) -> Fetching<'a> {
        Box::pin(async move {
            let client = self.client(url).map_err(failed)?;
            let answer = client.get(url).send().await.map_err(failed)?;
            if !answer.status().is_success() {
                return Err(format!("the issuer answered {}", answer.status().as_u16()));
            }
            whole(answer, most).await
        })
    }
}

impl Fetcher {
    fn client(&self, url: &str) -> reqwest::Result<Client> {
        // Only fails when one is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = Client::builder()
            .timeout(FETCH_TIMEOUT)
            .dns_resolver(any_names())
            .redirect(Policy::none());
        if url.starts_with("http://") {
            return builder.tls_certs_only([]).build();
        }
        builder.tls_certs_merge(self.0.iter().cloned()).build()
    }
}

/// What went wrong, and what to do about it.
#[expect(
    clippy::needless_pass_by_value,
    reason = "it is what a failed request gives"
)]
fn failed(error: reqwest::Error) -> String {
    let why = on_the_way(&error).replace("--ca-file (STATEKEEP_CA_FILE)", "--issuer-ca-file");
    harmless(&why)
}

/// A body that is not larger than it may be.
async fn whole(mut answer: Response, most: usize) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    loop {
        let chunk = answer.chunk().await;
        let Some(chunk) = chunk.map_err(failed)? else {
            return Ok(body);
        };
        if body.len() + chunk.len() > most {
            return Err(format!("the answer has more than {most} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
}
