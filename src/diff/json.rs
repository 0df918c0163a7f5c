//! JSON taken apart into a flat list of nodes.
//!
//! Nothing recurses, however deep a value is. A node takes 12 bytes, and there is a bound on how
//! many a text may have, so that what a value takes apart is at most about three times its size.

use std::borrow::Cow;
use std::ops::Range;

use super::text::unquoted;
use crate::model::json_words::{JsonWord, JsonWords};

/// The nodes that a value of any size may have.
pub(super) const FREE_NODES: usize = 100_000;
/// Beyond these, a node for so many bytes of text. Terraform's values have some 20.
const LEAST_BYTES_PER_NODE: usize = 4;

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
    /// Takes valid JSON apart; none if it is too crowded for that.
    pub(super) fn of(text: &'a str) -> Option<Self> {
        u32::try_from(text.len()).ok()?;
        let most = FREE_NODES + text.len() / LEAST_BYTES_PER_NODE;
        let mut tree = Self {
            text,
            nodes: Vec::new(),
        };
        let mut open = Vec::new();
        for (word, place) in JsonWords::of(text.as_bytes()) {
            match word {
                JsonWord::Close => {
                    tree.close(open.pop()?, place.end)?;
                    continue;
                }
                JsonWord::Open => open.push(tree.nodes.len()),
                JsonWord::Text | JsonWord::Scalar => {}
            }
            if tree.nodes.len() >= most {
                return None;
            }
            tree.add(&place)?;
        }
        (open.is_empty() && !tree.nodes.is_empty()).then_some(tree)
    }

    fn add(&mut self, place: &Range<usize>) -> Option<()> {
        self.nodes.push(Node {
            start: u32::try_from(place.start).ok()?,
            end: u32::try_from(place.end).ok()?,
            next: u32::try_from(self.nodes.len() + 1).ok()?,
        });
        Some(())
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
