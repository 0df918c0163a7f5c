//! The flags of `serve` for TLS.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::config::{ClientCerts, TlsFiles};

#[derive(Args)]
#[expect(
    clippy::struct_field_names,
    reason = "a field has the name of its flag"
)]
pub(super) struct TlsArgs {
    /// Speak TLS on --listen, with the certificate in this file (PEM: the server's own first, then
    /// those of authorities); it is read anew when it changes
    #[arg(
        long,
        env = "STATEKEEP_TLS_CERT",
        value_name = "FILE",
        requires = "tls_key"
    )]
    tls_cert: Option<PathBuf>,
    /// The private key of --tls-cert (PEM)
    #[arg(
        long,
        env = "STATEKEEP_TLS_KEY",
        value_name = "FILE",
        requires = "tls_cert"
    )]
    tls_key: Option<PathBuf>,
    /// Ask clients for a certificate that one of the authorities in this file (PEM) has signed
    #[arg(
        long,
        env = "STATEKEEP_TLS_CLIENT_CA",
        value_name = "FILE",
        requires = "tls_cert"
    )]
    tls_client_ca: Option<PathBuf>,
    /// Whether --tls-client-ca refuses clients without a certificate
    #[arg(
        long,
        env = "STATEKEEP_TLS_CLIENT_CERTS",
        value_enum,
        default_value_t = ClientCertsArg::Required
    )]
    tls_client_certs: ClientCertsArg,
}

#[derive(Clone, Copy, ValueEnum)]
enum ClientCertsArg {
    /// Clients without a certificate are refused
    Required,
    /// Clients may have none; a certificate that is shown has to be good
    Optional,
}

impl TlsArgs {
    /// The files; none for plain HTTP.
    pub(super) fn files(&self) -> Option<TlsFiles> {
        let (cert, key) = self.tls_cert.clone().zip(self.tls_key.clone())?;
        Some(TlsFiles {
            cert,
            key,
            client_ca: self.tls_client_ca.clone(),
            client_certs: match self.tls_client_certs {
                ClientCertsArg::Required => ClientCerts::Required,
                ClientCertsArg::Optional => ClientCerts::Optional,
            },
        })
    }
}
