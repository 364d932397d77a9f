//! A fingerprint source that chooses anew each time it is asked: what it is asked for, and when.

use std::sync::{Arc, Mutex};

use crate::network::{Network, addrs};
use async_trait::async_trait;
use pool_core::{ErrorKind, Pool, StaticResolver};
use pool_tls::spec::Profile;
use pool_tls::{BoxedIo, FingerprintContext, FingerprintSource, ProfileId, TlsConfigId};
use pool_tls::{TlsConnector, TlsContext, TlsError, TlsSession, TlsVersion};

/// Another profile each time.
#[derive(Debug, Default)]
struct Restless {
    asked_for: Mutex<Vec<String>>,
}

impl FingerprintSource for Restless {
    fn choose(&self, cx: &FingerprintContext<'_>) -> ProfileId {
        let mut asked_for = self.asked_for.lock().expect("no asker panics");
        asked_for.push(cx.host.to_owned());
        ProfileId::new(&format!("profile-{}", asked_for.len()))
    }
}

/// Speaks TLS without saying a word.
#[derive(Debug)]
struct Mute;

#[async_trait]
impl TlsConnector for Mute {
    fn config_id(&self) -> TlsConfigId {
        TlsConfigId::default()
    }
    async fn connect(&self, cx: &TlsContext<'_>, io: BoxedIo) -> Result<TlsSession, TlsError> {
        Ok(TlsSession::new(
            io,
            TlsVersion::Tls13,
            cx.plan.profile_id().clone(),
        ))
    }
}

fn pool(source: &Arc<Restless>) -> Pool {
    let resolver = StaticResolver::default();
    resolver.set("a.test", 443, addrs(1));
    let mut builder = Pool::builder();
    for n in 1..=8 {
        builder = builder.profile(Profile {
            id: ProfileId::new(&format!("profile-{n}")),
            ..Profile::native()
        });
    }
    builder
        .resolver(Arc::new(resolver))
        .connect(Network::new())
        .tls(Arc::new(Mute))
        .fingerprints(source.clone())
        .build()
        .expect("a pool")
}

#[tokio::test(start_paused = true)]
async fn a_lease_takes_a_request_to_its_origin_whatever_profile_would_be_next() {
    let source = Arc::<Restless>::default();
    let pool = pool(&source);
    let lease = pool.acquire("https://a.test/").await.unwrap();
    let request = http::Request::get("https://A.test:443/x").body(()).unwrap();
    assert_eq!(lease.send(request).await.unwrap().status(), 200);

    let lease = pool.acquire("https://a.test/").await.unwrap();
    for elsewhere in [
        "https://a.test:444/",
        "http://a.test:443/",
        "https://b.test/",
    ] {
        let lease = pool.acquire("https://a.test/").await.unwrap();
        let request = http::Request::get(elsewhere).body(()).unwrap();
        let error = lease.send(request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Request, "{elsewhere}");
    }
    let everything = http::Request::options("*").body(()).unwrap();
    let error = lease.send(everything).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Request);
}

#[tokio::test(start_paused = true)]
async fn the_source_sees_one_name_for_one_host() {
    let source = Arc::<Restless>::default();
    let pool = pool(&source);
    for url in ["https://a.test/", "https://A.TEST/", "https://a.test./"] {
        drop(pool.acquire(url).await.unwrap());
    }
    assert_eq!(*source.asked_for.lock().unwrap(), ["a.test"; 3]);
}

#[tokio::test(start_paused = true)]
async fn a_profile_that_nobody_added_fails_the_request_and_says_its_name() {
    let source = Arc::<Restless>::default();
    let pool = pool(&source);
    for _ in 0..8 {
        drop(pool.acquire("https://a.test/").await.unwrap());
    }
    let error = pool.acquire("https://a.test/").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls);
    let mut cause: &dyn std::error::Error = &error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    assert_eq!(cause.to_string(), "asked for `profile-9`");
}
