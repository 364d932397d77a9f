//! When an endpoint goes, for how long, and when it stays.

use std::time::{Duration, Instant};

use pool_health::{
    ConsecutiveFailures, EjectReason, EndpointStats, HostEndpoints, MAX_EJECTION, NeverEject,
    Options, Outcome, OutlierContext, OutlierPolicy, OutlierVerdict, SlowEndpoint, StatusEjection,
    StatusSet, SuccessRate,
};

#[expect(
    clippy::disallowed_methods,
    reason = "there is no other way to an Instant, and nothing depends on which one it is"
)]
fn any_instant() -> Instant {
    Instant::now()
}

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
            any_instant(),
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

#[test]
fn what_cannot_be_reached_and_what_is_ill_have_thresholds_of_their_own() {
    let policy = ConsecutiveFailures::new(6).local(2).remote(3);
    let (reset, ill) = (Outcome::Reset, Outcome::Status(503));
    for (outcomes, goes) in [
        (&[reset][..], false),
        (&[reset, reset], true),
        (&[reset, ill, reset], false),
        (&[ill, ill], false),
        (&[ill, ill, ill], true),
        (&[ill, reset, ill], false),
        (&[ill, reset, ill, ill], true),
        (&[reset, ill, reset, ill], false),
    ] {
        let verdict = judge(&policy, outcomes, 0, THREE);
        assert_eq!(verdict != OutlierVerdict::Keep, goes, "{outcomes:?}");
    }
}

#[test]
fn ejections_become_shorter_again_as_time_goes_by() {
    let policy = ConsecutiveFailures::new(1).durations(SECOND * 30, SECOND * 300);
    let now = any_instant();
    let mut endpoint = EndpointStats::new();
    for _ in 0..3 {
        endpoint.observe_ejection(now, Some(now));
    }
    endpoint.observe(Outcome::Reset);
    for (minutes, secs) in [(0, 240), (4, 240), (5, 120), (10, 60), (15, 30), (600, 30)] {
        let at = now + SECOND * 60 * minutes;
        let cx = OutlierContext::new(Outcome::Reset, &endpoint, &THREE, at);
        let duration = policy.judge(&cx).duration();
        assert_eq!(duration, Some(SECOND * secs), "after {minutes} minutes");
    }
}

#[test]
fn a_status_rule_may_want_the_same_status_several_times_in_a_row() {
    let policy = StatusEjection::new("403,429".parse().unwrap(), SECOND).after(3);
    let status = |statuses: &[u16]| {
        let outcomes: Vec<Outcome> = statuses.iter().map(|&s| Outcome::Status(s)).collect();
        judge(&policy, &outcomes, 0, THREE) != OutlierVerdict::Keep
    };
    assert!(!status(&[403]) && !status(&[403, 403]));
    assert!(!status(&[403, 429, 403]) && !status(&[403, 403, 200, 403]));
    assert!(status(&[403, 403, 403]) && status(&[200, 429, 429, 429, 429]));
}

#[test]
fn a_status_rule_lasts_longer_each_time_and_honours_what_the_server_asks_within_reason() {
    let policy = StatusEjection::new(StatusSet::range(429, 429), SECOND * 60)
        .max(SECOND * 200)
        .max_retry_after(SECOND * 3600);
    let now = any_instant();
    let secs = |ejections, asked: Option<u64>| {
        let mut endpoint = EndpointStats::new();
        endpoint.ejections = ejections;
        endpoint.observe(Outcome::Status(429));
        let asked = asked.map(Duration::from_secs);
        let cx = OutlierContext::new(Outcome::Status(429), &endpoint, &THREE, now);
        let duration = policy.judge(&cx.retry_after(asked)).duration();
        duration.expect("it is ejected").as_secs()
    };
    for (ejections, asked, expected) in [
        (0, None, 60),
        (1, None, 120),
        (2, None, 200),
        (u32::MAX, None, 200),
        (0, Some(0), 60),
        (0, Some(60), 60),
        (0, Some(61), 61),
        (1, Some(61), 120),
        (0, Some(3600), 3600),
        (0, Some(3601), 3600),
        (0, Some(u64::MAX), 3600),
    ] {
        assert_eq!(secs(ejections, asked), expected, "{ejections} {asked:?}");
    }
    let deaf = policy.clone().max_retry_after(Duration::ZERO);
    let mut endpoint = EndpointStats::new();
    endpoint.observe(Outcome::Status(429));
    let cx = OutlierContext::new(Outcome::Status(429), &endpoint, &THREE, now);
    let verdict = deaf.judge(&cx.retry_after(Some(SECOND * 600)));
    assert_eq!(verdict.duration(), Some(SECOND * 60));
}

/// An endpoint whose latest outcomes were `good` good and then `bad` bad ones.
fn with_outcomes(good: u32, bad: u32) -> EndpointStats {
    let mut endpoint = EndpointStats::new();
    (0..good).for_each(|_| endpoint.observe(Outcome::Status(200)));
    (0..bad).for_each(|_| endpoint.observe(Outcome::Reset));
    endpoint
}

#[test]
fn who_succeeds_notably_less_often_than_the_others_goes() {
    let policy = SuccessRate::new(0.25).min_outcomes(20).min_endpoints(3);
    let judge = |endpoint: &EndpointStats, outcome, peers, rate| {
        let mut host = HostEndpoints::new(4, 0);
        (host.peers.endpoints, host.peers.success_rate) = (peers, rate);
        let cx = OutlierContext::new(outcome, endpoint, &host, any_instant());
        policy.judge(&cx) != OutlierVerdict::Keep
    };
    let reset = Outcome::Reset;
    for (good, bad, peers, rate, goes) in [
        (15, 5, 3, Some(1.0), true),
        (16, 4, 3, Some(1.0), false),
        (15, 5, 2, Some(1.0), false),
        (15, 5, 3, None, false),
        (14, 5, 3, Some(1.0), false),
        // An ill host takes everybody's rate along.
        (10, 10, 3, Some(0.7), false),
        (9, 11, 3, Some(0.7), true),
        (0, 64, 3, Some(0.2), false),
    ] {
        let endpoint = with_outcomes(good, bad);
        let verdict = judge(&endpoint, reset, peers, rate);
        assert_eq!(verdict, goes, "{good} good, {bad} bad, others {rate:?}");
    }
    let endpoint = with_outcomes(10, 20);
    assert!(
        !judge(&endpoint, Outcome::Status(200), 3, Some(1.0)),
        "at a failure only"
    );
}

#[test]
fn who_answers_notably_slower_than_the_others_goes() {
    let ms = Duration::from_millis;
    let policy = SlowEndpoint::new(3.0)
        .at_least(ms(100))
        .min_outcomes(20)
        .min_endpoints(3);
    let judge = |own, usual, outcomes, outcome| {
        let mut endpoint = with_outcomes(outcomes, 0);
        endpoint.latency = Some(own);
        let mut host = HostEndpoints::new(4, 0);
        (host.peers.endpoints, host.peers.latency) = (3, usual);
        let cx = OutlierContext::new(outcome, &endpoint, &host, any_instant());
        policy.judge(&cx) != OutlierVerdict::Keep
    };
    let answer = Outcome::Status(200);
    for (own, usual, goes) in [
        (300, 100, true),
        (299, 100, false),
        (109, 10, false),
        (110, 10, true),
        (10_000, 9_000, false),
    ] {
        let verdict = judge(ms(own), Some(ms(usual)), 20, answer);
        assert_eq!(verdict, goes, "{own} ms, others {usual} ms");
    }
    assert!(
        !judge(ms(300), Some(ms(100)), 19, answer),
        "too little is known"
    );
    assert!(!judge(ms(300), None, 20, answer));
    assert!(
        !judge(ms(300), Some(ms(100)), 20, Outcome::Reset),
        "at a response only"
    );
}

#[test]
fn at_most_a_share_is_out_but_one_may_always_go() {
    let judge = |share, total, ejected| {
        let policy = ConsecutiveFailures::new(1).at_most(share);
        let host = HostEndpoints::new(total, ejected);
        judge(&policy, &[Outcome::Reset], 0, host) != OutlierVerdict::Keep
    };
    for (share, total, ejected, goes) in [
        (0.5, 10, 4, true),
        (0.5, 10, 5, false),
        (0.5, 3, 0, true),
        (0.5, 3, 1, false),
        (0.29, 100, 28, true),
        (0.29, 100, 29, false),
        (0.1, 2, 0, true),
        (0.1, 1_600, 159, true),
        (0.1, 1_600, 160, false),
        (1.0, 3, 1, true),
        (1.0, 3, 2, false),
        (1.0, 1, 0, false),
    ] {
        assert_eq!(
            judge(share, total, ejected),
            goes,
            "{share} of {total}, {ejected} out"
        );
    }
}

#[test]
fn however_bad_everything_is_a_share_stays() {
    let options = Options::from([("threshold", "1"), ("max_share", "0.3")]);
    let policy = ConsecutiveFailures::from_options(&options).unwrap();
    let mut out = 0;
    for _ in 0..20 {
        let host = HostEndpoints::new(10, out);
        let verdict = judge(&policy, &[Outcome::ConnectFailed], 0, host);
        out += usize::from(verdict != OutlierVerdict::Keep);
    }
    assert_eq!(out, 3);
}
