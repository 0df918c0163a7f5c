//! Whose word on a client's address is believed: only that of proxies which the operator named.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

/// The networks whose `X-Forwarded-For` is believed.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Believes these.
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The client's address: the peer's, or the last one in `X-Forwarded-For` that is no trusted proxy, as far as trusted proxies wrote it.
    pub fn client<'a>(&self, peer: IpAddr, forwarded: impl DoubleEndedIterator<Item = &'a str>) -> IpAddr {
        let mut client = peer.to_canonical();
        let hops = forwarded.flat_map(|header| header.split(',')).map(str::trim).collect::<Vec<_>>();
        for hop in hops.into_iter().rev() {
            if !self.trusts(client) {
                break;
            }
            match parse_hop(hop) {
                Some(address) => client = address.to_canonical(),
                None => break,
            }
        }
        client
    }
}

/// An address as proxies write it: bare, with a port, or in brackets.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let bare = hop.trim_start_matches('[').trim_end_matches(']');
    bare.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn believes_only_what_trusted_proxies_wrote() {
        let proxies = TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()]);
        let client = |peer: &str, headers: &[&str]| proxies.client(peer.parse().unwrap(), headers.iter().copied()).to_string();
        assert_eq!(client("192.0.2.1", &["198.51.100.7"]), "192.0.2.1", "an untrusted peer says what it wants");
        assert_eq!(client("10.0.0.1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(
            client("10.0.0.1", &["1.2.3.4, 198.51.100.7, 10.0.0.9"]),
            "198.51.100.7",
            "what stands before was written by the client"
        );
        assert_eq!(client("10.0.0.1", &["1.2.3.4", "198.51.100.7"]), "198.51.100.7", "several headers are one list");
        assert_eq!(client("10.0.0.1", &["junk"]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client("::1", &["[2001:db8::7]:4711"]), "2001:db8::7");
        assert_eq!(client("::ffff:10.0.0.1", &["198.51.100.7:80"]), "198.51.100.7");
    }
}
