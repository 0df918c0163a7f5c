//! An actor: it acts on its own states, keys and tokens until the server is gone, and says
//! afterwards whether everything is as it has to be.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::Found;
use super::acts::{Act, Effect, MOST_VERSIONS, Sender, on_state};
use super::credentials::Credentials;
use super::ledger::{Change, Ledger, need};
use super::log::{EventLog, PREFIX};
use crate::harness::{Answer, Client, Server, lineage, tfstate_noted};
use crate::proof::dice::Dice;

/// How many states an actor has at a time.
const STATES: usize = 4;

#[derive(Clone)]
pub(super) struct Actor {
    index: usize,
    own: Client,
    admin: Client,
    nobody: Client,
    dice: Dice,
    states: Vec<Ledger>,
    credentials: Credentials,
    /// How many acts it has begun: a number that makes texts new.
    begun: u64,
    /// The acts that were answered since the last look, and the one that was not.
    done: Vec<(String, &'static [&'static str])>,
    pending: Option<(String, Act)>,
    pub(super) reads_may_fail: bool,
    pub(super) answered: u64,
    pub(super) unanswered: u64,
    pub(super) unanswered_but_done: u64,
}

impl Actor {
    pub(super) fn new(index: usize, server: &Server, dice: Dice) -> Self {
        let workspace = format!("w{index}");
        let mut actor = Self {
            index,
            own: server.token(&server.key(&workspace, "owner"), json!({})),
            admin: server.admin(),
            nobody: server.anonymous(),
            dice,
            states: Vec::new(),
            credentials: Credentials::new(workspace),
            begun: 0,
            done: Vec::new(),
            pending: None,
            reads_may_fail: false,
            answered: 0,
            unanswered: 0,
            unanswered_but_done: 0,
        };
        actor.states = (0..STATES).map(|place| actor.fresh_state(place)).collect();
        actor
    }

    fn fresh(&mut self) -> String {
        self.begun += 1;
        format!("n{}-{}", self.index, self.begun)
    }

    fn fresh_state(&mut self, place: usize) -> Ledger {
        let fresh = self.fresh();
        let name = format!("{}/{fresh}", self.credentials.workspace);
        Ledger::new(name, lineage(self.begun), place.is_multiple_of(2))
    }

    /// Acts until an answer does not come, or until it is told to stop.
    pub(super) fn act_until(&mut self, stop: &AtomicBool) -> Found {
        while self.pending.is_none() && !stop.load(Ordering::SeqCst) {
            self.act()?;
        }
        Ok(())
    }

    fn act(&mut self) -> Found {
        let (act, fresh) = self.choose();
        let id = format!("{PREFIX}{fresh}");
        // A server that has failed, or has no room, says so and may have done it: as good as none.
        let answer = self
            .send(&act, &id)
            .filter(|answer| !answer.status.is_server_error());
        let Some(answer) = answer else {
            self.unanswered += 1;
            self.pending = Some((id, act));
            return Ok(());
        };
        if answer.status == 409 && answer.json()["code"] == "prune_running" {
            // Another actor's; one runs at a time.
            return Ok(());
        }
        need(answer.status.is_success(), || {
            format!(
                "{} {} by {:?}: {} {}",
                act.method,
                act.path,
                act.by,
                answer.status,
                answer.text()
            )
        })?;
        self.answered += 1;
        self.done.push((id, act.events));
        self.apply(act.effect, Some(&answer))
    }

    fn choose(&mut self) -> (Act, String) {
        let fresh = self.fresh();
        if self.dice.percent(20) {
            return (self.credentials.next(&mut self.dice, &fresh), fresh);
        }
        let place = self.dice.index(STATES);
        let state = &self.states[place];
        if state.rows.len() >= MOST_VERSIONS && !state.touched {
            self.states[place] = self.fresh_state(place);
        }
        let mut act = on_state(&self.states[place], &mut self.dice, &fresh);
        if let Effect::State(index, _) = &mut act.effect {
            *index = place;
        }
        (act, fresh)
    }

    /// None where no whole answer came.
    fn send(&self, act: &Act, id: &str) -> Option<Answer> {
        let key = self.credentials.key.as_ref().map(|key| &key.secret);
        let spare = |secret: Option<&String>| {
            let secret = secret.expect("an act of a credential that there is");
            self.nobody.request_as(secret, act.method, &act.path)
        };
        let request = match act.by {
            Sender::Own => self.own.request(act.method, &act.path),
            Sender::Admin => self.admin.request(act.method, &act.path),
            Sender::Nobody => self.nobody.request(act.method, &act.path),
            Sender::SpareKey => spare(key),
            Sender::SpareToken => spare(self.credentials.token.as_ref()),
        };
        let is_json = act.body.starts_with('{') && !act.path.contains("/terraform/state");
        let request = if is_json {
            request.header("Content-Type", "application/json")
        } else {
            request
        };
        let answer = request
            .header("X-Request-Id", id)
            .body(act.body.clone())
            .send()
            .ok()?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let bytes = answer.bytes().ok()?.to_vec();
        Some(Answer {
            status,
            headers,
            bytes,
        })
    }

    /// What an act changes; its answer has to say so where it names a version.
    fn apply(&mut self, effect: Effect, answer: Option<&Answer>) -> Found {
        let Effect::State(place, change) = effect else {
            self.credentials.apply(effect, answer);
            return Ok(());
        };
        let stores = matches!(change, Change::Stored { .. });
        let state = &mut self.states[place];
        state.apply(change);
        let number = state.next - 1;
        let Some(answer) = answer.filter(|_| stores) else {
            return Ok(());
        };
        need(answer.json()["number"] == number, || {
            format!(
                "{}: version {number} was stored, says the actor, not {}",
                state.name,
                answer.text()
            )
        })
    }

    /// Compares what there is with what has to be.
    pub(super) fn look(&mut self, server: &Server, log: &EventLog) -> Found {
        (self.own, self.admin) = (self.own.at(server), self.admin.at(server));
        self.nobody = self.nobody.at(server);
        for (id, events) in &self.done {
            need(self.are_whole(log.of(id), events), || {
                format!(
                    "{id} was answered and has the events {:?}, not {events:?}",
                    log.of(id)
                )
            })?;
        }
        if let Some((id, act)) = self.pending.clone() {
            self.resolve(&id, act, log)?;
        }
        for state in self.states.iter().filter(|state| state.touched) {
            state.check(&self.own, self.reads_may_fail)?;
        }
        self.credentials.check(&self.admin, &self.states[0].name)
    }

    /// Whether an act has its events. A run of pruning that cannot read a version may keep all.
    fn are_whole(&self, found: &[String], events: &[&str]) -> bool {
        let kept_all = self.reads_may_fail && events[0] == "state.prune";
        found == events || (kept_all && found == &events[1..])
    }

    /// An act without an answer happened if it has its events, and then all of it happened.
    fn resolve(&mut self, id: &str, act: Act, log: &EventLog) -> Found {
        let found = log.of(id);
        if found.is_empty() {
            return Ok(());
        }
        // A run of pruning notes its end in a transaction of its own.
        let is_cut_run = act.events[0] == "state.prune" && found == &act.events[..1];
        need(self.are_whole(found, act.events) || is_cut_run, || {
            format!("{id} has the events {found:?}, not {:?}", act.events)
        })?;
        self.unanswered_but_done += 1;
        self.pending = None;
        self.done.push((id.to_owned(), act.events));
        self.apply(act.effect, None)
    }

    /// The ids of everything that was sent since the last look, which begins anew.
    pub(super) fn sent(&mut self) -> BTreeSet<String> {
        let pending = self.pending.take().map(|(id, _)| id);
        self.states
            .iter_mut()
            .for_each(|state| state.touched = false);
        self.done
            .drain(..)
            .map(|(id, _)| id)
            .chain(pending)
            .collect()
    }

    pub(super) fn pretend_a_write(&mut self) {
        let (serial, note, kind) = (9_999, "never sent".to_owned(), "write");
        self.states[0].apply(Change::Stored { serial, note, kind });
    }

    pub(super) fn pretend_a_lock(&mut self) {
        self.states[0].apply(Change::Locked("never taken".to_owned()));
    }

    pub(super) fn pretend_an_answer(&mut self) {
        self.done.push((format!("{PREFIX}never"), &["state.write"]));
    }

    pub(super) fn write_behind_its_back(&mut self, admin: &Client) {
        self.states[1] = self.fresh_state(1);
        let state = &self.states[1];
        let body = tfstate_noted(&state.lineage, 77, "another");
        admin.write(&state.name, body, None).expect_status(200);
    }
}
