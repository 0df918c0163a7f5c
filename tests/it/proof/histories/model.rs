//! What the contract says about one state and one call: the answer, and what is so afterwards.

use std::hash::{Hash, Hasher};
use std::rc::Rc;

use super::calls::{LockId, Reply, What};

/// The contract, or a wrong one, to see that it is rejected.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) locks_keep_writes_out: bool,
    pub(super) deletions_hide: bool,
}

impl Rules {
    pub(super) const CONTRACT: Self = Self {
        locks_keep_writes_out: true,
        deletions_hide: true,
    };
}

/// One accepted version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Row {
    number: u64,
    serial: u64,
    note: u64,
}

/// One state.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Model {
    /// Accepted versions, oldest first.
    rows: Rc<Vec<Row>>,
    live: bool,
    lock: Option<LockId>,
    /// The last number that was given, to rejected versions too.
    last_number: u64,
    /// The highest serial there ever was, of rejected versions too.
    highest: u64,
}

impl Hash for Model {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Versions before the last one differ seldom where this does not.
        (self.rows.len(), self.rows.last(), self.live, self.lock).hash(state);
        (self.last_number, self.highest).hash(state);
    }
}

impl Model {
    /// Does what was asked, and answers.
    pub(super) fn answer(&mut self, what: &What, rules: Rules) -> Reply {
        match *what {
            What::Read => self.read(),
            What::Write { lock, note, serial } => self.write(lock, (note, serial), rules),
            What::Lock(id) => self.take(id),
            What::Unlock(id) => self.release(id),
            What::Delete => self.delete(rules),
            What::Restore => self.restore(),
            What::RollBack { number, .. } => self.roll_back(number),
        }
    }

    fn last(&self) -> Option<Row> {
        self.rows.last().copied()
    }

    fn read(&self) -> Reply {
        match self.last().filter(|_| self.live) {
            Some(Row {
                number,
                serial,
                note,
            }) => Reply::Bytes {
                number,
                serial,
                note,
            },
            None => Reply::Absent,
        }
    }

    fn write(&mut self, lock: Option<LockId>, (note, serial): (u64, u64), rules: Rules) -> Reply {
        let held = self.lock.filter(|_| rules.locks_keep_writes_out);
        match (held, lock) {
            (Some(by), lock) if lock != Some(by) => Reply::Locked {
                by,
                kept: self.keep(serial),
            },
            (None, Some(_)) if rules.locks_keep_writes_out => Reply::Stale {
                kept: self.keep(serial),
            },
            _ => self.store(note, serial),
        }
    }

    /// Keeps a refused write beside the others.
    fn keep(&mut self, serial: u64) -> u64 {
        self.highest = self.highest.max(serial);
        self.last_number += 1;
        self.last_number
    }

    fn store(&mut self, note: u64, serial: u64) -> Reply {
        let number = self.keep(serial);
        Rc::make_mut(&mut self.rows).push(Row {
            number,
            serial,
            note,
        });
        self.live = true;
        Reply::Stored { number, serial }
    }

    fn take(&mut self, id: LockId) -> Reply {
        match self.lock {
            Some(held) if held != id => Reply::HeldBy(held),
            _ => {
                self.lock = Some(id);
                Reply::Held
            }
        }
    }

    fn release(&mut self, id: LockId) -> Reply {
        match self.lock {
            None => Reply::NothingHeld,
            Some(held) if held == id => {
                self.lock = None;
                Reply::Released
            }
            Some(held) => Reply::OtherHeld(held),
        }
    }

    fn delete(&mut self, rules: Rules) -> Reply {
        match (self.last(), self.lock) {
            (None, _) => Reply::Absent,
            (Some(_), Some(held)) => Reply::HeldBy(held),
            (Some(last), None) => {
                self.live &= !rules.deletions_hide;
                Reply::Deleted(last.number)
            }
        }
    }

    fn restore(&mut self) -> Reply {
        match (self.last(), self.lock) {
            (None, _) => Reply::Absent,
            (Some(last), _) if self.live => Reply::Stored {
                number: last.number,
                serial: last.serial,
            },
            (Some(_), Some(held)) => Reply::HeldBy(held),
            (Some(last), None) => self.store(last.note, last.serial),
        }
    }

    fn roll_back(&mut self, number: u64) -> Reply {
        let Some(row) = self.rows.iter().copied().find(|row| row.number == number) else {
            return Reply::Absent;
        };
        if self.live && self.last() == Some(row) {
            return Reply::Stored {
                number,
                serial: row.serial,
            };
        }
        match self.lock {
            Some(held) => Reply::HeldBy(held),
            None => self.store(row.note, self.highest + 1),
        }
    }
}
