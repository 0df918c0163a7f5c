//! `statekeep import`: states from files, an export or another backend, with their bytes as they
//! were. Nothing on the server is overwritten. A state that cannot be imported is named and left
//! out, and the rest is imported.

mod archive;
mod backend;
mod beginning;
mod candidates;
mod existing;
mod failed;
mod folder;
mod key_prefix;
mod look;
mod names;
mod pattern;
mod plan;
mod presets;
mod preview;
mod send;
mod sources;
mod summary;
mod unnamed;
mod upload;

use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::Args;

use crate::cli::client::api::{Client, WhereNone};
use crate::cli::common::flags::Common;
use crate::cli::common::flags::Format;
use crate::cli::common::reach::Reach;
use crate::cli::output::ShownPath as _;
use crate::cli::output::{self, CliError, counted};
use crate::model::name::{BuildingBlock, StateName, Workspace};
use crate::model::secret::Secret;

use backend::HttpBackend;
use key_prefix::KeyPrefix;
use pattern::Pattern;
use presets::Preset;
use preview::preview;
use send::Done;
use sources::{FoundStates, Naming};
use summary::ImportSummary;

pub use archive::{ExportedVersion, versions_of_tar};

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
    /// The state, as WORKSPACE/BUILDINGBLOCK, instead of the two flags
    #[arg(value_name = "W/B", conflicts_with_all = ["workspace", "building_block", "name_pattern"])]
    state: Option<StateName>,
    /// Another http backend's address of one state, instead of files
    #[arg(long, value_name = "URL", conflicts_with = "state")]
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
    /// The folder is as a storage's own program leaves it
    #[arg(
        long,
        value_name = "LAYOUT",
        value_enum,
        conflicts_with_all = ["from_url", "all_names"]
    )]
    from: Option<Preset>,
    /// The folder of the program's workspaces in a bucket, as the backend's setting of this name;
    /// may be repeated
    #[arg(long, value_name = "PREFIX", requires = "from")]
    workspace_key_prefix: Vec<KeyPrefix>,
    /// Add versions to states that are there, along one lineage with rising serials
    #[arg(long)]
    append: bool,
    /// Only show what would be imported where
    #[arg(long)]
    dry_run: bool,
}

/// Runs it.
pub(super) async fn run(args: ImportArgs, common: Common) -> Result<(), CliError> {
    if args.workspace.is_some()
        && args
            .name_pattern
            .as_ref()
            .is_some_and(Pattern::has_workspace)
    {
        return Err(CliError::Usage(
            "the pattern has the workspace; leave out --workspace".to_owned(),
        ));
    }
    let takes_prefixes = args.from.is_some_and(Preset::has_key_prefixes);
    if !args.workspace_key_prefix.is_empty() && !takes_prefixes {
        return Err(CliError::Usage(
            "--workspace-key-prefix is a setting of the s3 backend; give it with --from s3-folder"
                .to_owned(),
        ));
    }
    // All that can be wrong with what is to be imported is told before the server is asked.
    let found = find(&args, &common.reach).await?;
    let where_none = if args.dry_run {
        WhereNone::Refuse
    } else {
        WhereNone::Make
    };
    let client = Client::connect_or(&common.reach, where_none).await?;
    let done = if args.dry_run {
        preview(&client, found, args.append, common.format).await
    } else {
        import(&client, found, args.append, common.format).await
    };
    client.close().await?;
    done
}

impl ImportArgs {
    /// The state that is named as `W/B`. Where a URL is what is imported, that is the one word.
    fn named(&self) -> Result<Option<StateName>, CliError> {
        let word = self.source.as_ref().filter(|_| self.from_url.is_some());
        let Some(word) = word.map(|path| path.to_string_lossy()) else {
            return Ok(self.state.clone());
        };
        if self.workspace.is_some() || self.building_block.is_some() {
            return Err(CliError::Usage("the state is named twice".to_owned()));
        }
        let bad = |error| CliError::Usage(format!("{}: {error}", output::harmless(&word)));
        word.parse().map(Some).map_err(bad)
    }
}

async fn find(args: &ImportArgs, reach: &Reach) -> Result<FoundStates, CliError> {
    let named = args.named()?;
    let naming = Naming {
        workspace: named
            .as_ref()
            .map(|name| &name.workspace)
            .or(args.workspace.as_ref()),
        block: named
            .as_ref()
            .map(|name| &name.block)
            .or(args.building_block.as_ref()),
        pattern: args.name_pattern.as_ref(),
        all_names: args.all_names,
        preset: args.from,
        key_prefixes: &args.workspace_key_prefix,
    };
    let Some(url) = &args.from_url else {
        return sources::find(args.source.as_deref().unwrap_or("-".as_ref()), &naming);
    };
    let name = naming.one()?;
    let read = |path: &PathBuf| {
        std::fs::read_to_string(path)
            .map_err(|error| CliError::Failed(format!("{}: {error}", path.shown())))
    };
    let password = args
        .from_password_file
        .as_ref()
        .map(read)
        .transpose()?
        .map(|text| Secret::new(text.trim().to_owned()));
    reach.refuse_open_way_to(url)?;
    let backend = HttpBackend::new(url, args.from_user.clone(), password)?;
    Ok(FoundStates::one(
        name,
        url.clone(),
        backend.versions(args.history).await?,
    ))
}

async fn import(
    client: &Client,
    found: FoundStates,
    append: bool,
    format: Format,
) -> Result<(), CliError> {
    let mut summary = ImportSummary::of(&found);
    let (all, shows_progress) = (found.plans.len(), std::io::stderr().is_terminal());
    let mut done = 0;
    let tell = |one: Done| {
        done += 1;
        if shows_progress && (done % send::AT_A_TIME == 0 || done == all) {
            output::progress(&format!("{done} of {}", counted(all, "state")));
        }
        summary.take(one)
    };
    let sent = send::all(client, found.plans, append, tell).await;
    if shows_progress {
        output::progress("");
    }
    sent?;
    match format {
        Format::Json => output::json(&summary.json())?,
        Format::Text => {
            summary.done().iter().for_each(|line| output::note(line));
            for line in summary.left_undone() {
                output::message(&line);
            }
        }
    }
    match (summary.end, summary.failed.len()) {
        (Some(why), _) => Err(CliError::Failed(format!(
            "{why}; run the same command again to continue"
        ))),
        (None, 0) => Ok(()),
        (None, failed) => Err(CliError::Failed(format!("{failed} could not be imported"))),
    }
}
