//! Verbs on hooks: which there are, how far each is in the log of events, and what came of its last
//! deliveries.
//!
//! What a delivery came to and how far its hook is are written in one transaction.

use rusqlite::{Row, named_params, params};

use crate::model::clock::Timestamp;
use crate::model::hook::{Delivery, DeliveryOutcome, Hook, HookId, HookKinds, HookProgress};
use crate::model::key::KeyId;
use crate::model::page::ListPage;
use crate::model::secret::Secret;
use crate::store::error::{NotAsWritten, StoreError};
use crate::store::tables::hashed::HOOKS;
use crate::store::tables::pages::ListOf;
use crate::store::tables::rows;
use crate::store::tx::{Tx, View};

const COLUMNS: &str = "id, url, kinds, workspace, may_be_private, secret, enabled, created_at, \
    created_by, created_by_name";

fn hook(row: &Row<'_>) -> rusqlite::Result<Hook> {
    let (id, kinds): (String, String) = (row.get(0)?, row.get(2)?);
    let kinds = HookKinds::parse(kinds.split_whitespace());
    Ok(Hook {
        id: id.parse().map_err(|error| rows::bad(0, error))?,
        url: row.get(1)?,
        kinds: kinds.map_err(|(word, _)| rows::bad(2, std::io::Error::other(word)))?,
        workspace: row.get(3)?,
        may_be_private: row.get(4)?,
        secret: Secret::new(row.get(5)?),
        enabled: row.get(6)?,
        created_at: rows::time(row, 7)?,
        created_by: rows::actor(row, 8)?,
    })
}

fn delivery(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    let outcome: String = row.get(2)?;
    let unknown = || rows::bad(2, std::io::Error::other("no outcome has this name"));
    Ok(Delivery {
        event: rows::unsigned(row, 0)?,
        kind: row.get(1)?,
        outcome: DeliveryOutcome::of_name(&outcome).ok_or_else(unknown)?,
        tries: row.get(3)?,
        refusals: row.get(4)?,
        first_at: rows::time(row, 5)?,
        last_at: rows::time(row, 6)?,
        status: row.get(7)?,
        error: row.get(8)?,
    })
}

const DELIVERY: &str = "event, kind, outcome, tries, refusals, first_at, last_at, status, error";

impl View<'_> {
    /// One hook.
    pub fn hook(&self, id: HookId) -> Result<Option<Hook>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS}{} FROM hooks h WHERE h.id = ?1",
            HOOKS.proof
        );
        let wanted = id.to_string();
        let found = self.proven(&HOOKS, &sql, [&wanted], hook)?;
        match &found {
            None => self.agree_on_absence(&HOOKS, params![wanted])?,
            Some(found) if found.id != id => {
                return Err(NotAsWritten::changed(HOOKS.name, None).into());
            }
            Some(_) => {}
        }
        Ok(found)
    }

    /// All hooks in the order in which they were made.
    pub fn hooks(&self) -> Result<ListPage<Hook>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS}{} FROM hooks h WHERE h.place > 0 ORDER BY h.place",
            HOOKS.proof
        );
        let first = COLUMNS.split(',').count();
        let says = |row: &Row<'_>| HOOKS.text_in(row, first, "id");
        let list = ListOf {
            sql: &sql,
            limit: u32::MAX,
            says: &says,
        };
        self.page(&list, [], |row| {
            HOOKS.prove(self.row_key, row)?;
            Ok(Some(hook(row)?))
        })
    }

    /// The hooks that a key has made.
    pub fn hooks_made_by(&self, id: KeyId) -> Result<Vec<Hook>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS}{} FROM hooks h WHERE h.created_by = ?1",
            HOOKS.proof
        );
        self.all_proven(&HOOKS, &sql, [id.to_string()], hook)
    }

    /// How many hooks there are.
    pub fn count_hooks(&self) -> Result<u64, StoreError> {
        self.only("SELECT count(*) FROM hooks", [], |row| {
            rows::unsigned(row, 0)
        })
    }

    /// How far a hook is; none if there is no such hook.
    pub fn hook_progress(&self, id: HookId) -> Result<Option<HookProgress>, StoreError> {
        let sql = "SELECT place, missed, told_at FROM hook_progress WHERE hook = ?1";
        self.one(sql, [id.to_string()], |row| {
            Ok(HookProgress {
                place: rows::unsigned(row, 0)?,
                missed: rows::unsigned(row, 1)?,
                told_at: rows::maybe_time(row, 2)?,
            })
        })
    }

    /// The last deliveries of a hook, newest first, the one that is being tried among them.
    pub fn hook_deliveries(&self, id: HookId, limit: u32) -> Result<Vec<Delivery>, StoreError> {
        let sql = format!(
            "SELECT {DELIVERY} FROM hook_deliveries WHERE hook = ?1 ORDER BY event DESC LIMIT ?2"
        );
        self.all(&sql, params![id.to_string(), limit], delivery)
    }

    /// The delivery of an event to a hook.
    pub fn hook_delivery(&self, id: HookId, event: u64) -> Result<Option<Delivery>, StoreError> {
        let sql = format!("SELECT {DELIVERY} FROM hook_deliveries WHERE hook = ?1 AND event = ?2");
        self.one(&sql, params![id.to_string(), event.cast_signed()], delivery)
    }
}

impl Tx<'_> {
    /// Makes a hook, which is told of what comes from now on.
    pub fn make_hook(&self, new: &Hook) -> Result<(), StoreError> {
        let sql = "INSERT INTO hooks (id, place, url, kinds, workspace, may_be_private, secret, \
            enabled, created_at, created_by, created_by_name) VALUES (:id, (SELECT \
            coalesce(max(place), 0) + 1 FROM hooks), :url, :kinds, :workspace, :private, :secret, \
            :enabled, :created_at, :created_by, :created_by_name)";
        self.insert_hashed(
            &HOOKS,
            sql,
            named_params! {
                ":id": new.id.to_string(),
                ":url": new.url,
                ":kinds": new.kinds.words().join(" "),
                ":workspace": new.workspace,
                ":private": new.may_be_private,
                ":secret": new.secret.reveal(),
                ":enabled": new.enabled,
                ":created_at": new.created_at.millis(),
                ":created_by": new.created_by.id,
                ":created_by_name": new.created_by.name,
            },
        )?;
        self.begin_hook(new.id)
    }

    /// Lets a hook go on behind the last event that there is now.
    fn begin_hook(&self, id: HookId) -> Result<(), StoreError> {
        let last = self.last_event_head().number.cast_signed();
        let sql = "INSERT INTO hook_progress (hook, place, missed) VALUES (?1, ?2, 0) ON CONFLICT \
            (hook) DO UPDATE SET place = ?2, told_at = NULL";
        self.run(sql, params![id.to_string(), last])
    }

    /// Enables a hook, which is told of what comes from now on.
    pub fn enable_hook(&self, id: HookId) -> Result<(), StoreError> {
        let key = id.to_string();
        let sql = "UPDATE hooks SET enabled = 1 WHERE id = ?1";
        self.update_hashed(&HOOKS, params![key], sql, [&key])?;
        self.begin_hook(id)
    }

    /// Disables all hooks that can be read, and says how many there were. A damaged one has no
    /// deliveries.
    pub fn disable_hooks(&self) -> Result<usize, StoreError> {
        let ids: Vec<String> = self.all("SELECT id FROM hooks", [], |row| row.get(0))?;
        let mut disabled = 0;
        for id in &ids {
            let sql = "UPDATE hooks SET enabled = 0 WHERE id = ?1";
            match self.update_hashed(&HOOKS, params![id], sql, [id]) {
                Err(StoreError::BadRow(_)) => {}
                changed => disabled += changed?,
            }
        }
        Ok(disabled)
    }

    /// Deletes a hook and what is known of its deliveries.
    pub fn delete_hook(&self, id: HookId) -> Result<(), StoreError> {
        let id = id.to_string();
        self.delete_hashed(&HOOKS, params![id])?;
        self.run("DELETE FROM hook_progress WHERE hook = ?1", [&id])?;
        self.run("DELETE FROM hook_deliveries WHERE hook = ?1", [&id])
    }

    /// Moves a hook on behind events that are done, with those that it missed on the way. It never
    /// goes back. Says whether there is such a hook.
    pub fn move_hook(&self, id: HookId, place: u64, missed: u64) -> Result<bool, StoreError> {
        let sql = "UPDATE hook_progress SET place = max(place, ?2), missed = missed + ?3 WHERE \
            hook = ?1";
        let values = params![id.to_string(), place.cast_signed(), missed.cast_signed()];
        Ok(self.execute(sql, values)? > 0)
    }

    /// Notes what a delivery has come to. Of each hook, the last `keep` stay.
    pub fn note_delivery(&self, id: HookId, new: &Delivery, keep: u32) -> Result<(), StoreError> {
        let sql = "INSERT OR REPLACE INTO hook_deliveries (hook, event, kind, outcome, tries, \
            refusals, first_at, last_at, status, error) VALUES (:hook, :event, :kind, :outcome, \
            :tries, :refusals, :first_at, :last_at, :status, :error)";
        let id = id.to_string();
        let values = named_params! {
            ":hook": id,
            ":event": new.event.cast_signed(),
            ":kind": new.kind,
            ":outcome": new.outcome.name(),
            ":tries": new.tries,
            ":refusals": new.refusals,
            ":first_at": new.first_at.millis(),
            ":last_at": new.last_at.millis(),
            ":status": new.status,
            ":error": new.error,
        };
        self.run(sql, values)?;
        let sql = "DELETE FROM hook_deliveries WHERE hook = ?1 AND event <= (SELECT event FROM \
            hook_deliveries WHERE hook = ?1 ORDER BY event DESC LIMIT 1 OFFSET ?2)";
        self.run(sql, params![id, keep])
    }

    /// Notes when an event has told that a hook fails.
    pub fn note_hook_told(&self, id: HookId, at: Timestamp) -> Result<(), StoreError> {
        let sql = "UPDATE hook_progress SET told_at = ?2 WHERE hook = ?1";
        self.run(sql, params![id.to_string(), at.millis()])
    }
}
