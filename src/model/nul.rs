//! NUL characters, which no text of a client may have: other databases cannot keep them, and
//! programs in C end a text there.

/// Whether a text in well-formed JSON has a NUL character. It can only be there as an escape.
pub fn is_in_json(json: &[u8]) -> bool {
    let mut rest = json;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        if rest[at..].starts_with(br"\u0000") {
            return true;
        }
        // The escaped character may be a backslash itself.
        rest = rest.get(at + 2..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_an_escaped_nul_and_nothing_that_only_looks_like_one() {
        for (json, has_nul) in [
            (r#"{"a":"\u0000"}"#, true),
            (r#"{"a\u0000":1}"#, true),
            (r#"["\\\u0000"]"#, true),
            (r#"["\\u0000"]"#, false),
            (r#"["\u0001\n\\"]"#, false),
            (r#"["u0000"]"#, false),
            ("\\", false),
            ("", false),
        ] {
            assert_eq!(is_in_json(json.as_bytes()), has_nul, "{json}");
            let parsed: Option<serde_json::Value> = serde_json::from_str(json).ok();
            if let Some(value) = parsed {
                let text = format!("{value:?}");
                assert_eq!(text.contains("\\0"), has_nul, "{text}");
            }
        }
    }
}
