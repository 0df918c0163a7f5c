//! A state moves along to the backend that its sources configure now.
//!
//! The order is what keeps one state alive at every moment: ours is locked and the intent recorded
//! before anything is written elsewhere, and ours only says that it has moved when the same state
//! was read back from there. Whatever interrupts this, the same command goes on: what is there
//! already counts.

use crate::cli::common::refusal::Refusal;
use crate::cli::module::folder::Lock;
use crate::cli::module::target::http_address;
use crate::cli::output::{self, Failure};
use crate::cli::terraform::calls::{Push, Using};
use crate::cli::transfer::equality;
use crate::cli::transfer::hindrance::Hindrance;
use crate::cli::transfer::server_side::{Intent, Ours, Standing, tell};
use crate::cli::transfer::state_move::Move;
use crate::hcl::{BlockKind, FoundBlock};

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Left {
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
    pub(in crate::cli) async fn leave(&self, found: &FoundBlock) -> Result<Left, Failure> {
        let ours = self.ours();
        match ours.standing().await? {
            Standing::Live => {}
            Standing::Nothing | Standing::Transferred | Standing::Moved => {
                return Ok(Left::Nothing);
            }
        }
        let _lock = Lock::take(self.invocation.root())?;
        tell(&format!(
            "{} has a live state of {}, which moves along",
            self.address.server(),
            self.address.name
        ));
        // `init` goes over what is recorded: not before it is known that it leads elsewhere.
        let is_http = found.kind == BlockKind::Backend && found.label.as_deref() == Some("http");
        if let Some(address) = if is_http {
            http_address(self.invocation, found)?
        } else {
            None
        } {
            self.leads_elsewhere(self.address.whose(&address).await)
                .map_err(|hindrance| hindrance.failure.and("Nothing was moved."))?;
        }
        self.initialise(found).await?;
        let record = self
            .elsewhere()
            .await
            .map_err(|hindrance| hindrance.failure.and("Nothing was moved."))?;
        let place = self.place(&record)?;
        let is_first_try = ours.begun().await?.is_none();
        let intent = ours
            .begin(&place)
            .await
            .map_err(|refusal| self.not_begun(refusal))?;
        let brought = match self.bring(&ours, &place, is_first_try).await {
            // Names may lead elsewhere than a moment ago.
            Ok(()) => self.elsewhere().await,
            Err(hindrance) => Err(hindrance),
        };
        match brought {
            Ok(_) => {
                let behind = |failure: Failure| {
                    let name = &self.address.name;
                    failure.and(&format!(
                        "{name} is at {place}, and the one here stays locked \
                        until it says so. Run this again."
                    ))
                };
                ours.done(&intent).await.map_err(behind)?;
                tell(&format!(
                    "{} has moved to {place}; its address here answers 410 from now on, and its \
                        history stays",
                    self.address.name
                ));
                Ok(Left::Moved)
            }
            Err(failure) => Err(self.give_up(&ours, &intent, failure).await),
        }
    }

    fn not_begun(&self, refusal: Refusal) -> Failure {
        refusal.into_failure().and(&format!(
            "Nothing was moved; {} is as it was.",
            self.address.name
        ))
    }

    /// Sees to it that the other backend holds the state, and reads it back.
    async fn bring(
        &self,
        ours: &Ours<'_>,
        place: &str,
        is_first_try: bool,
    ) -> Result<(), Hindrance> {
        // An earlier try may have got further than this one.
        let before = |failure| Hindrance {
            failure,
            may_be_there: !is_first_try,
        };
        let bytes = ours.bytes().await.map_err(before)?;
        let state = self.in_clear(bytes.into()).map_err(before)?;
        match self.there(ours, &state).await.map_err(before)? {
            There::TheSame => {
                tell(&format!("{place} holds this state already"));
                return Ok(());
            }
            There::Another(_, false) if equality::is_empty(&state).map_err(before)? => {
                tell(&format!("{place} holds a state, and the one here is empty"));
                return Ok(());
            }
            There::Another(differences, _) => {
                return Err(before(self.another(place, &differences)));
            }
            There::Older => tell(&format!("{place} holds an earlier copy of this state")),
            There::Nothing => {}
        }
        let pushed = self.invocation.push(&state, Push::Onto, &Using::default());
        // What was pushed in vain may have arrived, and what arrived may not be what was pushed:
        // what is read back tells.
        match (self.arrived(&state).map_err(Hindrance::unsure)?, pushed) {
            (There::TheSame, _) => Ok(()),
            (There::Nothing | There::Older, Err(failure)) => Err(Hindrance::certain(failure)),
            (There::Nothing | There::Older, Ok(())) => Err(Hindrance::unsure(Failure::Failed(
                format!("what was pushed to {place} cannot be read there"),
            ))),
            (There::Another(..), Err(failure)) => Err(Hindrance::unsure(failure)),
            (There::Another(differences, _), Ok(())) => {
                Err(Hindrance::unsure(Failure::Failed(format!(
                    "what was read back from {place} is not what was pushed: {}",
                    differences.join(", ")
                ))))
            }
        }
    }

    /// What the other backend holds.
    async fn there(&self, here: &Ours<'_>, ours: &[u8]) -> Result<There, Failure> {
        let Some(theirs) = self.invocation.pull(&Using::default())? else {
            return Ok(There::Nothing);
        };
        let is_older = equality::is_older(&theirs, ours)?;
        if is_older
            && (equality::differences_in_values(ours, &theirs)?.is_empty()
                || self
                    .was_here(here, &here.versions().await?, &theirs)
                    .await?)
        {
            return Ok(There::Older);
        }
        let differences = equality::differences(ours, &theirs)?;
        Ok(match () {
            () if differences.is_empty() => There::TheSame,
            // Some backends show an empty state where there is none.
            () if !is_older && equality::is_empty(&theirs)? => There::Nothing,
            () => There::Another(differences, is_older),
        })
    }

    /// What the other backend holds of a state that was pushed a moment ago, which it may have
    /// written in its own way.
    fn arrived(&self, ours: &[u8]) -> Result<There, Failure> {
        let Some(theirs) = self.invocation.pull(&Using::default())? else {
            return Ok(There::Nothing);
        };
        let differences = equality::differences_in_values(ours, &theirs)?;
        Ok(match () {
            () if equality::is_older(&theirs, ours)? => There::Older,
            () if differences.is_empty() => There::TheSame,
            () if equality::is_empty(&theirs)? => There::Nothing,
            () => There::Another(differences, false),
        })
    }

    fn another(&self, place: &str, differences: &[String]) -> Failure {
        Failure::Failed(format!(
            "{place} holds another state than {}, so nothing was moved: {}\nLook at both. To \
                continue with the one there and leave the one here as it is, give \
                --transfer=never.",
            self.address.name,
            differences.join(", ")
        ))
    }

    /// Nothing has moved: the state here is free again, unless the other backend may hold it as
    /// well.
    async fn give_up(&self, ours: &Ours<'_>, intent: &Intent, hindrance: Hindrance) -> Failure {
        let Hindrance {
            failure,
            may_be_there,
        } = hindrance;
        let name = &self.address.name;
        if may_be_there {
            let lock = output::harmless(&intent.lock);
            return failure.and(&format!(
                "{name} may be in both places now, so it stays locked here (lock ID {lock}). Run \
                    this again to continue. If you know the outcome: `statekeep transfer \
                    --finish` says that it has moved, `--abandon` that it has not."
            ));
        }
        match ours.abandon().await {
            Ok(_) => failure.and(&format!("{name} is as it was.")),
            Err(why) => failure.and(&format!(
                "{name} is still here, but locked: {}",
                why.into_message()
            )),
        }
    }
}
