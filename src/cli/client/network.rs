//! The way to a server over a network: its address, the client that goes there, and what to do
//! if the way does not work.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use reqwest::Url;

use crate::cli::client::trust;
use crate::cli::output::CliError;
use crate::config::trusted_authorities;

/// How long a connection to a server elsewhere may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a server elsewhere may take until it answers, and pause within its answer.
pub(in crate::cli) const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);
/// How soon and how often a connection without traffic is probed, so that a network that went away
/// is noticed also if no time-out is known.
const KEEPALIVE: Duration = Duration::from_secs(15);
const PROBES: u32 = 4;

/// The address of a server, as clients reach it, without a slash at its end. `what` is the flag
/// that names it. A refusal does not repeat the address: it may hold a password.
pub(in crate::cli) fn address(what: &str, text: &str) -> Result<String, CliError> {
    let wrong = |why: &str| CliError::Usage(format!("{what} {why}"));
    if text.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
        return Err(wrong("has a blank or a control character in it"));
    }
    let url = Url::parse(text).map_err(|error| {
        wrong(&format!(
            "has to begin with http:// or https:// and name a host: {error}"
        ))
    })?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(wrong("has to begin with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong(
            "has credentials in it, which end up in logs; give a key's secret in a file, by \
                --key-file",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("ends before any `?` or `#`"));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Refuses to send a secret unencrypted over a network, unless a person has said so.
pub(in crate::cli) fn refuse_open_way(url: &str, is_meant: bool) -> Result<(), CliError> {
    if is_meant || !is_open_way(url) {
        return Ok(());
    }
    Err(CliError::Usage(
        "the server's address begins with http:// and is not of this machine, so that secrets and \
            states would cross the network unencrypted. Use its https:// address, or give \
            --insecure-http (STATEKEEP_INSECURE_HTTP=true) if the network is trusted"
            .to_owned(),
    ))
}

/// Whether an address is another machine's and without TLS.
pub(in crate::cli) fn is_open_way(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| url.scheme() == "http" && !is_loopback(&url))
}

/// Whether an address is this machine's own.
fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>()
        .map_or(bare == "localhost" || bare.ends_with(".localhost"), |ip| {
            ip.to_canonical().is_loopback()
        })
}

/// A client asks this machine without the proxy that the environment names: that would be another
/// machine, and would read what is sent without TLS. Terraform and OpenTofu do the same.
pub(in crate::cli) fn past_proxy(
    builder: reqwest::ClientBuilder,
    url: &str,
) -> reqwest::ClientBuilder {
    if Url::parse(url).is_ok_and(|url| is_loopback(&url)) {
        return builder.no_proxy();
    }
    builder
}

/// A client for servers elsewhere, which gives up one that says nothing for a minute.
pub(in crate::cli) fn http_elsewhere(url: &str) -> Result<reqwest::Client, CliError> {
    builder(url)?
        .read_timeout(ANSWER_TIMEOUT)
        .build()
        .map_err(CliError::because)
}

/// The same without a time-out, for a caller that has its own.
pub(in crate::cli) fn http_patient(url: &str) -> Result<reqwest::Client, CliError> {
    builder(url)?.build().map_err(CliError::because)
}

/// It follows no redirect: credentials would go to another server than the one that was named.
fn builder(url: &str) -> Result<reqwest::ClientBuilder, CliError> {
    // Only fails when one is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none());
    let builder = past_proxy(builder, url)
        .tcp_keepalive(KEEPALIVE)
        .tcp_keepalive_interval(KEEPALIVE)
        .tcp_keepalive_retries(PROBES);
    // Reading the machine's authorities takes longer than a request, and without TLS they are not
    // needed.
    if url.starts_with("http://") {
        return Ok(builder.tls_certs_only([]));
    }
    authorities_are_there()?;
    trust::apply(builder).map_err(CliError::because)
}

/// Refuses authorities that a variable names and that are not there: nothing would be trusted, and
/// the reason would not be told.
fn authorities_are_there() -> Result<(), CliError> {
    for (variable, path) in trusted_authorities() {
        let shown = crate::cli::output::harmless(&path.display().to_string());
        let readable = if variable == "SSL_CERT_DIR" {
            std::env::split_paths(&path).try_for_each(|dir| std::fs::read_dir(dir).map(drop))
        } else {
            has_certificate(&path)
        };
        readable.map_err(|error| {
            CliError::Failed(format!("{variable}={shown} cannot be read: {error}"))
        })?;
    }
    Ok(())
}

/// Whether a file has a certificate in it.
fn has_certificate(path: &Path) -> std::io::Result<()> {
    let none = || std::io::Error::other("there is no certificate in it (PEM, BEGIN CERTIFICATE)");
    let text = std::fs::read_to_string(path)?;
    text.contains("-----BEGIN").then_some(()).ok_or_else(none)
}

/// What went wrong on the way to a server, and what to do about it.
pub(in crate::cli) fn on_the_way(error: &reqwest::Error) -> String {
    let why = innermost(error);
    let is_plain = error.url().is_some_and(|url| url.scheme() == "http");
    let proxy = error.url().and_then(proxy_of_environment);
    let hint = match (hint(&why, is_plain), proxy) {
        ("", Some(variable)) => {
            format!("{variable} names a proxy: should NO_PROXY have this host?")
        }
        (hint, _) => hint.to_owned(),
    };
    if hint.is_empty() {
        why
    } else {
        format!("{why}; {hint}")
    }
}

/// The variable that names a proxy for such an address, if there is one. `NO_PROXY` may say that
/// the proxy is not for this host, so it is a hint alone.
fn proxy_of_environment(url: &Url) -> Option<&'static str> {
    let for_scheme: &[&str] = if url.scheme() == "http" {
        &["http_proxy", "HTTP_PROXY"]
    } else {
        &["https_proxy", "HTTPS_PROXY"]
    };
    let variables = for_scheme.iter().chain(&["all_proxy", "ALL_PROXY"]);
    let is_set = |variable: &&&str| std::env::var_os(variable).is_some_and(|it| !it.is_empty());
    variables
        .copied()
        .find(|it| is_set(&it))
        .filter(|_| !is_loopback(url))
}

fn hint(why: &str, is_plain: bool) -> &'static str {
    let has = |words: &[&str]| words.iter().any(|word| why.contains(word));
    if has(&["InvalidContentType", "corrupt message"]) {
        "there is no TLS at this address: should it begin with http://?"
    } else if has(&["not valid for name", "NotValidForName"]) {
        "the certificate is for other names than the one in the address: use one of its names"
    } else if has(&["expired", "not valid yet", "NotValidYet"]) {
        "check the certificate, and the clock of this machine"
    } else if has(&["CertificateRequired"]) {
        "the server asks clients for a certificate: name one by --client-cert and --client-key"
    } else if has(&["received fatal alert"]) {
        "the server refused the handshake; does it take the certificate of --client-cert?"
    } else if has(&["UnknownIssuer", "CaUsedAsEndEntity", "certificate"]) {
        "this machine does not trust the certificate: name a file with the authority that signed \
            it by --ca-file (STATEKEEP_CA_FILE), or in SSL_CERT_FILE"
    } else if is_plain
        && has(&[
            "invalid HTTP",
            "message completed",
            "invalid status",
            "parse error",
            "reset by peer",
        ])
    {
        "does it speak https there?"
    } else {
        ""
    }
}

/// What went wrong at the bottom, without the address that the request had.
fn innermost(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), innermost)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_reached_without_tls_unless_that_is_meant() {
        for closed in [
            "https://host",
            "http://localhost:8680",
            "http://a.localhost",
            "http://127.0.0.1:8680",
            "http://127.9.9.9",
            "http://[::1]:8680/sub",
            "http://[::ffff:127.0.0.1]",
        ] {
            assert!(!is_open_way(closed), "{closed}");
            assert!(refuse_open_way(closed, false).is_ok(), "{closed}");
        }
        for open in [
            "http://host",
            "HTTP://10.0.0.1:8680",
            "http://[2001:db8::1]",
            "http://localhost.example",
            "http://127.0.0.1.example",
            "http://0.0.0.0",
        ] {
            assert!(is_open_way(open), "{open}");
            assert!(refuse_open_way(open, false).is_err(), "{open}");
            assert!(refuse_open_way(open, true).is_ok(), "{open}");
        }
    }

    #[test]
    fn an_address_is_a_scheme_a_host_and_perhaps_a_path() {
        for (given, taken) in [
            ("http://host:8680", "http://host:8680"),
            ("HTTPS://HOST/sub/", "https://host/sub"),
            ("http://[::1]:8680/", "http://[::1]:8680"),
        ] {
            assert_eq!(address("--url", given).ok().as_deref(), Some(taken));
        }
        for bad in [
            "",
            "host",
            "host:8680",
            "ftp://host",
            "http://",
            "http://h/?x=1",
            "http://h/#x",
            "http://u:p@h",
            " http://h",
            "http://h/a b",
            "http://h\n",
        ] {
            assert!(address("--url", bad).is_err(), "{bad}");
        }
    }
}
