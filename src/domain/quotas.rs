//! Quotas of workspaces: how many bytes, states and versions a workspace may have, and how many
//! versions it may get in a minute.
//!
//! They are judged in the transaction of each act that adds to a workspace: a write, a rollback, an
//! import, a move and so on. Acts that remove something are never kept out.

use serde::Serialize;

use crate::domain::access::{Acted, act, act_adding, authorize_everywhere};
use crate::domain::engine::Engine;
use crate::domain::error::Error;
use crate::model::actor::Actor;
use crate::model::caller::{Caller, LiveCaller};
use crate::model::clock::{self, Timestamp};
use crate::model::error_code::ErrorCode;
use crate::model::event::{EventKind, NewEvent};
use crate::model::name::{StateName, Workspace};
use crate::model::permission::Permission;
use crate::model::quota::{Quota, WorkspaceQuota, WorkspaceUse};
use crate::model::state::StateId;
use crate::store::{StoreError, Touches, Tx, View};

/// How many seconds a minute has.
const MINUTE: i64 = 60;

/// Quotas.
pub struct Quotas<'a> {
    engine: &'a Engine,
}

/// What a workspace may have, and what it has.
#[derive(Clone, Debug, Serialize)]
pub struct QuotaReport {
    /// The workspace.
    pub workspace: String,
    /// What it may have; none if it has no quota.
    pub quota: Option<Quota>,
    /// What it has.
    #[serde(rename = "use")]
    pub used: WorkspaceUse,
    /// When the quota was set.
    pub set_at: Option<Timestamp>,
    /// By whom.
    pub set_by: Option<Actor>,
}

impl QuotaReport {
    fn of(workspace: &str, quota: Option<WorkspaceQuota>, used: WorkspaceUse) -> Self {
        Self {
            workspace: workspace.to_owned(),
            quota: quota.as_ref().map(|own| own.quota),
            used,
            set_at: quota.as_ref().map(|own| own.set_at),
            set_by: quota.map(|own| own.set_by),
        }
    }

    fn seen(view: &View<'_>, own: WorkspaceQuota) -> Result<Self, StoreError> {
        let workspace = own.workspace.clone();
        let used = view.workspace_use(&workspace)?;
        Ok(Self::of(&workspace, Some(own), used))
    }
}

impl<'a> Quotas<'a> {
    pub(in crate::domain) const fn new(engine: &'a Engine) -> Self {
        Self { engine }
    }

    /// Says whether a caller may see and set quotas, before it is looked at what they want.
    pub fn may_operate(&self, caller: &Caller) -> Result<(), Error> {
        authorize_everywhere(caller, Permission::Operate)
    }

    /// The workspaces with a quota after a name, at most `limit` of them.
    pub async fn list(
        &self,
        caller: &Caller,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<QuotaReport>, Error> {
        self.may_operate(caller)?;
        Ok(self.reports(after, limit).await?)
    }

    /// The same for a caller who was judged already.
    pub(in crate::domain) async fn reports(
        &self,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<QuotaReport>, StoreError> {
        let after = after.unwrap_or_default();
        let read = move |view: &View<'_>| {
            let quotas = view.quotas(&after, limit)?.into_iter();
            quotas.map(|quota| QuotaReport::seen(view, quota)).collect()
        };
        self.engine.store.read(read).await
    }

    /// What a workspace may have, and what it has.
    pub async fn show(&self, caller: &Caller, workspace: &Workspace) -> Result<QuotaReport, Error> {
        self.may_operate(caller)?;
        let name = workspace.as_str();
        let read = |view: &View<'_>| Ok((view.quota(name)?, view.workspace_use(name)?));
        let (quota, used) = self.engine.store.read_inline(read).await?;
        Ok(QuotaReport::of(name, quota, used))
    }

    /// Gives a workspace, which need not have states yet, a quota in place of any other. It may
    /// have more than that already: then it gets nothing more.
    pub async fn set(
        &self,
        caller: &Caller,
        workspace: &Workspace,
        quota: Quota,
    ) -> Result<QuotaReport, Error> {
        self.may_operate(caller)?;
        let bad = |why| Error::invalid(ErrorCode::BadRequest, why);
        quota.check().map_err(bad)?;
        let new = WorkspaceQuota {
            workspace: workspace.to_string(),
            quota,
            set_at: clock::now(),
            set_by: caller.actor.clone(),
        };
        let touches = Touches::Workspace(workspace.to_string());
        let set = move |tx: &Tx<'_>, by: LiveCaller<'_>| {
            tx.set_quota(&new)?;
            let event = NewEvent {
                workspace: Some(new.workspace.clone()),
                ..NewEvent::new(EventKind::QuotaSet, by, tx.now())
            };
            tx.record(&event.detail(serde_json::json!({ "quota": new.quota })))?;
            Ok(Ok(QuotaReport::seen(tx, new.clone())?))
        };
        act_adding(self.engine, caller, (touches, 0), set).await
    }

    /// Takes a workspace's quota away. Says whether there was one.
    pub async fn clear(&self, caller: &Caller, workspace: &Workspace) -> Result<bool, Error> {
        self.may_operate(caller)?;
        let workspace = workspace.to_string();
        let touches = Touches::Workspace(workspace.clone());
        let clear = move |tx: &Tx<'_>, by: LiveCaller<'_>| {
            let was_set = tx.clear_quota(&workspace)?;
            if was_set {
                let event = NewEvent::new(EventKind::QuotaClear, by, tx.now());
                tx.record(&NewEvent {
                    workspace: Some(workspace.clone()),
                    ..event
                })?;
            }
            Ok(Ok(was_set))
        };
        act(self.engine, caller, (touches, 0), clear).await
    }
}

/// What a new version adds to its workspace: a state too, unless that is live already.
pub(in crate::domain) fn of_version(is_live: bool, stored: usize) -> WorkspaceUse {
    WorkspaceUse {
        bytes: stored as u64,
        states: u64::from(!is_live),
        versions: 1,
    }
}

/// What a version that is not current adds.
pub(in crate::domain) fn of_rejected(stored: usize) -> WorkspaceUse {
    WorkspaceUse {
        bytes: stored as u64,
        states: 0,
        versions: 1,
    }
}

/// What a state brings to the workspace of another address: all that it has.
pub(in crate::domain) fn of_move(
    view: &View<'_>,
    state: StateId,
    (from, to): (&StateName, &StateName),
) -> Result<WorkspaceUse, StoreError> {
    if from.workspace == to.workspace {
        return Ok(WorkspaceUse::default());
    }
    view.state_use(state)
}

/// Judges an act that adds to the workspace of an address: all of it together, and before anything
/// of it is done. The inner error is why it may not.
pub(in crate::domain) fn judge(tx: &Tx<'_>, name: &StateName, adds: WorkspaceUse) -> Acted<()> {
    match judged(tx, name, adds, tx.now())? {
        Ok(None) => Ok(Ok(())),
        Ok(Some(minute)) => tx.count_write(name.workspace.as_str(), minute).map(Ok),
        Err(why) => Ok(Err(why)),
    }
}

/// The same for an act that is only looked at. Gives the minute in which it counts, if it does.
pub(in crate::domain) fn judged(
    view: &View<'_>,
    name: &StateName,
    adds: WorkspaceUse,
    now: Timestamp,
) -> Acted<Option<u64>> {
    let workspace = name.workspace.as_str();
    if adds == WorkspaceUse::default() {
        return Ok(Ok(None));
    }
    let Some(WorkspaceQuota { quota, .. }) = view.quota(workspace)? else {
        return Ok(Ok(None));
    };
    let used = view.workspace_use(workspace)?;
    if let Some((kind, bound, used)) = quota.exceeded(&used, &adds) {
        return Ok(Err(Error::QuotaExceeded {
            workspace: workspace.to_owned(),
            kind,
            bound,
            used,
        }));
    }
    let Some(rate) = quota.rate else {
        return Ok(Ok(None));
    };
    let minute = u64::try_from(now.millis() / 1_000 / MINUTE).unwrap_or(0);
    let (last, writes) = view.writes_in_minute(workspace)?;
    if last == minute && writes >= rate {
        return Ok(Err(Error::RateExceeded {
            workspace: workspace.to_owned(),
            rate,
            wait: u64::try_from(MINUTE - now.millis() / 1_000 % MINUTE).unwrap_or(1),
        }));
    }
    Ok(Ok(Some(minute)))
}
