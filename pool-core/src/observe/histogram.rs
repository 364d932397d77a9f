//! A lock-free histogram of durations.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Buckets for each power of two: values are kept to within 25 %.
const SUB: usize = 4;
const BUCKETS: usize = 64 * SUB;

/// Counts durations in buckets that grow by powers of two, four to each; recording is two atomic additions.
pub struct Histogram {
    buckets: Box<[AtomicU64; BUCKETS]>,
    sum_ns: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: Box::new([const { AtomicU64::new(0) }; BUCKETS]),
            sum_ns: AtomicU64::new(0),
        }
    }
}

impl Histogram {
    /// Counts one duration; more than 584 years count as that.
    pub fn record(&self, value: Duration) {
        self.record_times(value, 1);
    }

    /// Counts one duration as so many of that length: one of a sample.
    pub(crate) fn record_times(&self, value: Duration, times: u64) {
        let ns = u64::try_from(value.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[bucket_of(ns)].fetch_add(times, Ordering::Relaxed);
        let sum = ns.saturating_mul(times);
        self.sum_ns.fetch_add(sum, Ordering::Relaxed);
    }

    /// A copy of the counts. Records made meanwhile may be in it or not.
    pub fn snapshot(&self) -> Distribution {
        let mut counts = Vec::new();
        for (at, bucket) in self.buckets.iter().enumerate() {
            let count = bucket.load(Ordering::Relaxed);
            if count > 0 {
                counts.push((Duration::from_nanos(upper_bound(at)), count));
            }
        }
        Distribution {
            count: counts.iter().map(|(_, count)| count).sum(),
            sum: Duration::from_nanos(self.sum_ns.load(Ordering::Relaxed)),
            counts,
        }
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.snapshot().fmt(f)
    }
}

/// Durations that were counted, by bucket.
///
/// Serialized, every time is a number of microseconds: `{"count","sum_us","p50_us","p99_us","buckets":[[bound, count],…]}`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Distribution {
    /// How many.
    pub count: u64,
    /// Their sum.
    pub sum: Duration,
    /// Upper bound of each bucket that is not empty, with its count, in rising order.
    pub counts: Vec<(Duration, u64)>,
}

impl Distribution {
    /// The smallest bucket bound that at least the share `q` (0 to 1) of the values do not exceed; zero if empty.
    pub fn quantile(&self, q: f64) -> Duration {
        let wanted = (self.count as f64 * q.clamp(0.0, 1.0)).ceil() as u64;
        let mut seen = 0;
        for &(bound, count) in &self.counts {
            seen += count;
            if seen >= wanted.max(1) {
                return bound;
            }
        }
        Duration::ZERO
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Distribution {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;

        let us = |time: Duration| time.as_secs_f64() * 1e6;
        let buckets = self.counts.iter().map(|&(bound, count)| (us(bound), count));
        let buckets: Vec<(f64, u64)> = buckets.collect();
        let mut fields = to.serialize_struct("Distribution", 5)?;
        fields.serialize_field("count", &self.count)?;
        fields.serialize_field("sum_us", &us(self.sum))?;
        fields.serialize_field("p50_us", &us(self.quantile(0.5)))?;
        fields.serialize_field("p99_us", &us(self.quantile(0.99)))?;
        fields.serialize_field("buckets", &buckets)?;
        fields.end()
    }
}

fn bucket_of(ns: u64) -> usize {
    if ns < SUB as u64 {
        return ns as usize;
    }
    let power = ns.ilog2() as usize;
    let sub = (ns >> (power - 2)) as usize & (SUB - 1);
    (power - 1) * SUB + sub
}

/// The largest value of a bucket.
fn upper_bound(bucket: usize) -> u64 {
    if bucket < SUB {
        return bucket as u64;
    }
    let power = bucket / SUB + 1;
    let next = (SUB + bucket % SUB + 1) as u128;
    u64::try_from((next << (power - 2)) - 1).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_at_most_a_quarter_below_its_bucket_bound() {
        for ns in (0..1000).chain((0..64).map(|p| 1 << p)).chain([u64::MAX]) {
            let bound = upper_bound(bucket_of(ns));
            assert!(bound >= ns, "{ns} in a bucket up to {bound}");
            assert!(bound - ns <= ns / 4, "{ns} in a bucket up to {bound}");
        }
    }

    #[test]
    fn quantiles_come_from_the_counts() {
        let histogram = Histogram::default();
        for ms in 1..=100 {
            histogram.record(Duration::from_millis(ms));
        }
        let seen = histogram.snapshot();
        assert_eq!((seen.count, seen.sum), (100, Duration::from_millis(5050)));
        assert!((50..=63).contains(&seen.quantile(0.5).as_millis()));
        assert!((99..=125).contains(&seen.quantile(1.0).as_millis()));
        assert_eq!(Distribution::default().quantile(0.5), Duration::ZERO);
    }

    #[test]
    fn one_of_a_sample_counts_for_all_of_them() {
        let (one, each) = (Histogram::default(), Histogram::default());
        one.record_times(Duration::from_millis(3), 8);
        for _ in 0..8 {
            each.record(Duration::from_millis(3));
        }
        assert_eq!(one.snapshot(), each.snapshot());
    }
}
