//! `statekeep configure`: writes the backend file of a module that configures no backend, and
//! removes it again.
//!
//! It never replaces a file that it did not write, follows no link, writes nothing beside sources
//! that it cannot judge, and never writes a secret.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::cli::client::trust::CA;
use crate::cli::common::flags::Format;
use crate::cli::module::address::{BaseUrl, StateAddress};
use crate::cli::module::detect;
use crate::cli::module::detect::{ProgramArg, RootModule};
use crate::cli::module::folder::FolderLock;
use crate::cli::module::identity::Whose;
use crate::cli::module::sources::{Beside, Sources, not_ours, nothing_to_load};
use crate::cli::output::{self, CliError, ShownPath as _};
use crate::cli::terraform::reading::variable;
use crate::config::state_variable;
use crate::hcl::{BackendFile, BlockKind, FILE, FoundBlock, Present, WrittenBy};
use crate::model::name::{BuildingBlock, StateName, Workspace};

#[derive(Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are flags of the command line"
)]
pub(super) struct ConfigureArgs {
    /// The state, as WORKSPACE/BUILDINGBLOCK; or the root module's directory, if the two flags or
    /// `STATEKEEP_STATE` name the state
    #[arg(value_name = "W/B")]
    first: Option<String>,
    /// The root module's directory
    #[arg(value_name = "DIR")]
    second: Option<PathBuf>,
    /// The program that loads the module; without it, both have to come to the same answer
    #[arg(long, value_enum)]
    program: Option<ProgramArg>,
    /// Examine JSON files (`.tf.json`, `.tofu.json`) too
    #[arg(long)]
    include_json: bool,
    /// The state's workspace
    #[arg(long, value_name = "W", requires = "building_block")]
    workspace: Option<Workspace>,
    /// The state's building block
    #[arg(long, value_name = "B", requires = "workspace")]
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
    #[arg(short = 'o', long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// What the words and flags of a command line mean together.
struct Asked<'a> {
    args: &'a ConfigureArgs,
    module: RootModule,
    state: Option<StateName>,
}

impl<'a> Asked<'a> {
    fn of(args: &'a ConfigureArgs) -> Result<Self, CliError> {
        let by_flags = args.workspace.clone().zip(args.building_block.clone());
        let by_flags = by_flags.map(|(workspace, block)| StateName { workspace, block });
        let (state, dir) = match (&args.first, &args.second) {
            (Some(_), Some(_)) if by_flags.is_some() => {
                return Err(CliError::Usage("the state is named twice".to_owned()));
            }
            (Some(state), Some(dir)) => (Some(parsed(state)?), dir.clone()),
            (Some(dir), None) if by_flags.is_some() => (by_flags, PathBuf::from(dir)),
            (Some(word), None) => alone(word, args.remove)?,
            (None, _) => (by_flags, PathBuf::from(".")),
        };
        // A script that takes the file away may have named any state.
        let state = match state {
            None if !args.remove => by_variable()?,
            named => named,
        };
        Ok(Self {
            args,
            module: RootModule::at(&dir, args.program, args.include_json),
            state,
        })
    }

    /// The state's address, if it is named.
    fn address(&self) -> Result<Option<StateAddress>, CliError> {
        let Some(StateName { workspace, block }) = self.state.clone() else {
            return Ok(None);
        };
        self.args.base.state(workspace, block).map(Some)
    }
}

/// What a word without another one and without flags is: the module's directory if the state is
/// named by the variable or need not be, else the state.
fn alone(word: &str, is_removal: bool) -> Result<(Option<StateName>, PathBuf), CliError> {
    let is_folder = Path::new(word).is_dir();
    if is_removal || is_folder && state_variable().is_some() {
        return Ok((None, PathBuf::from(word)));
    }
    match word.parse() {
        Ok(_) if is_folder => Err(CliError::Usage(format!(
            "{} is a directory here, and may be a state too: write `configure W/B DIR`",
            output::harmless(word)
        ))),
        Ok(state) => Ok((Some(state), PathBuf::from("."))),
        Err(_) => Ok((None, PathBuf::from(word))),
    }
}

fn by_variable() -> Result<Option<StateName>, CliError> {
    let named = state_variable().map(|text| text.parse());
    let named = named.transpose();
    named.map_err(|error| CliError::Usage(format!("STATEKEEP_STATE: {error}")))
}

fn parsed(state: &str) -> Result<StateName, CliError> {
    state
        .parse()
        .map_err(|error| CliError::Usage(format!("{}: {error}", output::harmless(state))))
}

/// A file of a `run` is not touched while that runs, and no `run` begins while one that is left
/// over is looked at.
fn refuse_beside_a_run(module: &RootModule) -> Result<Option<FolderLock>, CliError> {
    let dir = &module.dir;
    module.exists()?;
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
    let asked = Asked::of(args)?;
    let address = asked.address()?;
    if address.is_some() && !args.remove {
        args.base.warn_of_open_way()?;
    }
    let _lock = refuse_beside_a_run(&asked.module)?;
    let plan = if args.remove {
        removal(&asked.module.dir, address.as_ref())?
    } else {
        crate::http::block_on(plan(&asked, &required(address)?))?
    };
    if !args.check {
        act(&asked.module.dir, &plan)?;
    }
    tell(&asked, &plan)
}

fn required(address: Option<StateAddress>) -> Result<StateAddress, CliError> {
    address.ok_or_else(|| {
        CliError::Usage(
            "the state is missing: name it as W/B, by --workspace and --building-block, or in \
                STATEKEEP_STATE"
                .to_owned(),
        )
    })
}

/// What is to be done so that the module's state goes to an address.
async fn plan(asked: &Asked<'_>, wanted: &StateAddress) -> Result<Plan, CliError> {
    let (args, module) = (asked.args, &asked.module);
    let dir = &module.dir;
    let present = BackendFile::present(dir)?;
    let without = matches!(present, Present::Ours(_) | Present::CutOff).then_some(FILE);
    match args.beside.look(module, without)? {
        Sources::Configure(found) => beside(dir, &present, &found, wanted).await,
        Sources::AreSilent { is_empty: true, .. } => Err(nothing_to_load(module)),
        Sources::AreSilent { .. } => by_our_file(asked, present, wanted),
    }
}

/// The sources configure no backend, so the file does.
fn by_our_file(
    asked: &Asked<'_>,
    present: Present,
    wanted: &StateAddress,
) -> Result<Plan, CliError> {
    let (args, dir) = (asked.args, &asked.module.dir);
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
fn removal(dir: &Path, named: Option<&StateAddress>) -> Result<Plan, CliError> {
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

fn tell(asked: &Asked<'_>, plan: &Plan) -> Result<(), CliError> {
    let (args, file) = (asked.args, detect::in_dir(&asked.module.dir, FILE));
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
