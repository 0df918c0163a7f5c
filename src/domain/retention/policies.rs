//! The policies in force: the server's, and those of workspaces that have one of their own, which
//! then holds there instead.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use crate::domain::access::{Acted, act, act_then};
use crate::domain::approvals::second_person;
use crate::domain::error::Error;
use crate::domain::retention::Retention;
use crate::model::approval::GuardedAct;
use crate::model::caller::{Caller, LiveCaller};
use crate::model::clock::{self, Timestamp};
use crate::model::error_code::ErrorCode;
use crate::model::event::{EventKind, NewEvent};
use crate::model::name::Workspace;
use crate::model::page::DamagedRow;
use crate::model::retention::{Moment, Policy, WorkspacePolicy};
use crate::store::{Touches, Tx, View};

/// What is kept, and what becomes of the rest.
#[derive(Clone, Debug, Serialize)]
pub struct InForce {
    /// The server's policy; everything is kept if none.
    pub server: Option<Policy>,
    /// How often the server prunes by itself, in seconds.
    #[serde(serialize_with = "seconds")]
    pub prune_every: Duration,
    /// When it last did.
    pub last_run_at: Option<Timestamp>,
    /// Why the clock is not believed, if it is not.
    pub clock_in_doubt: Option<String>,
    /// The workspaces with policies of their own, by name.
    pub workspaces: Vec<WorkspacePolicy>,
    /// The damaged ones among them.
    #[serde(skip)]
    pub damaged: Vec<DamagedRow>,
}

fn seconds<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(time.as_secs())
}

impl Retention<'_> {
    /// What is in force; of the workspaces with policies of their own at most `limit`, from a name
    /// on.
    pub async fn in_force(
        &self,
        caller: &Caller,
        after: Option<String>,
        limit: u32,
    ) -> Result<InForce, Error> {
        self.may_operate(caller)?;
        let after = after.unwrap_or_default();
        let read = move |view: &View<'_>| {
            Ok((view.policies(&after, limit)?, view.moment(Moment::Pruned)?))
        };
        let (page, last_run_at) = self.engine.store.read(read).await?;
        self.engine.store.note_damaged(&page.damaged);
        let limits = &self.engine.limits;
        let clock_in_doubt = self.pruning.trust.doubt().map(|doubt| doubt.detail());
        Ok(InForce {
            server: limits.policy.clone(),
            prune_every: limits.prune_every,
            last_run_at,
            clock_in_doubt,
            workspaces: page.rows,
            damaged: page.damaged,
        })
    }

    /// A workspace's own policy.
    pub async fn of_workspace(
        &self,
        caller: &Caller,
        workspace: &Workspace,
    ) -> Result<WorkspacePolicy, Error> {
        self.may_operate(caller)?;
        let found = self
            .engine
            .store
            .read_inline(|view| view.policy(workspace.as_str()))
            .await?;
        found.ok_or_else(|| Error::NoPolicy(workspace.to_string()))
    }

    /// Gives a workspace, which need not have states yet, a policy of its own.
    pub async fn set(
        &self,
        caller: &Caller,
        workspace: &Workspace,
        policy: Policy,
    ) -> Result<WorkspacePolicy, Error> {
        self.may_operate(caller)?;
        policy
            .check()
            .map_err(|why| Error::invalid(ErrorCode::BadPolicy, why.to_string()))?;
        let what = json!({ "workspace": workspace, "policy": policy });
        second_person(self.engine, caller, GuardedAct::Policy, what).await?;
        let at = clock::now();
        let new = WorkspacePolicy {
            workspace: workspace.to_string(),
            policy,
            set_at: at,
            set_by: caller.actor.clone(),
        };
        let to_set = new.clone();
        let touches = Touches::Workspace(workspace.to_string());
        let set = move |tx: &Tx<'_>, by: LiveCaller<'_>| {
            tx.set_policy(&to_set)?;
            let event = NewEvent {
                workspace: Some(to_set.workspace.clone()),
                ..NewEvent::new(EventKind::RetentionSet, by, at)
            };
            tx.record(&event.detail(json!({ "policy": to_set.policy })))?;
            Ok(Ok(()))
        };
        act(self.engine, caller, (touches, 0), set).await?;
        Ok(new)
    }

    /// Takes a workspace's own policy away, so that the server's holds there again. Says whether
    /// there was one.
    pub async fn unset(&self, caller: &Caller, workspace: &Workspace) -> Result<bool, Error> {
        self.may_operate(caller)?;
        let what = json!({ "workspace": workspace, "policy": null });
        second_person(self.engine, caller, GuardedAct::Policy, what).await?;
        let workspace = workspace.to_string();
        let touches = Touches::Workspace(workspace.clone());
        let unset = move |tx: &Tx<'_>, by: LiveCaller<'_>| {
            let was_set = tx.unset_policy(&workspace)?;
            if was_set {
                let event = NewEvent::new(EventKind::RetentionUnset, by, tx.now());
                tx.record(&NewEvent {
                    workspace: Some(workspace.clone()),
                    ..event
                })?;
            }
            Ok(Ok(was_set))
        };
        act(self.engine, caller, (touches, 0), unset).await
    }

    /// The clock is right, says a person. What waited for that begins at once.
    pub async fn trust_clock(&self, caller: &Caller) -> Result<Timestamp, Error> {
        self.may_operate(caller)?;
        let noting = Arc::clone(&self.pruning.noting).lock_owned().await;
        let at = clock::now();
        let doubt = self.pruning.trust.doubt().map(|doubt| doubt.detail());
        let note = move |tx: &Tx<'_>, by: LiveCaller<'_>| {
            tx.note_moment(Moment::Trusted, at)?;
            tx.note_moment(Moment::Latest, at)?;
            tx.record(
                &NewEvent::new(EventKind::ClockTrust, by, at).detail(json!({ "doubt": doubt })),
            )?;
            Ok(Ok(()))
        };
        let (trust, trusted_again) = (
            Arc::clone(&self.pruning.trust),
            Arc::clone(&self.pruning.trusted_again),
        );
        // What the database says is believed, whether or not the one who said so still waits for
        // the answer.
        let believe = move |noted: &Acted<()>| {
            let _noting = noting;
            if matches!(noted, Ok(Ok(()))) {
                trust.begin_anew(at);
                trusted_again.notify_one();
            }
        };
        act_then(self.engine, caller, (Touches::NoState, 0), note, believe).await?;
        Ok(at)
    }
}
