//! The rows of lists in answers of the API.

use serde_json::Value;

use crate::cli::output::{CliError, harmless, text};

/// The member of a list that names damaged rows, if there are any.
pub(in crate::cli) const DAMAGED: &str = "damaged";
/// How many of them are named.
const MAX_NAMED: usize = 20;

/// The rows of a list in an answer; none if the answer has no such list.
pub(in crate::cli) fn rows<'a>(answer: &'a Value, list: &str) -> &'a [Value] {
    answer[list]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
}

/// The same rows, taken out of the answer.
pub(in crate::cli) fn take_rows(answer: &mut Value, list: &str) -> Vec<Value> {
    answer[list]
        .as_array_mut()
        .map(std::mem::take)
        .unwrap_or_default()
}

/// The name of the state that a row is about, as `W/B`.
pub(in crate::cli) fn state_name(row: &Value) -> String {
    let (workspace, block) = (&row["workspace"], &row["buildingBlock"]);
    format!("{}/{}", text(workspace), text(block))
}

/// The damaged rows that a list told of, in words.
pub(in crate::cli) fn damaged(list: &Value) -> Vec<String> {
    damaged_in(rows(list, DAMAGED))
}

/// Damaged rows in words, each once.
pub(in crate::cli) fn damaged_in(rows: &[Value]) -> Vec<String> {
    let line = |row: &Value| {
        let detail = text(&row["detail"]);
        row["row"].as_str().map_or_else(
            || detail.clone(),
            |name| format!("{}: {detail}", harmless(name)),
        )
    };
    let mut lines: Vec<String> = rows.iter().map(line).collect();
    // Two pages may tell of the same row.
    lines.sort();
    lines.dedup();
    lines
}

/// Fails if a list told of damaged rows, which are not in it, and names them.
pub(in crate::cli) fn refuse_damaged(list: &Value) -> Result<(), CliError> {
    let damaged = damaged(list);
    let are = match damaged.len() {
        0 => return Ok(()),
        1 => "1 damaged row is".to_owned(),
        count => format!("{count} damaged rows are"),
    };
    let named = damaged[..damaged.len().min(MAX_NAMED)].join("\n  ");
    Err(CliError::Failed(format!(
        "{are} not in the list; `statekeep verify` says more:\n  {named}"
    )))
}
