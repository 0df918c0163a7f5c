//! Random operations by two keys against a simple model of the contract, through HTTP.
//!
//! Where the contract leaves an answer open (a deletion of what is gone while another holds the
//! lock), the model takes each of them. `STATEKEEP_MODEL_CASES` asks for more cases than the quick
//! ones.

mod ops;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Value, json};

use crate::harness::{Answer, Client, Server, state_path, tfstate_noted};
use ops::{Op, Who, op};

/// One stored version as the model knows it.
#[derive(Clone, Debug, PartialEq)]
struct Version {
    lineage: u8,
    serial: u64,
    bytes: String,
}

/// What the contract says about one state.
#[derive(Default)]
struct Model {
    /// Every version that was ever current, oldest first.
    stored: Vec<Version>,
    live: bool,
    lock: Option<(u8, Who)>,
    /// A lock that was broken by force, while nobody has locked or written since.
    broken: Option<(u8, Who)>,
    /// Keys whose unlocked writes are refused until they read.
    marked: BTreeSet<Who>,
    /// The bytes that were refused.
    rejected: BTreeSet<String>,
}

/// What a write has to be answered.
#[derive(PartialEq, Debug)]
enum Verdict {
    Equal,
    Stored,
    Locked,
    Stale,
    /// The contract leaves it open, so it is not tried.
    Open,
}

impl Model {
    fn current(&self) -> Option<&Version> {
        self.stored.last().filter(|_| self.live)
    }

    fn judge(&self, who: Who, new: &Version, lock: Option<u8>, force: bool) -> Verdict {
        if self
            .current()
            .is_some_and(|current| current.bytes == new.bytes)
        {
            return Verdict::Equal;
        }
        if let Some((id, holder)) = self.lock {
            return if lock == Some(id) && holder == who {
                Verdict::Stored
            } else {
                Verdict::Locked
            };
        }
        match lock {
            Some(id) if self.broken == Some((id, who)) || force => Verdict::Open,
            Some(_) => Verdict::Stale,
            None if force => Verdict::Stored,
            None if self.marked.contains(&who) => Verdict::Stale,
            None => match self.current() {
                Some(current) if current.lineage != new.lineage || new.serial <= current.serial => {
                    Verdict::Stale
                }
                _ => Verdict::Stored,
            },
        }
    }

    fn store(&mut self, version: Version) {
        self.stored.push(version);
        self.live = true;
        self.broken = None;
    }
}

/// A run: the model, the two callers, and the state that they work on.
struct Run<'a> {
    model: Model,
    callers: [&'a Client; 2],
    name: String,
}

type Checked = Result<(), TestCaseError>;

impl Run<'_> {
    fn caller(&self, who: Who) -> &Client {
        self.callers[who as usize]
    }

    fn expect(answer: &Answer, allowed: &[u16], what: &str) -> Checked {
        prop_assert!(
            allowed.contains(&answer.status.as_u16()),
            "{}: {} instead of {:?}: {}",
            what,
            answer.status,
            allowed,
            answer.text()
        );
        Ok(())
    }

    fn step(&mut self, op: &Op) -> Checked {
        match *op {
            Op::Read(who) => self.read(who),
            Op::Write {
                who,
                lineage,
                serial,
                note,
                lock,
                force,
            } => {
                let bytes = tfstate_noted(
                    &format!("lineage-{lineage}"),
                    serial,
                    &format!("note {note}"),
                );
                self.write(
                    who,
                    Version {
                        lineage,
                        serial,
                        bytes,
                    },
                    lock,
                    force,
                )
            }
            Op::Lock(who, id) => self.lock(who, id),
            Op::Unlock(who, id) => self.unlock(who, Some(id)),
            Op::Break(who) => self.unlock(who, None),
            Op::Delete { who, lock } => self.delete(who, lock),
            Op::Restore(who) => self.restore(who),
            Op::RollBack { who, to, lock } => self.roll_back(who, to, lock),
        }
    }

    fn read(&mut self, who: Who) -> Checked {
        let answer = self.caller(who).read(&self.name);
        self.model.marked.remove(&who);
        match self.model.current() {
            None => Self::expect(&answer, &[404], "read"),
            Some(current) => {
                Self::expect(&answer, &[200], "read")?;
                prop_assert_eq!(answer.text(), current.bytes.clone());
                Ok(())
            }
        }
    }

    fn write(&mut self, who: Who, new: Version, lock: Option<u8>, force: bool) -> Checked {
        let verdict = self.model.judge(who, &new, lock, force);
        if verdict == Verdict::Open {
            return Ok(());
        }
        let query = [
            lock.map(|id| format!("ID=lock-{id}")),
            force.then(|| "force=true".to_owned()),
        ];
        let query: Vec<String> = query.into_iter().flatten().collect();
        let path = format!("{}?{}", state_path(&self.name), query.join("&"));
        let answer = self.caller(who).send("POST", &path, new.bytes.clone());
        match verdict {
            Verdict::Equal => Self::expect(&answer, &[200], "equal bytes")?,
            Verdict::Stored => {
                Self::expect(&answer, &[200], "a write")?;
                self.model.store(new);
                if self.model.marked.contains(&who) {
                    // Whether a write by force or under a lock counts as having seen the state is
                    // left open: read, so that it does.
                    self.read(who)?;
                }
            }
            Verdict::Locked => {
                Self::expect(&answer, &[423], "a write while locked")?;
                self.model.rejected.insert(new.bytes);
            }
            Verdict::Stale | Verdict::Open => {
                Self::expect(&answer, &[409], "a stale write")?;
                if lock.is_none() {
                    self.model.marked.insert(who);
                }
                self.model.rejected.insert(new.bytes);
            }
        }
        Ok(())
    }

    fn lock(&mut self, who: Who, id: u8) -> Checked {
        let answer = self.caller(who).lock(&self.name, &format!("lock-{id}"));
        match self.model.lock {
            Some(held) if held != (id, who) => {
                Self::expect(&answer, &[423], "a lock that another holds")
            }
            _ => {
                Self::expect(&answer, &[200], "a free lock")?;
                self.model.lock = Some((id, who));
                self.model.broken = None;
                Ok(())
            }
        }
    }

    fn unlock(&mut self, who: Who, id: Option<u8>) -> Checked {
        let answer = match id {
            Some(id) => self.caller(who).unlock(&self.name, &format!("lock-{id}")),
            None => self.caller(who).send("UNLOCK", &state_path(&self.name), ""),
        };
        let Some((held, holder)) = self.model.lock else {
            return Self::expect(&answer, &[200], "nothing to unlock");
        };
        if id.is_some_and(|id| id != held) {
            return Self::expect(&answer, &[409], "another's ID");
        }
        if holder != who && who == Who::Plain {
            return Self::expect(&answer, &[403], "another key's lock");
        }
        Self::expect(&answer, &[200], "an unlock")?;
        self.model.lock = None;
        self.model.broken = (holder != who || id.is_none()).then_some((held, holder));
        Ok(())
    }

    fn delete(&mut self, who: Who, lock: Option<u8>) -> Checked {
        let query = lock.map(|id| format!("?ID=lock-{id}")).unwrap_or_default();
        let fits = match self.model.lock {
            Some(held) => lock.map(|id| (id, who)) == Some(held),
            // An ID though nothing is locked is left open.
            None if lock.is_some() => return Ok(()),
            None => true,
        };
        let answer =
            self.caller(who)
                .send("DELETE", &format!("{}{query}", state_path(&self.name)), "");
        let gone = if self.model.stored.is_empty() {
            404
        } else {
            200
        };
        match (self.model.live, fits) {
            (false, true) => Self::expect(&answer, &[gone], "deleting what is not there"),
            (false, false) => Self::expect(&answer, &[gone, 423], "deleting what is not there"),
            (true, false) => Self::expect(&answer, &[423], "deleting what another has locked"),
            (true, true) => {
                Self::expect(&answer, &[200], "deleting")?;
                self.model.live = false;
                self.look_at_the_lock()
            }
        }
    }

    /// Whether a deletion under one's own lock releases it is left open: take what is.
    fn look_at_the_lock(&mut self) -> Checked {
        let answer = self
            .caller(Who::Owner)
            .get(&format!("{}/lock", state_path(&self.name)));
        Self::expect(&answer, &[200, 404], "the lock")?;
        if answer.status == 404 {
            self.model.lock = None;
        }
        Ok(())
    }

    fn restore(&mut self, who: Who) -> Checked {
        let answer =
            self.caller(who)
                .send("POST", &format!("{}/restore", state_path(&self.name)), "");
        let anothers = self.model.lock.is_some_and(|(_, holder)| holder != who);
        match (self.model.stored.last().cloned(), self.model.live, anothers) {
            (None, _, false) => Self::expect(&answer, &[404], "restoring nothing"),
            (None, _, true) => Self::expect(&answer, &[404, 423], "restoring nothing"),
            (_, true, false) => Self::expect(&answer, &[200], "restoring what is there"),
            (_, true, true) => Self::expect(&answer, &[200, 423], "restoring what is there"),
            (_, false, true) => Self::expect(&answer, &[423], "restoring what another has locked"),
            (Some(last), false, false) => {
                // Whether one's own lock needs its ID here is not the model's question.
                let allowed: &[u16] = if self.model.lock.is_some() {
                    &[200, 423]
                } else {
                    &[200]
                };
                Self::expect(&answer, allowed, "restoring")?;
                if answer.status == 200 {
                    self.model.store(last);
                }
                Ok(())
            }
        }
    }

    /// Rolls back to one of all versions there are, rejected ones among them.
    fn roll_back(&mut self, who: Who, to: usize, lock: Option<u8>) -> Checked {
        // Beyond that the server forgets some, and the model does not know which.
        if self.model.rejected.len() > 20 {
            return Ok(());
        }
        let query = lock.map(|id| format!("?ID=lock-{id}")).unwrap_or_default();
        let path = format!("{}/rollback{query}", state_path(&self.name));
        if self.model.stored.is_empty() && self.model.rejected.is_empty() {
            let answer = self.caller(who).post_json(&path, &json!({"version": 1}));
            return Self::expect(&answer, &[404], "a rollback to nothing");
        }
        let rows = self.caller(who).versions(&self.name);
        let row = &rows[to % rows.len()];
        let old = self
            .caller(who)
            .get(&format!(
                "{}/versions/{}",
                state_path(&self.name),
                row["number"]
            ))
            .text();
        let answer = self
            .caller(who)
            .post_json(&path, &json!({"version": row["number"]}));
        let holds = self
            .model
            .lock
            .is_some_and(|held| lock.map(|id| (id, who)) == Some(held));
        if row["current"] == true {
            return Self::expect(&answer, &[200], "a rollback to the current version");
        }
        if self.model.lock.is_some() && !holds {
            return Self::expect(&answer, &[423], "a rollback while locked");
        }
        if self.model.lock.is_none() && lock.is_some() {
            return Self::expect(&answer, &[409], "a rollback under a lock that is not held");
        }
        Self::expect(&answer, &[200], "a rollback")?;
        let (lineage, serial) = lineage_and_serial(&old);
        let all = self
            .model
            .stored
            .iter()
            .map(|version| &version.bytes)
            .chain(&self.model.rejected)
            .map(|bytes| lineage_and_serial(bytes));
        let next = all
            .filter(|(other, _)| *other == lineage)
            .map(|(_, serial)| serial)
            .max()
            .unwrap_or(0)
            + 1;
        prop_assert_eq!(&answer.json()["serial"], &json!(next));
        let bytes = old.replacen(
            &format!("\"serial\":{serial}"),
            &format!("\"serial\":{next}"),
            1,
        );
        self.model.store(Version {
            lineage,
            serial: next,
            bytes,
        });
        Ok(())
    }

    /// The history holds each version that was stored, in order and in its exact bytes, and
    /// everything that was refused.
    fn finish(&self) -> Checked {
        let owner = self.caller(Who::Owner);
        let answer = owner.get(&format!("{}/versions?limit=1000", state_path(&self.name)));
        if self.model.stored.is_empty() && self.model.rejected.is_empty() {
            return Self::expect(&answer, &[200, 404], "the history of nothing");
        }
        Self::expect(&answer, &[200], "the history")?;
        let mut rows: Vec<Value> = answer.json()["versions"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        rows.reverse();
        let (mut stored, mut rejected) = (Vec::new(), BTreeSet::new());
        for row in &rows {
            let bytes = owner.get(&format!(
                "{}/versions/{}",
                state_path(&self.name),
                row["number"]
            ));
            Self::expect(&bytes, &[200], "a version")?;
            let refused = row["kind"] == "rejected";
            prop_assert_eq!(
                row["current"] == true,
                !refused && self.model.live && stored.len() + 1 == self.model.stored.len()
            );
            if refused {
                prop_assert!(rejected.insert(bytes.text()), "kept twice: {}", row);
            } else {
                stored.push(bytes.text());
            }
        }
        let expected: Vec<String> = self
            .model
            .stored
            .iter()
            .map(|version| version.bytes.clone())
            .collect();
        prop_assert_eq!(stored, expected);
        if self.model.rejected.len() <= 20 {
            prop_assert_eq!(&rejected, &self.model.rejected);
        }
        Ok(())
    }
}

fn lineage_and_serial(bytes: &str) -> (u8, u64) {
    let state: Value = serde_json::from_str(bytes).expect("a state");
    let lineage = state["lineage"]
        .as_str()
        .and_then(|text| text.strip_prefix("lineage-")?.parse().ok());
    (
        lineage.expect("one of ours"),
        state["serial"].as_u64().expect("a serial"),
    )
}

#[test]
fn random_operations_by_two_keys_do_what_the_contract_says() {
    let server = Server::start();
    let (owner, plain) = (
        server.key("team", "owner"),
        server.key_with("team", &["TFSTATE_SAVE", "TFSTATE_DELETE"]),
    );
    let cases = std::env::var("STATEKEEP_MODEL_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(32);
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 200,
        ..Config::default()
    };
    let counter = AtomicU64::new(0);
    let result = TestRunner::new(config).run(&proptest::collection::vec(op(), 1..40), |ops| {
        let name = format!("team/n{}", counter.fetch_add(1, Ordering::SeqCst));
        let mut run = Run {
            model: Model::default(),
            callers: [&owner, &plain],
            name,
        };
        for op in &ops {
            run.step(op)?;
        }
        run.finish()
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}
