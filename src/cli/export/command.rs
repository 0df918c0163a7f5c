//! Running an export: the states that are asked for, one behind the other.

use std::io::IsTerminal as _;
use std::path::Path;

use crate::cli::client::api::Client;
use crate::cli::common::flags::Common;
use crate::cli::common::flags::Format;
use crate::cli::common::folders::refuse_in_data;
use crate::cli::export::args::ExportArgs;
use crate::cli::export::chosen::{ChosenStates, SeenNames, name_of};
use crate::cli::export::manifest::ManifestWriter;
use crate::cli::export::sink::Sink;
use crate::cli::export::writing::Export;
use crate::cli::output::ShownPath as _;
use crate::cli::output::{self, CliError, counted};
use crate::model::clock;
use crate::model::name::StateName;

/// Runs it.
pub(in crate::cli) async fn run(args: ExportArgs, common: Common) -> Result<(), CliError> {
    let is_piped = args.target.as_os_str() == "-";
    if is_piped && std::io::stdout().is_terminal() {
        return Err(CliError::Usage(
            "a tar does not go to a terminal; send stdout to a file or a pipe".to_owned(),
        ));
    }
    if !is_piped {
        refuse_in_data(&common.reach, &args.target)?;
    }
    // A tar on stdout has it for itself.
    let format = if is_piped {
        Format::Text
    } else {
        common.format
    };
    let client = Client::connect(&common.reach).await?;
    let done = export(&client, &args, format).await;
    client.close().await?;
    done
}

async fn export(client: &Client, args: &ExportArgs, format: Format) -> Result<(), CliError> {
    let mut chosen = ChosenStates::of(client, args).await?;
    let sink = open(client, args).await?;
    let now = clock::now();
    let manifest = ManifestWriter::begin(now.to_string(), !args.only_current())?;
    let mut export = Export::new(client.wire(), sink, manifest, args.layout);
    let shows_progress = std::io::stderr().is_terminal();
    let mut count = 0;
    while let Some(states) = chosen.next().await? {
        for state in &states {
            if shows_progress {
                let states = counted(count, "state");
                let versions = counted(export.versions, "version");
                output::progress(&format!("{states}, {versions}"));
            }
            export.state(state, args.only_current()).await?;
            count += 1_u64;
        }
    }
    export.write_all().await?;
    export.leave_out(chosen.damaged());
    if shows_progress {
        output::progress("");
    }
    export.finish(now, format)
}

/// Where the export goes. Fails if two states would share a file there.
async fn open(client: &Client, args: &ExportArgs) -> Result<Sink, CliError> {
    if args.target.as_os_str() == "-" {
        return Ok(Sink::stdout());
    }
    if ends_in(&args.target, &[".tar"]) {
        return Sink::tar_file(&args.target);
    }
    if ends_in(
        &args.target,
        &[".tar.gz", ".tgz", ".tar.zst", ".tar.xz", ".zip"],
    ) {
        let target = args.target.shown();
        return Err(CliError::Usage(format!(
            "an export is a folder or a tar, and {target} would be compressed: use \
                `statekeep export - | zstd -o FILE.tar.zst`"
        )));
    }
    let sink = Sink::folder(&args.target)?;
    if !sink.takes_letters_of_any_case_as_one() {
        return Ok(sink);
    }
    let why = match alike(client, args).await {
        Ok(None) => return Ok(sink),
        Ok(Some((one, other))) => CliError::Failed(format!(
            "{one} and {other} differ by the case of letters alone, which the file system of {} \
                does not tell apart; nothing was exported. Export to another file system, or to \
                - as a tar",
            args.target.shown()
        )),
        Err(why) => why,
    };
    sink.remove();
    Err(why)
}

fn ends_in(path: &Path, endings: &[&str]) -> bool {
    let path = path.to_string_lossy().to_ascii_lowercase();
    endings.iter().any(|ending| path.ends_with(ending))
}

/// Two of the states whose files would be one if the case of letters says nothing.
async fn alike(
    client: &Client,
    args: &ExportArgs,
) -> Result<Option<(StateName, StateName)>, CliError> {
    let mut chosen = ChosenStates::of(client, args).await?;
    let mut seen = SeenNames::default();
    while let Some(states) = chosen.next().await? {
        for state in &states {
            let name = name_of(state)?;
            if let Some(other) = seen.alike(&name) {
                return Ok(Some((other, name)));
            }
        }
    }
    Ok(None)
}
