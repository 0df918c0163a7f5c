//! How one instance, or one attribute of it, changed from one state to another.

use super::comparison::Diff;
use super::instance::Instance;
use super::report::{ResourceChange, ValueChange};
use super::reporting::{change_alone, change_with_values};

impl Diff<'_> {
    /// How the instance of an address changed, secrets hidden. None if it did not, or if the
    /// attribute that is asked for did not. Of an instance that moved, both addresses are its own.
    pub fn change_of(&self, address: &str, attribute: Option<&str>) -> Option<ResourceChange> {
        let is_it = |instance: Option<&Instance<'_>>| {
            instance.is_some_and(|instance| instance.address.to_string() == address)
        };
        let mut changes = self.changes.iter();
        let came = changes
            .clone()
            .find(|change| is_it(change.now(&self.after)));
        let change = came.or_else(|| changes.find(|change| is_it(change.then(&self.before))))?;
        let both = (change.then(&self.before), change.now(&self.after));
        let Some(attribute) = attribute else {
            return Some(change_alone(change, both));
        };
        let mut whole = change_with_values(change, both);
        let concerns = |value: &ValueChange| is_related(&value.path, attribute);
        whole.attributes.retain(concerns);
        whole.meta.retain(concerns);
        let is_touched = !whole.attributes.is_empty() || !whole.meta.is_empty();
        (is_touched || whole.truncated || whole.previous_address.is_some()).then_some(whole)
    }
}

/// Whether one path is the other, or leads to it.
fn is_related(path: &str, attribute: &str) -> bool {
    let leads = |outer: &str, inner: &str| {
        inner
            .strip_prefix(outer)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    leads(path, attribute) || leads(attribute, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_concerns_what_is_inside_it_and_what_it_is_inside_of() {
        for (path, attribute, is) in [
            ("tags", "tags", true),
            ("tags.Name", "tags", true),
            ("tags", "tags.Name", true),
            ("tags[\"a b\"]", "tags", true),
            ("tags_all", "tags", false),
            ("tags.Name", "tags.Nam", false),
        ] {
            assert_eq!(is_related(path, attribute), is, "{path} {attribute}");
        }
    }
}
