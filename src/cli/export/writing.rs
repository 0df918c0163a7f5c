//! An export that is being written: the manifest's rows, and the bytes of versions in their order.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::cli::client::pages::RawRows;
use crate::cli::client::wire::Wire;
use crate::cli::common::flags::Format;
use crate::cli::common::request_error::RequestError;
use crate::cli::export::args::Layout;
use crate::cli::export::chosen::name_of;
use crate::cli::export::manifest::{self, ManifestState, ManifestWriter};
use crate::cli::export::oldest_first::OldestFirst;
use crate::cli::export::sink::Sink;
use crate::cli::output::{self, CliError, counted, text};
use crate::model::clock::Timestamp;
use crate::model::digest::Digest;
use crate::model::name::StateName;

/// How many versions are asked for at a time.
const AT_A_TIME: usize = 8;
/// How many bytes of versions are asked for at a time, beside one that is larger.
const BYTES_AT_A_TIME: u64 = 64 * 1024 * 1024;

/// An export that is being written.
pub(super) struct Export {
    wire: Arc<Wire>,
    sink: Sink,
    manifest: ManifestWriter,
    layout: Layout,
    /// What is not written yet, in its order.
    under_way: VecDeque<UnderWay>,
    pub(super) versions: u64,
    /// Versions whose content was removed.
    without_file: u64,
    failures: Vec<String>,
}

/// What comes next in the manifest.
enum UnderWay {
    State(ManifestState),
    /// A version without content.
    Purged(Value),
    Version(Asked),
}

/// A version that was asked for.
struct Asked {
    name: StateName,
    row: Value,
    facts: Facts,
    answer: JoinHandle<Result<Bytes, RequestError>>,
}

/// What the list says of a version.
struct Facts {
    number: u64,
    size: u64,
    sha256: String,
    written: Timestamp,
}

impl Drop for Asked {
    fn drop(&mut self) {
        // The answer is not needed any more.
        self.answer.abort();
    }
}

impl Export {
    /// Begins one that has nothing in it.
    pub(super) fn new(
        wire: Arc<Wire>,
        sink: Sink,
        manifest: ManifestWriter,
        layout: Layout,
    ) -> Self {
        Self {
            wire,
            sink,
            manifest,
            layout,
            under_way: VecDeque::new(),
            versions: 0,
            without_file: 0,
            failures: Vec::new(),
        }
    }

    /// Takes a state with its versions in.
    pub(super) async fn state(
        &mut self,
        state: &Value,
        only_current: bool,
    ) -> Result<(), CliError> {
        let name = name_of(state)?;
        let member = |name: &str| state[name].as_str().map(str::to_owned);
        let (deleted_at, transferred_to) = (member("deleted_at"), member("transferred_to"));
        let begun = UnderWay::State(ManifestState::new(&name, deleted_at, transferred_to));
        if only_current {
            self.under_way.push_back(begun);
            return self.version(&name, state["current"].clone()).await;
        }
        let mut versions = match OldestFirst::of(&self.wire, &name).await {
            Ok(versions) => versions,
            Err(refusal) => return self.fail(&name.to_string(), refusal),
        };
        self.under_way.push_back(begun);
        loop {
            match versions.next().await {
                Ok(Some(rows)) => self.rows(&name, rows).await?,
                Ok(None) => break,
                Err(refusal) => {
                    self.fail(&name.to_string(), refusal)?;
                    break;
                }
            }
        }
        let lines = versions.damaged().into_iter();
        self.failures
            .extend(lines.map(|line| format!("{name}: {line}")));
        Ok(())
    }

    async fn rows(&mut self, name: &StateName, rows: RawRows) -> Result<(), CliError> {
        for row in rows {
            let row = serde_json::from_str(row.get()).map_err(CliError::because)?;
            self.version(name, row).await?;
        }
        Ok(())
    }

    /// Asks for the bytes of a version.
    async fn version(&mut self, name: &StateName, mut row: Value) -> Result<(), CliError> {
        let facts = Facts::of(&row)?;
        let number = facts.number;
        if row["purged"] == true {
            self.write_until(AT_A_TIME - 1, BYTES_AT_A_TIME).await?;
            row["file"] = Value::Null;
            self.under_way.push_back(UnderWay::Purged(row));
            self.without_file += 1;
            return Ok(());
        }
        row["file"] = self.file_of(name, number).into();
        let room = BYTES_AT_A_TIME.saturating_sub(facts.size);
        self.write_until(AT_A_TIME - 1, room).await?;
        let path = format!("{}/versions/{number}", name.path());
        let wire = Arc::clone(&self.wire);
        let answer = tokio::spawn(async move {
            let reply = wire.ask_patiently("GET", &path, None).await;
            reply.map(|reply| reply.bytes)
        });
        self.under_way.push_back(UnderWay::Version(Asked {
            name: name.clone(),
            row,
            facts,
            answer,
        }));
        Ok(())
    }

    /// Where the bytes of a version are.
    fn file_of(&self, name: &StateName, number: u64) -> String {
        match self.layout {
            Layout::Statekeep => manifest::file_of(name, number),
            Layout::Terraform => format!("{name}/terraform.tfstate"),
        }
    }

    /// Notes states that are not in the export because they are damaged.
    pub(super) fn leave_out(&mut self, mut damaged: Vec<String>) {
        self.failures.append(&mut damaged);
    }

    /// Writes all that is still under way.
    pub(super) async fn write_all(&mut self) -> Result<(), CliError> {
        self.write_until(0, 0).await
    }

    /// Writes what was asked for first, until no more than so much and so many bytes are under way.
    async fn write_until(&mut self, most: usize, bytes: u64) -> Result<(), CliError> {
        while self.under_way.len() > most || self.bytes_under_way() > bytes {
            match self.under_way.pop_front() {
                None => break,
                Some(UnderWay::State(state)) => self.manifest.state(&state)?,
                Some(UnderWay::Purged(row)) => self.manifest.version(&row)?,
                Some(UnderWay::Version(mut one)) => {
                    let answer = (&mut one.answer).await.map_err(CliError::because)?;
                    self.write(&mut one, answer)?;
                }
            }
        }
        Ok(())
    }

    fn bytes_under_way(&self) -> u64 {
        let size = |one: &UnderWay| match one {
            UnderWay::Version(one) => one.facts.size,
            UnderWay::State(_) | UnderWay::Purged(_) => 0,
        };
        self.under_way.iter().map(size).sum()
    }

    fn write(
        &mut self,
        one: &mut Asked,
        answer: Result<Bytes, RequestError>,
    ) -> Result<(), CliError> {
        let (name, number) = (&one.name, one.facts.number);
        match answer {
            Ok(bytes) if Digest::of(&bytes).to_string() == one.facts.sha256 => {
                let path = self.file_of(name, number);
                self.sink.put(&path, &bytes, one.facts.written)?;
                self.versions += 1;
                return self.manifest.version(&one.row);
            }
            Ok(_) => self.failures.push(format!(
                "version {number} of {name}: the bytes that came do not fit its SHA-256"
            )),
            // It was pruned or purged since the list was read.
            Err(refusal) if refusal.has_code("no_version") || refusal.has_code("purged") => {
                self.without_file += 1;
            }
            Err(refusal) => self.fail(&format!("version {number} of {name}"), refusal)?,
        }
        one.row["file"] = Value::Null;
        self.manifest.version(&one.row)
    }

    /// Notes what could not be exported. The export ends if the server does not answer any more, or
    /// does not know the key.
    fn fail(&mut self, what: &str, refusal: RequestError) -> Result<(), CliError> {
        let goes_on = refusal
            .status_and_code()
            .is_some_and(|(status, _)| status != 401);
        match refusal.into_failure() {
            failure if goes_on => {
                let why = failure.into_message();
                self.failures.push(format!("{what}: {why}"));
                Ok(())
            }
            failure => {
                let what = "the export is incomplete: remove it and export again";
                Err(failure.and(what))
            }
        }
    }

    /// Writes the manifest, and says what is in the export.
    pub(super) fn finish(self, now: Timestamp, format: Format) -> Result<(), CliError> {
        let states = self.manifest.states;
        // Other programs look for no manifest, and would take it for a state.
        let manifest = match self.layout {
            Layout::Statekeep => Some(self.manifest.finish()?),
            Layout::Terraform => None,
        };
        self.sink.finish(manifest.as_ref(), now)?;
        for failure in &self.failures {
            output::message(&output::harmless(failure));
        }
        let failed = &self.failures;
        let without_file = self.without_file;
        if format == Format::Json {
            output::json(&json!({
                "states": states, "versions": self.versions, "without_file": without_file,
                "failed": failed,
            }))?;
        } else {
            let without = if without_file == 0 {
                String::new()
            } else {
                format!(", and {} without content", counted(without_file, "row"))
            };
            let (states, versions) = (counted(states, "state"), counted(self.versions, "version"));
            output::note(&format!("exported {states} with {versions}{without}"));
        }
        let are = match failed.len() {
            0 => return Ok(()),
            1 => "1 could not be exported and is".to_owned(),
            failed => format!("{failed} could not be exported and are"),
        };
        Err(CliError::Failed(format!(
            "{are} not in it; `statekeep verify` says more"
        )))
    }
}

impl Facts {
    fn of(row: &Value) -> Result<Self, CliError> {
        let written = row["created_at"].as_str().and_then(Timestamp::parse);
        let (number, size) = (row["number"].as_u64(), row["size"].as_u64());
        let (Some(number), Some(size), Some(written)) = (number, size, written) else {
            return Err(CliError::Failed(
                "the server's answer is no version; is a statekeep at --url?".to_owned(),
            ));
        };
        Ok(Self {
            number,
            size,
            sha256: text(&row["sha256"]),
            written,
        })
    }
}
