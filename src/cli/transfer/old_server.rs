//! What the backend before is: another statekeep, which has to be locked while its state moves, or
//! a product of its own, which is only read.
//!
//! It is asked, and nothing is taken for granted: no answer, or one of a proxy, is not the answer
//! that it is no statekeep. Nothing is sent there that another product could store.

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Method, Response, StatusCode, Url};
use serde_json::Value;

use crate::cli::client::network::{http_elsewhere, on_the_way};
use crate::cli::client::wire::Wire;
use crate::cli::module::address::StateAddress;
use crate::cli::output::CliError;
use crate::cli::terraform::credentials::{PASSWORD, USER};
use crate::cli::terraform::reading::variable;
use crate::cli::terraform::record::Record;
use crate::model::secret::Secret;

/// Headers that only a statekeep sends.
const OURS: [&str; 3] = ["statekeep-instance", "statekeep-version", "statekeep-code"];

/// What a person does next.
const AGAIN: &str = "Nothing was moved. Run this again, or give --transfer=never to continue with \
    the state here.";

/// Another statekeep, and the way to a state there.
pub(super) struct OldServer(Wire);

/// What an answer tells.
enum Told {
    /// A statekeep spoke.
    Statekeep,
    /// Something else did.
    Other,
    /// Nothing answered, or only something on the way.
    Nothing(String),
}

impl OldServer {
    /// The statekeep at a recorded address, with the credentials that its client uses; none if
    /// it is something else.
    pub(super) async fn at(
        record: &Record,
        place: &str,
        here: &StateAddress,
    ) -> Result<Option<Self>, CliError> {
        let Some(address) = record.reached_at() else {
            return Ok(None);
        };
        let known = known_credentials(record);
        if known.is_some() {
            here.refuse_open_way_to(&address)?;
        }
        match ask(&address, known.as_ref()).await? {
            Told::Other => Ok(None),
            Told::Nothing(why) => Err(CliError::Failed(format!(
                "{place} was the backend before, and the server there is unknown: {why}. {AGAIN}"
            ))),
            Told::Statekeep => match known {
                Some((_, password)) => Wire::elsewhere(&address, Secret::new(password))
                    .map(Self)
                    .map(Some),
                None => Err(CliError::Failed(format!(
                    "{place} was the backend before, and is another statekeep, which has to be \
                        locked while the state moves: give {USER} and {PASSWORD} for it. {AGAIN}"
                ))),
            },
        }
    }

    /// The way there.
    pub(super) const fn wire(&self) -> &Wire {
        &self.0
    }
}

/// The user and the password that the client uses: as its block says them, or the environment.
fn known_credentials(record: &Record) -> Option<(String, String)> {
    let setting = |name: &str, unset: &str| {
        let recorded = record.config().get(name).and_then(Value::as_str);
        recorded
            .filter(|value| !value.is_empty())
            .map(str::to_owned)
            .or_else(|| variable(unset))
    };
    setting("username", USER).zip(setting("password", PASSWORD))
}

/// Asks for the lock, which no other product shows as a statekeep does; if that is not answered,
/// for the state itself.
async fn ask(address: &str, known: Option<&(String, String)>) -> Result<Told, CliError> {
    let wrong =
        || CliError::Failed("the recorded address of the backend before is no address".to_owned());
    let state = Url::parse(address).map_err(|_| wrong())?;
    let mut lock = state.clone();
    lock.path_segments_mut()
        .map_err(|()| wrong())?
        .pop_if_empty()
        .push("lock");
    let http = http_elsewhere(address)?;
    match told(&http, Method::GET, lock, known).await {
        Told::Statekeep => Ok(Told::Statekeep),
        Told::Other | Told::Nothing(_) => Ok(told(&http, Method::HEAD, state, known).await),
    }
}

async fn told(http: &Client, method: Method, url: Url, known: Option<&(String, String)>) -> Told {
    let mut request = http.request(method, url);
    if let Some((user, password)) = known {
        request = request.basic_auth(user, Some(password));
    }
    match request.send().await {
        Ok(answer) if is_ours(&answer) => Told::Statekeep,
        Ok(answer) => match answer.status() {
            status if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED => {
                Told::Nothing(format!("it answers {status}"))
            }
            _ => Told::Other,
        },
        Err(error) => Told::Nothing(on_the_way(&error)),
    }
}

/// Whether a statekeep gave an answer, also one that has no id of its data yet.
fn is_ours(answer: &Response) -> bool {
    let headers = answer.headers();
    let has_id = headers.contains_key("request-id");
    let is_problem = headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/problem+json"));
    OURS.iter().any(|name| headers.contains_key(*name)) || (has_id && is_problem)
}
