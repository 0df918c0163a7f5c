//! The acts on states: chosen by what the state is like, so that each is one that has to be
//! answered with 200.

use serde_json::{Value, json};

use super::ledger::{Change, Ledger, LockIs, Place, Row};
use crate::harness::{lock_body, state_path, tfstate_noted};
use crate::proof::dice::Dice;

/// Each kind of event that the acts have; a long run has seen all of them.
pub(super) const KINDS: [&str; 25] = [
    "state.write",
    "state.delete",
    "state.restore",
    "state.rollback",
    "state.import",
    "state.move",
    "state.purge",
    "state.prune",
    "retention.run",
    "retention.set",
    "retention.unset",
    "version.hold",
    "version.release",
    "transfer.begin",
    "transfer.finish",
    "transfer.abandon",
    "lock.acquire",
    "lock.release",
    "lock.break",
    "login",
    "token.extend",
    "token.end",
    "key.create",
    "key.rotate",
    "key.revoke",
];

/// Who sends an act.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Sender {
    Own,
    Admin,
    /// The credentials of the actor's spare key, or of its spare token.
    SpareKey,
    SpareToken,
    Nobody,
}

/// One act, before it is sent.
#[derive(Clone, Debug)]
pub(super) struct Act {
    pub(super) by: Sender,
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) body: String,
    /// The events that it has if it is done, each once and all in one transaction; but for a run
    /// of pruning, whose first event is what counts.
    pub(super) events: &'static [&'static str],
    pub(super) effect: Effect,
}

/// What an act changes.
#[derive(Clone, Debug)]
pub(super) enum Effect {
    /// The state at this place in the actor's list.
    State(usize, Change),
    Policy(Option<Value>),
    KeyMade,
    KeyRotated,
    KeyRevoked,
    TokenMade,
    TokenExtended,
    TokenEnded,
}

/// How many versions a state gets before another takes its place.
pub(super) const MOST_VERSIONS: usize = 30;

fn act(method: &'static str, path: String, body: String) -> Act {
    let (by, events, index) = (Sender::Own, &[][..], 0);
    Act {
        by,
        method,
        path,
        body,
        events,
        effect: Effect::State(index, Change::Unlocked),
    }
}

impl Act {
    fn having(self, events: &'static [&'static str], change: Change) -> Self {
        Self {
            events,
            effect: Effect::State(0, change),
            ..self
        }
    }

    fn by_admin(self) -> Self {
        Self {
            by: Sender::Admin,
            ..self
        }
    }
}

/// The next act on a state. `fresh` is a text that was never used.
pub(super) fn on_state(ledger: &Ledger, dice: &mut Dice, fresh: &str) -> Act {
    match (&ledger.place, &ledger.lock) {
        (Place::Deleted | Place::Transferred, _) => restore(ledger),
        (Place::Here, _) if ledger.transfer => end_transfer(ledger, dice),
        (Place::Here, LockIs::HeldAs(id)) => under_lock(ledger, id, dice, fresh),
        (Place::Here, _) if ledger.rows.is_empty() => begin(ledger, dice, fresh),
        (Place::Here, _) => unlocked(ledger, dice, fresh),
    }
}

fn begin(ledger: &Ledger, dice: &mut Dice, fresh: &str) -> Act {
    match dice.below(3) {
        0 => import(ledger, fresh),
        1 => lock(ledger, fresh),
        _ => write(ledger, None, fresh),
    }
}

fn under_lock(ledger: &Ledger, id: &str, dice: &mut Dice, fresh: &str) -> Act {
    let old = older(ledger, dice).filter(|_| dice.percent(20));
    match (old, dice.percent(60)) {
        (Some(old), _) => rollback(ledger, Some(id), old),
        (None, true) => write(ledger, Some(id), fresh),
        (None, false) => unlock(ledger, id, dice),
    }
}

fn unlocked(ledger: &Ledger, dice: &mut Dice, fresh: &str) -> Act {
    let old = older(ledger, dice);
    match (dice.below(20), old) {
        (6..=8, _) => lock(ledger, fresh),
        (9 | 10, Some(old)) => rollback(ledger, None, old),
        (11, _) => act("DELETE", state_path(&ledger.name), String::new())
            .having(&["state.delete"], Change::Deleted),
        (12 | 13, Some(old)) if !ledger.is_pruned && !old.held => purge(ledger, old),
        (12 | 13, _) if ledger.is_pruned && prunable(ledger) => prune(ledger),
        (14 | 15, Some(old)) => hold(ledger, old),
        (16, _) => begin_transfer(ledger),
        (17, _) => relocate(ledger, fresh),
        _ => write(ledger, None, fresh),
    }
}

/// A version that is not current and still has its content.
fn older<'a>(ledger: &'a Ledger, dice: &mut Dice) -> Option<&'a Row> {
    let count = ledger
        .rows
        .len()
        .checked_sub(1)
        .filter(|count| *count > 0)?;
    Some(&ledger.rows[dice.index(count)]).filter(|row| !row.purged)
}

fn write(ledger: &Ledger, lock: Option<&str>, fresh: &str) -> Act {
    let serial = ledger.highest + 1;
    let query = lock.map(|id| format!("?ID={id}")).unwrap_or_default();
    let path = format!("{}{query}", state_path(&ledger.name));
    let change = Change::Stored {
        serial,
        note: fresh.to_owned(),
        kind: "write",
    };
    act("POST", path, tfstate_noted(&ledger.lineage, serial, fresh))
        .having(&["state.write"], change)
}

fn import(ledger: &Ledger, fresh: &str) -> Act {
    let path = format!("{}/import", state_path(&ledger.name));
    let change = Change::Stored {
        serial: 7,
        note: fresh.to_owned(),
        kind: "import",
    };
    act("POST", path, tfstate_noted(&ledger.lineage, 7, fresh)).having(&["state.import"], change)
}

fn lock(ledger: &Ledger, fresh: &str) -> Act {
    act("LOCK", state_path(&ledger.name), lock_body(fresh))
        .having(&["lock.acquire"], Change::Locked(fresh.to_owned()))
}

/// The end of a run, or one of the ways in which a person breaks a lock.
fn unlock(ledger: &Ledger, id: &str, dice: &mut Dice) -> Act {
    let unlock = |body| act("UNLOCK", state_path(&ledger.name), body);
    let broken = |body| unlock(body).having(&["lock.break"], Change::Unlocked);
    match dice.below(6) {
        // OpenTofu's `force-unlock` sends the ID alone, and Terraform's nothing.
        0 => broken(json!({"ID": id}).to_string()),
        1 => broken(String::new()),
        // Whose lock it is not ends it by force, however it asks.
        2 => broken(lock_body(id)).by_admin(),
        _ => unlock(lock_body(id)).having(&["lock.release"], Change::Unlocked),
    }
}

fn rollback(ledger: &Ledger, lock: Option<&str>, old: &Row) -> Act {
    let query = lock.map(|id| format!("?ID={id}")).unwrap_or_default();
    let path = format!("{}/rollback{query}", state_path(&ledger.name));
    let change = Change::Stored {
        serial: ledger.highest + 1,
        note: old.note(),
        kind: "rollback",
    };
    act("POST", path, json!({"version": old.number}).to_string())
        .having(&["state.rollback"], change)
}

fn restore(ledger: &Ledger) -> Act {
    let last = ledger
        .rows
        .last()
        .expect("only what was written can be gone");
    let change = Change::Stored {
        serial: last.serial,
        note: last.note(),
        kind: "restore",
    };
    act(
        "POST",
        format!("{}/restore", state_path(&ledger.name)),
        String::new(),
    )
    .having(&["state.restore"], change)
}

fn purge(ledger: &Ledger, old: &Row) -> Act {
    let shares = |row: &&Row| row.number != old.number && row.bytes("") == old.bytes("");
    if ledger.rows.iter().any(|row| shares(&row)) {
        // A version that stays has the same bytes, so they cannot go.
        return hold(ledger, old);
    }
    let path = format!("{}/purge", state_path(&ledger.name));
    act("POST", path, json!({"versions": [old.number]}).to_string())
        .having(&["state.purge"], Change::Purged(old.number))
        .by_admin()
}

const KEEP: usize = 3;

fn prunable(ledger: &Ledger) -> bool {
    let first = ledger.rows.len().saturating_sub(KEEP);
    ledger.rows[..first].iter().any(|row| !row.held)
}

fn prune(ledger: &Ledger) -> Act {
    let (workspace, block) = ledger.name.split_once('/').expect("a name");
    let body = json!({
        "policy": {"keep_last": KEEP}, "workspace": workspace, "buildingBlock": block
    });
    act("POST", "/api/prune".to_owned(), body.to_string())
        .having(&["state.prune", "retention.run"], Change::Pruned(KEEP))
        .by_admin()
}

fn hold(ledger: &Ledger, row: &Row) -> Act {
    let path = format!("{}/versions/{}/hold", state_path(&ledger.name), row.number);
    if row.held {
        let change = Change::Held(row.number, false);
        return act("DELETE", path, String::new())
            .having(&["version.release"], change)
            .by_admin();
    }
    act("POST", path, json!({"reason": "an audit"}).to_string())
        .having(&["version.hold"], Change::Held(row.number, true))
        .by_admin()
}

fn begin_transfer(ledger: &Ledger) -> Act {
    let path = format!("{}/transfer", state_path(&ledger.name));
    act("POST", path, json!({"to": "s3://bucket/net"}).to_string())
        .having(&["lock.acquire", "transfer.begin"], Change::TransferBegun)
}

fn end_transfer(ledger: &Ledger, dice: &mut Dice) -> Act {
    let path = format!("{}/transfer", state_path(&ledger.name));
    if dice.percent(50) {
        return act("DELETE", path, String::new()).having(
            &["lock.release", "transfer.abandon"],
            Change::TransferAbandoned,
        );
    }
    let number = ledger
        .rows
        .last()
        .expect("only what is there can leave")
        .number;
    act(
        "POST",
        format!("{path}/done"),
        json!({"version": number}).to_string(),
    )
    .having(
        &["lock.release", "transfer.finish"],
        Change::TransferFinished,
    )
}

fn relocate(ledger: &Ledger, fresh: &str) -> Act {
    let (workspace, _) = ledger.name.split_once('/').expect("a name");
    let body = json!({"workspace": workspace, "buildingBlock": fresh});
    act(
        "POST",
        format!("{}/move", state_path(&ledger.name)),
        body.to_string(),
    )
    .having(
        &["state.move", "state.move"],
        Change::Moved(format!("{workspace}/{fresh}")),
    )
}
