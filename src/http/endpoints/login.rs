//! Tokens: made from a key as meshStack does it, or from an ID token; extended, ended.

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
    client_id: Option<String>,
    client_secret: Option<String>,
    #[serde(rename = "grant_type")]
    grant_type: Option<String>,
    assertion: Option<String>,
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
    client_id: Option<String>,
    client_secret: Option<String>,
    assertion: Option<String>,
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
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// What a login proves who asks with.
enum LoginProof {
    /// A key's id and secret.
    Key(String, Secret),
    /// An ID token.
    IdToken(Secret),
}

/// A login, whichever way it was written.
struct ParsedLogin {
    proof: LoginProof,
    wanted: WantedToken,
}

impl LoginProof {
    /// What was given, by its grant type. `names` are those of a key's id and secret.
    fn read(
        grant_type: Option<&str>,
        key: (Option<String>, Option<String>),
        assertion: Option<String>,
        names: [&str; 2],
    ) -> Result<Self, ApiError> {
        let bad = |detail: String| ApiError::invalid(ErrorCode::BadBody, detail);
        match grant_type {
            Some(JWT_BEARER) => match (key, assertion) {
                ((None, None), Some(assertion)) => Ok(Self::IdToken(Secret::new(assertion))),
                (_, None) => Err(bad("`assertion` is missing".to_owned())),
                (_, Some(_)) => Err(bad(format!("an assertion stands without {}", names[0]))),
            },
            Some(CLIENT_CREDENTIALS) => match (key, assertion) {
                ((Some(id), Some(secret)), None) => Ok(Self::Key(id, Secret::new(secret))),
                ((None, _), None) => Err(bad(format!("`{}` is missing", names[0]))),
                ((_, None), None) => Err(bad(format!("`{}` is missing", names[1]))),
                (_, Some(_)) => Err(bad(format!("an assertion needs grant_type={JWT_BEARER}"))),
            },
            Some(_) | None => Err(ApiError::invalid(
                ErrorCode::UnsupportedGrantType,
                format!("grant_type has to be {CLIENT_CREDENTIALS} or {JWT_BEARER}"),
            )),
        }
    }
}

impl FormLogin {
    fn parsed(self) -> Result<ParsedLogin, ApiError> {
        let key = (self.client_id, self.client_secret);
        let names = |names: String| names.split_whitespace().map(str::to_owned).collect();
        Ok(ParsedLogin {
            proof: LoginProof::read(
                self.grant_type.as_deref(),
                key,
                self.assertion,
                ["client_id", "client_secret"],
            )?,
            wanted: WantedToken {
                workspace: self.workspace,
                block: self.building_block,
                permissions: self.permissions.map(names),
                expires_in: self.expires_in.map(Whole::get),
                renewable: self.renewable,
            },
        })
    }
}

impl JsonLogin {
    fn parsed(self) -> Result<ParsedLogin, ApiError> {
        let key = (self.client_id, self.client_secret);
        // meshStack's form has none, and one beside a key was never looked at.
        let usual = Some(CLIENT_CREDENTIALS).filter(|_| self.assertion.is_none());
        let grant_type = usual.or(self.grant_type.as_deref());
        Ok(ParsedLogin {
            proof: LoginProof::read(
                grant_type,
                key,
                self.assertion,
                ["clientId", "clientSecret"],
            )?,
            wanted: WantedToken {
                workspace: self.workspace,
                block: self.building_block,
                permissions: self.permissions,
                expires_in: self.expires_in,
                renewable: self.renewable,
            },
        })
    }
}

fn parse(request: &HttpRequest, body: &[u8]) -> Result<ParsedLogin, ApiError> {
    let kind = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if !kind
        .to_ascii_lowercase()
        .starts_with("application/x-www-form-urlencoded")
    {
        return body::parse::<JsonLogin>(body)?.parsed();
    }
    // What the parser says may repeat a secret.
    let bad = |error: String| {
        let usual = || {
            "the form needs grant_type=client_credentials with client_id and client_secret, or \
                that of an ID token with assertion; docs/api.md says what else it takes"
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
        .parsed()
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
    let ParsedLogin { proof, wanted } = parse(&request, &body)?;
    let (logins, origin) = (domain.logins(), origin(&request));
    let issued = match proof {
        LoginProof::Key(id, secret) => logins.login(&id, &secret, wanted, origin).await?,
        LoginProof::IdToken(assertion) => logins.exchange(&assertion, &wanted, origin).await?,
    };
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
    if let Some(trust) = &issued.trust {
        answer["trust"] = json!(trust);
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
