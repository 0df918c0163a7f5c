//! The way of a verification through the database: one bounded step after the other, each at one
//! moment, with a rest in between if it is slow.
//!
//! Only an error that keeps everybody from reading ends it early. A row that cannot be read is a
//! finding, and the verification goes on behind it.

pub mod events;
pub mod rows;
pub mod states;
pub mod step;
pub mod tables;

use crate::domain::error::Error;
use crate::domain::integrity::findings::Tally;
use crate::domain::integrity::walk::step::Walk;
use crate::model::event_head::EventHead;
use crate::model::state::StateId;

/// Verifies the whole database.
pub(super) async fn whole(walk: &mut Walk<'_>) -> Result<(), Error> {
    walk.structure().await?;
    walk.states(StateId::FIRST, 0, (None, None)).await?;
    others(walk).await
}

/// Verifies the rest of a pass that came to a version of a state.
pub(super) async fn rest_of_it(
    walk: &mut Walk<'_>,
    state: StateId,
    number: u64,
    so_far: Tally,
) -> Result<(), Error> {
    walk.tally = so_far;
    walk.states(state, number, (None, None)).await?;
    others(walk).await
}

/// Verifies the chain of events alone. It has to have the head that the caller has noted.
pub(super) async fn only_events(walk: &mut Walk<'_>, head: Option<EventHead>) -> Result<(), Error> {
    walk.events(head).await
}

/// Verifies the states of one workspace, or one state.
pub(super) async fn only(
    walk: &mut Walk<'_>,
    workspace: String,
    block: Option<String>,
) -> Result<(), Error> {
    walk.states(StateId::FIRST, 0, (Some(workspace), block))
        .await
}

async fn others(walk: &mut Walk<'_>) -> Result<(), Error> {
    walk.blobs().await?;
    walk.addresses().await?;
    walk.keys().await?;
    walk.rows().await?;
    walk.events(None).await?;
    walk.references().await
}
