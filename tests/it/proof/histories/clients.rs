//! The callers of a run: each acts as a client does that locks, writes and unlocks, and sometimes
//! as one that does not.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use serde_json::{Value, json};

use super::calls::{Call, LockId, Reply, What};
use crate::harness::{Client, Server, lineage, lock_body, state_path, tfstate_noted};
use crate::proof::dice::Dice;

/// Makes serials and notes that no other write of any state has.
static WRITTEN: AtomicU64 = AtomicU64::new(1);

/// What a caller knows of one state.
#[derive(Default)]
struct Known {
    /// The lock that it holds, or may hold.
    lock: Option<LockId>,
    /// Versions that it has stored, with their notes.
    stored: Vec<(u64, u64)>,
}

pub(super) struct Caller {
    index: usize,
    client: Client,
    dice: Dice,
    locks: u32,
    known: BTreeMap<usize, Known>,
}

impl Caller {
    pub(super) fn new(index: usize, server: &Server, dice: Dice) -> Self {
        let key = server.key("team", "owner");
        let client = server.token(&key, json!({}));
        Self {
            index,
            client,
            dice,
            locks: 0,
            known: BTreeMap::new(),
        }
    }

    /// The server has another address since its last start.
    pub(super) fn go_to(&mut self, server: &Server) {
        self.client = self.client.at(server);
    }

    /// Other states follow.
    pub(super) fn forget(&mut self) {
        self.known.clear();
    }

    /// Calls until the server is gone or it is told to stop; what it recorded, with the state's
    /// place in the list.
    pub(super) fn call_until(
        &mut self,
        stop: &AtomicBool,
        names: &[String],
        begun: Instant,
    ) -> Vec<(usize, Call)> {
        let mut recorded = Vec::new();
        while !stop.load(Ordering::SeqCst) {
            let state = self.dice.index(names.len());
            let what = self.choose(state);
            let start = begun.elapsed();
            let sent = send(&self.client, &names[state], &what);
            let end = begun.elapsed();
            let reply = match sent {
                Sent::Answered(reply) => Some(reply),
                Sent::Broken => None,
                // Nothing was sent at all.
                Sent::NotConnected => break,
            };
            self.learn(state, &what, reply.as_ref());
            let is_broken = reply.is_none();
            recorded.push((
                state,
                Call {
                    start,
                    end,
                    what,
                    reply,
                },
            ));
            if is_broken {
                break;
            }
        }
        recorded
    }

    fn choose(&mut self, state: usize) -> What {
        let known = self.known.entry(state).or_default();
        let chosen = self.dice.below(100);
        match (chosen, known.lock) {
            (0..=29, _) => What::Read,
            (30..=54, Some(lock)) => written(Some(lock)),
            (55..=69, Some(lock)) => What::Unlock(lock),
            (70..=72, Some(lock)) => What::Lock(lock),
            (48..=72, None) => {
                self.locks += 1;
                What::Lock((self.index, self.locks))
            }
            (73..=79, _) => What::Delete,
            (80..=86, _) => What::Restore,
            (87..=93, _) if !known.stored.is_empty() => {
                let (number, note) = known.stored[self.dice.index(known.stored.len())];
                What::RollBack { number, note }
            }
            _ => written(None),
        }
    }

    fn learn(&mut self, state: usize, what: &What, reply: Option<&Reply>) {
        let known = self.known.entry(state).or_default();
        match (what, reply) {
            // A lock that may have been taken is asked for again, with the same ID.
            (What::Lock(id), Some(Reply::Held) | None) => known.lock = Some(*id),
            (What::Lock(id), Some(_)) if known.lock == Some(*id) => known.lock = None,
            (What::Unlock(_), Some(_)) => known.lock = None,
            (What::Write { note, .. }, Some(Reply::Stored { number, .. })) => {
                known.stored.push((*number, *note));
            }
            _ => {}
        }
    }
}

fn written(lock: Option<LockId>) -> What {
    let serial = WRITTEN.fetch_add(1, Ordering::SeqCst);
    What::Write {
        lock,
        note: serial,
        serial,
    }
}

/// A read at the end, when nothing else is under way.
pub(super) fn last_look(server: &Server, caller: &Caller, name: &str, begun: Instant) -> Call {
    let start = begun.elapsed();
    let Sent::Answered(reply) = send(&caller.client.at(server), name, &What::Read) else {
        panic!("nothing breaks this call");
    };
    let (end, what) = (begun.elapsed(), What::Read);
    Call {
        start,
        end,
        what,
        reply: Some(reply),
    }
}

enum Sent {
    Answered(Reply),
    /// It may have happened.
    Broken,
    NotConnected,
}

fn text_of(lock: LockId) -> String {
    format!("lock-{}-{}", lock.0, lock.1)
}

fn lock_of(body: &Value) -> LockId {
    let text = body["ID"]
        .as_str()
        .unwrap_or_else(|| panic!("a lock: {body}"));
    let mut parts = text.split('-').skip(1);
    let mut number = || parts.next().expect("one of our locks");
    let caller = number().parse().expect("a number");
    (caller, number().parse().expect("a number"))
}

fn send(client: &Client, name: &str, what: &What) -> Sent {
    let path = state_path(name);
    let (method, path, body) = match what {
        What::Read => ("GET", path, String::new()),
        What::Write { lock, note, serial } => {
            let query = lock.map_or("force=true".to_owned(), |id| format!("ID={}", text_of(id)));
            let body = tfstate_noted(&lineage(1), *serial, &note.to_string());
            ("POST", format!("{path}?{query}"), body)
        }
        What::Lock(id) => ("LOCK", path, lock_body(&text_of(*id))),
        What::Unlock(id) => ("UNLOCK", path, lock_body(&text_of(*id))),
        What::Delete => ("DELETE", path, String::new()),
        What::Restore => ("POST", format!("{path}/restore"), String::new()),
        What::RollBack { number, .. } => (
            "POST",
            format!("{path}/rollback"),
            json!({"version": number}).to_string(),
        ),
    };
    let sent = client.request(method, &path).body(body).send();
    let answer = match sent {
        Ok(answer) => answer,
        Err(error) if error.is_connect() => return Sent::NotConnected,
        Err(_) => return Sent::Broken,
    };
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let Ok(bytes) = answer.bytes() else {
        return Sent::Broken;
    };
    let header = |name: &str| headers.get(name)?.to_str().ok()?.parse::<u64>().ok();
    let kept = || header("statekeep-rejected-version").expect("a refused write is kept");
    let body: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    let number = |member: &str| {
        body[member]
            .as_u64()
            .unwrap_or_else(|| panic!("{member}: {body}"))
    };
    Sent::Answered(match (what, status) {
        (What::Read, 200) => Reply::Bytes {
            number: header("statekeep-version").expect("a version"),
            serial: number("serial"),
            note: note_in(&body),
        },
        (What::Write { .. } | What::Restore | What::RollBack { .. }, 200) => Reply::Stored {
            number: number("number"),
            serial: number("serial"),
        },
        (What::Write { .. }, 423) => Reply::Locked {
            by: lock_of(&body),
            kept: kept(),
        },
        (What::Write { .. }, 409) => Reply::Stale { kept: kept() },
        (What::Lock(_), 200) => Reply::Held,
        (What::Unlock(_), 200) if body == json!({}) => Reply::NothingHeld,
        (What::Unlock(_), 200) => Reply::Released,
        (What::Unlock(_), 409) => Reply::OtherHeld(lock_of(&body)),
        (What::Delete, 200) => Reply::Deleted(number("version")),
        (What::RollBack { .. }, 409) if body["code"] == "too_many_conflicts" => Reply::GaveUp,
        (_, 423) => Reply::HeldBy(lock_of(&body)),
        (_, 404) => Reply::Absent,
        _ => panic!("{what:?} of {name}: {status} {body}"),
    })
}

fn note_in(state: &Value) -> u64 {
    let text = state["outputs"]["note"]["value"].as_str();
    text.and_then(|text| text.parse().ok())
        .unwrap_or_else(|| panic!("a note: {state}"))
}
