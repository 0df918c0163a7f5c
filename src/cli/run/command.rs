//! `statekeep run`: a command of Terraform or OpenTofu with its state on this server, as if the
//! sources had said so.
//!
//! If the sources configure no backend, a file that does is there for as long as the command runs.
//! If they configure this very state, the command gets a token. If they configure another backend,
//! it runs as it is. Nothing is guessed: if it is undecided what they configure, the command is not
//! run. A state moves only before a command that writes, or if that was asked for: see
//! [`moves`](super::moves). The token and the file of the command go away with it, however it ends.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitCode;

use rustix::fs::Mode;

use crate::cli::client::token::RunToken;
use crate::cli::module::folder::FolderLock;
use crate::cli::module::target::{BackendTarget, refuse_workspaces};
use crate::cli::output::CliError;
use crate::cli::process::child::End;
use crate::cli::process::signals::Signals;
use crate::cli::run::args::RunArgs;
use crate::cli::run::generated;
use crate::cli::run::generated::Generated;
use crate::cli::run::handed;
use crate::cli::run::initial;
use crate::cli::run::login::{KeyReading, read_key};
use crate::cli::run::moves::RunWith;
use crate::cli::run::refusals;
use crate::cli::run::stop::Stop;
use crate::cli::run::wrapped::Run;
use crate::cli::terraform::calls::Using;
use crate::cli::terraform::credentials::HttpCredentials;
use crate::cli::terraform::invocation::Invocation;
use crate::cli::terraform::record::Record;

/// What follows from a failure before the command was started.
pub(in crate::cli) const NOT_RUN: &str = "The command was not run.";

/// Runs it; the exit code is the command's.
pub(in crate::cli) fn run(args: RunArgs, umask: Mode) -> Result<ExitCode, CliError> {
    // The command makes its files as the user wants them; ours have modes of their own.
    rustix::process::umask(umask);
    begin(args).map_err(|failure| failure.and(NOT_RUN))
}

fn begin(args: RunArgs) -> Result<ExitCode, CliError> {
    let invocation = Invocation::read(&args.command, &args.subject.dir)?;
    if handed::is_all(&args.subject, &invocation) {
        return handed::run(&args.subject, &invocation);
    }
    let address = args.subject.address()?;
    let signals = Signals::take()?;
    let run = Run {
        args,
        invocation,
        address,
        signals,
    };
    let program = run.invocation.shown();
    match (crate::http::block_on(run.whole()), run.signals.ending()) {
        (Ok(end) | Err(Stop::Ended(end)), _) => Ok(end.exit(&program)),
        (Err(Stop::Failed(failure)), None) => Err(failure),
        (Err(Stop::Failed(failure)), Some(signal)) => {
            let _ = failure.exit();
            Ok(End::Signal(signal).exit(&program))
        }
    }
}

impl Run {
    async fn whole(&self) -> Result<End, Stop> {
        let (subject, invocation) = (&self.args.subject, &self.invocation);
        if !invocation.needs_backend() {
            refusals::no_subcommand(invocation, subject.program.is_some())?;
            return Ok(self.plain().await);
        }
        let server = self.address.server().to_owned();
        let key = read_key(subject.login_source()?, server);
        let may_be_empty = invocation.needs_no_configuration();
        let target = subject.backend_target(invocation, &self.address, may_be_empty);
        match target.await? {
            BackendTarget::Unset { may_encrypt } => self.with_file(key, may_encrypt).await,
            BackendTarget::ThisState => self.with_token(key).await,
            BackendTarget::AnotherState(found, state) => {
                self.another_state(&found, state.as_ref()).await
            }
            BackendTarget::Other(found) => self.elsewhere(&found, key).await,
        }
    }

    /// The sources configure this very state.
    async fn with_token(&self, key: KeyReading) -> Result<End, Stop> {
        refuse_workspaces(&self.invocation)?;
        let mut token = self.login(key).done(&self.signals).await?;
        if let Err(refusal) =
            refusals::writing(&self.invocation, &token, &self.address.name.to_string())
        {
            token.end().await;
            return Err(refusal.into());
        }
        let mut command = self.invocation.wrapped();
        generated::give(&token.credentials(), &mut command, self.invocation.root());
        let end = self.told(&mut token, &mut command).await;
        token.end().await;
        Ok(end)
    }

    /// The sources configure nothing.
    async fn with_file(&self, key: KeyReading, may_encrypt: bool) -> Result<End, Stop> {
        refuse_workspaces(&self.invocation)?;
        let record = Record::read(&self.invocation)?;
        refusals::arguments(&self.invocation, &self.address, record.as_ref())?;
        let lock = FolderLock::take(self.invocation.root())?;
        let login = self.login(key);
        let (root, text) = (self.invocation.root().to_owned(), self.address.text());
        let writing = tokio::task::spawn_blocking(move || Generated::write(lock, &root, text));
        let token = login.done(&self.signals).await;
        let file = writing
            .await
            .unwrap_or_else(|panic| Err(CliError::because(panic)));
        let mut token = token?;
        let end = self
            .generated(file, &mut token, record.as_ref(), may_encrypt)
            .await;
        token.end().await;
        end
    }

    /// `init` if it is needed, and the command, while the file is there.
    async fn generated(
        &self,
        file: Result<Generated, CliError>,
        token: &mut RunToken,
        record: Option<&Record>,
        may_encrypt: bool,
    ) -> Result<End, Stop> {
        let file = file?;
        refusals::writing(&self.invocation, token, &self.address.name.to_string())?;
        let credentials = token.credentials();
        if self.moves_in(token, may_encrypt).await? == RunWith::AsItIs {
            drop(file);
            return Ok(self.plain().await);
        }
        let exists = self
            .moving(token, async |moving| moving.exists().await)
            .await?;
        if !exists {
            self.begins(token, record).await?;
        }
        if let Some(flags) = self.flags_of_init(record) {
            self.init(flags, &credentials, token).await?;
        }
        let mut command = self.invocation.wrapped();
        credentials.give_for_our_block(&mut command);
        Ok(self.told(token, &mut command).await)
    }

    /// With which flags `init` is needed, if it is. Another backend that is recorded holds nothing
    /// that is not here, or nothing that is wanted.
    fn flags_of_init(&self, record: Option<&Record>) -> Option<&'static [&'static str]> {
        match record {
            // Whether the rest was told, and holds, only the program knows.
            Some(record)
                if record.is_of_our_block(&self.address.text())
                    && (!record.says_more_than_our_block()
                        || self.invocation.uses_what_is_recorded().unwrap_or(true)) =>
            {
                None
            }
            Some(_) => Some(&["-reconfigure"]),
            None if self.invocation.subcommand() == Some("init") => None,
            None => Some(&[]),
        }
    }

    async fn init(
        &self,
        flags: &[&str],
        credentials: &HttpCredentials,
        token: &mut RunToken,
    ) -> Result<(), Stop> {
        refusals::init_of_another(&self.invocation)?;
        let mut command = self.invocation.init(
            flags,
            &Using {
                credentials: Some(credentials),
                ..Using::default()
            },
        );
        let said = initial::Said::of(&mut command, self.invocation.arguments());
        let status = match self.kept(token, &mut command).await {
            End::Ran(status) => status,
            end @ (End::Lost(_) | End::Signal(_) | End::NotStarted(_)) => {
                return Err(Stop::Ended(end));
            }
        };
        if !status.success() {
            said.show();
        }
        // A key that is typed reaches `init` alone.
        match self.signals.ending().or(status.signal()) {
            Some(signal) => Err(Stop::Ended(End::Signal(signal))),
            None if status.success() => Ok(()),
            None => Err(Stop::Failed(CliError::Failed(format!(
                "`{} init` failed ({status}){}",
                self.invocation.shown(),
                refusals::instead_of_another(&self.invocation)
            )))),
        }
    }
}
