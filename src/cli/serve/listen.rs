//! Where the server listens: what people write for it, and what to do if the system does not let
//! it.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

use crate::cli::output::CliError;

/// What a listening address has to be.
const FORM: &str = "an IP address and a port, as 127.0.0.1:8680 or [::1]:8680 for this machine \
    alone, 0.0.0.0:8680 or [::]:8680 for all networks";

/// Reads an address to listen on. `localhost:PORT`, and a port alone, are this machine; other names
/// are refused, since they may mean several addresses.
pub(in crate::cli) fn parse(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let here = |port: &str| {
        port.parse::<u16>()
            .ok()
            .map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    };
    if let Some(address) = here(text) {
        return Ok(address);
    }
    if text.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
        return Err(format!("the port is missing: it has to be {FORM}"));
    }
    match text.rsplit_once(':') {
        Some((host, port)) if host.eq_ignore_ascii_case("localhost") => {
            here(port).ok_or_else(|| format!("it has to be {FORM}"))
        }
        Some(("" | "*", port)) if here(port).is_some() => {
            Err(format!("the address is missing: it has to be {FORM}"))
        }
        Some((_, port)) if here(port).is_some() => {
            Err(format!("names are not looked up: it has to be {FORM}"))
        }
        _ => Err(format!("it has to be {FORM}")),
    }
}

/// Reads an address that this machine alone reaches.
pub(in crate::cli) fn parse_loopback(text: &str) -> Result<SocketAddr, String> {
    let address = parse(text)?;
    if address.ip().is_loopback() {
        return Ok(address);
    }
    Err(
        "metrics without a key are for this machine alone: it has to be a loopback address, as \
        127.0.0.1:9680. From elsewhere, Prometheus reads /metrics with a key of the role monitor"
            .to_owned(),
    )
}

/// Listens there, as a flag says.
pub(in crate::cli) fn bind(flag: &str, address: SocketAddr) -> Result<TcpListener, CliError> {
    TcpListener::bind(address).map_err(|error| {
        CliError::Failed(format!(
            "cannot listen on {address}: {error}. {}",
            hint(flag, &error, address)
        ))
    })
}

fn hint(flag: &str, error: &io::Error, address: SocketAddr) -> String {
    let kind = error.kind();
    if kind == ErrorKind::AddrInUse {
        return format!(
            "Another program listens there already, perhaps another statekeep; choose another \
                port by {flag}"
        );
    }
    if kind == ErrorKind::AddrNotAvailable {
        let ip = address.ip();
        return format!(
            "This machine has no address {ip}; take one of its own, 127.0.0.1 for itself alone, or \
                0.0.0.0 or [::] for all that it has"
        );
    }
    if kind == ErrorKind::PermissionDenied {
        let port = address.port();
        return format!(
            "Port {port} needs root or CAP_NET_BIND_SERVICE (AmbientCapabilities= of systemd); \
                take a port from 1024 on, behind a proxy"
        );
    }
    format!("choose another address by {flag}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_can_only_mean_one_thing() {
        for (text, taken) in [
            ("127.0.0.1:8680", "127.0.0.1:8680"),
            ("[::1]:8680", "[::1]:8680"),
            ("localhost:8680", "127.0.0.1:8680"),
            ("LOCALHOST:0", "127.0.0.1:0"),
            ("8680", "127.0.0.1:8680"),
        ] {
            assert_eq!(
                parse(text).map(|address| address.to_string()),
                Ok(taken.to_owned())
            );
        }
        for (text, word) in [
            (":8680", "the address is missing"),
            ("*:8680", "the address is missing"),
            ("127.0.0.1", "port is missing"),
            ("::1", "port is missing"),
            ("host.example:8680", "not looked up"),
            ("localhost", "127.0.0.1:8680"),
            ("localhost:99999", "127.0.0.1:8680"),
            ("", "127.0.0.1:8680"),
        ] {
            assert!(
                parse(text).is_err_and(|why| why.contains(word) && why.contains("127.0.0.1:8680")),
                "{text}"
            );
        }
    }
}
