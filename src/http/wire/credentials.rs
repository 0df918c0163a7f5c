//! The credentials of a request, turned into a [`Caller`] before anything else of it is looked at.

use actix_web::http::header::AUTHORIZATION;
use actix_web::web::Data;
use actix_web::{HttpMessage as _, HttpRequest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::domain::Domain;
use crate::domain::error::Error;
use crate::http::wire::error::ApiError;
use crate::http::wire::origin::{is_at_the_machine, origin};
use crate::model::caller::Caller;
use crate::model::error_code::ErrorCode;
use crate::model::secret::Secret;

/// The caller of a request, for its line in the log, for the event if it is refused, and for
/// another look at the credentials.
pub(in crate::http) struct KnownAs(pub(in crate::http) Caller);

/// Finds out who sent a request. Without credentials the data directory's socket means the
/// operator.
pub(in crate::http) async fn authenticate(request: &HttpRequest) -> Result<Caller, ApiError> {
    let Some(domain) = request.app_data::<Data<Domain>>() else {
        return Err(Error::Internal("no domain".to_owned()).into());
    };
    let origin = origin(request);
    let has_credentials = only_one(request)?;
    let caller = if is_at_the_machine(request) && !has_credentials {
        Caller::operator(origin)
    } else {
        domain
            .logins()
            .authenticate(credentials(request).as_ref(), origin)
            .await?
    };
    let place = domain.engine().place_of_request(&caller)?;
    let mut noted = request.extensions_mut();
    noted.insert(KnownAs(caller.clone()));
    // It is taken until the request is answered.
    noted.insert(place);
    drop(noted);
    Ok(caller)
}

/// Whether a request has credentials. Of two, a proxy that checks them may have looked at the
/// other.
fn only_one(request: &HttpRequest) -> Result<bool, ApiError> {
    let mut given = request.headers().get_all(AUTHORIZATION);
    let first = given.next();
    if given.next().is_some() {
        return Err(ApiError::invalid(
            ErrorCode::BadRequest,
            "the request has two Authorization headers; send one",
        ));
    }
    Ok(first.is_some())
}

/// Looks once more at the credentials of a request that had good ones: a revocation that was
/// answered meanwhile holds for it too.
pub(in crate::http) async fn look_again(
    request: &HttpRequest,
    domain: &Domain,
) -> Result<(), ApiError> {
    let known = request
        .extensions()
        .get::<KnownAs>()
        .map(|known| known.0.clone());
    match known {
        Some(caller) => Ok(domain.logins().look_again(&caller).await?),
        None => Ok(()),
    }
}

/// The secret or token that a request carries. Credentials that cannot be read are an empty one, so
/// that they are refused as bad ones and not as missing ones.
fn credentials(request: &HttpRequest) -> Option<Secret> {
    let unreadable = || Secret::new(String::new());
    request
        .headers()
        .contains_key(AUTHORIZATION)
        .then(|| presented(request).unwrap_or_else(unreadable))
}

/// The secret or token that a request carries, if it can be read.
pub(in crate::http) fn presented(request: &HttpRequest) -> Option<Secret> {
    let header = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, value) = header.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Secret::new(value.trim().to_owned()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(value.trim()).ok()?).ok()?;
    decoded
        .split_once(':')
        .map(|(_, password)| Secret::new(password.to_owned()))
}
