//! The plan, rule by rule and against everything that always holds.

mod always;

use std::time::Duration;

use super::*;
use crate::model::retention::Age;

const DAY: Duration = Duration::from_hours(24);

/// 2026-03-04, a Wednesday, at noon.
fn now() -> Timestamp {
    Timestamp::parse("2026-03-04T12:00:00Z").expect("a time")
}

/// An accepted version that was written so long before now.
fn row(number: u64, age: Duration) -> PlanRow {
    PlanRow {
        number,
        created_at: now() - age,
        current: false,
        held: false,
        rejected: false,
        intermediate: false,
        purged: false,
        damaged: false,
    }
}

fn at(number: u64, time: &str) -> PlanRow {
    PlanRow {
        created_at: Timestamp::parse(time).expect("a time"),
        ..row(number, DAY)
    }
}

/// What stays of rows that are given oldest first, the last of them current.
fn kept(rows: &[PlanRow], policy: &Policy) -> Vec<u64> {
    let mut rows = rows.to_vec();
    if let Some(last) = rows.iter_mut().rev().find(|row| !row.rejected) {
        last.current = true;
    }
    rows.reverse();
    let plan = plan(&rows, policy, now());
    assert_eq!(plan.kept + plan.remove.len() as u64, rows.len() as u64);
    assert!(plan.remove.is_sorted(), "oldest first");
    rows.iter()
        .rev()
        .map(|row| row.number)
        .filter(|number| !plan.remove.contains(number))
        .collect()
}

#[test]
fn the_last_ones_stay_and_the_current_one_is_one_of_them() {
    let rows: Vec<PlanRow> = (1..=6).map(|number| row(number, DAY)).collect();
    assert_eq!(
        kept(
            &rows,
            &Policy {
                keep_last: Some(3),
                ..Policy::default()
            }
        ),
        [4, 5, 6]
    );
    assert_eq!(
        kept(
            &rows,
            &Policy {
                keep_last: Some(9),
                ..Policy::default()
            }
        ),
        [1, 2, 3, 4, 5, 6]
    );
}

#[test]
fn what_is_young_stays_to_the_moment_and_what_comes_from_a_wrong_clock_too() {
    let rows = [
        row(1, 2 * DAY),
        row(2, DAY + Duration::from_millis(1)),
        row(3, DAY),
        row(4, Duration::ZERO),
        at(5, "2099-01-01T00:00:00Z"),
        row(6, 9 * DAY),
    ];
    assert_eq!(
        kept(
            &rows,
            &Policy {
                keep_within: Some(Age(DAY)),
                ..Policy::default()
            }
        ),
        [3, 4, 5, 6]
    );
}

#[test]
fn the_newest_of_each_of_the_last_days_that_have_one_stays_in_utc() {
    let rows = [
        at(1, "2026-01-01T23:59:59.999Z"),
        at(2, "2026-01-02T00:00:00Z"),
        at(3, "2026-01-02T23:59:59.999Z"),
        at(4, "2026-03-01T08:00:00Z"),
        at(5, "2026-03-01T09:00:00Z"),
        at(6, "2026-03-03T00:00:00Z"),
    ];
    assert_eq!(
        kept(
            &rows,
            &Policy {
                keep_daily: Some(3),
                ..Policy::default()
            }
        ),
        [3, 5, 6]
    );
    assert_eq!(
        kept(
            &rows,
            &Policy {
                keep_daily: Some(4),
                ..Policy::default()
            }
        ),
        [1, 3, 5, 6]
    );
}

#[test]
fn weeks_begin_on_monday_also_before_1970() {
    let rows = [
        at(1, "2026-02-22T23:59:00Z"),
        at(2, "2026-02-23T00:00:00Z"),
        at(3, "2026-03-01T23:59:00Z"),
        at(4, "2026-03-02T00:00:00Z"),
    ];
    assert_eq!(
        kept(
            &rows,
            &Policy {
                keep_weekly: Some(9),
                ..Policy::default()
            }
        ),
        [1, 3, 4]
    );
    let (thursday, monday) = (
        Timestamp::from_millis(0),
        Timestamp::from_millis(4 * 86_400_000),
    );
    assert_eq!(
        (
            week(Timestamp::from_millis(-4 * 86_400_000)),
            week(thursday),
            week(monday)
        ),
        (-1, 0, 1)
    );
}

#[test]
fn rules_add_up() {
    let rows = [
        row(1, 40 * DAY),
        row(2, 20 * DAY),
        row(3, 20 * DAY),
        row(4, 2 * DAY),
        row(5, DAY),
        row(6, DAY),
    ];
    let policy = Policy {
        keep_last: Some(1),
        keep_within: Some(Age(2 * DAY)),
        keep_weekly: Some(2),
        ..Policy::default()
    };
    assert_eq!(kept(&rows, &policy), [3, 4, 5, 6]);
}

#[test]
fn held_ones_and_the_last_current_one_of_a_deleted_state_stay_whatever_the_policy_says() {
    let rows = [
        PlanRow {
            held: true,
            ..row(2, 900 * DAY)
        },
        PlanRow {
            current: true,
            ..row(1, 1_000 * DAY)
        },
    ];
    let plan = plan(
        &rows,
        &Policy {
            keep_last: Some(1),
            keep_within: Some(Age(DAY)),
            ..Policy::default()
        },
        now(),
    );
    assert_eq!(
        (
            plan.remove.len(),
            plan.reasons.of(Reason::Held),
            plan.reasons.of(Reason::Current)
        ),
        (0, 1, 1)
    );
}

#[test]
fn rejected_ones_are_not_counted_and_have_an_age_of_their_own() {
    let rows = [
        row(1, DAY),
        PlanRow {
            rejected: true,
            ..row(2, 9 * DAY)
        },
        row(3, DAY),
        PlanRow {
            rejected: true,
            ..row(4, DAY)
        },
    ];
    assert_eq!(
        kept(
            &rows,
            &Policy {
                keep_last: Some(2),
                ..Policy::default()
            }
        ),
        [1, 2, 3, 4]
    );
    assert_eq!(
        kept(
            &rows,
            &Policy {
                keep_rejected: Some(Age(2 * DAY)),
                ..Policy::default()
            }
        ),
        [1, 3, 4],
        "and no accepted one goes"
    );
    assert_eq!(
        kept(
            &rows,
            &Policy {
                keep_last: Some(1),
                keep_rejected: Some(Age(DAY / 2)),
                ..Policy::default()
            }
        ),
        [3]
    );
}

#[test]
fn snapshots_of_an_apply_go_first_and_take_no_place_of_another() {
    let snapshot = |number, age| PlanRow {
        intermediate: true,
        ..row(number, age)
    };
    let rows = [
        row(1, 9 * DAY),
        snapshot(2, 8 * DAY),
        snapshot(3, DAY),
        row(4, DAY),
        snapshot(5, Duration::ZERO),
        row(6, Duration::ZERO),
    ];
    assert_eq!(
        kept(
            &rows,
            &Policy {
                drop_intermediate: Some(Age(7 * DAY)),
                ..Policy::default()
            }
        ),
        [1, 3, 4, 5, 6]
    );
    assert_eq!(
        kept(
            &rows,
            &Policy {
                keep_last: Some(3),
                drop_intermediate: Some(Age(Duration::ZERO)),
                ..Policy::default()
            }
        ),
        [1, 4, 5, 6]
    );
    assert_eq!(
        kept(
            &rows,
            &Policy {
                keep_last: Some(3),
                ..Policy::default()
            }
        ),
        [4, 5, 6],
        "as any other where nothing is said"
    );
}

#[test]
fn purged_ones_take_no_place_of_one_with_content() {
    let rows = [
        row(1, 9 * DAY),
        PlanRow {
            purged: true,
            ..row(2, 8 * DAY)
        },
        row(3, DAY),
    ];
    assert_eq!(
        kept(
            &rows,
            &Policy {
                keep_last: Some(2),
                ..Policy::default()
            }
        ),
        [1, 2, 3]
    );
    assert_eq!(
        kept(
            &rows,
            &Policy {
                keep_within: Some(Age(2 * DAY)),
                ..Policy::default()
            }
        ),
        [2, 3]
    );
}

#[test]
fn nothing_is_removed_of_nothing() {
    assert_eq!(
        plan(
            &[],
            &Policy {
                keep_last: Some(1),
                ..Policy::default()
            },
            now()
        ),
        RetentionPlan::default()
    );
}
