//! What every pool relies on in an outlier policy.

use std::time::{Duration, Instant};

use super::{Numbers, ROUNDS, any_instant, assert_named, earlier, judged, later};
use crate::{
    EndpointStats, HostEndpoints, MAX_EJECTION, Outcome, OutlierContext, OutlierPolicy,
    OutlierVerdict, PeerStats,
};

/// Checks that an outlier policy keeps its promises.
///
/// # Panics
///
/// If its name is empty, changes, or is no lower-case word; if it panics on some context, judges the same context differently the second
/// time or at another time of day; if it ejects for what is no failure although it says that it does not, a host's last endpoint, one that has only ever succeeded, or any for no time or for
/// longer than [`MAX_EJECTION`].
pub fn outlier(policy: &dyn OutlierPolicy) {
    let name = assert_named("outlier policy", || policy.name());
    let who = format!("outlier policy {name:?}");
    let start = any_instant();

    let mut numbers = Numbers(2);
    let cases: Vec<Case> = (0..ROUNDS)
        .flat_map(|_| Case::any(&mut numbers, start))
        .collect();
    let first: Vec<OutlierVerdict> = cases.iter().map(|case| case.judge(policy, &who)).collect();
    let failures_only = policy.failures_only();
    for (case, verdict) in cases.iter().zip(&first) {
        assert_bounded(&who, case, verdict);
        let unasked = failures_only && !case.outcome.is_failure();
        assert!(
            !unasked || *verdict == OutlierVerdict::Keep,
            "{who} says that it ejects for failures only, and ejects for {:?}",
            case.context()
        );
    }
    // Backwards, so that what a policy remembers of the calls before is something else this time.
    for (case, first) in cases.iter().zip(&first).rev() {
        for _ in 0..2 {
            let again = case.judge(policy, &who);
            assert!(
                *first == again,
                "{who} is not pure: {:?} was judged {first:?} first and {again:?} later",
                case.context()
            );
        }
        let days = Duration::from_secs(30 * 24 * 3600);
        let mut moved = *case;
        moved.now = earlier(case.now, days);
        moved.endpoint.ejected_until = case.endpoint.ejected_until.map(|at| earlier(at, days));
        let moved = moved.judge(policy, &who);
        assert!(
            *first == moved,
            "{who} depends on the time of day: {:?} is judged {first:?}, and {moved:?} 30 days earlier",
            case.context()
        );
    }
}

fn assert_bounded(who: &str, case: &Case, verdict: &OutlierVerdict) {
    let OutlierVerdict::Eject { duration, .. } = *verdict else {
        return;
    };
    let cx = case.context();
    assert!(
        !case.host.is_last(),
        "{who} ejects a host's last endpoint: {cx:?}"
    );
    assert!(
        case.outcome != Outcome::Ok || case.endpoint.failures > 0,
        "{who} ejects an endpoint that has only ever succeeded: {cx:?}"
    );
    assert!(!duration.is_zero(), "{who} ejects for no time: {cx:?}");
    assert!(
        duration <= MAX_EJECTION,
        "{who} ejects for {duration:?}, longer than {MAX_EJECTION:?}: {cx:?}"
    );
}

/// A context that owns what it shows.
#[derive(Debug, Clone, Copy)]
struct Case {
    outcome: Outcome,
    endpoint: EndpointStats,
    host: HostEndpoints,
    now: Instant,
    retry_after: Option<Duration>,
}

impl Case {
    /// One endpoint, once with others left and once as the last.
    fn any(numbers: &mut Numbers, now: Instant) -> [Self; 2] {
        let status = (numbers.next() % 1_000) as u16;
        let outcome = numbers.pick(&[
            Outcome::Status(status),
            Outcome::Status(200),
            Outcome::Status(403),
            Outcome::Status(503),
            Outcome::Status(u16::MAX),
            Outcome::ConnectFailed,
            Outcome::Reset,
            Outcome::TimedOut,
            Outcome::Ok,
        ]);
        let mut endpoint = EndpointStats::new();
        endpoint.consecutive_local = numbers.counter32();
        endpoint.consecutive_remote = numbers.counter32();
        endpoint.consecutive_failures = numbers.counter32();
        endpoint.successes = numbers.counter();
        endpoint.failures = numbers.counter();
        endpoint.ejections = numbers.counter32();
        let until = later(now, numbers.span().min(MAX_EJECTION));
        endpoint.ejected_until = numbers.pick(&[None, Some(now), Some(until)]);
        let span = numbers.span();
        endpoint.latency = numbers.pick(&[None, Some(span), Some(Duration::MAX)]);
        let often_bad = 1 + numbers.next() % 8;
        for _ in 0..numbers.pick(&[0, 1, 30, 70]) {
            endpoint.recent.push(numbers.next() % 8 < often_bad);
        }
        // The pool shows only what it has counted.
        endpoint.observe(outcome);
        if numbers.next().is_multiple_of(4) {
            endpoint = EndpointStats::new();
            endpoint.observe(outcome);
        }
        let mut peers = PeerStats::new();
        peers.endpoints = numbers.pick(&[0, 1, 3, 1_000]);
        peers.success_rate = numbers.pick(&[None, Some(0.0), Some(0.5), Some(1.0)]);
        let usual = numbers.span();
        peers.latency = numbers.pick(&[None, Some(Duration::ZERO), Some(usual)]);
        let asked = numbers.span();
        let retry_after =
            numbers.pick(&[None, Some(Duration::ZERO), Some(asked), Some(Duration::MAX)]);
        let others = numbers.pick(&[1, 2, 7, 1_000]);
        let ejected = numbers.pick(&[0, 1, 500]);
        [
            HostEndpoints::new(1 + others + ejected, ejected),
            numbers.pick(&[
                HostEndpoints::new(0, 0),
                HostEndpoints::new(1, 0),
                HostEndpoints::new(1 + ejected, ejected),
                HostEndpoints::new(usize::MAX, usize::MAX),
            ]),
        ]
        .map(|mut host| {
            host.peers = peers;
            Self {
                outcome,
                endpoint,
                host,
                now,
                retry_after,
            }
        })
    }

    fn context(&self) -> OutlierContext<'_> {
        OutlierContext::new(self.outcome, &self.endpoint, &self.host, self.now)
            .retry_after(self.retry_after)
    }

    fn judge(&self, policy: &dyn OutlierPolicy, who: &str) -> OutlierVerdict {
        let cx = self.context();
        judged(who, &cx, || policy.judge(&cx))
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::{
        ConsecutiveFailures, EjectReason, NeverEject, SlowEndpoint, StatusEjection, StatusSet,
        SuccessRate,
    };

    /// A policy made of a function from a context to a duration, so that each lie below is one line.
    struct Liar<F>(F);

    impl<F> fmt::Debug for Liar<F> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Liar")
        }
    }

    impl<F: Fn(&OutlierContext<'_>) -> Option<Duration> + Send + Sync> OutlierPolicy for Liar<F> {
        fn name(&self) -> &'static str {
            "liar"
        }

        fn judge(&self, cx: &OutlierContext<'_>) -> OutlierVerdict {
            match self.0(cx) {
                None => OutlierVerdict::Keep,
                Some(duration) => OutlierVerdict::Eject {
                    duration,
                    reason: EjectReason::Policy("liar"),
                },
            }
        }
    }

    fn may_go(cx: &OutlierContext<'_>) -> bool {
        cx.outcome.is_failure() && !cx.host.is_last()
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn every_built_in_policy_conforms() {
        outlier(&NeverEject);
        outlier(&ConsecutiveFailures::new(1));
        outlier(&ConsecutiveFailures::new(3).durations(MAX_EJECTION, MAX_EJECTION));
        outlier(&StatusEjection::new(StatusSet::range(100, 999), MINUTE));
        outlier(&ConsecutiveFailures::new(9).local(1).remote(1).at_most(0.1));
        outlier(
            &StatusEjection::new(StatusSet::range(100, 999), MINUTE).max_retry_after(MAX_EJECTION),
        );
        outlier(
            &SuccessRate::new(f64::MIN_POSITIVE)
                .min_outcomes(1)
                .min_endpoints(2),
        );
        outlier(
            &SlowEndpoint::new(1.1)
                .at_least(Duration::ZERO)
                .min_outcomes(1)
                .min_endpoints(2),
        );
        outlier(&ConsecutiveFailures::new(5).or(StatusEjection::new(StatusSet::default(), MINUTE)));
    }

    #[test]
    #[should_panic(expected = "last endpoint")]
    fn a_policy_that_ejects_the_last_endpoint_is_found() {
        outlier(&Liar(|cx: &OutlierContext<'_>| {
            cx.outcome.is_failure().then_some(MINUTE)
        }));
    }

    #[test]
    #[should_panic(expected = "for no time")]
    fn a_policy_that_ejects_for_no_time_is_found() {
        outlier(&Liar(|cx: &OutlierContext<'_>| {
            may_go(cx).then_some(Duration::ZERO)
        }));
    }

    #[test]
    #[should_panic(expected = "longer than")]
    fn a_policy_that_ejects_for_ever_is_found() {
        outlier(&Liar(|cx: &OutlierContext<'_>| {
            may_go(cx).then_some(Duration::MAX)
        }));
    }

    #[test]
    #[should_panic(expected = "longer than")]
    fn a_policy_that_does_whatever_a_server_asks_is_found() {
        outlier(&Liar(|cx: &OutlierContext<'_>| {
            let asked = cx.retry_after.filter(|asked| !asked.is_zero());
            asked.filter(|_| !cx.host.is_last())
        }));
    }

    #[test]
    #[should_panic(expected = "depends on the time of day")]
    fn a_policy_that_reads_the_wall_clock_is_found() {
        outlier(&Liar(|cx: &OutlierContext<'_>| {
            (may_go(cx) && cx.now.elapsed() < MINUTE).then_some(MINUTE)
        }));
    }

    #[test]
    #[should_panic(expected = "panics when it judges")]
    fn a_policy_whose_doubling_overflows_is_found() {
        outlier(&Liar(|cx: &OutlierContext<'_>| {
            let factor = 2_u32.checked_pow(cx.endpoint.ejections);
            may_go(cx).then(|| MINUTE * factor.expect("few ejections"))
        }));
    }

    #[test]
    #[should_panic(expected = "is not pure")]
    fn a_policy_that_counts_by_itself_is_found() {
        let failures = AtomicU32::new(0);
        outlier(&Liar(move |cx: &OutlierContext<'_>| {
            let third = may_go(cx) && failures.fetch_add(1, Ordering::Relaxed) % 3 == 2;
            third.then_some(MINUTE)
        }));
    }

    /// Says that it ejects for failures only.
    #[derive(Debug)]
    struct Forgetful(StatusEjection);

    impl OutlierPolicy for Forgetful {
        fn name(&self) -> &'static str {
            "forgetful"
        }

        fn judge(&self, cx: &OutlierContext<'_>) -> OutlierVerdict {
            self.0.judge(cx)
        }

        fn failures_only(&self) -> bool {
            true
        }
    }

    #[test]
    #[should_panic(expected = "says that it ejects for failures only")]
    fn a_policy_that_wants_to_be_asked_less_than_it_must_is_found() {
        let statuses = StatusSet::range(400, 599);
        outlier(&Forgetful(StatusEjection::new(statuses, MINUTE)));
    }

    #[test]
    #[should_panic(expected = "only ever succeeded")]
    fn a_policy_that_punishes_success_is_found() {
        outlier(&Liar(|cx: &OutlierContext<'_>| {
            (!cx.host.is_last() && cx.endpoint.successes == 1).then_some(MINUTE)
        }));
    }
}
