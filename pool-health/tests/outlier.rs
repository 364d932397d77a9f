//! When an endpoint goes, for how long, and when it stays.

use std::time::{Duration, Instant};

use pool_health::{
    ConsecutiveFailures, EjectReason, EndpointStats, HostEndpoints, MAX_EJECTION, NeverEject,
    Outcome, OutlierContext, OutlierPolicy, OutlierVerdict, StatusEjection, StatusSet,
};

#[expect(
    clippy::disallowed_methods,
    reason = "there is no other way to an Instant, and nothing depends on which one it is"
)]
fn judge(
    policy: &dyn OutlierPolicy,
    outcomes: &[Outcome],
    ejections: u32,
    host: HostEndpoints,
) -> OutlierVerdict {
    let mut endpoint = EndpointStats::new();
    endpoint.ejections = ejections;
    let mut verdict = OutlierVerdict::Keep;
    for &outcome in outcomes {
        endpoint.observe(outcome);
        verdict = policy.judge(&OutlierContext::new(
            outcome,
            &endpoint,
            &host,
            Instant::now(),
        ));
    }
    verdict
}

const SECOND: Duration = Duration::from_secs(1);
const THREE: HostEndpoints = HostEndpoints::new(3, 0);

#[test]
fn never_eject_ejects_nothing() {
    let verdict = judge(&NeverEject, &[Outcome::ConnectFailed; 50], 0, THREE);
    assert_eq!(verdict, OutlierVerdict::Keep);
}

#[test]
fn failures_in_a_row_eject_at_exactly_the_threshold() {
    let policy = ConsecutiveFailures::new(3).durations(SECOND, SECOND * 60);
    let mixed = [Outcome::Reset, Outcome::Status(502), Outcome::TimedOut];
    assert_eq!(judge(&policy, &mixed[..2], 0, THREE), OutlierVerdict::Keep);
    let eject = OutlierVerdict::Eject {
        duration: SECOND,
        reason: EjectReason::ConsecutiveFailures,
    };
    assert_eq!(judge(&policy, &mixed, 0, THREE), eject);
}

#[test]
fn one_success_starts_the_count_again() {
    let policy = ConsecutiveFailures::new(3);
    let outcomes = [
        Outcome::Reset,
        Outcome::Reset,
        Outcome::Status(404),
        Outcome::Reset,
        Outcome::Reset,
    ];
    assert_eq!(judge(&policy, &outcomes, 0, THREE), OutlierVerdict::Keep);
}

#[test]
fn each_ejection_lasts_twice_as_long_up_to_the_maximum() {
    let policy = ConsecutiveFailures::new(1).durations(SECOND * 30, SECOND * 300);
    let seconds = |ejections| {
        let verdict = judge(&policy, &[Outcome::Reset], ejections, THREE);
        verdict.duration().map(|duration| duration.as_secs())
    };
    assert_eq!(
        [0, 1, 2, 3, 4, 31, 32, u32::MAX].map(seconds),
        [30, 60, 120, 240, 300, 300, 300, 300].map(Some)
    );
}

#[test]
fn only_the_given_statuses_eject() {
    let policy = StatusEjection::new("403,429".parse().unwrap(), SECOND);
    for (status, duration) in [(403, Some(SECOND)), (429, Some(SECOND)), (404, None)] {
        let verdict = judge(&policy, &[Outcome::Status(status)], 0, THREE);
        assert_eq!(verdict.duration(), duration, "{status}");
    }
    let reset = judge(&policy, &[Outcome::Status(403), Outcome::Reset], 0, THREE);
    assert_eq!(
        reset,
        OutlierVerdict::Keep,
        "an old status is no new reason"
    );
}

#[test]
fn the_last_endpoint_stays() {
    let failures = ConsecutiveFailures::new(1);
    let statuses = StatusEjection::new(StatusSet::range(500, 599), SECOND);
    let policies: [&dyn OutlierPolicy; 2] = [&failures, &statuses];
    for policy in policies {
        for (total, ejected, stays) in [(1, 0, true), (3, 2, true), (2, 0, false), (3, 1, false)] {
            let host = HostEndpoints::new(total, ejected);
            let verdict = judge(policy, &[Outcome::Status(503)], 0, host);
            assert_eq!(
                verdict == OutlierVerdict::Keep,
                stays,
                "{policy:?}: {ejected} of {total} are out"
            );
        }
    }
}

#[test]
#[should_panic(expected = "above zero and up to a year")]
fn an_ejection_for_ever_is_refused() {
    let _ = StatusEjection::new(StatusSet::default(), MAX_EJECTION + SECOND);
}
