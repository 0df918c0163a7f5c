//! The address of the `http` backend that a program will use, in the order in which the program
//! looks for it: `init` takes what it is told, and any other command what is recorded, unless the
//! block was changed since. Then the block counts, and last the environment.

use crate::cli::output::CliError;
use crate::cli::terraform::credentials::SETTINGS;
use crate::cli::terraform::invocation::Invocation;
use crate::cli::terraform::reading::variable;
use crate::cli::terraform::record::Record;
use crate::hcl::{BlockKind, FoundBlock};

/// Whether a block configures an `http` backend.
pub(in crate::cli) fn is_http(found: &FoundBlock) -> bool {
    found.kind == BlockKind::Backend && found.label.as_deref() == Some("http")
}

/// The address that the program will use; none if nothing says one.
pub(in crate::cli) fn http_address(
    invocation: &Invocation,
    found: &FoundBlock,
) -> Result<Option<String>, CliError> {
    let record = Record::read(invocation)?.filter(|record| record.kind == "http");
    let recorded = record.as_ref().and_then(Record::address);
    let block = found.address.as_deref();
    let address = if invocation.subcommand() == Some("init") {
        of_init(invocation, block, recorded)?
    } else {
        of_any_other(invocation, block, recorded)?
    };
    Ok(address.or_else(|| variable(SETTINGS[0])))
}

fn of_any_other(
    invocation: &Invocation,
    block: Option<&str>,
    recorded: Option<&str>,
) -> Result<Option<String>, CliError> {
    if let Some(recorded) = recorded
        && goes_by_record(invocation, block, recorded)?
    {
        return Ok(Some(recorded.to_owned()));
    }
    let told = invocation.told()?;
    Ok(told.get("address")?.or(block).map(str::to_owned))
}

fn of_init(
    invocation: &Invocation,
    block: Option<&str>,
    recorded: Option<&str>,
) -> Result<Option<String>, CliError> {
    let told = invocation.told()?;
    if let Some(told) = told.get("address")? {
        return Ok(Some(told.to_owned()));
    }
    // These ask for a new look at the block, and for nothing that is recorded.
    let is_anew = invocation.has_flag("reconfigure") || invocation.has_flag("migrate-state");
    let recorded = recorded.filter(|_| !is_anew);
    if let Some(recorded) = recorded
        && !told.any
        && goes_by_record(invocation, block, recorded)?
    {
        return Ok(Some(recorded.to_owned()));
    }
    Ok(block.or(recorded).map(str::to_owned))
}

/// Whether the program goes by the recorded address and not by its block. Only the program knows if
/// the two differ.
fn goes_by_record(
    invocation: &Invocation,
    block: Option<&str>,
    recorded: &str,
) -> Result<bool, CliError> {
    let differs = block.is_some_and(|block| block != recorded);
    Ok(!differs || invocation.uses_what_is_recorded()?)
}
