//! Running an export: the states that are asked for, one behind the other.

use std::io::IsTerminal as _;

use serde_json::Value;

use crate::cli::client::api::Client;
use crate::cli::common::flags::Common;
use crate::cli::common::flags::Format;
use crate::cli::export::args::ExportArgs;
use crate::cli::export::chosen::{ChosenStates, alike, chosen};
use crate::cli::export::manifest::Manifest;
use crate::cli::export::sink::Sink;
use crate::cli::export::writing::Export;
use crate::cli::output::ShownPath as _;
use crate::cli::output::{self, CliError, counted};
use crate::model::clock;

/// Runs it.
pub(in crate::cli) async fn run(args: ExportArgs, common: Common) -> Result<(), CliError> {
    let is_tar = args.target.as_os_str() == "-";
    if is_tar && std::io::stdout().is_terminal() {
        return Err(CliError::Usage(
            "a tar does not go to a terminal; send stdout to a file or a pipe".to_owned(),
        ));
    }
    // A tar has stdout for itself.
    let format = if is_tar { Format::Text } else { common.format };
    let client = Client::connect(&common.reach).await?;
    let done = export(&client, &args, format).await;
    client.close().await?;
    done
}

async fn export(client: &Client, args: &ExportArgs, format: Format) -> Result<(), CliError> {
    let ChosenStates { states, damaged } = chosen(client, args).await?;
    let sink = open(args, &states)?;
    let now = clock::now();
    let manifest = Manifest::new(now.to_string(), !args.no_history);
    let mut export = Export::new(client.wire(), sink, manifest);
    let shows_progress = std::io::stderr().is_terminal();
    for (index, state) in states.iter().enumerate() {
        if shows_progress {
            let all = counted(states.len(), "state");
            let versions = counted(export.versions, "version");
            output::progress(&format!("{index} of {all}, {versions}"));
        }
        export.state(state, args.no_history).await?;
    }
    export.write_all().await?;
    export.leave_out(damaged);
    if shows_progress {
        output::progress("");
    }
    export.finish(now, format)
}

/// Where the export goes. Fails if two states would share a file there.
fn open(args: &ExportArgs, states: &[Value]) -> Result<Sink, CliError> {
    let sink = if args.target.as_os_str() == "-" {
        Sink::tar()
    } else {
        Sink::folder(&args.target)?
    };
    let alike = alike(states)?.filter(|_| sink.takes_letters_of_any_case_as_one());
    let Some((one, other)) = alike else {
        return Ok(sink);
    };
    sink.remove();
    Err(CliError::Failed(format!(
        "{one} and {other} differ by the case of letters alone, which the file system of {} does \
            not tell apart; nothing was exported. Export to another file system, or to - as a tar",
        args.target.shown()
    )))
}
