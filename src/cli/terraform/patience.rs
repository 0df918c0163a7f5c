//! How long the program tries again where the server is away: for longer than a restart takes. By
//! itself it gives up after some three seconds, and leaves what it has made in a file.
//!
//! What somebody has set, in the environment or in a block, stays.

use std::process::Command;

use crate::cli::terraform::reading::variable;

/// How often a request is tried again. With the waits below, 1 + 2 + 4 s and then 5 s each time:
/// for a minute.
const TRIES: &str = "14";
/// The first wait and the longest, in seconds.
const FIRST_WAIT: u64 = 1;
const LONGEST_WAIT: u64 = 5;

/// Sets what nobody has set.
pub(super) fn give(command: &mut Command) {
    if variable("TF_HTTP_RETRY_MAX").is_none() {
        command.env("TF_HTTP_RETRY_MAX", TRIES);
    }
    let (first, longest) = (
        variable("TF_HTTP_RETRY_WAIT_MIN"),
        variable("TF_HTTP_RETRY_WAIT_MAX"),
    );
    // A first wait that is longer than the longest makes no sense, whoever set which.
    let [least, most] = [&first, &longest]
        .map(|value| value.as_deref().and_then(|value| value.parse::<u64>().ok()));
    if first.is_none() {
        command.env(
            "TF_HTTP_RETRY_WAIT_MIN",
            FIRST_WAIT.min(most.unwrap_or(FIRST_WAIT)).to_string(),
        );
    }
    if longest.is_none() {
        command.env(
            "TF_HTTP_RETRY_WAIT_MAX",
            LONGEST_WAIT.max(least.unwrap_or(0)).to_string(),
        );
    }
}
