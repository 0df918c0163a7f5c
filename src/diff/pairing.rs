//! Pairs the instances of two states: by their address or, if they moved, by their type and their
//! provider's id.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::equality::same_text;
use super::instance::{Instance, Object};
use super::state::StateTree;
use super::text::unquoted;

/// How an instance changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It was not there before.
    Added,
    /// It is not there any more.
    Removed,
    /// It has another address; it may have changed as well.
    Moved,
    /// It is not as it was.
    Changed,
}

/// An instance that is not as it was, with its place among the instances of both states.
pub(super) struct Change {
    pub(super) action: Action,
    before: Option<usize>,
    after: Option<usize>,
}

impl Change {
    /// As it was, in the first state.
    pub(super) fn then<'d, 'a>(&self, before: &'d StateTree<'a>) -> Option<&'d Instance<'a>> {
        before.instances.get(self.before?)
    }

    /// As it is, in the second state.
    pub(super) fn now<'d, 'a>(&self, after: &'d StateTree<'a>) -> Option<&'d Instance<'a>> {
        after.instances.get(self.after?)
    }
}

/// Every instance that is not as it was, in the order of addresses.
pub(super) fn changes(before: &StateTree<'_>, after: &StateTree<'_>) -> Vec<Change> {
    let (one, other) = (&before.instances, &after.instances);
    let (mut from, mut to) = (0, 0);
    let mut changes = Vec::new();
    loop {
        let order = match (one.get(from), other.get(to)) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(one), Some(other)) => one.address.cmp(&other.address),
        };
        let is_same = order.is_eq() && !differ(&one[from], &other[to]);
        if !is_same {
            changes.push(Change {
                action: Action::of(order),
                before: order.is_le().then_some(from),
                after: order.is_ge().then_some(to),
            });
        }
        from += usize::from(order.is_le());
        to += usize::from(order.is_ge());
    }
    join_moved(&mut changes, one, other);
    changes
}

impl Action {
    /// An instance whose address comes first in one of two states is in that one alone.
    const fn of(order: Ordering) -> Self {
        match order {
            Ordering::Less => Self::Removed,
            Ordering::Greater => Self::Added,
            Ordering::Equal => Self::Changed,
        }
    }
}

/// Whether an instance is not as it was: itself, or what is deposed of it.
fn differ(before: &Instance<'_>, after: &Instance<'_>) -> bool {
    let is_other = match (&before.current, &after.current) {
        (Some(before), Some(after)) => differs(before, after),
        (None, None) => false,
        (Some(_), None) | (None, Some(_)) => true,
    };
    let deposed = || before.deposed.iter().zip(&after.deposed);
    is_other
        || before.deposed.len() != after.deposed.len()
        || deposed().any(|(one, other)| one.0 != other.0 || differs(&one.1, &other.1))
}

/// Whether an object is not as it was, by meaning. Marks of secret values do not count: new
/// programs mark more.
pub(super) fn differs(before: &Object<'_>, after: &Object<'_>) -> bool {
    let parts = [
        (before.attributes, after.attributes),
        (before.flat.as_deref(), after.flat.as_deref()),
        (before.private.as_deref(), after.private.as_deref()),
        (before.identity, after.identity),
    ];
    let meta = || {
        before
            .meta
            .parts()
            .into_iter()
            .zip(after.meta.parts())
            .map(|((_, before), (_, after))| (before, after))
    };
    let unknown = || {
        before
            .unknown
            .both(&after.unknown)
            .map(|(_, before, after)| (before, after))
    };
    parts
        .into_iter()
        .chain(meta())
        .chain(unknown())
        .any(|(before, after)| !same_part(before, after))
        || !same_set(before.dependencies, after.dependencies)
}

/// Whether two parts of an object mean the same. A missing part is the same as an empty one, which
/// newer programs write.
pub(super) fn same_part(before: Option<&str>, after: Option<&str>) -> bool {
    match (before, after) {
        (Some(before), Some(after)) => {
            same_text(before, after) || is_nothing(before) && is_nothing(after)
        }
        (None, None) => true,
        (Some(one), None) | (None, Some(one)) => is_nothing(one),
    }
}

fn is_nothing(text: &str) -> bool {
    let inner = text.get(1..text.len().saturating_sub(1)).unwrap_or("?");
    matches!(text, "false" | "null" | "0")
        || text.starts_with(['{', '[', '"']) && inner.bytes().all(|byte| byte.is_ascii_whitespace())
}

/// Whether two lists of texts have the same elements, in any order.
pub(super) fn same_set(before: Option<&str>, after: Option<&str>) -> bool {
    if same_part(before, after) {
        return true;
    }
    let sorted = |text: Option<&str>| {
        let mut texts: Vec<String> =
            text.map_or(Some(Vec::new()), |text| serde_json::from_str(text).ok())?;
        texts.sort_unstable();
        texts.dedup();
        Some(texts)
    };
    sorted(before).is_some_and(|texts| sorted(after) == Some(texts))
}

/// Joins an instance that was removed in one place with one that was added in another, if no other
/// can be meant.
fn join_moved(changes: &mut Vec<Change>, before: &[Instance<'_>], after: &[Instance<'_>]) {
    let sources = only_ones(changes, Action::Removed, |change| {
        change.before.and_then(|index| before.get(index))
    });
    let targets = only_ones(changes, Action::Added, |change| {
        change.after.and_then(|index| after.get(index))
    });
    let joined = sources
        .into_iter()
        .filter_map(|(key, source)| Some((source, *targets.get(&key)?)));
    let mut gone = Vec::new();
    for (source, target) in joined.collect::<Vec<_>>() {
        let from = changes[source].before;
        changes[target] = Change {
            action: Action::Moved,
            before: from,
            ..changes[target]
        };
        gone.push(source);
    }
    gone.sort_unstable();
    let mut index = 0;
    changes.retain(|_| {
        index += 1;
        gone.binary_search(&(index - 1)).is_err()
    });
}

/// A resource's type and its provider's id.
type Identity<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The changes of one kind by the identity of their instance; without those that share one.
fn only_ones<'i, 'a: 'i>(
    changes: &[Change],
    action: Action,
    instance: impl Fn(&Change) -> Option<&'i Instance<'a>>,
) -> HashMap<Identity<'i>, usize> {
    let mut known: HashMap<Identity<'i>, Option<usize>> = HashMap::new();
    for (index, change) in changes
        .iter()
        .enumerate()
        .filter(|(_, change)| change.action == action)
    {
        if let Some(identity) = instance(change).and_then(identity) {
            known
                .entry(identity)
                .and_modify(|only| *only = None)
                .or_insert(Some(index));
        }
    }
    known
        .into_iter()
        .filter_map(|(identity, only)| Some((identity, only?)))
        .collect()
}

fn identity<'i>(instance: &'i Instance<'_>) -> Option<Identity<'i>> {
    let address = &instance.address;
    if address.mode != "managed" {
        return None;
    }
    Some((Cow::Borrowed(address.kind.as_ref()), id(instance)?))
}

#[derive(Deserialize)]
struct WithId<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
}

/// The provider's id of an instance, if it has one.
pub(super) fn id<'i>(instance: &'i Instance<'_>) -> Option<Cow<'i, str>> {
    let object = instance.current.as_ref()?;
    let attributes: WithId<'i> =
        serde_json::from_str(object.attributes.or(object.flat.as_deref())?).ok()?;
    let text = attributes.id?.get();
    Some(unquoted(text)).filter(|id| text.starts_with('"') && !id.is_empty())
}
