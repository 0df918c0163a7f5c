//! `statekeep export`: states with their history as files, which `import` makes the same states of.
//!
//! The manifest comes last: an export that has none was cut off. Each version's bytes are compared
//! with their SHA-256 before they are written; what cannot be read is named, left out, and told in
//! the manifest and by the exit code, and the rest is exported.

pub(super) mod manifest;

mod sink;

use std::collections::{HashMap, VecDeque};
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use clap::Args;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::cli::client::api::Client;
use crate::cli::client::wire::Wire;
use crate::cli::common::existence;
use crate::cli::common::flags::Common;
use crate::cli::common::flags::Format;
use crate::cli::common::refusal::Refusal;
use crate::cli::export::manifest::Manifest;
use crate::cli::export::manifest::State;
use crate::cli::output::{self, Failure, counted, text};
use crate::model::clock::{self, Timestamp};
use crate::model::digest::Digest;
use crate::model::name::{StateName, Workspace};

use sink::Sink;

/// How many versions are asked for at a time.
const AT_A_TIME: usize = 8;
/// How many bytes of versions are asked for at a time, beside one that is larger.
const BYTES_AT_A_TIME: u64 = 64 * 1024 * 1024;

#[derive(Args)]
pub(super) struct ExportArgs {
    /// The folder to write to, which must not exist or be empty; - writes a tar to stdout
    target: PathBuf,
    /// Only these states, as WORKSPACE/BUILDINGBLOCK
    #[arg(value_name = "STATE")]
    states: Vec<StateName>,
    /// Only the states of one workspace
    #[arg(long, conflicts_with = "states")]
    workspace: Option<Workspace>,
    /// Only the current version of each state that is not deleted
    #[arg(long)]
    no_history: bool,
}

/// Runs it.
pub(super) async fn run(args: ExportArgs, common: Common) -> Result<(), Failure> {
    let is_tar = args.target.as_os_str() == "-";
    if is_tar && std::io::stdout().is_terminal() {
        return Err(Failure::Usage(
            "a tar does not go to a terminal; send stdout to a file or a pipe".to_owned(),
        ));
    }
    let client = Client::connect(&common.reach).await?;
    let done = export(&client, &args, is_tar, common.format).await;
    client.close().await?;
    done
}

async fn export(
    client: &Client,
    args: &ExportArgs,
    is_tar: bool,
    format: Format,
) -> Result<(), Failure> {
    let states = chosen(client, args).await?;
    let sink = if is_tar {
        Sink::tar()
    } else {
        Sink::folder(&args.target)?
    };
    if let Some((one, other)) = alike(&states)?.filter(|_| sink.takes_letters_of_any_case_as_one())
    {
        sink.remove();
        return Err(Failure::Failed(format!(
            "{one} and {other} differ by the case of letters alone, which the file system of {} \
                does not tell apart; nothing was exported. Export to \
             another file system, or to - as a tar",
            args.target.display()
        )));
    }
    let now = clock::now();
    let manifest = Manifest::new(now.to_string(), !args.no_history);
    let mut export = Export {
        wire: client.wire(),
        sink,
        manifest,
        under_way: VecDeque::new(),
        versions: 0,
        without_file: 0,
        failures: Vec::new(),
    };
    let shows_progress = std::io::stderr().is_terminal();
    for (index, state) in states.iter().enumerate() {
        if shows_progress {
            output::progress(&format!(
                "{index} of {}, {}",
                counted(states.len(), "state"),
                counted(export.versions, "version")
            ));
        }
        export.state(state, args.no_history).await?;
    }
    export.write_until(0, 0).await?;
    if shows_progress {
        output::progress("");
    }
    export.finish(now, if is_tar { None } else { Some(format) })
}

/// The states that are asked for, as the list has them.
async fn chosen(client: &Client, args: &ExportArgs) -> Result<Vec<Value>, Failure> {
    // An address that is only locked has nothing to export.
    let has_content = |state: &Value, only_current: bool| {
        if only_current {
            !state["current"].is_null()
        } else {
            state["versions"] != 0
        }
    };
    let base = format!("/api/terraform/state?deleted={}", !args.no_history);
    if args.states.is_empty() {
        let workspace = args
            .workspace
            .as_ref()
            .map(|name| format!("&workspace={name}"))
            .unwrap_or_default();
        let mut states = rows(
            &mut client
                .list(&format!("{base}{workspace}"), "states", "after", None)
                .await?,
            "states",
        )?;
        if let Some(workspace) = args.workspace.as_ref().filter(|_| states.is_empty()) {
            existence::workspace_exists(client, workspace).await?;
        }
        states.retain(|state| has_content(state, args.no_history));
        return Ok(states);
    }
    let mut chosen = Vec::new();
    for name in &args.states {
        let path = format!(
            "{base}&workspace={}&buildingBlock={}",
            name.workspace, name.block
        );
        let mut found = rows(
            &mut client.list(&path, "states", "after", None).await?,
            "states",
        )?;
        found.retain(|state| has_content(state, args.no_history));
        let Some(found) = found.pop() else {
            return Err(existence::no_state(client, name)
                .await
                .and("Nothing was exported."));
        };
        chosen.push(found);
    }
    Ok(chosen)
}

fn rows(answer: &mut Value, name: &str) -> Result<Vec<Value>, Failure> {
    let rows = answer[name].as_array_mut().map(std::mem::take);
    rows.ok_or_else(|| {
        Failure::Failed("the server's answer is no list; is a statekeep at --url?".to_owned())
    })
}

/// Two states whose files could not lie beside each other where the case of letters says nothing.
fn alike(states: &[Value]) -> Result<Option<(StateName, StateName)>, Failure> {
    let mut seen: HashMap<String, StateName> = HashMap::new();
    for state in states {
        let name = name_of(state)?;
        // The folder of a workspace, and that of a state in it.
        for key in [name.workspace.to_string(), name.to_string()] {
            let other = seen
                .entry(key.to_ascii_lowercase())
                .or_insert_with(|| name.clone());
            let theirs = if key.contains('/') {
                other.to_string()
            } else {
                other.workspace.to_string()
            };
            if theirs != key {
                return Ok(Some((other.clone(), name)));
            }
        }
    }
    Ok(None)
}

fn name_of(state: &Value) -> Result<StateName, Failure> {
    StateName::parse(&text(&state["workspace"]), &text(&state["buildingBlock"]))
        .map_err(Failure::because)
}

/// An export that is being written.
struct Export {
    wire: Arc<Wire>,
    sink: Sink,
    manifest: Manifest,
    /// Versions that were asked for and are not written yet, in their order.
    under_way: VecDeque<UnderWay>,
    versions: u64,
    /// Versions whose content was removed.
    without_file: u64,
    failures: Vec<String>,
}

struct UnderWay {
    name: StateName,
    /// Where its row is in the manifest.
    place: (usize, usize),
    size: u64,
    sha256: String,
    number: u64,
    written: Timestamp,
    answer: JoinHandle<Result<Bytes, Refusal>>,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        // Nobody waits for it any more.
        self.answer.abort();
    }
}

impl Export {
    async fn state(&mut self, state: &Value, only_current: bool) -> Result<(), Failure> {
        let name = name_of(state)?;
        let member = |name: &str| state[name].as_str().map(str::to_owned);
        let (deleted_at, transferred_to) = (member("deleted_at"), member("transferred_to"));
        let versions = if only_current {
            vec![state["current"].clone()]
        } else {
            let path = format!("{}/versions?intermediate=true", name.path());
            match self.wire.list(&path, "versions", "before", None).await {
                Ok(mut answer) => rows(&mut answer, "versions")?.into_iter().rev().collect(),
                Err(refusal) => return self.fail(&name.to_string(), refusal),
            }
        };
        self.manifest
            .states
            .push(State::new(&name, deleted_at, transferred_to));
        for row in versions {
            self.version(&name, row).await?;
        }
        Ok(())
    }

    /// Takes a version's row into the manifest and asks for its bytes.
    async fn version(&mut self, name: &StateName, mut row: Value) -> Result<(), Failure> {
        let unknown = || {
            Failure::Failed(
                "the server's answer is no version; is a statekeep at --url?".to_owned(),
            )
        };
        let (number, size) = (
            row["number"].as_u64().ok_or_else(unknown)?,
            row["size"].as_u64().ok_or_else(unknown)?,
        );
        let written = row["created_at"]
            .as_str()
            .and_then(Timestamp::parse)
            .ok_or_else(unknown)?;
        let (sha256, is_purged) = (text(&row["sha256"]), row["purged"] == true);
        row["file"] = if is_purged {
            Value::Null
        } else {
            manifest::file_of(name, number).into()
        };
        let last = self.manifest.states.len() - 1;
        let rows = &mut self.manifest.states[last].versions;
        rows.push(row);
        let place = (last, rows.len() - 1);
        if is_purged {
            self.without_file += 1;
            return Ok(());
        }
        self.write_until(AT_A_TIME - 1, BYTES_AT_A_TIME.saturating_sub(size))
            .await?;
        let (wire, path) = (
            Arc::clone(&self.wire),
            format!("{}/versions/{number}", name.path()),
        );
        let answer = tokio::spawn(async move {
            wire.ask_patiently("GET", &path, None)
                .await
                .map(|reply| reply.bytes)
        });
        self.under_way.push_back(UnderWay {
            name: name.clone(),
            place,
            size,
            sha256,
            number,
            written,
            answer,
        });
        Ok(())
    }

    /// Writes what was asked for first, until no more versions and bytes than these are under way.
    async fn write_until(&mut self, versions: usize, bytes: u64) -> Result<(), Failure> {
        while self.under_way.len() > versions
            || self.under_way.iter().map(|one| one.size).sum::<u64>() > bytes
        {
            let Some(mut one) = self.under_way.pop_front() else {
                break;
            };
            match (&mut one.answer).await.map_err(Failure::because)? {
                Ok(bytes) if Digest::of(&bytes).to_string() == one.sha256 => {
                    self.sink.put(
                        &manifest::file_of(&one.name, one.number),
                        &bytes,
                        one.written,
                    )?;
                    self.versions += 1;
                }
                Ok(_) => {
                    self.forget_file(one.place);
                    self.failures.push(format!(
                        "version {} of {}: the bytes that came do not fit its SHA-256",
                        one.number, one.name
                    ));
                }
                // It was pruned or purged since the list was read.
                Err(refusal)
                    if refusal.status_and_code().is_some_and(|(_, code)| {
                        matches!(code.as_str(), "no_version" | "purged")
                    }) =>
                {
                    self.forget_file(one.place);
                    self.without_file += 1;
                }
                Err(refusal) => {
                    self.forget_file(one.place);
                    self.fail(&format!("version {} of {}", one.number, one.name), refusal)?;
                }
            }
        }
        Ok(())
    }

    fn forget_file(&mut self, (state, version): (usize, usize)) {
        self.manifest.states[state].versions[version]["file"] = Value::Null;
    }

    /// Notes what could not be exported. Where nobody answers any more, or nobody knows the key,
    /// that is the end.
    fn fail(&mut self, what: &str, refusal: Refusal) -> Result<(), Failure> {
        let goes_on = refusal
            .status_and_code()
            .is_some_and(|(status, _)| status != 401);
        match refusal.into_failure() {
            Failure::Failed(why) if goes_on => self.failures.push(format!("{what}: {why}")),
            Failure::Failed(why) | Failure::Usage(why) => {
                return Err(Failure::Failed(format!(
                    "{why}; the export is incomplete: remove it and export again"
                )));
            }
        }
        Ok(())
    }

    fn finish(self, now: Timestamp, format: Option<Format>) -> Result<(), Failure> {
        let Self {
            sink,
            manifest,
            versions,
            without_file,
            failures,
            ..
        } = self;
        let bytes = serde_json::to_vec_pretty(&manifest).map_err(Failure::because)?;
        sink.finish(&bytes, now)?;
        for failure in &failures {
            output::message(&output::harmless(failure));
        }
        let states = manifest.states.len();
        if format == Some(Format::Json) {
            output::json(
                &json!({ "states": states, "versions": versions, "without_file": without_file, "failed": failures }),
            )?;
        } else {
            let without = if without_file == 0 {
                String::new()
            } else {
                format!(", and {} without content", counted(without_file, "row"))
            };
            output::message(&format!(
                "exported {} with {}{without}",
                counted(states, "state"),
                counted(versions, "version")
            ));
        }
        match failures.len() {
            0 => Ok(()),
            1 => Err(Failure::Failed(
                "1 could not be exported and is not in it; `statekeep verify` says more".to_owned(),
            )),
            failed => Err(Failure::Failed(format!(
                "{failed} could not be exported and are not in it; `statekeep verify` says more"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_by_case_alone_are_found() {
        let alike = |names: &[(&str, &str)]| {
            let states: Vec<Value> = names
                .iter()
                .map(|(workspace, block)| json!({"workspace": workspace, "buildingBlock": block}))
                .collect();
            super::alike(&states)
                .expect("names")
                .map(|(one, other)| format!("{one} {other}"))
        };
        assert_eq!(alike(&[("team", "x"), ("team", "y"), ("rival", "x")]), None);
        assert_eq!(
            alike(&[("team", "x"), ("team", "X")]).as_deref(),
            Some("team/x team/X")
        );
        assert_eq!(
            alike(&[("Team", "x"), ("team", "y")]).as_deref(),
            Some("Team/x team/y")
        );
    }
}
