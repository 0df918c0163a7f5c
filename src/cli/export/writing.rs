//! An export that is being written: the manifest's rows, and the bytes of versions in their order.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::cli::client::wire::Wire;
use crate::cli::common::flags::Format;
use crate::cli::common::request_error::RequestError;
use crate::cli::common::rows::damaged;
use crate::cli::export::chosen::{list_in, name_of};
use crate::cli::export::manifest;
use crate::cli::export::manifest::Manifest;
use crate::cli::export::manifest::ManifestState;
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
    manifest: Manifest,
    /// Versions that were asked for and are not written yet, in their order.
    under_way: VecDeque<UnderWay>,
    pub(super) versions: u64,
    /// Versions whose content was removed.
    without_file: u64,
    failures: Vec<String>,
}

/// A version that was asked for.
struct UnderWay {
    name: StateName,
    /// Where its row is in the manifest.
    place: (usize, usize),
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

impl Drop for UnderWay {
    fn drop(&mut self) {
        // The answer is not needed any more.
        self.answer.abort();
    }
}

impl Export {
    /// Begins one that has nothing in it.
    pub(super) fn new(wire: Arc<Wire>, sink: Sink, manifest: Manifest) -> Self {
        Self {
            wire,
            sink,
            manifest,
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
        let versions = if only_current {
            vec![state["current"].clone()]
        } else {
            let path = format!("{}/versions?intermediate=true", name.path());
            match self.wire.list(&path, "versions", "before", None).await {
                Ok(answer) => {
                    let lines = damaged(&answer).into_iter();
                    self.failures
                        .extend(lines.map(|line| format!("{name}: {line}")));
                    list_in(answer, "versions")?.into_iter().rev().collect()
                }
                Err(refusal) => return self.fail(&name.to_string(), refusal),
            }
        };
        self.manifest
            .states
            .push(ManifestState::new(&name, deleted_at, transferred_to));
        for row in versions {
            self.version(&name, row).await?;
        }
        Ok(())
    }

    /// Takes a version's row into the manifest and asks for its bytes.
    async fn version(&mut self, name: &StateName, mut row: Value) -> Result<(), CliError> {
        let facts = Facts::of(&row)?;
        let (number, is_purged) = (facts.number, row["purged"] == true);
        row["file"] = if is_purged {
            Value::Null
        } else {
            manifest::file_of(name, number).into()
        };
        let place = self.put_row(row);
        if is_purged {
            self.without_file += 1;
            return Ok(());
        }
        let room = BYTES_AT_A_TIME.saturating_sub(facts.size);
        self.write_until(AT_A_TIME - 1, room).await?;
        let path = format!("{}/versions/{number}", name.path());
        let wire = Arc::clone(&self.wire);
        let answer = tokio::spawn(async move {
            let reply = wire.ask_patiently("GET", &path, None).await;
            reply.map(|reply| reply.bytes)
        });
        self.under_way.push_back(UnderWay {
            name: name.clone(),
            place,
            facts,
            answer,
        });
        Ok(())
    }

    /// Notes states that are not in the export because they are damaged.
    pub(super) fn leave_out(&mut self, mut damaged: Vec<String>) {
        self.failures.append(&mut damaged);
    }

    /// Writes all that is still under way.
    pub(super) async fn write_all(&mut self) -> Result<(), CliError> {
        self.write_until(0, 0).await
    }

    /// Puts a row behind the last state, and says where.
    fn put_row(&mut self, row: Value) -> (usize, usize) {
        let last = self.manifest.states.len() - 1;
        let rows = &mut self.manifest.states[last].versions;
        rows.push(row);
        (last, rows.len() - 1)
    }

    /// Writes what was asked for first, until no more versions and bytes than these are under way.
    async fn write_until(&mut self, versions: usize, bytes: u64) -> Result<(), CliError> {
        while self.under_way.len() > versions || self.bytes_under_way() > bytes {
            let Some(mut one) = self.under_way.pop_front() else {
                break;
            };
            let answer = (&mut one.answer).await.map_err(CliError::because)?;
            self.write(&one, answer)?;
        }
        Ok(())
    }

    fn bytes_under_way(&self) -> u64 {
        self.under_way.iter().map(|one| one.facts.size).sum()
    }

    fn write(
        &mut self,
        one: &UnderWay,
        answer: Result<Bytes, RequestError>,
    ) -> Result<(), CliError> {
        let (name, number) = (&one.name, one.facts.number);
        match answer {
            Ok(bytes) if Digest::of(&bytes).to_string() == one.facts.sha256 => {
                let path = manifest::file_of(name, number);
                self.sink.put(&path, &bytes, one.facts.written)?;
                self.versions += 1;
                return Ok(());
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
        let (state, version) = one.place;
        self.manifest.states[state].versions[version]["file"] = Value::Null;
        Ok(())
    }

    /// Notes what could not be exported. The export ends if the server does not answer any more, or
    /// does not know the key.
    fn fail(&mut self, what: &str, refusal: RequestError) -> Result<(), CliError> {
        let goes_on = refusal
            .status_and_code()
            .is_some_and(|(status, _)| status != 401);
        match refusal.into_failure() {
            CliError::Failed(why) if goes_on => self.failures.push(format!("{what}: {why}")),
            CliError::Failed(why) | CliError::Usage(why) => {
                return Err(CliError::Failed(format!(
                    "{why}; the export is incomplete: remove it and export again"
                )));
            }
        }
        Ok(())
    }

    /// Writes the manifest, and says what is in the export.
    pub(super) fn finish(self, now: Timestamp, format: Format) -> Result<(), CliError> {
        let manifest = serde_json::to_vec_pretty(&self.manifest).map_err(CliError::because)?;
        self.sink.finish(&manifest, now)?;
        for failure in &self.failures {
            output::message(&output::harmless(failure));
        }
        let (states, failed) = (self.manifest.states.len(), &self.failures);
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
            output::message(&format!("exported {states} with {versions}{without}"));
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
