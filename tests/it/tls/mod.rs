//! TLS in the process: what is spoken, which pairs are served, how they are exchanged, who is asked
//! for a certificate, and what clients cost that harm.

pub(crate) mod authority;
mod bound_keys;
mod client_certs;
mod exchange;
mod hostile;
mod http2;
mod spoken;
mod start;
mod versions;

use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use crate::harness::{PATIENCE, Server};
use authority::{Authority, Pair};

const L1: &str = "11111111-1111-4111-8111-111111111111";

/// A client's side of TLS that trusts an authority, and speaks these protocols within it.
fn client_config(authority: &Authority, alpn: &[&[u8]]) -> Arc<ClientConfig> {
    client_config_with(authority, alpn, None)
}

/// The same for a client that shows a certificate, if it has one.
fn client_config_with(
    authority: &Authority,
    alpn: &[&[u8]],
    shown: Option<&Pair>,
) -> Arc<ClientConfig> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut roots = RootCertStore::empty();
    let der = CertificateDer::from_pem_slice(authority.pem().as_bytes()).expect("PEM");
    roots.add(der).expect("an authority");
    let builder = ClientConfig::builder().with_root_certificates(roots);
    let mut config = match shown {
        None => builder.with_no_client_auth(),
        Some(pair) => {
            let cert = CertificateDer::from_pem_slice(pair.cert.as_bytes()).expect("PEM");
            let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).expect("PEM");
            let config = builder.with_client_auth_cert(vec![cert], key);
            config.expect("a pair")
        }
    };
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    Arc::new(config)
}

/// A connection with TLS to a server.
fn connect(
    server: &Server,
    config: &Arc<ClientConfig>,
) -> rustls::StreamOwned<ClientConnection, TcpStream> {
    let stream = TcpStream::connect(server.address()).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    let name = ServerName::try_from("localhost").expect("a name");
    let connection = ClientConnection::new(Arc::clone(config), name).expect("a client");
    rustls::StreamOwned::new(connection, stream)
}

/// The certificate that a new connection gets, in DER.
fn served(server: &Server, authority: &Authority) -> Vec<u8> {
    let mut stream = connect(server, &client_config(authority, &[]));
    while stream.conn.is_handshaking() {
        stream
            .conn
            .complete_io(&mut stream.sock)
            .expect("a handshake");
    }
    let shown = stream.conn.peer_certificates().expect("a certificate");
    shown[0].to_vec()
}
