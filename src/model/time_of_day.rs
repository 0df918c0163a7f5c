//! A time of the day, in UTC: `02:30`.

use std::fmt;
use std::str::FromStr;

use super::clock::Timestamp;

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;

/// A minute of each day, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeOfDay {
    minutes: u16,
}

impl TimeOfDay {
    /// When it is this time, at or after a moment.
    pub fn next_after(self, moment: Timestamp) -> Timestamp {
        let of_day = i64::from(self.minutes) * MINUTE;
        let wait = (of_day - moment.millis()).rem_euclid(DAY);
        moment + std::time::Duration::from_millis(wait.unsigned_abs())
    }
}

/// Why a text is no time of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a time of the day is written as HH:MM, from 00:00 to 23:59, in UTC")]
pub struct NotATimeOfDay;

impl FromStr for TimeOfDay {
    type Err = NotATimeOfDay;

    fn from_str(text: &str) -> Result<Self, NotATimeOfDay> {
        let number = |part: &str, end: u16| {
            let is_two_digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
            let number: u16 = part.parse().map_err(|_| NotATimeOfDay)?;
            (is_two_digits && number < end)
                .then_some(number)
                .ok_or(NotATimeOfDay)
        };
        let (hours, minutes) = text.split_once(':').ok_or(NotATimeOfDay)?;
        Ok(Self {
            minutes: number(hours, 24)? * 60 + number(minutes, 60)?,
        })
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.minutes / 60, self.minutes % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_next_one_of_today_or_tomorrow() {
        let at = |text| Timestamp::parse(text).unwrap();
        let time: TimeOfDay = "02:30".parse().unwrap();
        for (moment, next) in [
            ("2026-11-27T01:00:00Z", "2026-11-27T02:30:00Z"),
            ("2026-11-27T02:30:00Z", "2026-11-27T02:30:00Z"),
            ("2026-11-27T02:30:00.001Z", "2026-11-28T02:30:00Z"),
            ("2026-12-31T23:59:00Z", "2027-01-01T02:30:00Z"),
        ] {
            assert_eq!(time.next_after(at(moment)), at(next), "{moment}");
        }
        assert_eq!(time.to_string(), "02:30");
    }

    #[test]
    fn anything_else_is_none() {
        for text in [
            "", "2:30", "24:00", "12:60", "12", "12:3x", "-1:00", "+1:00", "12:30:00",
        ] {
            assert_eq!(text.parse::<TimeOfDay>(), Err(NotATimeOfDay), "{text}");
        }
    }
}
