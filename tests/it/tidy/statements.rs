//! Statements of work are prepared at one place, `store::statements`, where a build for tests looks
//! at the plan of each: none scans a table that grows. What goes past it is named here, with why.

use super::matching::File;

/// Files of `store` that may ask a connection itself.
const PAST_IT: [(&str, &str); 12] = [
    ("src/store/statements.rs", "the place itself"),
    ("src/store/connection.rs", "settings of a connection"),
    ("src/store/schema.rs", "before a start"),
    ("src/store/rehash.rs", "once, at a start with a new row key"),
    ("src/store/separation.rs", "once, at an upgrade"),
    ("src/store/copy.rs", "begins and ends a reading"),
    ("src/store/erasing.rs", "moves the WAL"),
    ("src/store/seals.rs", "at a start with another storage key"),
    ("src/store/tables/instance.rs", "one row, at a start"),
    ("src/store/tables/commits.rs", "one row, at a start"),
    (
        "src/store/tables/event_chain.rs",
        "begins a chain, at a start",
    ),
    (
        "src/store/tables/retention.rs",
        "cuts pages off, for so long",
    ),
];

/// How a connection is asked.
const ASKS: [&str; 6] = [
    ".prepare(",
    ".prepare_cached(",
    "connection.query_row(",
    "connection.execute(",
    "connection.execute_batch(",
    "writer.query_row(",
];

/// Statements that nobody looks at.
pub(super) fn unseen(file: &File) -> Vec<String> {
    let is_named = PAST_IT.iter().any(|(path, _)| *path == file.path);
    let is_test = file.path.ends_with("/tests.rs") || file.path.contains("/tests/");
    if !file.is_in(&["src/store/"]) || is_named || is_test {
        return Vec::new();
    }
    let code = &file.shipped;
    let asked = ASKS.iter().flat_map(|ask| code.match_indices(ask));
    asked
        .map(|(at, _)| {
            file.finding(
                at,
                "a statement whose plan nobody looks at: `prepared` of `store::statements`",
            )
        })
        .collect()
}
