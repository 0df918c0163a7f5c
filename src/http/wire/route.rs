//! What a route is: its path, its name in metrics, its methods, and the parameters that each of
//! them takes in its query. A method that a path does not offer is 405 with `Allow`.

use std::pin::Pin;
use std::rc::Rc;

use actix_web::dev::{AppService, HttpServiceFactory};
use actix_web::http::Method;
use actix_web::web::{self, Payload};
use actix_web::{FromRequest, Handler, HttpRequest, HttpResponse, Resource, Responder, Scope};

use crate::http::wire::error;

/// Which parameters a call takes in its query.
#[derive(Clone, Copy)]
pub(in crate::http) enum Takes {
    /// These and no others, separated by spaces; none if it is empty.
    Only(&'static str),
    /// It is a call of the state protocol. It takes these parameters of ours, and leaves alone any
    /// that are not ours.
    Protocol(&'static str),
}

/// A route, as a request finds it.
pub(in crate::http) struct Route {
    /// Its name in metrics: its path as the documents have it.
    pub(in crate::http) name: String,
    taken: Vec<(Method, Takes)>,
}

impl Route {
    /// The parameters that one method takes.
    pub(in crate::http) fn takes(&self, method: &Method) -> Option<Takes> {
        let offered = self.taken.iter().find(|(known, _)| known == method);
        offered.map(|(_, takes)| *takes)
    }
}

/// A path with the methods that it offers.
pub(in crate::http) struct Methods {
    resource: Resource,
    route: Route,
    allow: Vec<&'static str>,
}

/// A path that offers nothing yet. It is its own name in metrics.
pub(in crate::http) fn at(path: &str) -> Methods {
    Methods {
        resource: web::resource(path.to_owned()),
        route: Route {
            name: path.to_owned(),
            taken: Vec::new(),
        },
        allow: Vec::new(),
    }
}

/// Routes below a path. `name` is the path in their names.
pub(in crate::http) fn below(path: &str, name: &str, routes: Vec<Methods>) -> Scope {
    routes
        .into_iter()
        .fold(web::scope(path), |scope, mut route| {
            route.route.name.insert_str(0, name);
            scope.service(route)
        })
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "a list of routes reads better without a borrow before each handler"
)]
impl Methods {
    /// Offers a handler for some methods, separated by spaces, without parameters.
    pub(in crate::http) fn on<F, Args>(self, methods: &'static str, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.offer(methods, Takes::Only(""), &handler)
    }

    /// The same with these parameters, separated by spaces.
    pub(in crate::http) fn with<F, Args>(
        self,
        methods: &'static str,
        parameters: &'static str,
        handler: F,
    ) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.offer(methods, Takes::Only(parameters), &handler)
    }

    /// The same for a call of the state protocol.
    pub(in crate::http) fn protocol<F, Args>(
        self,
        methods: &'static str,
        parameters: &'static str,
        handler: F,
    ) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.offer(methods, Takes::Protocol(parameters), &handler)
    }

    fn offer<F, Args>(self, methods: &'static str, takes: Takes, handler: &F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.offer_any(methods, takes, &AnyHandler::of(handler))
    }

    fn offer_any(mut self, methods: &'static str, takes: Takes, handler: &AnyHandler) -> Self {
        for name in methods.split(' ') {
            if let Ok(method) = Method::from_bytes(name.as_bytes()) {
                self.route.taken.push((method.clone(), takes));
                self.resource = self.resource.route(web::method(method).to(handler.clone()));
                self.allow.push(name);
            }
        }
        self
    }
}

/// What a handler comes to.
type Answer = Pin<Box<dyn Future<Output = HttpResponse>>>;

/// A handler without its types, so that what the framework does around handlers is compiled once
/// and not once for each of them.
#[derive(Clone)]
struct AnyHandler(Rc<dyn Fn(HttpRequest, Payload) -> Answer>);

impl AnyHandler {
    fn of<F, Args>(handler: &F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let handler = handler.clone();
        Self(Rc::new(move |request, payload| {
            Box::pin(answered(handler.clone(), request, payload))
        }))
    }
}

/// What a handler answers, or why a request is none for it.
async fn answered<F, Args>(handler: F, request: HttpRequest, payload: Payload) -> HttpResponse
where
    F: Handler<Args>,
    Args: FromRequest,
    F::Output: Responder + 'static,
{
    match Args::from_request(&request, &mut payload.into_inner()).await {
        Ok(args) => {
            let answer = handler.call(args).await;
            answer.respond_to(&request).map_into_boxed_body()
        }
        Err(error) => HttpResponse::from_error(error),
    }
}

impl Handler<(HttpRequest, Payload)> for AnyHandler {
    type Output = HttpResponse;
    type Future = Answer;

    fn call(&self, (request, payload): (HttpRequest, Payload)) -> Answer {
        (self.0)(request, payload)
    }
}

impl HttpServiceFactory for Methods {
    fn register(self, config: &mut AppService) {
        let allow = self.allow.join(", ");
        let not_offered = web::to(move || {
            let allow = allow.clone();
            async move { error::method_not_allowed(&allow) }
        });
        self.resource
            .app_data(self.route)
            .default_service(not_offered)
            .register(config);
    }
}
