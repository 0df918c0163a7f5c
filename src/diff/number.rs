//! Numbers as they are written: compared digit by digit, so that none loses any.

/// A number without what does not count: leading and trailing zeros, where the point stands, how
/// the exponent is spelled.
#[derive(PartialEq, Eq)]
struct Plain {
    negative: bool,
    digits: Vec<u8>,
    exponent: i64,
}

impl Plain {
    /// None if the exponent is beyond all reason.
    fn parse(text: &str) -> Option<Self> {
        let unsigned = text.strip_prefix('-');
        let (mantissa, exponent) = exponent(unsigned.unwrap_or(text))?;
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = whole.bytes().chain(fraction.bytes());
        let mut digits: Vec<u8> = digits.skip_while(|digit| *digit == b'0').collect();
        let mut exponent = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
        while digits.last() == Some(&b'0') {
            digits.pop();
            exponent = exponent.checked_add(1)?;
        }
        let is_zero = digits.is_empty();
        Some(Self {
            negative: unsigned.is_some() && !is_zero,
            digits,
            exponent: if is_zero { 0 } else { exponent },
        })
    }
}

/// The part before the exponent, and the exponent.
fn exponent(text: &str) -> Option<(&str, i64)> {
    match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => Some((mantissa, exponent.parse().ok()?)),
        None => Some((text, 0)),
    }
}

/// The one text of a number of JSON.
pub(super) fn canonical(text: &str) -> String {
    let Some(number) = Plain::parse(text) else {
        return text.to_owned();
    };
    let sign = if number.negative { "-" } else { "" };
    let digits = String::from_utf8_lossy(&number.digits);
    format!("{sign}{digits}e{}", number.exponent)
}

/// Whether two numbers of JSON are the same number.
pub(super) fn same(before: &str, after: &str) -> bool {
    if before == after {
        return true;
    }
    Plain::parse(before).is_some_and(|number| Plain::parse(after) == Some(number))
}

#[cfg(test)]
mod tests {
    use super::same;

    #[test]
    fn the_same_number_may_be_written_in_several_ways() {
        for (one, other) in [
            ("1", "1.0"),
            ("100", "1e2"),
            ("0.5", "5E-1"),
            ("-0", "0.00"),
            ("-1.50", "-15e-1"),
            ("1e+2", "100"),
        ] {
            assert!(same(one, other), "{one} {other}");
        }
    }

    #[test]
    fn no_digit_is_lost() {
        for (one, other) in [
            ("9007199254740993", "9007199254740992"),
            ("18446744073709551615", "18446744073709551616"),
            ("0.1", "0.10000000000000000001"),
            ("1", "-1"),
            ("1e400", "1e401"),
            ("1e99999999999999999999", "1e99999999999999999998"),
            ("0", "1"),
        ] {
            assert!(!same(one, other), "{one} {other}");
        }
    }
}
