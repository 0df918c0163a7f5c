//! How long ago something was, and how soon something will be, in the one unit that people think
//! in.

use std::time::Duration;

use crate::model::clock::Timestamp;

/// The units, the largest first: seconds, how many of the unit there have to be, and its letter.
const UNITS: [(u64, u64, char); 4] = [
    (365 * 24 * 60 * 60, 2, 'y'),
    (24 * 60 * 60, 2, 'd'),
    (60 * 60, 1, 'h'),
    (60, 1, 'm'),
];

/// A time span in one unit: `45s`, `12m`, `47h`, `90d`, `2y`.
pub(in crate::cli) fn rough(span: Duration) -> String {
    let seconds = span.as_secs();
    let unit = UNITS
        .iter()
        .find(|(unit, least, _)| seconds >= unit * least);
    match unit {
        Some((unit, _, letter)) => format!("{}{letter}", seconds / unit),
        None => format!("{seconds}s"),
    }
}

/// How long ago a moment was. The server's clock may be ahead of ours.
pub(in crate::cli) fn ago(at: Timestamp, now: Timestamp) -> String {
    format!("{} ago", rough(now.since(at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_in_the_unit_that_people_think_in() {
        for (seconds, told) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (3_599, "59m"),
            (3_600, "1h"),
            (47 * 3_600, "47h"),
            (48 * 3_600, "2d"),
            (90 * 86_400, "90d"),
            (729 * 86_400, "729d"),
            (730 * 86_400, "2y"),
        ] {
            assert_eq!(rough(Duration::from_secs(seconds)), told);
        }
    }
}
