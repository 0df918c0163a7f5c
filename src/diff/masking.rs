//! Hides values that the state marks as sensitive, values that a name gives away (`names`), and
//! values that are secret by their shape (`shapes`). In doubt everything is hidden.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::instance::Instance;
use super::json::{JsonKind, Step, Value};
use super::names;
use super::shapes;
use super::text::unquoted;

/// Stands for a value that is hidden inside one that is shown.
pub(super) const HIDDEN: &str = "\"(hidden)\"";

/// One step of a path to a sensitive attribute, as a state writes it.
#[derive(Deserialize)]
struct MarkStep<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    value: &'a RawValue,
}

/// The key of an element, as a state writes it.
#[derive(Deserialize)]
struct MarkIndex<'a> {
    #[serde(borrow)]
    value: &'a RawValue,
}

impl MarkStep<'_> {
    /// Where it leads; none where that cannot be told, as into an element of a set.
    fn step(&self) -> Option<Step<'static>> {
        match self.kind.as_ref() {
            "get_attr" => serde_json::from_str(self.value.get())
                .ok()
                .map(|name: String| Step::Name(Cow::Owned(name))),
            "index" => {
                let written: MarkIndex<'_> = serde_json::from_str(self.value.get()).ok()?;
                let name = serde_json::from_str(written.value.get())
                    .ok()
                    .map(|name: String| Step::Name(Cow::Owned(name)));
                name.or_else(|| {
                    serde_json::from_str(written.value.get())
                        .ok()
                        .map(Step::Index)
                })
            }
            _ => None,
        }
    }
}

/// The paths that are marked, as a tree.
#[derive(Default)]
struct Marks {
    nodes: Vec<MarkNode>,
}

#[derive(Default)]
struct MarkNode {
    hidden: bool,
    names: HashMap<String, usize>,
    items: HashMap<usize, usize>,
}

impl Marks {
    fn add(&mut self, text: Option<&str>) {
        let Some(text) = text else { return };
        if let Ok(paths) = serde_json::from_str::<Vec<Vec<MarkStep<'_>>>>(text) {
            for path in &paths {
                self.add_path(path);
            }
        } else if let Ok(path) = serde_json::from_str::<Vec<MarkStep<'_>>>(text) {
            self.add_path(&path);
        } else {
            self.add_path(&[]);
        }
    }

    fn add_path(&mut self, path: &[MarkStep<'_>]) {
        let mut at = self.root();
        for step in path {
            let Some(step) = step.step() else { break };
            at = self.child(at, step);
        }
        self.nodes[at].hidden = true;
    }

    fn root(&mut self) -> usize {
        if self.nodes.is_empty() {
            self.nodes.push(MarkNode::default());
        }
        0
    }

    fn child(&mut self, at: usize, step: Step<'_>) -> usize {
        let next = self.nodes.len();
        let child = match step {
            Step::Name(name) => *self.nodes[at]
                .names
                .entry(name.into_owned())
                .or_insert(next),
            Step::Index(index) => *self.nodes[at].items.entry(index).or_insert(next),
        };
        if child == next {
            self.nodes.push(MarkNode::default());
        }
        child
    }

    fn find(&self, at: usize, step: &Step<'_>) -> Option<usize> {
        let node = self.nodes.get(at)?;
        match step {
            Step::Name(name) => node.names.get(name.as_ref()).copied(),
            Step::Index(index) => node.items.get(index).copied(),
        }
    }

    /// What is one step further in.
    fn children(&self, at: usize) -> impl Iterator<Item = (Step<'_>, usize)> {
        let node = self.nodes.get(at);
        let names = node.into_iter().flat_map(|node| &node.names);
        let items = node.into_iter().flat_map(|node| &node.items);
        let names = names.map(|(name, at)| (Step::Name(Cow::Borrowed(name.as_str())), *at));
        names.chain(items.map(|(index, at)| (Step::Index(*index), *at)))
    }

    fn is_hidden(&self, at: usize) -> bool {
        self.nodes.get(at).is_some_and(|node| node.hidden)
    }
}

/// A place in a value, as far as hiding is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spot {
    /// The attributes themselves, or an output's value.
    Root,
    /// Inside, with the place among the marks if there is one.
    Inside(Option<usize>),
    /// Hidden with all that is in it.
    Hidden,
}

/// What is hidden of an instance or an output.
pub(super) struct Mask {
    marks: Marks,
    kind: String,
    reveal: bool,
}

impl Mask {
    /// Of an instance: what any of its objects marks, as it was or as it is.
    pub(super) fn of<'a>(
        instances: impl IntoIterator<Item = &'a Instance<'a>>,
        reveal: bool,
    ) -> Self {
        let mut mask = Self {
            marks: Marks::default(),
            kind: String::new(),
            reveal,
        };
        for instance in instances {
            mask.kind = instance.address.kind.to_string();
            instance
                .objects()
                .for_each(|object| mask.marks.add(object.marks));
        }
        mask
    }

    /// Of an output that is sensitive or not.
    pub(super) fn of_output(name: &str, sensitive: bool, reveal: bool) -> Self {
        let mut mask = Self {
            marks: Marks::default(),
            kind: String::new(),
            reveal,
        };
        if sensitive || names::give_away(name) {
            mask.marks.add_path(&[]);
        }
        mask
    }

    /// The marked paths one step behind a place among the marks, where 0 is the beginning.
    pub(super) fn marks_behind(&self, at: usize) -> impl Iterator<Item = (Step<'_>, usize)> {
        self.marks.children(at)
    }

    /// Where everything begins.
    pub(super) fn root(&self) -> Spot {
        if !self.reveal && self.marks.is_hidden(0) {
            Spot::Hidden
        } else {
            Spot::Root
        }
    }

    /// One step further in, from a value in which something may be named.
    pub(super) fn enter(&self, spot: Spot, step: &Step<'_>, naming: &Siblings) -> Spot {
        if self.reveal {
            return Spot::Inside(None);
        }
        let at = match spot {
            Spot::Hidden => return Spot::Hidden,
            Spot::Root => Some(0),
            Spot::Inside(at) => at,
        };
        let is_resource = spot == Spot::Root && !self.kind.is_empty();
        let is_named = match step {
            Step::Name(name) => {
                names::give_away(name)
                    || is_resource && names::is_content_of_secret(&self.kind, name)
            }
            Step::Index(_) => false,
        };
        if is_named || naming.covers(step, is_resource) {
            return Spot::Hidden;
        }
        let next = at.and_then(|at| self.marks.find(at, step));
        if next.is_some_and(|next| self.marks.is_hidden(next)) {
            Spot::Hidden
        } else {
            Spot::Inside(next)
        }
    }

    /// Whether a value gives itself away.
    pub(super) fn hides(&self, value: Value<'_>) -> bool {
        value.kind() == JsonKind::Text && self.hides_text(&unquoted(value.text()))
    }

    /// Whether a text gives itself away, also as the name of a member.
    pub(super) fn hides_text(&self, text: &str) -> bool {
        !self.reveal && shapes::is_secret(text)
    }
}

/// What one part of an object or a list says of the others in it: a name, what its siblings are
/// about; a flag, what the next argument is.
#[derive(Default)]
pub(super) struct Siblings {
    members: bool,
    items: BTreeSet<usize>,
}

impl Siblings {
    /// Of a value.
    pub(super) fn of(value: Value<'_>) -> Self {
        let mut naming = Self::default();
        match value.kind() {
            JsonKind::Object => naming.members = shapes::has_naming(value),
            JsonKind::List => naming.items.extend(shapes::flags(value)),
            JsonKind::Text | JsonKind::Number | JsonKind::Word => {}
        }
        naming
    }

    /// Of a value as it was and as it is.
    pub(super) fn of_both(before: Value<'_>, after: Value<'_>) -> Self {
        let (mut naming, after) = (Self::of(before), Self::of(after));
        naming.members |= after.members;
        naming.items.extend(after.items);
        naming
    }

    /// Whether it says of this step that it leads to a secret. The attributes of a resource are
    /// more than one name and its value, so that only what holds a value counts among them.
    fn covers(&self, step: &Step<'_>, is_resource: bool) -> bool {
        match step {
            Step::Index(at) => self.items.contains(at),
            Step::Name(name) if is_resource => self.members && names::is_named(name),
            Step::Name(name) => self.members && !names::is_naming(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(marks: &str) -> Mask {
        let mut mask = Mask {
            marks: Marks::default(),
            kind: "aws_x".to_owned(),
            reveal: false,
        };
        mask.marks.add(Some(marks));
        mask
    }

    fn hides(mask: &Mask, path: &[Step<'_>]) -> bool {
        path.iter().fold(mask.root(), |spot, step| {
            mask.enter(spot, step, &Siblings::default())
        }) == Spot::Hidden
    }

    fn name(text: &str) -> Step<'_> {
        Step::Name(Cow::Borrowed(text))
    }

    #[test]
    fn hides_what_the_state_marks() {
        let marks = r#"[
            [{"type":"get_attr","value":"a"},
             {"type":"index","value":{"value":1,"type":"number"}},
             {"type":"get_attr","value":"b"}],
            [{"type":"get_attr","value":"m"},
             {"type":"index","value":{"value":"k","type":"string"}}]
        ]"#;
        let mask = mask(marks);
        assert!(hides(&mask, &[name("a"), Step::Index(1), name("b")]));
        assert!(hides(
            &mask,
            &[name("a"), Step::Index(1), name("b"), name("below")]
        ));
        assert!(!hides(&mask, &[name("a"), Step::Index(0), name("b")]));
        assert!(!hides(&mask, &[name("a")]));
        assert!(hides(&mask, &[name("m"), name("k")]));
        assert!(!hides(&mask, &[name("m"), name("l")]));
        assert!(
            hides(&mask, &[name("l"), name("db_password")]),
            "its name gives it away"
        );
    }

    #[test]
    fn takes_the_other_form_and_hides_too_much_where_it_cannot_tell() {
        let one_path = r#"[{"type":"get_attr","value":"a"},{"type":"get_attr","value":"b"}]"#;
        assert!(hides(&mask(one_path), &[name("a"), name("b")]));
        assert!(!hides(&mask(one_path), &[name("b")]));
        let in_a_set = r#"[
            [{"type":"get_attr","value":"a"},
             {"type":"index","value":{"value":{"x":1},"type":["object",{"x":"number"}]}}]
        ]"#;
        assert!(hides(&mask(in_a_set), &[name("a")]));
        for odd in [r#"{"a":true}"#, "7", "[7]", r#"[[{"kind":"x"}]]"#] {
            assert!(hides(&mask(odd), &[name("anything")]), "{odd}");
        }
        assert!(!hides(&mask("[]"), &[name("anything")]));
    }
}
