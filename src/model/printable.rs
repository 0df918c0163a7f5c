//! Characters that do not print, written as Terraform and OpenTofu write them in addresses:
//! `\u0007`, `\U000e0001`.
//!
//! A terminal acts on some of them, and others cannot be seen: two names that look the same are
//! then told apart.

use std::fmt;

/// Whether a character is seen: a letter, a mark, a number, punctuation, a symbol, or the plain
/// space.
pub fn prints(letter: char) -> bool {
    if letter.is_ascii() {
        return !letter.is_ascii_control();
    }
    // The standard library escapes just what is none of these; at the beginning of a text it
    // escapes marks as well.
    let mut text = [b'x', 0, 0, 0, 0];
    let end = 1 + letter.encode_utf8(&mut text[1..]).len();
    std::str::from_utf8(&text[..end]).is_ok_and(|text| text.escape_debug().nth(1) == Some(letter))
}

/// Writes a character that does not print.
pub fn write_escaped(out: &mut impl fmt::Write, letter: char) -> fmt::Result {
    match letter {
        '\n' => out.write_str("\\n"),
        '\r' => out.write_str("\\r"),
        '\t' => out.write_str("\\t"),
        _ if u32::from(letter) <= 0xffff => write!(out, "\\u{:04x}", u32::from(letter)),
        _ => write!(out, "\\U{:08x}", u32::from(letter)),
    }
}

/// A text of which everything can be seen.
pub struct Printable<'s>(pub &'s str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return f.write_str(self.0);
        }
        for letter in self.0.chars() {
            if prints(letter) {
                fmt::Write::write_char(f, letter)?;
            } else {
                write_escaped(f, letter)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_prints_stays_and_what_does_not_is_written() {
        for letter in [
            'a', ' ', '~', '"', '\'', '\\', 'é', 'ß', '\u{301}', '漢', '😀', '€', '½',
        ] {
            assert!(prints(letter), "{letter:?}");
        }
        for letter in [
            '\0',
            '\u{7}',
            '\u{1b}',
            '\u{7f}',
            '\u{85}',
            '\u{a0}',
            '\u{ad}',
            '\u{378}',
            '\u{61c}',
            '\u{200b}',
            '\u{2028}',
            '\u{202e}',
            '\u{3000}',
            '\u{e000}',
            '\u{feff}',
            '\u{e0001}',
        ] {
            assert!(!prints(letter), "{letter:?}");
        }
        let text = "a\u{301} \u{7}\u{202e}\u{e0001}\n\r\t\\é";
        assert_eq!(
            Printable(text).to_string(),
            "a\u{301} \\u0007\\u202e\\U000e0001\\n\\r\\t\\é"
        );
    }
}
