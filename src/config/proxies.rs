//! Whose word on a client's address is believed: only that of proxies which the operator named.

use std::net::{IpAddr, SocketAddr};

use ipnet::{IpNet, Ipv4Net};

/// How many bits of an IPv6 address come before the IPv4 address in it.
const MAPPED_BITS: u8 = 96;

/// The networks whose `X-Forwarded-For` is believed.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Believes these.
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks.into_iter().map(canonical).collect())
    }

    /// Whether this is one of them.
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The client's address: the peer's, or the last one in `X-Forwarded-For` that is no trusted
    /// proxy, as far as trusted proxies wrote it.
    pub fn client<'a>(
        &self,
        peer: IpAddr,
        forwarded: impl DoubleEndedIterator<Item = &'a str>,
    ) -> IpAddr {
        let mut client = peer.to_canonical();
        let hops = forwarded
            .flat_map(|header| header.split(','))
            .map(str::trim)
            .collect::<Vec<_>>();
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

/// A network of IPv4 addresses that are written as IPv6 ones, as that of the IPv4 addresses: so are
/// those that are compared with it.
fn canonical(network: IpNet) -> IpNet {
    let mapped = match network {
        IpNet::V6(network) => network
            .addr()
            .to_ipv4_mapped()
            .zip(network.prefix_len().checked_sub(MAPPED_BITS)),
        IpNet::V4(_) => None,
    };
    mapped
        .and_then(|(address, length)| Ipv4Net::new(address, length).ok())
        .map_or(network, IpNet::V4)
}

/// An address as proxies write it: bare, with a port, or in brackets.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let bare = hop.trim_start_matches('[').trim_end_matches(']');
    bare.parse()
        .ok()
        .or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn believes_only_what_trusted_proxies_wrote() {
        let proxies = TrustedProxies::new(vec![
            "10.0.0.0/8".parse().unwrap(),
            "::1/128".parse().unwrap(),
        ]);
        let client = |peer: &str, headers: &[&str]| {
            proxies
                .client(peer.parse().unwrap(), headers.iter().copied())
                .to_string()
        };
        assert_eq!(
            client("192.0.2.1", &["198.51.100.7"]),
            "192.0.2.1",
            "an untrusted peer says what it wants"
        );
        assert_eq!(client("10.0.0.1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(
            client("10.0.0.1", &["1.2.3.4, 198.51.100.7, 10.0.0.9"]),
            "198.51.100.7",
            "what stands before was written by the client"
        );
        assert_eq!(
            client("10.0.0.1", &["1.2.3.4", "198.51.100.7"]),
            "198.51.100.7",
            "several headers are one list"
        );
        assert_eq!(client("10.0.0.1", &["junk"]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client("::1", &["[2001:db8::7]:4711"]), "2001:db8::7");
        assert_eq!(
            client("::ffff:10.0.0.1", &["198.51.100.7:80"]),
            "198.51.100.7"
        );
    }

    #[test]
    fn a_network_may_be_written_as_one_of_ipv6() {
        let proxies = TrustedProxies::new(vec![
            "::ffff:10.0.0.0/104".parse().unwrap(),
            "::ffff:192.0.2.1/128".parse().unwrap(),
        ]);
        let client = |peer: &str| {
            proxies
                .client(peer.parse().unwrap(), ["198.51.100.7"].into_iter())
                .to_string()
        };
        for trusted in ["10.0.0.1", "::ffff:10.255.0.1", "192.0.2.1"] {
            assert_eq!(client(trusted), "198.51.100.7", "{trusted}");
        }
        for other in ["11.0.0.1", "192.0.2.2", "2001:db8::1"] {
            assert_eq!(client(other), other);
        }
    }
}
