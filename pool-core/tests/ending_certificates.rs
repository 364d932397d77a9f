//! A server's certificate that ends while connections under it are open: they go in time, and no new ones are made.
#![cfg(feature = "testing")]

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use pool_core::manager::CloseReason;
use pool_core::testing::{Certificate, Fleet};
use pool_core::{Config, ConnInfo, ErrorKind, Event, Observer, Pool, StaticResolver};
use pool_health::{CertificateEnd, CertificateExpiry};
use pool_tls::{Roots, RustlsConnector};
use tokio::sync::Notify;

/// Remembers why connections closed.
#[derive(Debug, Default)]
struct Ends {
    reasons: Mutex<Vec<CloseReason>>,
    changed: Notify,
}

impl Observer for Ends {
    fn on(&self, event: &Event<'_>) {
        if let Event::Closed { reason, .. } = event {
            self.reasons.lock().expect("intact").push(*reason);
            self.changed.notify_one();
        }
    }
}

impl Ends {
    async fn first(&self) -> CloseReason {
        loop {
            let first = self.reasons.lock().expect("intact").first().copied();
            match first {
                Some(reason) => return reason,
                None => self.changed.notified().await,
            }
        }
    }
}

/// A fleet whose certificate lasts for so long, and a pool that looks often.
async fn rig(
    lasts: Duration,
    arrange: impl FnOnce(pool_core::PoolBuilder) -> pool_core::PoolBuilder,
) -> (Fleet, Pool, Arc<Ends>) {
    let certificate = Certificate::ExpiresIn(lasts);
    let fleet = Fleet::builder().certificate(certificate).start().await;
    let fleet = fleet.expect("a fleet");
    let tls = RustlsConnector::builder().roots(Roots::None);
    let tls = tls.add_ca_pem(fleet.ca_pem().as_bytes()).expect("a root");
    let resolver = StaticResolver::default();
    resolver.set(fleet.name(), fleet.port(), fleet.addrs());
    let mut config = Config::default();
    config.dial.backoff_base = Duration::from_millis(1);
    config.upkeep.idle_interval = Duration::from_millis(20);
    config.upkeep.health_interval = Duration::from_millis(20);
    let ends = Arc::new(Ends::default());
    let pool = Pool::builder()
        .config(config)
        .tls(Arc::new(tls.build().expect("a connector")))
        .resolver(Arc::new(resolver))
        .observer(ends.clone());
    let pool = arrange(pool).build().expect("a pool");
    (fleet, pool, ends)
}

#[tokio::test]
async fn a_connection_drains_when_its_certificate_ends_and_no_other_is_made() {
    let lasts = Duration::from_secs(3);
    let policy = Arc::new(CertificateEnd::default());
    let (fleet, pool, ends) = rig(lasts, |pool| pool.eviction(policy)).await;
    let url = fleet.url("/");
    let response = pool.get(&url).await.expect("it is valid yet");
    let info = response.extensions().get::<ConnInfo>().expect("it says so");
    let expires = info.facts.certificate_expires.expect("it is known");
    let left = expires.duration_since(SystemTime::now());
    assert!(left.is_ok_and(|left| left <= lasts));
    // In use when the certificate ends: nothing is cut.
    assert_eq!(fleet.ledger().accepted(), 1);
    let pooled = pool.acquire(&url).await.expect("the same connection");
    // It is valid throughout its last second.
    let second = Duration::from_secs(1);
    while !expires.elapsed().is_ok_and(|past| past >= second) {
        tokio::time::sleep(Duration::from_millis(20)).await; // fault: the time of the certificate, which is the system's
    }
    let request = http::Request::get(&url).body(()).expect("a request");
    let answer = pooled.send(request).await.expect("it is still open");
    assert_eq!(answer.status(), 200);
    drop((response, answer));
    assert_eq!(ends.first().await, CloseReason::Policy("certificate"));

    let error = pool.get(&url).await.expect_err("the certificate has ended");
    assert_eq!(error.kind(), ErrorKind::Tls, "{error:?}");
    assert!(format!("{error:?}").contains("xpired"), "{error:?}");
    assert_eq!(error.attempts(), 0, "no request was sent");
}

#[tokio::test]
async fn a_check_finds_it_a_while_before() {
    let hour = Duration::from_secs(3600);
    let check = Arc::new(CertificateExpiry::new(hour));
    let (fleet, pool, ends) = rig(hour, |pool| pool.health(check)).await;
    pool.get(&fleet.url("/")).await.expect("an answer");
    assert_eq!(ends.first().await, CloseReason::Unhealthy);

    let check = Arc::new(CertificateExpiry::new(hour / 2));
    let (fleet, pool, _) = rig(hour, |pool| pool.health(check)).await;
    pool.get(&fleet.url("/")).await.expect("an answer");
    assert_eq!(pool.check_health().await, 0, "half an hour is left");
}
