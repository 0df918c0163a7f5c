//! The snapshots of one apply as people want to see them: folded into the write that ended it,
//! which says how many there are.
//!
//! Versions come newest first. A row is complete, and can be printed, once an older version is not
//! of its apply: writes under one lock have none but refused ones between them.

use serde_json::{Value, json};

/// Versions that are being folded, the newest first.
#[derive(Default)]
pub(in crate::cli) struct Folding {
    rows: Vec<Value>,
}

impl Folding {
    /// Takes the next older version.
    pub(in crate::cli) fn add(&mut self, row: Value) {
        fold(&mut self.rows, row);
    }

    /// The rows that are complete, and not given yet.
    pub(in crate::cli) fn complete(&mut self) -> Vec<Value> {
        let complete = self.rows.len() - self.incomplete();
        self.rows.drain(..complete).collect()
    }

    /// All rows that are not given yet: there is no older version.
    pub(in crate::cli) fn rest(self) -> Vec<Value> {
        self.rows
    }

    /// How many of the oldest rows may still change: those from the write that ends the oldest
    /// apply on.
    fn incomplete(&self) -> usize {
        let is_refused = |row: &Value| row["kind"] == "rejected";
        let Some(oldest) = self.rows.iter().rfind(|row| !is_refused(row)) else {
            return 0;
        };
        let lock = &oldest["lock"]["id"];
        let is_of_it = |row: &&Value| is_refused(row) || row["lock"]["id"] == *lock;
        let apply = self.rows.iter().rev().take_while(is_of_it);
        let ends = apply.enumerate().filter(|(_, row)| row["kind"] == "write");
        match ends.last() {
            Some((older, _)) if !lock.is_null() => older + 1,
            Some(_) | None => 0,
        }
    }
}

/// Adds the next older version: a snapshot to the number of those that its apply's last write has,
/// if that is there, and a row for anything else.
fn fold(rows: &mut Vec<Value>, row: Value) {
    let is_its_end =
        |end: &&mut Value| end["kind"] == "write" && end["lock"]["id"] == row["lock"]["id"];
    if row["intermediate"] == true
        && let Some(end) = rows.iter_mut().rev().find(is_its_end)
    {
        end["snapshots"] = json!(snapshots(end) + 1);
        return;
    }
    rows.push(row);
}

/// How many snapshots are folded into a row.
pub(in crate::cli) fn snapshots(row: &Value) -> u64 {
    row["snapshots"].as_u64().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(number: u64, kind: &str, lock: Option<&str>, intermediate: bool) -> Value {
        let lock = lock.map(|id| json!({ "id": id }));
        json!({ "number": number, "kind": kind, "lock": lock, "intermediate": intermediate })
    }

    #[test]
    fn each_snapshot_is_counted_where_its_apply_ended() {
        let mut rows = Vec::new();
        for version in [
            row(9, "rollback", Some("b"), false),
            row(8, "write", Some("b"), false),
            row(7, "rollback", Some("b"), false),
            row(6, "write", Some("b"), true),
            row(5, "write", Some("b"), true),
            row(4, "write", None, false),
            row(3, "write", Some("a"), false),
            row(2, "rejected", None, false),
            row(1, "write", Some("a"), true),
        ] {
            fold(&mut rows, version);
        }
        let shown: Vec<_> = rows
            .iter()
            .map(|row| (row["number"].as_u64().unwrap(), snapshots(row)))
            .collect();
        assert_eq!(shown, [(9, 0), (8, 2), (7, 0), (4, 0), (3, 1), (2, 0)]);
    }

    #[test]
    fn a_row_is_given_once_nothing_older_can_change_it() {
        let mut folding = Folding::default();
        let numbers = |rows: Vec<Value>| -> Vec<(u64, u64)> {
            let number = |row: &Value| (row["number"].as_u64().unwrap(), snapshots(row));
            rows.iter().map(number).collect()
        };
        for version in [
            row(9, "write", None, false),
            row(8, "write", Some("b"), false),
            row(7, "rejected", Some("x"), false),
            row(6, "write", Some("b"), true),
        ] {
            folding.add(version);
        }
        assert_eq!(numbers(folding.complete()), [(9, 0)]);
        assert_eq!(numbers(folding.complete()), []);
        for version in [
            row(5, "write", Some("b"), true),
            row(4, "rejected", None, false),
            row(3, "write", Some("a"), false),
        ] {
            folding.add(version);
        }
        assert_eq!(numbers(folding.complete()), [(8, 2), (7, 0), (4, 0)]);
        folding.add(row(2, "rollback", None, false));
        assert_eq!(numbers(folding.complete()), [(3, 0), (2, 0)]);
        folding.add(row(1, "write", Some("c"), false));
        assert_eq!(numbers(folding.rest()), [(1, 0)]);
    }

    #[test]
    fn a_snapshot_whose_end_is_not_listed_is_a_row_of_its_own() {
        let mut rows = Vec::new();
        for version in [
            row(3, "write", None, false),
            row(2, "write", Some("a"), true),
            row(1, "write", Some("a"), true),
        ] {
            fold(&mut rows, version);
        }
        let shown: Vec<_> = rows
            .iter()
            .map(|row| (row["number"].as_u64().unwrap(), snapshots(row)))
            .collect();
        assert_eq!(shown, [(3, 0), (2, 1)]);
    }
}
