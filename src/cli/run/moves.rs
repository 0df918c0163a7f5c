//! When a state moves, and what a command does that would look at the place where it is not.
//!
//! A state moves before a command that writes, for that would make everything again in the empty
//! place; to a local file it does not even then, for whoever runs the next command may be on
//! another machine. Before all others it stays. Those that need no state run as they are, and those
//! that would show an empty place are refused. `--transfer=now` moves it before any of them,
//! `--transfer=never` goes on with whatever is in the other place.

use crate::cli::client::token::Token;
use crate::cli::module::detect;
use crate::cli::module::identity::Whose;
use crate::cli::module::target::NO_STATE_THERE;
use crate::cli::output::{self, Failure};
use crate::cli::process::child::End;
use crate::cli::run::args::Transfer;
use crate::cli::run::login::Reading;
use crate::cli::run::refusals;
use crate::cli::run::stop::Stop;
use crate::cli::run::wrapped::Run;
use crate::cli::terraform::acts::Act;
use crate::cli::terraform::record::Record;
use crate::cli::transfer::push_away::Left;
use crate::hcl::{BlockKind, FoundBlock};
use crate::model::name::StateName;

/// How a command goes on whose sources configure no backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// With the state on this server.
    Here,
    /// Without it.
    AsItIs,
}

impl Run {
    /// The sources configure this server and another state than the one that was named, or no state
    /// at all. It stays where it is.
    pub(super) async fn astray(
        &self,
        found: &FoundBlock,
        state: Option<&StateName>,
    ) -> Result<End, Stop> {
        let name = &self.address.name;
        let (place, block) = (
            detect::place(self.invocation.root(), found),
            detect::block(found),
        );
        let which = state.map_or_else(
            || NO_STATE_THERE.to_owned(),
            |state| format!("the state {state}"),
        );
        let what = format!(
            "{place} configures `{block}`, which is {which} on this server, and not {name} as it \
                was named"
        );
        if self.args.transfer == Transfer::Now {
            return Err(Stop::Failed(Failure::Failed(format!(
                "{what}; a state gets another address on its server by `statekeep state move \
                    {name} NEW`"
            ))));
        }
        output::message(&format!(
            "statekeep: {what}; the command runs as it is, and nothing moves"
        ));
        Ok(self.plain().await)
    }

    /// The sources configure another backend.
    pub(super) async fn elsewhere(&self, found: &FoundBlock, key: Reading) -> Result<End, Stop> {
        let place = format!(
            "{} configures `{}`",
            detect::place(self.invocation.root(), found),
            detect::block(found)
        );
        let act = self.invocation.act();
        let stays = self.args.transfer == Transfer::Never
            || (self.args.transfer == Transfer::Auto && act == Act::NeedsNone);
        if !stays {
            let token = self.login(key).done(&self.signals).await?;
            let left = self.moves_out(&token, found, act, &place).await;
            token.end().await;
            left?;
        }
        output::message(&format!(
            "statekeep: {place}, so the state goes there and the command runs as it is"
        ));
        Ok(self.plain().await)
    }

    async fn moves_out(
        &self,
        token: &Token,
        found: &FoundBlock,
        act: Act,
        place: &str,
    ) -> Result<(), Failure> {
        let is_local = found.kind == BlockKind::Backend && found.label.as_deref() == Some(LOCAL);
        if self.args.transfer == Transfer::Now || (act == Act::Writes && !is_local) {
            return self
                .moving(token, async |moving| moving.leave(found).await)
                .await
                .map(|_: Left| ());
        }
        if !self
            .moving(token, async |moving| moving.lives().await)
            .await?
        {
            return Ok(());
        }
        let (name, server, words) = (
            &self.address.name,
            self.address.server(),
            self.invocation.command_words(),
        );
        let why = if act == Act::Writes {
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
        Err(Failure::Failed(format!(
            "{place}, and {server} has the live state of {name}: {why}.\n--transfer=now moves it \
                there and continues; --transfer=never continues with the state there."
        )))
    }

    /// The sources configure nothing: a state that is elsewhere comes here, stays before commands
    /// that need none, or is in the way.
    pub(super) async fn moves_in(&self, token: &Token, may_encrypt: bool) -> Result<Next, Failure> {
        let act = self.invocation.act();
        match (self.args.transfer, act) {
            (Transfer::Never, _) => return Ok(Next::Here),
            (Transfer::Now, _) | (Transfer::Auto, Act::Writes) => {
                self.moving(token, async |moving| moving.come(may_encrypt).await)
                    .await?;
                return Ok(Next::Here);
            }
            (Transfer::Auto, Act::Looks | Act::NeedsNone) => {}
        }
        let name = &self.address.name;
        let place = match self
            .moving(token, async |moving| moving.would_come(may_encrypt).await)
            .await
        {
            Ok(None) => return Ok(Next::Here),
            Ok(Some(place)) if act == Act::Looks => place,
            Err(failure) if act == Act::Looks => return Err(failure),
            // It needs no state, so it runs whatever is there.
            Ok(Some(place)) => {
                let when = "moves here before a command that writes";
                output::message(&format!(
                    "statekeep: {name} is at {place} still and {when}; this one needs no state and \
                        runs as it is"
                ));
                return Ok(Next::AsItIs);
            }
            Err(failure) => {
                let why = failure.into_message();
                output::message(&format!(
                    "statekeep: {why}\nstatekeep: this command needs no state and runs as it is"
                ));
                return Ok(Next::AsItIs);
            }
        };
        Err(Failure::Failed(format!(
            "the sources configure no backend, and {place}, which was the backend before, holds a \
                state that is not here yet: `{}` would read an empty place, and a state moves \
                only before a command that writes.\n--transfer=now moves it to {name} here and \
                continues; --transfer=never continues without it.",
            self.invocation.command_words()
        )))
    }

    /// Nothing is at the address yet. That is said, and refused where the folder was used with
    /// another state of this server: the name may be mistyped.
    pub(super) async fn begins(
        &self,
        token: &Token,
        record: Option<&Record>,
    ) -> Result<(), Failure> {
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

/// The backend that is a file.
const LOCAL: &str = "local";
