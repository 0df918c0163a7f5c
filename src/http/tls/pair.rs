//! A certificate with its key, from files to what connections get: read, compared and judged before
//! anything is served with it.
//!
//! TLS 1.3, and 1.2 with suites that authenticate what they encrypt: rustls has no others. An error
//! names files, and never has anything of a key in it.

use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, VerifierBuilderError, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{InconsistentKeys, RootCertStore, ServerConfig};
use thiserror::Error;

use crate::config::{Certificate, ClientCerts, NotNow, TlsFiles, open_regular};
use crate::model::clock::{self, Timestamp};

/// The largest file of certificates or keys, in bytes.
const MAX_FILE: u64 = 1024 * 1024;
/// The bit of a file's mode by which everybody on the machine can read it.
const EVERYBODY_READS: u32 = 0o004;
/// What clients choose from, the first that they know: HTTP/2 and HTTP/1.1.
pub(in crate::http) const HTTP_2: &[u8] = b"h2";
const HTTP_1: &[u8] = b"http/1.1";

/// Why a pair is not served.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file has nothing of what it is for.
    #[error("{}: there is no {what} in it (PEM, `BEGIN {begins}`)", path.display())]
    Nothing {
        /// The file.
        path: PathBuf,
        /// What it is for.
        what: &'static str,
        /// How that begins.
        begins: &'static str,
    },
    /// A certificate or a key is malformed, or of a kind that is not served.
    #[error("{}: {why}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The key is another certificate's.
    #[error(
        "the key in {} is not that of the first certificate in {}; the certificate of the key \
         comes first, those of authorities behind it",
        key.display(), cert.display()
    )]
    Misfit {
        /// The file with the key.
        key: PathBuf,
        /// The file with the certificate.
        cert: PathBuf,
    },
    /// The certificate's time is over.
    #[error("the certificate in {} expired at {ends}; renew it", path.display())]
    Expired {
        /// The file.
        path: PathBuf,
        /// When.
        ends: Timestamp,
    },
    /// The certificate's time has not begun.
    #[error(
        "the certificate in {} is not valid before {begins}; is the clock of this machine right?",
        path.display()
    )]
    Early {
        /// The file.
        path: PathBuf,
        /// From when it is.
        begins: Timestamp,
    },
}

/// What new connections get, and what its certificate says.
pub(super) struct Loaded {
    pub(super) config: Arc<ServerConfig>,
    pub(super) certificate: Certificate,
}

/// Reads the files, and judges them.
pub(super) fn load(files: &TlsFiles) -> Result<Loaded, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let chain = certificates(&files.cert)?;
    let certificate = chain.first().and_then(|first| Certificate::read(first));
    let certificate = certificate.ok_or_else(|| malformed(&files.cert))?;
    in_its_time(&files.cert, &certificate)?;
    warn_of_key_readers(&files.key);
    let pair = pair((&files.cert, &files.key), chain, &provider)?;
    let clients = clients(files, &provider)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&files.cert, error.to_string()))?
        .with_client_cert_verifier(clients)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
    config.alpn_protocols = vec![HTTP_2.to_vec(), HTTP_1.to_vec()];
    // The strongest suite that both know.
    config.ignore_client_order = true;
    Ok(Loaded {
        config: Arc::new(config),
        certificate,
    })
}

/// The pair in two files, for the side that asks: read and compared, and not judged by its time.
///
/// # Errors
///
/// A file that cannot be read, has not what it is for, or has another certificate's key.
pub fn shown_pair(cert: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    pair((cert, key), certificates(cert)?, &ring::default_provider())
}

fn pair(
    (cert, key): (&Path, &Path),
    chain: Vec<CertificateDer<'static>>,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsError> {
    CertifiedKey::from_der(chain, private_key(key)?, provider).map_err(|error| {
        let misfit = InconsistentKeys::KeyMismatch;
        if matches!(&error, rustls::Error::InconsistentKeys(why) if *why == misfit) {
            return TlsError::Misfit {
                key: key.to_owned(),
                cert: cert.to_owned(),
            };
        }
        unusable(key, error.to_string())
    })
}

/// Who is asked for a certificate, and by whom it has to be signed.
fn clients(
    files: &TlsFiles,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let Some(path) = &files.client_ca else {
        return Ok(Arc::new(NoClientAuth));
    };
    let mut authorities = RootCertStore::empty();
    for authority in certificates(path)? {
        let added = authorities.add(authority);
        added.map_err(|error| unusable(path, error.to_string()))?;
    }
    let builder =
        WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), Arc::clone(provider));
    let builder = match files.client_certs {
        ClientCerts::Required => builder,
        ClientCerts::Optional => builder.allow_unauthenticated(),
    };
    let why = |error: VerifierBuilderError| unusable(path, error.to_string());
    builder.build().map_err(why)
}

fn in_its_time(path: &Path, certificate: &Certificate) -> Result<(), TlsError> {
    let path = path.to_owned();
    certificate
        .judge(clock::now())
        .map_err(|not_now| match not_now {
            NotNow::Early => TlsError::Early {
                path,
                begins: certificate.begins,
            },
            NotNow::Expired => TlsError::Expired {
                path,
                ends: certificate.ends,
            },
        })
}

/// All certificates in a file, of which there is at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(path)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let all = all.map_err(|_| malformed(path))?;
    if all.is_empty() {
        return Err(TlsError::Nothing {
            path: path.to_owned(),
            what: "certificate",
            begins: "CERTIFICATE",
        });
    }
    Ok(all)
}

/// The first key in a file.
fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = secrecy::zeroize::Zeroizing::new(read(path)?);
    let is_sealed = text
        .windows(SEALED.len())
        .any(|window| window == SEALED.as_bytes());
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| {
        if is_sealed {
            return unusable(path, SEALED_KEY.to_owned());
        }
        TlsError::Nothing {
            path: path.to_owned(),
            what: "private key",
            begins: "PRIVATE KEY",
        }
    })
}

/// How a key begins that a passphrase is needed for.
const SEALED: &str = "ENCRYPTED";
const SEALED_KEY: &str = "the private key has a passphrase, which the server cannot ask for; write \
    it without one (`openssl pkey -in FILE`), in a file that only the server's user can read";

/// Says in the log that everybody on the machine can read a private key, if that is so.
pub fn warn_of_key_readers(path: &Path) {
    let is_open = |found: std::fs::Metadata| found.is_file() && found.mode() & EVERYBODY_READS != 0;
    if std::fs::metadata(path).is_ok_and(is_open) {
        tracing::warn!(
            path = %path.display(),
            "everybody on this machine can read the private key of TLS; chmod 600 it"
        );
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let mut bytes = Vec::new();
    // A pipe would hold up the exchange for good, and the end of the server with it.
    let read = open_regular(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes));
    let read = read.and_then(|length| {
        let is_too_large = length as u64 > MAX_FILE;
        let too_large = || io::Error::other(format!("it is larger than {MAX_FILE} bytes"));
        if is_too_large {
            Err(too_large())
        } else {
            Ok(())
        }
    });
    read.map_err(|source| TlsError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    Ok(bytes)
}

fn unusable(path: &Path, why: String) -> TlsError {
    TlsError::Unusable {
        path: path.to_owned(),
        why,
    }
}

fn malformed(path: &Path) -> TlsError {
    unusable(path, "a certificate in it is malformed".to_owned())
}
