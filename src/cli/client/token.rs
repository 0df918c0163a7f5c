//! The token of one run: for one state alone, kept alive while the command runs, and revoked when
//! the command ends. If it cannot be revoked, it lapses within the hour.
//!
//! The command gets the token and never the key. Neither is on a command line, in a log, in an
//! error or in a `Debug`.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::cli::client::login_source::{LoginSecret, LoginSource};
use crate::cli::client::wire::ApiReply;
use crate::cli::client::wire::Wire;
use crate::cli::common::age::rough;
use crate::cli::common::request_error::RequestError;
use crate::cli::common::rows::rows;
use crate::cli::output::{self, CliError};
use crate::cli::terraform::credentials::HttpCredentials;
use crate::model::clock::{self, Timestamp};
use crate::model::name::{BuildingBlock, StateName, Workspace};
use crate::model::secret::Secret;

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

/// What tokens are made from, and the way to its server.
pub(in crate::cli) struct Key {
    wire: Wire,
    server: String,
    source: LoginSource,
    secret: LoginSecret,
    /// Whether an ID token has given what it can.
    is_spent: bool,
}

impl Key {
    /// From where a command finds it.
    pub(in crate::cli) fn read(source: &LoginSource, server: &str) -> Result<Self, CliError> {
        let secret = source.read()?;
        Ok(Self {
            wire: Wire::elsewhere(server, secret.secret().clone())?,
            server: server.to_owned(),
            source: source.clone(),
            secret,
            is_spent: false,
        })
    }

    /// After how long it is looked at again at the latest.
    const fn look_again_after(&self) -> Duration {
        match self.secret {
            LoginSecret::Key(..) => Duration::MAX,
            LoginSecret::IdToken(_) => LATEST_AGAIN,
        }
    }

    /// Whether it can extend a token: a key always can, an ID token once for each that its file
    /// gets.
    fn has_fresh(&mut self) -> Result<bool, CliError> {
        let LoginSecret::IdToken(was) = &self.secret else {
            return Ok(true);
        };
        let now = self.source.read()?;
        if now.secret() != was {
            self.wire = Wire::elsewhere(&self.server, now.secret().clone())?;
            self.secret = now;
            self.is_spent = false;
        }
        Ok(!self.is_spent)
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
        let mut wanted = self.secret.members();
        wanted["workspace"] = json!(workspace.as_str());
        wanted["buildingBlock"] = json!(block.map(BuildingBlock::as_str));
        wanted["expires_in"] = json!(LIFE);
        wanted
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
        let owner = match &self.secret {
            LoginSecret::Key(id, _) => id.to_string(),
            LoginSecret::IdToken(_) => {
                tell_life(life);
                output::text(&answer["trust"]["id"])
            }
        };
        Ok(RunToken {
            key: Self {
                is_spent: true,
                ..self
            },
            owner,
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

/// Says how long a command may take: its token ends with the ID token.
fn tell_life(life: Duration) {
    if life < Duration::from_secs(LIFE / 2) {
        output::message(&format!(
            "statekeep: the ID token ends in {}; a command that takes longer needs a fresh one in \
                the file of --id-token-file before that",
            rough(life)
        ));
    }
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
    /// The id of the key or trust that it counts as.
    owner: String,
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
            user: self.owner.clone(),
            password: self.secret.clone(),
            hidden: self.key.source.variable().map(str::to_owned),
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
            server,
            source,
            secret,
            ..
        } = &self.key;
        let key = Key {
            wire: Wire::elsewhere(server, secret.secret().clone())?,
            server: server.clone(),
            source: source.clone(),
            secret: secret.clone(),
            is_spent: true,
        };
        Ok(Self {
            key,
            owner: self.owner.clone(),
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

    /// The id of the key or trust that it was made from.
    pub(in crate::cli) fn key_id(&self) -> String {
        self.owner.clone()
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
        let mut wait = (self.life / PARTS).min(self.key.look_again_after());
        let mut was_told = false;
        loop {
            tokio::time::sleep(wait.max(SOONEST_AGAIN)).await;
            wait = match self.extend().await {
                Ok(()) => (self.life / PARTS).min(self.key.look_again_after()),
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
        if !self.key.has_fresh().map_err(CliError::into_message)? {
            // The file may get a fresh one at any time until then.
            return Ok(());
        }
        let limit = (self.life / PARTS).min(ANSWER_TIMEOUT);
        let answer = self
            .key
            .within(limit, "POST", "/api/token/extend", &self.named())
            .await
            .and_then(|reply| reply.json());
        self.life = life(&answer.map_err(CliError::into_message)?);
        self.key.is_spent = true;
        self.lapses = clock::now() + self.life;
        Ok(())
    }

    /// Ends it, or says when it ends by itself.
    pub(in crate::cli) async fn end(self) {
        if let LoginSecret::IdToken(_) = self.key.secret {
            // The token ends itself: the ID token may have ended, or be taken once only.
            let wire = self.wire();
            let own = wire.ask_patiently("DELETE", "/api/token", None);
            if !matches!(timeout(END_TIMEOUT, own).await, Ok(Ok(_))) && self.lapses > clock::now() {
                output::message(&format!(
                    "statekeep: the token was not ended and lapses at {}",
                    self.lapses
                ));
            }
            return;
        }
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
