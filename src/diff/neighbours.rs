//! What a resource depends on, and what needs it, from the lists of dependencies in a state.
//!
//! A state names a dependency without the keys of instances: `module.a.aws_x.y` stands for each
//! instance of that resource in each instance of that module.

use std::collections::BTreeSet;

use super::address::ResourceAddress;
use super::instance::Instance;
use super::reading::Text;
use super::state::StateTree;

/// At most so many addresses stand in a list of neighbours.
pub const MAX_NEIGHBOURS: usize = 1_000;

/// The neighbours of an instance, by address.
#[derive(Default)]
pub(super) struct Neighbours {
    /// The instances that it depends on. A resource without an instance stands as the state names
    /// it.
    pub(super) depends_on: Vec<String>,
    /// The instances that depend on it.
    pub(super) needed_by: Vec<String>,
    /// Whether one of both lists was longer.
    pub(super) is_cut: bool,
}

impl Neighbours {
    /// Of one instance in its state.
    pub(super) fn of(instance: &Instance<'_>, state: &StateTree<'_>) -> Self {
        let own = resource_of(&instance.address);
        let mut open = dependencies(instance);
        open.remove(&own);
        let mut found = Self::default();
        let mut met = BTreeSet::new();
        for other in &state.instances {
            let resource = resource_of(&other.address);
            if open.contains(&resource) {
                found.is_cut |= push(&mut found.depends_on, || other.address.to_string());
                met.insert(resource);
            } else if resource != own && dependencies(other).contains(&own) {
                found.is_cut |= push(&mut found.needed_by, || other.address.to_string());
            }
        }
        for missing in open.difference(&met) {
            found.is_cut |= push(&mut found.depends_on, || missing.clone());
        }
        found
    }
}

/// Adds an address if there is room; says whether there is none.
fn push(list: &mut Vec<String>, address: impl FnOnce() -> String) -> bool {
    let is_full = list.len() >= MAX_NEIGHBOURS;
    if !is_full {
        list.push(address());
    }
    is_full
}

/// The dependencies of all objects of an instance, as the state names them.
fn dependencies(instance: &Instance<'_>) -> BTreeSet<String> {
    instance
        .objects()
        .filter_map(|object| object.dependencies)
        .filter_map(|text| serde_json::from_str::<Vec<Text<'_>>>(text).ok())
        .flatten()
        .map(|name| name.0.into_owned())
        .collect()
}

/// The address of an instance's resource, without the keys of instances.
fn resource_of(address: &ResourceAddress<'_>) -> String {
    let mut text = without_keys(&address.module);
    if !text.is_empty() {
        text.push('.');
    }
    if address.mode != "managed" {
        text.push_str(&address.mode);
        text.push('.');
    }
    text.push_str(&address.kind);
    text.push('.');
    text.push_str(&address.name);
    text
}

/// The address of a module without what stands in brackets. A key may have brackets itself.
fn without_keys(module: &str) -> String {
    let (mut text, mut is_key, mut is_quoted) = (String::new(), false, false);
    let mut rest = module.chars();
    while let Some(letter) = rest.next() {
        match letter {
            '\\' if is_quoted => {
                rest.next();
            }
            '"' if is_key => is_quoted = !is_quoted,
            '[' if !is_quoted => is_key = true,
            ']' if !is_quoted => is_key = false,
            other if !is_key => text.push(other),
            _ => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_modules_are_left_away_whatever_stands_in_them() {
        for (module, bare) in [
            ("", ""),
            ("module.a", "module.a"),
            ("module.a[0].module.b", "module.a.module.b"),
            (
                r#"module.a["x]\".module.c"].module.b["y"]"#,
                "module.a.module.b",
            ),
        ] {
            assert_eq!(without_keys(module), bare, "{module}");
        }
    }
}
