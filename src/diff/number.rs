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
    /// None where the exponent is beyond all reason.
    fn parse(text: &str) -> Option<Self> {
        let (negative, text) = text
            .strip_prefix('-')
            .map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let mut exponent = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
        let mut digits: Vec<u8> = whole
            .bytes()
            .chain(fraction.bytes())
            .skip_while(|digit| *digit == b'0')
            .collect();
        while digits.last() == Some(&b'0') {
            digits.pop();
            exponent = exponent.checked_add(1)?;
        }
        if digits.is_empty() {
            return Some(Self {
                negative: false,
                digits,
                exponent: 0,
            });
        }
        Some(Self {
            negative,
            digits,
            exponent,
        })
    }
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
