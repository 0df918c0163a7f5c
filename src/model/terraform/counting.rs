//! How many resource instances a state has, seen while it is passed over: as `terraform state list`
//! counts them, so what is deposed of an instance is none of its own.
//!
//! As deep as the shape that is looked for, never as deep as the input; a value of another shape
//! counts nothing.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::hash::BuildHasher as _;

use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

use super::member::is_member;

/// One step on the way from a value to what is counted.
#[derive(Clone, Copy)]
enum Step {
    /// Each element of a list, each member of an object.
    Each,
    /// The member of this name; of several the last.
    Member(&'static str),
    /// A list of objects, of which those with one key are one instance.
    Instances,
    /// What formats before 4 call a resource: an instance, if it has an object.
    Resource,
    /// A list, of which it is asked whether anything is in it.
    Elements,
}

/// Format 4: each resource has a list of objects.
pub(super) const RESOURCES: Counting =
    Counting(&[Step::Each, Step::Member("instances"), Step::Instances]);
/// Formats before it: each module has an object of resources.
pub(super) const MODULES: Counting = Counting(&[
    Step::Each,
    Step::Member("resources"),
    Step::Each,
    Step::Resource,
]);
const ELEMENTS: Counting = Counting(&[Step::Elements]);

/// Counts what lies at the end of some steps.
#[derive(Clone, Copy)]
pub(super) struct Counting(&'static [Step]);

impl Counting {
    fn rest(self) -> Self {
        Self(self.0.get(1..).unwrap_or_default())
    }
}

/// A name, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
pub(super) struct Name<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// What is no list and no object says nothing.
macro_rules! visit_scalars {
    ($value:ty, $nothing:expr) => {
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("any JSON")
        }

        fn visit_bool<E: de::Error>(self, _: bool) -> Result<$value, E> {
            Ok($nothing)
        }

        fn visit_unit<E: de::Error>(self) -> Result<$value, E> {
            Ok($nothing)
        }
    };
}

impl<'de> DeserializeSeed<'de> for Counting {
    type Value = u64;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<u64, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Counting {
    type Value = u64;
    visit_scalars!(u64, 0);

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<u64, E> {
        Ok(0)
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<u64, E> {
        Ok(0)
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<u64, E> {
        Ok(0)
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<u64, E> {
        Ok(0)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<u64, A::Error> {
        let mut sum = 0;
        match self.0.first() {
            Some(Step::Each) => {
                while let Some(count) = list.next_element_seed(self.rest())? {
                    sum += count;
                }
            }
            Some(Step::Instances) => {
                let mut keys = HashSet::new();
                while let Some(Keyed(key)) = list.next_element()? {
                    // Of the key itself only so much is kept as tells it from the others.
                    let key = keys.hasher().hash_one(key);
                    keys.insert(key);
                }
                sum = keys.len() as u64;
            }
            Some(Step::Elements) => {
                while list.next_element::<IgnoredAny>()?.is_some() {
                    sum += 1;
                }
            }
            Some(Step::Member(_) | Step::Resource) | None => {
                while list.next_element::<IgnoredAny>()?.is_some() {}
            }
        }
        Ok(sum)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<u64, A::Error> {
        let mut sum = 0;
        while let Some(Name(name)) = map.next_key()? {
            match self.0.first() {
                Some(Step::Each) => sum += map.next_value_seed(self.rest())?,
                Some(Step::Member(wanted)) if is_member(&name, wanted) => {
                    sum = map.next_value_seed(self.rest())?;
                }
                Some(Step::Resource) if is_member(&name, "primary") => {
                    sum |= u64::from(map.next_value::<Option<IgnoredAny>>()?.is_some());
                }
                Some(Step::Resource) if is_member(&name, "deposed") => {
                    sum |= map.next_value_seed(ELEMENTS)?.min(1);
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(sum)
    }
}

/// The key of an instance. What is no number and no text is no key.
#[derive(Default, Hash)]
enum Key {
    #[default]
    None,
    Number(i64),
    Text(String),
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KeyVisitor)
    }
}

struct KeyVisitor;

#[expect(
    clippy::cast_possible_truncation,
    reason = "as the programs do: what is behind the point is left away"
)]
const fn whole(number: f64) -> Key {
    Key::Number(number as i64)
}

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = Key;
    visit_scalars!(Key, Key::None);

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Key, E> {
        Ok(whole(number))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Key, E> {
        Ok(i64::try_from(number).map_or(Key::None, Key::Number))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Key, E> {
        Ok(Key::Number(number))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Key, E> {
        Ok(Key::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Key, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Key::None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Key, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Key::None)
    }
}

/// An object of an instance, of which only the key is of interest.
struct Keyed(Key);

impl<'de> Deserialize<'de> for Keyed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KeyedVisitor).map(Self)
    }
}

struct KeyedVisitor;

impl<'de> Visitor<'de> for KeyedVisitor {
    type Value = Key;
    visit_scalars!(Key, Key::None);

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Key, E> {
        Ok(Key::None)
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Key, E> {
        Ok(Key::None)
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Key, E> {
        Ok(Key::None)
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<Key, E> {
        Ok(Key::None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Key, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Key::None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Key, A::Error> {
        let mut key = Key::None;
        while let Some(Name(name)) = map.next_key()? {
            if is_member(&name, "index_key") {
                key = map.next_value()?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(counting: Counting, text: &str) -> u64 {
        counting
            .deserialize(&mut serde_json::Deserializer::from_str(text))
            .unwrap()
    }

    #[test]
    fn what_is_deposed_is_no_instance_of_its_own() {
        for (instances, number) in [
            (r#"{},{"deposed":"0a1b2c3d"},{"deposed":"0a1b2c3e"}"#, 1),
            (r#"{"deposed":"0a1b2c3d"}"#, 1),
            (
                r#"{"index_key":0},{"index_key":"0"},{"index_key":1,"deposed":"0a1b2c3d"},
                    {"deposed":"0a1b2c3d","index_key":"0"}"#,
                3,
            ),
            (
                r#"{"index_key":0},{"Index_Key":0.0,"deposed":"0a1b2c3d"},{"index_key":null,
                    "deposed":"0a1b2c3d"}"#,
                2,
            ),
            (
                r#"{"index_key":1,"index_key":2},{"index_key":2,"deposed":"0a1b2c3d"}"#,
                1,
            ),
            ("", 0),
        ] {
            assert_eq!(
                count(RESOURCES, &format!(r#"[{{"instances":[{instances}]}}]"#)),
                number,
                "{instances}"
            );
        }
        assert_eq!(
            count(RESOURCES, r#"[{"instances":[{}]},{"instances":[{}]}]"#),
            2,
            "each resource for itself"
        );
        assert_eq!(
            count(
                RESOURCES,
                r#"[{"instances":[{},{"index_key":1}],"Instances":[{}]}]"#
            ),
            1,
            "the last one counts"
        );
    }

    #[test]
    fn a_resource_of_an_old_format_is_an_instance_if_it_has_an_object() {
        let resources = r#""a":{"primary":{}},"b":{"primary":null,"deposed":[{}]},
            "c":{"primary":null,"deposed":[]},"d":{},"e":{"deposed":[{},{}],"primary":{}}"#;
        assert_eq!(
            count(
                MODULES,
                &format!(
                    r#"[{{"path":["root"],"resources":{{{resources}}}}},{{"resources":null}}]"#
                )
            ),
            3
        );
    }
}
