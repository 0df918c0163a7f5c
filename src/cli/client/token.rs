//! The token of one run: for one state alone, kept alive while the command runs, and revoked when
//! the command ends. If it cannot be revoked, it lapses within the hour.
//!
//! The command gets the token and never the key. Neither is on a command line, in a log, in an
//! error or in a `Debug`.

use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::cli::client::wire::ApiReply;
use crate::cli::client::wire::Wire;
use crate::cli::common::age::rough;
use crate::cli::common::reach::secret_in;
use crate::cli::common::request_error::RequestError;
use crate::cli::common::rows::rows;
use crate::cli::output::ShownPath as _;
use crate::cli::output::{self, CliError};
use crate::cli::terraform::credentials::HttpCredentials;
use crate::model::clock::{self, Timestamp};
use crate::model::key::KeyId;
use crate::model::name::{BuildingBlock, StateName, Workspace};
use crate::model::secret::{CredentialKind, Secret};

/// For how long a token is asked for, in seconds. It lapses after that unless it is
/// extended.
const LIFE: u64 = 3_600;
/// The shortest life that is reckoned with.
const SHORTEST_LIFE: Duration = Duration::from_secs(1);
/// A token is extended each time so many parts of its life are over, and sooner when that failed.
const PARTS: u32 = 3;
const PARTS_AFTER_FAILURE: u32 = 30;
/// The bounds of how soon it is tried again.
const SOONEST_AGAIN: Duration = Duration::from_millis(100);
const LATEST_AGAIN: Duration = Duration::from_secs(10);
/// How long the server may take for a token, or to extend one.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// What a plan needs: to read the state, and to lock it.
const PLAN: &str = "TFSTATE_PLAN";
/// How long the server may take to end a token: the command is over already.
const END_TIMEOUT: Duration = Duration::from_secs(5);
/// With how many names a mistyped one is compared.
const MAX_COMPARED: usize = 1_000;

/// The key that tokens are made from, and the way to its server.
pub(in crate::cli) struct Key {
    wire: Wire,
    server: String,
    id: KeyId,
    secret: Secret,
}

impl Key {
    /// From the file that has its secret.
    pub(in crate::cli) fn read(file: &Path, server: &str) -> Result<Self, CliError> {
        let secret = secret_in(file)?;
        let id = match secret.kind() {
            Some(CredentialKind::Key(id)) => Ok(id),
            Some(CredentialKind::Token(_)) => Err(
                "this is a token, and a token makes no tokens; `run` needs an API key's secret, \
                    which begins with skp_",
            ),
            None => Err("this is no API key's secret, or was mistyped; one begins with skp_"),
        };
        let id = id.map_err(|what| CliError::Failed(format!("{}: {what}", file.shown())))?;
        Ok(Self {
            wire: Wire::elsewhere(server, secret.clone())?,
            server: server.to_owned(),
            id,
            secret,
        })
    }

    async fn ask(&self, method: &str, path: &str, body: &Value) -> Result<ApiReply, RequestError> {
        self.wire
            .ask_patiently(method, path, Some(Bytes::from(body.to_string())))
            .await
    }

    /// The answer within a time, or why there is none.
    async fn within(
        &self,
        limit: Duration,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Result<ApiReply, CliError> {
        let asked = timeout(limit, self.ask(method, path, body)).await;
        asked
            .map_err(|_| late(limit))?
            .map_err(RequestError::into_failure)
    }

    /// A token for one state.
    pub(in crate::cli) async fn login(self, state: &StateName) -> Result<RunToken, CliError> {
        self.login_for(&state.workspace, Some(&state.block)).await
    }

    /// A token for one state that writes nothing, if the key can give one; else one with all that
    /// the key may do there.
    pub(in crate::cli) async fn login_to_plan(
        self,
        state: &StateName,
    ) -> Result<RunToken, CliError> {
        let mut wanted = self.wanted(&state.workspace, Some(&state.block));
        wanted["permissions"] = json!([PLAN]);
        match self.ask_for_token(wanted).await {
            Ok(answer) => self.token_in(&answer),
            // A key that may only read.
            Err(refusal) if refusal.has_status(403) => self.login(state).await,
            Err(refusal) => Err(refusal.into_failure()),
        }
    }

    /// A token for one state, or for a workspace.
    pub(in crate::cli) async fn login_for(
        self,
        workspace: &Workspace,
        block: Option<&BuildingBlock>,
    ) -> Result<RunToken, CliError> {
        let wanted = self.wanted(workspace, block);
        let answer = self.ask_for_token(wanted).await;
        self.token_in(&answer.map_err(RequestError::into_failure)?)
    }

    /// What is said of a token that is asked for.
    fn wanted(&self, workspace: &Workspace, block: Option<&BuildingBlock>) -> Value {
        json!({
            "clientId": self.id.to_string(), "clientSecret": self.secret.reveal(),
            "workspace": workspace.as_str(), "buildingBlock": block.map(BuildingBlock::as_str),
            "expires_in": LIFE,
        })
    }

    /// The token in an answer.
    fn token_in(self, answer: &ApiReply) -> Result<RunToken, CliError> {
        let answer = answer.json()?;
        let Some(token) = answer["access_token"].as_str() else {
            return Err(CliError::Failed(
                "the server's answer has no token; is a statekeep at --url?".to_owned(),
            ));
        };
        warn_of_end(&answer["key_ends_at"]);
        let life = life(&answer);
        let permissions = answer["permissions"]
            .as_array()
            .map(|names| names.iter().map(output::text).collect());
        Ok(RunToken {
            key: self,
            secret: Secret::new(token.to_owned()),
            life,
            lapses: clock::now() + life,
            permissions,
        })
    }

    /// Asks for a token with the longest life, or, since a server's tokens may live for less, with
    /// the life that the server gives.
    async fn ask_for_token(&self, mut wanted: Value) -> Result<ApiReply, RequestError> {
        let path = "/api/login";
        let ask = async |wanted: &Value| {
            let asked = timeout(ANSWER_TIMEOUT, self.ask("POST", path, wanted)).await;
            asked.unwrap_or_else(|_| Err(RequestError::of(late(ANSWER_TIMEOUT))))
        };
        match ask(&wanted).await {
            Err(refusal) if refusal.has_status(400) => {
                wanted["expires_in"] = Value::Null;
                ask(&wanted).await
            }
            answer => answer,
        }
    }
}

/// Says that the key ends soon, if the server says so: without it nothing here works.
fn warn_of_end(ends_at: &Value) {
    let Some(end) = ends_at.as_str().and_then(Timestamp::parse) else {
        return;
    };
    let (at, soon) = (output::time(ends_at), rough(end.since(clock::now())));
    output::message(&format!(
        "statekeep: warning: the key of this command ends in {soon}, at {at}; make another one \
            (`statekeep key create`) before that"
    ));
}

/// That no answer came within a time.
fn late(limit: Duration) -> CliError {
    let limit = humantime::format_duration(limit);
    CliError::Failed(format!("the server did not answer within {limit}"))
}

fn life(answer: &Value) -> Duration {
    answer["expires_in"]
        .as_u64()
        .map_or(SHORTEST_LIFE, Duration::from_secs)
        .max(SHORTEST_LIFE)
}

/// A thread that keeps a token alive, until this is gone.
struct Keeper(Option<(oneshot::Sender<Infallible>, std::thread::JoinHandle<()>)>);

impl Keeper {
    fn start(mut token: RunToken) -> std::io::Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let keep = move || {
            crate::http::block_on(async {
                tokio::select! {
                    never = token.keep() => match never {},
                    _ = stopped => {}
                }
            });
        };
        let thread = std::thread::Builder::new()
            .name("token".to_owned())
            .spawn(keep)?;
        Ok(Self(Some((stop, thread))))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.0.take() {
            drop(stop);
            let _ = thread.join();
        }
    }
}

/// A token for one state.
pub(in crate::cli) struct RunToken {
    key: Key,
    secret: Secret,
    life: Duration,
    lapses: Timestamp,
    /// What it may do. Servers of before do not say it.
    permissions: Option<Vec<String>>,
}

impl RunToken {
    /// As the `http` backend takes them.
    pub(in crate::cli) fn credentials(&self) -> HttpCredentials {
        HttpCredentials {
            user: self.key.id.to_string(),
            password: self.secret.clone(),
        }
    }

    /// The way to the server as the token.
    pub(in crate::cli) fn wire(&self) -> Wire {
        self.key.wire.with(self.secret.clone())
    }

    /// Does something that waits for programs on this thread, and has the token extended meanwhile
    /// by another.
    pub(in crate::cli) async fn meanwhile<T>(&self, act: impl Future<Output = T>) -> T {
        let _keeper = self
            .twin()
            .and_then(|twin| Keeper::start(twin).map_err(CliError::from))
            .inspect_err(|why| {
                output::message(&format!(
                    "statekeep: the token is not extended meanwhile: {why:?}"
                ));
            });
        act.await
    }

    /// The same token, with a way to the server of its own: connections belong to the thread that
    /// made them.
    fn twin(&self) -> Result<Self, CliError> {
        let Key {
            server, id, secret, ..
        } = &self.key;
        let key = Key {
            wire: Wire::elsewhere(server, secret.clone())?,
            server: server.clone(),
            id: *id,
            secret: secret.clone(),
        };
        Ok(Self {
            key,
            secret: self.secret.clone(),
            life: self.life,
            lapses: self.lapses,
            permissions: None,
        })
    }

    /// Whether it may write states; what the server does not say counts as a yes, since it judges
    /// itself.
    pub(in crate::cli) fn may_write(&self) -> bool {
        let save = |name: &String| matches!(name.as_str(), "TFSTATE_SAVE" | "ADM_TFSTATE_SAVE");
        self.permissions
            .as_ref()
            .is_none_or(|names| names.iter().any(save))
    }

    /// The id of the key that it was made from.
    pub(in crate::cli) fn key_id(&self) -> String {
        self.key.id.to_string()
    }

    /// The names of the states of a workspace that the key may see; none if they cannot be had.
    pub(in crate::cli) async fn known_states(&self, workspace: &Workspace) -> Vec<String> {
        let path = format!("/api/terraform/state?workspace={workspace}&fields=buildingBlock");
        let wire = &self.key.wire;
        let list = wire
            .list(&path, "states", "after", Some(MAX_COMPARED))
            .await;
        let list = list.unwrap_or_default();
        let name = |row: &Value| Some(format!("{workspace}/{}", row["buildingBlock"].as_str()?));
        rows(&list, "states").iter().filter_map(name).collect()
    }

    /// Extends it again and again, for as long as this is polled.
    pub(in crate::cli) async fn keep(&mut self) -> Infallible {
        let mut wait = self.life / PARTS;
        let mut was_told = false;
        loop {
            tokio::time::sleep(wait.max(SOONEST_AGAIN)).await;
            wait = match self.extend().await {
                Ok(()) => self.life / PARTS,
                Err(why) => {
                    self.tell(&why, was_told);
                    was_told = true;
                    (self.life / PARTS_AFTER_FAILURE).min(LATEST_AGAIN)
                }
            };
        }
    }

    /// Says once that it could not be extended.
    fn tell(&self, why: &str, was_told: bool) {
        if !was_told {
            output::message(&format!(
                "statekeep: the token was not extended and lapses at {}: {why}; trying again",
                self.lapses
            ));
        }
    }

    async fn extend(&mut self) -> Result<(), String> {
        let limit = (self.life / PARTS).min(ANSWER_TIMEOUT);
        let answer = self
            .key
            .within(limit, "POST", "/api/token/extend", &self.named())
            .await
            .and_then(|reply| reply.json());
        self.life = life(&answer.map_err(CliError::into_message)?);
        self.lapses = clock::now() + self.life;
        Ok(())
    }

    /// Ends it, or says when it ends by itself.
    pub(in crate::cli) async fn end(self) {
        if let Err(why) = self
            .key
            .within(END_TIMEOUT, "DELETE", "/api/token", &self.named())
            .await
        {
            output::message(&format!(
                "statekeep: the token was not ended and lapses at {}: {}",
                self.lapses,
                why.into_message()
            ));
        }
    }

    fn named(&self) -> Value {
        json!({ "token": self.secret.reveal() })
    }
}
