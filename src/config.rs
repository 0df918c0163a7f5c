//! The settings of the server, checked once. Every default is a named constant with its unit.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

/// Where the data directory is unless said otherwise.
pub const DEFAULT_DATA: &str = "./statekeep-data";
/// Where the server listens unless said otherwise.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:8680";
/// The largest state in bytes.
pub const DEFAULT_MAX_STATE_SIZE: u64 = 256 * MIB;
/// The most bytes of bodies under way at the same time, working copies included.
pub const DEFAULT_MAX_IN_FLIGHT: u64 = 512 * MIB;
/// The room on the disk in bytes below which nothing is written.
pub const DEFAULT_MIN_FREE_SPACE: u64 = 64 * MIB;
/// How long a token lives.
pub const DEFAULT_TOKEN_LIFETIME: Duration = Duration::from_hours(1);
/// How long events are kept.
pub const DEFAULT_EVENT_RETENTION: Duration = Duration::from_hours(400 * 24);

/// One mebibyte in bytes.
pub const MIB: u64 = 1024 * 1024;
/// How much memory a body needs: itself, and its compressed copy, which is never much larger.
pub const COPIES_OF_A_BODY: u64 = 2;
/// The largest state that may be configured: SQLite takes values of up to 1 GB.
const MAX_MAX_STATE_SIZE: u64 = 900 * MIB;
/// The longest life of a token that may be configured.
const MAX_TOKEN_LIFETIME: Duration = Duration::from_hours(12);

/// What happens to a write without a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnlockedWrites {
    /// It is taken when it is newer than the current version, of the same lineage, and its writer was not refused before.
    Guard,
    /// It is taken.
    Accept,
    /// It is refused.
    Refuse,
}

impl UnlockedWrites {
    /// Its name in flags and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Guard => "guard",
            Self::Accept => "accept",
            Self::Refuse => "refuse",
        }
    }
}

/// What the rules need to know of the settings.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The largest state in bytes.
    pub max_state_size: u64,
    /// The most bytes of bodies under way, working copies included.
    pub max_in_flight: u64,
    /// The room on the disk in bytes below which nothing is written.
    pub min_free_space: u64,
    /// What happens to a write without a lock.
    pub unlocked_writes: UnlockedWrites,
    /// How long a token lives.
    pub token_lifetime: Duration,
    /// How long events are kept.
    pub event_retention: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_state_size: DEFAULT_MAX_STATE_SIZE,
            max_in_flight: DEFAULT_MAX_IN_FLIGHT,
            min_free_space: DEFAULT_MIN_FREE_SPACE,
            unlocked_writes: UnlockedWrites::Guard,
            token_lifetime: DEFAULT_TOKEN_LIFETIME,
            event_retention: DEFAULT_EVENT_RETENTION,
        }
    }
}

/// A setting that makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("{flag} {reason}")]
pub struct BadSetting {
    flag: &'static str,
    reason: String,
}

impl Limits {
    /// Refuses values that could not work.
    pub fn check(&self) -> Result<(), BadSetting> {
        let bad = |flag, reason: &str| Err(BadSetting { flag, reason: reason.to_owned() });
        if self.max_state_size == 0 || self.max_state_size > MAX_MAX_STATE_SIZE {
            return bad("--max-state-size", "has to be from 1 B to 900 MiB");
        }
        if self.max_in_flight < self.max_state_size.saturating_mul(COPIES_OF_A_BODY) {
            return bad("--max-in-flight", "has to be at least twice --max-state-size, or the largest state could never be written");
        }
        if self.token_lifetime < Duration::from_secs(1) || self.token_lifetime > MAX_TOKEN_LIFETIME {
            return bad("--token-lifetime", "has to be from 1s to 12h");
        }
        if self.event_retention < Duration::from_mins(1) {
            return bad("--event-retention", "has to be at least 1m");
        }
        Ok(())
    }
}

/// The settings of `serve`.
#[derive(Clone, Debug)]
pub struct Config {
    /// The data directory.
    pub data: PathBuf,
    /// Where to listen.
    pub listen: SocketAddr,
    /// How clients reach the server; none for what it listens on.
    pub base_url: Option<String>,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: TrustedProxies,
    /// What the rules need.
    pub limits: Limits,
}

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

    #[test]
    fn refuses_limits_that_cannot_work() {
        assert!(Limits::default().check().is_ok());
        for bad in [
            Limits { max_state_size: 0, ..Limits::default() },
            Limits { max_state_size: 901 * MIB, ..Limits::default() },
            Limits { max_in_flight: DEFAULT_MAX_STATE_SIZE, ..Limits::default() },
            Limits { token_lifetime: Duration::ZERO, ..Limits::default() },
            Limits { event_retention: Duration::ZERO, ..Limits::default() },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }
}
