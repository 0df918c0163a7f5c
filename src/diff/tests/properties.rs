//! Properties that hold for any two states.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// Small states with few names, so that two of them have much in common.
fn any_state() -> impl Strategy<Value = String> {
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
    let resource = ("[xyz]", prop::collection::vec(instance, 0..3))
        .prop_map(|(name, instances)| resource(&name, &json!(instances)));
    prop::collection::vec(resource, 0..4).prop_map(|resources| state(&json!(resources)))
}

/// As a client writes it: no resource stands there twice.
fn has_each_once(state: &str) -> bool {
    let state: Value = serde_json::from_str(state).unwrap();
    let resources = state["resources"].as_array().unwrap().iter();
    let mut names: Vec<_> = resources.map(|one| one["name"].to_string()).collect();
    names.sort_unstable();
    names.windows(2).all(|two| two[0] != two[1])
}

proptest! {
    #[test]
    fn resources_that_are_written_alike_are_left_out_and_no_difference_with_them(
        a in any_state(), b in any_state()
    ) {
        prop_assume!(has_each_once(&a) && has_each_once(&b));
        let spelled: Value = serde_json::from_str(&b).unwrap();
        let spelled = serde_json::to_string_pretty(&spelled).unwrap();
        prop_assert_eq!(lines(&a, &b), lines(&a, &spelled));
        let drops = |after: &str| drops_resources(a.as_bytes(), after.as_bytes());
        prop_assert_eq!(drops(&b), drops(&spelled));
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
