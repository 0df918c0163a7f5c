//! How a report is written: never longer than its limit, and the rest is only counted.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::ControlFlow;

use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use super::address::{Index, Quoted, ResourceAddress};
use super::comparison::Diff;
use super::equality::same_text;
use super::instance::{Instance, Object, Output};
use super::json::{Step, Tree};
use super::masking::{Mask, Siblings, Spot};
use super::pairing::{Action, Change, differs, id, same_part, same_set};
use super::reading::Text;
use super::report::{DiffReport, ENTRY, MAX_REPORT, OutputChange, ResourceChange, ValueChange};
use super::values::{MAX_VALUE, differences, shown, shown_text, written};

impl Diff<'_> {
    /// Says how each instance and output changed; secrets in clear only if `reveal` says so.
    pub fn report(&self, reveal: bool) -> DiffReport {
        let mut writing = Writing {
            room: MAX_REPORT,
            reveal,
        };
        let mut report = DiffReport {
            counts: self.totals(),
            terraform_version: self.program(),
            ..DiffReport::default()
        };
        let outputs = self.report_outputs(&mut writing, &mut report.outputs);
        report.truncated |= outputs.is_break();
        for change in &self.changes {
            if writing.room == 0 {
                report.truncated = true;
                break;
            }
            let (then, now) = (change.then(&self.before), change.now(&self.after));
            let resource = writing.resource(change, then, now);
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
        let text = |version: &Option<Text<'_>>| to_raw_value(version.as_ref()?.0.as_ref()).ok();
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
        let (before, after) = (&self.before.outputs, &self.after.outputs);
        let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
        for name in names {
            let change = output(&name.0, before.get(name), after.get(name), writing.reveal);
            if let Some(change) = change {
                writing.spend(change.value.size())?;
                outputs.push(change);
            }
        }
        ControlFlow::Continue(())
    }
}

/// An instance as it was and as it is, as far as it is there.
type Both<'d, 'a> = (Option<&'d Instance<'a>>, Option<&'d Instance<'a>>);

/// How one instance changed, secrets hidden.
pub(super) fn change_alone(change: &Change, (then, now): Both<'_, '_>) -> ResourceChange {
    let mut writing = Writing {
        room: MAX_REPORT,
        reveal: false,
    };
    writing.resource(change, then, now)
}

/// The same, where each value of an instance that was added or removed is listed too.
pub(super) fn change_with_values(change: &Change, (then, now): Both<'_, '_>) -> ResourceChange {
    let mut writing = Writing {
        room: MAX_REPORT,
        reveal: false,
    };
    let mut resource = writing.resource(change, then, now);
    let listed = match (then, now) {
        (Some(then), None) => {
            let mask = Mask::of([then], false);
            writing.instance(&mut resource, then, &nothing_of(then), &mask)
        }
        (None, Some(now)) => {
            let mask = Mask::of([now], false);
            writing.instance(&mut resource, &nothing_of(now), now, &mask)
        }
        (Some(_), Some(_)) | (None, None) => ControlFlow::Continue(()),
    };
    resource.truncated |= listed.is_break();
    resource
}

/// An instance of which nothing is there.
fn nothing_of<'a>(instance: &Instance<'a>) -> Instance<'a> {
    Instance {
        address: instance.address.clone(),
        current: None,
        deposed: Vec::new(),
    }
}

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
        let previous = resource.previous_address.as_ref().map_or(0, String::len);
        let mut listed = self.spend(2 * ENTRY + resource.address.len() * 3 + previous);
        if let (ControlFlow::Continue(()), Some(then), Some(now)) = (listed, then, now) {
            listed = self.instance(&mut resource, then, now, &mask);
        }
        resource.truncated = listed.is_break();
        resource
    }

    /// Lists how an instance and its deposed objects changed.
    fn instance(
        &mut self,
        resource: &mut ResourceChange,
        then: &Instance<'_>,
        now: &Instance<'_>,
        mask: &Mask,
    ) -> ControlFlow<()> {
        let nothing = Object::default();
        let before = then.current.as_ref().unwrap_or(&nothing);
        let after = now.current.as_ref().unwrap_or(&nothing);
        let (meta, attributes) = (&mut resource.meta, &mut resource.attributes);
        self.section(meta, "", mask).meta(before, after)?;
        self.section(attributes, "", mask)
            .attributes(before, after)?;
        let (before, after) = (deposed_keys(then), deposed_keys(now));
        self.section(meta, "", &Mask::of([], true)).part(
            "deposed",
            before.as_deref(),
            after.as_deref(),
        )?;
        for (key, before) in &then.deposed {
            let after = now.deposed.iter().find(|(known, _)| known == key);
            if let Some((_, after)) = after
                && differs(before, after)
            {
                let within = format!("deposed[{}].", Quoted(key));
                let mut section = self.section(meta, &within, mask);
                section.meta(before, after)?;
                section.attributes(before, after)?;
            }
        }
        ControlFlow::Continue(())
    }

    fn section<'w>(
        &'w mut self,
        list: &'w mut Vec<ValueChange>,
        within: &'w str,
        mask: &'w Mask,
    ) -> Section<'w> {
        Section {
            writing: self,
            list,
            within,
            mask,
        }
    }
}

/// The changes of one object.
struct Section<'w> {
    writing: &'w mut Writing,
    list: &'w mut Vec<ValueChange>,
    /// The beginning of each path.
    within: &'w str,
    mask: &'w Mask,
}

impl Section<'_> {
    /// Lists how an object changed beside its attributes.
    fn meta(&mut self, then: &Object<'_>, now: &Object<'_>) -> ControlFlow<()> {
        let (before, after) = (then.meta.parts(), now.meta.parts());
        for ((name, before), (_, after)) in before.into_iter().zip(after) {
            self.part(name, before, after)?;
        }
        self.part("identity", then.identity, now.identity)?;
        let (before, after) = (then.dependencies, now.dependencies);
        if !same_set(before, after) {
            let path = format!("{}dependencies", self.within);
            self.note(ValueChange::of_texts(path, before, after, self.mask))?;
        }
        if !same_part(then.private.as_deref(), now.private.as_deref()) {
            // The provider's own, which nobody else can read, and which may hold anything.
            self.note(ValueChange::hidden(format!("{}private", self.within)))?;
        }
        for (name, before, after) in then.unknown.both(&now.unknown) {
            self.unknown(name, before, after)?;
        }
        ControlFlow::Continue(())
    }

    fn part(&mut self, name: &str, before: Option<&str>, after: Option<&str>) -> ControlFlow<()> {
        if same_part(before, after) {
            return ControlFlow::Continue(());
        }
        let path = format!("{}{name}", self.within);
        self.note(ValueChange::of_texts(path, before, after, self.mask))
    }

    /// A member that this program does not know may be secret.
    fn unknown(
        &mut self,
        name: &str,
        before: Option<&str>,
        after: Option<&str>,
    ) -> ControlFlow<()> {
        let name = written(&[Step::Name(name.into())], false, self.mask);
        if self.writing.reveal {
            return self.part(&name, before, after);
        }
        if same_part(before, after) {
            return ControlFlow::Continue(());
        }
        self.note(ValueChange::hidden(format!("{}{name}", self.within)))
    }

    fn attributes(&mut self, then: &Object<'_>, now: &Object<'_>) -> ControlFlow<()> {
        self.values(then.attributes, now.attributes, false)?;
        self.values(then.flat.as_deref(), now.flat.as_deref(), true)
    }

    /// Lists how the values of an object changed, `flat` ones by their names as they are.
    fn values(&mut self, before: Option<&str>, after: Option<&str>, flat: bool) -> ControlFlow<()> {
        let (before, after) = (before.unwrap_or("{}"), after.unwrap_or("{}"));
        if before == after {
            return ControlFlow::Continue(());
        }
        let (Some(one), Some(other)) = (Tree::of(before), Tree::of(after)) else {
            return self.note(ValueChange::too_long(self.within.to_owned()));
        };
        let mask = self.mask;
        differences(one.root(), other.root(), mask, &mut |difference| {
            let show = |value: Option<_>| {
                value.map(|value| shown(value, mask, difference.spot, MAX_VALUE))
            };
            let path = format!("{}{}", self.within, written(difference.path, flat, mask));
            let (before, after) = (show(difference.before), show(difference.after));
            self.note(ValueChange::of(path, before, after))
        })
    }

    fn note(&mut self, change: ValueChange) -> ControlFlow<()> {
        self.writing.spend(change.size())?;
        self.list.push(change);
        ControlFlow::Continue(())
    }
}

/// How an output changed; `None` if it did not.
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
        (Some(before), Some(after)) if same_output(before, after) => return None,
        (Some(_), Some(_)) => Action::Changed,
    };
    let is_sensitive = |output: Option<&Output<'_>>| output.map(|output| output.sensitive);
    let (then, now) = (is_sensitive(before), is_sensitive(after));
    let mask = Mask::of_output(name, then == Some(true) || now == Some(true), reveal);
    let shown = |output: Option<&Output<'_>>| {
        let raw = output?.value?;
        Some(shown_text(raw.get(), &mask, MAX_VALUE))
    };
    Some(OutputChange {
        action,
        value: ValueChange::of(name.to_owned(), shown(before), shown(after)),
        was_sensitive: then.filter(|then| now.is_some_and(|now| now != *then)),
    })
}

fn same_output(before: &Output<'_>, after: &Output<'_>) -> bool {
    same_value(before.value, after.value)
        && same_value(before.kind, after.kind)
        && before.sensitive == after.sensitive
}

fn same_value(before: Option<&RawValue>, after: Option<&RawValue>) -> bool {
    same_text(
        before.map_or("null", RawValue::get),
        after.map_or("null", RawValue::get),
    )
}

/// What is said of an instance in every change.
fn head(
    action: Action,
    then: Option<&Instance<'_>>,
    now: Option<&Instance<'_>>,
    mask: &Mask,
) -> ResourceChange {
    let unknown = ResourceAddress::default();
    let latest = now.or(then);
    let address = latest.map_or(&unknown, |instance| &instance.address);
    let is_there = |text: &str| (!text.is_empty()).then(|| text.to_owned());
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
        index_key: index_key(&address.index),
        deposed: latest
            .filter(|only| only.current.is_none())
            .and_then(|only| Some(only.deposed.first()?.0.to_string())),
        id: latest.and_then(|instance| shown_id(instance, mask)),
        attributes: Vec::new(),
        meta: Vec::new(),
        truncated: false,
    }
}

/// The provider's id of an instance; none if it has none or it is hidden.
pub(super) fn shown_id(instance: &Instance<'_>, mask: &Mask) -> Option<String> {
    let step = Step::Name("id".into());
    if mask.enter(mask.root(), &step, &Siblings::default()) == Spot::Hidden {
        return None;
    }
    id(instance)
        .filter(|id| !mask.hides_text(id))
        .map(Cow::into_owned)
}

/// The key of an instance as JSON; none if there is but one instance.
pub(super) fn index_key(index: &Index<'_>) -> Option<Value> {
    match index {
        Index::None => None,
        Index::Number(number) => Some((*number).into()),
        Index::Text(text) => Some(text.as_ref().into()),
        Index::Odd(raw) => Some((*raw).into()),
    }
}

/// The keys of an instance's deposed objects, as JSON.
fn deposed_keys(instance: &Instance<'_>) -> Option<String> {
    let deposed = &instance.deposed;
    let keys: Vec<&str> = deposed.iter().map(|(key, _)| key.as_ref()).collect();
    (!keys.is_empty()).then(|| Value::from(keys).to_string())
}
