//! Sends deliveries of webhooks for the domain, which knows no HTTP.
//!
//! Nothing is asked but the address of the hook: no proxy and no redirect. Each try has a time-out.
//! Of an answer its status counts, and nothing of its body is kept.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Certificate, Client as HttpClient, Response, Url};

use crate::cli::client::addresses::Reachable;
use crate::cli::client::names::JudgedNames;
use crate::cli::client::network::on_the_way;
use crate::cli::output::harmless;
use crate::domain::hooks::sender::{HookPost, Judging, Posting, SendHook};

/// How long a connection to a receiver may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a receiver may take until it has answered.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// How long the rest of an answer is read, and how many bytes of it, so that the connection can be
/// used again.
const REST_TIMEOUT: Duration = Duration::from_secs(1);
const MAX_REST: usize = 16 * 1024;
/// How long a connection is kept that is not used.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest address of a receiver, in bytes.
const MAX_URL: usize = 1_024;

/// Sends deliveries. These authorities are trusted beside the machine's.
pub(in crate::cli) struct HookSender {
    authorities: Vec<Certificate>,
    to_public: OnceLock<Result<HttpClient, String>>,
    to_private: OnceLock<Result<HttpClient, String>>,
}

impl HookSender {
    /// One that trusts these authorities too.
    pub(in crate::cli) const fn new(authorities: Vec<Certificate>) -> Self {
        Self {
            authorities,
            to_public: OnceLock::new(),
            to_private: OnceLock::new(),
        }
    }

    /// The client for a hook. Reading the machine's authorities takes long, so there are two for
    /// all hooks.
    fn client(&self, reachable: Reachable) -> Result<&HttpClient, String> {
        let slot = match reachable {
            Reachable::Public => &self.to_public,
            Reachable::Private | Reachable::Any => &self.to_private,
        };
        slot.get_or_init(|| self.build(reachable))
            .as_ref()
            .map_err(Clone::clone)
    }

    fn build(&self, reachable: Reachable) -> Result<HttpClient, String> {
        // Only fails when one is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = HttpClient::builder()
            .no_proxy()
            .redirect(Policy::none())
            .dns_resolver(Arc::new(JudgedNames(reachable)))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(1)
            .user_agent(concat!("statekeep/", env!("CARGO_PKG_VERSION")))
            .tls_certs_merge(self.authorities.iter().cloned());
        builder.build().map_err(|error| error.to_string())
    }

    async fn send(&self, post: HookPost<'_>) -> Result<u16, String> {
        let reachable = if post.may_be_private {
            Reachable::Private
        } else {
            Reachable::Public
        };
        let url = Url::parse(post.url).map_err(|error| error.to_string())?;
        if let Some(address) = literal(&url) {
            reachable.judge(address)?;
        }
        let mut request = self.client(reachable)?.post(url);
        for (name, value) in post.headers {
            request = request.header(*name, value);
        }
        let request = request.header("content-type", "application/json");
        let answer = request.body(post.body.to_owned()).send().await;
        let answer = answer.map_err(|error| why(&error))?;
        let status = answer.status().as_u16();
        let _ = tokio::time::timeout(REST_TIMEOUT, read_rest(answer)).await;
        Ok(status)
    }
}

impl SendHook for HookSender {
    fn judge<'a>(&'a self, url: &'a str, private: Option<&'a str>) -> Judging<'a> {
        Box::pin(judged(url, private))
    }

    fn post<'a>(&'a self, post: HookPost<'a>) -> Posting<'a> {
        Box::pin(self.send(post))
    }
}

async fn read_rest(mut answer: Response) {
    let mut rest = 0;
    while let Ok(Some(chunk)) = answer.chunk().await {
        rest += chunk.len();
        if rest > MAX_REST {
            return;
        }
    }
}

/// The address that stands as the host, if one does. However it was written, it is one here.
fn literal(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    host.trim_matches(['[', ']']).parse().ok()
}

/// Whether a hook may have an address. What its name stands for is looked at here once, to tell a
/// person soon, and again each time when something is sent.
async fn judged(text: &str, private: Option<&str>) -> Result<String, String> {
    if text.len() > MAX_URL {
        return Err(format!("url has more than {MAX_URL} bytes"));
    }
    let url = Url::parse(text)
        .map_err(|error| format!("url has to begin with https:// and name a host: {error}"))?;
    let host = url.host_str().unwrap_or_default();
    if !matches!(url.scheme(), "http" | "https") || host.is_empty() {
        return Err("url has to begin with https:// and name a host".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "url has credentials in it; a receiver knows a delivery by its signature".into(),
        );
    }
    if url.fragment().is_some() {
        return Err("url ends before any `#`".to_owned());
    }
    if private.is_some_and(|name| !is_host(name, host)) {
        return Err(format!(
            "--allow-private (allow_private) has to be the host of the address, {host}"
        ));
    }
    if url.scheme() == "http" && private.is_none() {
        return Err(
            "url has to begin with https://: http:// is only for a host that may have a private \
                address, which --allow-private (allow_private) names"
                .to_owned(),
        );
    }
    let reachable = private.map_or(Reachable::Public, |_| Reachable::Private);
    if let Some(address) = literal(&url) {
        reachable.judge(address)?;
    } else if let Ok(found) = JudgedNames(Reachable::Any).addresses(host).await {
        found
            .iter()
            .try_for_each(|address| reachable.judge(*address))?;
    }
    Ok(url.to_string())
}

/// Whether a name is that of a host.
fn is_host(name: &str, host: &str) -> bool {
    let bare = |text: &str| text.trim_matches(['[', ']']).to_ascii_lowercase();
    bare(name) == bare(host)
}

/// What went wrong, without the address, and what to do about it.
fn why(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        let seconds = ANSWER_TIMEOUT.as_secs();
        return format!("there was no answer within {seconds} seconds");
    }
    let why = on_the_way(error).replace("--ca-file (STATEKEEP_CA_FILE)", "--hook-ca-file");
    harmless(&why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(url: &str, private: Option<&str>) -> Result<String, String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(judged(url, private))
    }

    #[test]
    fn a_private_address_is_refused_however_it_is_spelt() {
        for url in [
            "https://127.0.0.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0x7f.0.0.1/",
            "https://0177.0.0.1/",
            "https://017700000001/",
            "https://127.0.0.1./",
            "https://%31%32%37.0.0.1/",
            "https://①②⑦.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:7f00:1]/",
            "https://[0:0:0:0:0:ffff:a00:1]/",
            "https://[64:ff9b::7f00:1]/",
            "https://[fd00::1]/",
            "https://localhost/",
            "https://LOCALHOST./",
            "https://a.localhost:8443/",
            "https://10.1.2.3:9/x",
            "https:\\\\192.168.0.1\\",
        ] {
            let why = judge(url, None).unwrap_err();
            assert!(
                why.contains("is a private address") || why.contains("url has to"),
                "{url}: {why}"
            );
        }
        for url in [
            "https://169.254.169.254/",
            "https://[fe80::1]/",
            "https://0/",
        ] {
            let host = Url::parse(url).unwrap().host_str().unwrap().to_owned();
            for private in [None, Some(host.as_str())] {
                assert!(
                    judge(url, private).unwrap_err().contains("no address of"),
                    "{url}"
                );
            }
        }
    }

    #[test]
    fn a_private_address_is_taken_if_its_host_was_named() {
        for (url, name) in [
            ("http://127.0.0.1:9/x", "127.0.0.1"),
            ("https://[::1]/", "::1"),
            ("http://LocalHost/", "localhost"),
            ("https://10.0.0.1/", "10.0.0.1"),
        ] {
            judge(url, Some(name)).unwrap();
            let why = judge(url, Some("other")).unwrap_err();
            assert!(why.contains("has to be the host of the address"), "{why}");
        }
    }

    #[test]
    fn an_address_says_nothing_but_where() {
        for (bad, told) in [
            ("", "begin with https://"),
            ("receiver.example", "begin with https://"),
            ("ftp://1.1.1.1/", "begin with https://"),
            ("http://1.1.1.1/", "http:// is only for"),
            ("https://user@1.1.1.1/", "credentials"),
            ("https://:secret@1.1.1.1/", "credentials"),
            ("https://1.1.1.1/#x", "before any `#`"),
            (
                &format!("https://1.1.1.1/{}", "x".repeat(MAX_URL)),
                "more than",
            ),
        ] {
            let why = judge(bad, None).unwrap_err();
            assert!(
                why.contains(told) && !why.contains("secret"),
                "{bad}: {why}"
            );
        }
        assert_eq!(
            judge("https://1.1.1.1/hook?x=1", None).unwrap(),
            "https://1.1.1.1/hook?x=1"
        );
    }
}
