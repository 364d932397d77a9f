//! Every built-in policy from configuration: defaults as documented, nonsense refused.

#![expect(
    clippy::unwrap_used,
    reason = "clippy sees helpers of an integration test as code outside tests"
)]

use std::fmt::Debug;
use std::time::Duration;

use pool_health::{
    AllowAll, CertificateEnd, CertificateExpiry, ConsecutiveFailures, ErrorCount, ErrorRate,
    H2Ping, HealthCheck, HttpCheck, IdleTimeout, Lifetime, Liveness, MaxBytes, MaxErrors, MaxUses,
    NeverEject, NeverEvict, NoCheck, OptionDoc, Options, OptionsError, OptionsErrorKind, PeerIdle,
    SlowEndpoint, StatusEjection, SuccessRate, Surplus,
};

/// What the documentation says must be what happens: the defaults written out give the same policy as saying nothing, what has no default
/// must be given, and a key that is not documented is refused.
fn assert_documented<P: PartialEq + Debug>(
    docs: &[OptionDoc],
    from_options: fn(&Options) -> Result<P, OptionsError>,
    required: &[(&str, &str)],
) {
    let required: Options = required.iter().copied().collect();
    let said_nothing = from_options(&required).unwrap();
    for doc in docs.iter().filter(|doc| !doc.key.ends_with('*')) {
        match doc.default {
            Some(default) => {
                let written_out = from_options(&required.clone().set(doc.key, default)).unwrap();
                assert_eq!(written_out, said_nothing, "{}", doc.key);
            }
            None => {
                let error = from_options(&Options::new()).unwrap_err();
                assert_eq!(error.kind(), &OptionsErrorKind::Missing, "{}", doc.key);
            }
        }
    }
    let error = from_options(&required.set("no-such-key", "1")).unwrap_err();
    assert_eq!(error.key(), "no-such-key");
}

#[test]
fn every_default_is_as_documented_and_every_other_key_is_refused() {
    assert_documented(NeverEvict::OPTIONS, NeverEvict::from_options, &[]);
    assert_documented(IdleTimeout::OPTIONS, IdleTimeout::from_options, &[]);
    assert_documented(Lifetime::OPTIONS, Lifetime::from_options, &[]);
    assert_documented(MaxUses::OPTIONS, MaxUses::from_options, &[("max", "5")]);
    assert_documented(MaxErrors::OPTIONS, MaxErrors::from_options, &[]);
    assert_documented(MaxBytes::OPTIONS, MaxBytes::from_options, &[("max", "5")]);
    assert_documented(
        ErrorCount::OPTIONS,
        ErrorCount::from_options,
        &[("max", "5")],
    );
    assert_documented(ErrorRate::OPTIONS, ErrorRate::from_options, &[]);
    assert_documented(PeerIdle::OPTIONS, PeerIdle::from_options, &[]);
    assert_documented(CertificateEnd::OPTIONS, CertificateEnd::from_options, &[]);
    assert_documented(SuccessRate::OPTIONS, SuccessRate::from_options, &[]);
    assert_documented(SlowEndpoint::OPTIONS, SlowEndpoint::from_options, &[]);
    assert_documented(AllowAll::OPTIONS, AllowAll::from_options, &[]);
    assert_documented(Surplus::OPTIONS, Surplus::from_options, &[("max", "5")]);
    assert_documented(NoCheck::OPTIONS, NoCheck::from_options, &[]);
    assert_documented(Liveness::OPTIONS, Liveness::from_options, &[]);
    assert_documented(H2Ping::OPTIONS, H2Ping::from_options, &[]);
    assert_documented(HttpCheck::OPTIONS, HttpCheck::from_options, &[]);
    assert_documented(
        CertificateExpiry::OPTIONS,
        CertificateExpiry::from_options,
        &[],
    );
    assert_documented(NeverEject::OPTIONS, NeverEject::from_options, &[]);
    assert_documented(
        ConsecutiveFailures::OPTIONS,
        ConsecutiveFailures::from_options,
        &[],
    );
    assert_documented(
        StatusEjection::OPTIONS,
        StatusEjection::from_options,
        &[("statuses", "403")],
    );
}

/// The option at fault when `key` is set to `value`.
fn refused<P: Debug>(
    from_options: fn(&Options) -> Result<P, OptionsError>,
    options: &[(&str, &str)],
) -> String {
    let options: Options = options.iter().copied().collect();
    from_options(&options).unwrap_err().to_string()
}

#[test]
fn values_without_sense_are_refused_by_name() {
    let starts = |message: String, key: &str| {
        let expected = format!("option {key:?} is ");
        assert!(message.starts_with(&expected), "{message}");
    };
    starts(
        refused(IdleTimeout::from_options, &[("after", "0s")]),
        "after",
    );
    starts(
        refused(IdleTimeout::from_options, &[("after", "60")]),
        "after",
    );
    starts(refused(Lifetime::from_options, &[("max", "0ms")]), "max");
    for jitter in ["1.5", "-0.1", "NaN", "inf", "much"] {
        starts(
            refused(Lifetime::from_options, &[("jitter", jitter)]),
            "jitter",
        );
    }
    for max in ["0", "-1", "1.5", "18446744073709551616", ""] {
        starts(refused(MaxUses::from_options, &[("max", max)]), "max");
        starts(refused(MaxErrors::from_options, &[("max", max)]), "max");
    }
    starts(refused(Surplus::from_options, &[("max", "-1")]), "max");
    let failures = ConsecutiveFailures::from_options;
    starts(refused(failures, &[("threshold", "0")]), "threshold");
    starts(refused(failures, &[("base", "366d")]), "base");
    starts(refused(failures, &[("base", "2m"), ("max", "1m")]), "max");
    let statuses = StatusEjection::from_options;
    starts(refused(statuses, &[("statuses", "4xx")]), "statuses");
    starts(
        refused(statuses, &[("statuses", "403"), ("for", "0s")]),
        "for",
    );
    let http = HttpCheck::from_options;
    for path in ["healthz", "", "/a b", "/a#b", "/\u{e9}", "/\r\n"] {
        starts(refused(http, &[("path", path)]), "path");
    }
    starts(refused(http, &[("method", "GET /")]), "method");
    starts(refused(http, &[("accept", "ok")]), "accept");
    starts(refused(http, &[("max_body", "64k")]), "max_body");
    starts(refused(http, &[("header.x y", "1")]), "header.x y");
}

#[test]
fn a_slip_of_the_pen_names_the_key_that_was_meant() {
    assert_eq!(
        refused(HttpCheck::from_options, &[("paht", "/")]),
        r#"unknown option "paht", did you mean "path"?"#
    );
}

#[test]
fn one_bound_alone_moves_the_default_of_the_other() {
    let read = |key, value| ConsecutiveFailures::from_options(&Options::from([(key, value)]));
    assert!(read("max", "10s").is_ok(), "shorter than the default base");
    assert!(read("base", "10m").is_ok(), "longer than the default max");
}

#[test]
fn everything_an_http_check_has_can_be_configured() {
    let options = Options::from([
        ("method", "HEAD"),
        ("path", "/ok"),
        ("accept", "204"),
        ("max_body", "1"),
        ("header.x-probe", "pool"),
    ]);
    let built = HttpCheck::new("/ok")
        .method("HEAD")
        .accept("204".parse().unwrap())
        .max_body(1)
        .header("x-probe", "pool");
    let built = built.every(Duration::ZERO);
    assert_eq!(HttpCheck::from_options(&options).unwrap(), built);
}

#[test]
fn every_wish_of_an_http_check_can_be_configured() {
    let options = Options::from([
        ("expect.Server", "nginx"),
        ("longer_body", "refuse"),
        ("min_body", "7"),
        ("contains", "ok"),
        ("body_hash", "00000000deadbeef"),
        ("every", "30s"),
        ("after_idle", "5s"),
    ]);
    let built = HttpCheck::new("/")
        .expect_header("server", "nginx")
        .refuse_longer()
        .min_body(7)
        .body_contains("ok")
        .body_hash(0xdead_beef);
    let configured = HttpCheck::from_options(&options).unwrap();
    let shown = format!("{configured:?}");
    assert!(shown.contains(&format!("{built:?}")), "{shown}");
    assert!(shown.contains("every: 30s, after_idle: 5s"), "{shown}");
    for (key, value) in [
        ("longer_body", "drop"),
        ("min_body", "-1"),
        ("body_hash", "deadbeef"),
        ("body_hash", "+000000deadbeef0"),
        ("body_hash", "zzzzzzzzzzzzzzzz"),
        ("expect.a b", "x"),
        ("every", "often"),
    ] {
        let options = Options::from([(key, value)]);
        let error = HttpCheck::from_options(&options).unwrap_err();
        assert_eq!(error.key(), key);
    }
}
