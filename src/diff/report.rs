//! The answer: what changed, value by value, without what is secret, and never longer than a limit.

use std::ops::ControlFlow;

use serde::Serialize;
use serde_json::value::RawValue;

use super::Diff;
use super::address::{Address, Index, Quoted};
use super::json::{Step, Tree, same_text};
use super::masking::{Mask, Spot};
use super::pairing::{Action, Change, differs, id, same_part, same_set};
use super::state::{Instance, Object, Output};
use super::values::{MAX_VALUE, Shown, differences, shown, shown_text, written};

/// Once what is listed takes so many bytes, the rest is left out and only counted.
pub const MAX_REPORT: usize = 4 * 1024 * 1024;
/// What an entry takes beside its texts.
const ENTRY: usize = 160;

/// How many instances are not as they were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Added ones.
    pub added: u64,
    /// Changed ones, and moved ones.
    pub changed: u64,
    /// Removed ones.
    pub removed: u64,
    /// Moved ones.
    pub moved: u64,
}

/// What changed from one state to another.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// How much, always whole.
    pub counts: Totals,
    /// The program version that wrote the states, where it is not the same.
    pub terraform_version: Option<ValueChange>,
    /// Outputs that are not as they were, by name.
    pub outputs: Vec<OutputChange>,
    /// Instances that are not as they were, by address.
    pub resources: Vec<ResourceChange>,
    /// Whether something was left out because the answer would be too long.
    pub truncated: bool,
}

/// An instance that is not as it was.
#[derive(Debug, Serialize)]
pub struct ResourceChange {
    /// What happened to it.
    pub action: Action,
    /// Its address as Terraform prints it.
    pub address: String,
    /// Where it was, if it moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_address: Option<String>,
    /// The module's address; none for the root module.
    pub module: Option<String>,
    /// `managed` or `data`.
    pub mode: String,
    /// The resource's type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The resource's name.
    pub name: String,
    /// A number, a text, or none.
    pub index_key: Option<serde_json::Value>,
    /// The key of its deposed object, where nothing else of the instance is or was there.
    pub deposed: Option<String>,
    /// The provider's id; none where there is none or it is hidden.
    pub id: Option<String>,
    /// Attributes that are not as they were.
    pub attributes: Vec<ValueChange>,
    /// The same of what a state says beside them: `provider`, `schema_version`, `status`,
    /// `dependencies` and the like, and of deposed objects.
    pub meta: Vec<ValueChange>,
    /// Whether attributes were left out because the answer would be too long.
    #[serde(skip_serializing_if = "is_false")]
    pub truncated: bool,
}

/// A value that is not as it was.
#[derive(Debug, Default, Serialize)]
pub struct ValueChange {
    /// Where it is.
    pub path: String,
    /// As it was; left out where there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Box<RawValue>>,
    /// As it is; left out where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Box<RawValue>>,
    /// Whether the values are secret, and so left out.
    #[serde(skip_serializing_if = "is_false")]
    pub hidden: bool,
    /// Whether something inside the values is secret, and so masked.
    #[serde(skip_serializing_if = "is_false")]
    pub hidden_inside: bool,
    /// Whether the values are too long or nested too deep, and so left out.
    #[serde(skip_serializing_if = "is_false")]
    pub too_long: bool,
}

/// An output that is not as it was.
#[derive(Debug, Serialize)]
pub struct OutputChange {
    /// What happened to it; outputs do not move.
    pub action: Action,
    /// Its value; `path` is its name.
    #[serde(flatten)]
    pub value: ValueChange,
    /// Whether it was sensitive before, if that changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was_sensitive: Option<bool>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over references"
)]
fn is_false(value: &bool) -> bool {
    !value
}

impl ValueChange {
    /// A change of which nothing is shown.
    fn hidden(path: String) -> Self {
        Self {
            path,
            hidden: true,
            ..Self::default()
        }
    }

    fn take(&mut self, shown: Option<Shown>) -> Option<Box<RawValue>> {
        match shown? {
            Shown::Value { value, masked } => {
                self.hidden_inside |= masked;
                return Some(value);
            }
            Shown::Hidden => self.hidden = true,
            Shown::TooLong => self.too_long = true,
        }
        None
    }

    /// A change of which as much is shown as may be.
    fn of(path: String, before: Option<Shown>, after: Option<Shown>) -> Self {
        let mut change = Self {
            path,
            ..Self::default()
        };
        let (before, after) = (change.take(before), change.take(after));
        if !change.hidden && !change.too_long {
            (change.before, change.after) = (before, after);
        }
        change
    }

    /// A change of two texts of JSON.
    pub(super) fn of_texts(
        path: String,
        before: Option<&str>,
        after: Option<&str>,
        mask: &Mask,
    ) -> Self {
        let shown = |text: Option<&str>| text.map(|text| shown_text(text, mask, MAX_VALUE));
        Self::of(path, shown(before), shown(after))
    }

    fn size(&self) -> usize {
        let of =
            |value: &Option<Box<RawValue>>| value.as_ref().map_or(0, |value| value.get().len());
        ENTRY + self.path.len() + of(&self.before) + of(&self.after)
    }
}

impl Diff<'_> {
    pub(super) fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for change in &self.changes {
            match change.action {
                Action::Added => totals.added += 1,
                Action::Removed => totals.removed += 1,
                Action::Changed => totals.changed += 1,
                Action::Moved => {
                    totals.changed += 1;
                    totals.moved += 1;
                }
            }
        }
        totals
    }

    /// Says how each instance and output changed; secrets in clear only if `reveal` says so.
    pub fn report(&self, reveal: bool) -> Report {
        let mut writing = Writing {
            room: MAX_REPORT,
            reveal,
        };
        let mut report = Report {
            counts: self.totals(),
            terraform_version: self.program(),
            ..Report::default()
        };
        report.truncated |= self
            .report_outputs(&mut writing, &mut report.outputs)
            .is_break();
        for change in &self.changes {
            if writing.room == 0 {
                report.truncated = true;
                break;
            }
            let resource = writing.resource(change, change.then(self), change.now(self));
            report.truncated |= resource.truncated;
            report.resources.push(resource);
        }
        report
    }

    fn program(&self) -> Option<ValueChange> {
        let (before, after) = (
            &self.before.terraform_version,
            &self.after.terraform_version,
        );
        let text = |version: &Option<super::reading::Text<'_>>| {
            serde_json::value::to_raw_value(version.as_ref()?.0.as_ref()).ok()
        };
        let change = || ValueChange {
            path: "terraform_version".to_owned(),
            before: text(before),
            after: text(after),
            ..ValueChange::default()
        };
        (before != after).then(change)
    }

    fn report_outputs(
        &self,
        writing: &mut Writing,
        outputs: &mut Vec<OutputChange>,
    ) -> ControlFlow<()> {
        let names: std::collections::BTreeSet<_> = self
            .before
            .outputs
            .keys()
            .chain(self.after.outputs.keys())
            .collect();
        for name in names {
            if let Some(change) = output(
                &name.0,
                self.before.outputs.get(name),
                self.after.outputs.get(name),
                writing.reveal,
            ) {
                writing.spend(change.value.size())?;
                outputs.push(change);
            }
        }
        ControlFlow::Continue(())
    }
}

fn output(
    name: &str,
    before: Option<&Output<'_>>,
    after: Option<&Output<'_>>,
    reveal: bool,
) -> Option<OutputChange> {
    let action = match (before, after) {
        (None, None) => return None,
        (None, Some(_)) => Action::Added,
        (Some(_), None) => Action::Removed,
        (Some(before), Some(after)) => {
            let is_same = same_value(before.value, after.value)
                && same_value(before.kind, after.kind)
                && before.sensitive == after.sensitive;
            if is_same {
                return None;
            }
            Action::Changed
        }
    };
    let is_sensitive = |output: Option<&Output<'_>>| output.map(|output| output.sensitive);
    let sensitive =
        is_sensitive(before).unwrap_or_default() || is_sensitive(after).unwrap_or_default();
    let mask = Mask::of_output(name, sensitive, reveal);
    let shown = |output: Option<&Output<'_>>| {
        output
            .and_then(|output| output.value)
            .map(|raw| shown_text(raw.get(), &mask, MAX_VALUE))
    };
    let value = ValueChange::of(name.to_owned(), shown(before), shown(after));
    let was_sensitive = is_sensitive(before)
        .zip(is_sensitive(after))
        .and_then(|(then, now)| (then != now).then_some(then));
    Some(OutputChange {
        action,
        value,
        was_sensitive,
    })
}

fn same_value(before: Option<&RawValue>, after: Option<&RawValue>) -> bool {
    same_text(
        before.map_or("null", RawValue::get),
        after.map_or("null", RawValue::get),
    )
}

/// An object as it was and as it is.
type Both<'o> = (&'o Object<'o>, &'o Object<'o>);

/// A report that is being written.
struct Writing {
    /// How many bytes it may still take.
    room: usize,
    reveal: bool,
}

impl Writing {
    fn spend(&mut self, bytes: usize) -> ControlFlow<()> {
        let rest = self.room.checked_sub(bytes);
        self.room = rest.unwrap_or(0);
        if rest.is_some() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    }

    fn resource(
        &mut self,
        change: &Change,
        then: Option<&Instance<'_>>,
        now: Option<&Instance<'_>>,
    ) -> ResourceChange {
        let mask = Mask::of(then.into_iter().chain(now), self.reveal);
        let mut resource = head(change.action, then, now, &mask);
        let names =
            resource.address.len() * 3 + resource.previous_address.as_ref().map_or(0, String::len);
        let mut listed = self.spend(2 * ENTRY + names);
        if let (ControlFlow::Continue(()), Some(then), Some(now)) = (listed, then, now) {
            listed = self.instance(&mut resource, then, now, &mask);
        }
        resource.truncated = listed.is_break();
        resource
    }

    /// What is not as it was of an instance, and of what is deposed of it.
    fn instance(
        &mut self,
        resource: &mut ResourceChange,
        then: &Instance<'_>,
        now: &Instance<'_>,
        mask: &Mask,
    ) -> ControlFlow<()> {
        let nothing = (Object::default(), Object::default());
        let (before, after) = (
            then.current.as_ref().unwrap_or(&nothing.0),
            now.current.as_ref().unwrap_or(&nothing.1),
        );
        self.meta(&mut resource.meta, "", (before, after), mask)?;
        self.attributes(&mut resource.attributes, "", (before, after), mask)?;
        let keys = |instance: &Instance<'_>| {
            let keys: Vec<&str> = instance
                .deposed
                .iter()
                .map(|(key, _)| key.as_ref())
                .collect();
            (!keys.is_empty()).then(|| serde_json::Value::from(keys).to_string())
        };
        let (before, after) = (keys(then), keys(now));
        if before != after {
            self.note(
                &mut resource.meta,
                ValueChange::of_texts(
                    "deposed".to_owned(),
                    before.as_deref(),
                    after.as_deref(),
                    &Mask::of([], true),
                ),
            )?;
        }
        for (key, before) in &then.deposed {
            let Some((_, after)) = now.deposed.iter().find(|(known, _)| known == key) else {
                continue;
            };
            if differs(before, after) {
                let within = format!("deposed[{}].", Quoted(key));
                self.meta(&mut resource.meta, &within, (before, after), mask)?;
                self.attributes(&mut resource.meta, &within, (before, after), mask)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// What is not as it was beside attributes.
    fn meta(
        &mut self,
        list: &mut Vec<ValueChange>,
        within: &str,
        (then, now): Both<'_>,
        mask: &Mask,
    ) -> ControlFlow<()> {
        let parts = then
            .meta
            .parts()
            .into_iter()
            .zip(now.meta.parts())
            .map(|((name, before), (_, after))| (name, before, after));
        for (name, before, after) in parts.chain([("identity", then.identity, now.identity)]) {
            if !same_part(before, after) {
                self.note(
                    list,
                    ValueChange::of_texts(format!("{within}{name}"), before, after, mask),
                )?;
            }
        }
        if !same_set(then.dependencies, now.dependencies) {
            self.note(
                list,
                ValueChange::of_texts(
                    format!("{within}dependencies"),
                    then.dependencies,
                    now.dependencies,
                    mask,
                ),
            )?;
        }
        if !same_part(then.private.as_deref(), now.private.as_deref()) {
            // The provider's own, which nobody else can read, and which may hold anything.
            self.note(list, ValueChange::hidden(format!("{within}private")))?;
        }
        for (name, before, after) in then.unknown.both(&now.unknown) {
            if same_part(before, after) {
                continue;
            }
            let path = format!("{within}{}", written(&[Step::Name(name.into())], false));
            // Nobody knows what it is.
            let change = if self.reveal {
                ValueChange::of_texts(path, before, after, mask)
            } else {
                ValueChange::hidden(path)
            };
            self.note(list, change)?;
        }
        ControlFlow::Continue(())
    }

    fn attributes(
        &mut self,
        list: &mut Vec<ValueChange>,
        within: &str,
        (then, now): Both<'_>,
        mask: &Mask,
    ) -> ControlFlow<()> {
        self.values(
            list,
            (within, false),
            (then.attributes, now.attributes),
            mask,
        )?;
        self.values(
            list,
            (within, true),
            (then.flat.as_deref(), now.flat.as_deref()),
            mask,
        )
    }

    fn values(
        &mut self,
        list: &mut Vec<ValueChange>,
        (within, flat): (&str, bool),
        (before, after): (Option<&str>, Option<&str>),
        mask: &Mask,
    ) -> ControlFlow<()> {
        let (before, after) = (before.unwrap_or("{}"), after.unwrap_or("{}"));
        if before == after {
            return ControlFlow::Continue(());
        }
        let (Some(one), Some(other)) = (Tree::of(before), Tree::of(after)) else {
            return self.note(
                list,
                ValueChange {
                    path: within.to_owned(),
                    too_long: true,
                    ..ValueChange::default()
                },
            );
        };
        differences(one.root(), other.root(), mask, &mut |difference| {
            let show = |value: Option<_>| {
                value.map(|value| shown(value, mask, difference.spot, MAX_VALUE))
            };
            let path = format!("{within}{}", written(difference.path, flat));
            self.note(
                list,
                ValueChange::of(path, show(difference.before), show(difference.after)),
            )
        })
    }

    fn note(&mut self, list: &mut Vec<ValueChange>, change: ValueChange) -> ControlFlow<()> {
        self.spend(change.size())?;
        list.push(change);
        ControlFlow::Continue(())
    }
}

/// What is said of an instance whatever happened to it.
fn head(
    action: Action,
    then: Option<&Instance<'_>>,
    now: Option<&Instance<'_>>,
    mask: &Mask,
) -> ResourceChange {
    let unknown = Address::default();
    let address = now.or(then).map_or(&unknown, |instance| &instance.address);
    let is_there = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let hides_id = mask.enter(mask.root(), &Step::Name("id".into()), false) == Spot::Hidden;
    ResourceChange {
        action,
        address: address.to_string(),
        previous_address: then
            .filter(|_| action == Action::Moved)
            .map(|instance| instance.address.to_string()),
        module: is_there(&address.module),
        mode: address.mode.to_string(),
        kind: address.kind.to_string(),
        name: address.name.to_string(),
        index_key: match &address.index {
            Index::None => None,
            Index::Number(number) => Some((*number).into()),
            Index::Text(text) => Some(text.as_ref().into()),
            Index::Odd(raw) => Some((*raw).into()),
        },
        deposed: now
            .or(then)
            .filter(|only| only.current.is_none())
            .and_then(|only| Some(only.deposed.first()?.0.to_string())),
        id: now
            .or(then)
            .filter(|_| !hides_id)
            .and_then(id)
            .map(std::borrow::Cow::into_owned),
        attributes: Vec::new(),
        meta: Vec::new(),
        truncated: false,
    }
}
