//! When a state moves, and what happens to a command that would look at the place where the state
//! is not.
//!
//! A state moves before a command that writes: such a command would create everything again in the
//! empty place. A state does not move to a local file, since the next command may run on another
//! machine. Before all other commands the state stays. A command that needs no state runs as it is.
//! A command that would show an empty place is refused. `--transfer=now` moves the state before any
//! command, `--transfer=never` before none.

use crate::cli::client::token::RunToken;
use crate::cli::module::detect;
use crate::cli::module::identity::Whose;
use crate::cli::module::target::NO_STATE_THERE;
use crate::cli::output::{self, CliError};
use crate::cli::process::child::End;
use crate::cli::run::args::TransferMode;
use crate::cli::run::login::KeyReading;
use crate::cli::run::refusals;
use crate::cli::run::stop::Stop;
use crate::cli::run::wrapped::Run;
use crate::cli::terraform::acts::Act;
use crate::cli::terraform::record::Record;
use crate::cli::transfer::push_away::PushedAway;
use crate::hcl::{BlockKind, FoundBlock};
use crate::model::name::StateName;

/// How a command runs if its sources configure no backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RunWith {
    /// With the state on this server.
    ServerState,
    /// Without it.
    AsItIs,
}

impl Run {
    /// The sources configure this server, and another state than the one that was named, or no
    /// state at all. It stays where it is.
    pub(super) async fn another_state(
        &self,
        found: &FoundBlock,
        state: Option<&StateName>,
    ) -> Result<End, Stop> {
        let (name, configured) = (&self.address.name, self.configured(found));
        let which = state.map_or_else(
            || NO_STATE_THERE.to_owned(),
            |state| format!("the state {state}"),
        );
        let what = format!(
            "{configured}, which is {which} on this server, and not {name} as it was named"
        );
        if self.args.transfer == TransferMode::Now {
            return Err(Stop::Failed(CliError::Failed(format!(
                "{what}; a state gets another address on its server by `statekeep state move \
                    {name} NEW`"
            ))));
        }
        output::message(&format!(
            "statekeep: {what}; the command runs as it is, and nothing moves"
        ));
        Ok(self.plain().await)
    }

    /// Where the sources configure which block.
    fn configured(&self, found: &FoundBlock) -> String {
        let place = detect::place(self.invocation.root(), found);
        format!("{place} configures `{}`", detect::block(found))
    }

    /// The sources configure another backend.
    pub(super) async fn elsewhere(&self, found: &FoundBlock, key: KeyReading) -> Result<End, Stop> {
        let stays = match self.args.transfer {
            TransferMode::Never => true,
            TransferMode::Auto => self.invocation.act() == Act::NeedsNone,
            TransferMode::Now => false,
        };
        if !stays {
            let token = self.login(key).done(&self.signals).await?;
            let moved = self.moves_out(&token, found).await;
            token.end().await;
            moved?;
        }
        output::note(&format!(
            "statekeep: {}, so the state goes there and the command runs as it is",
            self.configured(found)
        ));
        Ok(self.plain().await)
    }

    async fn moves_out(&self, token: &RunToken, found: &FoundBlock) -> Result<(), CliError> {
        let writes = self.invocation.act() == Act::Writes;
        if self.args.transfer == TransferMode::Now || (writes && !is_local(found)) {
            let moved = self.moving(token, async |moving| moving.push_away(found).await);
            return moved.await.map(|_: PushedAway| ());
        }
        let lives = self.moving(token, async |moving| moving.lives().await);
        if lives.await? {
            Err(self.stays_here(found, writes))
        } else {
            Ok(())
        }
    }

    /// Why the command is not run: the state is here and does not move.
    fn stays_here(&self, found: &FoundBlock, writes: bool) -> CliError {
        let words = self.invocation.command_words();
        let why = if writes {
            format!(
                "`{words}` would create everything again there, and a state moves to a local file \
                    only with --transfer=now"
            )
        } else {
            format!(
                "`{words}` would read an empty place, and a state moves only before a command \
                    that writes"
            )
        };
        CliError::Failed(format!(
            "{}, and {} has the live state of {}: {why}.\n--transfer=now moves it there and \
                continues; --transfer=never continues with the state there.",
            self.configured(found),
            self.address.server(),
            self.address.name
        ))
    }

    /// The sources configure nothing: a state that is elsewhere comes here, stays before commands
    /// that need none, or is in the way.
    pub(super) async fn moves_in(
        &self,
        token: &RunToken,
        may_encrypt: bool,
    ) -> Result<RunWith, CliError> {
        match (self.args.transfer, self.invocation.act()) {
            (TransferMode::Never, _) => Ok(RunWith::ServerState),
            (TransferMode::Now, _) | (TransferMode::Auto, Act::Writes) => {
                let came = self.moving(token, async |moving| moving.bring_back(may_encrypt).await);
                came.await.map(|_| RunWith::ServerState)
            }
            (TransferMode::Auto, Act::Looks) => match self.would_move_in(token, may_encrypt).await?
            {
                None => Ok(RunWith::ServerState),
                Some(place) => Err(self.stays_there(&place)),
            },
            (TransferMode::Auto, Act::NeedsNone) => {
                let place = self.would_move_in(token, may_encrypt).await;
                Ok(self.tell_that_it_stays(place))
            }
        }
    }

    async fn would_move_in(
        &self,
        token: &RunToken,
        may_encrypt: bool,
    ) -> Result<Option<String>, CliError> {
        let place = self.moving(token, async |moving| {
            moving.would_bring_back(may_encrypt).await
        });
        place.await
    }

    /// A command that needs no state runs in any case. Says where the state is.
    fn tell_that_it_stays(&self, place: Result<Option<String>, CliError>) -> RunWith {
        let told = match place {
            Ok(None) => return RunWith::ServerState,
            Ok(Some(place)) => format!(
                "statekeep: {} is at {place} still and moves here before a command that writes; \
                    this one needs no state and runs as it is",
                self.address.name
            ),
            Err(failure) => format!(
                "statekeep: {}\nstatekeep: this command needs no state and runs as it is",
                failure.into_message()
            ),
        };
        output::message(&told);
        RunWith::AsItIs
    }

    /// Why the command is not run: the state is elsewhere and does not move.
    fn stays_there(&self, place: &str) -> CliError {
        let (name, words) = (&self.address.name, self.invocation.command_words());
        CliError::Failed(format!(
            "the sources configure no backend, and {place}, which was the backend before, holds a \
                state that is not here yet: `{words}` would read an empty place, and a state moves \
                only before a command that writes.\n--transfer=now moves it to {name} here and \
                continues; --transfer=never continues without it."
        ))
    }

    /// Nothing is at the address yet. A message says so. It is refused if the folder was used with
    /// another state of this server: the name may be mistyped.
    pub(super) async fn begins(
        &self,
        token: &RunToken,
        record: Option<&Record>,
    ) -> Result<(), CliError> {
        let recorded = match record.and_then(Record::address) {
            Some(address) if !self.args.new => self.address.whose(address).await,
            Some(_) | None => Whose::Others,
        };
        match recorded {
            Whose::This(Some(other)) if other != self.address.name => {
                let known = token.known_states(&self.address.name.workspace).await;
                Err(refusals::mistyped(&self.address.name, &other, known))
            }
            Whose::This(_) | Whose::Others | Whose::Unknown(_) => {
                output::message(&format!(
                    "statekeep: {} has no state yet; this is a new one",
                    self.address.name
                ));
                Ok(())
            }
        }
    }
}

/// Whether a block configures a local file.
fn is_local(found: &FoundBlock) -> bool {
    found.kind == BlockKind::Backend && found.label.as_deref() == Some("local")
}
