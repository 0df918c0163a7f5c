//! HTTP and nothing else: parse, ask the domain as somebody, map the answer.
//!
//! Below `/api` nothing redirects, and nothing unknown is 404 but for a browser: Terraform takes
//! 404 for "no state", and a 301 would lose one.

mod endpoints;
mod server;
mod wire;

pub use server::socket::{bind_socket, reachable_path};
pub use server::{Bindings, Running, allow_connections, start};

use std::future::Future;

use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};
use actix_web::{Handler, Resource, Responder, Scope};

use endpoints::{
    detect, diff, events, health, import, keys, lock, login, page, retention, rollback, state,
    states, transfer, verify, versions,
};
use wire::error;
use wire::query::{self, Takes};

/// Runs a future on the runtime that servers and their clients need.
pub fn block_on<F: Future>(future: F) -> F::Output {
    actix_web::rt::System::new().block_on(future)
}

/// The address of a state as the documents have it, and as metrics name it.
const STATE_NAMED: &str =
    "/api/terraform/state/workspace/{workspace}/buildingblock/{buildingBlock}";
/// The address of a state. Its parts are taken as they come and judged after the credentials.
const STATE: &str =
    "/api/terraform/state/workspace/{workspace:[^/]*}/{segment:(?i:buildingblock)}/{block:[^/]*}";
/// The address of a version, below its state's.
const VERSION: &str = "/versions/{number}";
/// The address of a key.
const KEY: &str = "/api/keys/{id}";

/// Every route.
fn routes(config: &mut ServiceConfig) {
    config
        .service(of_state())
        .service(
            Methods::at("/api/terraform/state")
                .asks(
                    "GET HEAD",
                    "workspace buildingBlock deleted locked limit after",
                    states::list,
                )
                .done(),
        )
        .service(
            Methods::at("/api/terraform/detect")
                .asks("POST", "program include_json", detect::detect)
                .done(),
        )
        .service(Methods::at("/api/login").on("POST", login::login).done())
        .service(Methods::at("/api/token").on("DELETE", login::end).done())
        .service(
            Methods::at("/api/token/extend")
                .on("POST", login::extend)
                .done(),
        )
        .service(
            Methods::at("/api/keys")
                .asks("GET HEAD", "limit after", keys::list)
                .on("POST", keys::create)
                .done(),
        )
        .service(of_key())
        .service(
            Methods::at("/api/events")
                .asks(
                    "GET HEAD",
                    "workspace buildingBlock key kind attention since until limit before",
                    events::list,
                )
                .done(),
        )
        .service(
            Methods::at("/api/status")
                .on("GET HEAD", health::status)
                .done(),
        )
        .service(
            Methods::at("/api/verify")
                .on("GET HEAD", verify::overview)
                .on("POST", verify::verify)
                .done(),
        )
        .service(
            Methods::at("/api/prune")
                .on("POST", retention::prune)
                .done(),
        )
        .service(
            Methods::at("/api/retention")
                .asks("GET HEAD", "limit after", retention::list)
                .done(),
        )
        .service(
            Methods::at("/api/retention/{workspace}")
                .on("GET HEAD", retention::show)
                .on("PUT", retention::set)
                .on("DELETE", retention::unset)
                .done(),
        )
        .service(
            Methods::at("/api/clock")
                .on("POST", retention::trust_clock)
                .done(),
        )
        .service(Methods::at("/healthz").on("GET HEAD", health::alive).done())
        .service(Methods::at("/readyz").on("GET HEAD", health::ready).done())
        .service(
            Methods::at("/metrics")
                .on("GET HEAD", health::metrics)
                .done(),
        )
        .service(
            Methods::at("/{file:[^/]*}")
                .on("GET HEAD", page::file)
                .done(),
        )
        .default_service(web::to(error::unknown_path));
}

/// Every route of a state, whose address is looked at once for all of them: each pattern with parts
/// that vary takes memory in each worker.
fn of_state() -> Scope {
    let methods = |path| Methods::below(STATE_NAMED, path);
    web::scope(STATE)
        .service(
            methods("")
                .offers("GET HEAD", Takes::Ours(""), state::read)
                .offers("POST PUT", Takes::Ours("ID force"), state::write)
                .offers("LOCK", Takes::Ours(""), lock::lock)
                .offers("UNLOCK", Takes::Ours("ID force"), lock::unlock)
                .offers("DELETE", Takes::Ours("ID force"), state::delete)
                .done(),
        )
        .service(
            methods("/lock")
                .offers("GET HEAD", Takes::Ours(""), lock::show)
                .offers("POST PUT LOCK", Takes::Ours(""), lock::lock)
                .offers("DELETE UNLOCK", Takes::Ours("ID force"), lock::unlock)
                .done(),
        )
        .service(
            methods("/versions")
                .asks("GET HEAD", "limit before kind intermediate", versions::list)
                .done(),
        )
        .service(of_version())
        .service(
            methods("/outputs")
                .asks("GET HEAD", "sensitive", diff::outputs)
                .done(),
        )
        .service(
            methods("/restore")
                .asks("POST", "ID", versions::restore)
                .done(),
        )
        .service(
            methods("/rollback")
                .asks("POST", "ID", rollback::roll_back)
                .done(),
        )
        .service(
            methods("/import")
                .asks("POST", import::PARAMETERS, import::import)
                .done(),
        )
        .service(methods("/move").on("POST", versions::relocate).done())
        .service(
            methods("/transfer")
                .on("GET HEAD", transfer::show)
                .on("POST", transfer::begin)
                .on("DELETE", transfer::abandon)
                .done(),
        )
        .service(
            methods("/transfer/done")
                .on("POST", transfer::finish)
                .done(),
        )
        .service(methods("/purge").on("POST", versions::purge).done())
}

/// Every route of one version, below its state's.
fn of_version() -> Scope {
    let named = format!("{STATE_NAMED}{VERSION}");
    let methods = |path| Methods::below(&named, path);
    web::scope(VERSION)
        .service(methods("").on("GET HEAD", versions::content).done())
        .service(methods("/info").on("GET HEAD", versions::info).done())
        .service(
            methods("/diff")
                .asks("GET HEAD", "from sensitive", diff::compare)
                .done(),
        )
        .service(
            methods("/hold")
                .on("POST", retention::hold)
                .on("DELETE", retention::release)
                .done(),
        )
}

/// Every route of one key.
fn of_key() -> Scope {
    let methods = |path| Methods::below(KEY, path);
    web::scope(KEY)
        .service(
            methods("")
                .on("GET HEAD", keys::show)
                .on("DELETE", keys::revoke)
                .done(),
        )
        .service(methods("/rotate").on("POST", keys::rotate).done())
}

/// A route: its name in metrics, which is its path as the documents have it, and what each of its
/// methods takes in its query.
struct Route {
    name: String,
    taken: Vec<(Method, Takes)>,
}

impl Route {
    fn takes(&self, method: &Method) -> Option<Takes> {
        query::of_method(&self.taken, method)
    }
}

/// A resource that answers 405 with `Allow` to whatever it does not offer.
struct Methods {
    resource: Resource,
    route: Route,
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
        let route = Route {
            name,
            taken: Vec::new(),
        };
        Self {
            resource: web::resource(path.to_owned()),
            route,
            allow: Vec::new(),
        }
    }

    /// Offers one handler for some methods, separated by spaces, without parameters.
    fn on<F, Args>(self, methods: &'static str, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: actix_web::FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.offers(methods, Takes::These(""), handler)
    }

    /// The same with these parameters, separated by spaces.
    fn asks<F, Args>(self, methods: &'static str, names: &'static str, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: actix_web::FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.offers(methods, Takes::These(names), handler)
    }

    /// Offers one handler for some methods.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a handler is a function, named where it is offered"
    )]
    fn offers<F, Args>(mut self, methods: &'static str, takes: Takes, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: actix_web::FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        for name in methods.split(' ') {
            if let Ok(method) = Method::from_bytes(name.as_bytes()) {
                self.route.taken.push((method.clone(), takes));
                self.resource = self.resource.route(web::method(method).to(handler.clone()));
                self.allow.push(name);
            }
        }
        self
    }

    fn done(self) -> Resource {
        let allow = self.allow.join(", ");
        self.resource
            .app_data(self.route)
            .default_service(web::to(move || {
                let allow = allow.clone();
                async move { error::method_not_allowed(&allow) }
            }))
    }
}
