//! Time spans as people write them: a number and its unit, and shown as they were given.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A time span, written `90s`, `30m`, `12h` or `90d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// A text that is no time span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a duration is a number with its unit, as 90s, 30m, 12h or 90d")]
pub struct BadSpan;

/// The units that are shown, the largest first, in seconds.
const UNITS: [(u64, &str); 4] = [(24 * 60 * 60, "d"), (60 * 60, "h"), (60, "m"), (1, "s")];

impl FromStr for Span {
    type Err = BadSpan;

    fn from_str(text: &str) -> Result<Self, BadSpan> {
        humantime::parse_duration(text)
            .map(Self)
            .map_err(|_| BadSpan)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let shown = UNITS
            .iter()
            .find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(*unit));
        match shown {
            _ if self.0.subsec_nanos() > 0 => write!(f, "{}", humantime::format_duration(self.0)),
            Some((unit, name)) => write!(f, "{}{name}", seconds / unit),
            None => write!(f, "0s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_as_it_was_given() {
        for text in [
            "0s", "1s", "75s", "90s", "30m", "12h", "36h", "1d", "90d", "400d", "1ms",
        ] {
            assert_eq!(
                text.parse::<Span>().map(|span| span.to_string()),
                Ok(text.to_owned())
            );
        }
        for (text, shown) in [
            ("0", "0s"),
            ("3 days", "3d"),
            ("1h30m", "90m"),
            ("2w", "14d"),
            ("120s", "2m"),
        ] {
            assert_eq!(
                text.parse::<Span>().map(|span| span.to_string()),
                Ok(shown.to_owned()),
                "{text}"
            );
        }
        for text in ["", "3", "d", "soon", "-1d"] {
            assert_eq!(text.parse::<Span>(), Err(BadSpan), "{text}");
        }
    }
}
