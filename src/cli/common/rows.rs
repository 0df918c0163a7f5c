//! The rows of lists in answers of the API.

use serde_json::Value;

use crate::cli::output::text;

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
