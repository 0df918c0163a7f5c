//! Texts of states as parts of an address: whatever stands in them, it is one part.

use std::fmt::Write as _;

/// A text with percent-encoding, for a part of a path or the value of a parameter.
pub(in crate::cli) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_an_address_ends_its_part() {
        assert_eq!(
            escaped(r#"module.a["x/y%"].aws_x.é[0]"#),
            "module.a%5B%22x%2Fy%25%22%5D.aws_x.%C3%A9%5B0%5D"
        );
    }
}
