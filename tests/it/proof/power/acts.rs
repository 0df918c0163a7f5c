//! What is done while the disk is recorded, and what has to be there after a cut: each act is noted
//! with how long the record was before it was sent and after it was answered.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::device::LoggedDisk;
use crate::harness::{Client, lineage, state_path, tfstate_noted};

pub(super) const ACTORS: usize = 6;

#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    /// The state's serial, which is its version's number as well.
    Wrote(u64),
    Locked(u64),
    Unlocked(u64),
    Purged(u64),
}

#[derive(Clone, Copy, Debug)]
struct Act {
    what: What,
    sent_at: u64,
    answered_at: u64,
}

/// The acts on each state, in their order.
#[derive(Default)]
pub(super) struct Journal(Mutex<BTreeMap<String, Vec<Act>>>);

fn body(name: &str, serial: u64) -> String {
    // Some span several pages, whose parts may get lost one by one.
    let filler = crate::disk::noise(
        serial,
        200 + usize::try_from(serial % 7 * 3_000).expect("a size"),
    );
    tfstate_noted(&lineage(3), serial, &format!("{name} {serial} {filler}"))
}

/// Writes, locks and purges one state until it is told to stop.
pub(super) fn act(
    index: usize,
    (caller, admin): &(Client, Client),
    disk: &LoggedDisk,
    journal: &Journal,
    stop: &AtomicBool,
) {
    let name = format!("team/n{index}");
    let note = |what: What, act: &dyn Fn()| {
        let sent_at = disk.recorded();
        act();
        let answered_at = disk.recorded();
        let mut acts = journal.0.lock().expect("the journal");
        acts.entry(name.clone()).or_default().push(Act {
            what,
            sent_at,
            answered_at,
        });
    };
    for serial in 1_u64.. {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        let (id, lock) = (format!("lock-{serial}"), serial.is_multiple_of(3));
        let held = lock.then_some(id.as_str());
        if lock {
            note(What::Locked(serial), &|| {
                drop(caller.lock(&name, &id).expect_status(200));
            });
        }
        note(What::Wrote(serial), &|| {
            drop(
                caller
                    .write(&name, body(&name, serial), held)
                    .expect_status(200),
            );
        });
        if lock {
            note(What::Unlocked(serial), &|| {
                drop(caller.unlock(&name, &id).expect_status(200));
            });
        }
        if index == 0 && serial.is_multiple_of(12) {
            note(What::Purged(serial - 5), &|| {
                let wanted = json!({"versions": [serial - 5]});
                let path = format!("{}/purge", state_path(&name));
                drop(admin.post_json(&path, &wanted).expect_status(200));
            });
        }
    }
}

impl Journal {
    /// Looks whether all is there that was answered when the record was so long, and nothing that
    /// was not sent by then. Says how much was looked at.
    pub(super) fn check(&self, callers: &(Client, Client), recorded: u64) -> Result<u64, String> {
        let states = self.0.lock().expect("the journal");
        let mut checked = 0;
        for (name, acts) in states.iter() {
            let sent = acts.iter().filter(|act| act.sent_at <= recorded).count();
            let answered = acts
                .iter()
                .filter(|act| act.answered_at <= recorded)
                .count();
            checked += check_state(&callers.0, name, acts, &(answered..=sent))?;
        }
        Ok(checked)
    }
}

/// The last acts of one state that may have happened, each of which is allowed.
fn check_state(
    caller: &Client,
    name: &str,
    acts: &[Act],
    happened: &RangeInclusive<usize>,
) -> Result<u64, String> {
    let last = |count: usize, of: fn(What) -> Option<u64>| {
        acts[..count]
            .iter()
            .rev()
            .find_map(|act| of(act.what))
            .unwrap_or(0)
    };
    let written = |what| {
        if let What::Wrote(serial) = what {
            Some(serial)
        } else {
            None
        }
    };
    let serials = last(*happened.start(), written)..=last(*happened.end(), written);
    let answer = caller.read(name);
    let newest = match answer.status.as_u16() {
        200 => answer.json()["serial"].as_u64().unwrap_or(0),
        404 => 0,
        status => return Err(format!("{name}: {status} {}", answer.text())),
    };
    if !serials.contains(&newest) {
        return Err(format!("{name}: {newest} is the newest, of {serials:?}"));
    }
    if newest > 0 && answer.text() != body(name, newest) {
        return Err(format!("{name}: other bytes than were written as {newest}"));
    }
    check_lock(caller, name, acts, happened)?;
    let purged: Vec<u64> = acts[..*happened.start()]
        .iter()
        .filter_map(|act| {
            if let What::Purged(number) = act.what {
                Some(number)
            } else {
                None
            }
        })
        .collect();
    for number in newest.saturating_sub(6).max(1)..=newest {
        let answer = caller.get(&format!("{}/versions/{number}", state_path(name)));
        let is_fine = match answer.status.as_u16() {
            200 => !purged.contains(&number) && answer.text() == body(name, number),
            410 => number + 5 <= *serials.end(),
            _ => false,
        };
        if !is_fine {
            return Err(format!(
                "{name}: version {number}: {} {}",
                answer.status,
                answer.text()
            ));
        }
    }
    Ok(newest.min(6) + 2)
}

fn check_lock(
    caller: &Client,
    name: &str,
    acts: &[Act],
    happened: &RangeInclusive<usize>,
) -> Result<(), String> {
    let answer = caller.get(&format!("{}/lock", state_path(name)));
    let found = match answer.status.as_u16() {
        200 => answer.json()["lock"]["ID"].as_str().map(str::to_owned),
        404 => None,
        status => return Err(format!("{name}: the lock is {status} {}", answer.text())),
    };
    let after = |count: usize| {
        let last = acts[..count].iter().rev().find_map(|act| match act.what {
            What::Locked(serial) => Some(Some(format!("lock-{serial}"))),
            What::Unlocked(_) => Some(None),
            What::Wrote(_) | What::Purged(_) => None,
        });
        last.flatten()
    };
    if happened.clone().any(|count| after(count) == found) {
        return Ok(());
    }
    Err(format!(
        "{name}: locked by {found:?}, after {happened:?} acts {:?}",
        acts.get(*happened.end())
    ))
}
