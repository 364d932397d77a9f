//! Defaults, a file and the environment, one over the other.

use std::process::Command;
use std::time::Duration;

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};

use pool_tls::fidelity::Fidelity;

use super::{Config, FingerprintPer, PolicyConfig};
use crate::key::Protocols;

fn layered(toml: &str) -> Result<Config, Box<figment::Error>> {
    Figment::from(Config::default())
        .merge(Toml::string(toml))
        .extract()
        .map_err(Box::new)
}

fn refused(toml: &str) -> String {
    layered(toml).expect_err(toml).to_string()
}

#[test]
fn a_configuration_survives_the_way_through_serde() {
    let mut config = Config {
        protocols: Protocols::Http2,
        localip: PolicyConfig::new("list").option("addresses", "127.0.0.1,::1"),
        ..Config::default()
    };
    config.limits.total = usize::MAX;
    config.limits.waiters_per_host = 0;
    config.timeouts.drain = Duration::from_millis(90_250);
    config.timeouts.acquire = Duration::MAX;
    config.dial.jitter = 0.25;
    let back: Config = Figment::from(Serialized::defaults(&config))
        .extract()
        .expect("what was written is readable");
    assert_eq!(back, config);
}

#[test]
fn what_is_unlimited_or_never_is_written_as_that_word() {
    // As a number it would not fit into TOML's integers.
    let mut config = Config::default();
    config.timeouts.drain = Duration::MAX;
    let figment = Figment::from(config);
    let written = |key| figment.extract_inner::<String>(key).map_err(Box::new);
    assert_eq!(written("limits.idle_total").as_deref(), Ok("unlimited"));
    assert_eq!(written("timeouts.drain").as_deref(), Ok("never"));
    assert_eq!(written("timeouts.connect").as_deref(), Ok("10s"));
}

#[test]
fn an_empty_file_is_the_defaults() {
    assert_eq!(layered("").expect("empty"), Config::default());
    let alone: Config = Figment::from(Toml::string("")).extract().expect("empty");
    assert_eq!(alone, Config::default(), "without the provider, too");
}

#[test]
fn a_file_changes_what_it_names_and_nothing_else() {
    let config = layered(
        r#"
        protocols = "http1"
        [limits]
        per_host = 3
        idle_total = "unlimited"
        [timeouts]
        connect = "1m30s"
        drain = "never"
        "#,
    )
    .expect("a good file");
    let mut expected = Config {
        protocols: Protocols::Http1,
        ..Config::default()
    };
    expected.limits.per_host = 3;
    expected.timeouts.connect = Duration::from_secs(90);
    expected.timeouts.drain = Duration::MAX;
    assert_eq!(config, expected);
}

#[test]
fn policies_take_text_numbers_booleans_and_lists_and_replace_the_defaults() {
    let config = layered(
        r#"
        [[eviction]]
        use = "idle"
        after = "60s"

        [[outlier]]
        use = "status"
        statuses = [403, 429]
        for = "5m"
        strict = true
        share = 0.5

        [localip]
        use = "list"
        addresses = ["127.0.0.1", "::1"]
        "#,
    )
    .expect("a good file");
    assert_eq!(
        config.eviction,
        [PolicyConfig::new("idle").option("after", "60s")]
    );
    assert_eq!(
        config.outlier,
        [PolicyConfig::new("status")
            .option("statuses", "403,429")
            .option("for", "5m")
            .option("strict", "true")
            .option("share", "0.5")]
    );
    assert_eq!(
        config.localip,
        PolicyConfig::new("list").option("addresses", "127.0.0.1,::1")
    );
}

#[test]
fn profiles_have_a_weight_of_one_and_grades_are_words() {
    let config = layered(
        r#"
        [fingerprint]
        per = "source-class"
        require = "ja3-equal"
        [[fingerprint.profiles]]
        use = "lynx"
        [[fingerprint.profiles]]
        use = "links"
        weight = 3
        "#,
    )
    .expect("a good file");
    let weights = config.fingerprint.profiles.iter();
    let weights: Vec<_> = weights.map(|it| (it.use_.as_str(), it.weight)).collect();
    assert_eq!(weights, [("lynx", 1), ("links", 3)]);
    assert_eq!(config.fingerprint.per, FingerprintPer::SourceClass);
    assert_eq!(config.fingerprint.require, Fidelity::Ja3Equal);
    let back: Config = Figment::from(Serialized::defaults(&config))
        .extract()
        .expect("what was written is readable");
    assert_eq!(back, config);
    for (toml, says) in [
        ("require = 'almost'", "ja3-equal"),
        ("per = 'day'", "source-class"),
        ("profiles = ['lynx']", "profiles"),
        ("seed = -1", "seed"),
    ] {
        let error = refused(&format!("[fingerprint]\n{toml}"));
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn an_unknown_key_is_an_error_that_names_it() {
    for (toml, key, section) in [
        ("[limits]\nper_hots = 3", "per_hots", "limits"),
        ("[timeouts]\nread = '5s'", "read", "timeouts"),
        ("[http2]\nwindow = 5", "window", "http2"),
        ("limit = 5", "limit", "limit"),
    ] {
        let error = refused(toml);
        assert!(error.contains("unknown field"), "{error}");
        assert!(error.contains(&format!("`{key}`")), "{error}");
        assert!(error.contains(section), "{error}");
    }
}

#[test]
fn a_value_of_the_wrong_shape_is_an_error_that_names_its_key() {
    for (toml, key, says) in [
        ("[timeouts]\nconnect = 60", "timeouts.connect", "no unit"),
        (
            "[timeouts]\nconnect = '5min'",
            "timeouts.connect",
            "the units are",
        ),
        (
            "[limits]\nper_host = -1",
            "limits.per_host",
            "a number from 0",
        ),
        ("[limits]\nper_host = 'all'", "limits.per_host", "unlimited"),
        ("protocols = 'http3'", "protocols", "http2"),
        (
            "[[eviction]]\nafter = '60s'",
            "eviction",
            "missing field `use`",
        ),
        (
            "[localip]\nuse = 'list'\naddresses = { a = 1 }",
            "localip.addresses",
            "a string",
        ),
    ] {
        let error = refused(toml);
        assert!(
            error.contains(key) && error.contains(says),
            "{toml}: {error}"
        );
    }
}

/// Set only in the process that `the_environment_beats_the_file` starts.
const CHILD: &str = "POOL_LIMITS__PER_HOST";

#[test]
fn the_environment_beats_the_file() {
    if std::env::var_os(CHILD).is_none() {
        // A process cannot change its own environment safely, so the other half of this test runs in another one.
        let status = Command::new(std::env::current_exe().expect("a test has a path"))
            .args([
                "--exact",
                "config::layering_tests::the_environment_beats_the_file",
            ])
            .env(CHILD, "3")
            .env("POOL_TIMEOUTS__ACQUIRE", "250ms")
            .env("POOL_LOG", "debug")
            .env("POOL_LOCALIP__USE", "list")
            .env("POOL_LOCALIP__ADDRESSES", "[127.0.0.1,127.0.0.2]")
            .status()
            .expect("a test can run itself");
        assert!(status.success());
        return;
    }
    let config: Config = Figment::from(Config::default())
        .merge(Toml::string("limits.per_host = 5\nlimits.total = 50\n"))
        .merge(Env::prefixed("POOL_").ignore(&["log"]).split("__"))
        .extract()
        .expect("a good environment");
    assert_eq!(config.limits.per_host, 3);
    assert_eq!(config.limits.total, 50);
    assert_eq!(config.timeouts.acquire, Duration::from_millis(250));
    assert_eq!(
        config.localip,
        PolicyConfig::new("list").option("addresses", "127.0.0.1,127.0.0.2")
    );
}
