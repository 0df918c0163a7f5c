//! A state that may move: where it is, how its client is asked, and whether what the client has
//! recorded is this server.

use crate::cli::client::wire::Wire;
use crate::cli::module::address::StateAddress;
use crate::cli::module::identity::Whose;
use crate::cli::output::{self, CliError};
use crate::cli::process::signals;
use crate::cli::terraform::calls::Using;
use crate::cli::terraform::credentials::HttpCredentials;
use crate::cli::terraform::invocation::Invocation;
use crate::cli::terraform::record::Record;
use crate::cli::transfer::aside::Aside;
use crate::cli::transfer::equality;
use crate::cli::transfer::not_moved::NotMoved;
use crate::cli::transfer::server_side::{ServerSide, StateStatus};
use crate::hcl::{FoundBlock, OverrideFile};

/// A state that may move, and who moves it.
pub(in crate::cli) struct Move<'a> {
    /// Where it is on this server.
    pub(in crate::cli) address: &'a StateAddress,
    /// The way there, with the credentials below.
    pub(in crate::cli) wire: &'a Wire,
    /// For the client.
    pub(in crate::cli) credentials: &'a HttpCredentials,
    /// The client.
    pub(in crate::cli) invocation: &'a Invocation,
}

impl Move<'_> {
    pub(super) fn server_side(&self) -> ServerSide<'_> {
        ServerSide::new(self.wire, self.address.name.path())
    }

    /// Whether there is a live state here.
    pub(in crate::cli) async fn lives(&self) -> Result<bool, CliError> {
        Ok(self.server_side().status().await? == StateStatus::Live)
    }

    /// Whether there is a state here. Says where it went, if it is not here any more: the client
    /// would only say a number.
    pub(in crate::cli) async fn exists(&self) -> Result<bool, CliError> {
        let name = &self.address.name;
        match self.server_side().status().await? {
            StateStatus::Live => Ok(true),
            StateStatus::Nothing => Ok(false),
            StateStatus::Moved => Err(CliError::Failed(format!(
                "{name} has another address on this server now; `statekeep state show {name}` says \
                    which"
            ))),
            StateStatus::Transferred => {
                let to = self.server_side().left_for().await?;
                Err(CliError::Failed(format!(
                    "{name} has left for {}, and these sources configure no backend: use sources \
                        that configure one, or bring it back with `statekeep state restore \
                        {name}`",
                    output::harmless(&to)
                )))
            }
        }
    }

    /// Has the client look at another backend than the sources say, without a trace in what it has
    /// recorded.
    pub(super) fn with_backend<T>(
        &self,
        record: &Record,
        credentials: Option<&HttpCredentials>,
        act: impl FnOnce(&Using<'_>) -> Result<T, CliError>,
    ) -> Result<T, CliError> {
        let root = self.invocation.root();
        let failed = |what: &std::path::Path, error: std::io::Error| {
            CliError::Failed(format!(
                "{}: {error}",
                output::harmless(&what.display().to_string())
            ))
        };
        let data_dir = self.invocation.data_dir();
        let aside = Aside::make(&data_dir)
            .and_then(|aside| aside.record(record).map(|()| aside))
            .map_err(|error| failed(&data_dir, error))?;
        let _block = OverrideFile::create(root, &record.kind, record.config())
            .map_err(|error| failed(root, error))?;
        act(&Using {
            data_dir: Some(aside.path()),
            credentials,
        })
    }

    /// The current version here in clear. If its client encrypted it, only the client can read
    /// it.
    pub(super) fn in_clear(&self, bytes: Vec<u8>) -> Result<Vec<u8>, CliError> {
        if equality::head(&bytes)?.encrypted {
            self.read_here()
        } else {
            Ok(bytes)
        }
    }

    /// The state here, as its client reads it.
    pub(super) fn read_here(&self) -> Result<Vec<u8>, CliError> {
        let state = self.with_backend(
            &Record::http(&self.address.text()),
            Some(self.credentials),
            |using| self.invocation.pull(using),
        )?;
        state.ok_or_else(|| {
            CliError::Failed(format!(
                "{} does not show the state that it just had",
                self.address.server()
            ))
        })
    }

    /// Makes the new backend known to the client, unless that was done before.
    pub(super) async fn initialise(&self, found: &FoundBlock) -> Result<(), CliError> {
        let kind = found.label.as_deref().unwrap_or(Record::CLOUD);
        let Some(flags) = self.flags_of_init(kind).await? else {
            return Ok(());
        };
        let mut command = self.invocation.init(flags, &Using::default());
        let status =
            signals::status(&mut command).map_err(|error| self.invocation.not_started(&error))?;
        if status.success() {
            return Ok(());
        }
        let shown = self.invocation.shown();
        Err(CliError::Failed(format!(
            "`{shown} init` for the backend that the sources configure failed ({status}), so \
                nothing was moved; settings that it needs can stand in TF_CLI_ARGS_init, or wrap \
                `{shown} init -backend-config=…`"
        )))
    }

    /// With which flags `init` is needed for a backend of this type, if it is.
    async fn flags_of_init(&self, kind: &str) -> Result<Option<&'static [&'static str]>, CliError> {
        let Some(record) = Record::read(self.invocation)? else {
            return Ok(Some(&[]));
        };
        if matches!(self.whose(&record).await, Whose::This(_)) {
            return Ok(Some(&["-reconfigure"]));
        }
        if record.kind == kind {
            return Ok(None);
        }
        Err(CliError::Failed(format!(
            "the sources configure `{kind}`, and the last `init` was for `{}`, which is not this \
                server; run `{} init` yourself first",
            output::harmless(&record.kind),
            self.invocation.shown()
        )))
    }

    /// Whose a recorded backend is; one that has no address is no server like this.
    pub(super) async fn whose(&self, record: &Record) -> Whose {
        match record.reached_at() {
            Some(address) => self.address.whose(&address).await,
            None => Whose::Others,
        }
    }

    /// What the client has recorded, which is not this server: what would move there would move to
    /// itself.
    pub(super) async fn elsewhere(&self) -> Result<Record, NotMoved> {
        let none = || {
            CliError::Failed(format!(
                "{} init has recorded no backend",
                self.invocation.shown()
            ))
        };
        let read = Record::read(self.invocation).and_then(|record| record.ok_or_else(none));
        let record = read.map_err(NotMoved::unsure)?;
        let whose = self.whose(&record).await;
        self.leads_elsewhere(whose).map(|()| record)
    }

    pub(super) fn leads_elsewhere(&self, whose: Whose) -> Result<(), NotMoved> {
        let name = &self.address.name;
        Err(match whose {
            Whose::Others => return Ok(()),
            Whose::This(Some(state)) if state == *name => {
                NotMoved::certain(CliError::Failed(format!(
                    "what the sources configure is {name} on this very server, by another address; \
                        there is nothing to move"
                )))
            }
            Whose::This(_) => NotMoved::certain(CliError::Failed(format!(
                "the sources configure another state on this server than {name}; `statekeep state \
                    move {name} NEW` gives it another address"
            ))),
            Whose::Unknown(why) => {
                let why = format!(
                    "it is unknown whether the backend that the sources configure is this server \
                        by another name: {why}"
                );
                NotMoved::unsure(CliError::Failed(why))
            }
        })
    }

    /// Where a recorded backend is, in words.
    pub(super) fn place(&self, record: &Record) -> Result<String, CliError> {
        Ok(record.place(self.invocation.root(), &self.invocation.workspace()?))
    }
}
