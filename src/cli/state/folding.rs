//! The snapshots of one apply as people want to see them: folded into the write that ended it,
//! which says how many there are.

use serde_json::{Value, json};

use crate::cli::client::api::Client;
use crate::cli::client::wire::following;
use crate::cli::common::nearest;
use crate::cli::common::rows::{DAMAGED, take_rows};
use crate::cli::output::CliError;

/// Asks for versions, newest first, until there are as many rows as are wanted once snapshots are
/// folded. `path` is that of a list with a query.
pub(in crate::cli) async fn folded(
    client: &Client,
    path: &str,
    wanted: Option<usize>,
) -> Result<Value, CliError> {
    let wire = client.wire();
    let (mut rows, mut damaged) = (Vec::new(), Vec::new());
    let mut next = Value::Null;
    loop {
        let mut page = match wire.page(path, "before", &next, None).await {
            Ok(page) => page,
            Err(refusal) => return Err(nearest::explained(&wire, refusal).await),
        };
        page["versions"]
            .as_array_mut()
            .map(std::mem::take)
            .unwrap_or_default()
            .into_iter()
            .for_each(|row| fold(&mut rows, row));
        damaged.extend(take_rows(&mut page, DAMAGED));
        next = following(&mut page, &next)?;
        // One row more than is wanted: then the last one that is has all of its snapshots.
        if next.is_null() || wanted.is_some_and(|wanted| rows.len() > wanted) {
            rows.truncate(wanted.unwrap_or(usize::MAX));
            return Ok(json!({ "versions": rows, DAMAGED: damaged }));
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
