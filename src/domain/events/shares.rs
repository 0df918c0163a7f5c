//! Whose events go when there are too many. Pure: counts in, counts out.
//!
//! The workspace with the most rows loses first, and in it the state with the most. So the bound
//! can be used up by one client, and only events of its own workspace go for that. Events without
//! a workspace count as one of their own.

use std::collections::{BTreeMap, HashMap};

use crate::model::event_class::EventShare;

/// The most of each that all may keep, so that together they are no more than `most`.
fn level(sizes: impl IntoIterator<Item = u64>, most: u64) -> u64 {
    let mut sizes: Vec<u64> = sizes.into_iter().collect();
    sizes.sort_unstable();
    let mut left = most;
    for (at, size) in sizes.iter().enumerate() {
        let those = (sizes.len() - at) as u64;
        if size.saturating_mul(those) > left {
            return left / those;
        }
        left -= size;
    }
    u64::MAX
}

/// How many rows each state loses so that at most so many stay.
pub(super) fn to_remove(counts: &HashMap<EventShare, u64>, most: u64) -> Vec<(EventShare, u64)> {
    let mut workspaces: BTreeMap<Option<&str>, Vec<(&EventShare, u64)>> = BTreeMap::new();
    for (share, rows) in counts {
        let workspace = share.workspace.as_deref();
        workspaces
            .entry(workspace)
            .or_default()
            .push((share, *rows));
    }
    let total = |states: &[(&EventShare, u64)]| states.iter().map(|(_, rows)| rows).sum::<u64>();
    let of_a_workspace = level(workspaces.values().map(|states| total(states)), most);
    let mut removed = Vec::new();
    for states in workspaces.values() {
        if total(states) <= of_a_workspace {
            continue;
        }
        let of_a_state = level(states.iter().map(|(_, rows)| *rows), of_a_workspace);
        let too_many = states.iter().filter(|(_, rows)| *rows > of_a_state);
        removed.extend(too_many.map(|(share, rows)| ((*share).clone(), rows - of_a_state)));
    }
    removed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(of: &str) -> EventShare {
        let mut parts = of.split('/').filter(|part| !part.is_empty());
        EventShare {
            workspace: parts.next().map(str::to_owned),
            block: parts.next().map(str::to_owned),
        }
    }

    fn removed(counts: &[(&str, u64)], most: u64) -> Vec<(String, u64)> {
        let counts = counts.iter().map(|(of, rows)| (share(of), *rows)).collect();
        let mut removed: Vec<_> = to_remove(&counts, most)
            .into_iter()
            .map(|(share, rows)| {
                let parts = [share.workspace, share.block];
                let parts: Vec<_> = parts.into_iter().flatten().collect();
                (parts.join("/"), rows)
            })
            .collect();
        removed.sort();
        removed
    }

    #[test]
    fn those_with_the_most_rows_lose_first() {
        for (counts, most, expected) in [
            (&[("a/1", 600), ("b/1", 400)][..], 1_000, &[][..]),
            (
                &[("a/1", 5_000), ("b/1", 400), ("", 100)],
                1_000,
                &[("a/1", 4_500)],
            ),
            (
                &[("a/1", 5_000), ("a/2", 100), ("b/1", 300), ("", 2_000)],
                1_000,
                &[("", 1_650), ("a/1", 4_750)],
            ),
            (
                &[("a/1", 900), ("a/2", 900), ("a", 10), ("b/1", 500)],
                1_000,
                &[("a/1", 655), ("a/2", 655)],
            ),
            (
                &[("a/1", 1_000), ("b/1", 1_000)],
                999,
                &[("a/1", 501), ("b/1", 501)],
            ),
        ] {
            let expected: Vec<_> = expected
                .iter()
                .map(|(of, rows)| ((*of).to_owned(), *rows))
                .collect();
            assert_eq!(removed(counts, most), expected, "{counts:?}");
        }
    }

    #[test]
    fn never_more_than_the_bound_stay_and_never_many_fewer() {
        let (mut word, most) = (7_u64, 1_000);
        for _ in 0..1_000 {
            let mut next = |below: u64| {
                word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (word >> 33) % below
            };
            let mut counts = HashMap::new();
            for _ in 0..next(40) {
                let of = format!("{}/{}", next(5), next(5));
                counts.insert(share(&of), next(400));
            }
            let total: u64 = counts.values().sum();
            let gone: u64 = to_remove(&counts, most).iter().map(|(_, rows)| rows).sum();
            let stays = total - gone;
            assert!(stays <= most || gone == 0 && total <= most);
            assert!(total <= most || stays + counts.len() as u64 >= most);
        }
    }
}
