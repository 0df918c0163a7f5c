//! What holds for any rows and any policy.

use proptest::prelude::*;

use super::*;

fn some_row() -> impl Strategy<Value = (u64, bool, bool, bool, bool)> {
    (
        0..400_u64,
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    )
}

fn some_rows() -> impl Strategy<Value = Vec<PlanRow>> {
    (
        proptest::collection::vec(some_row(), 0..40),
        any::<prop::sample::Index>(),
    )
        .prop_map(|(rows, current)| {
            let mut rows: Vec<PlanRow> = (1..=40_u64)
                .zip(rows)
                .map(
                    |(number, (hours, held, rejected, intermediate, purged))| PlanRow {
                        // One of four each, so that no mark is the rule.
                        held: held && hours % 2 == 0,
                        rejected: rejected && hours % 3 == 0,
                        intermediate,
                        purged: purged && hours % 5 == 0,
                        ..row(number, Duration::from_hours(hours))
                    },
                )
                .collect();
            rows.reverse();
            if !rows.is_empty() {
                let lookup = current.index(rows.len());
                rows[lookup].current = true;
            }
            rows
        })
}

fn some_age() -> impl Strategy<Value = Option<Age>> {
    proptest::option::of((1..500_u64).prop_map(|hours| Age(Duration::from_hours(hours))))
}

fn some_policy() -> impl Strategy<Value = Policy> {
    let number = || proptest::option::of(1..12_u32);
    (
        number(),
        some_age(),
        number(),
        number(),
        some_age(),
        some_age(),
    )
        .prop_map(
            |(
                keep_last,
                keep_within,
                keep_daily,
                keep_weekly,
                drop_intermediate,
                keep_rejected,
            )| Policy {
                keep_last,
                keep_within,
                keep_daily,
                keep_weekly,
                drop_intermediate,
                keep_rejected,
                keep_all: false,
            },
        )
}

/// A policy each of whose rules keeps at least as much; it has those rules that the narrower one
/// has.
fn wider(policy: &Policy, by: u32) -> Policy {
    let number = |given: Option<u32>| given.map(|number| number + by % 5);
    let age =
        |given: Option<Age>| given.map(|age| Age(age.0 + Duration::from_hours(u64::from(by))));
    Policy {
        keep_last: number(policy.keep_last),
        keep_within: age(policy.keep_within),
        keep_daily: number(policy.keep_daily),
        keep_weekly: number(policy.keep_weekly),
        drop_intermediate: age(policy.drop_intermediate),
        keep_rejected: age(policy.keep_rejected),
        keep_all: false,
    }
}

proptest! {
    #[test]
    fn current_held_and_purged_ones_never_go_and_each_row_either_goes_or_stays(
        rows in some_rows(),
        policy in some_policy(),
    ) {
        let plan = plan(&rows, &policy, now());
        prop_assert_eq!(plan.remove.len() as u64 + plan.kept, rows.len() as u64);
        let mut kept = rows.iter().filter(|row| row.current || row.held || row.purged);
        prop_assert!(kept.all(|row| !plan.remove.contains(&row.number)));
    }

    #[test]
    fn what_one_rule_alone_keeps_stays_under_all_of_them(
        rows in some_rows(),
        policy in some_policy(),
    ) {
        let all = plan(&rows, &policy, now());
        let base = || Policy {
            drop_intermediate: policy.drop_intermediate,
            keep_rejected: policy.keep_rejected,
            ..Policy::default()
        };
        let alone = [
            Policy { keep_last: policy.keep_last, ..base() },
            Policy { keep_within: policy.keep_within, ..base() },
            Policy { keep_daily: policy.keep_daily, ..base() },
            Policy { keep_weekly: policy.keep_weekly, ..base() },
        ];
        for single in alone.iter().filter(|single| single.bounds_accepted()) {
            let one = plan(&rows, single, now());
            prop_assert!(
                all.remove.iter().all(|number| one.remove.contains(number)),
                "{:?} keeps what all remove",
                single
            );
        }
    }

    #[test]
    fn a_wider_policy_never_removes_more(
        rows in some_rows(),
        policy in some_policy(),
        by in 0..300_u32,
    ) {
        let (narrow, wide) = (plan(&rows, &policy, now()), plan(&rows, &wider(&policy, by), now()));
        prop_assert!(wide.remove.iter().all(|number| narrow.remove.contains(number)));
    }

    #[test]
    fn what_is_left_after_a_plan_is_left_by_the_next_one(
        rows in some_rows(),
        policy in some_policy(),
    ) {
        let first = plan(&rows, &policy, now());
        let stays = |row: &&PlanRow| !first.remove.contains(&row.number);
        let left: Vec<PlanRow> = rows.iter().filter(stays).copied().collect();
        prop_assert!(plan(&left, &policy, now()).remove.is_empty());
    }
}
