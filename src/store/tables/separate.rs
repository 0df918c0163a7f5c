//! Keeps the bytes of workspaces apart: all versions that need a blob, as their own or as the base
//! of a delta, belong to one workspace.
//!
//! If workspaces shared blobs, sizes and times in one of them would tell which bytes another one
//! keeps. New bytes are compared with those of their own workspace alone, and a delta's base lies
//! in its own workspace. So only a state that goes to another workspace could carry blobs across:
//! it takes copies of those that others need too.

use std::collections::{HashMap, HashSet};

use rusqlite::{Row, params};

use crate::model::frame::BlobId;
use crate::model::state::StateId;
use crate::store::error::StoreError;
use crate::store::tx::{Tx, View};

/// The blobs that a state needs: those of its versions and their bases, down to the full ones. Each
/// with its own base.
type Needed = HashMap<BlobId, Option<BlobId>>;

/// The copies that a workspace has of blobs that others need too, by the blob that was copied.
pub(in crate::store) type Copies = HashMap<BlobId, BlobId>;

impl View<'_> {
    /// Whether the versions that need one blob belong to the workspace of those that need another
    /// one. `false` where no version needs it.
    pub(in crate::store) fn are_of_one_workspace(
        &self,
        one: BlobId,
        other: BlobId,
    ) -> Result<bool, StoreError> {
        let one = self.workspace_of_blob(one)?;
        Ok(one.is_some() && one == self.workspace_of_blob(other)?)
    }

    /// The workspace of a version that needs a blob. All that need it are of the same one.
    fn workspace_of_blob(&self, id: BlobId) -> Result<Option<String>, StoreError> {
        let sql = "WITH RECURSIVE needs (id) AS (SELECT ?1 UNION SELECT d.id FROM needs n JOIN \
            blobs d ON d.base = n.id) SELECT s.workspace FROM needs n \
            CROSS JOIN versions v ON v.blob_id = n.id CROSS JOIN states s ON s.id = v.state_id \
            LIMIT 1";
        self.one(sql, [id], |row| row.get(0))
    }

    fn needed_by(&self, state: StateId) -> Result<Needed, StoreError> {
        let sql = "WITH RECURSIVE needed (id) AS (SELECT blob_id FROM versions \
            WHERE state_id = ?1 AND blob_id IS NOT NULL UNION SELECT b.base FROM needed n \
            JOIN blobs b ON b.id = n.id WHERE b.base IS NOT NULL) \
            SELECT b.id, b.base FROM needed n JOIN blobs b ON b.id = n.id";
        self.all(sql, [state], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    /// Those of the blobs that a version of another workspace needs, bases included.
    fn needed_elsewhere(
        &self,
        needed: &Needed,
        workspace: &str,
    ) -> Result<HashSet<BlobId>, StoreError> {
        let mut elsewhere = HashSet::new();
        for id in needed.keys() {
            if elsewhere.contains(id) || !self.is_needed_elsewhere(*id, needed, workspace)? {
                continue;
            }
            // So are the blobs below it.
            let mut next = Some(*id);
            while let Some(id) = next.filter(|id| elsewhere.insert(*id)) {
                next = needed.get(&id).copied().flatten();
            }
        }
        Ok(elsewhere)
    }

    /// Whether a version of another workspace has these bytes, or a delta to them that is none of
    /// `needed`. Those are looked at on their own.
    fn is_needed_elsewhere(
        &self,
        id: BlobId,
        needed: &Needed,
        workspace: &str,
    ) -> Result<bool, StoreError> {
        let has_version = "SELECT 1 FROM versions v JOIN states s ON s.id = v.state_id \
            WHERE v.blob_id = ?1 AND s.workspace <> ?2";
        let deltas = "SELECT id FROM blobs WHERE base = ?1";
        let (mut seen, mut left) = (HashSet::from([id]), vec![id]);
        while let Some(id) = left.pop() {
            if self.exists(has_version, params![id, workspace])? {
                return Ok(true);
            }
            let deltas: Vec<BlobId> = self.all(deltas, [id], |row| row.get(0))?;
            let others = deltas.into_iter().filter(|id| !needed.contains_key(id));
            left.extend(others.filter(|id| seen.insert(*id)));
        }
        Ok(false)
    }
}

impl Tx<'_> {
    /// Gives a state blobs of its own in place of those that another workspace needs too. What its
    /// workspace has copies of already is not copied again.
    ///
    /// Copies are made only while the disk has `min_free_space` beside them.
    pub(in crate::store) fn separate(
        &self,
        state: StateId,
        copies: &mut Copies,
        min_free_space: u64,
    ) -> Result<(), StoreError> {
        let sql = "SELECT workspace FROM states WHERE id = ?1";
        let Some(workspace) = self.one(sql, [state], |row| row.get::<_, String>(0))? else {
            return Ok(());
        };
        let needed = self.needed_by(state)?;
        let shared = self.needed_elsewhere(&needed, &workspace)?;
        if shared.is_empty() {
            return Ok(());
        }
        let missing: Vec<BlobId> = shared
            .difference(&copies.keys().copied().collect())
            .copied()
            .collect();
        self.needs_room(min_free_space.saturating_add(self.stored(&missing)?))?;
        for id in missing {
            copies.insert(id, self.copy_blob(id)?);
        }
        self.lead_to_copies(state, &needed, &shared, copies)
    }

    /// How many bytes the frames of some blobs take.
    fn stored(&self, blobs: &[BlobId]) -> Result<u64, StoreError> {
        let mut bytes = 0;
        for id in blobs {
            bytes += self.kept_in(*id)?.map_or(0, |kept| kept.stored);
        }
        Ok(bytes)
    }

    /// Copies a blob as it stands, its base too.
    fn copy_blob(&self, id: BlobId) -> Result<BlobId, StoreError> {
        let difference = "INSERT INTO differences (id, frame) SELECT (SELECT coalesce(max(id), 0) \
            + 1 FROM differences), d.frame FROM differences d JOIN blobs b ON b.difference = d.id \
            WHERE b.id = ?1 RETURNING id";
        let difference: Option<i64> = self.one(difference, [id], |row| row.get(0))?;
        let blob = "INSERT INTO blobs (id, digest, format, base, size, stored, difference, frame) \
            SELECT (SELECT coalesce(max(id), 0) + 1 FROM blobs), digest, format, base, size, \
            stored, ?2, frame FROM blobs WHERE id = ?1 RETURNING id";
        self.only(blob, params![id, difference], |row| row.get(0))
    }

    /// Has a state's versions and deltas refer to the copies of what is shared.
    fn lead_to_copies(
        &self,
        state: StateId,
        needed: &Needed,
        shared: &HashSet<BlobId>,
        copies: &Copies,
    ) -> Result<(), StoreError> {
        let copy_of = |id: &BlobId| copies.get(id).copied().filter(|_| shared.contains(id));
        for (id, base) in needed {
            let Some(base) = base.as_ref().and_then(copy_of) else {
                continue;
            };
            let sql = "UPDATE blobs SET base = ?2 WHERE id = ?1";
            self.run(sql, params![copy_of(id).unwrap_or(*id), base])?;
        }
        let sql = "SELECT number, blob_id FROM versions WHERE state_id = ?1 AND blob_id IS NOT \
            NULL";
        let read = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get(1)?));
        let versions: Vec<(i64, BlobId)> = self.all(sql, [state], read)?;
        for (number, blob) in versions {
            if let Some(copy) = copy_of(&blob) {
                self.lead_to(state, number.cast_unsigned(), copy)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
