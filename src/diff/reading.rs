//! Objects of a state read as the programs read them: names in any letter case, of a member that
//! stands twice the last, and `null` as good as nothing.
//!
//! Nothing is copied but texts with escapes, and nothing recurses: what is not asked for is passed
//! over, however deep it is.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::de::MapAccess;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::text::unquoted;

/// A text, borrowed where it has no escapes.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?.get();
        if raw.starts_with('"') {
            Ok(Self(unquoted(raw)))
        } else {
            Err(serde::de::Error::custom("no text"))
        }
    }
}

/// A part as it is written.
pub(super) type Raw<'a> = Option<&'a RawValue>;

/// A part that `null` leaves as it was, where it stands twice.
#[derive(Clone, Copy, Default)]
pub(super) struct Scalar<'a>(pub(super) Raw<'a>);

impl<'a> Scalar<'a> {
    /// As it is written.
    pub(super) fn get(self) -> Option<&'a str> {
        self.0.map(RawValue::get)
    }
}

/// A field that takes the values of a member, as often as the member stands there.
pub(super) trait Take<'de> {
    /// Takes the next value.
    fn take<A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error>;
}

impl<'de: 'a, 'a> Take<'de> for Text<'a> {
    fn take<A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error> {
        if let Some(text) = map.next_value::<Option<Self>>()? {
            *self = text;
        }
        Ok(())
    }
}

impl<'de> Take<'de> for bool {
    fn take<A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error> {
        if let Some(value) = map.next_value::<Option<Self>>()? {
            *self = value;
        }
        Ok(())
    }
}

impl<'de: 'a, 'a> Take<'de> for Raw<'a> {
    fn take<A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error> {
        let raw: &'de RawValue = map.next_value()?;
        *self = (raw.get() != "null").then_some(raw);
        Ok(())
    }
}

impl<'de: 'a, 'a> Take<'de> for Scalar<'a> {
    fn take<A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error> {
        let raw: &'de RawValue = map.next_value()?;
        if raw.get() != "null" {
            self.0 = Some(raw);
        }
        Ok(())
    }
}

impl<'de> Take<'de> for Option<i64> {
    fn take<A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error> {
        *self = map.next_value()?;
        Ok(())
    }
}

impl<'de, T: Deserialize<'de>> Take<'de> for Vec<T> {
    fn take<A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error> {
        *self = map.next_value::<Option<Self>>()?.unwrap_or_default();
        Ok(())
    }
}

impl<'de, T: Deserialize<'de>> Take<'de> for Option<Box<T>> {
    fn take<A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error> {
        *self = map.next_value()?;
        Ok(())
    }
}

impl<'de: 'a, 'a, T: Deserialize<'de>> Take<'de> for BTreeMap<Text<'a>, T> {
    fn take<A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error> {
        match map.next_value::<Option<Self>>()? {
            Some(more) => self.extend(more),
            None => self.clear(),
        }
        Ok(())
    }
}

/// Has a structure read from an object, member by member. `null` is an object without members. What
/// `else` names takes what is not asked for.
macro_rules! read_members {
    ($name:ident { $($member:literal => $field:ident),* $(,)? } $(else $other:ident)?) => {
        impl<'a> $name<'a> {
            fn take_member<'de: 'a, A: serde::de::MapAccess<'de>>(
                &mut self,
                name: &$crate::diff::reading::Text<'a>,
                map: &mut A,
            ) -> Result<(), A::Error> {
                $(if crate::model::terraform::member::is_member(&name.0, $member) {
                    return $crate::diff::reading::Take::take(&mut self.$field, map);
                })*
                $(if let Some(place) = self.$other.place(name) {
                    return $crate::diff::reading::Take::take(place, map);
                })?
                map.next_value::<serde::de::IgnoredAny>().map(drop)
            }
        }

        impl<'de: 'a, 'a> serde::Deserialize<'de> for $name<'a> {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Members<'a>(std::marker::PhantomData<&'a ()>);

                impl<'de: 'a, 'a> serde::de::Visitor<'de> for Members<'a> {
                    type Value = $name<'a>;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_unit<E: serde::de::Error>(self) -> Result<$name<'a>, E> {
                        Ok($name::default())
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(
                        self,
                        mut map: A,
                    ) -> Result<$name<'a>, A::Error> {
                        let mut read = $name::default();
                        while let Some(name) = map.next_key::<$crate::diff::reading::Text<'de>>()? {
                            read.take_member(&name, &mut map)?;
                        }
                        Ok(read)
                    }
                }

                deserializer.deserialize_any(Members(std::marker::PhantomData))
            }
        }
    };
}

pub(super) use read_members;
