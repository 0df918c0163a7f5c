//! HTTP and nothing else: parse, ask the domain for a caller, map the answer.
//!
//! Below `/api` nothing redirects, and an unknown path is 404 only for a browser: Terraform takes
//! 404 for "no state", and a 301 would lose one.

mod endpoints;
mod server;
mod tls;
mod wire;

pub use server::files::allow_connections;
pub use server::socket::{bind_socket, reachable_path};
pub use server::{Bindings, RunningServer};
pub use tls::{Tls, TlsError, shown_pair, warn_of_key_readers};

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use actix_web::web::{self, ServiceConfig};

use crate::config::TrustedProxies;
use crate::domain::Domain;
use endpoints::{
    activity, approvals, backup, consumers, detect, diff, events, freeze, health, hooks, import,
    inventory, keys, lock, login, openapi, page, quotas, resources, retention, rollback, search,
    state, states, storage, transfer, trusts, verify, versions, whoami,
};
use server::Routes;
use wire::route::{Methods, at, below};
use wire::unknown;

/// The address of a state as the documents have it, and as metrics name it.
const STATE_NAMED: &str =
    "/api/terraform/state/workspace/{workspace}/buildingblock/{buildingBlock}";
/// The address of a state. Its parts match any text and are judged after the credentials.
const STATE: &str =
    "/api/terraform/state/workspace/{workspace:[^/]*}/{segment:(?i:buildingblock)}/{block:[^/]*}";
/// The address of a version, below its state's.
const VERSION: &str = "/versions/{number}";
/// The address of a key.
const KEY: &str = "/api/keys/{id}";

/// Runs a future on the runtime that servers and their clients need.
pub fn block_on<F: Future>(future: F) -> F::Output {
    // In a box, so that the runtime is compiled for one kind of future.
    let future: Pin<Box<dyn Future<Output = F::Output> + '_>> = Box::pin(future);
    actix_web::rt::System::new().block_on(future)
}

/// Serves the product on these bindings.
pub fn start(
    domain: &Arc<Domain>,
    proxies: TrustedProxies,
    bindings: Bindings,
) -> io::Result<RunningServer> {
    let routes = Routes {
        all: routes,
        metrics: metrics_routes,
    };
    server::start(domain, proxies, bindings, &routes)
}

/// What `--metrics-listen` serves without a key: counts and health, and nothing of single states.
fn metrics_routes(config: &mut ServiceConfig) {
    let served = [
        at("/healthz").on("GET HEAD", health::alive),
        at("/readyz").on("GET HEAD", health::ready),
        at("/metrics").on("GET HEAD", health::metrics_for_the_machine),
    ];
    for route in served {
        config.service(route);
    }
    config.default_service(web::to(unknown::path));
}

/// Every route. Those of a state share one scope, so that its address is matched once for all of
/// them: each pattern takes memory in each worker.
fn routes(config: &mut ServiceConfig) {
    let version_named = format!("{STATE_NAMED}{VERSION}");
    let of_version = below(VERSION, &version_named, of_version());
    config
        .service(below(STATE, STATE_NAMED, of_state()).service(of_version))
        .service(below(KEY, KEY, of_key()));
    for route in of_server() {
        config.service(route);
    }
    config.default_service(web::to(unknown::path));
}

fn of_state() -> Vec<Methods> {
    vec![
        at("")
            .protocol("GET HEAD", "", state::read)
            .protocol("POST PUT", "ID force", state::write)
            .protocol("LOCK", "", lock::lock)
            .protocol("UNLOCK", "ID force", lock::unlock)
            .protocol("DELETE", "ID force", state::delete),
        at("/lock")
            .protocol("GET HEAD", "", lock::show)
            .protocol("POST PUT LOCK", "", lock::lock)
            .protocol("DELETE UNLOCK", "ID force", lock::unlock),
        at("/freeze")
            .on("POST", freeze::freeze)
            .on("DELETE", freeze::unfreeze),
        at("/versions").with("GET HEAD", versions::PARAMETERS, versions::list),
        at("/history/{address}").with("GET HEAD", "attribute before limit", resources::trail),
        at("/outputs").with("GET HEAD", "sensitive", diff::outputs),
        at("/consumers").with("GET HEAD", "limit after", consumers::list),
        at("/restore").with("POST", "ID", versions::restore),
        at("/rollback").with("POST", "ID", rollback::roll_back),
        at("/import").with("POST", import::PARAMETERS, import::import),
        at("/move").on("POST", versions::relocate),
        at("/transfer")
            .on("GET HEAD", transfer::show)
            .on("POST", transfer::begin)
            .on("DELETE", transfer::abandon),
        at("/transfer/done").on("POST", transfer::finish),
        at("/purge").on("POST", versions::purge),
    ]
}

fn of_version() -> Vec<Methods> {
    vec![
        at("").on("GET HEAD", versions::content),
        at("/info").on("GET HEAD", versions::info),
        at("/diff").with("GET HEAD", "from sensitive", diff::compare),
        at("/resources").with("GET HEAD", resources::PARAMETERS, resources::list),
        at("/resources/{address}").on("GET HEAD", resources::show),
        at("/hold")
            .on("POST", retention::hold)
            .on("DELETE", retention::release),
    ]
}

fn of_key() -> Vec<Methods> {
    vec![
        at("")
            .on("GET HEAD", keys::show)
            .with("DELETE", "children", keys::revoke),
        at("/rotate").on("POST", keys::rotate),
    ]
}

fn of_server() -> Vec<Methods> {
    vec![
        at("/api/terraform/state").with("GET HEAD", states::PARAMETERS, states::list),
        at("/api/inventory").with("GET HEAD", inventory::PARAMETERS, inventory::list),
        at("/api/activity").with("GET HEAD", activity::PARAMETERS, activity::list),
        at("/api/search").with("GET HEAD", search::PARAMETERS, search::find),
        at("/api/terraform/detect").with("POST", detect::PARAMETERS, detect::detect),
        at("/api/login").on("POST", login::login),
        at("/api/token").on("DELETE", login::end),
        at("/api/token/extend").on("POST", login::extend),
        at("/api/keys")
            .with("GET HEAD", keys::PARAMETERS, keys::list)
            .on("POST", keys::create),
        at("/api/trusts")
            .with("GET HEAD", trusts::PARAMETERS, trusts::list)
            .on("POST", trusts::create),
        at("/api/trusts/{id}")
            .on("GET HEAD", trusts::show)
            .on("DELETE", trusts::remove),
        at("/api/hooks")
            .on("GET HEAD", hooks::list)
            .on("POST", hooks::create),
        at("/api/hooks/{id}")
            .on("GET HEAD", hooks::show)
            .on("DELETE", hooks::delete),
        at("/api/hooks/{id}/enable").on("POST", hooks::enable),
        at("/api/hooks/{id}/test").on("POST", hooks::test),
        at("/api/hooks/{id}/deliveries").on("GET HEAD", hooks::deliveries),
        at("/api/whoami").on("GET HEAD", whoami::whoami),
        at("/api/events").with("GET HEAD", events::PARAMETERS, events::list),
        at("/api/events/head").on("GET HEAD", events::head),
        at("/api/events/{seq}/acknowledge").on("POST", events::acknowledge),
        at("/api/status").with("GET HEAD", "since", health::status),
        at("/api/backup")
            .on("GET", backup::take)
            .on("HEAD", backup::may_take),
        at("/api/verify")
            .on("GET HEAD", verify::overview)
            .on("POST", verify::verify),
        at("/api/prune").on("POST", retention::prune),
        at("/api/retention").with("GET HEAD", "limit after", retention::list),
        at("/api/retention/{workspace}")
            .on("GET HEAD", retention::show)
            .on("PUT", retention::set)
            .on("DELETE", retention::unset),
        at("/api/quotas").with("GET HEAD", "limit after", quotas::list),
        at("/api/quotas/{workspace}")
            .on("GET HEAD", quotas::show)
            .on("PUT", quotas::set)
            .on("DELETE", quotas::clear),
        at("/api/storage").on("GET HEAD", storage::show),
        at("/api/storage/encrypt").on("POST", storage::encrypt),
        at("/api/storage/rekey").on("POST", storage::rekey),
        at("/api/approvals").on("GET HEAD", approvals::list),
        at("/api/approvals/{approval}")
            .on("POST", approvals::give)
            .on("DELETE", approvals::refuse),
        at("/api/clock").on("POST", retention::trust_clock),
        at("/api/openapi.json").on("GET HEAD", openapi::document),
        at("/healthz").on("GET HEAD", health::alive),
        at("/readyz").on("GET HEAD", health::ready),
        at("/metrics").on("GET HEAD", health::metrics),
        at("/").on("GET HEAD", page::index),
        at("/assets/{hash}/{file}").on("GET HEAD", page::file),
        at("/assets/{hash}/{folder}/{file}").on("GET HEAD", page::file),
    ]
}
