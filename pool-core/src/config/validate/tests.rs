//! Good and bad configurations.

use std::time::Duration;

use pool_tls::fidelity::Fidelity;
use proptest::prelude::*;

use crate::config::{Config, Limits, PolicyConfig, WeightedProfile};

#[test]
fn the_defaults_are_valid() {
    assert_eq!(Config::default().validate(), Ok(()));
}

/// What one change to the defaults must be blamed for.
type Case = (fn(&mut Config), &'static [&'static str]);

#[test]
fn every_bad_value_is_blamed_by_its_key() {
    let cases: &[Case] = &[
        (|c| c.limits.per_host = 0, &["limits.per_host"]),
        (|c| c.limits.per_endpoint = 0, &["limits.per_endpoint"]),
        (|c| c.limits.total = 0, &["limits.total"]),
        (|c| c.limits.dials_per_host = 0, &["limits.dials_per_host"]),
        (|c| c.limits.dials_total = 0, &["limits.dials_total"]),
        (
            |c| c.limits.streams_per_conn = 0,
            &["limits.streams_per_conn"],
        ),
        (|c| c.limits.hosts = 0, &["limits.hosts"]),
        (|c| c.limits.fair_turn = 0, &["limits.fair_turn"]),
        (|c| c.limits.per_host = 1025, &["limits.per_host"]),
        (|c| c.limits.per_endpoint = 17, &["limits.per_endpoint"]),
        (|c| c.limits.dials_per_host = 65, &["limits.dials_per_host"]),
        (
            |c| c.limits.waiters_per_host = 20_000,
            &["limits.waiters_per_host"],
        ),
        (|c| c.limits.idle_per_host = 17, &["limits.idle_per_host"]),
        (|c| c.limits.idle_total = 1025, &["limits.idle_total"]),
        (
            |c| c.timeouts.acquire = Duration::ZERO,
            &["timeouts.acquire"],
        ),
        (
            |c| c.timeouts.resolve = Duration::ZERO,
            &["timeouts.resolve"],
        ),
        (
            |c| c.timeouts.connect = Duration::ZERO,
            &["timeouts.connect"],
        ),
        (
            |c| c.timeouts.handshake = Duration::ZERO,
            &["timeouts.handshake"],
        ),
        (
            |c| c.timeouts.response_head = Duration::ZERO,
            &["timeouts.response_head"],
        ),
        (
            |c| c.timeouts.body_idle = Duration::ZERO,
            &["timeouts.body_idle"],
        ),
        (|c| c.http1.buffer = 8191, &["http1.buffer"]),
        (|c| c.http1.headers = 0, &["http1.headers"]),
        (|c| c.http2.connections = 0, &["http2.connections"]),
        (
            |c| c.http2.ping_interval = Duration::ZERO,
            &["http2.ping_interval"],
        ),
        (
            |c| c.http2.ping_timeout = Duration::ZERO,
            &["http2.ping_timeout"],
        ),
        (
            |c| c.http2.ping_timeout = Duration::MAX,
            &["http2.ping_timeout"],
        ),
        (|c| c.http2.stream_window = 0, &["http2.stream_window"]),
        (
            |c| c.http2.stream_window = 1 << 31,
            &["http2.stream_window"],
        ),
        (
            |c| c.http2.connection_window = 65_534,
            &["http2.connection_window"],
        ),
        (|c| c.http2.frame = 16_383, &["http2.frame"]),
        (|c| c.http2.frame = 1 << 24, &["http2.frame"]),
        (|c| c.http2.header_list = 0, &["http2.header_list"]),
        (
            |c| c.dial.backoff_base = Duration::ZERO,
            &["dial.backoff_base"],
        ),
        (
            |c| c.dial.backoff_base = Duration::MAX,
            &["dial.backoff_max"],
        ),
        (
            |c| c.dial.attempt_delay = Duration::from_millis(9),
            &["dial.attempt_delay"],
        ),
        (|c| c.dial.jitter = -0.1, &["dial.jitter"]),
        (|c| c.dial.jitter = 1.5, &["dial.jitter"]),
        (|c| c.dial.jitter = f64::NAN, &["dial.jitter"]),
        (|c| c.dial.max_addresses = 0, &["dial.max_addresses"]),
        (|c| c.dial.send_buffer = 4095, &["dial.send_buffer"]),
        (
            |c| c.dial.send_buffer = (1 << 30) + 1,
            &["dial.send_buffer"],
        ),
        (|c| c.dial.device = Some(String::new()), &["dial.device"]),
        (
            |c| c.dial.device = Some("sixteen-letters-".into()),
            &["dial.device"],
        ),
        (|c| c.dial.device = Some("a/b".into()), &["dial.device"]),
        (|c| c.limits.per_site = Some(15), &["limits.per_site"]),
        (|c| c.dial.receive_buffer = 1, &["dial.receive_buffer"]),
        (
            |c| c.dial.receive_buffer = u32::MAX,
            &["dial.receive_buffer"],
        ),
        (|c| c.retry.max_attempts = 0, &["retry.max_attempts"]),
        (|c| c.retry.budget_percent = 101, &["retry.budget_percent"]),
        (
            |c| c.upkeep.health_interval = Duration::ZERO,
            &["upkeep.health_interval"],
        ),
        (
            |c| c.upkeep.health_concurrency = 0,
            &["upkeep.health_concurrency"],
        ),
        (|c| c.upkeep.health_fall = 0, &["upkeep.health_fall"]),
        (|c| c.upkeep.health_rise = 0, &["upkeep.health_rise"]),
        (
            |c| c.upkeep.health_timeout = Duration::ZERO,
            &["upkeep.health_timeout"],
        ),
        (
            |c| c.upkeep.idle_interval = Duration::ZERO,
            &["upkeep.idle_interval"],
        ),
        (
            |c| c.upkeep.lifetime_interval = Duration::ZERO,
            &["upkeep.lifetime_interval"],
        ),
        (
            |c| c.upkeep.refresh_interval = Duration::ZERO,
            &["upkeep.refresh_interval"],
        ),
        (|c| c.eviction[1].use_.clear(), &["eviction[1].use"]),
        (
            |c| c.health.push(PolicyConfig::new(" ")),
            &["health[0].use"],
        ),
        (|c| c.localip.use_.clear(), &["localip.use"]),
        (|c| c.tls.use_.clear(), &["tls.use"]),
        (|c| c.fingerprint.profile.clear(), &["fingerprint.profile"]),
        (
            |c| {
                c.fingerprint.profile = "lynx".into();
                c.fingerprint.profiles = vec![weighted("links", 1)];
            },
            &["fingerprint.profile"],
        ),
        (
            |c| c.fingerprint.profiles = vec![weighted("lynx", 0), weighted(" ", 0)],
            &[
                "fingerprint.profiles[1].use",
                "fingerprint.profiles[0].weight",
            ],
        ),
        (
            |c| c.fingerprint.require = Fidelity::CiphersOnly,
            &["fingerprint.require"],
        ),
        (
            |c| {
                c.limits.per_host = 0;
                c.timeouts.connect = Duration::ZERO;
                c.outlier[0].use_.clear();
            },
            &["limits.per_host", "timeouts.connect", "outlier[0].use"],
        ),
    ];
    for (i, (change, keys)) in cases.iter().enumerate() {
        let mut config = Config::default();
        change(&mut config);
        let error = config.validate().expect_err(keys[0]);
        let blamed: Vec<&str> = error.problems().iter().map(|p| p.key.as_str()).collect();
        assert_eq!(&blamed, keys, "case {i}: {error}");
    }
}

fn weighted(name: &str, weight: u32) -> WeightedProfile {
    WeightedProfile {
        use_: name.into(),
        weight,
    }
}

#[test]
fn values_at_the_edge_are_valid() {
    let cases: &[fn(&mut Config)] = &[
        |c| {
            c.fingerprint.profiles = vec![weighted("lynx", 0), weighted("lynx", 1)];
            c.fingerprint.require = Fidelity::Exact;
        },
        |c| c.limits.per_host = 1,
        |c| c.limits.total = 16,
        |c| c.limits.per_host = usize::MAX,
        |c| c.limits.total = usize::MAX,
        |c| c.limits.waiters_per_host = 0,
        |c| c.limits.idle_per_host = 0,
        |c| c.limits.idle_total = 0,
        |c| c.limits.min_reclaim_idle = Duration::ZERO,
        |c| c.timeouts.drain = Duration::ZERO,
        |c| c.timeouts.acquire = Duration::MAX,
        |c| c.http2.ping_interval = Duration::from_secs(1),
        |c| {
            c.http2.ping_interval = Duration::MAX;
            c.http2.ping_timeout = Duration::MAX;
        },
        |c| c.dial.backoff_max = Duration::MAX,
        |c| c.dial.attempt_delay = Duration::from_millis(10),
        |c| c.dial.attempt_delay = Duration::MAX,
        |c| c.dial.jitter = 0.0,
        |c| c.dial.jitter = 1.0,
        |c| c.retry.budget_percent = 0,
        |c| c.upkeep.refresh_interval = Duration::MAX,
        |c| c.eviction.clear(),
    ];
    for (i, change) in cases.iter().enumerate() {
        let mut config = Config::default();
        change(&mut config);
        assert_eq!(config.validate(), Ok(()), "case {i}");
    }
}

#[test]
fn an_error_says_key_value_reason_and_remedy_one_line_each() {
    let mut config = Config::default();
    config.limits.per_host = 2000;
    config.timeouts.acquire = Duration::ZERO;
    let error = config.validate().expect_err("two bad values").to_string();
    assert_eq!(
        error,
        "limits.per_host = 2000: above limits.total = 1024, so it is never reached; \
         lower it to 1024 or less, or raise limits.total\n\
         timeouts.acquire = \"0s\": there is no time in it; set a time such as \"5s\", or \"never\""
    );
}

fn counts() -> impl Strategy<Value = usize> {
    prop_oneof![Just(0), Just(1), Just(usize::MAX), any::<usize>()]
}

fn durations() -> impl Strategy<Value = Duration> {
    prop_oneof![Just(Duration::ZERO), Just(Duration::MAX), any::<Duration>()]
}

fn any_config() -> impl Strategy<Value = Config> {
    (
        prop::array::uniform12(counts()),
        prop::array::uniform16(durations()),
        prop::array::uniform9(any::<u32>()),
        prop_oneof![Just(f64::NAN), any::<f64>()],
        prop::collection::vec(".{0,3}", 0..3),
    )
        .prop_map(|(n, d, u, jitter, names)| {
            let limits = Limits {
                per_host: n[0],
                per_site: (n[1] % 2 == 0).then_some(n[2]),
                per_endpoint: n[1],
                total: n[2],
                dials_per_host: n[3],
                dials_total: n[4],
                waiters_per_host: n[5],
                waiters_total: n[6],
                idle_per_host: n[7],
                idle_total: n[8],
                streams_per_conn: n[9],
                hosts: n[10],
                fair_turn: n[11],
                min_reclaim_idle: d[0],
            };
            let mut c = Config {
                limits,
                ..Config::default()
            };
            c.timeouts.acquire = d[1];
            c.timeouts.resolve = d[2];
            c.timeouts.connect = d[3];
            c.timeouts.handshake = d[4];
            c.timeouts.response_head = d[5];
            c.timeouts.body_idle = d[6];
            c.timeouts.drain = d[7];
            c.http2.connections = n[4];
            c.http2.ping_interval = d[8];
            c.http2.ping_timeout = d[9];
            c.dial.backoff_base = d[10];
            c.dial.backoff_max = d[11];
            c.upkeep.health_interval = d[12];
            c.upkeep.idle_interval = d[13];
            c.upkeep.lifetime_interval = d[14];
            c.upkeep.refresh_interval = d[15];
            c.upkeep.health_concurrency = n[0];
            c.dial.max_addresses = n[1];
            c.http1.buffer = n[2];
            c.http1.headers = n[3];
            c.http2.stream_window = u[0];
            c.http2.connection_window = u[1];
            c.http2.frame = u[2];
            c.http2.header_list = u[3];
            c.retry.max_attempts = u[4];
            c.retry.budget_percent = u[5];
            c.retry.budget_min = u[6];
            c.dial.send_buffer = u[7];
            c.dial.receive_buffer = u[8];
            c.dial.attempt_delay = d[9];
            c.dial.jitter = jitter;
            c.eviction = names.into_iter().map(PolicyConfig::new).collect();
            c
        })
}

proptest! {
    #[test]
    fn no_configuration_panics_and_every_problem_is_one_full_line(config in any_config()) {
        if let Err(error) = config.validate() {
            prop_assert!(!error.problems().is_empty());
            prop_assert_eq!(error.to_string().lines().count(), error.problems().len());
        }
    }
}
