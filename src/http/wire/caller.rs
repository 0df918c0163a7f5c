//! The proof that a request may be looked at: its credentials were good, and its query and its
//! address are in order. Handlers take one of these types, so that none of them can forget to ask.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use crate::http::wire::credentials::authenticate;
use crate::http::wire::error::ApiError;
use crate::http::wire::{path, query, redirected};
use crate::model::caller::Caller;
use crate::model::error_code::ErrorCode;
use crate::model::name::StateName;

type Extraction<T> = Pin<Box<dyn Future<Output = Result<T, ApiError>>>>;

/// A caller with good credentials.
pub(in crate::http) struct Authenticated(pub(in crate::http) Caller);

impl FromRequest for Authenticated {
    type Error = ApiError;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            query::judge(&request)?;
            authenticate(&request).await.map(Self)
        })
    }
}

/// A caller with good credentials, and the state in the path.
///
/// They are judged in this order, so that nobody learns anything without credentials. A redirect
/// and a query that does not belong there come before both. A program is then refused at its first
/// request and not at its last.
pub(in crate::http) struct OnState {
    pub(in crate::http) caller: Caller,
    pub(in crate::http) name: StateName,
}

impl FromRequest for OnState {
    type Error = ApiError;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            redirected::refuse(&request).await?;
            query::judge(&request)?;
            let caller = authenticate(&request).await?;
            let name = path::state(&request)
                .map_err(|error| ApiError::invalid(ErrorCode::BadAddress, error.to_string()))?;
            Ok(Self { caller, name })
        })
    }
}
