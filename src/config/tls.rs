//! The files of TLS, and whether clients have to show a certificate.

use std::path::PathBuf;

/// What the server speaks TLS with.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// Its certificate and those between it and an authority, as PEM.
    pub cert: PathBuf,
    /// The certificate's private key, as PEM.
    pub key: PathBuf,
    /// The authorities whose certificates clients show; none if no client is asked for one.
    pub client_ca: Option<PathBuf>,
    /// Whether a client without a certificate is refused, where one is asked for.
    pub client_certs: ClientCerts,
}

/// Whether a client without a certificate is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCerts {
    /// It is.
    Required,
    /// It is not. A certificate that is shown has to be good.
    Optional,
}

/// What [`TlsFiles::client_certificates`] says if no client is asked for one.
pub const NOBODY_ASKED: &str = "none";

impl TlsFiles {
    /// What clients have to show, as reports say it.
    pub const fn client_certificates(&self) -> &'static str {
        match (&self.client_ca, self.client_certs) {
            (None, _) => NOBODY_ASKED,
            (Some(_), ClientCerts::Optional) => "optional",
            (Some(_), ClientCerts::Required) => "required",
        }
    }
}
