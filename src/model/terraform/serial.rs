//! The one token of a state that a rollback changes: the `serial` of its outermost object.
//!
//! All other bytes stay as they are: spaces, order, escapes, line ends. Nothing here recurses, so
//! no depth of nesting can do harm.

use std::borrow::Cow;
use std::ops::Range;

use super::member::is_member;
use crate::model::json_words::{JsonWord, JsonWords};

/// The member's name; the programs take it in any letter case.
const SERIAL: &str = "serial";

/// The state with another serial, and every other byte as it was; none where the bytes are no state
/// with a serial.
pub fn with_serial(bytes: &[u8], serial: u64) -> Option<Vec<u8>> {
    let token = serial_token(bytes)?;
    let digits = serial.to_string();
    let mut changed = Vec::with_capacity(bytes.len() - token.len() + digits.len());
    changed.extend_from_slice(&bytes[..token.start]);
    changed.extend_from_slice(digits.as_bytes());
    changed.extend_from_slice(&bytes[token.end..]);
    Some(changed)
}

/// Where the digits of the outermost object's `serial` stand.
fn serial_token(bytes: &[u8]) -> Option<Range<usize>> {
    token_of(bytes, |name| name == SERIAL)
        .or_else(|| token_of(bytes, |name| is_member(name, SERIAL)))
}

fn token_of(bytes: &[u8], is_it: impl Fn(&str) -> bool) -> Option<Range<usize>> {
    let mut words = JsonWords::of(bytes);
    let (_, open) = words.next()?;
    if bytes[open] != *b"{" {
        return None;
    }
    loop {
        let (JsonWord::Text, key) = words.next()? else {
            return None;
        };
        let value = words.value()?;
        let follows = bytes[value.end..].trim_ascii_start().first()?;
        let is_member = bytes[key.end..value.start].trim_ascii() == b":";
        if !is_member || !matches!(follows, b',' | b'}') {
            return None;
        }
        if is_called(&bytes[key], &is_it) {
            let is_number = bytes[value.clone()].iter().all(u8::is_ascii_digit);
            return is_number.then_some(value);
        }
    }
}

/// Whether a key, with its quotation marks, is called so: it may be written with escapes.
fn is_called(key: &[u8], is_it: impl Fn(&str) -> bool) -> bool {
    if !key.contains(&b'\\') {
        return std::str::from_utf8(key).is_ok_and(|key| is_it(key.trim_matches('"')));
    }
    serde_json::from_slice::<Cow<'_, str>>(key).is_ok_and(|key| is_it(&key))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::model::terraform::tfstate::read_head;

    fn changed(text: &str, serial: u64) -> Option<String> {
        with_serial(text.as_bytes(), serial).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn changes_the_outermost_serial_alone() {
        for (before, after) in [
            (
                r#"{"version":4,"serial":1}"#,
                r#"{"version":4,"serial":77}"#,
            ),
            (
                "\r\n\t{ \"serial\" :\n 18446744073709551615\t, \"version\":4 }\n\n",
                "\r\n\t{ \"serial\" :\n 77\t, \"version\":4 }\n\n",
            ),
            (
                r#"{"resources":[{"serial":3}],"outputs":{"serial":{"value":5}},"serial":1}"#,
                r#"{"resources":[{"serial":3}],"outputs":{"serial":{"value":5}},"serial":77}"#,
            ),
            (
                r#"{"version":4,"Serial":1}"#,
                r#"{"version":4,"Serial":77}"#,
            ),
            (
                r#"{"seri\u0061l":1,"x":"serial"}"#,
                r#"{"seri\u0061l":77,"x":"serial"}"#,
            ),
            (
                r#"{"a":"\"serial\":3}","b":"\\","serial":1}"#,
                r#"{"a":"\"serial\":3}","b":"\\","serial":77}"#,
            ),
            (
                r#"{"serial ":2,"Serial":2,"serial\n":2,"":2,"serial":1}"#,
                r#"{"serial ":2,"Serial":2,"serial\n":2,"":2,"serial":77}"#,
            ),
            (
                r#"{"a":[[],{},"]"],"b":{"}":"{"},"c":-1.5e3,"d":null,"serial":0}"#,
                r#"{"a":[[],{},"]"],"b":{"}":"{"},"c":-1.5e3,"d":null,"serial":77}"#,
            ),
            (
                "{\"lineage\":\"\u{e9}\u{1f600}\",\"serial\":9}",
                "{\"lineage\":\"\u{e9}\u{1f600}\",\"serial\":77}",
            ),
        ] {
            assert_eq!(changed(before, 77).as_deref(), Some(after));
        }
        assert_eq!(
            changed(r#"{"serial":1}"#, u64::MAX).as_deref(),
            Some(r#"{"serial":18446744073709551615}"#)
        );
    }

    #[test]
    fn finds_none_where_there_is_none() {
        for text in [
            "",
            " ",
            "{",
            "{}",
            "[]",
            "7",
            "\"serial\"",
            r#"{"a":{"serial":1}}"#,
            r#"{"serial":"1"}"#,
            r#"{"serial":-1}"#,
            r#"{"serial":1.0}"#,
            r#"{"serial":null}"#,
            r#"{"serial":[1]}"#,
            r#"{"serial":}"#,
            r#"{"serial"}"#,
            r#"{"serial":1"#,
            r#"{"a":1 "serial":1}"#,
            r#"{"a\"#,
            r#"{"a":[1,"serial":1}"#,
            r#"{"a":"#,
            r#"{"a"#,
            r"{a:1}",
        ] {
            assert_eq!(changed(text, 77), None, "{text}");
        }
    }

    #[test]
    fn goes_as_deep_as_a_state_may_and_deeper() {
        let deep = 200_000;
        let state = |serial: &str| {
            format!(
                r#"{{"x":{}{{"serial":5}}{},"serial":{serial},"version":4}}"#,
                "[".repeat(deep),
                "]".repeat(deep)
            )
        };
        assert!(changed(&state("1"), 2) == Some(state("2")));
    }

    /// JSON as a state may have it below its outermost object, in texts with all that could
    /// mislead.
    fn json() -> impl Strategy<Value = Value> {
        let text = "[a-z\"\\\\{}\\[\\]:, é\n]{0,8}";
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            text.prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 32, 4, move |inner| {
            let key = prop_oneof![Just("serial".to_owned()), text];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((key, inner), 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn only_the_serial_changes(
            members in prop::collection::vec(("[b-r]{1,3}", json()), 0..6),
            place in 0..7_usize,
            old: u64,
            new: u64,
            pretty: bool,
        ) {
            let state = |serial: u64| {
                let mut members: Vec<(String, Value)> = members.clone();
                members.sort_by(|one, other| one.0.cmp(&other.0));
                members.dedup_by(|one, other| one.0 == other.0);
                members.insert(place.min(members.len()), ("serial".to_owned(), serial.into()));
                members.push(("version".to_owned(), 4.into()));
                let space = if pretty { "\n  " } else { "" };
                let members: Vec<String> = members.iter().map(|(key, value)| {
                    let value = if pretty {
                        serde_json::to_string_pretty(value)
                    } else {
                        serde_json::to_string(value)
                    };
                    format!("{space}\"{key}\":{space}{}{space}", value.unwrap())
                }).collect();
                format!("{{{}}}", members.join(","))
            };
            let after = with_serial(state(old).as_bytes(), new).unwrap();
            prop_assert_eq!(String::from_utf8(after.clone()).unwrap(), state(new));
            prop_assert_eq!(read_head(&after, 10_000).unwrap().serial, new);
        }

        #[test]
        fn no_bytes_make_it_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..64),
            text in "[{}\\[\\]\",:\\\\ serial0-9]{0,40}",
        ) {
            let _ = (with_serial(&bytes, 1), with_serial(text.as_bytes(), 1));
        }
    }
}
