//! Poisson's and Erlang's part in it.

/// The share of arrivals that finds all of `slots` taken, from 0 to 1, where `in_flight` would be in service on average
/// if nobody had to wait: Erlang's C formula (the M/M/c queue).
///
/// It is 1 where the load is as large as the slots or larger: the queue then grows without end, however long the
/// latencies are. Neither argument is checked; an `in_flight` that is negative or no number gives 0.
///
/// ```
/// use pool_core::capacity::waiting_share;
///
/// assert!((waiting_share(10.0, 12) - 0.449).abs() < 0.001);
/// assert_eq!(waiting_share(10.0, 10), 1.0);
/// ```
#[must_use]
pub fn waiting_share(in_flight: f64, slots: usize) -> f64 {
    let slots = slots as f64;
    if in_flight.is_nan() || in_flight <= 0.0 {
        return 0.0;
    }
    if in_flight >= slots {
        return 1.0;
    }
    // Erlang's B is the last term of a Poisson distribution cut off at `slots` by the sum of all. The terms are added
    // from the last one down, each relative to it, until those that follow are too small to matter, or the last one is.
    let mut sum = 1.0;
    let mut term = 1.0;
    let mut left = slots;
    while left >= 1.0 {
        term *= left / in_flight;
        left -= 1.0;
        sum += term;
        if term < sum * f64::EPSILON || sum.is_infinite() {
            break;
        }
    }
    let blocked = 1.0 / sum;
    let busy = in_flight / slots;
    blocked / (1.0 - busy * (1.0 - blocked))
}

/// What a Poisson distribution of this mean exceeds about as rarely as a normal one exceeds `z` standard deviations.
///
/// `z²/6` is for its skew, as in the Cornish-Fisher expansion: without it, three standard deviations are one connection
/// for a load of 0.09, which every eleventh arrival finds taken.
pub(super) fn upper(mean: f64, z: f64) -> f64 {
    if mean > 0.0 {
        mean + z * mean.sqrt() + z * z / 6.0
    } else {
        0.0
    }
}
