//! Two values of JSON compared by meaning: the order of members is nothing, numbers are numbers.
//!
//! Nothing recurses, however deep a value is.

use std::cmp::Ordering;

use super::json::{Children, JsonKind, Member, Step, Tree, Value};
use super::number;
use super::text::unquoted;

/// Down to this depth equal texts spare the look inside. Deeper down, each level would read all
/// below it once more.
const SHORTCUT_DEPTH: usize = 8;

/// What lies at the same place in two objects or two lists, one place after the other.
pub(super) enum Pairs<'t> {
    Lists {
        before: Children<'t>,
        after: Children<'t>,
        index: usize,
    },
    Objects {
        before: std::vec::IntoIter<Member<'t>>,
        after: std::vec::IntoIter<Member<'t>>,
    },
}

/// A place in two values, and what is there.
type Pair<'t> = (Step<'t>, Option<Value<'t>>, Option<Value<'t>>);

impl<'t> Pairs<'t> {
    /// Of two values of the same kind that have something inside.
    pub(super) fn of(before: Value<'t>, after: Value<'t>) -> Self {
        if before.kind() == JsonKind::Object {
            return Self::Objects {
                before: before.members().into_iter(),
                after: after.members().into_iter(),
            };
        }
        Self::Lists {
            before: before.children(),
            after: after.children(),
            index: 0,
        }
    }
}

impl<'t> Iterator for Pairs<'t> {
    type Item = Pair<'t>;

    fn next(&mut self) -> Option<Pair<'t>> {
        match self {
            Self::Lists {
                before,
                after,
                index,
            } => {
                let (one, other) = (before.next(), after.next());
                *index += 1;
                (one.is_some() || other.is_some()).then_some((Step::Index(*index - 1), one, other))
            }
            Self::Objects { before, after } => next_members(before, after),
        }
    }
}

fn next_members<'t>(
    before: &mut std::vec::IntoIter<Member<'t>>,
    after: &mut std::vec::IntoIter<Member<'t>>,
) -> Option<Pair<'t>> {
    let (one, other) = (
        before.as_slice().first().map(|m| m.name()),
        after.as_slice().first().map(|m| m.name()),
    );
    let order = match (&one, &other) {
        (None, None) => return None,
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (Some(one), Some(other)) => one.cmp(other),
    };
    let one = order.is_le().then(|| before.next()).flatten();
    let other = order.is_ge().then(|| after.next()).flatten();
    let name = one.or(other)?.name();
    Some((
        Step::Name(name),
        one.map(Member::value),
        other.map(Member::value),
    ))
}

/// How two values stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    Same,
    Different,
    /// That depends on what is inside them.
    Inside,
}

/// Compares two values so many levels below those that were taken apart.
pub(super) fn relation(before: Value<'_>, after: Value<'_>, depth: usize) -> Relation {
    let of = |same| {
        if same {
            Relation::Same
        } else {
            Relation::Different
        }
    };
    match (before.kind(), after.kind()) {
        (one, other) if one != other => Relation::Different,
        (JsonKind::Object | JsonKind::List, _)
            if depth < SHORTCUT_DEPTH && before.text() == after.text() =>
        {
            Relation::Same
        }
        (JsonKind::Object | JsonKind::List, _) => Relation::Inside,
        (JsonKind::Text, _) => {
            of(before.text() == after.text() || unquoted(before.text()) == unquoted(after.text()))
        }
        (JsonKind::Number, _) => of(number::same(before.text(), after.text())),
        (JsonKind::Word, _) => of(before.text() == after.text()),
    }
}

/// Whether two values mean the same.
pub(super) fn same(before: Value<'_>, after: Value<'_>) -> bool {
    match relation(before, after, 0) {
        Relation::Same => return true,
        Relation::Different => return false,
        Relation::Inside => {}
    }
    let mut open = vec![Pairs::of(before, after)];
    while let Some(pairs) = open.last_mut() {
        match pairs.next() {
            None => {
                open.pop();
            }
            Some((_, Some(before), Some(after))) => match relation(before, after, open.len()) {
                Relation::Same => {}
                Relation::Different => return false,
                Relation::Inside => open.push(Pairs::of(before, after)),
            },
            Some(_) => return false,
        }
    }
    true
}

/// Whether two texts of JSON mean the same. What is too crowded to take apart is compared as it is
/// written.
pub(super) fn same_text(before: &str, after: &str) -> bool {
    if before == after {
        return true;
    }
    match (Tree::of(before), Tree::of(after)) {
        (Some(before), Some(after)) => same(before.root(), after.root()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::json::FREE_NODES;

    #[test]
    fn compares_by_meaning() {
        for (one, other) in [
            (
                r#"{"a":1,"b":[true,null]}"#,
                r#"{ "b" : [ true , null ], "a":1.0 }"#,
            ),
            (r#""\u0061""#, r#""a""#),
            (r#"{"a":1,"a":2}"#, r#"{"\u0061":2}"#),
            ("{}", "{ }"),
            (r#"["a,]\"{",{}]"#, r#"[ "a,]\"{", {} ]"#),
        ] {
            assert!(same_text(one, other), "{one} {other}");
        }
        for (one, other) in [
            ("[1,2]", "[2,1]"),
            ("[1]", "[1,null]"),
            (r#"{"a":null}"#, "{}"),
            (r#""1""#, "1"),
            ("{}", "[]"),
            ("null", "false"),
            (r#"{"a":{"b":1}}"#, r#"{"a":{"b":2}}"#),
        ] {
            assert!(!same_text(one, other), "{one} {other}");
        }
    }

    #[test]
    fn depth_is_no_danger() {
        let nested = |depth: usize, core: &str| {
            format!("{}{core}{}", r#"{"a":["#.repeat(depth), "]}".repeat(depth))
        };
        assert!(same_text(&nested(20_000, "1"), &nested(20_000, "1.0")));
        assert!(!same_text(&nested(20_000, "1"), &nested(20_000, "2")));
    }

    #[test]
    fn what_is_too_crowded_is_not_taken_apart() {
        let crowded = format!("[{}1]", "1,".repeat(4 * FREE_NODES));
        assert!(Tree::of(&crowded).is_none());
        assert!(same_text(&crowded, &crowded));
    }
}
