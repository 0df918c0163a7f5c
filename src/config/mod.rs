//! The settings of the server, checked once. Every default is a named constant with its unit.

mod certificate;
mod limits;
mod memory;
mod network;
mod proxies;
mod regular_file;
mod tls;

pub use certificate::{Certificate, NotNow, client_certificate};
pub use limits::*;
pub use memory::memory_of_this_machine;
pub use network::Network;
pub use proxies::TrustedProxies;
pub use regular_file::open_regular;
pub use tls::{ClientCerts, NOBODY_ASKED, TlsFiles};

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::model::secret::Secret;

/// Where the data directory is unless said otherwise.
pub const DEFAULT_DATA: &str = "./statekeep-data";
/// Where it is if a package has been installed, whose server runs there.
pub const PACKAGED_DATA: &str = "/var/lib/statekeep";
/// Where the server listens unless said otherwise.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:8680";

/// Whether the person at the terminal wants no colours: <https://no-color.org>.
pub fn wants_no_colour() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// Whether a service manager wants to be told how the server is.
pub fn has_service_manager() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

/// The state that a script names for all of its commands, as `W/B`.
pub fn state_variable() -> Option<String> {
    let value = std::env::var_os("STATEKEEP_STATE")?.into_string().ok()?;
    (!value.is_empty()).then_some(value)
}

/// The ID token in a variable that a command names; none if it is not set, or empty.
pub fn id_token_variable(name: &str) -> Option<String> {
    let value = std::env::var_os(name)?.into_string().ok()?;
    let value = value.trim();
    (!value.is_empty()).then(|| value.to_owned())
}

/// The directory that keeps the logins of this user, as the XDG base directories say; none if there
/// is no home.
pub fn home_of_logins() -> Option<PathBuf> {
    let absolute = |name| {
        let path = PathBuf::from(std::env::var_os(name)?);
        path.is_absolute().then_some(path)
    };
    let home = || Some(absolute("HOME")?.join(".local/state"));
    let state = absolute("XDG_STATE_HOME").or_else(home)?;
    Some(state.join("statekeep/logins"))
}

/// Whether a script wants exit codes that say why a command failed.
pub fn wants_detailed_exit_codes() -> bool {
    let value = std::env::var_os("STATEKEEP_DETAILED_EXIT_CODES");
    value.is_some_and(|value| !value.is_empty() && value != "false" && value != "0")
}

/// The variable that a flag's value comes from, unless the flag itself is on the command line.
pub fn variable_behind(flag: &str) -> Option<String> {
    let variable = format!(
        "STATEKEEP_{}",
        flag.trim_start_matches('-')
            .replace('-', "_")
            .to_uppercase()
    );
    let with_value = format!("{flag}=");
    let is_given = std::env::args_os()
        .any(|word| word == flag || word.to_string_lossy().starts_with(&with_value));
    (!is_given && std::env::var_os(&variable).is_some()).then_some(variable)
}

/// The files that say which authorities this machine trusts, as far as variables name them, with
/// the variable.
pub fn trusted_authorities() -> Vec<(&'static str, PathBuf)> {
    let named = ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter();
    named
        .filter_map(|name| {
            Some((
                name,
                PathBuf::from(std::env::var_os(name).filter(|value| !value.is_empty())?),
            ))
        })
        .collect()
}

/// The user and the password that Terraform and OpenTofu take for an `http` backend; empty where
/// they are not set.
pub fn http_backend_credentials() -> (String, Secret) {
    let read = |name: &str| {
        std::env::var_os(name)
            .and_then(|value| value.into_string().ok())
            .unwrap_or_default()
    };
    (
        read("TF_HTTP_USERNAME"),
        Secret::new(read("TF_HTTP_PASSWORD")),
    )
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
    /// What TLS is spoken with; none for plain HTTP.
    pub tls: Option<TlsFiles>,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: TrustedProxies,
    /// What the server takes, and how much of it.
    pub limits: Limits,
}
