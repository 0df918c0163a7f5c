//! JSON taken apart into a flat list of nodes, and two values compared by meaning: the order of
//! members is nothing, numbers are numbers.
//!
//! Nothing recurses, however deep a value is. A node takes 12 bytes, and there is a bound on how
//! many a text may have, so that what a value takes apart is at most about three times its size.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::number;

/// So many nodes a value may have, whatever its size.
const FREE_NODES: usize = 100_000;
/// Beyond these, a node for so many bytes of text. Terraform's values have some 20.
const LEAST_BYTES_PER_NODE: usize = 4;
/// Down to this depth equal texts spare the look inside. Deeper down, each level would read all
/// below it once more.
const SHORTCUT_DEPTH: usize = 8;

#[derive(Clone, Copy)]
struct Node {
    /// Where its text begins.
    start: u32,
    /// Where its text ends.
    end: u32,
    /// The node after it and all that is in it.
    next: u32,
}

/// A JSON text, taken apart. Members of objects are two nodes: the name, and the value.
pub(super) struct Tree<'a> {
    text: &'a str,
    nodes: Vec<Node>,
}

impl<'a> Tree<'a> {
    /// Takes valid JSON apart; none where it is too crowded for that.
    pub(super) fn of(text: &'a str) -> Option<Self> {
        u32::try_from(text.len()).ok()?;
        let most = FREE_NODES + text.len() / LEAST_BYTES_PER_NODE;
        let mut tree = Self {
            text,
            nodes: Vec::new(),
        };
        let (mut open, mut at) = (Vec::new(), 0);
        while let Some(byte) = text.as_bytes().get(at) {
            let start = at;
            at += match byte {
                b'{' | b'[' => {
                    open.push(tree.nodes.len());
                    1
                }
                b'}' | b']' => {
                    tree.close(open.pop()?, at + 1)?;
                    at += 1;
                    continue;
                }
                b'"' => length_of_text(&text.as_bytes()[at..]),
                b',' | b':' | b' ' | b'\t' | b'\n' | b'\r' => {
                    at += 1;
                    continue;
                }
                _ => length_of_word(&text.as_bytes()[at..]),
            };
            let next = tree.nodes.len() + 1;
            if next > most {
                return None;
            }
            tree.nodes.push(Node {
                start: u32::try_from(start).ok()?,
                end: u32::try_from(at).ok()?,
                next: u32::try_from(next).ok()?,
            });
        }
        open.is_empty()
            .then_some(tree)
            .filter(|tree| !tree.nodes.is_empty())
    }

    fn close(&mut self, index: usize, end: usize) -> Option<()> {
        let next = u32::try_from(self.nodes.len()).ok()?;
        let node = self.nodes.get_mut(index)?;
        (node.end, node.next) = (u32::try_from(end).ok()?, next);
        Some(())
    }

    /// The outermost value.
    pub(super) fn root(&self) -> Value<'_> {
        Value { tree: self, at: 0 }
    }
}

/// How long a text is, with both of its quotation marks.
fn length_of_text(bytes: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// How long a number, `true`, `false` or `null` is.
fn length_of_word(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .position(|byte| {
            matches!(
                byte,
                b',' | b'}' | b']' | b':' | b' ' | b'\t' | b'\n' | b'\r'
            )
        })
        .unwrap_or(bytes.len())
}

/// A text of JSON without quotation marks and escapes; as it stands where its escapes make no
/// sense.
pub(super) fn unquoted(text: &str) -> Cow<'_, str> {
    let inner = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(text);
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    serde_json::from_str::<String>(text)
        .map_or_else(|_| Cow::Owned(with_replacements(inner)), Cow::Owned)
}

/// A text whose escapes make no sense: half of a pair is a character that stands for it, as both
/// programs read it.
fn with_replacements(inner: &str) -> String {
    let (mut text, mut rest) = (String::with_capacity(inner.len()), inner);
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = if rest.as_bytes().get(1) == Some(&b'u') {
            6
        } else {
            2
        };
        let one = |length| {
            rest.get(..length).and_then(|escape| {
                serde_json::from_str::<String>(&format!("\"{escape}\""))
                    .ok()
                    .map(|text| (text, length))
            })
        };
        let (letter, length) = one(2 * length)
            .filter(|(text, _)| text.chars().count() == 1)
            .or_else(|| one(length))
            .unwrap_or_else(|| {
                (
                    char::REPLACEMENT_CHARACTER.to_string(),
                    rest.floor_char_boundary(length),
                )
            });
        text.push_str(&letter);
        rest = &rest[length..];
    }
    text.push_str(rest);
    text
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JsonKind {
    Object,
    List,
    Text,
    Number,
    /// `true`, `false`, `null`.
    Word,
}

/// A value inside a tree.
#[derive(Clone, Copy)]
pub(super) struct Value<'t> {
    tree: &'t Tree<'t>,
    at: u32,
}

impl<'t> Value<'t> {
    fn node(self) -> Node {
        self.tree.nodes[self.at as usize]
    }

    /// As it is written.
    pub(super) fn text(self) -> &'t str {
        let Node { start, end, .. } = self.node();
        &self.tree.text[start as usize..end as usize]
    }

    pub(super) fn kind(self) -> JsonKind {
        match self.tree.text.as_bytes()[self.node().start as usize] {
            b'{' => JsonKind::Object,
            b'[' => JsonKind::List,
            b'"' => JsonKind::Text,
            b'-' | b'0'..=b'9' => JsonKind::Number,
            _ => JsonKind::Word,
        }
    }

    /// Its elements; of an object: names and values by turns.
    pub(super) fn children(self) -> Children<'t> {
        Children {
            tree: self.tree,
            at: self.at + 1,
            end: self.node().next,
        }
    }

    /// Names and values of an object, by name; of a name that stands there twice the last.
    pub(super) fn members(self) -> Vec<Member<'t>> {
        let mut children = self.children();
        let mut members = Vec::new();
        while let (Some(name), Some(value)) = (children.next(), children.next()) {
            members.push(Member {
                tree: self.tree,
                name: name.at,
                value: value.at,
            });
        }
        members.sort_by(|one, other| one.name().cmp(&other.name()));
        // Equal names are still in their order; the later one is kept.
        members.dedup_by(|later, kept| {
            let twice = later.name() == kept.name();
            if twice {
                kept.value = later.value;
            }
            twice
        });
        members
    }
}

/// The values inside another.
pub(super) struct Children<'t> {
    tree: &'t Tree<'t>,
    at: u32,
    end: u32,
}

impl<'t> Iterator for Children<'t> {
    type Item = Value<'t>;

    fn next(&mut self) -> Option<Value<'t>> {
        if self.at >= self.end {
            return None;
        }
        let value = Value {
            tree: self.tree,
            at: self.at,
        };
        self.at = value.node().next;
        Some(value)
    }
}

/// A member of an object.
#[derive(Clone, Copy)]
pub(super) struct Member<'t> {
    tree: &'t Tree<'t>,
    name: u32,
    value: u32,
}

impl<'t> Member<'t> {
    pub(super) fn name(self) -> Cow<'t, str> {
        unquoted(
            Value {
                tree: self.tree,
                at: self.name,
            }
            .text(),
        )
    }

    pub(super) fn value(self) -> Value<'t> {
        Value {
            tree: self.tree,
            at: self.value,
        }
    }
}

/// One step from a value to one inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step<'t> {
    Name(Cow<'t, str>),
    Index(usize),
}

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
    fn half_of_a_pair_is_read_as_both_programs_do() {
        for (written, read) in [
            (r#""a\ud800b\n""#, "a\u{fffd}b\n"),
            (
                r#""\ud800\ud83d\ude00\u0041\udc00""#,
                "\u{fffd}\u{1f600}A\u{fffd}",
            ),
            (r#""\ud800\\x\"""#, "\u{fffd}\\x\""),
            (r#""é\ud800é""#, "é\u{fffd}é"),
        ] {
            assert_eq!(unquoted(written), read, "{written}");
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
