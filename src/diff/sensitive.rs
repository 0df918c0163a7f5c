//! The paths of an instance that its state marks as sensitive. Nothing is told of what is inside a
//! hidden value, not even a name.

use std::collections::BTreeSet;

use super::json::Step;
use super::masking::{Mask, Siblings, Spot};
use super::values::{MAX_STEPS, written};

/// At most so many paths are told of an instance.
pub const MAX_MARKED: usize = 1_000;

/// The paths in the order of their texts, and whether there are more. A path ends after `MAX_STEPS`
/// steps. There is none where the instance is hidden as a whole.
pub(super) fn marked(mask: &Mask) -> (Vec<String>, bool) {
    let mut paths = BTreeSet::new();
    let mut open: Vec<(usize, Spot, Vec<Step<'_>>)> = vec![(0, mask.root(), Vec::new())];
    while let Some((at, spot, path)) = open.pop() {
        if paths.len() > MAX_MARKED {
            break;
        }
        if spot == Spot::Hidden || path.len() >= MAX_STEPS {
            paths.extend((!path.is_empty()).then(|| written(&path, false, mask)));
            continue;
        }
        for (step, child) in mask.marks_behind(at) {
            let spot = mask.enter(spot, &step, &Siblings::default());
            let mut path = path.clone();
            path.push(step);
            open.push((child, spot, path));
        }
    }
    let is_cut = paths.len() > MAX_MARKED;
    (paths.into_iter().take(MAX_MARKED).collect(), is_cut)
}
