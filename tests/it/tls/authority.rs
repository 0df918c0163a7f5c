//! An authority of a test, the certificates that it signs, and clients that trust it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use reqwest::blocking::{Client, ClientBuilder};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use tempfile::TempDir;

use crate::harness::{PATIENCE, Setup};

/// So many seconds of a day.
const DAY: i64 = 24 * 60 * 60;

/// Signs certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its key, as PEM.
pub(crate) struct Pair {
    pub(crate) cert: String,
    pub(crate) key: String,
}

impl Pair {
    /// A listener's side of TLS that serves it, and asks nobody for a certificate.
    pub(crate) fn served(&self) -> Arc<ServerConfig> {
        self.served_to(Arc::new(NoClientAuth))
    }

    /// The same, which refuses who shows no certificate of an authority.
    pub(crate) fn served_to_those_of(&self, authority: &Authority) -> Arc<ServerConfig> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(authority.pem.as_bytes()).expect("PEM");
        roots.add(root).expect("an authority");
        let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build();
        self.served_to(verifier.expect("a verifier"))
    }

    fn served_to(&self, clients: Arc<dyn ClientCertVerifier>) -> Arc<ServerConfig> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let certificate = CertificateDer::from_pem_slice(self.cert.as_bytes()).expect("PEM");
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("PEM");
        let config = ServerConfig::builder().with_client_cert_verifier(clients);
        let config = config.with_single_cert(vec![certificate], key);
        Arc::new(config.expect("a pair"))
    }
}

/// The files of a server, and who signed what is in them.
pub(crate) struct Site {
    dir: TempDir,
    pub(crate) authority: Authority,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name = named("authority of a test");
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        let issuer = Issuer::new(params, key);
        Self { issuer, pem }
    }

    /// Its certificate.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for `localhost` and 127.0.0.1, good for so many days.
    pub(crate) fn server(&self, days: i64) -> Pair {
        self.between(&["localhost", "127.0.0.1"], -1, days)
    }

    /// A certificate for some names, from so many days on until so many.
    pub(crate) fn between(&self, names: &[&str], from: i64, until: i64) -> Pair {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.subject_alt_names = names.iter().map(|name| san(name)).collect();
        params.distinguished_name = named("certificate of a test");
        // A little over whole days, so that a slow test sees the same number of them.
        let first = rcgen::date_time_ymd(1970, 1, 1);
        params.not_before = first + since_1970(from * DAY);
        params.not_after = first + since_1970(until * DAY + DAY / 2);
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate().expect("a key");
        let cert = params.signed_by(&key, &self.issuer).expect("a certificate");
        Pair {
            cert: cert.pem(),
            key: key.serialize_pem(),
        }
    }

    /// How clients are made that trust it alone.
    pub(crate) fn client_builder(&self) -> ClientBuilder {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let certificate = reqwest::Certificate::from_pem(self.pem.as_bytes());
        Client::builder()
            .tls_certs_only([certificate.expect("a certificate")])
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(5 * PATIENCE)
    }

    /// A client that trusts it alone.
    pub(crate) fn client(&self) -> Client {
        self.client_builder().build().expect("a client")
    }

    /// A client that trusts it alone, and shows a certificate.
    pub(crate) fn client_with(&self, pair: &Pair) -> Client {
        let both = format!("{}{}", pair.cert, pair.key);
        let identity = reqwest::Identity::from_pem(both.as_bytes()).expect("a pair");
        let builder = self.client_builder().identity(identity);
        builder.build().expect("a client")
    }
}

impl Site {
    /// The files of a server with a good certificate.
    pub(crate) fn new() -> Self {
        let site = Self {
            dir: TempDir::new().expect("a directory"),
            authority: Authority::new(),
        };
        site.put(&site.authority.server(90));
        let authority = site.authority.pem().to_owned();
        site.write("ca.pem", &authority);
        site
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The path as a flag has it.
    pub(crate) fn flag(&self, name: &str) -> String {
        self.path(name).to_str().expect("UTF-8").to_owned()
    }

    /// Has the server's pair be this one, each file at once.
    pub(crate) fn put(&self, pair: &Pair) {
        self.write("server.key", &pair.key);
        self.write("server.pem", &pair.cert);
    }

    /// Writes a file beside its place, and moves it there.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let new = self.path(&format!("{name}.new"));
        std::fs::write(&new, text).expect("a file");
        std::fs::set_permissions(&new, private()).expect("a mode");
        std::fs::rename(&new, self.path(name)).expect("its place");
    }

    /// A server with these files, whose callers trust the authority.
    pub(crate) fn setup(&self) -> Setup {
        self.setup_over(self.authority.client())
    }

    /// The same with callers of another kind.
    pub(crate) fn setup_over(&self, http: Client) -> Setup {
        Setup::new()
            .flag("--tls-cert", &self.flag("server.pem"))
            .flag("--tls-key", &self.flag("server.key"))
            .reached_by(http)
    }
}

/// A name as a certificate has it: an address, a URI, an e-mail address or a DNS name.
fn san(name: &str) -> SanType {
    if let Ok(address) = name.parse() {
        return SanType::IpAddress(address);
    }
    let text = name.try_into().expect("a name");
    if name.contains(':') {
        SanType::URI(text)
    } else if name.contains('@') {
        SanType::Rfc822Name(text)
    } else {
        SanType::DnsName(text)
    }
}

fn private() -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o600)
}

/// How long after 1970 a moment is that is so many seconds from now.
fn since_1970(from_now: i64) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = i64::try_from(now.expect("after 1970").as_secs()).expect("before the end");
    Duration::from_secs(u64::try_from(now + from_now).expect("after 1970"))
}

fn named(name: &str) -> DistinguishedName {
    let mut named = DistinguishedName::new();
    named.push(DnType::CommonName, name);
    named
}
