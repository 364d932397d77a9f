//! What a pool makes of a profile that its TLS connector sends more or less faithfully.

use std::error::Error as _;
use std::sync::Arc;

use crate::network::{Network, addrs};
use async_trait::async_trait;
use http::Request;
use pool_core::config::{FingerprintPer, WeightedProfile};
use pool_core::{BuildError, Config, Pool, PoolBuilder, StaticResolver};
use pool_tls::fidelity::{Fidelity, FidelityReport, FieldReport};
use pool_tls::spec::{
    ClientHelloSpec, ExtensionOrder, ExtensionSpec, Http2Spec, Profile, PseudoHeader,
};
use pool_tls::{BoxedIo, Fixed, Plan, ProfileId, TlsConfigId, TlsConnector, TlsContext, TlsError};
use pool_tls::{TlsErrorKind, TlsSession, TlsVersion};

/// Speaks TLS without saying a word, and says that it is this near to any profile.
#[derive(Debug)]
struct Claims(Fidelity);

#[async_trait]
impl TlsConnector for Claims {
    fn config_id(&self) -> TlsConfigId {
        TlsConfigId::default()
    }

    fn plan(&self, profile: &Arc<Profile>) -> Result<Plan, TlsError> {
        if profile.hello.is_none() {
            return Ok(Plan::own_hello(profile.clone(), self.config_id()));
        }
        let report = FidelityReport {
            fields: vec![FieldReport {
                field: "ciphers".into(),
                wanted: "all".into(),
                sent: "some".into(),
                equal: self.0 == Fidelity::Exact,
                reason: None,
            }],
            grade: self.0,
        };
        Ok(Plan::imitating(profile.clone(), self.config_id(), report))
    }

    async fn connect(&self, cx: &TlsContext<'_>, io: BoxedIo) -> Result<TlsSession, TlsError> {
        let profile = cx.plan.profile_id().clone();
        let alpn = cx.plan.profile().http2.as_ref().map(|_| b"h2".to_vec());
        Ok(TlsSession::new(io, TlsVersion::Tls13, profile).with_alpn(alpn))
    }
}

fn lynx() -> Profile {
    let headers = [("user-agent", "Lynx/2.9"), ("accept", "text/html")];
    Profile {
        id: ProfileId::new("lynx"),
        hello: Some(ClientHelloSpec {
            session_id: true,
            ciphers: vec![],
            extension_order: ExtensionOrder::Fixed,
            extensions: vec![ExtensionSpec::Alpn(vec!["h2".into(), "http/1.1".into()])],
        }),
        headers: headers
            .map(|(name, value)| (name.into(), value.into()))
            .into(),
        ..Profile::native()
    }
}

fn builder(network: &Arc<Network>, grade: Fidelity) -> PoolBuilder {
    let resolver = StaticResolver::default();
    resolver.set("a.test", 443, addrs(1));
    resolver.set("a.test", 80, addrs(1));
    Pool::builder()
        .resolver(Arc::new(resolver))
        .connect(network.clone())
        .tls(Arc::new(Claims(grade)))
        .profile(lynx())
        .fingerprints(Arc::new(Fixed(ProfileId::new("lynx"))))
}

async fn head_of(grade: Fidelity, url: &str, headers: &[(&str, &str)]) -> String {
    let network = Network::new();
    let pool = builder(&network, grade).build().unwrap();
    let mut request = Request::get(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = pool.request(request.body(()).unwrap()).await.unwrap();
    let facts = response.body().conn_info().facts.clone();
    let secure = url.starts_with("https");
    assert_eq!(facts.fidelity, secure.then_some(grade));
    assert_eq!(facts.profile, secure.then(|| ProfileId::new("lynx")));
    network.heads().remove(0)
}

#[tokio::test(start_paused = true)]
async fn an_exact_hello_brings_the_headers_of_its_client_in_their_order() {
    let own = [("x-own", "1"), ("accept", "text/plain")];
    let head = head_of(Fidelity::Exact, "https://a.test/", &own).await;
    // Where `host` goes is for the engine to say.
    let fields = head.lines().skip(1);
    let fields = fields.filter(|line| !line.is_empty() && !line.starts_with("host"));
    assert_eq!(
        fields.collect::<Vec<_>>(),
        ["user-agent: Lynx/2.9", "accept: text/plain", "x-own: 1"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_hello_that_is_not_the_clients_own_never_bears_its_name() {
    for grade in Fidelity::ALL {
        let head = head_of(grade, "https://a.test/", &[]).await;
        assert_eq!(
            head.contains("Lynx"),
            grade == Fidelity::Exact,
            "{grade}: {head}"
        );
    }
    let head = head_of(Fidelity::Exact, "http://a.test/", &[]).await;
    assert!(
        !head.contains("Lynx"),
        "without TLS there is no hello: {head}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_less_faithful_than_required_builds_no_pool_and_opens_nothing() {
    let network = Network::new();
    for grade in Fidelity::ALL {
        for least in Fidelity::ALL {
            let built = builder(&network, grade).require_fidelity(least).build();
            if grade >= least {
                let plans = built.unwrap().plans();
                assert_eq!(plans.len(), 2, "the backend's own hello, and the profile");
                continue;
            }
            let Err(BuildError::Profile { profile, source }) = built else {
                panic!("{grade} passed for {least}");
            };
            assert_eq!(profile, ProfileId::new("lynx"));
            assert_eq!(source.kind(), TlsErrorKind::Unfaithful);
            let why = source.source().unwrap().to_string();
            assert!(
                why.contains("ciphers") && why.contains(least.name()),
                "{why}"
            );
        }
    }
    assert!(network.connects().is_empty());
}

fn named(profile: &str, weights: &[(&str, u32)]) -> Config {
    let mut config = Config::default();
    config.fingerprint.profile = profile.into();
    let weights = weights.iter();
    let weights = weights.map(|(name, weight)| WeightedProfile {
        use_: (*name).into(),
        weight: *weight,
    });
    config.fingerprint.profiles = weights.collect();
    config
}

/// A pool that has `lynx`, and chooses as the configuration says.
fn configured(network: &Arc<Network>, config: Config) -> Result<Pool, BuildError> {
    let resolver = StaticResolver::default();
    for n in 0..16 {
        resolver.set(&format!("{n}.test"), 443, addrs(1));
    }
    Pool::builder()
        .resolver(Arc::new(resolver))
        .connect(network.clone())
        .tls(Arc::new(Claims(Fidelity::Ja4Equal)))
        .profile(lynx())
        .config(config)
        .build()
}

/// The profile of a request to each of sixteen hosts.
async fn chosen(pool: &Pool) -> Vec<String> {
    let mut chosen = Vec::new();
    for n in 0..16 {
        let answer = pool.get(&format!("https://{n}.test/")).await.unwrap();
        let profile = answer.body().conn_info().facts.profile.clone();
        chosen.push(profile.unwrap().to_string());
    }
    chosen
}

#[tokio::test(start_paused = true)]
async fn the_configuration_chooses_one_profile_or_draws_from_several() {
    let network = Network::new();
    let pool = |config| configured(&network, config).unwrap();
    assert_eq!(chosen(&pool(Config::default())).await, ["native"; 16]);
    assert_eq!(chosen(&pool(named("lynx", &[]))).await, ["lynx"; 16]);
    let never = [("lynx", 0), ("native", 1)];
    assert_eq!(chosen(&pool(named("native", &never))).await, ["native"; 16]);

    let mut config = named("native", &[("lynx", 1), ("native", 1)]);
    config.fingerprint.per = FingerprintPer::Host;
    let first = chosen(&pool(config.clone())).await;
    assert!(first.contains(&"lynx".into()) && first.contains(&"native".into()));
    let restarted = pool(config.clone());
    assert_eq!(chosen(&restarted).await, first, "a host keeps its profile");
    assert_eq!(chosen(&restarted).await, first);
    config.fingerprint.seed = 1;
    assert_ne!(chosen(&pool(config.clone())).await, first);
    config.fingerprint.per = FingerprintPer::SourceClass;
    let first = chosen(&pool(config.clone())).await;
    assert_eq!(first, vec![first[0].clone(); 16], "one class of sources");
    config.fingerprint.per = FingerprintPer::Request;
    let drawn = pool(config);
    assert_ne!(chosen(&drawn).await, chosen(&drawn).await);
}

#[tokio::test(start_paused = true)]
async fn what_the_configuration_names_and_requires_is_held_to_before_anything_is_opened() {
    let network = Network::new();
    for (config, key) in [
        (named("links", &[]), "fingerprint.profile"),
        (
            named("native", &[("lynx", 1), ("links", 0)]),
            "fingerprint.profiles[1].use",
        ),
    ] {
        let Err(BuildError::Config(error)) = configured(&network, config) else {
            panic!("nobody gave it that profile");
        };
        assert_eq!(error.problems()[0].key, key, "{error}");
    }
    let mut config = named("lynx", &[]);
    config.fingerprint.require = Fidelity::Ja4Equal;
    assert!(configured(&network, config.clone()).is_ok());
    config.fingerprint.require = Fidelity::Exact;
    let refused = configured(&network, config);
    assert!(matches!(refused, Err(BuildError::Profile { .. })));
    assert!(network.connects().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_profiles_connection_opens_http2_as_its_client_does() {
    use PseudoHeader::{Authority, Method, Path, Scheme};
    let network = Network::new();
    let opening = Http2Spec {
        settings: vec![(1, 65_536), (2, 0), (4, 131_072), (5, 16_384)],
        window_update: Some(12_517_377),
        first_stream_id: 3,
        pseudo_order: [Method, Path, Authority, Scheme],
        priority: None,
        stream_window_update: None,
    };
    let pool = builder(&network, Fidelity::Exact)
        .profile(Profile {
            http2: Some(opening.clone()),
            ..lynx()
        })
        .build()
        .unwrap();
    assert_eq!(pool.get("https://a.test/").await.unwrap().status(), 200);
    let seen = network.h2();
    assert_eq!(seen.window(), 12_517_377);
    for (id, value) in opening.settings {
        assert_eq!(seen.setting(id), Some(value), "setting {id}");
    }
    assert_eq!(seen.setting(6), None, "what the client does not announce");

    let refused = builder(&network, Fidelity::Exact)
        .profile(Profile {
            http2: Some(Http2Spec {
                first_stream_id: 2,
                ..opening_of(&pool)
            }),
            ..lynx()
        })
        .build();
    let Err(BuildError::Profile { source, .. }) = refused else {
        panic!("stream 2 is a server's");
    };
    let why = source.source().unwrap().to_string();
    assert!(why.contains("stream 2"), "{why}");
}

fn opening_of(pool: &Pool) -> Http2Spec {
    let plans = pool.plans();
    let mut openings = plans.iter().filter_map(|plan| plan.profile().http2.clone());
    openings.next_back().unwrap()
}
