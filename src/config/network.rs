//! How far an address counts as one client: an IPv4 address alone, of an IPv6 address the first 64
//! bits. A client has all addresses behind them.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// The network that one client has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network(IpAddr);

impl Network {
    /// The network that an address is in.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
            }
            canonical @ IpAddr::V4(_) => Self(canonical),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V6(address) => write!(formatter, "{address}/64"),
            IpAddr::V4(address) => write!(formatter, "{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_one_with_all_its_addresses() {
        for (address, network) in [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:db8:1:2::", "2001:db8:1:2::/64"),
            ("::1", "::/64"),
        ] {
            let address = address.parse().unwrap();
            assert_eq!(Network::of(address).to_string(), network);
        }
        let [one, other] =
            ["2001:db8::1", "2001:db8:0:1::1"].map(|address| Network::of(address.parse().unwrap()));
        assert_ne!(one, other);
    }
}
