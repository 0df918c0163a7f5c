//! Which addresses the server itself may ask for a webhook: public ones; private ones only if their
//! host was allowed by name; and some never, such as those where clouds keep the secrets of a
//! machine.
//!
//! What is judged is the address that is connected to, however it was spelt. An address that holds
//! another one, such as IPv4 in IPv6, is judged by that.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// Which addresses may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reachable {
    /// Any.
    Any,
    /// Public and private ones.
    Private,
    /// Public ones.
    Public,
}

/// What an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Public,
    /// Of this machine or of a private network.
    Private,
    /// Of the network's own, or of nobody.
    Special,
}

const fn v4(a: u8, b: u8, c: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, 0), prefix)
}

const fn v6(a: u16, b: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), prefix)
}

/// This machine, and the networks of RFC 1918 and of carriers (RFC 6598).
const PRIVATE_V4: [Ipv4Net; 5] = [
    v4(10, 0, 0, 8),
    v4(100, 64, 0, 10),
    v4(127, 0, 0, 8),
    v4(172, 16, 0, 12),
    v4(192, 168, 0, 16),
];

/// What else is not public (IANA's registry of special addresses): unspecified, link-local,
/// assignments of the protocol, examples, relays, benchmarks, multicast, reserved, broadcast.
const SPECIAL_V4: [Ipv4Net; 10] = [
    v4(0, 0, 0, 8),
    v4(169, 254, 0, 16),
    v4(192, 0, 0, 24),
    v4(192, 0, 2, 24),
    v4(192, 88, 99, 24),
    v4(198, 18, 0, 15),
    v4(198, 51, 100, 24),
    v4(203, 0, 113, 24),
    v4(224, 0, 0, 4),
    v4(240, 0, 0, 4),
];

/// Unique local addresses (RFC 4193).
const UNIQUE_LOCAL: Ipv6Net = v6(0xfc00, 0, 7);
/// Public addresses lie in here; outside are link-local, multicast and others.
const GLOBAL: Ipv6Net = v6(0x2000, 0, 3);
/// What is not public in there: assignments of the protocol with Teredo, examples, 6to4.
const SPECIAL_V6: [Ipv6Net; 4] = [
    v6(0x2001, 0, 23),
    v6(0x2001, 0x0db8, 32),
    v6(0x2002, 0, 16),
    v6(0x3fff, 0, 20),
];
/// IPv4 behind a translator (RFC 6052).
const TRANSLATED: Ipv6Net = v6(0x0064, 0xff9b, 96);

fn kind_v4(address: Ipv4Addr) -> Kind {
    let is_in = |nets: &[Ipv4Net]| nets.iter().any(|net| net.contains(&address));
    if is_in(&PRIVATE_V4) {
        Kind::Private
    } else if is_in(&SPECIAL_V4) {
        Kind::Special
    } else {
        Kind::Public
    }
}

fn kind(address: IpAddr) -> Kind {
    let address = match address.to_canonical() {
        IpAddr::V4(address) => return kind_v4(address),
        IpAddr::V6(address) => address,
    };
    if TRANSLATED.contains(&address) {
        let [.., a, b, c, d] = address.octets();
        return kind_v4(Ipv4Addr::new(a, b, c, d));
    }
    if address.is_loopback() || UNIQUE_LOCAL.contains(&address) {
        Kind::Private
    } else if !GLOBAL.contains(&address) || SPECIAL_V6.iter().any(|net| net.contains(&address)) {
        Kind::Special
    } else {
        Kind::Public
    }
}

impl Reachable {
    /// Whether an address may be asked, or why not and what to do.
    pub(super) fn judge(self, address: IpAddr) -> Result<(), String> {
        match (self, kind(address)) {
            (Self::Any, _) | (_, Kind::Public) | (Self::Private, Kind::Private) => Ok(()),
            (Self::Public, Kind::Private) => Err(format!(
                "{address} is a private address, and a webhook goes to one only if its host was \
                    allowed by name (--allow-private HOST)"
            )),
            (Self::Private | Self::Public, Kind::Special) => Err(format!(
                "{address} is no address of a receiver: it is link-local, multicast or reserved"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(address: &str) -> (bool, bool) {
        let address = address.parse().unwrap();
        let may = |reachable: Reachable| reachable.judge(address).is_ok();
        assert!(may(Reachable::Any), "{address}");
        (may(Reachable::Public), may(Reachable::Private))
    }

    #[test]
    fn public_addresses_may_be_asked() {
        for public in [
            "1.1.1.1",
            "9.255.255.255",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "192.169.0.0",
            "223.255.255.255",
            "2001:200::1",
            "2606:4700::1111",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
        ] {
            assert_eq!(judged(public), (true, true), "{public}");
        }
    }

    #[test]
    fn private_addresses_may_be_asked_if_that_was_allowed() {
        for private in [
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.255.255",
            "::1",
            "fc00::1",
            "fdff::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::10.0.0.1",
        ] {
            assert_eq!(judged(private), (false, true), "{private}");
        }
    }

    #[test]
    fn special_addresses_are_never_asked() {
        for special in [
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "192.0.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "198.19.255.255",
            "203.0.113.9",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0:127.0.0.1",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert_eq!(judged(special), (false, false), "{special}");
        }
    }
}
