//! Hysteresis: how many results in a row it takes to change one's mind.

/// Successes in a row that bring something up, and failures in a row that bring it down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threshold {
    rise: u32,
    fall: u32,
}

impl Threshold {
    /// Up after `rise` successes in a row, down after `fall` failures in a row.
    ///
    /// # Panics
    ///
    /// If either is zero.
    pub const fn new(rise: u32, fall: u32) -> Self {
        assert!(rise > 0, "it takes at least one success to rise");
        assert!(fall > 0, "it takes at least one failure to fall");
        Self { rise, fall }
    }

    /// Successes in a row that bring it up.
    pub const fn rise(&self) -> u32 {
        self.rise
    }

    /// Failures in a row that bring it down.
    pub const fn fall(&self) -> u32 {
        self.fall
    }
}

impl Default for Threshold {
    /// Rises after 2 and falls after 3, as HAProxy's `rise` and `fall` do (configuration manual, section 5.2).
    fn default() -> Self {
        Self::new(2, 3)
    }
}

/// Follows the results of one thing, and says when it goes up or down.
///
/// ```
/// use pool_health::{Change, Threshold, Tracker};
///
/// let mut tracker = Tracker::up(Threshold::new(2, 3));
/// assert_eq!(tracker.observe(false), None);
/// assert_eq!(tracker.observe(false), None);
/// assert_eq!(tracker.observe(false), Some(Change::Down));
/// assert_eq!(tracker.observe(true), None);
/// assert_eq!(tracker.observe(true), Some(Change::Up));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tracker {
    threshold: Threshold,
    up: bool,
    /// Results in a row that contradict `up`; always below what would change it.
    against: u32,
}

impl Tracker {
    /// Starts up: trusted until it fails.
    pub const fn up(threshold: Threshold) -> Self {
        Self {
            threshold,
            up: true,
            against: 0,
        }
    }

    /// Starts down: not trusted before it has succeeded often enough.
    pub const fn down(threshold: Threshold) -> Self {
        Self {
            threshold,
            up: false,
            against: 0,
        }
    }

    /// How many results in a row it takes.
    pub const fn threshold(&self) -> Threshold {
        self.threshold
    }

    /// Counts one result. `Some` exactly when this one changed the state.
    pub fn observe(&mut self, ok: bool) -> Option<Change> {
        if ok == self.up {
            self.against = 0;
            return None;
        }
        self.against += 1;
        let needed = if ok {
            self.threshold.rise
        } else {
            self.threshold.fall
        };
        if self.against < needed {
            return None;
        }
        self.up = ok;
        self.against = 0;
        Some(if ok { Change::Up } else { Change::Down })
    }

    /// Whether it is up now.
    pub const fn is_up(&self) -> bool {
        self.up
    }
}

/// What one result changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// It was down and is up now.
    Up,
    /// It was up and is down now.
    Down,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_result_the_other_way_starts_the_count_again() {
        let mut tracker = Tracker::up(Threshold::new(2, 3));
        for ok in [false, false, true, false, false] {
            assert_eq!(tracker.observe(ok), None);
        }
        assert!(tracker.is_up());
        assert_eq!(tracker.observe(false), Some(Change::Down));
    }

    #[test]
    fn a_change_is_reported_once() {
        let mut tracker = Tracker::up(Threshold::new(1, 1));
        assert_eq!(tracker.observe(false), Some(Change::Down));
        assert_eq!(tracker.observe(false), None);
        assert_eq!(tracker.observe(true), Some(Change::Up));
        assert_eq!(tracker.observe(true), None);
    }

    #[test]
    fn what_starts_down_must_earn_its_rise() {
        let mut tracker = Tracker::down(Threshold::new(2, 3));
        assert_eq!(tracker.observe(true), None);
        assert_eq!(tracker.observe(true), Some(Change::Up));
    }

    #[test]
    #[should_panic(expected = "at least one failure")]
    fn a_threshold_of_zero_is_refused() {
        let _ = Threshold::new(1, 0);
    }
}
