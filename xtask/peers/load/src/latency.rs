//! Latencies: all of them, sorted once at the end.

use std::time::Duration;

/// What requests took.
#[derive(Debug, Default)]
pub(crate) struct Latencies {
    nanos: Vec<u32>,
}

impl Latencies {
    pub(crate) fn with_capacity(requests: usize) -> Self {
        Self {
            nanos: Vec::with_capacity(requests),
        }
    }

    /// Anything above four seconds counts as that.
    pub(crate) fn add(&mut self, took: Duration) {
        self.nanos
            .push(u32::try_from(took.as_nanos()).unwrap_or(u32::MAX));
    }

    pub(crate) fn append(&mut self, other: Self) {
        self.nanos.extend(other.nanos);
    }

    pub(crate) fn len(&self) -> usize {
        self.nanos.len()
    }

    /// Microseconds that the share `q` does not exceed, for each `q`; zero if there was no request.
    pub(crate) fn quantiles<const N: usize>(mut self, qs: [f64; N]) -> [f64; N] {
        self.nanos.sort_unstable();
        let Some(last) = self.nanos.len().checked_sub(1) else {
            return [0.0; N];
        };
        qs.map(|q| f64::from(self.nanos[(last as f64 * q).round() as usize]) / 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_all_tasks_together() {
        let mut all = Latencies::default();
        for base in [50, 0] {
            let mut one = Latencies::with_capacity(51);
            for us in 1..=50 {
                one.add(Duration::from_micros(base + us));
            }
            all.append(one);
        }
        assert_eq!(all.len(), 100);
        assert_eq!(
            all.quantiles([0.0, 0.5, 0.99, 1.0]),
            [1.0, 51.0, 99.0, 100.0]
        );
        assert_eq!(Latencies::default().quantiles([0.5]), [0.0]);
    }
}
