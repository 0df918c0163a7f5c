//! HTTP and nothing else: parse, ask the domain as somebody, map the answer.
//!
//! Below `/api` nothing redirects and nothing unknown is 404: Terraform takes 404 for "no state", and a 301 would lose one.

mod answer;
mod body;
mod caller;
mod detect;
mod diff;
mod error;
mod events;
mod health;
mod import;
mod keys;
mod lock;
mod login;
mod pace;
mod page;
mod reply;
mod retention;
mod rollback;
mod server;
mod socket;
mod state;
mod states;
mod trace;
mod transfer;
mod verify;
mod versions;
mod watch;

pub use server::{Bindings, Running, allow_connections, start};
pub use socket::{bind_socket, reachable_path};

use std::future::Future;

use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};
use actix_web::{Handler, Resource, Responder, Scope};

/// Runs a future on the runtime that servers and their clients need.
pub fn block_on<F: Future>(future: F) -> F::Output {
    actix_web::rt::System::new().block_on(future)
}

/// The address of a state as the documents have it, and as metrics name it.
const STATE_NAMED: &str = "/api/terraform/state/workspace/{workspace}/buildingblock/{buildingBlock}";
/// The address of a state. Its parts are taken as they come and judged after the credentials.
const STATE: &str = "/api/terraform/state/workspace/{workspace:[^/]*}/{segment:(?i:buildingblock)}/{block:[^/]*}";
/// The address of a version, below its state's.
const VERSION: &str = "/versions/{number}";
/// The address of a key.
const KEY: &str = "/api/keys/{id}";

/// Every route.
fn routes(config: &mut ServiceConfig) {
    config
        .service(of_state())
        .service(Methods::at("/api/terraform/state").on("GET HEAD", states::list).done())
        .service(Methods::at("/api/terraform/detect").on("POST", detect::detect).done())
        .service(Methods::at("/api/login").on("POST", login::login).done())
        .service(Methods::at("/api/token").on("DELETE", login::end).done())
        .service(Methods::at("/api/token/extend").on("POST", login::extend).done())
        .service(Methods::at("/api/keys").on("GET HEAD", keys::list).on("POST", keys::create).done())
        .service(of_key())
        .service(Methods::at("/api/events").on("GET HEAD", events::list).done())
        .service(Methods::at("/api/status").on("GET HEAD", health::status).done())
        .service(Methods::at("/api/verify").on("GET HEAD", verify::overview).on("POST", verify::verify).done())
        .service(Methods::at("/api/prune").on("POST", retention::prune).done())
        .service(Methods::at("/api/retention").on("GET HEAD", retention::list).done())
        .service(
            Methods::at("/api/retention/{workspace}")
                .on("GET HEAD", retention::show)
                .on("PUT", retention::set)
                .on("DELETE", retention::unset)
                .done(),
        )
        .service(Methods::at("/api/clock").on("POST", retention::trust_clock).done())
        .service(Methods::at("/healthz").on("GET HEAD", health::alive).done())
        .service(Methods::at("/readyz").on("GET HEAD", health::ready).done())
        .service(Methods::at("/metrics").on("GET HEAD", health::metrics).done())
        .service(Methods::at("/{file:[^/]*}").on("GET HEAD", page::file).done())
        .default_service(web::to(error::unknown_path));
}

/// Every route of a state, whose address is looked at once for all of them: each pattern with parts that vary takes memory in each worker.
fn of_state() -> Scope {
    let methods = |path| Methods::below(STATE_NAMED, path);
    web::scope(STATE)
        .service(
            methods("")
                .on("GET HEAD", state::read)
                .on("POST PUT", state::write)
                .on("LOCK", lock::lock)
                .on("UNLOCK", lock::unlock)
                .on("DELETE", state::delete)
                .done(),
        )
        .service(methods("/lock").on("GET HEAD", lock::show).on("POST PUT LOCK", lock::lock).on("DELETE UNLOCK", lock::unlock).done())
        .service(methods("/versions").on("GET HEAD", versions::list).done())
        .service(of_version())
        .service(methods("/outputs").on("GET HEAD", diff::outputs).done())
        .service(methods("/restore").on("POST", versions::restore).done())
        .service(methods("/rollback").on("POST", rollback::roll_back).done())
        .service(methods("/import").on("POST", import::import).done())
        .service(methods("/move").on("POST", versions::relocate).done())
        .service(methods("/transfer").on("GET HEAD", transfer::show).on("POST", transfer::begin).on("DELETE", transfer::abandon).done())
        .service(methods("/transfer/done").on("POST", transfer::finish).done())
        .service(methods("/purge").on("POST", versions::purge).done())
}

/// Every route of one version, below its state's.
fn of_version() -> Scope {
    let named = format!("{STATE_NAMED}{VERSION}");
    let methods = |path| Methods::below(&named, path);
    web::scope(VERSION)
        .service(methods("").on("GET HEAD", versions::content).done())
        .service(methods("/info").on("GET HEAD", versions::info).done())
        .service(methods("/diff").on("GET HEAD", diff::compare).done())
        .service(methods("/hold").on("POST", retention::hold).on("DELETE", retention::release).done())
}

/// Every route of one key.
fn of_key() -> Scope {
    let methods = |path| Methods::below(KEY, path);
    web::scope(KEY)
        .service(methods("").on("GET HEAD", keys::show).on("DELETE", keys::revoke).done())
        .service(methods("/rotate").on("POST", keys::rotate).done())
}

/// The name of a route in metrics: its path as the documents have it.
struct Route(String);

/// A resource that answers 405 with `Allow` to whatever it does not offer.
struct Methods {
    resource: Resource,
    allow: Vec<&'static str>,
}

impl Methods {
    fn at(path: &str) -> Self {
        Self::named(path, path.replace("{file:[^/]*}", "{file}"))
    }

    /// Below something whose name in metrics is `parent`.
    fn below(parent: &str, path: &str) -> Self {
        Self::named(path, format!("{parent}{path}"))
    }

    fn named(path: &str, name: String) -> Self {
        let route = Route(name);
        Self { resource: web::resource(path.to_owned()).app_data(route), allow: Vec::new() }
    }

    /// Offers one handler for some methods, separated by spaces.
    #[expect(clippy::needless_pass_by_value, reason = "a handler is a function, named where it is offered")]
    fn on<F, Args>(mut self, methods: &'static str, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: actix_web::FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        for name in methods.split(' ') {
            if let Ok(method) = Method::from_bytes(name.as_bytes()) {
                self.resource = self.resource.route(web::method(method).to(handler.clone()));
                self.allow.push(name);
            }
        }
        self
    }

    fn done(self) -> Resource {
        let allow = self.allow.join(", ");
        self.resource.default_service(web::to(move || {
            let allow = allow.clone();
            async move { error::method_not_allowed(&allow) }
        }))
    }
}
