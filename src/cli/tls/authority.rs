//! The authority that signs the server's certificate: it can sign for the names that it was made
//! for, and for no others, so that a key of it that is lost opens nothing else.

use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, UnixTime};

use crate::cli::output::CliError;
use crate::cli::tls::names::{ServerName, constraints};
use crate::config::Certificate;
use crate::model::clock::{self, Timestamp};
use crate::model::secret::Secret;

const DAY: Duration = Duration::from_hours(24);
/// How long an authority is good: ten years.
const AUTHORITY_LIFE: Duration = Duration::from_hours(3_650 * 24);
/// A clock that is late by so much takes a new certificate all the same.
const LATE_CLOCKS: Duration = Duration::from_hours(1);
/// What certificates are called; a blank keeps programs from taking it for a host.
const AUTHORITY_NAME: &str = "statekeep authority";
const SERVER_NAME: &str = "statekeep server";

/// An authority.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(super) pem: String,
    pub(super) ends: Timestamp,
}

/// A certificate with its key.
pub(super) struct Signed {
    pub(super) pem: String,
    pub(super) key: Secret,
    pub(super) ends: Timestamp,
}

impl Authority {
    /// A new one for these names, with its key.
    pub(super) fn make(names: &[ServerName]) -> Result<(Self, Secret), CliError> {
        let ends = clock::now() + AUTHORITY_LIFE;
        let mut params = lasting(AUTHORITY_NAME, ends);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.name_constraints = Some(constraints(names));
        let key = KeyPair::generate().map_err(CliError::because)?;
        let secret = Secret::new(key.serialize_pem());
        let made = params.self_signed(&key).map_err(CliError::because)?;
        let authority = Self {
            issuer: Issuer::new(params, key),
            pem: made.pem(),
            ends,
        };
        Ok((authority, secret))
    }

    /// The one in these texts; an error says why they are none.
    pub(super) fn read(pem: String, key: &Secret) -> Result<Self, String> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes());
        let read = der.ok().and_then(|der| Certificate::read(&der));
        let read = read.filter(|read| read.is_authority);
        let read = read.ok_or("there is no authority's certificate in it")?;
        if read.judge(clock::now()).is_err() {
            return Err(format!(
                "it was good from {} until {}; make a new authority in another folder (--out), and \
                    have clients trust both until all servers have new certificates",
                read.begins, read.ends
            ));
        }
        let key = KeyPair::from_pem(key.reveal());
        let key = key.map_err(|_| "there is no private key in the file beside it".to_owned())?;
        let issuer = Issuer::from_ca_cert_pem(&pem, key).map_err(|error| error.to_string())?;
        Ok(Self {
            issuer,
            pem,
            ends: read.ends,
        })
    }

    /// Signs a certificate for these names, which is good for so many days and no longer than the
    /// authority.
    pub(super) fn sign(&self, names: &[ServerName], days: u32) -> Result<Signed, CliError> {
        let ends = (clock::now() + DAY * days).min(self.ends);
        let mut params = lasting(SERVER_NAME, ends);
        let names: Result<_, _> = names.iter().map(ServerName::in_certificate).collect();
        params.subject_alt_names = names.map_err(CliError::because)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().map_err(CliError::because)?;
        let made = params.signed_by(&key, &self.issuer);
        Ok(Signed {
            pem: made.map_err(CliError::because)?.pem(),
            key: Secret::new(key.serialize_pem()),
            ends,
        })
    }

    /// Whether a client would believe a certificate of this authority to be for a name.
    pub(super) fn is_for(&self, name: &ServerName) -> Result<bool, CliError> {
        let signed = self.sign(std::slice::from_ref(name), 1)?;
        let der = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes());
        let authority = der(&self.pem).map_err(CliError::because)?;
        let server = der(&signed.pem).map_err(CliError::because)?;
        let mut roots = RootCertStore::empty();
        roots.add(authority).map_err(CliError::because)?;
        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
        let verifier = verifier.build().map_err(CliError::because)?;
        let now = UnixTime::since_unix_epoch(since_1970(clock::now()));
        let asked = rustls::pki_types::ServerName::try_from(name.asked_for());
        let asked = asked.map_err(CliError::because)?;
        let believed = verifier.verify_server_cert(&server, &[], &asked, &[], now);
        Ok(believed.is_ok())
    }
}

/// A certificate of this name that begins now and ends then.
fn lasting(name: &str, ends: Timestamp) -> CertificateParams {
    let first = rcgen::date_time_ymd(1970, 1, 1);
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = first + since_1970(clock::now() - LATE_CLOCKS);
    params.not_after = first + since_1970(ends);
    params
}

fn since_1970(at: Timestamp) -> Duration {
    Duration::from_secs(at.since(Timestamp::from_millis(0)).as_secs())
}
