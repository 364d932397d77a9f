//! A moving average of durations, so that a host knows what waiting and dialling cost lately.

use std::time::Duration;

/// The exponentially weighted mean of the last samples, each counting an eighth (the gain of TCP's smoothed round-trip
/// time, RFC 6298 section 2). The first sample is taken whole.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ewma {
    /// `None` before the first sample.
    mean_ns: Option<u64>,
}

impl Ewma {
    pub(super) fn record(&mut self, sample: Duration) {
        let sample = u64::try_from(sample.as_nanos()).unwrap_or(u64::MAX);
        self.mean_ns = Some(match self.mean_ns {
            None => sample,
            Some(mean) if sample >= mean => mean + (sample - mean) / 8,
            Some(mean) => mean - (mean - sample) / 8,
        });
    }

    pub(super) fn mean(self) -> Option<Duration> {
        self.mean_ns.map(Duration::from_nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_follows_the_samples_from_both_sides() {
        let mut ewma = Ewma::default();
        assert_eq!(ewma.mean(), None);
        ewma.record(Duration::from_millis(8));
        ewma.record(Duration::from_millis(16));
        assert_eq!(ewma.mean(), Some(Duration::from_millis(9)));
        for _ in 0..200 {
            ewma.record(Duration::ZERO);
        }
        assert!(
            ewma.mean()
                .is_some_and(|mean| mean < Duration::from_nanos(10))
        );
        ewma.record(Duration::MAX);
    }
}
