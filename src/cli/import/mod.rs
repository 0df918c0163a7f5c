//! `statekeep import`: states from files, an export or another backend, with their bytes as they
//! were. Nothing that is there is overwritten; what cannot be imported is named and left out, and
//! the rest is imported.

mod archive;
mod backend;
mod existing;
mod failed;
mod folder;
mod look;
mod names;
mod plan;
mod send;
mod sources;
mod upload;

use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::client::api::{Client, WhereNone};
use crate::cli::common::flags::Common;
use crate::cli::common::flags::Format;
use crate::cli::output::{self, Failure, counted};
use crate::model::name::{BuildingBlock, Workspace};
use crate::model::secret::Secret;

use backend::Backend;
use look::Looked;
use names::Pattern;
use plan::{Plan, Todo};
use send::Done;
use sources::{Found, Naming};

#[derive(Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are flags of the command line"
)]
pub(super) struct ImportArgs {
    /// A state, a folder of states, or an export (a folder or a tar); - reads a state or a tar from
    /// standard input
    #[arg(required_unless_present = "from_url")]
    source: Option<PathBuf>,
    /// Another http backend's address of one state, instead of files
    #[arg(long, value_name = "URL", conflicts_with = "source")]
    from_url: Option<String>,
    /// The user for --from-url, instead of `TF_HTTP_USERNAME`
    #[arg(long, value_name = "USER", requires = "from_url")]
    from_user: Option<String>,
    /// The file with the password or token for --from-url, instead of `TF_HTTP_PASSWORD`
    #[arg(long, value_name = "FILE", requires = "from_url")]
    from_password_file: Option<PathBuf>,
    /// Also import earlier versions, from URL/versions/SERIAL as GitLab has them
    #[arg(long, requires = "from_url")]
    history: bool,
    /// The workspace of the states
    #[arg(long)]
    workspace: Option<Workspace>,
    /// The building block, for one state
    #[arg(long)]
    building_block: Option<BuildingBlock>,
    /// How the path of a file names its state, as '{workspace}/{name}' or
    /// '*/env-{workspace}/{name…}'
    #[arg(long, value_name = "PATTERN", conflicts_with = "building_block")]
    name_pattern: Option<Pattern>,
    /// Also take files of a folder whose names do not end in .tfstate
    #[arg(long, conflicts_with = "from_url")]
    all_names: bool,
    /// Add versions to states that are there, along one lineage with rising serials
    #[arg(long)]
    append: bool,
    /// Only show what would be imported where
    #[arg(long)]
    dry_run: bool,
}

/// Runs it.
pub(super) async fn run(args: ImportArgs, common: Common) -> Result<(), Failure> {
    if args.workspace.is_some()
        && args
            .name_pattern
            .as_ref()
            .is_some_and(Pattern::has_workspace)
    {
        return Err(Failure::Usage(
            "the pattern has the workspace; leave out --workspace".to_owned(),
        ));
    }
    // All that can be wrong with what is to be imported is told before the server is asked.
    let found = find(&args).await?;
    let where_none = if args.dry_run {
        WhereNone::Refuse
    } else {
        WhereNone::Make
    };
    let client = Client::connect_or(&common.reach, where_none).await?;
    let done = if args.dry_run {
        preview(&client, found, &args, common.format).await
    } else {
        import(&client, found, &args, common.format).await
    };
    client.close().await?;
    done
}

async fn find(args: &ImportArgs) -> Result<Found, Failure> {
    let naming = Naming {
        workspace: args.workspace.as_ref(),
        block: args.building_block.as_ref(),
        pattern: args.name_pattern.as_ref(),
        all_names: args.all_names,
    };
    let Some(url) = &args.from_url else {
        return sources::find(args.source.as_deref().unwrap_or("-".as_ref()), &naming);
    };
    let name = naming.one()?;
    let read = |path: &PathBuf| {
        std::fs::read_to_string(path)
            .map_err(|error| Failure::Failed(format!("{}: {error}", path.display())))
    };
    let password = args
        .from_password_file
        .as_ref()
        .map(read)
        .transpose()?
        .map(|text| Secret::new(text.trim().to_owned()));
    let backend = Backend::new(url, args.from_user.clone(), password)?;
    Ok(Found::one(
        name,
        url.clone(),
        backend.versions(args.history).await?,
    ))
}

/// What became of an import so far.
#[derive(Default)]
struct Summary {
    states: usize,
    versions: usize,
    partly: usize,
    there_already: usize,
    no_content: usize,
    other_times: usize,
    held_now: usize,
    not_held: usize,
    passed_over: usize,
    look_like_states: Vec<String>,
    failed: Vec<String>,
    end: Option<String>,
}

impl Summary {
    /// Takes note of a state; false where every other one would fail as well.
    fn take(&mut self, done: Done) -> bool {
        let Done {
            name,
            imported,
            failed,
            note,
        } = done;
        if let Some(note) = note {
            output::message(&output::harmless(&note));
        }
        self.versions += imported.versions;
        self.other_times += imported.other_times;
        self.held_now += imported.held_now;
        self.not_held += imported.not_held;
        self.partly += usize::from(failed.is_some() && imported.versions > 0);
        match failed {
            None if imported.has_no_content => self.no_content += 1,
            None if imported.versions == 0 => self.there_already += 1,
            None => self.states += 1,
            Some(failed) if failed.is_the_end => self.end = Some(failed.why),
            Some(failed) => {
                let why = format!("{name}: {}", failed.why);
                output::message(&output::harmless(&why));
                self.failed.push(why);
            }
        }
        self.end.is_none()
    }

    fn told(&self) -> Vec<String> {
        let mut told = vec![format!(
            "imported {} with {}",
            counted(self.states, "state"),
            counted(self.versions, "version")
        )];
        let mut add = |count: usize, what: &str, one: &str, many: &str| {
            if count > 0 {
                told.push(format!(
                    "{} {}",
                    counted(count, what),
                    if count == 1 { one } else { many }
                ));
            }
        };
        let partly = "there only in part: run the same command again to continue";
        add(
            self.partly,
            "state",
            &format!("is {partly}"),
            &format!("are {partly}"),
        );
        add(
            self.there_already,
            "state",
            "was there already",
            "were there already",
        );
        let content = "no content left that could be imported, and nothing was made of";
        add(
            self.no_content,
            "state",
            &format!("has {content} it"),
            &format!("have {content} them"),
        );
        let times = "the time of their import: keeping theirs needs ADM_OPERATE, and none lies in \
            the future";
        add(
            self.other_times,
            "version",
            "has the time of its import: keeping its own needs ADM_OPERATE, and none lies in the future",
            &format!("have {times}"),
        );
        add(
            self.held_now,
            "version",
            "that was there already is held now, as it was",
            "that were there already are held now, as they were",
        );
        let not_held =
            "holding needs ADM_OPERATE; run it again with that, and nothing else is done";
        add(
            self.not_held,
            "version",
            &format!("that was held is not: {not_held}"),
            &format!("that were held are not: {not_held}"),
        );
        told
    }

    fn json(&self) -> Value {
        json!({
            "states": self.states, "versions": self.versions, "partly": self.partly,
            "there_already": self.there_already, "no_content": self.no_content,
            "other_times": self.other_times, "held_now": self.held_now, "not_held": self.not_held,
            "passed_over": self.passed_over, "look_like_states": self.look_like_states,
            "failed": self.failed,
        })
    }
}

async fn import(
    client: &Client,
    found: Found,
    args: &ImportArgs,
    format: Format,
) -> Result<(), Failure> {
    let Found {
        plans,
        skipped,
        passed_over,
        look_like_states,
    } = found;
    let mut summary = Summary {
        failed: skipped,
        passed_over,
        look_like_states,
        ..Summary::default()
    };
    let (all, mut done, shows_progress) = (plans.len(), 0, std::io::stderr().is_terminal());
    let tell = |one: Done| {
        done += 1;
        if shows_progress && (done % send::AT_A_TIME == 0 || done == all) {
            output::progress(&format!("{done} of {}", counted(all, "state")));
        }
        summary.take(one)
    };
    let sent = send::all(client, plans, args.append, tell).await;
    if shows_progress {
        output::progress("");
    }
    sent?;
    match format {
        Format::Json => output::json(&summary.json())?,
        Format::Text => summary.told().iter().for_each(|line| output::message(line)),
    }
    match (summary.end, summary.failed.len()) {
        (Some(why), _) => Err(Failure::Failed(format!(
            "{why}; run the same command again to continue"
        ))),
        (None, 0) => Ok(()),
        (None, failed) => Err(Failure::Failed(format!("{failed} could not be imported"))),
    }
}

/// Says what would be imported where, and changes nothing.
async fn preview(
    client: &Client,
    found: Found,
    args: &ImportArgs,
    format: Format,
) -> Result<(), Failure> {
    let known = existing::known(client, &found.plans).await?;
    let wire = client.wire();
    let Found {
        plans,
        skipped,
        passed_over,
        look_like_states,
    } = found;
    let (mut rows, mut failed, told) = (Vec::new(), Vec::new(), skipped.len());
    failed.extend(skipped);
    for plan in plans {
        let (name, presence) = (plan.name.clone(), known.get(&plan.name).copied());
        match look::look(&wire, plan, presence, args.append).await {
            Ok(looked) => {
                if let Some(note) = &looked.note {
                    output::message(&output::harmless(note));
                }
                rows.push(Row::of(looked, &mut failed));
            }
            Err(why) if why.is_the_end => return Err(Failure::Failed(why.why)),
            Err(why) => failed.push(format!("{name}: {}", why.why)),
        }
    }
    for why in &failed[told..] {
        output::message(&output::harmless(why));
    }
    if format == Format::Json {
        let rows: Vec<Value> = rows.iter().map(Row::json).collect();
        output::json(&json!({
            "dry_run": true, "states": rows, "passed_over": passed_over,
            "look_like_states": look_like_states, "failed": failed,
        }))?;
    } else {
        output::table(
            &["STATE", "FROM", "VERSIONS", "SERIAL", "WHAT"],
            rows.iter().map(Row::text).collect(),
        )?;
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(Failure::Failed(format!(
            "{} could not be imported",
            failed.len()
        )))
    }
}

/// A state in the table of what would be imported.
struct Row {
    name: String,
    from: String,
    versions: usize,
    serial: Option<u64>,
    what: &'static str,
}

impl Row {
    fn of(looked: Looked, failed: &mut Vec<String>) -> Self {
        let Looked {
            plan:
                Plan {
                    name,
                    from,
                    versions,
                    deleted,
                    ..
                },
            todo,
            leaves_for,
            ..
        } = looked;
        let (sent, what) = match todo {
            Todo::Nothing if versions.is_empty() => (0, "no content left"),
            Todo::Nothing if leaves_for.is_some() => (0, "there already, transferred"),
            Todo::Nothing => (0, "there already"),
            Todo::All if deleted => (versions.len(), "new, deleted"),
            Todo::All if leaves_for.is_some() => (versions.len(), "new, transferred"),
            Todo::All => (versions.len(), "new"),
            Todo::Rest { skip, .. } => (versions.len() - skip, "goes on"),
            Todo::Append { skip } if deleted => (versions.len() - skip, "append, stays live"),
            Todo::Append { skip } => (versions.len() - skip, "append"),
            Todo::Taken => {
                failed.push(format!(
                    "{name}: there is or was another state; --append adds to one \
                    of the same lineage"
                ));
                (0, "taken")
            }
        };
        let serial = versions
            .iter()
            .rev()
            .find(|version| version.rejected.is_none())
            .and_then(|version| version.serial);
        Self {
            name: name.to_string(),
            from,
            versions: sent,
            serial,
            what,
        }
    }

    fn text(&self) -> Vec<String> {
        let serial = self
            .serial
            .map_or_else(|| "-".to_owned(), |serial| serial.to_string());
        vec![
            self.name.clone(),
            output::harmless(&self.from),
            self.versions.to_string(),
            serial,
            self.what.to_owned(),
        ]
    }

    fn json(&self) -> Value {
        json!({
            "state": self.name, "from": self.from, "versions": self.versions,
            "serial": self.serial, "what": self.what,
        })
    }
}
