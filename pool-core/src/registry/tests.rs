//! Policies by name.

use std::error::Error;

use pool_health::{EvictReason, EvictionContext, EvictionPolicy, Options, OptionsError, Verdict};

use super::{PolicyKind, Registry};
use crate::config::{Config, PolicyConfig, Problem};

/// Somebody's own policy.
#[derive(Debug)]
struct MaxCheckouts {
    max: u64,
}

impl MaxCheckouts {
    fn from_options(options: &Options) -> Result<Self, OptionsError> {
        options.finish(&["max"])?;
        let max = options.number("max")?.unwrap_or(7);
        options.ensure("max", max > 0, "a whole number above zero")?;
        Ok(Self { max })
    }
}

impl EvictionPolicy for MaxCheckouts {
    fn name(&self) -> &'static str {
        "max-checkouts"
    }

    fn judge(&self, cx: &EvictionContext<'_>) -> Verdict {
        if cx.conn.uses < self.max {
            return Verdict::Keep;
        }
        Verdict::Evict(EvictReason::Policy("max-checkouts"))
    }
}

/// A configuration with this one eviction policy.
fn evicting(policy: PolicyConfig) -> Config {
    Config {
        eviction: vec![policy],
        ..Config::default()
    }
}

fn only_problem(registry: &Registry, config: &Config) -> Problem {
    let error = registry.check(config).expect_err("a bad policy");
    assert_eq!(error.problems().len(), 1, "{error}");
    error.problems()[0].clone()
}

#[test]
fn every_policy_of_the_default_configuration_can_be_made() {
    assert_eq!(Registry::builtin().check(&Config::default()), Ok(()));
}

#[test]
fn the_built_in_policies_are_known_and_described() {
    let list = Registry::builtin().list();
    let names = |kind| -> Vec<&str> {
        let of_kind = list.iter().filter(|doc| doc.kind == kind);
        of_kind.map(|doc| doc.name.as_str()).collect()
    };
    assert_eq!(
        names(PolicyKind::Eviction),
        [
            "bytes",
            "certificate",
            "error-count",
            "error-rate",
            "errors",
            "idle",
            "lifetime",
            "none",
            "peer-idle",
            "surplus",
            "uses"
        ]
    );
    assert_eq!(
        names(PolicyKind::Health),
        ["certificate", "h2-ping", "http", "liveness", "none"]
    );
    assert_eq!(
        names(PolicyKind::Outlier),
        [
            "consecutive-failures",
            "latency",
            "none",
            "status",
            "success-rate"
        ]
    );
    assert_eq!(names(PolicyKind::Access), ["none", "prefixes"]);
    let mut local_ips = vec!["classes", "list", "os", "prefix", "sources", "weighted"];
    if cfg!(feature = "interfaces") {
        local_ips.insert(1, "interfaces");
    }
    assert_eq!(names(PolicyKind::LocalIp), local_ips);
    assert!(names(PolicyKind::Tls).contains(&"none"));
    for doc in &list {
        assert!(!doc.summary.is_empty(), "{doc:?}");
        assert!(doc.options.iter().all(|option| !option.meaning.is_empty()));
    }
    let idle = list.iter().find(|doc| doc.name == "idle").expect("listed");
    assert_eq!(idle.options[0].key, "after");
}

#[test]
fn an_unknown_name_is_an_error_with_the_near_names() {
    let registry = Registry::builtin();
    let error = registry
        .build_eviction(&PolicyConfig::new("idel"))
        .expect_err("misspelt");
    assert_eq!(
        error.to_string(),
        r#"there is no eviction policy "idel"; did you mean "idle"?"#
    );
    assert_eq!(
        (error.name(), error.near()),
        ("idel", &["idle".to_owned()][..])
    );
    assert!(error.source().is_none());

    let cases = [
        registry.build_health(&PolicyConfig::new("h2_ping")).err(),
        registry.build_outlier(&PolicyConfig::new("staus")).err(),
        registry.build_localip(&PolicyConfig::new("lst")).err(),
        registry.build_access(&PolicyConfig::new("prefix")).err(),
    ];
    let near = cases.map(|error| error.expect("misspelt").near()[0].clone());
    assert_eq!(near, ["h2-ping", "status", "list", "prefixes"]);
}

#[test]
fn names_of_one_kind_mean_nothing_to_another() {
    let error = Registry::builtin().build_health(&PolicyConfig::new("idle"));
    assert!(error.is_err());
}

#[test]
fn a_check_names_the_key_of_a_misspelt_policy_and_what_there_is() {
    let mut config = Config::default();
    config.outlier.push(PolicyConfig::new("statsu"));
    assert_eq!(
        only_problem(&Registry::builtin(), &config).to_string(),
        r#"outlier[1].use = "statsu": there is no outlier policy "statsu"; did you mean "status"?; there are consecutive-failures, latency, none, status, success-rate"#
    );
}

#[test]
fn a_bad_option_is_an_error_that_names_policy_option_and_reason() {
    let registry = Registry::builtin();
    let policy = PolicyConfig::new("idle").option("aftr", "60s");
    let error = registry
        .build_eviction(&policy)
        .expect_err("no such option");
    assert_eq!(
        error.to_string(),
        r#"the eviction policy "idle" refuses its options"#
    );
    assert_eq!(error.option(), Some("aftr"));
    let source = error.source().expect("a reason").to_string();
    assert!(
        source.contains("aftr") && source.contains("after"),
        "{source}"
    );

    let problem = only_problem(&registry, &evicting(policy));
    assert_eq!(problem.key, "eviction[0].aftr");
    assert_eq!(problem.value, r#""60s""#);
    assert_eq!(problem.fix, r#""idle" takes after, min_idle"#);

    let missing = only_problem(&registry, &evicting(PolicyConfig::new("uses")));
    assert_eq!(missing.key, "eviction[0].max");
    assert_eq!(missing.value, "(not set)");

    let config = Config {
        localip: PolicyConfig::new("list").option("addresses", "127.0.0.1,nowhere"),
        ..Config::default()
    };
    let problem = only_problem(&registry, &config);
    assert_eq!(problem.key, "localip.addresses");
    assert!(problem.wrong.contains("nowhere"), "{problem}");
}

#[test]
fn a_check_finds_every_bad_policy() {
    let config = Config {
        eviction: vec![PolicyConfig::new("idle"), PolicyConfig::new("nope")],
        health: vec![PolicyConfig::new("http2")],
        outlier: vec![PolicyConfig::new("none").option("after", "5s")],
        access: vec![PolicyConfig::new("prefixes").option("deny", "10.0.0.1/8")],
        localip: PolicyConfig::new("prefix").option("prefix", "10.0.0.0/33"),
        tls: PolicyConfig::new("nun"),
        ..Config::default()
    };
    let error = Registry::builtin().check(&config).expect_err("six of them");
    let keys: Vec<&str> = error.problems().iter().map(|p| p.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "eviction[1].use",
            "health[0].use",
            "outlier[0].after",
            "access[0].deny",
            "localip.prefix",
            "tls.use"
        ],
        "{error}"
    );
}

#[cfg(feature = "rustls")]
#[test]
fn the_rustls_connector_takes_its_options_and_refuses_others() {
    let registry = Registry::builtin();
    let refused = |policy: PolicyConfig| {
        let error = registry.build_tls(&policy).expect_err("bad options");
        error.option().map(str::to_owned)
    };
    let webpki = PolicyConfig::new("rustls").option("roots", "webpki");
    registry.build_tls(&webpki).expect("compiled in");
    assert_eq!(
        refused(webpki.clone().option("root", "x")).as_deref(),
        Some("root")
    );
    assert_eq!(
        refused(webpki.option("roots", "mine")).as_deref(),
        Some("roots")
    );
    let nobody = PolicyConfig::new("rustls").option("roots", "none");
    assert_eq!(
        refused(nobody),
        None,
        "nobody is trusted, which is no option's fault"
    );
}

#[test]
fn an_own_policy_is_chosen_by_its_name_and_gets_its_options() {
    let registry = Registry::builtin().eviction("max-checkouts", MaxCheckouts::from_options);
    let config = evicting(PolicyConfig::new("max-checkouts").option("max", "3"));
    registry.check(&config).expect("it is registered");

    let policy = registry
        .build_eviction(&config.eviction[0])
        .expect("it is registered");
    assert_eq!(format!("{policy:?}"), "MaxCheckouts { max: 3 }");

    let refused = evicting(PolicyConfig::new("max-checkouts").option("max", "0"));
    assert_eq!(only_problem(&registry, &refused).key, "eviction[0].max");
}

#[test]
fn an_own_policy_replaces_a_built_in_one_of_its_name() {
    let registry = Registry::builtin().eviction("uses", MaxCheckouts::from_options);
    let policy = registry
        .build_eviction(&PolicyConfig::new("uses"))
        .expect("it is registered");
    assert_eq!(policy.name(), "max-checkouts");
    let list = registry.list();
    let doc = list.iter().find(|doc| doc.name == "uses").expect("listed");
    assert_eq!(
        doc.summary, "",
        "the old description went with the old policy"
    );
}

#[test]
fn a_constructor_may_fail_with_any_error() {
    let registry = Registry::builtin().eviction("mine", |_: &Options| {
        Err::<MaxCheckouts, _>("not on\na Sunday")
    });
    let problem = only_problem(&registry, &evicting(PolicyConfig::new("mine")));
    assert_eq!(problem.key, "eviction[0]");
    assert_eq!(problem.wrong, "not on a Sunday");
}

#[test]
#[should_panic(expected = "no health check \"nope\" is registered")]
fn only_what_is_registered_can_be_described() {
    let none: [super::OptionDoc; 0] = [];
    let _registry = Registry::builtin().describe(PolicyKind::Health, "nope", "does nothing", none);
}
