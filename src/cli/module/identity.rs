//! Whether an address is this server, also by another name of the host, another spelling of the
//! path, or a proxy's name.
//!
//! Each answer of a statekeep carries the id of its data, and each answer of a state's address the
//! state's name. Both are asked for without credentials, since the server there may be any. The
//! credentials that an address may hold are left out.

use std::time::Duration;

use reqwest::Url;

use crate::cli::client::network::{on_the_way, past_proxy};
use crate::cli::client::trust::show_certificate;
use crate::cli::module::address::StateAddress;
use crate::cli::output;
use crate::model::name::StateName;

/// The data that answers.
const INSTANCE: &str = "statekeep-instance";
/// The state that an address is.
const STATE: &str = "statekeep-state";
/// How long an answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Whose an address is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Whose {
    /// This server's; with the state that it is, if it is the address of one.
    This(Option<StateName>),
    /// Another's.
    Others,
    /// That cannot be told, and why.
    Unknown(String),
}

/// What an answer says.
struct Said {
    instance: Option<String>,
    state: Option<StateName>,
}

impl StateAddress {
    /// Whose another address is.
    pub(in crate::cli) async fn whose(&self, other: &str) -> Whose {
        if let Some(name) = self.named(other) {
            return Whose::This(Some(name));
        }
        let Some(url) = without_credentials(other) else {
            return Whose::Others;
        };
        let (there, here) = tokio::join!(ask(url.as_str()), async { ask(&self.text()).await });
        let there = match there {
            Ok(there) => there,
            Err(why) => return Whose::Unknown(format!("{} does not answer: {why}", shown(&url))),
        };
        if there.instance.is_none() {
            return Whose::Others;
        }
        match here {
            Ok(here) if here.instance == there.instance => Whose::This(there.state),
            Ok(_) => Whose::Others,
            Err(why) => Whose::Unknown(format!("{} does not answer: {why}", self.server())),
        }
    }
}

/// Asks who is at an address.
async fn ask(address: &str) -> Result<Said, String> {
    let wrong = |error: reqwest::Error| output::harmless(&on_the_way(&error));
    let answer = client(address)
        .map_err(wrong)?
        .head(address)
        .send()
        .await
        .map_err(wrong)?;
    let header = |name: &str| {
        answer
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    Ok(Said {
        instance: header(INSTANCE),
        state: header(STATE).and_then(|name| name.parse().ok()),
    })
}

/// A client that sends no secret. An answer can only make a command do less, so certificates are
/// not checked.
fn client(address: &str) -> reqwest::Result<reqwest::Client> {
    // Only fails when one is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(ANSWER_TIMEOUT);
    let builder = past_proxy(builder, address);
    if address.starts_with("https://") {
        show_certificate(builder.tls_danger_accept_invalid_certs(true))?
    } else {
        builder.tls_certs_only([])
    }
    .build()
}

/// An address as it is asked: nothing of it that may be secret. None if the client itself cannot
/// ask it.
fn without_credentials(address: &str) -> Option<Url> {
    let mut url = Url::parse(address.trim())
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())?;
    url.set_username("")
        .and_then(|()| url.set_password(None))
        .ok()?;
    url.set_query(None);
    url.set_fragment(None);
    Some(url)
}

fn shown(url: &Url) -> String {
    output::harmless(url.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_is_sent_to_whoever_answers() {
        let url = without_credentials("https://me:hush@a.example/x?private_token=hush#hush")
            .expect("an address");
        assert_eq!(url.as_str(), "https://a.example/x");
        for none in ["", "no address", "file:///etc/passwd", "unix:///x"] {
            assert!(without_credentials(none).is_none(), "{none}");
        }
    }
}
