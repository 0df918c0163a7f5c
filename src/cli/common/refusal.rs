//! Why there is no answer that is not an error, in the words of the command line: the API's calls
//! and members become commands and flags, and where there is a next step it is the command that
//! takes it.

use std::str::FromStr as _;
use std::sync::Arc;

use bytes::Bytes;
use reqwest::StatusCode;
use serde_json::Value;

use crate::cli::output::Failure;
use crate::cli::output::harmless;
use crate::cli::output::text;
use crate::cli::output::time;
use crate::model::name::StateName;

/// Why there is no answer that is not an error.
pub(in crate::cli) enum Refusal {
    /// Nobody answered.
    Unreachable(String),
    /// The server's answer is an error.
    Refused(Box<Refused>),
}

/// An answer that is an error, and what was asked.
pub(in crate::cli) struct Refused {
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

impl Refusal {
    pub(in crate::cli) fn of(failure: Failure) -> Self {
        Self::Unreachable(failure.into_message())
    }

    pub(in crate::cli) fn refused(
        status: StatusCode,
        bytes: &Bytes,
        path: &str,
        server: &Arc<Server>,
    ) -> Self {
        let body = serde_json::from_slice(bytes).unwrap_or_default();
        Self::Refused(Box::new(Refused {
            status,
            body,
            path: path.to_owned(),
            server: Arc::clone(server),
        }))
    }

    /// Whether the server has no room at the moment.
    pub(in crate::cli) fn is_busy(&self) -> bool {
        matches!(self, Self::Refused(refused) if refused.status == StatusCode::SERVICE_UNAVAILABLE)
    }

    /// The status and the code of the server's answer, where it gave one.
    pub(in crate::cli) fn status_and_code(&self) -> Option<(u16, String)> {
        let Self::Refused(refused) = self else {
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
    pub(in crate::cli) fn into_failure(self) -> Failure {
        match self {
            Self::Unreachable(why) => Failure::Failed(why),
            Self::Refused(refused) => Failure::Failed(refused.in_words()),
        }
    }

    /// The most rows of a page, where more were asked for: the server says it in words.
    pub(in crate::cli) fn largest_page(&self) -> Option<u32> {
        let Self::Refused(refused) = self else {
            return None;
        };
        let detail = refused.body["detail"].as_str().filter(|detail| {
            refused.code() == "bad_query" && detail.starts_with("limit has to be")
        })?;
        detail.rsplit(' ').next()?.parse().ok()
    }
}

impl Refused {
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
        if let Some(detail) = self.body["detail"].as_str() {
            let (detail, next) = translated(
                self.code(),
                &harmless(detail),
                self.state().as_ref(),
                &self.body,
            );
            return format!("{detail} ({}){next}{}", self.code(), self.as_whom());
        }
        if let Some(id) = self.body["ID"].as_str() {
            let (who, since) = (
                harmless(&text(&self.body["Who"])),
                harmless(&text(&self.body["Created"])),
            );
            let state = self.state();
            let what = state
                .as_ref()
                .map_or_else(|| "the state".to_owned(), ToString::to_string);
            let next = state.map(|state| unlock(&state, id)).unwrap_or_default();
            return format!(
                "{what} is locked by {who} since {since}, lock ID {} (locked){next}",
                harmless(id)
            );
        }
        let scheme = if self.server.base.starts_with("http://") {
            ", or does it speak https?"
        } else {
            ""
        };
        format!(
            "the server at {} answers {}; is a statekeep there{}",
            self.server.base,
            self.status,
            if scheme.is_empty() { "?" } else { scheme }
        )
    }

    /// Who was refused, where that may not be who was meant.
    fn as_whom(&self) -> String {
        let is_about_rights = matches!(
            self.status,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
        );
        let who = self
            .server
            .instead_of_operator
            .as_ref()
            .filter(|_| is_about_rights);
        who.map(|who| format!(" ({who})")).unwrap_or_default()
    }
}

/// What a holder's lock says, with when the server saw it taken.
pub(in crate::cli) fn held(state: &StateName, held: &Value) -> String {
    let lock = &held["lock"];
    let (key, who) = (
        harmless(&text(&held["key"]["name"])),
        harmless(&text(&lock["Who"])),
    );
    let operation = lock["Operation"]
        .as_str()
        .map(|operation| format!(" for {}", harmless(operation)))
        .unwrap_or_default();
    format!(
        "{state} is locked by the key {key} ({who}){operation} since {}, lock ID {}",
        time(&held["locked_at"]),
        harmless(&text(&lock["ID"]))
    )
}

/// The command that releases a lock, as the end of a sentence.
pub(in crate::cli) fn unlock(state: &StateName, id: &str) -> String {
    let quoted = shlex::try_quote(id).map_or_else(|_| "ID".to_owned(), |quoted| harmless(&quoted));
    format!("; if nothing runs under it any more: statekeep state unlock {state} --id {quoted}")
}

/// The server's words in those of the command line, and the next step.
pub(in crate::cli) fn translated(
    code: &str,
    detail: &str,
    state: Option<&StateName>,
    body: &Value,
) -> (String, String) {
    let state = state.map_or_else(|| "W/B".to_owned(), ToString::to_string);
    let history = format!("`statekeep state history {state}`");
    let detail = match code {
        "no_key" => "there is no key with this id".to_owned(),
        "no_policy" => detail.replace("; GET /api/retention says what holds", ""),
        "verify_runs" => {
            "a verification is running, and one at a time is enough; wait until it is done"
                .to_owned()
        }
        "encrypted" => detail.replace(
            "Send allow_serial_regression",
            "Say --allow-serial-regression",
        ),
        _ => detail.replace(", or add ?force=true", ""),
    };
    let detail = detail
        .replace("; see its /versions", "")
        .replace("its /versions", &history);
    let next = match code {
        "no_version" => format!("; {history} lists them"),
        "no_key" => "; `statekeep key list` lists them".to_owned(),
        "no_policy" => "; `statekeep retention list` says what holds".to_owned(),
        "version_held" => format!("; `statekeep state release {state} VERSION` ends a hold"),
        "not_current" => format!("; {history} says what came since"),
        "not_deleted" => format!("; `statekeep state delete {state}` first"),
        "locked" => body["lock"]["ID"]
            .as_str()
            .or(body["ID"].as_str())
            .map_or_else(String::new, |id| {
                StateName::from_str(&state)
                    .map(|state| unlock(&state, id))
                    .unwrap_or_default()
            }),
        "moved" => {
            let to = &body["moved_to"];
            format!(
                "; `statekeep state show {}/{}` shows it",
                text(&to["workspace"]),
                text(&to["buildingBlock"])
            )
        }
        _ => String::new(),
    };
    (detail, next)
}
