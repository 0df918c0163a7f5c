//! `statekeep run`: a command of Terraform or OpenTofu with its state on this server, as if the sources had said so.
//!
//! Where the sources configure no backend, a file that does is there for as long as the command runs. Where they configure this very state, the command
//! gets a token. Where they configure another backend, it runs as it is. Nothing is guessed: what is undecided is not run.
//! What was made for the command goes away with it, however it ends.

mod child;
pub(super) mod folder;
mod refusals;
mod signals;
mod token;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use clap::{Args, ValueEnum};
use rustix::fs::Mode;

use super::configure::address::{Address, Base};
use super::configure::sources::{Beside, Sources};
use super::detect::{self, Asked, Module};
use super::output::{self, Failure};
use super::tool::{Credentials, Invocation, Record, Using};
use crate::hcl::{FILE, Found, Kind};
use crate::model::name::{BuildingBlock, Workspace};
use child::End;
use folder::{Generated, Lock};
use signals::Signals;
use token::{Key, Login, Reading, Token};

/// What the `http` backend would take from the environment where a block does not say it. A generated block says all that says where.
const OF_THE_BACKEND: [&str; 6] =
    [ADDRESS, "TF_HTTP_LOCK_ADDRESS", "TF_HTTP_UNLOCK_ADDRESS", "TF_HTTP_UPDATE_METHOD", "TF_HTTP_LOCK_METHOD", "TF_HTTP_UNLOCK_METHOD"];
const ADDRESS: &str = "TF_HTTP_ADDRESS";
const NOT_RUN: &str = "The command was not run.";

#[derive(Args)]
pub(super) struct RunArgs {
    /// The state's workspace
    #[arg(long, value_name = "W")]
    workspace: Workspace,
    /// The state's building block
    #[arg(long, value_name = "B")]
    building_block: BuildingBlock,
    /// The directory in which the command runs
    #[arg(long, default_value = ".", value_name = "DIR")]
    dir: PathBuf,
    /// The program that is to load the module, where its file's name does not say so
    #[arg(long, value_enum)]
    program: Option<Asked>,
    /// Examine JSON files (`.tf.json`, `.tofu.json`) as well
    #[arg(long)]
    include_json: bool,
    #[command(flatten)]
    beside: Beside,
    #[command(flatten)]
    base: Base,
    /// The file with the API key's secret
    #[arg(long, env = "STATEKEEP_KEY_FILE", value_name = "FILE")]
    key_file: PathBuf,
    /// Whether a state moves along where the sources configure another backend
    #[arg(long, value_enum, default_value_t = Transfer::Auto)]
    transfer: Transfer,
    /// The command, behind `--`
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Whether a state moves along.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Transfer {
    /// Where this server has a live one
    Auto,
    /// Never; the server is not asked
    Never,
}

/// Why the command was not run.
enum Stop {
    /// Something else failed.
    Failed(Failure),
    /// A signal came, or the program cannot be started.
    Ended(End),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Runs it; the exit code is the command's.
pub(super) fn run(args: RunArgs, umask: Mode) -> Result<ExitCode, Failure> {
    // The command makes its files as the user wants them; ours have modes of their own.
    rustix::process::umask(umask);
    let not_run = |failure: Failure| failure.and(NOT_RUN);
    let invocation = Invocation::read(&args.command, &args.dir).map_err(not_run)?;
    let address = args.base.state(args.workspace.clone(), args.building_block.clone()).map_err(not_run)?;
    let signals = Signals::take().map_err(|error| not_run(error.into()))?;
    let run = Run { args, invocation, address, signals };
    match crate::http::block_on(run.whole()) {
        Ok(end) | Err(Stop::Ended(end)) => Ok(end.exit(&run.invocation.shown())),
        Err(Stop::Failed(failure)) => Err(not_run(failure)),
    }
}

struct Run {
    args: RunArgs,
    invocation: Invocation,
    address: Address,
    signals: Signals,
}

/// Where the state of the module goes.
enum Goes {
    /// Nowhere yet.
    Nowhere,
    /// To this very state, by the sources' own words.
    Here,
    /// Elsewhere.
    Elsewhere(Found),
}

impl Run {
    async fn whole(&self) -> Result<End, Stop> {
        if !self.invocation.needs_backend() {
            refusals::no_subcommand(&self.invocation, self.args.program.is_some())?;
            return Ok(self.plain().await);
        }
        let key = Key::begin(self.args.key_file.clone(), self.address.server().to_owned());
        match self.look()? {
            Goes::Nowhere => self.with_file(key).await,
            Goes::Here => self.with_token(key).await,
            Goes::Elsewhere(found) => self.elsewhere(&found).await,
        }
    }

    /// Looks at the module, and removes what a killed `run` left where it is in the way.
    fn look(&self) -> Result<Goes, Failure> {
        let root = self.invocation.root();
        let program = self.args.program.or(self.invocation.program().map(Asked::from));
        let module = Module::at(root, program, self.args.include_json);
        let is_left_over = folder::is_left_over(root)?;
        let sources = self.args.beside.look(&module, is_left_over.then_some(FILE))?;
        let Sources::Configure(found) = sources else { return Ok(Goes::Nowhere) };
        if is_left_over {
            folder::clear(root)?;
        }
        let is_here = found.kind == Kind::Backend && found.label.as_deref() == Some("http") && self.is_here(&found)?;
        Ok(if is_here { Goes::Here } else { Goes::Elsewhere(found) })
    }

    /// Whether an `http` backend is this very state: by what `init` is told, by its block, by what is recorded, or by the environment.
    fn is_here(&self, found: &Found) -> Result<bool, Failure> {
        let told = self.invocation.backend_settings();
        let told = told.iter().rev().find_map(|setting| setting.split_once('=').filter(|(name, _)| name.trim() == "address"));
        if let Some(address) = told.map(|(_, address)| address).or(found.address.as_deref()) {
            return Ok(self.address.is(address));
        }
        let record = Record::read(&self.invocation)?;
        let recorded = record.as_ref().and_then(Record::address).map(str::to_owned);
        let address = recorded.or_else(|| std::env::var_os(ADDRESS).and_then(|address| address.into_string().ok()));
        Ok(address.is_some_and(|address| self.address.is(&address)))
    }

    /// The command as it is.
    async fn plain(&self) -> End {
        child::run(&mut self.invocation.wrapped(), &self.signals).await
    }

    /// The sources configure another backend.
    async fn elsewhere(&self, found: &Found) -> Result<End, Stop> {
        let root = self.invocation.root();
        let (place, block) = (detect::place(root, found), detect::block(found));
        output::message(&format!("statekeep: {place} configures `{block}`, so the state goes there and the command runs as it is"));
        if self.args.transfer == Transfer::Auto {
            // A live state that this server has of the module moves along here, before the command runs.
        }
        Ok(self.plain().await)
    }

    /// The sources configure this very state.
    async fn with_token(&self, key: Reading) -> Result<End, Stop> {
        refusals::workspace(&self.invocation)?;
        let mut token = self.login(key).done(&self.signals).await?;
        let mut command = self.invocation.wrapped();
        token.credentials().give(&mut command);
        let end = self.kept(&mut token, &mut command).await;
        token.end().await;
        Ok(end)
    }

    /// The sources configure nothing.
    async fn with_file(&self, key: Reading) -> Result<End, Stop> {
        refusals::workspace(&self.invocation)?;
        let record = Record::read(&self.invocation)?;
        refusals::arguments(&self.invocation, &self.address, record.as_ref())?;
        let lock = Lock::take(self.invocation.root())?;
        let login = self.login(key);
        let (root, text) = (self.invocation.root().to_owned(), self.address.text());
        let writing = tokio::task::spawn_blocking(move || Generated::write(lock, &root, text));
        let token = login.done(&self.signals).await;
        let file = writing.await.unwrap_or_else(|panic| Err(Failure::because(panic)));
        let mut token = token?;
        let end = self.generated(file, &mut token, record.as_ref()).await;
        token.end().await;
        end
    }

    /// `init` where it is needed, and the command, while the file is there.
    async fn generated(&self, file: Result<Generated, Failure>, token: &mut Token, record: Option<&Record>) -> Result<End, Stop> {
        let _file = file?;
        let credentials = token.credentials();
        if let Some(flags) = self.flags_of_init(record) {
            self.init(flags, &credentials, token).await?;
        }
        let mut command = self.invocation.wrapped();
        credentials.give(&mut command);
        only_the_file(&mut command);
        Ok(self.kept(token, &mut command).await)
    }

    /// Runs a command while its token is kept alive.
    async fn kept(&self, token: &mut Token, command: &mut Command) -> End {
        tokio::select! {
            end = child::run(command, &self.signals) => end,
            never = token.keep() => match never {},
        }
    }

    /// With which flags `init` is needed, if it is.
    fn flags_of_init(&self, record: Option<&Record>) -> Option<&'static [&'static str]> {
        if self.invocation.subcommand() == Some("init") {
            return None;
        }
        let recorded = record.and_then(Record::address);
        match recorded {
            Some(recorded) if recorded == self.address.text() => None,
            // Nothing is moved between states of the server: each has its name.
            Some(recorded) if self.address.shares_server(recorded) => Some(&["-reconfigure"]),
            Some(_) | None => Some(&[]),
        }
    }

    async fn init(&self, flags: &[&str], credentials: &Credentials, token: &mut Token) -> Result<(), Stop> {
        let mut command = self.invocation.init(flags, &Using { credentials: Some(credentials), ..Using::default() });
        only_the_file(&mut command);
        let status = match self.kept(token, &mut command).await {
            End::Ran(status) => status,
            end @ (End::Lost(_) | End::Signal(_) | End::NotStarted(_)) => return Err(Stop::Ended(end)),
        };
        match self.signals.ending() {
            Some(signal) => Err(Stop::Ended(End::Signal(signal))),
            None if status.success() => Ok(()),
            None => Err(Stop::Failed(Failure::Failed(format!("`{} init` failed ({status})", self.invocation.shown())))),
        }
    }

    fn login(&self, key: Reading) -> Login {
        Login::begin(key, self.address.name.clone())
    }
}

/// Takes out of a command's environment what would say otherwise than the generated file.
fn only_the_file(command: &mut Command) {
    for name in OF_THE_BACKEND {
        command.env_remove(name);
    }
}
