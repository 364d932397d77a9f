//! How long a response asks to be left alone.

use std::time::{Duration, SystemTime};

use crate::utc;

/// Reads the value of a `Retry-After` (RFC 9110, section 10.2.3): seconds, or a date, which is compared with `now`.
///
/// A date gone by is no time at all. Seconds that no counter holds are as many as one does: what is absurd is for whoever acts on it to
/// cut. Anything else is `None`, the obsolete forms of dates among it.
///
/// ```
/// use pool_health::parse_retry_after;
/// use std::time::{Duration, UNIX_EPOCH};
///
/// let now = UNIX_EPOCH + Duration::from_secs(784_111_770);
/// let ten = Some(Duration::from_secs(10));
/// assert_eq!(parse_retry_after("10", now), ten);
/// assert_eq!(parse_retry_after("Sun, 06 Nov 1994 08:49:40 GMT", now), ten);
/// assert_eq!(parse_retry_after("soon", now), None);
/// ```
pub fn parse_retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim_matches([' ', '\t']);
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // All that can go wrong with digits is that there are too many.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let at = utc::parse_http(value)?;
    Some(at.duration_since(now).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn seconds_and_dates_are_read_and_nothing_else() {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (value, secs) in [
            ("0", Some(0)),
            ("120", Some(120)),
            (" 7\t", Some(7)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("Sun, 06 Nov 1994 08:49:38 GMT", Some(1)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(0)),
            ("Sat, 05 Nov 1994 08:49:37 GMT", Some(0)),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1.5", None),
            ("1 minute", None),
            ("Sunday, 06-Nov-94 08:49:37 GMT", None),
        ] {
            let expected = secs.map(Duration::from_secs);
            assert_eq!(parse_retry_after(value, now), expected, "{value:?}");
        }
    }
}
