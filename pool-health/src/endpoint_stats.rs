//! What a policy may know about an endpoint, and about its host's others.

use std::time::{Duration, Instant};

use crate::Outcome;

/// One endpoint (a remote address of a host) over all its connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndpointStats {
    /// Failures of any kind since the last success.
    pub consecutive_failures: u32,
    /// Failures to reach it (dial, reset, timeout) since it last answered anything.
    pub consecutive_local: u32,
    /// Answers with a server error since the last success.
    pub consecutive_remote: u32,
    /// Successes so far.
    pub successes: u64,
    /// Failures so far, of any kind.
    pub failures: u64,
    /// The latest outcomes, since it was last ejected.
    pub recent: Recent,
    /// How long its responses took lately, from request to head: an average in which each new one counts an eighth. `None` if there was none since
    /// it was last ejected.
    pub latency: Option<Duration>,
    /// How often it has been ejected before, less what is forgotten by now: see [`recent_ejections`](Self::recent_ejections), what a growing
    /// ejection time grows with.
    pub ejections: u32,
    /// When its latest ejection ends or ended; `None` if there was none.
    pub ejected_until: Option<Instant>,
    /// The status of its latest response.
    pub last_status: Option<u16>,
    /// Responses in a row with that status.
    pub same_status: u32,
}

impl EndpointStats {
    /// An endpoint of which nothing is known yet.
    pub const fn new() -> Self {
        Self {
            consecutive_failures: 0,
            consecutive_local: 0,
            consecutive_remote: 0,
            successes: 0,
            failures: 0,
            recent: Recent::new(),
            latency: None,
            ejections: 0,
            ejected_until: None,
            last_status: None,
            same_status: 0,
        }
    }

    /// Counts one outcome, as every pool does before it asks an [`OutlierPolicy`](crate::OutlierPolicy).
    ///
    /// A success ends every run of failures. A server error shows that the endpoint can be reached, so it ends a local run; a
    /// local failure says nothing about what the server would have answered, so a remote run goes on.
    pub fn observe(&mut self, outcome: Outcome) {
        if let Outcome::Status(status) = outcome {
            let same = self.last_status == Some(status);
            self.same_status = if same {
                self.same_status.saturating_add(1)
            } else {
                1
            };
            self.last_status = Some(status);
        }
        self.recent.push(outcome.is_failure());
        if !outcome.is_failure() {
            self.successes = self.successes.saturating_add(1);
            self.consecutive_failures = 0;
            self.consecutive_local = 0;
            self.consecutive_remote = 0;
            return;
        }
        // A run that has reached the maximum stays there: longer than any threshold is all it says.
        self.failures = self.failures.saturating_add(1);
        self.consecutive_failures = self.consecutive_failures.saturating_add(1);
        if outcome.is_local() {
            self.consecutive_local = self.consecutive_local.saturating_add(1);
        } else {
            self.consecutive_local = 0;
            self.consecutive_remote = self.consecutive_remote.saturating_add(1);
        }
    }

    /// Counts how long a response took.
    pub fn observe_latency(&mut self, latency: Duration) {
        self.latency = Some(self.latency.map_or(latency, |average| {
            // In this order no sum overflows.
            average - average / 8 + latency / 8
        }));
    }

    /// Counts an ejection that begins `now` and ends at `until`, or whose end is not known.
    ///
    /// What made it bad is forgotten as far as it is compared with others, so that it comes back with a clean slate; runs of failures are
    /// not, so that its first failure after it has come back counts with those before.
    pub fn observe_ejection(&mut self, now: Instant, until: Option<Instant>) {
        self.ejections = self.recent_ejections(now).saturating_add(1);
        self.ejected_until = Some(until.unwrap_or(now));
        self.recent = Recent::new();
        self.latency = None;
    }

    /// How many ejections are not forgotten at `now`: one less for each five minutes since the end of the latest.
    pub fn recent_ejections(&self, now: Instant) -> u32 {
        let Some(until) = self.ejected_until else {
            return self.ejections;
        };
        let since = now.saturating_duration_since(until).as_secs() / FORGET.as_secs();
        self.ejections
            .saturating_sub(since.try_into().unwrap_or(u32::MAX))
    }
}

/// The latest outcomes of an endpoint, 64 at most: good or bad.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recent {
    /// The latest in the lowest bit; set if it failed. Bits beyond `len` are zero.
    failed: u64,
    len: u32,
}

impl Recent {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self { failed: 0, len: 0 }
    }

    /// Adds an outcome, and forgets the oldest if there are too many.
    pub fn push(&mut self, failed: bool) {
        self.failed = self.failed << 1 | u64::from(failed);
        self.len = (self.len + 1).min(u64::BITS);
    }

    /// How many there are, 64 at most.
    #[expect(
        clippy::len_without_is_empty,
        reason = "only enough or not enough of them matters"
    )]
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// The part of them that went well, from 0 to 1; `None` if there are none.
    pub fn success_rate(&self) -> Option<f64> {
        let good = self.len - self.failed.count_ones();
        (self.len > 0).then(|| f64::from(good) / f64::from(self.len))
    }
}

/// What is usual for the endpoints of a host: medians of those of which enough is known.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct PeerStats {
    /// How many of them there are.
    pub endpoints: usize,
    /// The median of their rates of success; `None` if there are none.
    pub success_rate: Option<f64>,
    /// The median of their latencies; `None` if there is none.
    pub latency: Option<Duration>,
}

impl PeerStats {
    /// Nothing is known.
    pub const fn new() -> Self {
        Self {
            endpoints: 0,
            success_rate: None,
            latency: None,
        }
    }

    /// The medians over a host's endpoints, of which those with fewer than ten recent outcomes do not count. Of an even number the better of the
    /// two in the middle.
    ///
    /// This sorts, so pools do it once in a while and not for each outcome.
    pub fn of<'a>(endpoints: impl IntoIterator<Item = &'a EndpointStats>) -> Self {
        let known = endpoints
            .into_iter()
            .filter(|endpoint| endpoint.recent.len() >= KNOWN);
        let (mut rates, mut latencies) = (Vec::new(), Vec::new());
        for endpoint in known {
            rates.extend(endpoint.recent.success_rate());
            latencies.extend(endpoint.latency);
        }
        rates.sort_unstable_by(f64::total_cmp);
        latencies.sort_unstable();
        Self {
            endpoints: rates.len(),
            success_rate: rates.get(rates.len() / 2).copied(),
            latency: latencies
                .get(latencies.len().saturating_sub(1) / 2)
                .copied(),
        }
    }
}

/// How many endpoints a host has, and how many of them are out.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct HostEndpoints {
    /// Endpoints known, ejected ones included.
    pub total: usize,
    /// Endpoints ejected now. The one being judged is not among them.
    pub ejected: usize,
    /// What is usual for them, as of a moment ago.
    pub peers: PeerStats,
}

impl HostEndpoints {
    /// A host with `total` endpoints, of which `ejected` are out, and of whose peers nothing is known.
    pub const fn new(total: usize, ejected: usize) -> Self {
        Self {
            total,
            ejected,
            peers: PeerStats::new(),
        }
    }

    /// Whether at most one endpoint is left, so that none may be ejected.
    pub fn is_last(&self) -> bool {
        self.total
            .checked_sub(self.ejected)
            .is_none_or(|left| left <= 1)
    }
}

/// Outcomes that an endpoint's rate and latency must be made of to count among others'.
const KNOWN: u32 = 10;
/// As long as the longest ejection by default.
const FORGET: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::any_instant;

    #[test]
    fn a_success_ends_every_run_of_failures() {
        let mut stats = EndpointStats::new();
        for outcome in [
            Outcome::Reset,
            Outcome::Status(503),
            Outcome::TimedOut,
            Outcome::Status(200),
        ] {
            stats.observe(outcome);
        }
        assert_eq!(
            (
                stats.consecutive_failures,
                stats.consecutive_local,
                stats.consecutive_remote
            ),
            (0, 0, 0)
        );
        assert_eq!(
            (stats.successes, stats.failures, stats.last_status),
            (1, 3, Some(200))
        );
    }

    #[test]
    fn a_server_error_ends_a_local_run_but_not_the_other_way_round() {
        let mut stats = EndpointStats::new();
        for outcome in [
            Outcome::ConnectFailed,
            Outcome::Status(500),
            Outcome::ConnectFailed,
        ] {
            stats.observe(outcome);
        }
        assert_eq!(
            (
                stats.consecutive_failures,
                stats.consecutive_local,
                stats.consecutive_remote
            ),
            (3, 1, 1)
        );
    }

    #[test]
    fn the_last_endpoint_is_known_even_from_counts_that_disagree() {
        assert!(!HostEndpoints::new(3, 1).is_last());
        assert!(HostEndpoints::new(3, 2).is_last());
        assert!(HostEndpoints::new(0, 0).is_last());
        assert!(HostEndpoints::new(1, usize::MAX).is_last());
    }

    #[test]
    fn the_latest_sixty_four_outcomes_count() {
        let mut recent = Recent::new();
        assert_eq!((recent.len(), recent.success_rate()), (0, None));
        recent.push(true);
        assert_eq!((recent.len(), recent.success_rate()), (1, Some(0.0)));
        (0..3).for_each(|_| recent.push(false));
        assert_eq!((recent.len(), recent.success_rate()), (4, Some(0.75)));
        (0..60).for_each(|_| recent.push(true));
        assert_eq!(
            (recent.len(), recent.success_rate()),
            (64, Some(3.0 / 64.0))
        );
        recent.push(false);
        assert_eq!(
            recent.success_rate(),
            Some(4.0 / 64.0),
            "the first failure is gone"
        );
        (0..64).for_each(|_| recent.push(false));
        assert_eq!(recent.success_rate(), Some(1.0));
    }

    #[test]
    fn a_status_that_comes_again_is_counted_and_another_starts_anew() {
        let mut stats = EndpointStats::new();
        for (outcome, run) in [
            (Outcome::Status(403), 1),
            (Outcome::Status(403), 2),
            (Outcome::Reset, 2),
            (Outcome::Status(403), 3),
            (Outcome::Status(200), 1),
        ] {
            stats.observe(outcome);
            assert_eq!(stats.same_status, run, "{outcome:?}");
        }
    }

    #[test]
    fn latency_moves_an_eighth_of_the_way() {
        let ms = Duration::from_millis;
        let mut stats = EndpointStats::new();
        for (latency, average) in [(ms(80), ms(80)), (ms(160), ms(90)), (ms(90), ms(90))] {
            stats.observe_latency(latency);
            assert_eq!(stats.latency, Some(average));
        }
        stats.observe_latency(Duration::MAX);
        stats.latency = Some(Duration::MAX);
        stats.observe_latency(Duration::MAX);
        assert!(stats.latency > Some(Duration::MAX / 2));
    }

    #[test]
    fn an_ejection_is_forgotten_every_five_minutes_after_the_latest_has_ended() {
        let now = any_instant();
        let minute = Duration::from_secs(60);
        let mut stats = EndpointStats::new();
        for _ in 0..3 {
            stats.observe_ejection(now, Some(now + minute));
        }
        for (after, left) in [
            (0, 3),
            (1, 3),
            (5, 3),
            (6, 2),
            (10, 2),
            (11, 1),
            (16, 0),
            (999, 0),
        ] {
            assert_eq!(
                stats.recent_ejections(now + minute * after),
                left,
                "{after} minutes"
            );
        }
        assert_eq!(
            stats.recent_ejections(now + minute * 6 - Duration::from_nanos(1)),
            3
        );
        stats.observe_ejection(now + minute * 6, None);
        assert_eq!(stats.ejections, 3, "one was forgotten and one came");
        assert_eq!(stats.recent_ejections(now + minute * 11), 2);
    }

    #[test]
    fn who_comes_back_is_compared_anew_but_its_run_of_failures_goes_on() {
        let now = any_instant();
        let mut stats = EndpointStats::new();
        stats.observe(Outcome::Reset);
        stats.observe_latency(Duration::from_secs(9));
        stats.observe_ejection(now, Some(now));
        assert_eq!((stats.recent, stats.latency), (Recent::new(), None));
        assert_eq!(stats.consecutive_failures, 1);
    }

    #[test]
    fn medians_are_of_those_of_which_enough_is_known_and_favour_the_better() {
        let endpoint = |good: u32, bad: u32, millis: u64| {
            let mut stats = EndpointStats::new();
            (0..bad).for_each(|_| stats.observe(Outcome::Reset));
            (0..good).for_each(|_| stats.observe(Outcome::Ok));
            stats.latency = (millis > 0).then(|| Duration::from_millis(millis));
            stats
        };
        assert_eq!(PeerStats::of([]), PeerStats::new());
        let few = endpoint(9, 0, 1);
        assert_eq!(PeerStats::of([&few]), PeerStats::new());
        let all = [
            endpoint(10, 0, 20),
            endpoint(8, 2, 30),
            endpoint(5, 5, 0),
            endpoint(0, 10, 900),
        ];
        let of = |some: &[EndpointStats]| {
            let peers = PeerStats::of(some);
            (
                peers.endpoints,
                peers.success_rate,
                peers.latency.map(|l| l.as_millis()),
            )
        };
        assert_eq!(of(&all), (4, Some(0.8), Some(30)));
        assert_eq!(of(&all[..2]), (2, Some(1.0), Some(20)));
        assert_eq!(of(&all[1..]), (3, Some(0.5), Some(30)));
        assert_eq!(of(&all[2..3]), (1, Some(0.5), None));
    }
}
