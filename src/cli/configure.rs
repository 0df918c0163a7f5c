//! `statekeep configure`: writes the backend file of a module that configures no backend, and
//! removes it again.
//!
//! It never replaces a file that it did not write, follows no link, writes nothing beside sources
//! that it cannot judge, and never writes a secret.

use std::io::ErrorKind;
use std::path::Path;

use clap::Args;
use serde_json::json;

use crate::cli::client::trust::CA;
use crate::cli::common::flags::Format;
use crate::cli::module::address::{BaseUrl, StateAddress};
use crate::cli::module::detect;
use crate::cli::module::detect::RootModule;
use crate::cli::module::folder::FolderLock;
use crate::cli::module::identity::Whose;
use crate::cli::module::sources::{Beside, Sources, not_ours, nothing_to_load};
use crate::cli::output::{self, CliError, ShownPath as _};
use crate::cli::terraform::reading::variable;
use crate::hcl::{BackendFile, BlockKind, FILE, FoundBlock, Present, WrittenBy};
use crate::model::name::{BuildingBlock, Workspace};

#[derive(Args)]
pub(super) struct ConfigureArgs {
    #[command(flatten)]
    module: RootModule,
    /// The state's workspace
    #[arg(long, value_name = "W", required_unless_present = "remove")]
    workspace: Option<Workspace>,
    /// The state's building block
    #[arg(
        long,
        value_name = "B",
        required_unless_present = "remove",
        requires = "workspace"
    )]
    building_block: Option<BuildingBlock>,
    #[command(flatten)]
    base: BaseUrl,
    #[command(flatten)]
    beside: Beside,
    /// Write the file anew if an earlier file of statekeep names another address; the state is not
    /// moved
    #[arg(long, conflicts_with = "remove")]
    replace: bool,
    /// Remove the file, if statekeep wrote it
    #[arg(long)]
    remove: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    check: bool,
    /// How to print what was done
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// A file of a `run` is not touched while that runs, and no `run` begins while one that is left
/// over is looked at.
fn refuse_beside_a_run(args: &ConfigureArgs) -> Result<Option<FolderLock>, CliError> {
    let dir = &args.module.dir;
    args.module.exists()?;
    match BackendFile::present(dir)? {
        Present::Ours(BackendFile {
            writer: WrittenBy::Run,
            ..
        })
        | Present::CutOff => FolderLock::take(dir).map(Some),
        Present::Nothing | Present::Ours(_) | Present::Theirs => Ok(None),
    }
}

/// What is to be done with the file.
enum Plan {
    Create(BackendFile),
    Replace(BackendFile),
    Remove,
    /// Nothing, and why: a word for scripts, a sentence for people.
    Nothing(&'static str, String),
}

/// Runs it.
pub(super) fn run(args: &ConfigureArgs) -> Result<(), CliError> {
    let address = address(args)?;
    if address.is_some() && !args.remove {
        args.base.warn_of_open_way()?;
    }
    let _lock = refuse_beside_a_run(args)?;
    let plan = if args.remove {
        removal(args, address.as_ref())?
    } else {
        crate::http::block_on(plan(args, &required(address)?))?
    };
    if !args.check {
        act(&args.module.dir, &plan)?;
    }
    tell(args, &plan)
}

fn address(args: &ConfigureArgs) -> Result<Option<StateAddress>, CliError> {
    let (Some(workspace), Some(block)) = (args.workspace.clone(), args.building_block.clone())
    else {
        let asked_for_less = args.workspace.is_some();
        let incomplete = || CliError::Usage("--workspace needs --building-block".to_owned());
        return if asked_for_less {
            Err(incomplete())
        } else {
            Ok(None)
        };
    };
    args.base.state(workspace, block).map(Some)
}

fn required(address: Option<StateAddress>) -> Result<StateAddress, CliError> {
    address.ok_or_else(|| {
        CliError::Usage(
            "--workspace and --building-block are missing: they name the state".to_owned(),
        )
    })
}

/// What is to be done so that the module's state goes to an address.
async fn plan(args: &ConfigureArgs, wanted: &StateAddress) -> Result<Plan, CliError> {
    let dir = &args.module.dir;
    let present = BackendFile::present(dir)?;
    let without = matches!(present, Present::Ours(_) | Present::CutOff).then_some(FILE);
    match args.beside.look(&args.module, without)? {
        Sources::Configure(found) => beside(dir, &present, &found, wanted).await,
        Sources::AreSilent { is_empty: true, .. } => Err(nothing_to_load(&args.module)),
        Sources::AreSilent { .. } => alone(args, present, wanted),
    }
}

/// The sources configure no backend, so the file does.
fn alone(args: &ConfigureArgs, present: Present, wanted: &StateAddress) -> Result<Plan, CliError> {
    let dir = &args.module.dir;
    let backend = BackendFile::new(wanted.text(), WrittenBy::Configure);
    let ours = match present {
        Present::Nothing => return Ok(Plan::Create(backend)),
        Present::Theirs => return Err(not_ours(dir)),
        Present::CutOff => return Ok(Plan::Replace(backend)),
        Present::Ours(ours) => ours,
    };
    let file = detect::in_dir(dir, FILE);
    if ours == backend {
        let why = format!("{file} configures this state already");
        return Ok(Plan::Nothing("unchanged", why));
    }
    // A file that a `run` left says nothing of where the state is.
    if args.replace || ours.writer == WrittenBy::Run {
        return Ok(Plan::Replace(backend));
    }
    // Not by itself: the program would want another `init` behind it.
    if ours.address == backend.address {
        let why = format!(
            "{file} configures this state already; an earlier version wrote it, and environment \
                variables may change its methods: --replace pins them, and `init -reconfigure` \
                takes that over"
        );
        return Ok(Plan::Nothing("unchanged", why));
    }
    Err(CliError::Failed(format!(
        "{file} was written for {}, and the state may be there; --replace writes the file anew and \
            moves no state",
        ours.address
    )))
}

/// The sources configure a backend themselves.
async fn beside(
    dir: &Path,
    present: &Present,
    found: &FoundBlock,
    wanted: &StateAddress,
) -> Result<Plan, CliError> {
    let (place, block) = (detect::place(dir, found), detect::block(found));
    if matches!(present, Present::Ours(_)) {
        let file = detect::in_dir(dir, FILE);
        return Err(CliError::Failed(format!(
            "{place} configures `{block}`, and {file} is still there from before; `statekeep \
                configure --remove` takes it away"
        )));
    }
    let is_backend = found.kind == BlockKind::Backend;
    let whose = match found.address.as_deref().filter(|_| is_backend) {
        Some(address) => wanted.whose(address).await,
        None => Whose::Others,
    };
    let (word, why) = match whose {
        Whose::This(Some(state)) if state == wanted.name => {
            ("ours", format!("{place} points at this state already"))
        }
        Whose::This(Some(state)) => (
            "configured",
            format!(
                "{place} points at {state} on this server, and not at {}",
                wanted.name
            ),
        ),
        Whose::This(None) | Whose::Others => (
            "configured",
            format!("{place} configures `{block}` itself, so the state goes there"),
        ),
        Whose::Unknown(why) => (
            "configured",
            format!(
                "{place} configures `{block}` itself, so the state goes there; it is unknown \
                    whether that is this state by another name ({why})"
            ),
        ),
    };
    Ok(Plan::Nothing(word, why))
}

/// What is to be done so that the file is gone.
fn removal(args: &ConfigureArgs, named: Option<&StateAddress>) -> Result<Plan, CliError> {
    let dir = &args.module.dir;
    match BackendFile::present(dir)? {
        Present::Nothing => Ok(Plan::Nothing(
            "absent",
            format!("there is no {}", detect::in_dir(dir, FILE)),
        )),
        Present::Theirs => Err(not_ours(dir)),
        Present::Ours(ours) if named.is_some_and(|named| named.text() != ours.address) => {
            let file = detect::in_dir(dir, FILE);
            Err(CliError::Failed(format!(
                "{file} is for another state, {}, so it is left alone",
                ours.address
            )))
        }
        Present::Ours(_) | Present::CutOff => Ok(Plan::Remove),
    }
}

fn act(dir: &Path, plan: &Plan) -> Result<(), CliError> {
    let done = match plan {
        Plan::Create(backend) => backend.create(dir),
        Plan::Replace(backend) => backend.replace(dir),
        Plan::Remove => BackendFile::remove(dir),
        Plan::Nothing(..) => Ok(()),
    };
    let file = detect::in_dir(dir, FILE);
    done.map_err(|error| {
        let appeared = error.kind() == ErrorKind::AlreadyExists;
        CliError::Failed(if appeared {
            format!("{file} appeared meanwhile, so it is left alone")
        } else {
            format!("{file}: {error}")
        })
    })
}

fn tell(args: &ConfigureArgs, plan: &Plan) -> Result<(), CliError> {
    let file = detect::in_dir(&args.module.dir, FILE);
    let (word, address) = match plan {
        Plan::Create(backend) => ("written", Some(&backend.address)),
        Plan::Replace(backend) => ("replaced", Some(&backend.address)),
        Plan::Remove => ("removed", None),
        Plan::Nothing(word, _) => (*word, None),
    };
    match args.format {
        Format::Json => output::json(
            &json!({ "result": word, "file": file, "address": address, "check": args.check }),
        ),
        Format::Text => {
            if matches!(plan, Plan::Create(_) | Plan::Replace(_)) {
                tell_of_authorities(args);
            }
            let would = if args.check { "would be" } else { "was" };
            output::line(&match plan {
                Plan::Create(backend) | Plan::Replace(backend) => {
                    format!("{file} {would} {word} for {}", backend.address)
                }
                Plan::Remove => format!("{file} {would} removed"),
                Plan::Nothing(_, why) => format!("{why}; nothing {would} done"),
            })
        }
    }
}

/// The program does not know our flag: it trusts the server by a variable.
fn tell_of_authorities(args: &ConfigureArgs) {
    let named = args.base.ca_file().filter(|_| variable(CA).is_none());
    let Some(file) = named.map(|file| file.shown()) else {
        return;
    };
    let file = shlex::try_quote(&file).map_or_else(|_| "FILE".to_owned(), Into::into);
    output::message(&format!(
        "statekeep: for the program to trust the server, set {CA}=\"$(cat {file})\""
    ));
}
