//! Where a state is: a server and a name on it. Two spellings of one address are one state, and
//! nothing secret is in any of them.

use std::path::PathBuf;

use clap::Args;
use clap::builder::FalseyValueParser;
use reqwest::Url;

use crate::cli::client::network::refuse_open_way;
use crate::cli::client::trust::TrustArgs;
use crate::cli::output;
use crate::cli::output::CliError;
use crate::model::name::{BuildingBlock, StateName, Workspace};

/// Where a server listens by default.
const DEFAULT_BASE_URL: &str = "http://127.0.0.1:8680";

/// How the client reaches a server.
#[derive(Args)]
#[expect(
    clippy::struct_field_names,
    reason = "a field has the name of its flag"
)]
pub(in crate::cli) struct BaseUrl {
    /// How the client reaches the server
    #[arg(
        long,
        visible_alias = "url",
        env = "STATEKEEP_URL",
        default_value = DEFAULT_BASE_URL,
        value_name = "URL"
    )]
    base_url: String,
    /// Allow --base-url to be http:// to another machine, unencrypted
    #[arg(
        long,
        env = "STATEKEEP_INSECURE_HTTP",
        value_parser = FalseyValueParser::new()
    )]
    insecure_http: bool,
    #[command(flatten)]
    trust: TrustArgs,
}

impl BaseUrl {
    /// Refuses to send secrets there unencrypted, unless that is meant.
    pub(in crate::cli) fn refuse_open_way(&self) -> Result<(), CliError> {
        self.trust.begin()?;
        refuse_open_way(self.url()?.as_str(), self.insecure_http)
    }

    /// The file of authorities that is named beside the machine's.
    pub(in crate::cli) const fn ca_file(&self) -> Option<&PathBuf> {
        self.trust.names_authorities()
    }

    /// Says that secrets will be sent there unencrypted, unless that is meant.
    pub(in crate::cli) fn warn_of_open_way(&self) -> Result<(), CliError> {
        if let Err(open) = self.refuse_open_way() {
            output::message(&format!("statekeep: warning: {}", open.into_message()));
        }
        self.url().map(drop)
    }

    /// An address without anything that is secret or has no place in it. A refusal does
    /// not repeat it: it may hold a password.
    fn url(&self) -> Result<Url, CliError> {
        let wrong = |what: &str| CliError::Usage(format!("--base-url {what}"));
        let url = Url::parse(&self.base_url)
            .map_err(|error| wrong(&format!("is no address: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(wrong("has to begin with http:// or https://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong(
                "has credentials in it, which Terraform copies into plan files; give them in \
                    TF_HTTP_USERNAME and TF_HTTP_PASSWORD",
            ));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("ends before any `?` or `#`"));
        }
        Ok(url)
    }

    /// The server's address, without a slash at its end.
    pub(in crate::cli) fn server(&self) -> Result<String, CliError> {
        Ok(self.url()?.as_str().trim_end_matches('/').to_owned())
    }

    /// The address of a state there.
    pub(in crate::cli) fn state(
        &self,
        workspace: Workspace,
        block: BuildingBlock,
    ) -> Result<StateAddress, CliError> {
        Ok(StateAddress {
            base: self.url()?,
            name: StateName { workspace, block },
            is_open_way_meant: self.insecure_http,
        })
    }
}

/// Where a state is.
#[derive(Clone)]
pub(in crate::cli) struct StateAddress {
    base: Url,
    pub(in crate::cli) name: StateName,
    is_open_way_meant: bool,
}

impl StateAddress {
    /// As the client is told.
    pub(in crate::cli) fn text(&self) -> String {
        format!("{}{}", self.server(), self.name.path())
    }

    /// Refuses to send secrets to another server unencrypted, unless that is meant.
    pub(in crate::cli) fn refuse_open_way_to(&self, url: &str) -> Result<(), CliError> {
        refuse_open_way(url, self.is_open_way_meant)
    }

    /// The server's address, without a slash at its end.
    pub(in crate::cli) fn server(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Whether another address is the same state, however it is spelled.
    pub(in crate::cli) fn is(&self, other: &str) -> bool {
        self.named(other).as_ref() == Some(&self.name)
    }

    /// The name of the state that an address on the same server is.
    pub(in crate::cli) fn named(&self, other: &str) -> Option<StateName> {
        let url = Url::parse(other)
            .ok()
            .filter(|url| url.origin() == self.base.origin())?;
        let base = self.base.path().trim_end_matches('/');
        let path = url
            .path()
            .strip_prefix(base)?
            .strip_prefix("/api/terraform/state/workspace/")?;
        match path.split('/').collect::<Vec<_>>().as_slice() {
            [workspace, segment, block] if segment.eq_ignore_ascii_case("buildingblock") => {
                StateName::parse(workspace, block).ok()
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(base: &str) -> StateAddress {
        StateAddress {
            base: Url::parse(base).expect("an address"),
            name: StateName::parse("team", "net").expect("a name"),
            is_open_way_meant: false,
        }
    }

    #[test]
    fn an_address_is_the_same_however_it_is_spelled() {
        let ours = address("http://host:8680/sub/");
        assert!(ours.is(&ours.text()));
        for (other, is, shares) in [
            (
                "HTTP://HOST:8680/sub/api/terraform/state/workspace/team/buildingBlock/net",
                true,
                true,
            ),
            (
                "http://x:y@host:8680/sub/api/terraform/state/workspace/team/buildingblock/net",
                true,
                true,
            ),
            (
                "http://host:8680/sub/api/terraform/state/workspace/team/buildingblock/two",
                false,
                true,
            ),
            (
                "http://host:8680/api/terraform/state/workspace/team/buildingblock/net",
                false,
                false,
            ),
            (
                "https://host:8680/sub/api/terraform/state/workspace/team/buildingblock/net",
                false,
                false,
            ),
            (
                "http://host/sub/api/terraform/state/workspace/team/buildingblock/net",
                false,
                false,
            ),
            (
                "http://host:8680/sub/api/terraform/state/workspace/team/buildingblock/net/lock",
                false,
                false,
            ),
            ("not an address", false, false),
        ] {
            assert_eq!(
                (ours.is(other), ours.named(other).is_some()),
                (is, shares),
                "{other}"
            );
        }
    }
}
