//! A value of JSON of which only a number or a text is of interest.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A value that is looked at when it is a number or a text, and passed over otherwise.
#[derive(Debug)]
pub(super) enum HeadValue {
    Unsigned(u64),
    /// Below zero.
    Signed(i64),
    /// Cut where it is long.
    Text(String),
    /// Anything else.
    Other,
}

impl HeadValue {
    /// Its text, if it is one.
    pub(super) fn into_text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            Self::Unsigned(_) | Self::Signed(_) | Self::Other => None,
        }
    }
}

/// Texts that are kept with a version are cut at this many characters; Terraform's are about 40
/// long.
const MAX_KEPT_TEXT: usize = 256;

impl<'de> Deserialize<'de> for HeadValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HeadValueVisitor)
    }
}

struct HeadValueVisitor;

impl<'de> Visitor<'de> for HeadValueVisitor {
    type Value = HeadValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<HeadValue, E> {
        Ok(HeadValue::Other)
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<HeadValue, E> {
        Ok(HeadValue::Other)
    }

    fn visit_unit<E: de::Error>(self) -> Result<HeadValue, E> {
        Ok(HeadValue::Other)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<HeadValue, E> {
        Ok(HeadValue::Unsigned(number))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<HeadValue, E> {
        Ok(HeadValue::Signed(number))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<HeadValue, E> {
        Ok(HeadValue::Text(text.chars().take(MAX_KEPT_TEXT).collect()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<HeadValue, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(HeadValue::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<HeadValue, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(HeadValue::Other)
    }
}
