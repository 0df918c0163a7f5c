//! The names that a server is called by: host names and addresses, and what an authority has to
//! permit so that it can sign for these and for no others.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use rcgen::{CidrSubnet, GeneralSubtree, NameConstraints, SanType};

/// The most letters of a host name, and of the part between two dots.
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;
/// A name that no host has (RFC 6761): permitting it alone permits none.
const NO_HOST: &str = "invalid";

/// A name of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ServerName {
    /// A host; its first part may be `*`.
    Host(String),
    /// An address.
    Address(IpAddr),
}

impl FromStr for ServerName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Ok(Self::Address(address));
        }
        if text.contains("://") || text.contains('/') {
            return Err(
                "a name is a host or an address, and no URL: leave out the scheme and the \
                path"
                    .to_owned(),
            );
        }
        if text.contains(':') {
            return Err("a certificate is for all ports: leave out the port".to_owned());
        }
        let host = text.strip_prefix("*.").unwrap_or(text);
        if host.len() > MAX_NAME || !host.split('.').all(is_label) {
            return Err(
                "a host has letters, digits, `-` and dots, as state.example.net".to_owned(),
            );
        }
        Ok(Self::Host(text.to_ascii_lowercase()))
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => formatter.write_str(host),
            Self::Address(address) => write!(formatter, "{address}"),
        }
    }
}

impl ServerName {
    /// As a certificate has it.
    pub(super) fn in_certificate(&self) -> Result<SanType, rcgen::Error> {
        Ok(match self {
            Self::Host(host) => SanType::DnsName(host.clone().try_into()?),
            Self::Address(address) => SanType::IpAddress(*address),
        })
    }

    /// A name that a client could ask for, and that this one covers.
    pub(super) fn asked_for(&self) -> String {
        match self {
            Self::Host(host) => host.replacen('*', "any", 1),
            Self::Address(address) => address.to_string(),
        }
    }
}

fn is_label(label: &str) -> bool {
    let inside = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    (1..=MAX_LABEL).contains(&label.len())
        && label.chars().all(inside)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// What an authority may sign for: these names, hosts below them, and nothing else that a client
/// would ask for.
pub(super) fn constraints(names: &[ServerName]) -> NameConstraints {
    let mut permitted_subtrees: Vec<GeneralSubtree> = names.iter().map(permitted).collect();
    let mut excluded_subtrees = Vec::new();
    if !names.iter().any(|name| matches!(name, ServerName::Host(_))) {
        permitted_subtrees.push(GeneralSubtree::DnsName(NO_HOST.to_owned()));
    }
    if !names
        .iter()
        .any(|name| matches!(name, ServerName::Address(_)))
    {
        let all = [
            CidrSubnet::from_v4_prefix([0; 4], 0),
            CidrSubnet::from_v6_prefix([0; 16], 0),
        ];
        excluded_subtrees.extend(all.map(GeneralSubtree::IpAddress));
    }
    NameConstraints {
        permitted_subtrees,
        excluded_subtrees,
    }
}

fn permitted(name: &ServerName) -> GeneralSubtree {
    match name {
        ServerName::Host(host) => {
            GeneralSubtree::DnsName(host.strip_prefix("*.").unwrap_or(host).to_owned())
        }
        ServerName::Address(IpAddr::V4(address)) => {
            GeneralSubtree::IpAddress(CidrSubnet::V4(address.octets(), [0xff; 4]))
        }
        ServerName::Address(IpAddr::V6(address)) => {
            GeneralSubtree::IpAddress(CidrSubnet::V6(address.octets(), [0xff; 16]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_addresses_are_taken_and_nothing_else() {
        for (text, shown) in [
            ("state.example.net", "state.example.net"),
            ("STATE", "state"),
            ("*.example.net", "*.example.net"),
            ("10.0.0.5", "10.0.0.5"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
        ] {
            let name = text.parse::<ServerName>();
            assert_eq!(name.map(|name| name.to_string()), Ok(shown.to_owned()));
        }
        for (text, word) in [
            ("https://state.example.net", "no URL"),
            ("state.example.net:8680", "leave out the port"),
            ("state_keep", "letters, digits"),
            ("-a.example", "letters, digits"),
            ("a..example", "letters, digits"),
            ("*", "letters, digits"),
            ("a.*.example", "letters, digits"),
            ("", "letters, digits"),
        ] {
            let refused = text.parse::<ServerName>();
            assert!(
                refused.as_ref().is_err_and(|why| why.contains(word)),
                "{text}: {refused:?}"
            );
        }
    }
}
