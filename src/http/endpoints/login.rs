//! Tokens: made from a key as meshStack does it, extended, ended.

use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::json;

use crate::domain::Domain;
use crate::domain::auth::logins::{Issued, WantedToken};
use crate::http::wire::caller::Authenticated;
use crate::http::wire::credentials::presented;
use crate::http::wire::error::ApiError;
use crate::http::wire::origin::origin;
use crate::http::wire::query::{self, Whole};
use crate::http::wire::{body, login_body, reply};
use crate::model::error_code::ErrorCode;
use crate::model::secret::Secret;
use crate::sabotage::{self, Fault};

/// JSON, with meshStack's names.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JsonLogin {
    client_id: String,
    client_secret: String,
    workspace: Option<String>,
    building_block: Option<String>,
    permissions: Option<Vec<String>>,
    #[serde(rename = "expires_in")]
    expires_in: Option<u64>,
    #[serde(default)]
    renewable: bool,
}

/// A form, with the names of OAuth 2.
#[derive(Deserialize)]
struct FormLogin {
    client_id: String,
    client_secret: String,
    grant_type: Option<String>,
    workspace: Option<String>,
    #[serde(rename = "buildingBlock")]
    building_block: Option<String>,
    permissions: Option<String>,
    expires_in: Option<Whole<u64>>,
    #[serde(default)]
    renewable: bool,
}

const CLIENT_CREDENTIALS: &str = "client_credentials";

impl FormLogin {
    fn into_json(self) -> Result<JsonLogin, ApiError> {
        if self.grant_type.as_deref() != Some(CLIENT_CREDENTIALS) {
            return Err(ApiError::invalid(
                ErrorCode::UnsupportedGrantType,
                "grant_type has to be client_credentials",
            ));
        }
        Ok(JsonLogin {
            client_id: self.client_id,
            client_secret: self.client_secret,
            workspace: self.workspace,
            building_block: self.building_block,
            permissions: self
                .permissions
                .map(|names| names.split_whitespace().map(str::to_owned).collect()),
            expires_in: self.expires_in.map(Whole::get),
            renewable: self.renewable,
        })
    }
}

fn parse(request: &HttpRequest, body: &[u8]) -> Result<JsonLogin, ApiError> {
    let kind = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if !kind
        .to_ascii_lowercase()
        .starts_with("application/x-www-form-urlencoded")
    {
        return body::parse(body);
    }
    // What the parser says may repeat a secret.
    let bad = |error: String| {
        let usual = || {
            "the form needs client_id, client_secret and grant_type=client_credentials; \
                docs/api.md says what else it takes"
                .to_owned()
        };
        ApiError::invalid(
            ErrorCode::BadBody,
            body::missing_or_unknown(&error).unwrap_or_else(usual),
        )
    };
    let text = std::str::from_utf8(body).map_err(|error| bad(error.to_string()))?;
    actix_web::web::Query::<FormLogin>::from_query(text)
        .map_err(|error| bad(error.to_string()))?
        .into_inner()
        .into_json()
}

pub(in crate::http) async fn login(
    request: HttpRequest,
    mut payload: Payload,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    query::judge(&request)?;
    let body = if sabotage::is(Fault::Logins) {
        body::small(&request, &mut payload, &domain).await?
    } else {
        login_body::read(&request, &mut payload).await?
    };
    let login = parse(&request, &body)?;
    let wanted = WantedToken {
        workspace: login.workspace,
        block: login.building_block,
        permissions: login.permissions,
        expires_in: login.expires_in,
        renewable: login.renewable,
    };
    let secret = Secret::new(login.client_secret);
    let issued = domain
        .logins()
        .login(&login.client_id, &secret, wanted, origin(&request))
        .await?;
    Ok(answer(&issued))
}

fn answer(issued: &Issued) -> HttpResponse {
    let mut answer = json!({ "token_type": "Bearer", "expires_in": issued.expires_in.as_secs() });
    if let Some(token) = &issued.token {
        answer["access_token"] = json!(token.reveal());
    }
    if let Some(ends) = issued.key_ends {
        answer["key_ends_at"] = json!(ends);
    }
    if let Some(permissions) = &issued.permissions {
        answer["permissions"] = json!(permissions);
    }
    reply::json(&answer)
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenBody {
    token: Option<String>,
    expires_in: Option<u64>,
}

pub(in crate::http) async fn extend(
    known: Authenticated,
    request: HttpRequest,
    mut payload: Payload,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let body: TokenBody = body::maybe_json(&request, &mut payload, &domain).await?;
    let token = body.token.map(Secret::new);
    let issued = domain
        .logins()
        .extend(
            &known.0,
            presented(&request).as_ref(),
            token.as_ref(),
            body.expires_in,
        )
        .await?;
    Ok(answer(&issued))
}

pub(in crate::http) async fn end(
    known: Authenticated,
    request: HttpRequest,
    mut payload: Payload,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let body: TokenBody = body::maybe_json(&request, &mut payload, &domain).await?;
    domain
        .logins()
        .end(
            &known.0,
            presented(&request).as_ref(),
            body.token.map(Secret::new).as_ref(),
        )
        .await?;
    Ok(HttpResponse::NoContent().finish())
}
