//! What the server knows of a state that moves: whether it is there, the transfer that has begun,
//! and that it has moved.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::cli::client::wire::Wire;
use crate::cli::common::request_error::RequestError;
use crate::cli::common::rows::{refuse_damaged, take_rows};
use crate::cli::output::{self, CliError};

/// A state on a server, by the server's own words.
pub(super) struct ServerSide<'a> {
    wire: &'a Wire,
    /// Its address below the server's.
    path: String,
}

/// What is at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StateStatus {
    /// A state.
    Live,
    /// Nothing, or what was deleted.
    Nothing,
    /// A state was there, and has left for another backend.
    Transferred,
    /// A state was there, and has another address on this server.
    Moved,
}

/// A transfer that the server has recorded; its lock is held.
pub(super) struct OpenTransfer {
    /// The current version, which cannot change while the lock is held.
    version: u64,
    /// The lock's ID.
    pub(super) lock: String,
}

impl OpenTransfer {
    fn of(transfer: &Value) -> Result<Self, CliError> {
        let (Some(version), Some(lock)) = (transfer["version"].as_u64(), transfer["lock"].as_str())
        else {
            return Err(CliError::Failed(
                "the server's answer is no transfer; is it a statekeep of this version?".to_owned(),
            ));
        };
        Ok(Self {
            version,
            lock: lock.to_owned(),
        })
    }
}

impl<'a> ServerSide<'a> {
    pub(super) const fn new(wire: &'a Wire, path: String) -> Self {
        Self { wire, path }
    }

    async fn ask(
        &self,
        method: &str,
        below: &str,
        body: Option<Value>,
    ) -> Result<Value, RequestError> {
        let body = body.map(|body| Bytes::from(body.to_string()));
        let path = format!("{}{below}", self.path);
        let reply = self.wire.ask_patiently(method, &path, body).await?;
        reply.json().map_err(RequestError::of)
    }

    async fn fetch(&self, below: &str) -> Result<Bytes, CliError> {
        let path = format!("{}{below}", self.path);
        let reply = self.wire.ask_patiently("GET", &path, None).await;
        Ok(reply.map_err(RequestError::into_failure)?.bytes)
    }

    /// What is there.
    pub(super) async fn status(&self) -> Result<StateStatus, CliError> {
        // An answer to HEAD has no body, and so does not say which 410 it is.
        if let Err(refusal) = self.ask("GET", "/lock", None).await {
            match refusal.status_and_code() {
                Some((404, code)) if code == "no_lock" => {}
                Some((410, code)) if code == "transferred" => return Ok(StateStatus::Transferred),
                Some((410, _)) => return Ok(StateStatus::Moved),
                _ => return Err(refusal.into_failure()),
            }
        }
        match self.wire.ask_patiently("HEAD", &self.path, None).await {
            Ok(_) => Ok(StateStatus::Live),
            Err(refusal) if refusal.has_status(404) => Ok(StateStatus::Nothing),
            Err(refusal) => Err(refusal.into_failure()),
        }
    }

    /// The current version's bytes.
    pub(super) async fn bytes(&self) -> Result<Bytes, CliError> {
        self.fetch("").await
    }

    /// A version's bytes.
    pub(super) async fn version(&self, number: u64) -> Result<Bytes, CliError> {
        self.fetch(&format!("/versions/{number}")).await
    }

    /// All versions, newest first, as the list shows them.
    pub(super) async fn versions(&self) -> Result<Vec<Value>, CliError> {
        let path = format!("{}/versions", self.path);
        let list = self.wire.list(&path, "versions", "before", None).await;
        let mut list = list.map_err(RequestError::into_failure)?;
        refuse_damaged(&list)?;
        Ok(take_rows(&mut list, "versions"))
    }

    /// The transfer that has begun and is not done, if there is one.
    pub(super) async fn begun(&self) -> Result<Option<OpenTransfer>, CliError> {
        match self.ask("GET", "/transfer", None).await {
            Ok(transfer) if transfer["done_at"].is_null() => OpenTransfer::of(&transfer).map(Some),
            Ok(_) => Ok(None),
            Err(refusal) if refusal.has_status(404) => Ok(None),
            Err(refusal) => Err(refusal.into_failure()),
        }
    }

    /// Where it has gone.
    pub(super) async fn left_for(&self) -> Result<String, CliError> {
        let transfer = self.ask("GET", "/transfer", None).await;
        let transfer = transfer.map_err(RequestError::into_failure)?;
        Ok(transfer["to"].as_str().unwrap_or("-").to_owned())
    }

    /// Records where the state is going, and locks it. A transfer to the same place that has
    /// begun before goes on.
    pub(super) async fn begin(&self, to: &str) -> Result<OpenTransfer, RequestError> {
        let transfer = self
            .ask("POST", "/transfer", Some(json!({ "to": to })))
            .await?;
        OpenTransfer::of(&transfer).map_err(RequestError::of)
    }

    /// Unlocks the state again; nothing has moved.
    pub(super) async fn abandon(&self) -> Result<Value, CliError> {
        self.ask("DELETE", "/transfer", None)
            .await
            .map_err(RequestError::into_failure)
    }

    /// The state has moved: its address says so from now on.
    pub(super) async fn done(&self, transfer: &OpenTransfer) -> Result<(), CliError> {
        let body = json!({ "version": transfer.version });
        self.ask("POST", "/transfer/done", Some(body))
            .await
            .map(drop)
            .map_err(RequestError::into_failure)
    }

    /// Stores a state from elsewhere with its serial and lineage, if none lives, or only what
    /// has come from there before.
    pub(super) async fn arrive(&self, state: Vec<u8>, has_come: bool) -> Result<(), CliError> {
        let path = format!(
            "{}/import?{}=true",
            self.path,
            if has_come { "append" } else { "arrive" }
        );
        self.wire
            .ask_patiently("POST", &path, Some(Bytes::from(state)))
            .await
            .map(drop)
            .map_err(RequestError::into_failure)
    }

    /// Brings the state back that had left.
    pub(super) async fn restore(&self) -> Result<(), CliError> {
        self.ask("POST", "/restore", None)
            .await
            .map(drop)
            .map_err(RequestError::into_failure)
    }
}

/// Says something of a move to the person who runs it.
pub(super) fn tell(text: &str) {
    output::message(&format!("statekeep: {text}"));
}
