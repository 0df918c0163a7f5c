//! Whether what the database holds is what was written: a verification when somebody asks, and a
//! slow one in the background.
//!
//! A verification changes nothing and repairs nothing. It reads in small steps, so that writers and
//! readers go on and the journal can begin anew, decodes one version at a time on a core of the
//! others', and takes memory only when nobody else wants it.

mod findings;
mod scrub;
mod walk;

use std::sync::Mutex;

use serde::Serialize;

use super::Domain;
use super::access::authorize_everywhere;
use super::error::Error;
use crate::domain::engine::single_flight::open;
use crate::model::caller::Caller;
use crate::model::clock::{self, Timestamp};
use crate::model::name::{BuildingBlock, StateName, Workspace};
use crate::model::permission::Permission;
use crate::model::state::Lookup;
use walk::{Pace, Walk};

pub use findings::{Checked, Tally};
pub(super) use scrub::scrub;
pub use scrub::{LastPass, ScrubReport};

/// Verifications.
pub struct Integrity<'a>(pub(super) &'a Domain);

/// What is to be verified.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Without decoding: structure and rows only.
    pub quick: bool,
    /// Only the states of this workspace.
    pub workspace: Option<Workspace>,
    /// Only this building block of it.
    pub block: Option<BuildingBlock>,
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

/// How far a verification is.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Progress {
    /// When it began.
    pub started_at: Timestamp,
    /// Whether it leaves out decoding.
    pub quick: bool,
    /// How much was looked at.
    pub checked: Checked,
    /// How many versions there were when it began, those that it does not look at too.
    pub versions: u64,
}

/// What goes on and what is known.
#[derive(Serialize)]
pub struct Overview {
    /// The verification that somebody has asked for and that is not through.
    pub running: Option<Progress>,
    /// The one in the background.
    pub scrub: ScrubReport,
    /// What its last pass came to.
    pub last: Option<Verified>,
}

/// The verifications of this process.
#[derive(Default)]
pub(super) struct Verifications {
    running: Mutex<Option<Progress>>,
    scrub: Mutex<scrub::State>,
}

impl Verifications {
    /// Takes the one turn that there is.
    fn begin(&self, progress: Progress) -> Option<Turn<'_>> {
        let mut running = open(&self.running);
        if running.is_some() {
            return None;
        }
        *running = Some(progress);
        Some(Turn(self))
    }

    fn progress(&self, checked: &Checked) {
        if let Some(progress) = open(&self.running).as_mut() {
            progress.checked = *checked;
        }
    }
}

/// Whoever has it verifies; it comes back when they are through, or have gone away.
struct Turn<'a>(&'a Verifications);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *open(&self.0.running) = None;
    }
}

impl Integrity<'_> {
    /// Says whether the caller may verify, before it is known what.
    pub fn may_verify(&self, caller: &Caller) -> Result<(), Error> {
        authorize_everywhere(caller, Permission::Operate)
    }

    /// Verifies everything, a workspace or a state, and says what it found; one at a time. It ends
    /// when its caller goes away.
    pub async fn verify(&self, caller: &Caller, wanted: Wanted) -> Result<Verified, Error> {
        authorize_everywhere(caller, Permission::Operate)?;
        if let (Some(workspace), Some(block)) = (&wanted.workspace, &wanted.block) {
            self.exists(StateName {
                workspace: workspace.clone(),
                block: block.clone(),
            })?;
        }
        let (started_at, quick) = (clock::now(), wanted.quick);
        let versions = self
            .0
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
        let _turn = self.0.integrity.begin(progress).ok_or(Error::VerifyRuns)?;
        let mut walk = Walk::new(self.0, quick, findings::MAX_FINDINGS, Pace::AtOnce);
        match wanted.workspace {
            None => walk.whole().await?,
            Some(workspace) => {
                walk.only(
                    workspace.to_string(),
                    wanted.block.map(|block| block.to_string()),
                )
                .await?
            }
        }
        Ok(Verified {
            quick,
            started_at,
            finished_at: clock::now(),
            tally: walk.tally,
        })
    }

    fn exists(&self, name: StateName) -> Result<(), Error> {
        match self.0.store.look(|view| view.lookup(&name)) {
            Ok(Lookup::Free) => Err(Error::no_state(&name)),
            Ok(Lookup::Moved(to)) => Err(Error::Moved { from: name, to }),
            // What cannot be read is what it is to find.
            Ok(Lookup::State { .. }) | Err(_) => Ok(()),
        }
    }

    /// What goes on, and what the last pass in the background came to.
    pub async fn overview(&self, caller: &Caller) -> Result<Overview, Error> {
        authorize_everywhere(caller, Permission::Operate)?;
        let running = *open(&self.0.integrity.running);
        let last = self.0.store.read(|view| Ok(view.scrub()?.last)).await?;
        let last = last.map(|(started_at, finished_at, came_to)| Verified {
            quick: false,
            started_at,
            finished_at,
            tally: serde_json::from_str(&came_to).unwrap_or_default(),
        });
        Ok(Overview {
            running,
            scrub: self.0.scrub_report(),
            last,
        })
    }
}
