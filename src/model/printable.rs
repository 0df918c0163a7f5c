//! Characters that do not print, written as Terraform and OpenTofu write them in addresses:
//! `\u0007`, `\U000e0001`.
//!
//! A terminal acts on some of them, and others cannot be seen: two names that look the same are
//! then told apart.

use std::borrow::Cow;
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

/// JSON of which everything can be seen, the same by meaning: outside of its texts there is nothing
/// but white space that could not be.
pub fn printable_json(text: &str) -> Cow<'_, str> {
    let stays = |letter| matches!(letter, '\n' | '\t') || prints(letter);
    if text.chars().all(stays) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match letter {
            '\r' => shown.push(' '),
            _ if stays(letter) => shown.push(letter),
            _ => push_json_escape(&mut shown, letter),
        }
    }
    Cow::Owned(shown)
}

/// A character as JSON escapes it: two halves if it is beyond the first 65,536.
fn push_json_escape(shown: &mut String, letter: char) {
    for half in letter.encode_utf16(&mut [0; 2]) {
        // Writing to a text cannot fail.
        let _ = fmt::Write::write_fmt(shown, format_args!("\\u{half:04x}"));
    }
}

/// A line of the log as it goes out: the line end at its end, and the colours that the log itself
/// has put there, stay.
pub fn printable_log_line(line: &str) -> Cow<'_, str> {
    let plain = |byte: u8| (b' '..=b'~').contains(&byte) || byte == b'\t';
    let text = line.strip_suffix('\n').unwrap_or(line);
    if text.bytes().all(plain) {
        return line.into();
    }
    let mut shown = String::with_capacity(line.len() + 16);
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let length = colour(rest).unwrap_or_else(|| {
            if letter == '\t' || prints(letter) {
                return letter.len_utf8();
            }
            push_json_escape(&mut shown, letter);
            0
        });
        shown.push_str(&rest[..length]);
        rest = &rest[length.max(letter.len_utf8())..];
    }
    shown.push_str(&line[text.len()..]);
    Cow::Owned(shown)
}

/// How long the change of colour is that a text begins with.
fn colour(text: &str) -> Option<usize> {
    let codes = text.strip_prefix("\u{1b}[")?;
    let end = codes.find(|letter: char| !letter.is_ascii_digit() && letter != ';')?;
    codes[end..].starts_with('m').then_some(end + 3)
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

    /// What terminals act on, turn around or do not show.
    const TRICKS: [char; 32] = [
        '\0',
        '\u{7}',
        '\u{8}',
        '\u{1b}',
        '\r',
        '\u{7f}',
        '\u{80}',
        '\u{85}',
        '\u{9b}',
        '\u{9d}',
        '\u{ad}',
        '\u{61c}',
        '\u{180e}',
        '\u{200b}',
        '\u{200c}',
        '\u{200d}',
        '\u{200e}',
        '\u{200f}',
        '\u{2028}',
        '\u{2029}',
        '\u{202a}',
        '\u{202e}',
        '\u{2060}',
        '\u{2066}',
        '\u{2069}',
        '\u{206f}',
        '\u{feff}',
        '\u{fff9}',
        '\u{1d173}',
        '\u{e0001}',
        '\u{e007f}',
        '\u{110bd}',
    ];

    #[test]
    fn json_of_which_all_can_be_seen_is_the_same_by_meaning() {
        for trick in TRICKS {
            let value = serde_json::json!({ "a": format!("x{trick}y é") });
            for text in [value.to_string(), format!("{value:#}\r\n")] {
                let shown = printable_json(&text);
                assert!(!shown.contains(trick), "{trick:?}: {shown}");
                let read: serde_json::Value = serde_json::from_str(&shown).unwrap();
                assert_eq!(read, value, "{trick:?}");
            }
        }
        let plain = "{\n\t\"é\": 1}\n";
        assert_eq!(printable_json(plain), plain);
    }

    #[test]
    fn a_line_of_the_log_is_one_line_and_keeps_its_own_colours() {
        for trick in TRICKS.into_iter().chain(['\n']) {
            let shown =
                printable_log_line(&format!("\u{1b}[2mx{trick}y\u{1b}[0m é\n")).into_owned();
            let inner = shown.strip_prefix("\u{1b}[2mx").unwrap();
            let inner = inner.strip_suffix("y\u{1b}[0m é\n").unwrap();
            assert!(
                inner.starts_with("\\u") && inner.is_ascii(),
                "{trick:?}: {shown}"
            );
        }
        for plain in ["a b\tc\n", "", "\n", "no end"] {
            assert_eq!(printable_log_line(plain), plain);
        }
        assert_eq!(printable_log_line("\u{1b}[31"), "\\u001b[31");
        assert_eq!(printable_log_line("\u{1b}[2Jx\n"), "\\u001b[2Jx\n");
    }
}
