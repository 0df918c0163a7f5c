//! What an actor knows of one of its states: which versions there have to be, which of them is
//! current, and whether it is locked. Nobody else touches the state, so all of it is certain.

use serde_json::{Value, json};

use super::Found;
use crate::harness::{Answer, Client, sha256, state_path, tfstate_noted};

/// One accepted version.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) number: u64,
    pub(super) serial: u64,
    note: String,
    kind: &'static str,
    pub(super) held: bool,
    pub(super) purged: bool,
}

/// Whether a state is where it was.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Place {
    Here,
    Deleted,
    Transferred,
}

/// A change of a state, as it is to come out.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Stored {
        serial: u64,
        note: String,
        kind: &'static str,
    },
    Deleted,
    Locked(String),
    Unlocked,
    Purged(u64),
    /// Only so many of the newest stay.
    Pruned(usize),
    Held(u64, bool),
    TransferBegun,
    TransferFinished,
    TransferAbandoned,
    Moved(String),
}

/// Who holds the lock of a state.
#[derive(Clone, Debug)]
pub(super) enum LockIs {
    Free,
    HeldAs(String),
    /// Of the server's own making, with an ID that is not known.
    TheServers,
}

/// One state.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    pub(super) name: String,
    pub(super) lineage: String,
    /// Accepted versions, oldest first. The last one is current, or comes back with a restore.
    pub(super) rows: Vec<Row>,
    /// What pruning has removed, oldest first.
    pruned: Vec<Row>,
    pub(super) next: u64,
    pub(super) highest: u64,
    pub(super) place: Place,
    pub(super) lock: LockIs,
    pub(super) transfer: bool,
    /// Addresses that it has left.
    pub(super) left: Vec<String>,
    /// Whether its versions are purged or pruned: one is enough for each state.
    pub(super) is_pruned: bool,
    pub(super) touched: bool,
}

impl Row {
    pub(super) fn bytes(&self, lineage: &str) -> String {
        tfstate_noted(lineage, self.serial, &self.note)
    }

    pub(super) fn note(&self) -> String {
        self.note.clone()
    }
}

impl Ledger {
    pub(super) fn new(name: String, lineage: String, is_pruned: bool) -> Self {
        Self {
            name,
            lineage,
            rows: Vec::new(),
            pruned: Vec::new(),
            next: 1,
            highest: 0,
            place: Place::Here,
            lock: LockIs::Free,
            transfer: false,
            left: Vec::new(),
            is_pruned,
            touched: true,
        }
    }

    pub(super) fn current(&self) -> Option<&Row> {
        self.rows.last().filter(|_| self.place == Place::Here)
    }

    pub(super) fn apply(&mut self, change: Change) {
        self.touched = true;
        match change {
            Change::Stored { serial, note, kind } => self.store(serial, note, kind),
            Change::Deleted => self.place = Place::Deleted,
            Change::Locked(id) => self.lock = LockIs::HeldAs(id),
            Change::Unlocked => self.lock = LockIs::Free,
            Change::Purged(number) => self.row(number).purged = true,
            Change::Held(number, held) => self.row(number).held = held,
            Change::Pruned(keep) => self.prune(keep),
            Change::TransferBegun => (self.transfer, self.lock) = (true, LockIs::TheServers),
            Change::TransferFinished => {
                (self.transfer, self.lock) = (false, LockIs::Free);
                self.place = Place::Transferred;
            }
            Change::TransferAbandoned => (self.transfer, self.lock) = (false, LockIs::Free),
            Change::Moved(to) => {
                let from = std::mem::replace(&mut self.name, to);
                self.left.push(from);
            }
        }
    }

    fn store(&mut self, serial: u64, note: String, kind: &'static str) {
        let number = self.next;
        let (held, purged) = (false, false);
        self.rows.push(Row {
            number,
            serial,
            note,
            kind,
            held,
            purged,
        });
        self.next += 1;
        self.highest = self.highest.max(serial);
        self.place = Place::Here;
    }

    fn prune(&mut self, keep: usize) {
        let first = self.rows.len().saturating_sub(keep);
        let from = self.rows[first].number;
        let stays = |row: &Row| row.number >= from || row.held;
        let gone = self.rows.extract_if(.., |row| !stays(row));
        self.pruned.extend(gone);
    }

    fn row(&mut self, number: u64) -> &mut Row {
        let row = self.rows.iter_mut().find(|row| row.number == number);
        row.expect("a version of this state")
    }

    /// Compares everything that a client can see of the state. Where reads may have failed, a
    /// prune may have kept more than it had to: a version that it cannot read counts for none.
    pub(super) fn check(&self, caller: &Client, reads_may_fail: bool) -> Found {
        self.check_versions(caller, reads_may_fail)?;
        self.check_bytes(caller)?;
        self.check_lock(caller)?;
        for name in &self.left {
            expect(
                &caller.read(name),
                410,
                &format!("{name}, which moved away"),
            )?;
        }
        Ok(())
    }

    fn check_versions(&self, caller: &Client, reads_may_fail: bool) -> Found {
        let path = format!("{}/versions?limit=1000", state_path(&self.name));
        let answer = caller.get(&path);
        if self.rows.is_empty() {
            let fits = answer.status == 404 || answer.json()["versions"] == json!([]);
            return need(fits, || format!("{}: versions of nothing", self.name));
        }
        expect(&answer, 200, &path)?;
        let there: Vec<Value> = answer.json()["versions"]
            .as_array()
            .ok_or("no list of versions")?
            .iter()
            .rev()
            .map(|row| {
                let members = ["number", "sha256", "serial", "kind", "current", "purged"];
                let held = !row["held"].is_null();
                let mut facts = members.map(|name| row[name].clone()).to_vec();
                facts.push(held.into());
                Value::Array(facts)
            })
            .collect();
        let is_there = |row: &&Row| there.iter().any(|facts| facts[0] == row.number);
        let spared = self.pruned.iter().filter(|_| reads_may_fail);
        let mut rows: Vec<&Row> = spared.filter(is_there).chain(&self.rows).collect();
        rows.sort_by_key(|row| row.number);
        let known: Vec<Value> = rows.into_iter().map(|row| self.facts(row)).collect();
        need(there == known, || {
            format!(
                "{}: there is {}, and there should be {}",
                self.name,
                Value::from(there.clone()),
                Value::from(known.clone())
            )
        })
    }

    fn facts(&self, row: &Row) -> Value {
        let current = self.current().is_some_and(|it| it.number == row.number);
        let hash = sha256(row.bytes(&self.lineage).as_bytes());
        json!([
            row.number, hash, row.serial, row.kind, current, row.purged, row.held
        ])
    }

    fn check_bytes(&self, caller: &Client) -> Found {
        let answer = caller.read(&self.name);
        let status = match (&self.place, self.rows.is_empty()) {
            (Place::Transferred, _) => 410,
            (Place::Deleted, _) | (_, true) => 404,
            (Place::Here, false) => 200,
        };
        expect(&answer, status, &format!("reading {}", self.name))?;
        let Some(current) = self.current() else {
            return Ok(());
        };
        need(answer.text() == current.bytes(&self.lineage), || {
            format!(
                "{}: other bytes than were written: {}",
                self.name,
                answer.text()
            )
        })
    }

    fn check_lock(&self, caller: &Client) -> Found {
        let answer = caller.get(&format!("{}/lock", state_path(&self.name)));
        let status = match (&self.place, &self.lock) {
            (Place::Transferred, _) => 410,
            (_, LockIs::Free) => 404,
            (_, LockIs::HeldAs(_) | LockIs::TheServers) => 200,
        };
        expect(&answer, status, &format!("the lock of {}", self.name))?;
        let LockIs::HeldAs(id) = &self.lock else {
            return Ok(());
        };
        need(answer.json()["lock"]["ID"] == **id, || {
            format!("{}: locked by {}, not by {id}", self.name, answer.text())
        })
    }
}

pub(super) fn need(holds: bool, why: impl FnOnce() -> String) -> Found {
    if holds { Ok(()) } else { Err(why()) }
}

pub(super) fn expect(answer: &Answer, status: u16, what: &str) -> Found {
    need(answer.status == status, || {
        format!(
            "{what}: {} instead of {status}: {}",
            answer.status,
            answer.text()
        )
    })
}
