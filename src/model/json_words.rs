//! JSON as a row of words: brackets, texts and scalars, each with its place. It is for code that
//! needs places and no values: a parser has judged the bytes, or will.
//!
//! Nothing recurses, so no depth of nesting can do harm.

use std::ops::Range;

/// A word of JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonWord {
    /// `{` or `[`.
    Open,
    /// `}` or `]`.
    Close,
    /// A text with its quotation marks, as a value or as a name.
    Text,
    /// A number, `true`, `false` or `null`.
    Scalar,
}

/// The words of some bytes. Commas, colons and white space are passed over.
pub struct JsonWords<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> JsonWords<'a> {
    /// From the beginning.
    pub const fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Passes over the next value with all that is in it, and returns its place; none if the bytes
    /// end before it does.
    pub fn value(&mut self) -> Option<Range<usize>> {
        let (word, first) = self.next()?;
        let mut depth = match word {
            JsonWord::Open => 1_usize,
            JsonWord::Text | JsonWord::Scalar => return Some(first),
            JsonWord::Close => return None,
        };
        loop {
            let (word, place) = self.next()?;
            match word {
                JsonWord::Open => depth += 1,
                JsonWord::Close => depth -= 1,
                JsonWord::Text | JsonWord::Scalar => {}
            }
            if depth == 0 {
                return Some(first.start..place.end);
            }
        }
    }
}

impl Iterator for JsonWords<'_> {
    type Item = (JsonWord, Range<usize>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.bytes.get(self.at..)?;
        let start = rest.iter().position(|byte| !is_between(*byte))?;
        let rest = &rest[start..];
        let (word, length) = match rest[0] {
            b'{' | b'[' => (JsonWord::Open, 1),
            b'}' | b']' => (JsonWord::Close, 1),
            b'"' => (JsonWord::Text, length_of_text(rest)),
            _ => (JsonWord::Scalar, length_of_scalar(rest)),
        };
        let start = self.at + start;
        self.at = start + length;
        Some((word, start..self.at))
    }
}

const fn is_between(byte: u8) -> bool {
    matches!(byte, b',' | b':' | b' ' | b'\t' | b'\n' | b'\r')
}

/// The length of a text with both quotation marks. One without an end goes up to the last byte.
fn length_of_text(bytes: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn length_of_scalar(bytes: &[u8]) -> usize {
    let is_end = |byte: &u8| is_between(*byte) || matches!(byte, b'{' | b'[' | b'}' | b']' | b'"');
    bytes.iter().position(is_end).unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(text: &str) -> Vec<(JsonWord, &str)> {
        JsonWords::of(text.as_bytes())
            .map(|(word, place)| (word, &text[place]))
            .collect()
    }

    #[test]
    fn words_are_told_apart() {
        use JsonWord::{Close, Open, Scalar, Text};

        let text = "\r\n{ \"a\\\"]\" : [1.5e-3,null ,\"\\\\\"]\t,\"é\":true}";
        let expected = [
            (Open, "{"),
            (Text, "\"a\\\"]\""),
            (Open, "["),
            (Scalar, "1.5e-3"),
            (Scalar, "null"),
            (Text, "\"\\\\\""),
            (Close, "]"),
            (Text, "\"é\""),
            (Scalar, "true"),
            (Close, "}"),
        ];
        assert_eq!(words(text), expected);
        assert_eq!(
            words("x{y\"z"),
            [(Scalar, "x"), (Open, "{"), (Scalar, "y"), (Text, "\"z")]
        );
    }

    #[test]
    fn a_value_is_passed_over_whole() {
        let text = r#"{"a":[{"b":"]"},2],"c":3}"#;
        let mut words = JsonWords::of(text.as_bytes());
        words.next();
        words.next();
        let value = words.value().map(|place| &text[place]);
        assert_eq!(value, Some(r#"[{"b":"]"},2]"#));
        words.next();
        assert_eq!(words.value().map(|place| &text[place]), Some("3"));
        assert_eq!(words.value(), None, "the object ends");
        assert_eq!(JsonWords::of(b"[1").value(), None);
    }

    proptest! {
        #[test]
        fn places_are_in_order_and_within_the_bytes(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut end = 0;
            for (_, place) in JsonWords::of(&bytes) {
                prop_assert!(end <= place.start && place.start < place.end);
                prop_assert!(place.end <= bytes.len());
                end = place.end;
            }
        }
    }
}
