//! A verification that a caller asks for.

use serde::Serialize;

use crate::domain::access::authorize_everywhere;
use crate::domain::error::Error;
use crate::domain::integrity::Integrity;
use crate::domain::integrity::findings::{Checked, MAX_FINDINGS, Tally};
use crate::domain::integrity::verifications::{Progress, ScrubReport};
use crate::domain::integrity::walk;
use crate::domain::integrity::walk::step::{Pace, Walk};
use crate::model::caller::Caller;
use crate::model::clock::{self, Timestamp};
use crate::model::event_head::EventHead;
use crate::model::name::{BuildingBlock, StateName, Workspace};
use crate::model::permission::Permission;
use crate::model::state::Lookup;

/// What is to be verified.
#[derive(Clone, Debug, Default)]
pub struct VerifyRequest {
    /// Without decoding: structure and rows only.
    pub quick: bool,
    /// Only the states of this workspace.
    pub workspace: Option<Workspace>,
    /// Only this building block of it.
    pub block: Option<BuildingBlock>,
    /// Only the chain of events.
    pub events: bool,
    /// A head of that chain that was noted elsewhere.
    pub head: Option<EventHead>,
}

/// What a verification came to.
#[derive(Clone, Debug, Serialize)]
pub struct Verified {
    /// Whether it left out decoding.
    pub quick: bool,
    /// When it began.
    pub started_at: Timestamp,
    /// When it was through.
    pub finished_at: Timestamp,
    /// What it looked at and found.
    #[serde(flatten)]
    pub tally: Tally,
}

/// What goes on and what is known.
#[derive(Serialize)]
pub struct Overview {
    /// The verification that a caller has asked for and that is not through.
    pub running: Option<Progress>,
    /// The one in the background.
    pub scrub: ScrubReport,
    /// What its last pass came to.
    pub last: Option<Verified>,
}

impl Integrity<'_> {
    /// Says whether the caller may verify, before it is known what.
    pub fn may_verify(&self, caller: &Caller) -> Result<(), Error> {
        authorize_everywhere(caller, Permission::Operate)
    }

    /// Verifies everything, a workspace or a state, and says what it found; one at a time. It ends
    /// when its caller goes away.
    pub async fn verify(&self, caller: &Caller, wanted: VerifyRequest) -> Result<Verified, Error> {
        authorize_everywhere(caller, Permission::Operate)?;
        if let (Some(workspace), Some(block)) = (&wanted.workspace, &wanted.block) {
            self.exists(StateName {
                workspace: workspace.clone(),
                block: block.clone(),
            })
            .await?;
        }
        let (started_at, quick) = (clock::now(), wanted.quick);
        let versions = self
            .engine
            .store
            .read(|view| Ok(view.counts()?.versions))
            .await
            .unwrap_or(0);
        let progress = Progress {
            started_at,
            quick,
            checked: Checked::default(),
            versions,
        };
        let _turn = self
            .verifications
            .begin(progress)
            .ok_or(Error::VerifyRuns)?;
        let mut walk = Walk::new(*self, quick, MAX_FINDINGS, Pace::AtOnce);
        match wanted.workspace {
            None if wanted.events => walk::only_events(&mut walk, wanted.head).await?,
            None => walk::whole(&mut walk).await?,
            Some(workspace) => {
                let block = wanted.block.map(|block| block.to_string());
                walk::only(&mut walk, workspace.to_string(), block).await?;
            }
        }
        Ok(Verified {
            quick,
            started_at,
            finished_at: clock::now(),
            tally: walk.tally,
        })
    }

    /// Verifies everything for nobody, and leaves half a core to the others.
    pub(in crate::domain) async fn verify_beside(&self) -> Result<Tally, Error> {
        let mut walk = Walk::new(*self, false, MAX_FINDINGS, Pace::Beside);
        walk::whole(&mut walk).await?;
        Ok(walk.tally)
    }

    async fn exists(&self, name: StateName) -> Result<(), Error> {
        match self
            .engine
            .store
            .read_inline(|view| view.lookup(&name))
            .await
        {
            Ok(Lookup::Free) => Err(Error::no_state(&name)),
            Ok(Lookup::Moved(to)) => Err(Error::Moved { from: name, to }),
            // What cannot be read is what it is to find.
            Ok(Lookup::State { .. }) | Err(_) => Ok(()),
        }
    }

    /// What goes on, and what the last pass in the background came to.
    pub async fn overview(&self, caller: &Caller) -> Result<Overview, Error> {
        authorize_everywhere(caller, Permission::Operate)?;
        let running = *self.verifications.running.lock();
        let last = self
            .engine
            .store
            .read(|view| Ok(view.scrub()?.last))
            .await?;
        let last = last.map(|(started_at, finished_at, came_to)| Verified {
            quick: false,
            started_at,
            finished_at,
            tally: serde_json::from_str(&came_to).unwrap_or_default(),
        });
        Ok(Overview {
            running,
            scrub: self
                .verifications
                .scrub_report(&self.engine.limits, self.content.damaged.count()),
            last,
        })
    }
}
