//! Texts of JSON as both programs read them.

use std::borrow::Cow;

/// A text of JSON without quotation marks and escapes; as it stands where its escapes make no
/// sense.
pub(super) fn unquoted(text: &str) -> Cow<'_, str> {
    let inner = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(text);
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    serde_json::from_str::<String>(text)
        .map_or_else(|_| Cow::Owned(with_replacements(inner)), Cow::Owned)
}

/// A text whose escapes make no sense: half of a pair is a character that stands for it, as both
/// programs read it.
fn with_replacements(inner: &str) -> String {
    let (mut text, mut rest) = (String::with_capacity(inner.len()), inner);
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = if rest.as_bytes().get(1) == Some(&b'u') {
            6
        } else {
            2
        };
        let one = |length| {
            rest.get(..length).and_then(|escape| {
                serde_json::from_str::<String>(&format!("\"{escape}\""))
                    .ok()
                    .map(|text| (text, length))
            })
        };
        let (letter, length) = one(2 * length)
            .filter(|(text, _)| text.chars().count() == 1)
            .or_else(|| one(length))
            .unwrap_or_else(|| {
                (
                    char::REPLACEMENT_CHARACTER.to_string(),
                    rest.floor_char_boundary(length),
                )
            });
        text.push_str(&letter);
        rest = &rest[length..];
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_a_pair_is_read_as_both_programs_do() {
        for (written, read) in [
            (r#""a\ud800b\n""#, "a\u{fffd}b\n"),
            (
                r#""\ud800\ud83d\ude00\u0041\udc00""#,
                "\u{fffd}\u{1f600}A\u{fffd}",
            ),
            (r#""\ud800\\x\"""#, "\u{fffd}\\x\""),
            (r#""é\ud800é""#, "é\u{fffd}é"),
        ] {
            assert_eq!(unquoted(written), read, "{written}");
        }
    }
}
