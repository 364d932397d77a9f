//! How often this side resets streams: a peer must never take it for an attacker.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Counts the resets that this side has sent on one connection.
///
/// Whoever opens streams and resets them at once is doing what brought servers down as "rapid reset" (CVE-2023-44487), and
/// servers since count it: Envoy closes a connection of whose first 500 streams half were reset early
/// (`overload.premature_reset_total_stream_count`), nghttp2 takes 1000 in a burst and 33 a second after it. A caller that
/// cancels many requests shall not cost all others their connection in the middle of a response: this side stops first.
#[derive(Debug, Default)]
pub(super) struct CancelBudget {
    /// When the latest ones were, oldest first: at most one more than are allowed.
    at: VecDeque<Instant>,
    spent: bool,
}

/// This many resets within this time are allowed: a tenth of the least that is known to be counted as an attack.
const MOST: usize = 100;
const WITHIN: Duration = Duration::from_secs(10);

impl CancelBudget {
    /// Counts one reset. Returns whether the budget is used up, which it then stays.
    pub(super) fn note(&mut self, now: Instant) -> bool {
        if self.spent {
            return true;
        }
        while let Some(&oldest) = self.at.front()
            && now.saturating_duration_since(oldest) >= WITHIN
        {
            self.at.pop_front();
        }
        self.at.push_back(now);
        if self.at.len() > MOST {
            self.spent = true;
            self.at = VecDeque::new();
        }
        self.spent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of many resets, so far apart, is one too many.
    fn one_too_many(apart: Duration) -> Option<usize> {
        let mut budget = CancelBudget::default();
        let start = crate::clock::now();
        (1..10_000).find(|&n| budget.note(start + apart * n as u32))
    }

    #[test]
    fn more_than_a_hundred_in_ten_seconds_are_too_many() {
        assert_eq!(one_too_many(Duration::ZERO), Some(101));
        assert_eq!(one_too_many(Duration::from_millis(99)), Some(101));
        assert_eq!(one_too_many(Duration::from_millis(100)), None);
    }

    #[test]
    fn a_burst_counts_for_ten_seconds_and_not_longer() {
        let start = crate::clock::now();
        for (later, used_up) in [(9_999, true), (10_000, false)] {
            let mut budget = CancelBudget::default();
            assert!((0..100).all(|_| !budget.note(start)));
            let later = start + Duration::from_millis(later);
            assert_eq!(budget.note(later), used_up, "{later:?}");
        }
    }

    #[test]
    fn what_is_used_up_stays_so_and_keeps_nothing() {
        let mut budget = CancelBudget::default();
        let start = crate::clock::now();
        let spent = (0..200).filter(|_| budget.note(start)).count();
        assert_eq!(spent, 100);
        assert!(budget.note(start + WITHIN * 100));
        assert_eq!(budget.at.capacity(), 0);
    }
}
