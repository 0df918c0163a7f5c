//! `statekeep transfer`: what `run` does about a state that moves, without a command behind it; and
//! what a person says if a move stands still.

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use rustix::fs::Mode;
use serde_json::json;

use crate::cli::client::token::{Key, RunToken};
use crate::cli::client::wire::Wire;
use crate::cli::common::flags::Format;
use crate::cli::module::address::StateAddress;
use crate::cli::module::detect;
use crate::cli::module::folder::FolderLock;
use crate::cli::module::target::{BackendTarget, NO_STATE_THERE, Subject, refuse_workspaces};
use crate::cli::output::{self, CliError};
use crate::cli::process::signals::{Signals, code_of};
use crate::cli::terraform::invocation::Invocation;
use crate::cli::transfer::bring_back::BroughtBack;
use crate::cli::transfer::push_away::PushedAway;
use crate::cli::transfer::server_side::{ServerSide, tell};
use crate::cli::transfer::state_move::Move;
use crate::model::name::StateName;

#[derive(Args)]
pub(in crate::cli) struct TransferArgs {
    #[command(flatten)]
    subject: Subject,
    /// Say that the state has moved to where the transfer was begun; nothing is checked
    #[arg(long, conflicts_with = "abandon")]
    finish: bool,
    /// Say that nothing has moved, and unlock the state
    #[arg(long)]
    abandon: bool,
    /// How to print what was done
    #[arg(short = 'o', long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// The program with the options that come before a subcommand, after `--`
    #[arg(
        last = true,
        required_unless_present_any = ["finish", "abandon"],
        conflicts_with_all = ["finish", "abandon"],
        value_name = "PROGRAM"
    )]
    command: Vec<OsString>,
}

/// How long the server may still take for what it was asked when a signal comes. What is on its way
/// there is not torn off without need.
const GRACE: Duration = Duration::from_secs(5);

/// Runs it. A signal ends what the client is asked to do meanwhile, and then this: with nothing
/// left in the module, and the token ended.
pub(in crate::cli) fn run(args: TransferArgs, umask: Mode) -> Result<ExitCode, CliError> {
    rustix::process::umask(umask);
    let signals = Signals::take()?;
    let done = crate::http::block_on(whole(args, &signals));
    match (done, signals.ending()) {
        (Ok(()), _) => Ok(ExitCode::SUCCESS),
        (Err(failure), None) => Err(failure),
        (Err(failure), Some(signal)) => {
            let _ = failure
                .and(&format!(
                    "Signal {signal} came; the same command continues where this stopped."
                ))
                .exit();
            Ok(code_of(signal))
        }
    }
}

async fn whole(args: TransferArgs, signals: &Signals) -> Result<(), CliError> {
    let address = args.subject.address()?;
    let login = Key::read(&args.subject.login_source()?, address.server())?.login(&address.name);
    let token = unless_ended(signals, login).await?;
    let done = unless_ended(
        signals,
        token.meanwhile(with_token(&args, &address, &token)),
    )
    .await;
    token.end().await;
    let result = done?;
    match args.format {
        Format::Json => output::json(&json!({ "result": result, "state": address.text() })),
        Format::Text => output::line(&format!("{}: {result}", address.name)),
    }
}

/// Does something, and gives it up if a signal has come and it does not end in time.
async fn unless_ended<T>(
    signals: &Signals,
    act: impl Future<Output = Result<T, CliError>>,
) -> Result<T, CliError> {
    let too_late = async {
        signals.ended().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        done = act => done,
        () = too_late => Err(CliError::Failed("the server did not answer in time".to_owned())),
    }
}

async fn with_token(
    args: &TransferArgs,
    address: &StateAddress,
    token: &RunToken,
) -> Result<&'static str, CliError> {
    let (wire, credentials) = (token.wire(), token.credentials());
    if args.finish || args.abandon {
        return by_decision(args, address, &wire).await;
    }
    let invocation = Invocation::read(&args.command, &args.subject.dir)?;
    if invocation.subcommand().is_some() {
        return Err(CliError::Usage(
            "`transfer` takes the program alone, as in `-- terraform`; `run` runs a command"
                .to_owned(),
        ));
    }
    let moving = Move {
        address,
        wire: &wire,
        credentials: &credentials,
        invocation: &invocation,
    };
    let target = args.subject.backend_target(&invocation, address, false);
    match target.await? {
        BackendTarget::ThisState => Ok("nothing to move: the sources point at this state"),
        BackendTarget::AnotherState(found, state) => {
            let place = detect::place(invocation.root(), &found);
            Err(another_state(&place, state.as_ref(), &address.name))
        }
        BackendTarget::Other(found) => Ok(match moving.push_away(&found).await? {
            PushedAway::Moved => "moved",
            PushedAway::Nothing => "nothing to move",
        }),
        BackendTarget::Unset { may_encrypt } => {
            refuse_workspaces(&invocation)?;
            let _lock = FolderLock::take(invocation.root())?;
            Ok(match moving.bring_back(may_encrypt).await? {
                BroughtBack::Here => "here",
                BroughtBack::Nothing => "nothing to move",
            })
        }
    }
}

/// Why nothing moves if the sources configure another state of this server.
fn another_state(place: &str, state: Option<&StateName>, name: &StateName) -> CliError {
    let which = state.map_or_else(
        || NO_STATE_THERE.to_owned(),
        |state| format!("the state {state}"),
    );
    CliError::Failed(format!(
        "{place} configures {which} on this server, and not {name}; nothing moves. A state gets \
            another address on its server by `statekeep state move {name} NEW`"
    ))
}

/// A person knows what is in the other place.
async fn by_decision(
    args: &TransferArgs,
    address: &StateAddress,
    wire: &Wire,
) -> Result<&'static str, CliError> {
    let server = ServerSide::new(wire, address.name.path());
    if args.abandon {
        server.abandon().await?;
        tell(&format!("{} is as it was, and unlocked", address.name));
        return Ok("abandoned");
    }
    let none = || CliError::Failed(format!("no transfer of {} was begun", address.name));
    let transfer = server.begun().await?.ok_or_else(none)?;
    server.done(&transfer).await?;
    tell(&format!(
        "the address of {} answers 410 from now on; its history stays",
        address.name
    ));
    Ok("moved")
}
