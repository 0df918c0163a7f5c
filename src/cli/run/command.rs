//! `statekeep run`: a command of Terraform or OpenTofu with its state on this server, as if the
//! sources had said so.
//!
//! Where the sources configure no backend, a file that does is there for as long as the command
//! runs. Where they configure this very state, the command gets a token. Where they configure
//! another backend, it runs as it is. Nothing is guessed: what is undecided is not run. A state
//! moves only before a command that writes, or where that was asked for: see
//! [`moves`](super::moves). What was made for the command goes away with it, however it ends.

use std::process::ExitCode;

use rustix::fs::Mode;

use crate::cli::client::token::Token;
use crate::cli::module::folder::Lock;
use crate::cli::module::target::{Goes, refuse_workspaces};
use crate::cli::output::Failure;
use crate::cli::process::child::End;
use crate::cli::process::signals::Signals;
use crate::cli::run::args::RunArgs;
use crate::cli::run::generated;
use crate::cli::run::generated::Generated;
use crate::cli::run::handed;
use crate::cli::run::initial;
use crate::cli::run::login::{Reading, read_key};
use crate::cli::run::moves::Next;
use crate::cli::run::refusals;
use crate::cli::run::stop::Stop;
use crate::cli::run::wrapped::Run;
use crate::cli::terraform::calls::Using;
use crate::cli::terraform::credentials::Credentials;
use crate::cli::terraform::invocation::Invocation;
use crate::cli::terraform::record::Record;

const NOT_RUN: &str = "The command was not run.";

/// Runs it; the exit code is the command's.
pub(in crate::cli) fn run(args: RunArgs, umask: Mode) -> Result<ExitCode, Failure> {
    // The command makes its files as the user wants them; ours have modes of their own.
    rustix::process::umask(umask);
    let not_run = |failure: Failure| failure.and(NOT_RUN);
    let invocation = Invocation::read(&args.command, &args.subject.dir).map_err(not_run)?;
    if handed::is_all(&args.subject, &invocation) {
        return handed::run(&args.subject, &invocation).map_err(not_run);
    }
    let address = args.subject.address().map_err(not_run)?;
    let signals = Signals::take().map_err(|error| not_run(error.into()))?;
    let run = Run {
        args,
        invocation,
        address,
        signals,
    };
    match (crate::http::block_on(run.whole()), run.signals.ending()) {
        (Ok(end) | Err(Stop::Ended(end)), _) => Ok(end.exit(&run.invocation.shown())),
        (Err(Stop::Failed(failure)), None) => Err(not_run(failure)),
        (Err(Stop::Failed(failure)), Some(signal)) => {
            let _ = failure.exit();
            Ok(End::Signal(signal).exit(&run.invocation.shown()))
        }
    }
}

impl Run {
    async fn whole(&self) -> Result<End, Stop> {
        if !self.invocation.needs_backend() {
            refusals::no_subcommand(&self.invocation, self.args.subject.program.is_some())?;
            return Ok(self.plain().await);
        }
        let key = read_key(
            self.args.subject.key_file.clone(),
            self.address.server().to_owned(),
        );
        match self
            .args
            .subject
            .goes(
                &self.invocation,
                &self.address,
                self.invocation.needs_no_configuration(),
            )
            .await?
        {
            Goes::Nowhere { may_encrypt } => self.with_file(key, may_encrypt).await,
            Goes::Here => self.with_token(key).await,
            Goes::Astray(found, state) => self.astray(&found, state.as_ref()).await,
            Goes::Elsewhere(found) => self.elsewhere(&found, key).await,
        }
    }

    /// The sources configure this very state.
    async fn with_token(&self, key: Reading) -> Result<End, Stop> {
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
    async fn with_file(&self, key: Reading, may_encrypt: bool) -> Result<End, Stop> {
        refuse_workspaces(&self.invocation)?;
        let record = Record::read(&self.invocation)?;
        refusals::arguments(&self.invocation, &self.address, record.as_ref())?;
        let lock = Lock::take(self.invocation.root())?;
        let login = self.login(key);
        let (root, text) = (self.invocation.root().to_owned(), self.address.text());
        let writing = tokio::task::spawn_blocking(move || Generated::write(lock, &root, text));
        let token = login.done(&self.signals).await;
        let file = writing
            .await
            .unwrap_or_else(|panic| Err(Failure::because(panic)));
        let mut token = token?;
        let end = self
            .generated(file, &mut token, record.as_ref(), may_encrypt)
            .await;
        token.end().await;
        end
    }

    /// `init` where it is needed, and the command, while the file is there.
    async fn generated(
        &self,
        file: Result<Generated, Failure>,
        token: &mut Token,
        record: Option<&Record>,
        may_encrypt: bool,
    ) -> Result<End, Stop> {
        let file = file?;
        refusals::writing(&self.invocation, token, &self.address.name.to_string())?;
        let credentials = token.credentials();
        if self.moves_in(token, may_encrypt).await? == Next::AsItIs {
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

    /// With which flags `init` is needed, if it is. What is recorded otherwise holds nothing any
    /// more that is not here, or nobody wants it.
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
        credentials: &Credentials,
        token: &mut Token,
    ) -> Result<(), Stop> {
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
        match self.signals.ending() {
            Some(signal) => Err(Stop::Ended(End::Signal(signal))),
            None if status.success() => Ok(()),
            None => Err(Stop::Failed(Failure::Failed(format!(
                "`{} init` failed ({status})",
                self.invocation.shown()
            )))),
        }
    }
}
