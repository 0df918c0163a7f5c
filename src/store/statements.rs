//! The one place where statements that work runs are prepared.
//!
//! What one request asks must not cost what all others have written. So no statement scans a table
//! that grows, nor sorts its rows, but for those in [`EXCEPTIONS`], each with its reason. A build
//! for tests asks SQLite for the plan of each statement when it is first prepared, and fails there;
//! it also counts the steps that statements take, for a test that compares them with the size of
//! the data.

use std::ops::{Deref, DerefMut};

use rusqlite::{CachedStatement, Connection, Statement};

/// Tables of a row, or of none: a scan of them costs nothing.
#[cfg(debug_assertions)]
const OF_ONE_ROW: [&str; 9] = [
    "commits",
    "instance",
    "data_keys",
    "pending_erasure",
    "pending_seal",
    "pending_separation",
    "row_key",
    "scrub",
    "moments",
];

/// Statements that may scan or sort, by a part of their text, and why.
#[cfg(debug_assertions)]
const EXCEPTIONS: &[(&str, &str)] = &[
    ("FROM event_blocks", "one row for each 1,024 events"),
    ("sum(states), 0), 0)", "one row for each workspace"),
    ("SELECT count(*) FROM locks", "locks that are held"),
    ("min(locked_at) FROM locks", "locks that are held"),
    ("FROM locks l WHERE NOT EXISTS", "locks that are held"),
    ("FROM locks l WHERE l.token = ?1", "locks that are held"),
    ("FROM locks l WHERE l.holder = ?1", "locks that are held"),
    ("FROM locks l WHERE l.taken_with", "locks that are held"),
    ("FROM locks l CROSS JOIN tokens", "locks that are held"),
    ("SELECT count(*) FROM keys", "keys, which people make"),
    ("FROM keys k WHERE k.name = ?1", "keys, which people make"),
    ("WITH RECURSIVE made", "keys, which people make"),
    ("SELECT count(*) FROM trusts", "at most 1,000"),
    ("SELECT count(*) FROM hooks", "at most 50"),
    ("SELECT id FROM hooks", "at most 50"),
    ("FROM hooks h WHERE h.created_by", "at most 50"),
    ("SELECT 1 FROM keys LIMIT 1", "one row"),
    ("SELECT EXISTS (SELECT 1 FROM policies)", "one row"),
    ("FROM events ORDER BY seq DESC LIMIT 1", "one row"),
    (
        "WHERE kind = 'key.create' LIMIT 1",
        "only without keys, at a start",
    ),
    ("kind = 'state.prune' ORDER BY", "sorts at most 10,000 rows"),
    (
        "LIMIT ?4) WHERE kind = 'write'",
        "sorts the newest versions, of which so many are asked for",
    ),
    ("ORDER BY refused_at DESC LIMIT", "sorts at most 101 rows"),
    (
        "UNION ALL SELECT serial FROM removed_serials",
        "keeps one row, of one lineage of a state",
    ),
    (
        "FROM states s WHERE TRUE",
        "in the order of an index, and ends with the page",
    ),
    (
        "GROUP BY workspace, building_block",
        "once after a start, if the log may be too long",
    ),
    ("lasting IS 1, count(*)", "the rows of the last minute"),
    ("FROM damaged_versions LIMIT", "ends with the page"),
    (
        "WHERE TRUE ORDER BY",
        "goes through all rows by their keys, in steps",
    ),
    (
        "WITH RECURSIVE chain",
        "sorts the nine frames of one version at most",
    ),
    (
        "FROM blobs b WHERE NOT EXISTS",
        "a purge looks for bytes that nobody needs",
    ),
    (
        "NOT INDEXED WHERE blob_id IS NOT NULL",
        "a purge does not trust one index",
    ),
    (
        "NOT INDEXED WHERE base IS NOT NULL",
        "a purge does not trust one index",
    ),
    (
        "FROM versions WHERE created_at >",
        "what a backup lacks, told by the status and before a restore",
    ),
    (
        "FROM locks l ORDER BY l.workspace",
        "a restore marks all of them",
    ),
    ("SELECT sha256 FROM tokens", "a restore ends all of them"),
    ("SELECT DISTINCT l.workspace", "sorts the rows of one step"),
    ("FROM states ORDER BY workspace, id", "once, at an upgrade"),
    (
        "looked_at = 0, mark = NULL WHERE mark",
        "once, after a new row key",
    ),
    ("name NOT LIKE 'sqlite", "tables, which migrations make"),
    (
        "pragma_foreign_key_check",
        "a verification looks at every row of the small tables",
    ),
    (
        "SELECT DISTINCT blob_id",
        "a verification counts the versions of a state",
    ),
];

/// A prepared statement; it goes back to those that its connection keeps.
pub(super) struct KeptStatement<'c>(CachedStatement<'c>);

impl<'c> Deref for KeptStatement<'c> {
    type Target = Statement<'c>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for KeptStatement<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

#[cfg(debug_assertions)]
impl Drop for KeptStatement<'_> {
    fn drop(&mut self) {
        let steps = self.0.reset_status(rusqlite::StatementStatus::VmStep);
        debug::add_steps(u64::try_from(steps).unwrap_or(0));
    }
}

/// Preparing statements, on a connection.
pub(super) trait Prepare {
    /// A statement that is prepared, or was before.
    fn prepared(&self, sql: &str) -> rusqlite::Result<KeptStatement<'_>>;
}

impl Prepare for Connection {
    fn prepared(&self, sql: &str) -> rusqlite::Result<KeptStatement<'_>> {
        #[cfg(debug_assertions)]
        debug::look_at(self, sql);
        self.prepare_cached(sql).map(KeptStatement)
    }
}

/// Says in the log of a build for tests how many steps a job took; `what` it was.
pub(super) fn tell_steps(what: &str) {
    #[cfg(debug_assertions)]
    debug::tell_steps(what);
    #[cfg(not(debug_assertions))]
    let _ = what;
}

#[cfg(debug_assertions)]
mod debug {
    use std::cell::Cell;
    use std::collections::BTreeSet;

    use parking_lot::Mutex;
    use rusqlite::Connection;

    use crate::store::statements::{EXCEPTIONS, OF_ONE_ROW};

    /// The statements that were looked at.
    static SEEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

    thread_local! {
        static STEPS: Cell<u64> = const { Cell::new(0) };
    }

    pub(super) fn add_steps(steps: u64) {
        STEPS.set(STEPS.get().saturating_add(steps));
    }

    pub(super) fn tell_steps(what: &str) {
        let steps = STEPS.take();
        tracing::trace!(steps, what, "the steps of a job");
    }

    pub(super) fn look_at(connection: &Connection, sql: &str) {
        if SEEN.lock().contains(sql) {
            return;
        }
        let wrong = complaint(connection, sql);
        debug_assert!(wrong.is_none(), "{} in {sql}", wrong.unwrap_or_default());
        SEEN.lock().insert(sql.to_owned());
    }

    /// Whether a scan of this is one of a table that grows. The name may be an alias; of a subquery
    /// it is not, and its own steps are looked at.
    fn grows(connection: &Connection, scanned: &str, sql: &str) -> bool {
        let is_table = |name: &&str| {
            let sql = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?1";
            connection
                .prepare(sql)
                .and_then(|mut found| found.exists([name]))
                == Ok(true)
        };
        let words: Vec<&str> = sql
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .filter(|word| !word.is_empty())
            .collect();
        let before_alias = words.windows(2).filter(|pair| pair[1] == scanned);
        let mut names = std::iter::once(scanned).chain(before_alias.map(|pair| pair[0]));
        let table = names.find(is_table);
        table.is_some_and(|table| !OF_ONE_ROW.contains(&table))
    }

    /// What is wrong with the plan of a statement, if anything is.
    pub(super) fn complaint(connection: &Connection, sql: &str) -> Option<String> {
        let asks = ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"];
        if !asks.iter().any(|verb| sql.starts_with(verb)) {
            return None;
        }
        // One that cannot be prepared is told by whoever prepares it.
        let mut plan = connection
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .ok()?;
        let steps: Vec<String> = plan
            .raw_query()
            .mapped(|row| row.get(3))
            .filter_map(Result::ok)
            .collect();
        let is_bad = |step: &String| {
            let scanned = step
                .strip_prefix("SCAN ")
                .map(|of| of.split(' ').next().unwrap_or(of));
            scanned.is_some_and(|of| grows(connection, of, sql))
                || step.contains("TEMP B-TREE")
                || step.contains("AUTOMATIC")
        };
        // Hardly a plan is bad, so each start is sooner through if this is asked last.
        let bad = steps.into_iter().find(is_bad)?;
        let is_known = EXCEPTIONS.iter().any(|(known, _)| sql.contains(known));
        (!is_known).then_some(bad)
    }
}

#[cfg(test)]
#[cfg(debug_assertions)]
mod tests {
    use super::debug::complaint;
    use crate::store::{FILE_NAME, Store};

    /// The statements of all triggers, with a parameter for each column that they name.
    fn of_triggers(connection: &rusqlite::Connection) -> Vec<String> {
        let sql = "SELECT sql FROM sqlite_master WHERE type = 'trigger'";
        let mut triggers = connection.prepare(sql).unwrap();
        let triggers = triggers.query_map([], |row| row.get::<_, String>(0));
        let texts: Vec<String> = triggers.unwrap().map(Result::unwrap).collect();
        let statements = texts.iter().flat_map(|text| {
            let (_, body) = text.split_once(" BEGIN").unwrap();
            body.trim_end_matches("END").split(';')
        });
        let bound = |statement: &str| {
            let is_end = |c: char| !c.is_alphanumeric() && c != '_' && c != '.';
            let words = statement.split_inclusive(is_end).map(|word| {
                let (name, end) = word.split_at(word.trim_end_matches(is_end).len());
                let is_column = name.starts_with("NEW.") || name.starts_with("OLD.");
                format!("{}{end}", if is_column { "?1" } else { name })
            });
            words.collect::<String>().trim().to_owned()
        };
        let all = statements.map(bound);
        all.filter(|statement| !statement.is_empty()).collect()
    }

    #[test]
    fn no_trigger_scans_or_sorts() {
        let dir = tempfile::tempdir().unwrap();
        let _store = Store::open(dir.path(), 1, &std::sync::Arc::default()).unwrap();
        let connection = rusqlite::Connection::open(dir.path().join(FILE_NAME)).unwrap();
        let statements = of_triggers(&connection);
        assert!(statements.len() >= 15, "{statements:?}");
        for statement in statements {
            let explained = connection.prepare(&format!("EXPLAIN QUERY PLAN {statement}"));
            assert!(explained.is_ok(), "{statement}");
            assert_eq!(complaint(&connection, &statement), None, "{statement}");
        }
    }

    #[test]
    fn a_scan_and_a_sort_are_noticed_and_what_an_index_finds_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let _store = Store::open(dir.path(), 1, &std::sync::Arc::default()).unwrap();
        let connection = rusqlite::Connection::open(dir.path().join(FILE_NAME)).unwrap();
        let told = |sql: &str| complaint(&connection, sql);
        for bad in [
            "SELECT seq FROM events WHERE kind = ?1",
            "SELECT count(*) FROM versions",
            "SELECT number FROM versions WHERE state_id = ?1 ORDER BY created_at",
            "UPDATE events SET count = 0 WHERE kind = 'x'",
            "DELETE FROM events WHERE at < ?1",
        ] {
            assert!(told(bad).is_some(), "{bad}");
        }
        for good in [
            "SELECT seq FROM events WHERE seq < ?1 ORDER BY seq DESC LIMIT 1",
            "SELECT number FROM versions WHERE state_id = ?1 ORDER BY number DESC",
            "INSERT INTO moments (name, at) VALUES ('x', 1)",
            "BEGIN IMMEDIATE",
        ] {
            assert_eq!(told(good), None, "{good}");
        }
    }
}
