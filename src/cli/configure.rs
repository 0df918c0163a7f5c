//! `statekeep configure`: writes the one file that says where a module's state goes, only where its
//! sources do not, and takes it away again.
//!
//! Never over a file that it did not write, never through a link, never beside sources that it
//! cannot judge, and never with a secret in it.

use std::io::ErrorKind;
use std::path::Path;

use clap::Args;
use serde_json::json;

use crate::cli::common::flags::Format;
use crate::cli::module::address::{Address, Base};
use crate::cli::module::detect;
use crate::cli::module::detect::Module;
use crate::cli::module::folder::Lock;
use crate::cli::module::identity::Whose;
use crate::cli::module::sources::{Beside, Sources, not_ours, nothing_to_load};
use crate::cli::output::{self, Failure};
use crate::hcl::{BackendFile, BlockKind, FILE, FoundBlock, Present, WrittenBy};
use crate::model::name::{BuildingBlock, Workspace};

#[derive(Args)]
pub(super) struct ConfigureArgs {
    #[command(flatten)]
    module: Module,
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
    base: Base,
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
fn refuse_beside_a_run(args: &ConfigureArgs) -> Result<Option<Lock>, Failure> {
    let dir = &args.module.dir;
    args.module.exists()?;
    match BackendFile::present(dir)? {
        Present::Ours(BackendFile {
            writer: WrittenBy::Run,
            ..
        })
        | Present::CutOff => Lock::take(dir).map(Some),
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
pub(super) fn run(args: &ConfigureArgs) -> Result<(), Failure> {
    let address = address(args)?;
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

fn address(args: &ConfigureArgs) -> Result<Option<Address>, Failure> {
    let (Some(workspace), Some(block)) = (args.workspace.clone(), args.building_block.clone())
    else {
        let asked_for_less = args.workspace.is_some();
        let incomplete = || Failure::Usage("--workspace needs --building-block".to_owned());
        return if asked_for_less {
            Err(incomplete())
        } else {
            Ok(None)
        };
    };
    args.base.state(workspace, block).map(Some)
}

fn required(address: Option<Address>) -> Result<Address, Failure> {
    address.ok_or_else(|| {
        Failure::Usage(
            "--workspace and --building-block are missing: they name the state".to_owned(),
        )
    })
}

/// What is to be done so that the module's state goes to an address.
async fn plan(args: &ConfigureArgs, wanted: &Address) -> Result<Plan, Failure> {
    let dir = &args.module.dir;
    let present = BackendFile::present(dir)?;
    let without = matches!(present, Present::Ours(_) | Present::CutOff).then_some(FILE);
    match args.beside.look(&args.module, without)? {
        Sources::Configure(found) => return beside(dir, &present, &found, wanted).await,
        Sources::AreSilent { is_empty: true, .. } => return Err(nothing_to_load(&args.module)),
        Sources::AreSilent { .. } => {}
    }
    let backend = BackendFile::new(wanted.text(), WrittenBy::Configure);
    let file = detect::in_dir(dir, FILE);
    match present {
        Present::Nothing => Ok(Plan::Create(backend)),
        Present::Ours(ours) if ours == backend => Ok(Plan::Nothing(
            "unchanged",
            format!("{file} configures this state already"),
        )),
        // It was left over, and says nothing of where the state is.
        Present::Ours(BackendFile {
            writer: WrittenBy::Run,
            ..
        })
        | Present::CutOff => Ok(Plan::Replace(backend)),
        Present::Ours(_) if args.replace => Ok(Plan::Replace(backend)),
        // Not by itself: the program would want another `init` behind it.
        Present::Ours(ours) if ours.address == backend.address => Ok(Plan::Nothing(
            "unchanged",
            format!(
                "{file} configures this state already; an earlier version wrote it, and \
                    environment variables may change its methods: --replace pins them, and `init \
                    -reconfigure` takes that over"
            ),
        )),
        Present::Ours(ours) => Err(Failure::Failed(format!(
            "{file} was written for {}, and the state may be there; --replace writes the file \
                anew and moves no state",
            ours.address
        ))),
        Present::Theirs => Err(not_ours(dir)),
    }
}

/// The sources say themselves where the state goes.
async fn beside(
    dir: &Path,
    present: &Present,
    found: &FoundBlock,
    wanted: &Address,
) -> Result<Plan, Failure> {
    let (place, block) = (detect::place(dir, found), detect::block(found));
    if matches!(present, Present::Ours(_)) {
        return Err(Failure::Failed(format!(
            "{place} configures `{block}`, and {} is still there from before; `statekeep configure \
                --remove` takes it away",
            detect::in_dir(dir, FILE)
        )));
    }
    let whose = match found
        .address
        .as_deref()
        .filter(|_| found.kind == BlockKind::Backend)
    {
        Some(address) => wanted.whose(address).await,
        None => Whose::Others,
    };
    Ok(match whose {
        Whose::This(Some(state)) if state == wanted.name => {
            Plan::Nothing("ours", format!("{place} points at this state already"))
        }
        Whose::This(Some(state)) => Plan::Nothing(
            "configured",
            format!(
                "{place} points at {state} on this server, and not at {}",
                wanted.name
            ),
        ),
        Whose::This(None) | Whose::Others => Plan::Nothing(
            "configured",
            format!("{place} configures `{block}` itself, so the state goes there"),
        ),
        Whose::Unknown(why) => Plan::Nothing(
            "configured",
            format!(
                "{place} configures `{block}` itself, so the state goes there; it is unknown \
                    whether that is this state by another name ({why})"
            ),
        ),
    })
}

/// What is to be done so that the file is gone.
fn removal(args: &ConfigureArgs, named: Option<&Address>) -> Result<Plan, Failure> {
    let dir = &args.module.dir;
    match BackendFile::present(dir)? {
        Present::Nothing => Ok(Plan::Nothing(
            "absent",
            format!("there is no {}", detect::in_dir(dir, FILE)),
        )),
        Present::Theirs => Err(not_ours(dir)),
        Present::Ours(ours) if named.is_some_and(|named| named.text() != ours.address) => {
            let file = detect::in_dir(dir, FILE);
            Err(Failure::Failed(format!(
                "{file} is for another state, {}, so it is left alone",
                ours.address
            )))
        }
        Present::Ours(_) | Present::CutOff => Ok(Plan::Remove),
    }
}

fn act(dir: &Path, plan: &Plan) -> Result<(), Failure> {
    let done = match plan {
        Plan::Create(backend) => backend.create(dir),
        Plan::Replace(backend) => backend.replace(dir),
        Plan::Remove => BackendFile::remove(dir),
        Plan::Nothing(..) => Ok(()),
    };
    let file = detect::in_dir(dir, FILE);
    done.map_err(|error| {
        let appeared = error.kind() == ErrorKind::AlreadyExists;
        Failure::Failed(if appeared {
            format!("{file} appeared meanwhile, so it is left alone")
        } else {
            format!("{file}: {error}")
        })
    })
}

fn tell(args: &ConfigureArgs, plan: &Plan) -> Result<(), Failure> {
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
