//! Why a request has no answer, or one that is an error; in the words of the command line.

use std::sync::Arc;

use bytes::Bytes;
use reqwest::StatusCode;
use serde_json::Value;

use crate::cli::common::locks::unlock;
use crate::cli::common::translation::translated;
use crate::cli::output::harmless;
use crate::cli::output::text;
use crate::cli::output::{CliError, KnownReason};
use crate::model::name::StateName;

/// Why a request failed.
pub(in crate::cli) enum RequestError {
    /// The server did not answer.
    Unreachable(String),
    /// The server's answer is an error.
    Answered(Box<ErrorAnswer>),
}

/// An answer that is an error, and what was asked.
pub(in crate::cli) struct ErrorAnswer {
    status: StatusCode,
    body: Value,
    path: String,
    server: Arc<Server>,
}

/// Who asks whom.
pub(in crate::cli) struct Server {
    /// Its address.
    pub(in crate::cli) base: String,
    /// As whom a person acts there who could have meant to act as the operator, and why so.
    pub(in crate::cli) instead_of_operator: Option<String>,
}

impl RequestError {
    pub(in crate::cli) fn of(failure: CliError) -> Self {
        Self::Unreachable(failure.into_message())
    }

    pub(in crate::cli) fn refused(
        status: StatusCode,
        bytes: &Bytes,
        path: &str,
        server: &Arc<Server>,
    ) -> Self {
        let body = serde_json::from_slice(bytes).unwrap_or_default();
        Self::Answered(Box::new(ErrorAnswer {
            status,
            body,
            path: path.to_owned(),
            server: Arc::clone(server),
        }))
    }

    /// Whether the server has no room at the moment.
    pub(in crate::cli) fn is_busy(&self) -> bool {
        matches!(self, Self::Answered(refused) if refused.status == StatusCode::SERVICE_UNAVAILABLE)
    }

    /// The status and the code of the server's answer, if it gave one.
    pub(in crate::cli) fn status_and_code(&self) -> Option<(u16, String)> {
        let Self::Answered(refused) = self else {
            return None;
        };
        Some((refused.status.as_u16(), text(&refused.body["code"])))
    }

    /// Whether the server's answer has this status.
    pub(in crate::cli) fn has_status(&self, wanted: u16) -> bool {
        self.status_and_code()
            .is_some_and(|(status, _)| status == wanted)
    }

    /// Whether the server's answer has this code.
    pub(in crate::cli) fn has_code(&self, wanted: &str) -> bool {
        self.status_and_code()
            .is_some_and(|(_, code)| code == wanted)
    }

    /// As a person reads it.
    pub(in crate::cli) fn into_failure(self) -> CliError {
        let message = match &self {
            Self::Unreachable(why) => why.clone(),
            Self::Answered(refused) => refused.in_words(),
        };
        self.into_failure_saying(message)
    }

    /// The same with other words for the person.
    pub(in crate::cli) fn into_failure_saying(self, message: String) -> CliError {
        let reason = match self {
            Self::Unreachable(_) => KnownReason::unreachable(),
            Self::Answered(refused) => KnownReason {
                status: Some(refused.status.as_u16()),
                code: harmless(refused.code()),
            },
        };
        CliError::Known { message, reason }
    }

    /// What the server says of its health, if it does not do its work.
    pub(in crate::cli) fn health(&self) -> Option<&Value> {
        let Self::Answered(refused) = self else {
            return None;
        };
        Some(&refused.body).filter(|body| body["problems"].is_array())
    }

    /// The most rows of a page, if more were asked for: the server says it in words.
    pub(in crate::cli) fn largest_page(&self) -> Option<u32> {
        let Self::Answered(refused) = self else {
            return None;
        };
        let detail = refused.body["detail"].as_str().filter(|detail| {
            refused.code() == "bad_query" && detail.starts_with("limit has to be")
        })?;
        detail.rsplit(' ').next()?.parse().ok()
    }
}

impl ErrorAnswer {
    /// The code of the problem; that of a lock in the way is told by the lock that comes instead.
    pub(in crate::cli) fn code(&self) -> &str {
        match (self.body["code"].as_str(), self.body["ID"].as_str()) {
            (Some(code), _) => code,
            (None, Some(_)) => "locked",
            (None, None) => "",
        }
    }

    /// What the server says of it.
    pub(in crate::cli) fn detail(&self) -> &str {
        self.body["detail"].as_str().unwrap_or_default()
    }

    /// The path that was asked for.
    pub(in crate::cli) fn path(&self) -> &str {
        &self.path
    }

    /// The state that was asked for.
    pub(in crate::cli) fn state(&self) -> Option<StateName> {
        let rest = self.path.strip_prefix("/api/terraform/state/workspace/")?;
        let mut parts = rest.split(['/', '?']);
        let (workspace, _, block) = (parts.next()?, parts.next()?, parts.next()?);
        StateName::parse(workspace, block).ok()
    }

    /// What the server says, with what follows from it.
    fn in_words(&self) -> String {
        match (self.body["detail"].as_str(), self.body["ID"].as_str()) {
            (Some(detail), _) => {
                let (code, state) = (self.code(), self.state());
                let (detail, next) =
                    translated(code, &harmless(detail), state.as_ref(), &self.body);
                format!("{detail} ({code}){next}{}", self.as_whom())
            }
            (None, Some(id)) => self.locked(id),
            (None, None) => self.no_statekeep(),
        }
    }

    /// The answer is the lock that is in the way.
    fn locked(&self, id: &str) -> String {
        let (who, since) = (&self.body["Who"], &self.body["Created"]);
        let (who, since) = (text(who), text(since));
        let state = self.state();
        let what = state
            .as_ref()
            .map_or_else(|| "the state".to_owned(), ToString::to_string);
        let next = state.map(|state| unlock(&state, id)).unwrap_or_default();
        let id = harmless(id);
        format!("{what} is locked by {who} since {since}, lock ID {id} (locked){next}")
    }

    /// No statekeep answers so.
    fn no_statekeep(&self) -> String {
        let (server, status) = (&self.server.base, self.status);
        let or = if server.starts_with("http://") {
            ", or does it speak https?"
        } else {
            "?"
        };
        format!("the server at {server} answers {status}; is a statekeep there{or}")
    }

    /// Who was refused, if that may not be who was meant.
    fn as_whom(&self) -> String {
        let is_about_rights = matches!(
            self.status,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
        );
        match &self.server.instead_of_operator {
            Some(who) if is_about_rights => format!(" ({who})"),
            _ => String::new(),
        }
    }
}
