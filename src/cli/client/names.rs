//! The addresses of hosts whom the server itself asks: looked up here, and judged before they are
//! connected to. So a name that points elsewhere a moment later gains nothing.
//!
//! If the machine names no name server, no other is asked: names are then those of its hosts file.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use parking_lot::Mutex;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::cli::client::addresses::Reachable;
use crate::model::clock;

/// After how long the machine's settings are read again.
const READ_EVERY: Duration = Duration::from_mins(1);

/// The settings as they were read.
static KNOWN: Mutex<Option<(Instant, TokioResolver)>> = Mutex::new(None);

/// Looks names up, and gives only addresses that may be asked.
#[derive(Clone, Copy)]
pub(super) struct JudgedNames(pub(super) Reachable);

impl Resolve for JudgedNames {
    fn resolve(&self, name: Name) -> Resolving {
        let names = *self;
        Box::pin(async move {
            let found = names.addresses(name.as_str()).await?;
            let found = found.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(found) as Addrs)
        })
    }
}

/// A resolver for `reqwest` that gives any address.
pub(in crate::cli) fn any_names() -> Arc<dyn Resolve> {
    Arc::new(JudgedNames(Reachable::Any))
}

impl JudgedNames {
    /// The addresses of a host. If one of them may not be asked, none is.
    pub(super) async fn addresses(self, host: &str) -> Result<Vec<IpAddr>, String> {
        let found = look_up(host).await?;
        found
            .iter()
            .try_for_each(|address| self.0.judge(*address))?;
        Ok(found)
    }
}

async fn look_up(host: &str) -> Result<Vec<IpAddr>, String> {
    let bare = host.trim_end_matches('.').to_ascii_lowercase();
    if bare == "localhost" || bare.ends_with(".localhost") {
        return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    let (resolver, lack) =
        resolver().map_err(|error| format!("names cannot be looked up: {error}"))?;
    let found = resolver.lookup_ip(host).await.map_err(|error| match lack {
        Some(lack) => format!("the host cannot be looked up: /etc/resolv.conf: {lack}"),
        None => format!("the host cannot be looked up: {error}"),
    })?;
    Ok(found.iter().collect())
}

/// What looks names up as the machine's settings say. If they name no server, there is the reason
/// beside it, and only the hosts file is looked at.
fn resolver() -> Result<(TokioResolver, Option<String>), String> {
    let (mut known, now) = (KNOWN.lock(), clock::monotonic());
    if let Some((read_at, resolver)) = known.as_ref()
        && now.duration_since(*read_at) < READ_EVERY
    {
        return Ok((resolver.clone(), None));
    }
    let (mut builder, lack) = match TokioResolver::builder_tokio() {
        Ok(builder) => (builder, None),
        Err(error) => {
            let none = ResolverConfig::from_parts(None, Vec::new(), Vec::new());
            let provider = TokioRuntimeProvider::default();
            (
                TokioResolver::builder_with_config(none, provider),
                Some(error.to_string()),
            )
        }
    };
    builder.options_mut().ip_strategy = LookupIpStrategy::Ipv6AndIpv4;
    let resolver = builder.build().map_err(|error| error.to_string())?;
    *known = lack.is_none().then(|| (now, resolver.clone()));
    Ok((resolver, lack))
}
