//! A set of HTTP statuses, written the way people write them: `200-299,304`.

use std::fmt;
use std::str::FromStr;

/// A set of HTTP statuses.
///
/// Parses from a comma-separated list of statuses and inclusive ranges, each from 100 to 999, and prints itself the same way, sorted and
/// merged. The default is `200-399`: what most people call fine.
///
/// ```
/// use pool_health::StatusSet;
///
/// let fine: StatusSet = "304, 200-299".parse()?;
/// assert!(fine.contains(204) && !fine.contains(404));
/// assert_eq!(fine.to_string(), "200-299,304");
/// # Ok::<(), pool_health::ParseStatusSetError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusSet {
    /// Inclusive, ascending, neither overlapping nor adjacent: equal sets compare equal.
    ranges: Vec<(u16, u16)>,
}

impl StatusSet {
    /// The statuses from `first` to `last`, both included.
    ///
    /// # Panics
    ///
    /// Unless `100 <= first <= last <= 999`.
    pub fn range(first: u16, last: u16) -> Self {
        assert!(
            MIN <= first && first <= last && last <= MAX,
            "a status range lies within {MIN}-{MAX} and ascends, not {first}-{last}"
        );
        Self {
            ranges: vec![(first, last)],
        }
    }

    /// Whether `status` is in the set.
    pub fn contains(&self, status: u16) -> bool {
        self.ranges
            .iter()
            .any(|&(first, last)| (first..=last).contains(&status))
    }

    fn merged(mut ranges: Vec<(u16, u16)>) -> Self {
        ranges.sort_unstable();
        let mut merged: Vec<(u16, u16)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match merged.last_mut() {
                Some(previous) if first <= previous.1 + 1 => previous.1 = previous.1.max(last),
                _ => merged.push((first, last)),
            }
        }
        Self { ranges: merged }
    }
}

impl Default for StatusSet {
    fn default() -> Self {
        Self::range(200, 399)
    }
}

impl FromStr for StatusSet {
    type Err = ParseStatusSetError;

    fn from_str(text: &str) -> Result<Self, ParseStatusSetError> {
        let status = |text: &str| {
            let digits = text.trim();
            // `parse` alone would take "+200".
            let plain = digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
            digits
                .parse()
                .ok()
                .filter(|status| plain && (MIN..=MAX).contains(status))
        };
        let range = |piece: &str| match piece.split_once('-') {
            Some((first, last)) => Some((status(first)?, status(last)?)),
            None => status(piece).map(|only| (only, only)),
        };
        text.split(',')
            .map(|piece| {
                range(piece)
                    .filter(|(first, last)| first <= last)
                    .ok_or_else(|| ParseStatusSetError {
                        piece: piece.trim().to_owned(),
                    })
            })
            .collect::<Result<Vec<_>, _>>()
            .map(Self::merged)
    }
}

impl fmt::Display for StatusSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (first, last)) in self.ranges.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            if first == last {
                write!(f, "{first}")?;
            } else {
                write!(f, "{first}-{last}")?;
            }
        }
        Ok(())
    }
}

/// A text that is not a [`StatusSet`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseStatusSetError {
    piece: String,
}

impl ParseStatusSetError {
    /// The part of the list that could not be read.
    pub fn piece(&self) -> &str {
        &self.piece
    }
}

impl fmt::Display for ParseStatusSetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is neither a status from {MIN} to {MAX} nor an ascending range of them",
            self.piece
        )
    }
}

impl std::error::Error for ParseStatusSetError {}

const MIN: u16 = 100;
const MAX: u16 = 999;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_include_both_ends() {
        let set: StatusSet = "200-299,304".parse().unwrap();
        let held: Vec<u16> = [199, 200, 299, 300, 303, 304, 305]
            .into_iter()
            .filter(|&status| set.contains(status))
            .collect();
        assert_eq!(held, [200, 299, 304]);
    }

    #[test]
    fn equal_sets_compare_equal_however_they_were_written() {
        for text in ["200-204,205-299", "200-250,240-299", "299,200-298,204"] {
            let set: StatusSet = text.parse().unwrap();
            assert_eq!(set, StatusSet::range(200, 299), "{text:?}");
        }
    }

    #[test]
    fn bad_lists_are_refused_and_the_error_names_the_piece() {
        for (text, piece) in [
            ("", ""),
            ("200,", ""),
            ("200,abc", "abc"),
            ("299-200", "299-200"),
            ("99", "99"),
            ("1000", "1000"),
            ("+200", "+200"),
            ("200-", "200-"),
            ("-200", "-200"),
            ("200-250-299", "200-250-299"),
            ("70000", "70000"),
        ] {
            assert_eq!(
                text.parse::<StatusSet>().unwrap_err().piece(),
                piece,
                "{text:?}"
            );
        }
    }
}
