//! Durations as people write them.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// Reads a duration: whole numbers with units, such as `250ms`, `60s` or `1m30s`, or `never` for `Duration::MAX`.
///
/// Units are `d`, `h`, `m`, `s`, `ms`, `us` and `ns`; the parts are added up, with spaces between them or without. Only
/// `0` needs no unit. [`format_duration`] is the way back.
///
/// # Errors
///
/// [`DurationError`] for anything else, and for a sum that is too large to be a `Duration`.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let trimmed = text.trim();
    match trimmed {
        "never" => return Ok(Duration::MAX),
        "0" => return Ok(Duration::ZERO),
        _ => {}
    }
    let error = |reason| DurationError {
        text: text.into(),
        reason,
    };
    let mut rest = trimmed;
    if rest.is_empty() {
        return Err(error(Reason::Shape));
    }
    let mut sum = Duration::ZERO;
    while !rest.is_empty() {
        let (digits, after) = split_while(rest, |c| c.is_ascii_digit());
        let (unit, after) = split_while(after, |c| c.is_alphabetic());
        rest = after.trim_start();
        if digits.is_empty() {
            return Err(error(Reason::Shape));
        }
        if unit.is_empty() {
            // A point or a comma after the number is a fraction, not a missing unit.
            return Err(error(if rest.is_empty() {
                Reason::NoUnit
            } else {
                Reason::Shape
            }));
        }
        let number: u64 = digits.parse().or(Err(error(Reason::TooLong)))?;
        let seconds = |each| number.checked_mul(each).map(Duration::from_secs);
        let part = match unit {
            "d" => seconds(24 * 60 * 60),
            "h" => seconds(60 * 60),
            "m" => seconds(60),
            "s" => seconds(1),
            "ms" => Some(Duration::from_millis(number)),
            "us" => Some(Duration::from_micros(number)),
            "ns" => Some(Duration::from_nanos(number)),
            _ => return Err(error(Reason::Unit)),
        };
        sum = part
            .and_then(|part| sum.checked_add(part))
            .ok_or_else(|| error(Reason::TooLong))?;
    }
    Ok(sum)
}

fn split_while(text: &str, wanted: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !wanted(c)).unwrap_or(text.len()))
}

/// Writes a duration so that [`parse_duration`] reads the same one back: `1m30s`, `250ms`, `0s`, `never`.
pub fn format_duration(duration: Duration) -> String {
    if duration == Duration::MAX {
        return "never".into();
    }
    if duration.is_zero() {
        return "0s".into();
    }
    let seconds = duration.as_secs();
    let nanos = u64::from(duration.subsec_nanos());
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3600 % 24, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
        (nanos / 1_000_000, "ms"),
        (nanos / 1000 % 1000, "us"),
        (nanos % 1000, "ns"),
    ];
    parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, unit)| format!("{number}{unit}"))
        .collect()
}

/// A text that is not a duration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DurationError {
    text: String,
    reason: Reason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    Shape,
    NoUnit,
    Unit,
    TooLong,
}

impl fmt::Display for DurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a duration: ", self.text)?;
        f.write_str(match self.reason {
            Reason::Shape => {
                "write whole numbers with units, such as \"250ms\" or \"1m30s\", or \"never\""
            }
            Reason::NoUnit => "it has no unit; write it as \"60s\"",
            Reason::Unit => "the units are d, h, m, s, ms, us and ns",
            Reason::TooLong => "it is too long; write \"never\"",
        })
    }
}

impl Error for DurationError {}

#[cfg(feature = "serde")]
pub(super) fn serialize<S: serde::Serializer>(
    duration: &Duration,
    to: S,
) -> Result<S::Ok, S::Error> {
    to.serialize_str(&format_duration(*duration))
}

#[cfg(feature = "serde")]
pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    from.deserialize_any(Text)
}

#[cfg(feature = "serde")]
struct Text;

#[cfg(feature = "serde")]
impl serde::de::Visitor<'_> for Text {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as \"250ms\" or \"never\"")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Duration, E> {
        parse_duration(text).map_err(E::custom)
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Duration, E> {
        parse_duration(&number.to_string()).map_err(E::custom)
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Duration, E> {
        parse_duration(&number.to_string()).map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_reads_back_the_same(secs: u64, nanos in 0u32..1_000_000_000) {
            let duration = Duration::new(secs, nanos);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }

        #[test]
        fn no_text_panics(text: String) {
            let _outcome = parse_duration(&text);
        }
    }

    #[test]
    fn people_write_durations_in_many_ways() {
        for (text, millis) in [
            ("250ms", 250),
            ("60s", 60_000),
            ("1m30s", 90_000),
            (" 1m 30s ", 90_000),
            ("2h", 7_200_000),
            ("1d", 86_400_000),
            ("1500us", 1),
            ("0", 0),
            ("0s", 0),
        ] {
            let read = parse_duration(text).map(|d| d.as_millis());
            assert_eq!(read, Ok(millis), "{text}");
        }
        assert_eq!(parse_duration("never"), Ok(Duration::MAX));
        assert_eq!(format_duration(Duration::from_millis(90_250)), "1m30s250ms");
    }

    #[test]
    fn what_is_not_a_duration_is_told_apart() {
        for (text, says) in [
            ("60", "has no unit"),
            ("1m30", "has no unit"),
            ("1.5s", "whole numbers"),
            ("-1s", "whole numbers"),
            ("", "whole numbers"),
            ("soon", "whole numbers"),
            ("5 minutes", "whole numbers"),
            ("5min", "the units are"),
            ("99999999999999999999s", "too long"),
            ("18446744073709551615s18446744073709551615s", "too long"),
            ("18446744073709551615d", "too long"),
        ] {
            let error = parse_duration(text).expect_err(text).to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
