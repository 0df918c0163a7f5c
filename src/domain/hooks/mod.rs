//! Webhooks: whom the server tells of events, over HTTP and signed.
//!
//! Who makes one decides where events of all states go, so it takes the permission to operate and
//! the one to read all events. A hook's secret is shown once, and is in no event and no log. Its
//! address may hold one as well, so events and logs name a hook by its id and its host.

pub(in crate::domain) mod follow;
mod plan;
pub mod sender;
mod signed;
pub(in crate::domain) mod state;

pub use follow::KEPT_DELIVERIES;
pub use plan::{MAX_BEHIND, MAX_REFUSALS, TRIED_FOR};

use std::sync::Arc;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::domain::access::{Acted, act, act_adding, authorize_everywhere};
use crate::domain::engine::Engine;
use crate::domain::error::Error;
use crate::domain::hooks::sender::{HookPost, SendHook};
use crate::domain::hooks::signed::SignedDelivery;
use crate::domain::hooks::state::HookState;
use crate::model::caller::{Caller, LiveCaller};
use crate::model::clock::{self, Timestamp};
use crate::model::error_code::ErrorCode;
use crate::model::event::{EventKind, NewEvent};
use crate::model::hook::{BadHookKind, Delivery, Hook, HookId, HookKinds};
use crate::model::name::Workspace;
use crate::model::page::{DamagedRow, ListPage};
use crate::model::permission::Permission;
use crate::model::secret::Secret;
use crate::store::{StoreError, Touches, Tx, View};

/// How many hooks there may be.
pub const MAX_HOOKS: u64 = 50;
/// How many kinds of events a hook may name.
pub const MAX_HOOK_KINDS: usize = 50;

/// Webhooks.
#[derive(Clone, Copy)]
pub struct Hooks<'a> {
    engine: &'a Arc<Engine>,
    state: &'a Arc<HookState>,
}

/// A hook as it is asked for.
#[derive(Clone, Debug, Default)]
pub struct WantedHook {
    /// Where deliveries go.
    pub url: String,
    /// Of which events.
    pub on: Vec<String>,
    /// Of which workspace; none for all.
    pub workspace: Option<String>,
    /// The host of the address, if it may have a private address.
    pub allow_private: Option<String>,
}

/// A hook with how it is, as it is shown: without its secret.
#[derive(Clone, Debug)]
pub struct HookReport {
    hook: Hook,
    missed: u64,
    failing_since: Option<Timestamp>,
    last: Option<Delivery>,
}

impl Serialize for HookReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let hook = &self.hook;
        let status = match (hook.enabled, self.failing_since) {
            (false, _) => "disabled",
            (true, Some(_)) => "failing",
            (true, None) => "active",
        };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &hook.id)?;
        map.serialize_entry("url", &hook.url)?;
        map.serialize_entry("on", hook.kinds.words())?;
        map.serialize_entry("workspace", &hook.workspace)?;
        map.serialize_entry("allow_private", &hook.may_be_private)?;
        map.serialize_entry("status", status)?;
        map.serialize_entry("failing_since", &self.failing_since)?;
        map.serialize_entry("missed", &self.missed)?;
        map.serialize_entry("last_delivery", &self.last)?;
        map.serialize_entry("created_at", &hook.created_at)?;
        map.serialize_entry("created_by", &hook.created_by)?;
        map.end()
    }
}

/// What came of trying a hook.
#[derive(Clone, Debug, Serialize)]
pub struct HookTest {
    /// Whether the receiver took it.
    pub delivered: bool,
    /// The status of its answer.
    pub status: Option<u16>,
    /// Why there was none.
    pub error: Option<String>,
}

/// How the hooks are, for those who look after the server.
#[derive(Clone, Debug, Serialize)]
pub struct HooksReport {
    /// How many there are.
    pub total: u64,
    /// How many of them are disabled.
    pub disabled: u64,
    /// How many have failed for ten minutes.
    pub failing: u64,
}

impl<'a> Hooks<'a> {
    pub(in crate::domain) const fn new(engine: &'a Arc<Engine>, state: &'a Arc<HookState>) -> Self {
        Self { engine, state }
    }

    /// Has deliveries sent by this from now on.
    pub fn send_with(&self, sender: Box<dyn SendHook>) {
        let _ = self.state.sender.set(sender);
    }

    /// Tells each hook of what happens, until it is dropped.
    pub(in crate::domain) async fn follow(&self) {
        follow::follow(self.engine, self.state).await;
    }

    /// How the hooks are, for a caller who was judged already.
    pub(in crate::domain) async fn report(&self) -> Result<HooksReport, StoreError> {
        let read = |view: &View<'_>| view.hooks();
        let hooks = self.engine.store.read_page(read).await?;
        let is_disabled = |hook: &&Hook| !hook.enabled;
        Ok(HooksReport {
            total: (hooks.rows.len() + hooks.damaged.len()) as u64,
            disabled: hooks.rows.iter().filter(is_disabled).count() as u64,
            failing: self.state.failing(),
        })
    }

    /// How many hooks have failed for long.
    pub(in crate::domain) fn failing(&self) -> u64 {
        self.state.failing()
    }

    /// All hooks in the order in which they were made.
    pub async fn list(&self, caller: &Caller) -> Result<ListPage<HookReport>, Error> {
        may_have_hooks(caller)?;
        let read = |view: &View<'_>| {
            let hooks = view.hooks()?;
            let reports = hooks.rows.into_iter().map(|hook| read_report(view, hook));
            let rows = reports.collect::<Result<Vec<_>, StoreError>>()?;
            let damaged: Vec<DamagedRow> = hooks.damaged;
            Ok(ListPage { rows, damaged })
        };
        let mut list = self.engine.store.read_page(read).await?;
        list.rows
            .iter_mut()
            .for_each(|report| self.add_state(report));
        Ok(list)
    }

    /// One hook.
    pub async fn show(&self, caller: &Caller, id: HookId) -> Result<HookReport, Error> {
        may_have_hooks(caller)?;
        let read = move |view: &View<'_>| {
            let hook = view.hook(id)?;
            hook.map(|hook| read_report(view, hook)).transpose()
        };
        let found = self.engine.store.read_briefly(read).await?;
        let mut report = found.ok_or_else(no_hook)?;
        self.add_state(&mut report);
        Ok(report)
    }

    /// The last deliveries of a hook, newest first.
    pub async fn deliveries(&self, caller: &Caller, id: HookId) -> Result<Vec<Delivery>, Error> {
        may_have_hooks(caller)?;
        let read = move |view: &View<'_>| {
            let hook = view.hook(id)?;
            hook.map(|_| view.hook_deliveries(id, KEPT_DELIVERIES))
                .transpose()
        };
        let found = self.engine.store.read(read).await?;
        found.ok_or_else(no_hook)
    }

    /// Makes a hook, which is told of what happens from now on, and gives its secret once.
    pub async fn create(
        &self,
        caller: &Caller,
        wanted: WantedHook,
    ) -> Result<(HookReport, Secret), Error> {
        may_have_hooks(caller)?;
        let kinds = checked_kinds(&wanted.on)?;
        let workspace = wanted
            .workspace
            .as_deref()
            .map(checked_workspace)
            .transpose()?;
        let judged = self
            .sender()?
            .judge(&wanted.url, wanted.allow_private.as_deref());
        let url = judged.await.map_err(bad_request)?;
        let hook = Hook {
            id: HookId(Uuid::new_v4()),
            url,
            kinds,
            workspace,
            may_be_private: wanted.allow_private.is_some(),
            secret: Secret::for_hook(random()?),
            enabled: true,
            created_at: clock::now(),
            created_by: caller.actor.clone(),
        };
        let new = hook.clone();
        let make = move |tx: &Tx<'_>, by: LiveCaller<'_>| make(tx, by, &new);
        act_adding(self.engine, caller, (Touches::NoState, 0), make).await?;
        self.state.changed.notify_one();
        let secret = hook.secret.clone();
        Ok((HookReport::of(hook), secret))
    }

    /// Enables a hook that a restore has disabled. It is told of what happens from now on.
    pub async fn enable(&self, caller: &Caller, id: HookId) -> Result<HookReport, Error> {
        may_have_hooks(caller)?;
        let enable = move |tx: &Tx<'_>, by: LiveCaller<'_>| {
            let Some(hook) = tx.hook(id)? else {
                return Ok(Err(no_hook()));
            };
            if !hook.enabled {
                tx.record(&hook_event(EventKind::HookEnable, by, &hook))?;
                tx.enable_hook(id)?;
            }
            Ok(Ok(()))
        };
        act(self.engine, caller, (Touches::NoState, 0), enable).await?;
        self.state.changed.notify_one();
        self.show(caller, id).await
    }

    /// Deletes a hook with its deliveries. What is being sent to it may still arrive.
    pub async fn delete(&self, caller: &Caller, id: HookId) -> Result<HookReport, Error> {
        may_have_hooks(caller)?;
        let delete = move |tx: &Tx<'_>, by: LiveCaller<'_>| {
            let Some(hook) = tx.hook(id)? else {
                return Ok(Err(no_hook()));
            };
            tx.record(&hook_event(EventKind::HookDelete, by, &hook))?;
            let report = read_report(tx, hook)?;
            tx.delete_hook(id)?;
            Ok(Ok(report))
        };
        let mut report = act(self.engine, caller, (Touches::NoState, 0), delete).await?;
        self.add_state(&mut report);
        self.state.changed.notify_one();
        Ok(report)
    }

    /// Sends a delivery of no event, once, and says what came of it.
    pub async fn test(&self, caller: &Caller, id: HookId) -> Result<HookTest, Error> {
        may_have_hooks(caller)?;
        let found = self.engine.store.read_briefly(move |view| view.hook(id));
        let hook = found.await?.ok_or_else(no_hook)?;
        let signed = SignedDelivery::test(&hook, self.engine.store.instance());
        let headers = signed.headers(&hook.secret, clock::now());
        let post = HookPost {
            url: &hook.url,
            may_be_private: hook.may_be_private,
            headers: &headers,
            body: &signed.body,
        };
        let answer = self.sender()?.post(post).await;
        Ok(HookTest {
            delivered: matches!(answer, Ok(200..=299)),
            status: answer.as_ref().ok().copied(),
            error: answer.err(),
        })
    }

    fn add_state(&self, report: &mut HookReport) {
        report.failing_since = self.state.failing_since(report.hook.id);
    }

    fn sender(&self) -> Result<&dyn SendHook, Error> {
        let sender = self.state.sender.get().map(AsRef::as_ref);
        sender.ok_or_else(|| Error::Internal("nothing here sends webhooks".to_owned()))
    }
}

impl HookReport {
    fn of(hook: Hook) -> Self {
        Self {
            hook,
            missed: 0,
            failing_since: None,
            last: None,
        }
    }
}

/// A hook with what its rows say of it.
fn read_report(view: &View<'_>, hook: Hook) -> Result<HookReport, StoreError> {
    let progress = view.hook_progress(hook.id)?.unwrap_or_default();
    let last = view.hook_deliveries(hook.id, 1)?.pop();
    Ok(HookReport {
        missed: progress.missed,
        last,
        ..HookReport::of(hook)
    })
}

fn make(tx: &Tx<'_>, by: LiveCaller<'_>, new: &Hook) -> Acted<()> {
    if tx.count_hooks()? >= MAX_HOOKS {
        return Ok(Err(bad_request(format!(
            "there are {MAX_HOOKS} hooks, which is the most; delete some"
        ))));
    }
    tx.record(&hook_event(EventKind::HookCreate, by, new))?;
    tx.make_hook(new)?;
    Ok(Ok(()))
}

fn hook_event(kind: EventKind, by: LiveCaller<'_>, hook: &Hook) -> NewEvent {
    NewEvent::new(kind, by, clock::now()).of_hook(hook)
}

fn may_have_hooks(caller: &Caller) -> Result<(), Error> {
    authorize_everywhere(caller, Permission::Operate)?;
    authorize_everywhere(caller, Permission::Events)
}

fn checked_kinds(words: &[String]) -> Result<HookKinds, Error> {
    if !(1..=MAX_HOOK_KINDS).contains(&words.len()) {
        return Err(bad_request(format!(
            "on has to name 1 to {MAX_HOOK_KINDS} kinds of events, families such as state.*, \
                attention or all"
        )));
    }
    HookKinds::parse(words.iter().map(String::as_str)).map_err(|(word, why)| {
        bad_request(match why {
            BadHookKind::Unknown => format!(
                "no event has the kind {word:?}: name one such as state.write, a family such as \
                    state.*, attention or all"
            ),
            BadHookKind::Counted => format!(
                "events of the kind {word} are counted by the minute, and no hook is told of them; \
                    --events-file has them"
            ),
        })
    })
}

fn checked_workspace(name: &str) -> Result<String, Error> {
    let parsed = name.parse::<Workspace>();
    let parsed = parsed.map_err(|error| bad_request(format!("workspace: {error}")))?;
    Ok(parsed.as_str().to_owned())
}

/// Bytes for a secret.
fn random() -> Result<[u8; 32], Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| Error::Internal(error.to_string()))?;
    Ok(bytes)
}

fn bad_request(detail: impl Into<String>) -> Error {
    Error::invalid(ErrorCode::BadRequest, detail)
}

fn no_hook() -> Error {
    Error::invalid(
        ErrorCode::NoHook,
        "there is no hook with this id; GET /api/hooks lists them",
    )
}
