//! The differences between two values, path by path, and values as they are shown: as they are
//! written, without hidden parts.

use std::fmt::Write as _;
use std::ops::ControlFlow;

use serde_json::value::RawValue;

use super::address::Quoted;
use super::equality::{Pairs, Relation, relation, same};
use super::json::{Children, JsonKind, Step, Tree, Value};
use super::masking::{HIDDEN, Mask, Siblings, Spot};
use super::text::unquoted;
use crate::model::printable::Printable;

/// Values that differ are taken apart down to so many steps. Deeper values are shown as a whole.
pub const MAX_STEPS: usize = 64;
/// A value that is written in more bytes is not shown.
pub const MAX_VALUE: usize = 16 * 1024;
/// A value that is nested deeper is not shown: many programs that read JSON go no deeper than some
/// hundred levels, answer included.
pub const MAX_LEVELS: usize = 64;
/// A path that is written in more bytes is cut.
pub const MAX_PATH: usize = 1024;

/// A place where two values differ.
pub(super) struct Difference<'p, 't> {
    pub(super) path: &'p [Step<'t>],
    pub(super) before: Option<Value<'t>>,
    pub(super) after: Option<Value<'t>>,
    pub(super) spot: Spot,
}

/// Two values on the way down.
struct Level<'t> {
    pairs: Pairs<'t>,
    spot: Spot,
    naming: Siblings,
}

impl<'t> Level<'t> {
    fn of(before: Value<'t>, after: Value<'t>, spot: Spot) -> Self {
        Self {
            pairs: Pairs::of(before, after),
            spot,
            naming: Siblings::of_both(before, after),
        }
    }
}

/// Hands over each place where two values differ, in the order of names and indexes, until told to
/// stop.
pub(super) fn differences<'t>(
    before: Value<'t>,
    after: Value<'t>,
    mask: &Mask,
    each: &mut dyn FnMut(Difference<'_, 't>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let mut path: Vec<Step<'t>> = Vec::new();
    let mut open: Vec<Level<'t>> = Vec::new();
    let spot = mask.root();
    match unless_closed(relation(before, after, 0), (before, after), spot, 0) {
        Relation::Same => return ControlFlow::Continue(()),
        Relation::Inside => open.push(Level::of(before, after, spot)),
        Relation::Different => {
            return each(Difference {
                path: &path,
                before: Some(before),
                after: Some(after),
                spot,
            });
        }
    }
    while let Some(level) = open.last_mut() {
        let Some((step, before, after)) = level.pairs.next() else {
            open.pop();
            path.pop();
            continue;
        };
        let Some((spot, relation)) = level.below(&step, before.zip(after), mask, path.len() + 1)
        else {
            continue;
        };
        path.push(step);
        if let (Relation::Inside, Some(before), Some(after)) = (relation, before, after) {
            open.push(Level::of(before, after, spot));
        } else {
            each(Difference {
                path: &path,
                before,
                after,
                spot,
            })?;
            path.pop();
        }
    }
    ControlFlow::Continue(())
}

impl<'t> Level<'t> {
    /// The spot of a place one step below, and how the values there differ; none if they do not.
    fn below(
        &self,
        step: &Step<'t>,
        both: Option<(Value<'t>, Value<'t>)>,
        mask: &Mask,
        depth: usize,
    ) -> Option<(Spot, Relation)> {
        let relation = both.map_or(Relation::Different, |(before, after)| {
            relation(before, after, depth)
        });
        // Nearly all are the same. Whether they are hidden is then of no interest.
        if relation == Relation::Same {
            return None;
        }
        let spot = mask.enter(self.spot, step, &self.naming);
        let relation = both.map_or(relation, |both| unless_closed(relation, both, spot, depth));
        (relation != Relation::Same).then_some((spot, relation))
    }
}

/// Hidden values, and those that are too deep, are not looked into but only compared.
fn unless_closed(
    relation: Relation,
    (before, after): (Value<'_>, Value<'_>),
    spot: Spot,
    depth: usize,
) -> Relation {
    if relation != Relation::Inside || spot != Spot::Hidden && depth < MAX_STEPS {
        return relation;
    }
    if same(before, after) {
        Relation::Same
    } else {
        Relation::Different
    }
}

/// A path as Terraform writes it: `tags["a b"]`, `ingress[0].port`. Names of flat attributes stand
/// as they are, and a name that is a secret does not stand there.
pub(super) fn written(path: &[Step<'_>], flat: bool, mask: &Mask) -> String {
    let mut text = String::new();
    for step in path {
        let _ = match step {
            Step::Index(index) => write!(text, "[{index}]"),
            Step::Name(name) if mask.hides_text(name) => write!(text, "[{HIDDEN}]"),
            Step::Name(name) if text.is_empty() && (flat || is_plain(name)) => {
                write!(text, "{}", Printable(name))
            }
            Step::Name(name) if is_plain(name) => write!(text, ".{name}"),
            Step::Name(name) => write!(text, "[{}]", Quoted(name)),
        };
        if text.len() > MAX_PATH {
            text.truncate(text.floor_char_boundary(MAX_PATH));
            text.push('…');
            break;
        }
    }
    text
}

fn is_plain(name: &str) -> bool {
    let is_first = |letter: char| letter.is_ascii_alphabetic() || letter == '_';
    name.starts_with(is_first)
        && name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-'))
}

/// A value as it may be shown.
pub(super) enum Shown {
    Value {
        value: Box<RawValue>,
        /// Whether something in it was hidden.
        masked: bool,
    },
    Hidden,
    /// Or nested too deep.
    TooLong,
}

/// Writes a text of JSON without its hidden parts, if it is not longer than `most` bytes.
pub(super) fn shown_text(text: &str, mask: &Mask, most: usize) -> Shown {
    match Tree::of(text) {
        Some(tree) => shown(tree.root(), mask, mask.root(), most),
        None if mask.root() == Spot::Hidden => Shown::Hidden,
        None => Shown::TooLong,
    }
}

/// Writes a value without its hidden parts, if it is not longer than `most` bytes.
pub(super) fn shown(value: Value<'_>, mask: &Mask, spot: Spot, most: usize) -> Shown {
    if spot == Spot::Hidden || mask.hides(value) {
        return Shown::Hidden;
    }
    if value.text().len() > most {
        return Shown::TooLong;
    }
    let Some((text, masked)) = masked_text(value, mask, spot) else {
        return Shown::TooLong;
    };
    // What was taken apart is JSON, and so is what it is put together to.
    RawValue::from_string(text).map_or(Shown::TooLong, |value| Shown::Value { value, masked })
}

/// An object or list that is being written.
struct Open<'t> {
    children: Children<'t>,
    is_object: bool,
    /// How many elements or members are written.
    written: usize,
    spot: Spot,
    naming: Siblings,
}

/// None if it is nested too deep.
fn masked_text(value: Value<'_>, mask: &Mask, spot: Spot) -> Option<(String, bool)> {
    let (mut text, mut masked) = (String::new(), false);
    let mut open = Vec::new();
    begin(value, spot, &mut text, &mut open);
    while let Some(level) = open.last_mut() {
        let Some((step, name, value)) = level.next() else {
            text.push(if level.is_object { '}' } else { ']' });
            open.pop();
            continue;
        };
        if level.written > 1 {
            text.push(',');
        }
        if let Some(name) = name {
            let is_secret = mask.hides_text(&unquoted(name));
            masked |= is_secret;
            text.push_str(if is_secret { HIDDEN } else { name });
            text.push(':');
        }
        let spot = mask.enter(level.spot, &step, &level.naming);
        if spot == Spot::Hidden || mask.hides(value) {
            masked = true;
            text.push_str(HIDDEN);
        } else {
            begin(value, spot, &mut text, &mut open);
            if open.len() > MAX_LEVELS {
                return None;
            }
        }
    }
    Some((text, masked))
}

/// Writes a scalar, or the beginning of an object or list.
fn begin<'t>(value: Value<'t>, spot: Spot, text: &mut String, open: &mut Vec<Open<'t>>) {
    let is_object = match value.kind() {
        JsonKind::Object => true,
        JsonKind::List => false,
        JsonKind::Text | JsonKind::Number | JsonKind::Word => {
            text.push_str(value.text());
            return;
        }
    };
    text.push(if is_object { '{' } else { '[' });
    open.push(Open {
        children: value.children(),
        is_object,
        written: 0,
        spot,
        naming: Siblings::of(value),
    });
}

impl<'t> Open<'t> {
    /// The step to what comes next, its name as it is written, and its value.
    fn next(&mut self) -> Option<(Step<'t>, Option<&'t str>, Value<'t>)> {
        let first = self.children.next()?;
        self.written += 1;
        if self.is_object {
            let value = self.children.next()?;
            return Some((
                Step::Name(unquoted(first.text())),
                Some(first.text()),
                value,
            ));
        }
        Some((Step::Index(self.written - 1), None, first))
    }
}
