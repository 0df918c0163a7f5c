//! Reading the bodies of logins. Those who send them have shown no credentials yet, so they have
//! little memory, little time and few turns, and none of it is anybody else's.

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::web::{Data, Payload};
use tokio::sync::Semaphore;

use crate::config::Network;
use crate::domain::error::Error;
use crate::http::wire::body::{at_most, next};
use crate::http::wire::error::ApiError;
use crate::http::wire::headers::announced_length;
use crate::http::wire::origin::client_ip;
use crate::http::wire::per_network::{Counted, PerNetwork};
use crate::model::clock;
use crate::model::error_code::ErrorCode;

/// The largest body of a login: an ID token, and what is asked for.
const MAX_LOGIN: u64 = 12 * 1024;
/// The time in which it has to be there.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(5);
/// How many of them are read at the same time from one address.
const LOGINS_OF_ONE: usize = 8;
/// How many are read at the same time from all: 6 MiB of them.
const LOGINS_OF_ALL: usize = 512;

/// The turns of logins whose bodies are being read.
pub(in crate::http) struct LoginTurns {
    of_one: Arc<PerNetwork>,
    of_all: Semaphore,
}

impl Default for LoginTurns {
    fn default() -> Self {
        Self {
            of_one: PerNetwork::new(LOGINS_OF_ONE),
            of_all: Semaphore::new(LOGINS_OF_ALL),
        }
    }
}

impl LoginTurns {
    /// A turn for a client; the operator's socket has no address and needs none.
    fn take(&self, request: &HttpRequest) -> Result<Option<Counted>, ApiError> {
        let Some(address) = client_ip(request) else {
            return Ok(None);
        };
        let turn = self.of_one.take(Network::of(address));
        turn.map(Some).ok_or(ApiError::TooManyLogins)
    }
}

/// Reads the body of a login.
pub(in crate::http) async fn read(
    request: &HttpRequest,
    payload: &mut Payload,
) -> Result<Vec<u8>, ApiError> {
    let check = at_most(MAX_LOGIN, ErrorCode::BodyTooLarge);
    check(announced_length(request))?;
    let turns = request
        .app_data::<Data<LoginTurns>>()
        .ok_or_else(|| Error::Internal("no turns for logins".to_owned()))?;
    let _turn = turns.take(request)?;
    let _room = turns.of_all.try_acquire().map_err(|_| Error::OverBudget)?;
    let end = clock::monotonic() + LOGIN_TIMEOUT;
    let mut body = Vec::new();
    let time_left = || end.saturating_duration_since(clock::monotonic());
    while let Some(chunk) = next(payload, time_left()).await? {
        check((body.len() + chunk.len()) as u64)?;
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
