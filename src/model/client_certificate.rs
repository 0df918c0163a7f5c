//! Client certificates as a second factor of keys: the names that a key is bound to, and those of
//! the certificate that a connection showed.
//!
//! Names are a certificate's subject alternative names (SAN), each of its kind: a DNS name never
//! counts as an e-mail address or a URI that reads the same. What cannot be read fits nothing.

use core::net::IpAddr;
use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use thiserror::Error;

use super::clock::Timestamp;

/// The most names that a key is bound to.
pub const MAX_NAMES: usize = 8;
/// The longest such name, in bytes.
pub const MAX_NAME: usize = 253;
/// So many names of a shown certificate are looked at.
pub const MAX_SHOWN: usize = 100;
/// The longest label of a DNS name, in bytes.
const MAX_LABEL: usize = 63;
/// How a DNS name begins that stands for all that are one label longer.
const WILDCARD: &str = "*.";

/// A name in a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateName {
    /// A DNS name in small letters. Its first label may be `*`.
    Dns(String),
    /// An e-mail address, as the certificate spells it.
    Email(String),
    /// A URI, as the certificate spells it.
    Uri(String),
}

/// Why a key cannot be bound to a name.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum BadBinding {
    /// There are too many.
    #[error("a key is bound to at most {MAX_NAMES} names of client certificates")]
    TooMany,
    /// It is too long, or has letters that no certificate has.
    #[error(
        "a name of a client certificate has 1 to {MAX_NAME} ASCII characters that can be seen, \
         without spaces"
    )]
    Letters,
    /// It is an address.
    #[error("{0} is an address; a key is bound to a DNS name, a URI or an e-mail address")]
    Address(IpAddr),
    /// It is no name of any kind.
    #[error(
        "{0} is no name of a client certificate: write a DNS name (ci.example.net, or \
         *.ci.example.net for each name that is one label longer), a URI \
         (spiffe://example.net/ci) or an e-mail address, without * in the last two"
    )]
    Malformed(String),
}

impl CertificateName {
    /// Reads a name as people write it. Its kind is told by its form.
    pub fn parse(text: &str) -> Result<Self, BadBinding> {
        let is_seen = text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.is_empty() || text.len() > MAX_NAME || !is_seen {
            return Err(BadBinding::Letters);
        }
        if let Ok(address) = text.parse() {
            return Err(BadBinding::Address(address));
        }
        let malformed = || BadBinding::Malformed(text.to_owned());
        let is_good = |is_good: bool| is_good.then_some(()).ok_or_else(malformed);
        if let Some((scheme, rest)) = text.split_once(':') {
            let (first, more) = scheme.split_at_checked(1).ok_or_else(malformed)?;
            let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
            let is_scheme = first.bytes().all(|byte| byte.is_ascii_alphabetic());
            let is_scheme = is_scheme && more.bytes().all(letters);
            is_good(is_scheme && !rest.is_empty() && !text.contains('*'))?;
            return Ok(Self::Uri(text.to_owned()));
        }
        if let Some((local, domain)) = text.split_once('@') {
            is_good(!local.is_empty() && !local.contains('*') && is_dns(domain))?;
            return Ok(Self::Email(text.to_owned()));
        }
        is_good(is_dns(text.strip_prefix(WILDCARD).unwrap_or(text)))?;
        Ok(Self::Dns(text.to_ascii_lowercase()))
    }

    /// The name as people write it.
    pub fn text(&self) -> &str {
        match self {
            Self::Dns(name) | Self::Email(name) | Self::Uri(name) => name,
        }
    }

    /// Whether a name that was shown is this one, or one that its wildcard stands for.
    fn covers(&self, shown: &Self) -> bool {
        match (self, shown) {
            (Self::Dns(bound), Self::Dns(shown)) => bound == shown || is_below(bound, shown),
            (Self::Email(bound), Self::Email(shown)) | (Self::Uri(bound), Self::Uri(shown)) => {
                bound == shown
            }
            (Self::Dns(_) | Self::Email(_) | Self::Uri(_), _) => false,
        }
    }
}

fn is_dns(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    name.split('.')
        .all(|label| !label.is_empty() && label.len() <= MAX_LABEL && label.bytes().all(is_letter))
}

fn is_below(wildcard: &str, shown: &str) -> bool {
    let parent = wildcard.strip_prefix(WILDCARD);
    let shown = shown.split_once('.');
    shown.is_some_and(|(label, rest)| !label.is_empty() && parent == Some(rest))
}

/// The certificate that a client showed when it connected, and that an authority of the server has
/// signed.
#[derive(Debug)]
pub struct ClientCertificate {
    /// Its names, of which at most [`MAX_SHOWN`] count.
    pub names: Vec<CertificateName>,
    /// Until when it is good. A connection may outlive that.
    pub ends: Timestamp,
}

/// The client certificates that a key is bound to, by their names; none if it needs no
/// certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateBinding(Option<Arc<[CertificateName]>>);

impl CertificateBinding {
    /// A binding as it is asked for; to no names is none.
    pub fn wanted(names: &[String]) -> Result<Self, BadBinding> {
        if names.len() > MAX_NAMES {
            return Err(BadBinding::TooMany);
        }
        if names.is_empty() {
            return Ok(Self::default());
        }
        Self::of(names.iter().map(String::as_str))
    }

    /// A binding as [`Self::text`] gives it. A text without names is a binding that nothing fits.
    pub fn parse(text: Option<&str>) -> Result<Self, BadBinding> {
        text.map_or(Ok(Self::default()), |text| {
            Self::of(text.split_whitespace())
        })
    }

    fn of<'n>(names: impl Iterator<Item = &'n str>) -> Result<Self, BadBinding> {
        let names: Result<Arc<[_]>, _> = names.map(CertificateName::parse).collect();
        Ok(Self(Some(names?)))
    }

    /// The names with spaces between; none if it needs no certificate.
    pub fn text(&self) -> Option<String> {
        self.0.as_ref().map(|_| self.to_string())
    }

    /// Whether a certificate is needed.
    pub const fn is_bound(&self) -> bool {
        self.0.is_some()
    }

    /// Whether a connection with this certificate, or without one, is good enough now.
    pub fn admits(&self, shown: Option<&ClientCertificate>, now: Timestamp) -> bool {
        let Some(bound) = &self.0 else { return true };
        shown
            .filter(|shown| now <= shown.ends)
            .is_some_and(|shown| {
                let fits =
                    |name: &CertificateName| shown.names.iter().any(|shown| name.covers(shown));
                bound.iter().any(fits)
            })
    }

    /// Whether each certificate that is good enough here is good enough there.
    pub fn is_within(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(mine), Some(theirs)) => mine
                .iter()
                .all(|mine| theirs.iter().any(|theirs| theirs.covers(mine))),
        }
    }

    /// The names, of which there are none if it needs no certificate.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .flat_map(|names| names.iter())
            .map(CertificateName::text)
    }
}

impl fmt::Display for CertificateBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names().collect::<Vec<_>>().join(" "))
    }
}

impl Serialize for CertificateBinding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.names())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(names: &[&str]) -> CertificateBinding {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        CertificateBinding::wanted(&names).unwrap()
    }

    fn shown(name: &str, ends: i64) -> ClientCertificate {
        ClientCertificate {
            names: vec![CertificateName::parse(name).unwrap()],
            ends: Timestamp::from_millis(ends),
        }
    }

    #[test]
    fn a_name_is_read_by_its_form() {
        for good in [
            "ci.example",
            "*.ci.example",
            "*.ci",
            "host_1",
            "spiffe://example/ci",
            "urn:uuid:1",
            "ci@example.net",
        ] {
            assert_eq!(CertificateName::parse(good).unwrap().text(), good);
        }
        let long = "x".repeat(MAX_NAME + 1);
        for bad in [
            "",
            "*",
            "*.",
            "a.*.b",
            "*a.b",
            "*.*.b",
            "a..b",
            "a.",
            ".a",
            "a b",
            "a\nb",
            "ü.example",
            "192.0.2.1",
            "2001:db8::1",
            "fe80::1",
            ":x",
            "x:",
            "1x:y",
            "urn:*",
            "@b",
            "a@",
            "a@b@c",
            "*@b",
            "a@*.b",
            "a/b",
            &long,
        ] {
            assert!(CertificateName::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(
            CertificateName::parse("CI.Example").unwrap().text(),
            "ci.example"
        );
        let many = vec!["a".to_owned(); MAX_NAMES + 1];
        assert_eq!(CertificateBinding::wanted(&many), Err(BadBinding::TooMany));
    }

    #[test]
    fn a_certificate_fits_by_one_name_of_the_same_kind_in_its_time() {
        for (name, other, fits) in [
            ("ci.example", "ci.example", true),
            ("ci.example", "CI.EXAMPLE", true),
            ("ci.example", "a.ci.example", false),
            ("*.ci.example", "a.ci.example", true),
            ("*.ci.example", "b.a.ci.example", false),
            ("*.ci.example", "ci.example", false),
            ("*.ci.example", "xci.example", false),
            ("a.ci.example", "*.ci.example", false),
            ("ci@example", "ci@example", true),
            ("ci@example", "CI@example", false),
            ("spiffe://a/b", "spiffe://a/b", true),
            ("spiffe://a/b", "spiffe://a/b/c", false),
        ] {
            let (both, now) = (bound(&["other.example", name]), Timestamp::from_millis(5));
            assert_eq!(
                both.admits(Some(&shown(other, 5)), now),
                fits,
                "{name} {other}"
            );
            assert!(!both.admits(Some(&shown(other, 4)), now), "it has expired");
            assert!(!both.admits(None, now));
            assert!(CertificateBinding::default().admits(None, now));
        }
        let uri = ClientCertificate {
            names: vec![CertificateName::Uri("ci.example".to_owned())],
            ends: Timestamp::from_millis(5),
        };
        assert!(!bound(&["ci.example"]).admits(Some(&uri), Timestamp::from_millis(1)));
    }

    #[test]
    fn a_text_without_names_fits_nothing() {
        let none = CertificateBinding::parse(Some("")).unwrap();
        let now = Timestamp::from_millis(1);
        assert!(none.is_bound() && !none.admits(Some(&shown("a", 5)), now));
        let two = bound(&["*.a", "b@c"]);
        assert_eq!(CertificateBinding::parse(two.text().as_deref()), Ok(two));
        assert_eq!(CertificateBinding::default().text(), None);
    }

    #[test]
    fn a_binding_lies_within_another_if_it_lets_in_no_more() {
        let none = CertificateBinding::default();
        for (mine, theirs, within) in [
            (&none, &none, true),
            (&bound(&["a.b"]), &none, true),
            (&none, &bound(&["a.b"]), false),
            (&bound(&["a.b"]), &bound(&["*.b", "c"]), true),
            (&bound(&["*.b"]), &bound(&["*.b"]), true),
            (&bound(&["a.b", "d"]), &bound(&["*.b", "c"]), false),
            (&bound(&["*.a.b"]), &bound(&["*.b"]), false),
            (&bound(&["*.b"]), &bound(&["a.b"]), false),
        ] {
            assert_eq!(mine.is_within(theirs), within, "{mine} {theirs}");
        }
    }
}
