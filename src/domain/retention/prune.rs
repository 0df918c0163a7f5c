//! Pruning: what a policy does not keep is removed, or only shown.
//!
//! A run removes in small transactions, each of which looks once more at what is current and held.
//! Writers never wait long, and a run that ends half-way leaves nothing half done. Afterwards the
//! space goes back to the disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::config::MIB;
use crate::domain::access::{Acted, act};
use crate::domain::approvals::second_person;
use crate::domain::error::Error;
use crate::domain::retention::Retention;
use crate::domain::retention::asked::PruneRequest;
use crate::domain::retention::cut_off::{RunUnderWay, run_event};
use crate::domain::retention::plan::{RetentionPlan, plan};
use crate::domain::retention::report::{PrunePreview, PruneReport};
use crate::model::actor::Actor;
use crate::model::approval::GuardedAct;
use crate::model::caller::{Caller, LiveCaller};
use crate::model::clock::{self, Timestamp};
use crate::model::error_code::ErrorCode;
use crate::model::event::{EventKind, NewEvent};
use crate::model::name::StateName;
use crate::model::retention::{Policy, Removed};
use crate::model::state::{Lookup, StateId, StateWalk};
use crate::model::version::Version;
use crate::store::{StoreError, Touches, Tx, View};

/// How many states are planned at one moment of the database.
const STATES_PER_LOOK: u32 = 100;
/// How many versions of a state are planned, the newest ones: older ones stay until a later run
/// reaches them.
const MAX_ROWS: u32 = 1_000_000;
/// How many versions one transaction removes.
const VERSIONS_PER_STEP: usize = 100;
/// After so many versions, what they leave behind for others that lean on it is let go of.
const VERSIONS_PER_RELEASE: u64 = 10_000;
/// How often it is waited for memory to see whether a version can be read, before others of its
/// state go.
const WAITS_FOR_MEMORY: u32 = 10;
/// How long.
const WAIT_FOR_MEMORY: Duration = Duration::from_millis(200);
/// After so many bytes of frames, a transaction removes no more.
const BYTES_PER_STEP: u64 = 4 * MIB;

/// One state and what is to go of it.
struct Planned {
    state: StateId,
    name: StateName,
    /// The policy that says so.
    policy: Policy,
    plan: RetentionPlan,
}

/// How a run finds its states and their policies.
#[derive(Clone)]
struct Walk {
    states: StateWalk,
    /// For states whose workspace has none of its own, or for all.
    policy: Option<Policy>,
    is_for_all: bool,
    now: Timestamp,
}

impl Walk {
    fn policy_of(&self, view: &View<'_>, name: &StateName) -> Result<Option<Policy>, StoreError> {
        if self.is_for_all {
            return Ok(self.policy.clone());
        }
        let own = view.policy(name.workspace.as_str())?.map(|own| own.policy);
        Ok(own.or_else(|| self.policy.clone()))
    }

    /// The next states and their plans, and where to go on, unless that was the end.
    fn plan_next(&self, view: &View<'_>) -> Result<(Vec<Planned>, Option<StateId>), StoreError> {
        let states = view.walk(&self.states)?;
        let next = (states.len() == self.states.limit as usize)
            .then(|| states.last().map(|(state, _)| *state))
            .flatten();
        let mut planned = Vec::new();
        for (state, name) in states {
            planned.extend(self.plan(view, state, &name)?);
        }
        Ok((planned, next))
    }

    /// What is to go of one state; none where no policy says so.
    fn plan(
        &self,
        view: &View<'_>,
        state: StateId,
        name: &StateName,
    ) -> Result<Option<Planned>, StoreError> {
        let Some(policy) = self.policy_of(view, name)? else {
            return Ok(None);
        };
        let plan = plan(&view.plan_rows(state, MAX_ROWS)?, &policy, self.now);
        Ok(Some(Planned {
            state,
            name: name.clone(),
            policy,
            plan,
        }))
    }
}

impl Retention<'_> {
    /// Says what would go and what would stay. Changes nothing.
    pub async fn preview(
        &self,
        caller: &Caller,
        asked: &PruneRequest,
    ) -> Result<PrunePreview, Error> {
        self.may_operate(caller)?;
        let mut walk = self.begin(asked, clock::now()).await?;
        let mut preview = PrunePreview::default();
        loop {
            let (planned, next) = self.next(&walk).await?;
            for state in planned {
                preview.add(&state.name, &state.plan);
            }
            if next.is_none() {
                return Ok(preview);
            }
            walk.states.after = next;
        }
    }

    /// Removes what the policy does not keep, and gives the space back. One run at a time.
    pub async fn prune(&self, caller: &Caller, asked: &PruneRequest) -> Result<PruneReport, Error> {
        self.may_operate(caller)?;
        let _alone = self
            .pruning
            .running
            .try_lock()
            .map_err(|_| Error::PruneRunning)?;
        if let Some(doubt) = self.pruning.trust.doubt() {
            return Err(Error::ClockInDoubt(doubt.detail()));
        }
        let now = clock::now();
        let mut walk = self.begin(asked, now).await?;
        // What is refused anyhow uses no approval up.
        let what = json!({
            "policy": asked.policy, "workspace": asked.workspace, "buildingBlock": asked.block,
        });
        second_person(self.engine, caller, GuardedAct::Prune, what).await?;
        let under_way = RunUnderWay::begin(self.engine, caller, asked);
        let before = self.content.space().await?;
        let (mut report, mut released) = (PruneReport::default(), 0);
        loop {
            let (planned, next) = self.next(&walk).await?;
            for state in planned {
                let state = self.relying_on_what_is_readable(&walk, state).await?;
                let progress = (report.summary.removed, &under_way.removed);
                let removed = self.remove(caller, &walk, &state, progress).await?;
                report.add(&state.name, &state.plan, removed);
            }
            if next.is_none() {
                break;
            }
            walk.states.after = next;
            // What others lean on is still there. A run may be long, or cut off.
            if report.summary.removed - released >= VERSIONS_PER_RELEASE {
                released = report.summary.removed;
                self.content.release_unused_bases().await?;
            }
        }
        self.content.release_bases().await?;
        report.measure(before, self.content.give_space_back().await?);
        under_way.end();
        // A run of the server's own that finds nothing is no event: there may be many.
        if report.summary.removed > 0 || caller.actor != Actor::server() {
            self.record_run(caller, asked, &report).await?;
        }
        Ok(report)
    }

    /// Sees that there is something to go by, and that a state which is named is there.
    async fn begin(&self, asked: &PruneRequest, now: Timestamp) -> Result<Walk, Error> {
        let policy = match &asked.policy {
            Some(policy) => Some(policy.clone()),
            None => self.engine.limits.policy.clone(),
        };
        match &policy {
            Some(policy) => policy
                .check()
                .map_err(|why| Error::invalid(ErrorCode::BadPolicy, why.to_string()))?,
            None if self
                .engine
                .store
                .read_briefly(|view| Ok(!view.has_policies()?))
                .await? =>
            {
                return Err(Error::invalid(
                    ErrorCode::BadPolicy,
                    "neither the server nor a workspace has a policy; say what to keep",
                ));
            }
            None => {}
        }
        if let (Some(workspace), Some(block)) = (&asked.workspace, &asked.block) {
            let name = StateName {
                workspace: workspace.clone(),
                block: block.clone(),
            };
            match self
                .engine
                .store
                .read_inline(|view| view.lookup(&name))
                .await?
            {
                Lookup::State { .. } => {}
                Lookup::Free => return Err(Error::no_state(&name)),
                Lookup::Moved(to) => return Err(Error::Moved { from: name, to }),
            }
        }
        let workspace = asked.workspace.as_ref().map(ToString::to_string);
        let block = asked.block.as_ref().map(ToString::to_string);
        let is_for_all = asked.policy.is_some() && workspace.is_some();
        Ok(Walk {
            states: StateWalk {
                workspace,
                block,
                after: None,
                limit: STATES_PER_LOOK,
            },
            policy,
            is_for_all,
            now,
        })
    }

    async fn next(&self, walk: &Walk) -> Result<(Vec<Planned>, Option<StateId>), Error> {
        let walk = walk.clone();
        Ok(self
            .engine
            .store
            .read(move |view| walk.plan_next(view))
            .await?)
    }

    /// Sees that the version that clients get can be read, before anything older goes. If it
    /// cannot, that is known from then on, and the plan is another one, which relies on another
    /// version.
    async fn relying_on_what_is_readable(
        &self,
        walk: &Walk,
        mut planned: Planned,
    ) -> Result<Planned, Error> {
        let mut proven = None;
        while !planned.plan.remove.is_empty() && planned.plan.relies_on != proven {
            proven = planned.plan.relies_on;
            let (state, number) = (planned.state, proven.unwrap_or_default());
            let Some(version) = self
                .engine
                .store
                .read_inline(|view| view.version(state, number))
                .await?
                .filter(|version| !version.purged)
            else {
                break;
            };
            if !matches!(self.prove(&planned, &version).await, Err(Error::Damaged(_))) {
                break;
            }
            let walk = walk.clone();
            planned = self
                .engine
                .store
                .read(move |view| Ok(walk.plan(view, state, &planned.name)?.unwrap_or(planned)))
                .await?;
        }
        Ok(planned)
    }

    /// Decodes a version. One that is too large for the memory that there is cannot be told
    /// damaged, and keeps nothing from being pruned.
    async fn prove(&self, planned: &Planned, version: &Version) -> Result<(), Error> {
        for _ in 0..WAITS_FOR_MEMORY {
            match self
                .content
                .prove(&planned.name, planned.state, version)
                .await
            {
                Err(Error::OverBudget) => tokio::time::sleep(WAIT_FOR_MEMORY).await,
                done => return done,
            }
        }
        Err(Error::OverBudget)
    }

    /// Removes what is planned of one state, in steps. All of them share one event.
    async fn remove(
        &self,
        caller: &Caller,
        walk: &Walk,
        planned: &Planned,
        (before, removed): (u64, &Arc<AtomicU64>),
    ) -> Result<Removed, Error> {
        let mut numbers = planned.plan.remove.as_slice();
        let mut so_far = Removed::default();
        let (mut event, mut goes_on) = (None, true);
        while goes_on && !numbers.is_empty() {
            let step = Step {
                walk: walk.clone(),
                state: planned.state,
                policy: planned.policy.clone(),
                numbers: numbers.iter().take(VERSIONS_PER_STEP).copied().collect(),
                so_far,
                event,
                before,
                removed_by_run: Arc::clone(removed),
            };
            self.engine.store.wal_is_moved().await;
            let touches = Touches::State(planned.state);
            let run = move |tx: &Tx<'_>, by: LiveCaller<'_>| step.run(tx, by);
            let done = act(self.engine, caller, (touches, 0), run).await?;
            (so_far, event, goes_on) = (done.so_far, done.event, done.goes_on);
            numbers = planned
                .plan
                .remove
                .get(so_far.looked_at..)
                .unwrap_or_default();
        }
        Ok(so_far)
    }

    async fn record_run(
        &self,
        caller: &Caller,
        asked: &PruneRequest,
        report: &PruneReport,
    ) -> Result<(), Error> {
        let detail = serde_json::json!({
            "policy": asked.policy,
            "states": report.summary.states,
            "removed": report.summary.removed,
            "kept": report.summary.kept,
            "freed": report.freed,
        });
        let asked = asked.clone();
        let record = move |tx: &Tx<'_>, by: LiveCaller<'_>| {
            tx.record(&run_event(by, tx, &asked).detail(detail.clone()))?;
            Ok(Ok(()))
        };
        act(self.engine, caller, (Touches::NoState, 0), record).await
    }
}

/// One transaction of a run: some versions of one state, and the event that tells of it.
struct Step {
    walk: Walk,
    state: StateId,
    /// The policy by which it was planned.
    policy: Policy,
    numbers: Vec<u64>,
    so_far: Removed,
    /// The place in the log of the event of the steps before.
    event: Option<u64>,
    /// How many versions of other states the run had removed.
    before: u64,
    /// How many versions the run has removed.
    removed_by_run: Arc<AtomicU64>,
}

/// What a step came to.
struct Stepped {
    so_far: Removed,
    event: Option<u64>,
    /// Whether the plan still holds.
    goes_on: bool,
}

impl Stepped {
    const fn of(so_far: Removed, event: Option<u64>, goes_on: bool) -> Self {
        Self {
            so_far,
            event,
            goes_on,
        }
    }
}

impl Step {
    /// The state's address, if the policy there is the one by which it was planned. A person may
    /// have set another since, or moved the state to where another one holds: what they were
    /// answered holds for all that is removed after it.
    fn planned_at(&self, tx: &Tx<'_>) -> Result<Option<StateName>, StoreError> {
        let Some(name) = tx.name_of(self.state)? else {
            return Ok(None);
        };
        let StateWalk {
            workspace, block, ..
        } = &self.walk.states;
        let is = |asked: &Option<String>, name: &str| asked.as_deref().is_none_or(|it| it == name);
        let is_asked = is(workspace, name.workspace.as_str()) && is(block, name.block.as_str());
        let in_force = self.walk.policy_of(tx, &name)?;
        Ok(Some(name).filter(|_| is_asked && in_force.as_ref() == Some(&self.policy)))
    }

    fn run(&self, tx: &Tx<'_>, by: LiveCaller<'_>) -> Acted<Stepped> {
        let Some(name) = self.planned_at(tx)? else {
            return Ok(Ok(Stepped::of(self.so_far, self.event, false)));
        };
        let removed = tx.prune(self.state, &self.numbers, BYTES_PER_STEP)?;
        let so_far = Removed {
            looked_at: self.so_far.looked_at + removed.looked_at,
            count: self.so_far.count + removed.count,
            first: self.so_far.first.or(removed.first),
            last: removed.last.or(self.so_far.last),
        };
        let removed_by_run = self.before + so_far.count;
        self.removed_by_run.store(removed_by_run, Ordering::Relaxed);
        if removed.count == 0 {
            return Ok(Ok(Stepped::of(so_far, self.event, true)));
        }
        let detail = serde_json::json!({
            "removed": so_far.count,
            "first": so_far.first,
            "last": so_far.last,
        });
        if let Some(seq) = self.event {
            tx.amend_event(seq, tx.now(), &detail)?;
            return Ok(Ok(Stepped::of(so_far, self.event, true)));
        }
        tx.record(
            &NewEvent::new(EventKind::StatePrune, by, tx.now())
                .on(&name)
                .detail(detail),
        )?;
        Ok(Ok(Stepped::of(so_far, Some(tx.last_event()?), true)))
    }
}
