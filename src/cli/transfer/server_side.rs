//! What the server knows of a state that moves: whether it is there, the intent to move it, and
//! that it has moved.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::cli::client::wire::Wire;
use crate::cli::common::refusal::Refusal;
use crate::cli::output::{self, Failure};

/// A state on a server, by the server's own words.
pub(super) struct Ours<'a> {
    wire: &'a Wire,
    /// Its address below the server's.
    path: String,
}

/// What is at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// A state.
    Live,
    /// Nothing, or what was deleted.
    Nothing,
    /// A state was there, and has left for another backend.
    Transferred,
    /// A state was there, and has another address on this server.
    Moved,
}

/// An intent that the server has recorded; its lock is held.
pub(super) struct Intent {
    /// The current version, which cannot change while the lock is held.
    version: u64,
    /// The lock's ID.
    pub(super) lock: String,
}

impl Intent {
    fn of(transfer: &Value) -> Result<Self, Failure> {
        let (Some(version), Some(lock)) = (transfer["version"].as_u64(), transfer["lock"].as_str())
        else {
            return Err(Failure::Failed(
                "the server's answer is no transfer; is it a statekeep of this version?".to_owned(),
            ));
        };
        Ok(Self {
            version,
            lock: lock.to_owned(),
        })
    }
}

impl<'a> Ours<'a> {
    pub(super) const fn new(wire: &'a Wire, path: String) -> Self {
        Self { wire, path }
    }

    async fn ask(&self, method: &str, below: &str, body: Option<Value>) -> Result<Value, Refusal> {
        let body = body.map(|body| Bytes::from(body.to_string()));
        let reply = self
            .wire
            .ask_patiently(method, &format!("{}{below}", self.path), body)
            .await?;
        reply.json().map_err(Refusal::of)
    }

    /// What is there.
    pub(super) async fn standing(&self) -> Result<Standing, Failure> {
        // An answer to HEAD has no body, and so does not say which 410 it is.
        if let Err(refusal) = self.ask("GET", "/lock", None).await {
            match refusal
                .status_and_code()
                .as_ref()
                .map(|(status, code)| (*status, code.as_str()))
            {
                Some((404, "no_lock")) => {}
                Some((410, "transferred")) => return Ok(Standing::Transferred),
                Some((410, _)) => return Ok(Standing::Moved),
                _ => return Err(refusal.into_failure()),
            }
        }
        match self.wire.ask_patiently("HEAD", &self.path, None).await {
            Ok(_) => Ok(Standing::Live),
            Err(refusal) if refusal.has_status(404) => Ok(Standing::Nothing),
            Err(refusal) => Err(refusal.into_failure()),
        }
    }

    /// The current version's bytes.
    pub(super) async fn bytes(&self) -> Result<Bytes, Failure> {
        Ok(self
            .wire
            .ask_patiently("GET", &self.path, None)
            .await
            .map_err(Refusal::into_failure)?
            .bytes)
    }

    /// All versions, newest first, as the list shows them.
    pub(super) async fn versions(&self) -> Result<Vec<Value>, Failure> {
        let path = format!("{}/versions", self.path);
        let mut list = self
            .wire
            .list(&path, "versions", "before", None)
            .await
            .map_err(Refusal::into_failure)?;
        Ok(list["versions"]
            .as_array_mut()
            .map(std::mem::take)
            .unwrap_or_default())
    }

    /// A version's bytes.
    pub(super) async fn version(&self, number: u64) -> Result<Bytes, Failure> {
        let path = format!("{}/versions/{number}", self.path);
        Ok(self
            .wire
            .ask_patiently("GET", &path, None)
            .await
            .map_err(Refusal::into_failure)?
            .bytes)
    }

    /// The intent that was recorded, if one is open.
    pub(super) async fn begun(&self) -> Result<Option<Intent>, Failure> {
        match self.ask("GET", "/transfer", None).await {
            Ok(transfer) if transfer["done_at"].is_null() => Intent::of(&transfer).map(Some),
            Ok(_) => Ok(None),
            Err(refusal) if refusal.has_status(404) => Ok(None),
            Err(refusal) => Err(refusal.into_failure()),
        }
    }

    /// Where it has gone.
    pub(super) async fn left_for(&self) -> Result<String, Failure> {
        Ok(output::text(
            &self
                .ask("GET", "/transfer", None)
                .await
                .map_err(Refusal::into_failure)?["to"],
        ))
    }

    /// Records where the state is going, and locks it; an intent of before for the same place goes
    /// on.
    pub(super) async fn begin(&self, to: &str) -> Result<Intent, Refusal> {
        let intent = self
            .ask("POST", "/transfer", Some(json!({ "to": to })))
            .await?;
        Intent::of(&intent).map_err(Refusal::of)
    }

    /// Gives the state free again; nothing has moved.
    pub(super) async fn abandon(&self) -> Result<Value, Failure> {
        self.ask("DELETE", "/transfer", None)
            .await
            .map_err(Refusal::into_failure)
    }

    /// The state has moved: its address says so from now on.
    pub(super) async fn done(&self, intent: &Intent) -> Result<(), Failure> {
        let body = json!({ "version": intent.version });
        self.ask("POST", "/transfer/done", Some(body))
            .await
            .map(drop)
            .map_err(Refusal::into_failure)
    }

    /// Stores a state from elsewhere with its serial and lineage, where none lives, or only what
    /// has come from there before.
    pub(super) async fn arrive(&self, state: Vec<u8>, has_come: bool) -> Result<(), Failure> {
        let path = format!(
            "{}/import?{}=true",
            self.path,
            if has_come { "append" } else { "arrive" }
        );
        self.wire
            .ask_patiently("POST", &path, Some(Bytes::from(state)))
            .await
            .map(drop)
            .map_err(Refusal::into_failure)
    }

    /// Brings the state back that had left.
    pub(super) async fn restore(&self) -> Result<(), Failure> {
        self.ask("POST", "/restore", None)
            .await
            .map(drop)
            .map_err(Refusal::into_failure)
    }
}

/// Says something of a move to the person who runs it.
pub(super) fn tell(text: &str) {
    output::message(&format!("statekeep: {text}"));
}
