//! The fields of the configuration itself: the protocols, and the policies by name.

use pool_core::config::{Dial, Http1, Http2, Limits, PolicyConfig, Retry, Timeouts, Upkeep};
use pool_core::{ConnInfo, ReconfigureError};
use pool_health::{EvictReason, EvictionContext, EvictionPolicy, Verdict};

use super::*;
use crate::check_at_checkout::{Doctor, Says};
use crate::network::Manner;

one_case_each!(Config {
    protocols,
    conn_info,
    limits,
    timeouts,
    http1,
    http2,
    dial,
    retry,
    upkeep,
    eviction,
    health,
    outlier,
    access,
    selector,
    localip,
    tls,
    fingerprint,
});

async fn protocols() {
    let (network, pool) = pool_with(1, |_| {});
    get(&pool).await.unwrap();
    assert_eq!(network.requests().len(), 1);
    change(&pool, |config| config.protocols = Protocols::Http2);
    get(&pool).await.unwrap();
    assert_eq!(network.h2().conns(), 1);
}

async fn conn_info() {
    let (_, pool) = pool_with(1, |_| {});
    let answer = pool.get(URL).await.unwrap();
    let id = answer.extensions().get::<ConnInfo>().unwrap().id;
    assert_eq!(answer.body().conn_info().id, id);
    drop(answer.into_body().bytes().await);
    change(&pool, |config| config.conn_info = false);
    let answer = pool.get(URL).await.unwrap();
    assert!(answer.extensions().is_empty());
    assert_eq!(answer.body().conn_info().id, id);
}

/// Each of these has a module with a case for each of its fields; here, that the section is taken as a whole.
async fn section(change_it: fn(&mut Config)) {
    let (_, pool) = pool_with(1, |_| {});
    change(&pool, change_it);
    let mut wanted = quiet(|_| {});
    assert_ne!(wanted, pool.config());
    change_it(&mut wanted);
    assert_eq!(wanted, pool.config());
}

async fn limits() {
    section(|config| {
        config.limits = Limits {
            per_host: 3,
            ..Limits::default()
        }
    })
    .await;
}

async fn timeouts() {
    section(|config| {
        config.timeouts = Timeouts {
            acquire: SECOND,
            ..Timeouts::default()
        }
    })
    .await;
}

async fn http1() {
    section(|config| {
        config.http1 = Http1 {
            headers: 7,
            ..Http1::default()
        }
    })
    .await;
}

async fn http2() {
    section(|config| {
        config.http2 = Http2 {
            frame: 20_000,
            ..Http2::default()
        }
    })
    .await;
}

async fn dial() {
    section(|config| {
        config.dial = Dial {
            max_addresses: 7,
            ..Dial::default()
        }
    })
    .await;
}

async fn retry() {
    section(|config| {
        config.retry = Retry {
            max_attempts: 7,
            ..Retry::default()
        }
    })
    .await;
}

async fn upkeep() {
    section(|config| {
        config.upkeep = Upkeep {
            idle_interval: HOUR,
            ..Upkeep::default()
        }
    })
    .await;
}

/// Wants a connection gone that has served two requests.
#[derive(Debug)]
struct Twice;

impl EvictionPolicy for Twice {
    fn name(&self) -> &'static str {
        "twice"
    }
    fn judge(&self, cx: &EvictionContext<'_>) -> Verdict {
        Verdict::evict_if(cx.conn.uses >= 2, EvictReason::Policy("twice"))
    }
}

async fn eviction() {
    let network = Network::new();
    let pool = pool(&network, resolver(addrs(1)), quiet(|_| {}));
    let pool = pool.eviction(Arc::new(Twice)).build().unwrap();
    get(&pool).await.unwrap();
    pass(HOUR).await;
    assert_eq!(network.open(), 1, "no policy minds an hour");
    let idle = PolicyConfig::new("idle").option("after", "60s");
    change(&pool, |config| config.eviction = vec![idle]);
    pass(60 * SECOND).await;
    assert_eq!(network.open(), 0, "named in the new configuration");
    change(&pool, |config| config.eviction.clear());
    get(&pool).await.unwrap();
    pass(HOUR).await;
    assert_eq!(network.open(), 1, "and no longer");
    get(&pool).await.unwrap();
    get(&pool).await.unwrap();
    assert_eq!(network.connects().len(), 3, "the one given in code stays");
}

async fn health() {
    let network = Network::new();
    let doctor = Doctor::new(Says::Well, &network);
    let pool = pool(&network, resolver(addrs(1)), quiet(|_| {}));
    let pool = pool.health(doctor.clone()).build().unwrap();
    get(&pool).await.unwrap();
    assert_eq!(pool.check_health().await, 0);
    assert_eq!((doctor.asked(), network.requests().len()), (1, 1));
    let http = PolicyConfig::new("http").option("path", "/health");
    change(&pool, |config| config.health = vec![http]);
    assert_eq!(pool.check_health().await, 0);
    assert_eq!(doctor.asked(), 2, "the one given in code stays");
    assert_eq!(network.requests().len(), 2, "the other sends a request");
    change(&pool, |config| config.health.clear());
    assert_eq!(pool.check_health().await, 0);
    assert_eq!((doctor.asked(), network.requests().len()), (3, 2));
}

async fn outlier() {
    let (network, pool) = pool_with(2, |_| {});
    let eject = PolicyConfig::new("consecutive-failures").option("threshold", "1");
    let ejected = || {
        let hosts = pool.snapshot().connections.hosts;
        hosts[0].endpoints.iter().filter(|at| !at.active).count()
    };
    let plan = pool_core::Warm::new(URL).per_cell(4);
    pool.warm(&plan).await.unwrap();
    network.set(addrs(2)[0], Manner::HangsUp);
    for _ in 0..2 {
        get(&pool).await.unwrap();
    }
    assert_eq!(ejected(), 0);
    change(&pool, |config| config.outlier = vec![eject]);
    pass(HOUR).await;
    for _ in 0..4 {
        get(&pool).await.unwrap();
    }
    assert_eq!(ejected(), 1);
}

async fn access() {
    let (network, pool) = pool_with(2, |_| {});
    let first = addrs(2)[0];
    let plan = pool_core::Warm::new(URL);
    pool.warm(&plan).await.unwrap();
    settle().await;
    assert_eq!(network.open_at(first), 1);
    let guard = PolicyConfig::new("prefixes").option("deny", "10.0.0.1");
    change(&pool, |config| config.access = vec![guard]);
    settle().await;
    assert_eq!((network.open_at(first), network.open()), (0, 1));
    change(&pool, |config| config.access.clear());
    pool.warm(&plan).await.unwrap();
    settle().await;
    assert_eq!(network.open_at(first), 1, "and no longer");
}

/// Refused by its name, and nothing else of that configuration is in force.
pub(super) async fn fixed(section: &str, change: fn(&mut Config)) {
    let (_, pool) = pool_with(1, |_| {});
    let before = pool.config();
    let mut other = before.clone();
    other.limits.per_host = 1;
    change(&mut other);
    let error = pool.reconfigure(other).unwrap_err();
    assert!(error.to_string().starts_with(section), "{error}");
    let ReconfigureError::NeedsNewPool(sections) = error else {
        panic!("{error:?}");
    };
    assert_eq!(sections, [section]);
    assert_eq!(pool.config(), before);
    let _two = (
        pool.acquire(URL).await.unwrap(),
        pool.acquire(URL).await.unwrap(),
    );
}

async fn selector() {
    fixed("selector", |config| {
        config.selector = PolicyConfig::new("p2c")
    })
    .await;
}

async fn localip() {
    let list = |config: &mut Config| {
        config.localip = PolicyConfig::new("list").option("addrs", "10.1.0.1");
    };
    fixed("localip", list).await;
}

async fn tls() {
    fixed("tls", |config| config.tls = PolicyConfig::new("none")).await;
}

async fn fingerprint() {
    fixed("fingerprint", |config| config.fingerprint.seed = 1).await;
}
