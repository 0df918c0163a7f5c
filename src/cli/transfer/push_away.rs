//! A state moves along to the backend that its sources configure now.
//!
//! The order keeps one state alive at every moment. The server locks its state and records the
//! transfer before anything is written elsewhere. It says that the state has moved only when the
//! same state was read back from there. If a move is interrupted, the same command goes on: what is
//! there already counts.

use crate::cli::module::folder::FolderLock;
use crate::cli::module::http_address::{http_address, is_http};
use crate::cli::output::{self, CliError};
use crate::cli::terraform::calls::{Push, Using};
use crate::cli::transfer::equality;
use crate::cli::transfer::not_moved::NotMoved;
use crate::cli::transfer::server_side::{OpenTransfer, ServerSide, StateStatus, tell};
use crate::cli::transfer::state_move::Move;
use crate::hcl::FoundBlock;

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum PushedAway {
    /// There is no live state here that could move.
    Nothing,
    /// It has moved.
    Moved,
}

/// What the other backend holds, beside what is here.
enum There {
    Nothing,
    TheSame,
    /// What the state here once was: the state is still to be pushed, over it.
    Older,
    /// Another state, with the differences; whether it says that it was this one before, which
    /// nothing here confirms.
    Another(Vec<String>, bool),
}

impl Move<'_> {
    /// Moves the state to the backend that a block of the sources configures.
    pub(in crate::cli) async fn push_away(
        &self,
        found: &FoundBlock,
    ) -> Result<PushedAway, CliError> {
        let server = self.server_side();
        if server.status().await? != StateStatus::Live {
            return Ok(PushedAway::Nothing);
        }
        let _lock = FolderLock::take(self.invocation.root())?;
        let name = &self.address.name;
        tell(&format!(
            "{} has a live state of {name}, which moves along",
            self.address.server()
        ));
        let place = self.prepare(found).await?;
        let is_first_try = server.begun().await?.is_none();
        let transfer = server.begin(&place).await.map_err(|refusal| {
            let unchanged = format!("Nothing was moved; {name} is as it was.");
            refusal.into_failure().and(&unchanged)
        })?;
        let brought = match self.bring(&server, &place, is_first_try).await {
            // Names may lead elsewhere than a moment ago.
            Ok(()) => self.elsewhere().await.map(drop),
            Err(not_moved) => Err(not_moved),
        };
        if let Err(not_moved) = brought {
            return Err(self.give_up(&server, &transfer, not_moved).await);
        }
        server.done(&transfer).await.map_err(|failure| {
            failure.and(&format!(
                "{name} is at {place}, and the one here stays locked until it says so. Run this \
                    again."
            ))
        })?;
        tell(&format!(
            "{name} has moved to {place}; its address here answers 410 from now on, and its \
                history stays"
        ));
        Ok(PushedAway::Moved)
    }

    /// Makes the other backend known to the client, and says where it is. `init` goes over what is
    /// recorded, so it runs only when it is known that the block leads elsewhere.
    async fn prepare(&self, found: &FoundBlock) -> Result<String, CliError> {
        let told = |not_moved: NotMoved| not_moved.failure.and("Nothing was moved.");
        if is_http(found)
            && let Some(address) = http_address(self.invocation, found)?
        {
            let whose = self.address.whose(&address).await;
            self.leads_elsewhere(whose).map_err(told)?;
        }
        self.initialise(found).await?;
        let record = self.elsewhere().await.map_err(told)?;
        self.place(&record)
    }

    /// Brings the state to the other backend, unless it holds it already, and reads it back.
    async fn bring(
        &self,
        server: &ServerSide<'_>,
        place: &str,
        is_first_try: bool,
    ) -> Result<(), NotMoved> {
        // An earlier try may have got further than this one.
        let before = |failure| NotMoved {
            failure,
            may_be_there: !is_first_try,
        };
        let bytes = server.bytes().await.map_err(before)?;
        let state = self.in_clear(bytes.into()).map_err(before)?;
        let there = self.there(server, &state).await.map_err(before)?;
        if self.is_brought(place, &state, there).map_err(before)? {
            return Ok(());
        }
        let pushed = self.invocation.push(&state, Push::Onto, &Using::default());
        let arrived = self.arrived(&state).map_err(NotMoved::unsure)?;
        judge(place, arrived, pushed)
    }

    /// Whether the other backend holds the state, or needs none of it. Fails if it holds another.
    fn is_brought(&self, place: &str, state: &[u8], there: There) -> Result<bool, CliError> {
        let (said, is_brought) = match there {
            There::Nothing => return Ok(false),
            There::Older => ("an earlier copy of this state", false),
            There::TheSame => ("this state already", true),
            There::Another(_, false) if equality::is_empty(state)? => {
                ("a state, and the one here is empty", true)
            }
            There::Another(differences, _) => return Err(self.another(place, &differences)),
        };
        tell(&format!("{place} holds {said}"));
        Ok(is_brought)
    }

    /// What the other backend holds, beside the state here.
    async fn there(&self, server: &ServerSide<'_>, here: &[u8]) -> Result<There, CliError> {
        let Some(theirs) = self.invocation.pull(&Using::default())? else {
            return Ok(There::Nothing);
        };
        let is_older = equality::is_older(&theirs, here)?;
        if is_older
            && (equality::differences_in_values(here, &theirs)?.is_empty()
                || self.was_version(server, &theirs).await?)
        {
            return Ok(There::Older);
        }
        let differences = equality::differences(here, &theirs)?;
        Ok(match () {
            () if differences.is_empty() => There::TheSame,
            // Some backends show an empty state if there is none.
            () if !is_older && equality::is_empty(&theirs)? => There::Nothing,
            () => There::Another(differences, is_older),
        })
    }

    async fn was_version(&self, server: &ServerSide<'_>, theirs: &[u8]) -> Result<bool, CliError> {
        let versions = server.versions().await?;
        self.was_here(server, &versions, theirs).await
    }

    /// What the other backend holds of a state that was pushed a moment ago, which it may have
    /// written in its own way.
    fn arrived(&self, pushed: &[u8]) -> Result<There, CliError> {
        let Some(theirs) = self.invocation.pull(&Using::default())? else {
            return Ok(There::Nothing);
        };
        let differences = equality::differences_in_values(pushed, &theirs)?;
        Ok(match () {
            () if equality::is_older(&theirs, pushed)? => There::Older,
            () if differences.is_empty() => There::TheSame,
            () if equality::is_empty(&theirs)? => There::Nothing,
            () => There::Another(differences, false),
        })
    }

    fn another(&self, place: &str, differences: &[String]) -> CliError {
        CliError::Failed(format!(
            "{place} holds another state than {}, so nothing was moved: {}\nLook at both. To \
                continue with the one there and leave the one here as it is, give \
                --transfer=never.",
            self.address.name,
            differences.join(", ")
        ))
    }

    /// Nothing has moved: the state here is free again, unless the other backend may hold it as
    /// well.
    async fn give_up(
        &self,
        server: &ServerSide<'_>,
        transfer: &OpenTransfer,
        not_moved: NotMoved,
    ) -> CliError {
        let NotMoved {
            failure,
            may_be_there,
        } = not_moved;
        let name = &self.address.name;
        if may_be_there {
            let lock = output::harmless(&transfer.lock);
            return failure.and(&format!(
                "{name} may be in both places now, so it stays locked here (lock ID {lock}). Run \
                    this again to continue. If you know the outcome: `statekeep transfer \
                    --finish` says that it has moved, `--abandon` that it has not."
            ));
        }
        match server.abandon().await {
            Ok(_) => failure.and(&format!("{name} is as it was.")),
            Err(why) => failure.and(&format!(
                "{name} is still here, but locked: {}",
                why.into_message()
            )),
        }
    }
}

/// What is read back decides: a push that failed may have arrived, and what arrived may not be what
/// was pushed.
fn judge(place: &str, arrived: There, pushed: Result<(), CliError>) -> Result<(), NotMoved> {
    Err(match (arrived, pushed) {
        (There::TheSame, _) => return Ok(()),
        (There::Nothing | There::Older, Err(failure)) => NotMoved::certain(failure),
        (There::Nothing | There::Older, Ok(())) => NotMoved::unsure(CliError::Failed(format!(
            "what was pushed to {place} cannot be read there"
        ))),
        (There::Another(..), Err(failure)) => NotMoved::unsure(failure),
        (There::Another(differences, _), Ok(())) => NotMoved::unsure(CliError::Failed(format!(
            "what was read back from {place} is not what was pushed: {}",
            differences.join(", ")
        ))),
    })
}
