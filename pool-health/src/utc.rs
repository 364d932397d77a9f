//! Moments of the calendar, in UTC and whole seconds, as RFC 3339 writes them (`2030-01-31T23:59:59Z`) and as HTTP does.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Reads a moment from 1970 on; `None` for anything else, other zones and fractions included.
pub(crate) fn parse(text: &str) -> Option<SystemTime> {
    let bytes = text.as_bytes();
    let shape = b"dddd-dd-ddTdd:dd:ddZ";
    let fits = bytes.len() == shape.len()
        && bytes.iter().zip(shape).all(|(byte, shape)| match shape {
            b'd' => byte.is_ascii_digit(),
            other => byte == other,
        });
    if !fits {
        return None;
    }
    let number = |from: usize, to: usize| text[from..to].parse::<u64>().ok();
    moment(
        [number(0, 4)?, number(5, 7)?, number(8, 10)?],
        [number(11, 13)?, number(14, 16)?, number(17, 19)?],
    )
}

/// Reads a moment as HTTP writes it (RFC 9110, section 5.6.7, IMF-fixdate): `Sun, 06 Nov 1994 08:49:37 GMT`. The obsolete forms and anything else are
/// `None`; the name of the day is not looked at.
pub(crate) fn parse_http(text: &str) -> Option<SystemTime> {
    let (_, rest) = text.split_once(", ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let &[day, month, year, time, "GMT"] = &fields[..] else {
        return None;
    };
    let number = |text: &str, digits: usize| {
        let plain = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u64>().ok().filter(|_| plain)
    };
    let month = (1..).zip(MONTHS).find(|(_, name)| *name == month)?.0;
    let (hour, rest) = time.split_once(':')?;
    let (minute, second) = rest.split_once(':')?;
    moment(
        [number(year, 4)?, month, number(day, 2)?],
        [number(hour, 2)?, number(minute, 2)?, number(second, 2)?],
    )
}

/// The moment of this date and time; `None` if no calendar has it, or if it is before 1970.
fn moment([year, month, day]: [u64; 3], [hour, minute, second]: [u64; 3]) -> Option<SystemTime> {
    let days_in_month = *days_per_month(year).get(usize::try_from(month.checked_sub(1)?).ok()?)?;
    let in_range = year >= 1970
        && (1..=days_in_month).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !in_range {
        return None;
    }
    let days = (1970..year).map(days_per_year).sum::<u64>()
        + days_per_month(year)
            .iter()
            .zip(1..month)
            .map(|(days, _)| days)
            .sum::<u64>()
        + (day - 1);
    let secs = ((days * 24 + hour) * 60 + minute) * 60 + second;
    UNIX_EPOCH.checked_add(Duration::from_secs(secs))
}

/// Writes a moment, fractions of a second rounded up; `None` if it is before 1970 or after 9999.
pub(crate) fn format(moment: SystemTime) -> Option<String> {
    let since = moment.duration_since(UNIX_EPOCH).ok()?;
    let secs = since.as_secs() + u64::from(since.subsec_nanos() > 0);
    let (mut days, rest) = (secs / 86_400, secs % 86_400);
    let mut year = 1970;
    while days >= days_per_year(year) {
        days -= days_per_year(year);
        year += 1;
        if year > 9999 {
            return None;
        }
    }
    let mut month = 1;
    for length in days_per_month(year) {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    let day = days + 1;
    Some(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
    ))
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400)
}

fn days_per_year(year: u64) -> u64 {
    365 + u64::from(is_leap(year))
}

fn days_per_month(year: u64) -> [u64; 12] {
    let february = 28 + u64::from(is_leap(year));
    [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_are_read_and_written() {
        for (text, secs) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-12-31T23:59:59Z", 31_535_999),
            ("2000-02-29T00:00:00Z", 951_782_400),
            ("2000-03-01T00:00:00Z", 951_868_800),
            ("2009-02-13T23:31:30Z", 1_234_567_890),
            ("2100-02-28T23:59:59Z", 4_107_542_399),
            ("2100-03-01T00:00:00Z", 4_107_542_400),
            ("9999-12-31T23:59:59Z", 253_402_300_799),
        ] {
            let moment = UNIX_EPOCH + Duration::from_secs(secs);
            assert_eq!(parse(text), Some(moment), "{text}");
            assert_eq!(format(moment).as_deref(), Some(text));
        }
    }

    #[test]
    fn every_day_of_two_centuries_is_read_as_it_was_written() {
        for day in 0..73_050 {
            let moment = UNIX_EPOCH + Duration::from_secs(day * 86_400 + day % 86_400);
            let text = format(moment).unwrap();
            assert_eq!(parse(&text), Some(moment), "{text}");
        }
    }

    #[test]
    fn what_no_calendar_has_is_refused() {
        for text in [
            "",
            "2030-01-01",
            "2030-00-01T00:00:00Z",
            "2030-13-01T00:00:00Z",
            "2030-01-00T00:00:00Z",
            "2030-01-32T00:00:00Z",
            "2030-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "2030-01-01T24:00:00Z",
            "2030-01-01T00:60:00Z",
            "2030-01-01T00:00:60Z",
            "1969-12-31T23:59:59Z",
            "2030-01-01T00:00:00+00:00",
            "2030-01-01T00:00:00.5Z",
            "2030-01-01t00:00:00z",
            "2030-01-01T00:00:0éZ",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(format(UNIX_EPOCH - Duration::from_secs(1)), None);
        assert_eq!(
            format(UNIX_EPOCH + Duration::from_secs(253_402_300_800)),
            None
        );
    }

    #[test]
    fn fractions_round_up_so_that_no_ban_ends_early() {
        let moment = UNIX_EPOCH + Duration::from_millis(59_001);
        assert_eq!(format(moment).as_deref(), Some("1970-01-01T00:01:00Z"));
    }

    #[test]
    fn dates_of_http_are_read() {
        for (text, rfc3339) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", "1994-11-06T08:49:37Z"),
            ("Thu, 29 Feb 2024 23:59:59 GMT", "2024-02-29T23:59:59Z"),
        ] {
            assert_eq!(parse_http(text), parse(rfc3339), "{text}");
            assert!(parse_http(text).is_some());
        }
        for text in [
            "",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 06 nov 1994 08:49:37 GMT",
            "Sun, 31 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 +8:49:37 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT ",
        ] {
            assert_eq!(parse_http(text), None, "{text}");
        }
    }
}
