//! What a certificate says of itself: whom it is for, from when until when, and what may be signed
//! with it. Nothing here says whether it is to be trusted.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::model::client_certificate::{CertificateName, ClientCertificate, MAX_NAME, MAX_SHOWN};
use crate::model::clock::Timestamp;

/// A certificate, as far as the product asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The names and addresses that it is for, as it spells them.
    pub names: Vec<String>,
    /// From when it is good.
    pub begins: Timestamp,
    /// Until when it is good.
    pub ends: Timestamp,
    /// Whether other certificates may be signed with its key.
    pub is_authority: bool,
}

/// Why a certificate is not good at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotNow {
    /// Its time has not begun.
    Early,
    /// Its time is over.
    Expired,
}

impl Certificate {
    /// Reads one in DER; none if it is not one.
    pub fn read(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let names = certificate.subject_alternative_name().ok()?;
        let names = names.map_or(&[][..], |names| &names.value.general_names[..]);
        let moment = |seconds: i64| Timestamp::from_millis(seconds.saturating_mul(1_000));
        let validity = certificate.validity();
        Some(Self {
            names: names.iter().filter_map(name).collect(),
            begins: moment(validity.not_before.timestamp()),
            ends: moment(validity.not_after.timestamp()),
            is_authority: certificate.is_ca(),
        })
    }

    /// Whether it is good at a moment.
    pub fn judge(&self, now: Timestamp) -> Result<(), NotNow> {
        if now < self.begins {
            Err(NotNow::Early)
        } else if now > self.ends {
            Err(NotNow::Expired)
        } else {
            Ok(())
        }
    }
}

/// What a client's certificate in DER says, for keys that are bound to its names; none if it cannot
/// be read. Whoever asks has had its signature checked.
pub fn client_certificate(der: &[u8]) -> Option<ClientCertificate> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let names = certificate.subject_alternative_name().ok()??;
    let names = names.value.general_names.iter();
    let ends = certificate.validity().not_after.timestamp();
    Some(ClientCertificate {
        names: names.filter_map(client_name).take(MAX_SHOWN).collect(),
        ends: Timestamp::from_millis(ends.saturating_mul(1_000)),
    })
}

/// A name of a kind that keys are bound to, and of a length that they may be.
fn client_name(name: &GeneralName<'_>) -> Option<CertificateName> {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "X.509 has more kinds of names than keys are bound to"
    )]
    let name = match name {
        GeneralName::DNSName(name) => CertificateName::Dns(name.to_ascii_lowercase()),
        GeneralName::RFC822Name(name) => CertificateName::Email((*name).to_owned()),
        GeneralName::URI(name) => CertificateName::Uri((*name).to_owned()),
        _ => return None,
    };
    (name.text().len() <= MAX_NAME).then_some(name)
}

/// A name as people write it; none for kinds that no client or server is called by.
fn name(name: &GeneralName<'_>) -> Option<String> {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "X.509 has more kinds of names than anybody uses"
    )]
    match name {
        GeneralName::DNSName(name) | GeneralName::RFC822Name(name) | GeneralName::URI(name) => {
            Some((*name).to_owned())
        }
        GeneralName::IPAddress(bytes) => address(bytes).map(|address| address.to_string()),
        _ => None,
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = || <[u8; 4]>::try_from(bytes).map(|bytes| Ipv4Addr::from(bytes).into());
    let sixteen = || <[u8; 16]>::try_from(bytes).map(|bytes| Ipv6Addr::from(bytes).into());
    four().or_else(|_| sixteen()).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::clock;

    #[test]
    fn says_whom_it_is_for_and_until_when() {
        let names = ["host.example", "192.0.2.1", "2001:db8::1"].map(str::to_owned);
        let mut params = rcgen::CertificateParams::new(names.to_vec()).expect("names");
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        let key = rcgen::KeyPair::generate().expect("a key");
        let made = params.self_signed(&key).expect("a certificate");
        let read = Certificate::read(made.der()).expect("a certificate");
        assert_eq!(read.names, names);
        assert!(!read.is_authority);
        let (first, last) = ("2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z");
        assert_eq!(Some(read.begins), Timestamp::parse(first));
        assert_eq!(Some(read.ends), Timestamp::parse(last));
        let second = Duration::from_secs(1);
        assert_eq!(read.judge(read.begins - second), Err(NotNow::Early));
        assert_eq!(read.judge(read.ends), Ok(()));
        assert_eq!(read.judge(read.ends + second), Err(NotNow::Expired));
        assert_eq!(read.judge(clock::now()), Err(NotNow::Expired));
        assert_eq!(Certificate::read(&made.der()[1..]), None);
    }
}
