//! Properties that hold for any two states.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::diff::state::StateTree;

/// The instances of a resource.
fn any_instances() -> impl Strategy<Value = Vec<Value>> {
    let leaf = prop_oneof![
        Just(json!(null)),
        (0..3_u8).prop_map(Value::from),
        "[ab]{0,2}".prop_map(Value::from)
    ];
    let value = leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[ab]", inner, 0..3).prop_map(|map| json!(map)),
        ]
    });
    let index = prop_oneof![
        Just(json!(null)),
        (0..2_u8).prop_map(Value::from),
        "[01]".prop_map(Value::from)
    ];
    let attributes =
        (value, prop::option::of("i-[0-3]")).prop_map(|(value, id)| json!({"v": value, "id": id}));
    let instance = (index, attributes).prop_map(
        |(index_key, attributes)| json!({"index_key": index_key, "attributes": attributes}),
    );
    prop::collection::vec(instance, 0..3)
}

/// Small states with few names, so that two of them have much in common.
fn any_state() -> impl Strategy<Value = String> {
    let resource =
        ("[xyz]", any_instances()).prop_map(|(name, instances)| resource(&name, &json!(instances)));
    prop::collection::vec(resource, 0..4).prop_map(|resources| state(&json!(resources)))
}

/// What becomes of a resource from one state to another.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Same,
    Changed,
    Removed,
    Added,
}

/// Two states as a client writes one after the other: each resource stands there once, and many are
/// written alike in both, anywhere. Also says how many these are.
fn two_states() -> impl Strategy<Value = (String, String, usize)> {
    let fate = prop_oneof![
        3 => Just(Fate::Same),
        1 => Just(Fate::Changed),
        1 => Just(Fate::Removed),
        1 => Just(Fate::Added),
    ];
    let one = (fate, any_instances(), any_instances());
    let both = prop::collection::vec(one, 0..5).prop_flat_map(|all| {
        let (mut before, mut after, mut alike) = (Vec::new(), Vec::new(), 0);
        for ((fate, then, now), name) in all.into_iter().zip(["v", "w", "x", "y", "z"]) {
            let (old, new) = (resource(name, &json!(then)), resource(name, &json!(now)));
            let new = if fate == Fate::Same { old.clone() } else { new };
            alike += usize::from(old == new && fate != Fate::Removed && fate != Fate::Added);
            before.extend((fate != Fate::Added).then_some(old));
            after.extend((fate != Fate::Removed).then_some(new));
        }
        (Just(before), Just(after).prop_shuffle(), Just(alike))
    });
    both.prop_map(|(before, after, alike)| (state(&json!(before)), state(&json!(after)), alike))
}

/// A state in another spelling, so that no resource is written as it was.
fn spelled(state: &str) -> String {
    let state: Value = serde_json::from_str(state).unwrap();
    serde_json::to_string_pretty(&state).unwrap()
}

/// The names of the resources whose instances were taken out of a state.
fn taken_apart(tree: &StateTree<'_>) -> BTreeSet<String> {
    let names = tree.instances.iter();
    names
        .map(|instance| instance.address.name.to_string())
        .collect()
}

proptest! {
    #[test]
    fn resources_that_are_written_alike_make_no_difference(
        (a, b, _) in two_states()
    ) {
        let other = spelled(&b);
        prop_assert_eq!(lines(&a, &b), lines(&a, &other));
        prop_assert_eq!(lines(&b, &a), lines(&other, &a));
        let drops = |after: &str| drops_resources(a.as_bytes(), after.as_bytes());
        prop_assert_eq!(drops(&b), drops(&other));
        let found = |state: &str| findables(state.as_bytes()).unwrap();
        prop_assert_eq!(
            has_same_findables(a.as_bytes(), b.as_bytes()),
            found(&a) == found(&b)
        );
    }

    #[test]
    fn resources_that_are_written_alike_are_not_taken_apart(
        (a, b, alike) in two_states()
    ) {
        prop_assume!(a != b);
        let count = |state: &str| {
            let state: Value = serde_json::from_str(state).unwrap();
            state["resources"].as_array().unwrap().len()
        };
        let (before, after) = Apart::of(a.as_bytes(), b.as_bytes())
            .and_then(|apart| apart.trees(a.as_bytes(), b.as_bytes()))
            .unwrap();
        prop_assert!(taken_apart(&before).len() <= count(&a) - alike);
        prop_assert!(taken_apart(&after).len() <= count(&b) - alike);
    }

    #[test]
    fn a_state_is_as_itself(a in any_state()) {
        let report = report(&a, &a);
        prop_assert_eq!(&report["counts"], &json!({"added": 0, "changed": 0, "removed": 0,
            "moved": 0}));
        prop_assert_eq!(&report["resources"], &json!([]));
    }

    #[test]
    fn there_and_back_again_are_mirrored(a in any_state(), b in any_state()) {
        let (there, back) = (counts(&a, &b), counts(&b, &a));
        prop_assert_eq!(there, (back.2, back.1, back.0));
    }

    #[test]
    fn what_changed_is_listed(a in any_state(), b in any_state()) {
        let report = report(&a, &b);
        let resources = report["resources"].as_array().unwrap().iter();
        for resource in resources.filter(|resource| resource["action"] == "changed") {
            let listed = |list: &str| resource[list].as_array().unwrap().len();
            let listed = listed("attributes") + listed("meta");
            prop_assert!(listed > 0, "{}", resource);
        }
    }
}
