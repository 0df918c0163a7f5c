//! `POST /api/terraform/detect`: whether a root module configures a backend. The files are sent,
//! and nothing of them is kept.

use std::time::Duration;

use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;

use crate::domain::Domain;
use crate::domain::engine::aside::AsideTurn;
use crate::domain::error::Error;
use crate::hcl::{self, Ask, BadFiles, Detection, Members, Program, SIZE_PARSED, Source};
use crate::http::wire::body::{self, ReceivedBody};
use crate::http::wire::caller::Authenticated;
use crate::http::wire::credentials::look_again;
use crate::http::wire::error::ApiError;
use crate::http::wire::{query, reply};
use crate::model::clock;
use crate::model::error_code::ErrorCode;

/// The parameters beside a tar.
pub(in crate::http) const PARAMETERS: &str = "program include_json";
/// The largest body, in bytes.
const MAX_MODULE: u64 = 4 * 1024 * 1024;
/// The largest file in it, in bytes. To parse one takes many times its size in memory.
const MAX_SENT_FILE: u64 = 1024 * 1024;
/// How long a detection may take. Real modules take some milliseconds.
const MAX_TIME: Duration = Duration::from_secs(2);
/// The memory for the files of a body and for the answer, beside the body, as a multiple of its
/// size.
const COPIES: u64 = 3;

/// How the module is to be looked at: members of the JSON body, or the query beside a tar.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    files: Members<String>,
    program: Option<Asked>,
    #[serde(default)]
    include_json: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    program: Option<Asked>,
    #[serde(default)]
    include_json: bool,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Asked {
    Terraform,
    Tofu,
}

impl From<Asked> for Program {
    fn from(asked: Asked) -> Self {
        match asked {
            Asked::Terraform => Self::Terraform,
            Asked::Tofu => Self::Tofu,
        }
    }
}

fn ask(program: Option<Asked>, include_json: bool) -> Ask {
    Ask {
        program: program.map(Program::from),
        include_json,
    }
}

pub(in crate::http) async fn detect(
    known: Authenticated,
    request: HttpRequest,
    mut payload: Payload,
    domain: Data<Domain>,
) -> Result<HttpResponse, ApiError> {
    let asked: Query = query::read(&request)?;
    let kind = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    let is_tar = matches!(
        kind.split(';').next().unwrap_or_default().trim(),
        "application/x-tar" | "application/tar"
    );
    if !is_tar && !request.query_string().is_empty() {
        return Err(ApiError::invalid(
            ErrorCode::BadQuery,
            "a JSON body holds `program` and `include_json` itself; the query is for a tar",
        ));
    }
    let place = domain.engine().place_aside(&known.0)?;
    let body = body::read(
        &request,
        &mut payload,
        &domain,
        body::at_most(MAX_MODULE, ErrorCode::ModuleTooLarge),
    )
    .await?;
    let ask = ask(asked.program, asked.include_json);
    let turn = place.turn().await?;
    let detection = look(&domain, body, is_tar.then_some(ask), turn).await?;
    look_again(&request, &domain).await?;
    reply::list(&request, &domain, &detection).await
}

/// Takes the body apart and looks at it, aside of the cores and within memory that is reserved for
/// it.
async fn look(
    domain: &Domain,
    body: ReceivedBody,
    of_tar: Option<Ask>,
    turn: AsideTurn,
) -> Result<Detection, ApiError> {
    let size = body.bytes.len() as u64;
    let needed = size * COPIES + size.min(MAX_SENT_FILE) * SIZE_PARSED;
    let work = move |_reserved| {
        let until = clock::monotonic() + MAX_TIME;
        // The body's own memory comes back with it.
        let ReceivedBody { bytes, reservation } = body;
        let looked = match of_tar {
            Some(ask) => hcl::of_archive(&bytes)
                .map(|sources| (sources, ask))
                .map_err(bad_files),
            None => of_json(&bytes),
        };
        let judge = |(sources, ask)| Ok(hcl::judge_until(small(sources)?, ask, Some(until)));
        let judged = looked.and_then(judge);
        drop((bytes, reservation));
        judged
    };
    domain.engine().aside(turn, needed, work).await?
}

fn of_json(bytes: &[u8]) -> Result<(Vec<Source>, Ask), ApiError> {
    let Sent {
        files,
        program,
        include_json,
    } = body::parse(bytes)?;
    Ok((
        hcl::of_map(files.0).map_err(bad_files)?,
        ask(program, include_json),
    ))
}

fn small(sources: Vec<Source>) -> Result<Vec<Source>, ApiError> {
    match sources.iter().find(|source| source.size() > MAX_SENT_FILE) {
        None => Ok(sources),
        Some(source) => {
            let detail = format!(
                "the file {:?} is larger than {MAX_SENT_FILE} bytes, the most that is taken here",
                source.name()
            );
            Err(ApiError::Domain(Error::TooLarge {
                code: ErrorCode::ModuleTooLarge,
                detail,
            }))
        }
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is what `map_err` hands over"
)]
fn bad_files(error: BadFiles) -> ApiError {
    ApiError::invalid(ErrorCode::BadFiles, error.to_string())
}
