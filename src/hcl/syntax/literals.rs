//! What stands for itself: escapes in a text in quotation marks, and numbers.

use super::scanner::Scanner;
use super::tokens::TokenKind;

const NO_ESCAPE: &str = "this backslash begins no escape; write `\\\\` for a backslash";
const FOUR_DIGITS: &str = "`\\u` takes four hexadecimal digits that name a character";
const EIGHT_DIGITS: &str = "`\\U` takes eight hexadecimal digits that name a character";

/// Adds the meaning of a piece of a text in quotation marks. The error says where in it, and why it
/// means nothing.
pub(super) fn unescape(piece: &str, out: &mut String) -> Result<(), (usize, &'static str)> {
    let mut rest = piece;
    while let Some(at) = rest.find(['\\', '$', '%']) {
        out.push_str(&rest[..at]);
        let here = piece.len() - rest.len() + at;
        rest = &rest[at..];
        let length = match template_sign(rest) {
            Some((meaning, length)) => {
                out.push_str(meaning);
                length
            }
            None => escape(rest, out).map_err(|reason| (here, reason))?,
        };
        rest = &rest[length..];
    }
    out.push_str(rest);
    Ok(())
}

/// The meaning and the length of a sign that could begin a template.
fn template_sign(rest: &str) -> Option<(&str, usize)> {
    match rest.as_bytes() {
        [b'$', b'$', b'{', ..] => Some(("${", 3)),
        [b'%', b'%', b'{', ..] => Some(("%{", 3)),
        [b'$' | b'%', ..] => Some((&rest[..1], 1)),
        _ => None,
    }
}

/// Adds the meaning of a backslash and what follows it, and returns the length of both.
fn escape(rest: &str, out: &mut String) -> Result<usize, &'static str> {
    let letter = match rest.as_bytes().get(1) {
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'"') => '"',
        Some(b'\\') => '\\',
        Some(b'u') => return by_number(rest, 4, out).ok_or(FOUR_DIGITS),
        Some(b'U') => return by_number(rest, 8, out).ok_or(EIGHT_DIGITS),
        _ => return Err(NO_ESCAPE),
    };
    out.push(letter);
    Ok(2)
}

/// Adds a character that is named by its number, and returns the length of its escape.
fn by_number(escape: &str, digits: usize, out: &mut String) -> Option<usize> {
    let number = escape
        .get(2..2 + digits)
        .filter(|number| number.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
    out.push(char::from_u32(u32::from_str_radix(number, 16).ok()?)?);
    Some(2 + digits)
}

/// Whether digits, points and exponents in this order make a number, and none that is too large or
/// too small to be kept.
pub(in crate::hcl) fn is_number(text: &str) -> bool {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let Ok(exponent) = exponent.parse::<i64>() else {
        return false;
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if !whole
        .bytes()
        .chain(fraction.bytes())
        .all(|digit| digit.is_ascii_digit())
    {
        return false;
    }
    let Some(bits) = bits(whole, fraction) else {
        return true;
    };
    let fraction = i64::try_from(fraction.len()).unwrap_or(i64::MAX);
    i32::try_from(bits.saturating_add(exponent).saturating_sub(fraction)).is_ok()
}

/// How many bits the digits take as one whole number, to the bit where there are few of them; none
/// if it is zero.
fn bits(whole: &str, fraction: &str) -> Option<i64> {
    let digits = whole
        .bytes()
        .chain(fraction.bytes())
        .skip_while(|digit| *digit == b'0');
    let (mut value, mut bits) = (0_u128, 0_i64);
    for digit in digits {
        if value >> 120 != 0 {
            // Ten digits more are some 33 bits more.
            (value, bits) = (value >> 33, bits + 33);
        }
        value = value * 10 + u128::from(digit - b'0');
    }
    (value != 0).then(|| bits + i64::from(128 - value.leading_zeros()))
}

/// What an expression says, if it is a text in quotation marks with nothing in it that would have
/// to be evaluated.
pub(in crate::hcl) fn plain_text(expression: &str) -> Option<String> {
    let mut scanner = Scanner::new(expression);
    if scanner.next().kind != TokenKind::OpenQuote {
        return None;
    }
    let mut text = String::new();
    loop {
        let token = scanner.next();
        match token.kind {
            TokenKind::QuotedLiteral => {
                unescape(&expression[token.start..token.end], &mut text).ok()?;
            }
            TokenKind::CloseQuote => {
                return (scanner.next().kind == TokenKind::End).then_some(text);
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_what_both_programs_can_keep() {
        for good in [
            "0",
            "1",
            "007",
            "1.5",
            "1e5",
            "1E+5",
            "1.5e-5",
            "0e999999999999",
            "1e9",
            "1.e5",
            "1e2147483646",
            "0.0000e-9999999999",
        ] {
            assert!(is_number(good), "{good}");
        }
        for bad in [
            "1.2.3",
            "1e5e6",
            "1e5.3",
            "1e2147483647",
            "1e99999999999999999999",
            "1e-2147483650",
            "1..2",
            "0e99999999999999999999",
        ] {
            assert!(!is_number(bad), "{bad}");
        }
    }

    #[test]
    fn plain_texts_are_read_and_others_are_not() {
        let plain = |text: &str| plain_text(text);
        assert_eq!(
            plain(r#""a\n\t\r\"\\\u00e9\U0001F600$${x}%%{y}$a%b$""#).as_deref(),
            Some("a\n\t\r\"\\é😀${x}%{y}$a%b$")
        );
        assert_eq!(plain(r#"  "" "#).as_deref(), Some(""));
        for other in [
            "a",
            "1",
            "\"${a}\"",
            "\"%{if a}b%{endif}\"",
            "\"a\" == b",
            "\"a\".b",
            "<<A\nA\n",
            "(\"a\")",
            "\"\\ud800\"",
            "\"\\q\"",
            "\"a",
        ] {
            assert_eq!(plain(other), None, "{other}");
        }
    }
}
