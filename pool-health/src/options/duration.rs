//! Durations as people write them.

use std::time::Duration;

/// Reads `1m30s`: whole numbers with a unit each, larger units first. `None` for anything else, also for more than fits.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    const UNITS: [(&str, Duration); 6] = [
        ("d", Duration::from_secs(86_400)),
        ("h", Duration::from_secs(3_600)),
        ("m", Duration::from_secs(60)),
        ("s", Duration::from_secs(1)),
        ("ms", Duration::from_millis(1)),
        ("us", Duration::from_micros(1)),
    ];
    let mut rest = text.trim();
    let mut units = UNITS.iter();
    let mut total = Duration::ZERO;
    loop {
        let (digits, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let end = after
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        // The iterator goes on where the last unit was found, so a unit that is repeated or out of order is not found.
        let (_, size) = units.find(|(name, _)| *name == unit)?;
        let count: u64 = digits.parse().ok()?;
        let nanos = u128::from(count).checked_mul(size.as_nanos())?;
        let secs = u64::try_from(nanos / 1_000_000_000).ok()?;
        let subsec = u32::try_from(nanos % 1_000_000_000).ok()?;
        total = total.checked_add(Duration::new(secs, subsec))?;
        rest = after;
        if rest.is_empty() {
            return Some(total);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_add_up() {
        for (text, millis) in [
            ("500ms", 500),
            ("60s", 60_000),
            ("1m30s", 90_000),
            ("2h", 7_200_000),
            ("1d1ms", 86_400_001),
            ("0s", 0),
            (" 5s ", 5_000),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text:?}");
        }
        assert_eq!(parse("7us"), Some(Duration::from_micros(7)));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            " ",
            "60",
            "s",
            "-1s",
            "1.5s",
            "1s1m",
            "1s1s",
            "1x",
            "1m 30s",
            "+1s",
            "1m30",
            "1é",
            "99999999999999999999s",
            "18446744073709551615d",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_longest_duration_of_whole_seconds_fits() {
        let text = format!("{}s", u64::MAX);
        assert_eq!(parse(&text), Some(Duration::from_secs(u64::MAX)));
    }
}
