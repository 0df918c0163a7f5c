//! How long the program tries again if the server does not answer: for longer than a restart takes.
//! By itself it gives up after some three seconds, and leaves its new state in a file.
//!
//! A setting of the environment or of a block stays.

use std::process::Command;

use crate::cli::terraform::reading::variable;

/// How often a request is tried again. With the waits below, 1 + 2 + 4 s and then 5 s each time:
/// for a minute.
const TRIES: &str = "14";
/// The first wait and the longest, in seconds.
const FIRST_WAIT: u64 = 1;
const LONGEST_WAIT: u64 = 5;

/// Sets what is not set.
pub(super) fn give(command: &mut Command) {
    if variable("TF_HTTP_RETRY_MAX").is_none() {
        command.env("TF_HTTP_RETRY_MAX", TRIES);
    }
    let (first, longest) = (
        variable("TF_HTTP_RETRY_WAIT_MIN"),
        variable("TF_HTTP_RETRY_WAIT_MAX"),
    );
    // The first wait may not be longer than the longest, also if one of them was set before.
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
