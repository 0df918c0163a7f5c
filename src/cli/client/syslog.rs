//! Sends heads of the event log to a receiver of syslog, for the domain, which knows no network.
//!
//! A message is one of RFC 5424, its length before it (RFC 6587, RFC 5425). Each goes over a
//! connection of its own. It counts as taken only when the receiver has closed its side after ours:
//! syslog has no answers, and what is written to a connection may never be read. So a head may come
//! twice, and none is believed to be there that is not.
//!
//! The few lines of a message are written here. Crates for them bring a format of their own, their
//! own sockets that block, or a name service of the system's library.

use std::fmt;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, ConfigBuilder};
use rustls_platform_verifier::BuilderVerifierExt as _;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::cli::client::addresses::Reachable;
use crate::cli::client::names::JudgedNames;
use crate::cli::output::CliError;
use crate::domain::events::syslog::{SendHead, Sending};
use crate::http::{shown_pair, warn_of_key_readers};
use crate::model::signed_head::SignedHead;

/// How long one try may take: the name, the connection, the handshake, and until the receiver has
/// closed its side.
const TRY_TIMEOUT: Duration = Duration::from_secs(5);
/// Facility 13 (audit) and severity 5 (notice).
const PRIORITY: u8 = 13 * 8 + 5;
/// The element of a head. The number behind it is the one that RFC 5612 keeps for examples, since
/// the project has none of its own.
const ELEMENT: &str = "head@32473";

/// Where heads go.
#[derive(Clone, Debug)]
pub(in crate::cli) struct SyslogReceiver {
    is_tls: bool,
    host: ServerName<'static>,
    port: u16,
}

impl FromStr for SyslogReceiver {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "not tcp://HOST:PORT or tls://HOST:PORT".to_owned();
        let (scheme, place) = text.split_once("://").ok_or_else(wrong)?;
        let is_tls = match scheme {
            "tcp" => false,
            "tls" => true,
            _ => return Err(wrong()),
        };
        let (host, port) = place.rsplit_once(':').ok_or_else(wrong)?;
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        if bare.is_none() && host.contains(':') {
            return Err("an IPv6 address stands in brackets, as in tcp://[::1]:601".to_owned());
        }
        let host = ServerName::try_from(bare.unwrap_or(host).to_owned()).map_err(|_| wrong())?;
        let port = port.parse().map_err(|_| wrong())?;
        if port == 0 {
            return Err("0 is no port of a receiver".to_owned());
        }
        Ok(Self { is_tls, host, port })
    }
}

impl fmt::Display for SyslogReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "tls" } else { "tcp" };
        write!(f, "{scheme}://{}:{}", self.host.to_str(), self.port)
    }
}

/// The files of the certificate that is shown to a receiver, and of its key.
#[derive(Clone, Debug)]
pub(in crate::cli) struct ShownFiles {
    /// PEM: the certificate of the key first, then those of authorities.
    pub(in crate::cli) cert: PathBuf,
    /// PEM, without a passphrase.
    pub(in crate::cli) key: PathBuf,
}

/// Sends heads to a receiver.
pub(in crate::cli) struct SyslogSender {
    receiver: SyslogReceiver,
    /// What is shown if the receiver asks for a certificate.
    shown: Option<ShownFiles>,
}

impl SyslogSender {
    /// Sends to a receiver. Files that are no good are refused now, not at the first head.
    pub(in crate::cli) fn new(
        receiver: SyslogReceiver,
        shown: Option<ShownFiles>,
    ) -> Result<Self, CliError> {
        if let Some(ShownFiles { cert, key }) = &shown {
            if !receiver.is_tls {
                return Err(CliError::Usage(format!(
                    "--syslog {receiver} is in clear and asks for no certificate; use tls:// or \
                        leave out --syslog-cert"
                )));
            }
            warn_of_key_readers(key);
            let wrong = |error| CliError::Failed(format!("--syslog-cert, --syslog-key: {error}"));
            shown_pair(cert, key).map_err(wrong)?;
        }
        Ok(Self { receiver, shown })
    }

    async fn hand_over(&self, message: Vec<u8>) -> Result<(), String> {
        let said = |error: std::io::Error| error.to_string();
        let addresses = self.receiver.addresses().await?;
        let stream = TcpStream::connect(&addresses[..]).await.map_err(said)?;
        if !self.receiver.is_tls {
            return until_closed(stream, &message).await.map_err(said);
        }
        // The machine's authorities and our own pair are read anew each time, so that new ones
        // need no restart.
        let shown = self.shown.clone();
        let config = tokio::task::spawn_blocking(move || config(shown.as_ref())).await;
        let config = config.map_err(|error| error.to_string())??;
        let connector = TlsConnector::from(Arc::new(config));
        let stream = connector.connect(self.receiver.host.clone(), stream);
        let stream = stream.await.map_err(said)?;
        until_closed(stream, &message).await.map_err(said)
    }
}

impl SendHead for SyslogSender {
    fn send<'a>(&'a self, head: &'a SignedHead) -> Sending<'a> {
        Box::pin(async move {
            let sending = tokio::time::timeout(TRY_TIMEOUT, self.hand_over(message(head)));
            let late = |_| Err(format!("it took longer than {} s", TRY_TIMEOUT.as_secs()));
            let sent = sending.await.unwrap_or_else(late);
            sent.map_err(|why| format!("{}: {why}", self.receiver))
        })
    }
}

impl SyslogReceiver {
    async fn addresses(&self) -> Result<Vec<SocketAddr>, String> {
        let found = if let ServerName::IpAddress(address) = &self.host {
            vec![IpAddr::from(*address)]
        } else {
            let names = JudgedNames(Reachable::Any);
            names.addresses(&self.host.to_str()).await?
        };
        let place = |address| SocketAddr::new(address, self.port);
        Ok(found.into_iter().map(place).collect())
    }
}

/// TLS 1.2 and 1.3 with this machine's trust, and with a certificate of ours if there is one.
fn config(shown: Option<&ShownFiles>) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions();
    let builder = builder.and_then(ConfigBuilder::with_platform_verifier);
    let builder = builder.map_err(|error| error.to_string())?;
    let Some(ShownFiles { cert, key }) = shown else {
        return Ok(builder.with_no_client_auth());
    };
    let pair = shown_pair(cert, key).map_err(|error| error.to_string())?;
    Ok(builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(pair))))
}

/// Writes all, ends our side, and waits until the receiver has ended its own.
async fn until_closed(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    message: &[u8],
) -> std::io::Result<()> {
    stream.write_all(message).await?;
    stream.shutdown().await?;
    let mut ignored = [0; 512];
    loop {
        match stream.read(&mut ignored).await {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            // A receiver that ends TLS without a word has read ours all the same.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// A message with its length. Its text is the line that the file of events has for a head. All
/// values are digits and letters, so nothing has to be escaped.
fn message(head: &SignedHead) -> Vec<u8> {
    let SignedHead {
        instance,
        number,
        hash,
        at,
        key,
        signature,
    } = head;
    let line = json!({ "head": head });
    let message = format!(
        "<{PRIORITY}>1 {at} - statekeep - head [{ELEMENT} instance=\"{instance}\" \
            number=\"{number}\" hash=\"{hash}\" key=\"{key}\" signature=\"{signature}\"] {line}"
    );
    format!("{} {message}", message.len()).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_is_read_as_it_is_written_and_nonsense_is_refused() {
        for good in [
            "tcp://logs.example:601",
            "tls://10.0.0.7:6514",
            "tls://logs:1",
        ] {
            let read: SyslogReceiver = good.parse().unwrap();
            assert_eq!(read.to_string(), good);
        }
        "tcp://[::1]:601".parse::<SyslogReceiver>().unwrap();
        for bad in [
            "",
            "logs.example:601",
            "udp://logs.example:514",
            "tcp://logs.example",
            "tcp://:601",
            "tcp://::1:601",
            "tcp://[::1]",
            "tcp://logs.example:0",
            "tcp://logs.example:65536",
            "tls://a b:6514",
            "tls://user@logs.example:6514",
            "tcp://logs.example:601/path",
        ] {
            assert!(bad.parse::<SyslogReceiver>().is_err(), "{bad}");
        }
    }
}
