//! JSON in which no object names a member twice, at any depth.
//!
//! Programs do not agree on which of two members counts. A text that one of them has checked could
//! mean something else to the next, so such a text is refused.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

const DOUBLED: &str = "a member stands twice";

/// Why a text is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotUnique {
    /// It is no JSON.
    Malformed,
    /// An object names a member twice.
    Doubled,
}

/// Reads a JSON object.
///
/// # Errors
///
/// If it is something else, or an object in it names a member twice.
pub fn unique_object(json: &[u8]) -> Result<Map<String, Value>, NotUnique> {
    let read: Result<Unique, _> = serde_json::from_slice(json);
    match read {
        Ok(Unique(Value::Object(members))) => Ok(members),
        Err(error) if error.to_string().starts_with(DOUBLED) => Err(NotUnique::Doubled),
        Ok(_) | Err(_) => Err(NotUnique::Malformed),
    }
}

struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor).map(Self)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Unique(value)) = list.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some((name, Unique(value))) = object.next_entry::<String, Unique>()? {
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom(DOUBLED));
            }
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_stands_once_at_any_depth() {
        for (json, expected) in [
            (r#"{"a":1,"b":[{"a":null},-1,1.5,true,"x"]}"#, None),
            (r#"{"a":1,"a":1}"#, Some(NotUnique::Doubled)),
            (r#"{"a":1,"\u0061":2}"#, Some(NotUnique::Doubled)),
            (r#"{"a":[{"b":{"c":1,"c":2}}]}"#, Some(NotUnique::Doubled)),
            (r#"{"a":1} {}"#, Some(NotUnique::Malformed)),
            ("[]", Some(NotUnique::Malformed)),
            ("", Some(NotUnique::Malformed)),
            ("{", Some(NotUnique::Malformed)),
        ] {
            assert_eq!(unique_object(json.as_bytes()).err(), expected, "{json}");
        }
        let read = unique_object(br#"{"a":[1,-2,1.5,"x",null,true,{}]}"#).unwrap();
        let expected = serde_json::json!({"a": [1, -2, 1.5, "x", null, true, {}]});
        assert_eq!(Value::Object(read), expected);
    }
}
