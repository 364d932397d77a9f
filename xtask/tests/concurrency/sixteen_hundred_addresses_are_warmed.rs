//! A name with 1,600 addresses is warmed with one handshake for each, a bounded number at a time; warmed again, only what is missing
//! is opened, and nothing that lives is touched.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use pool_core::testing::{Alpn, Close, Fleet};
use pool_core::{
    Config, Connect, ConnectContext, ConnectError, Connected, TcpConnector, Warm, WarmOutcome,
};

use crate::books::close_balanced;
use crate::rig::pool_of;
use crate::witness::{Seen, Witness, bounded};

const ADDRESSES: u32 = 1600;
const AT_A_TIME: usize = 48;

/// 127.1.0.1 and the next ones.
fn many() -> impl Iterator<Item = IpAddr> {
    let first = u32::from(std::net::Ipv4Addr::new(127, 1, 0, 1));
    (0..ADDRESSES).map(move |n| IpAddr::from((first + n).to_be_bytes()))
}

/// Counts the connects under way.
#[derive(Debug, Default)]
struct Counting {
    tcp: TcpConnector,
    now: AtomicUsize,
    most: AtomicUsize,
}

#[async_trait]
impl Connect for Counting {
    async fn connect(&self, cx: ConnectContext<'_>) -> Result<Connected, ConnectError> {
        let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(now, Ordering::Relaxed);
        let connected = self.tcp.connect(cx).await;
        self.now.fetch_sub(1, Ordering::Relaxed);
        connected
    }
}

#[cfg(target_os = "linux")] // Elsewhere 127.0.0.1 is the only loopback address.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_address_sees_one_handshake_and_live_connections_are_left_alone() {
    bounded(async {
        let fleet = Fleet::builder().origins(many()).alpn(Alpn::Http1);
        let fleet = fleet.start().await.expect("a fleet");
        let connect = Arc::new(Counting::default());
        let mut config = Config::default();
        config.dial.max_addresses = ADDRESSES as usize;
        config.limits.per_host = ADDRESSES as usize;
        config.limits.total = 2 * ADDRESSES as usize;
        config.limits.dials_per_host = AT_A_TIME;
        let witness = Witness::new();
        let pool = pool_of(&fleet, config)
            .connect(connect.clone())
            .observer(witness.clone());
        let pool = pool.build().expect("a pool");
        let most_under_way = Arc::new(AtomicUsize::new(0));
        let plan = {
            let most = most_under_way.clone();
            let progress = move |now: &pool_core::WarmProgress| {
                most.fetch_max(now.at_once, Ordering::Relaxed);
            };
            Warm::new(&fleet.url("/"))
                .concurrency(2 * AT_A_TIME)
                .progress(Arc::new(progress))
        };

        let report = pool.warm(&plan).await.expect("a report");
        assert_eq!((report.ready(), report.failed()), (1600, 0));
        let ledger = fleet.ledger();
        ledger.wait_until(|seen| seen.handshakes() == 1600).await;
        assert_eq!(ledger.accepted(), 1600);
        let mut at: BTreeMap<SocketAddr, usize> = BTreeMap::new();
        for conn in ledger.conns() {
            *at.entry(conn.addr).or_default() += 1;
        }
        assert_eq!(at.len(), 1600, "each address");
        assert!(at.values().all(|handshakes| *handshakes == 1), "{at:?}");
        let most = connect.most.load(Ordering::Relaxed);
        assert!((2..=AT_A_TIME).contains(&most), "{most} connects at a time");
        assert_eq!(most_under_way.load(Ordering::Relaxed), AT_A_TIME);

        // A hundred addresses lose theirs.
        for origin in &fleet.origins()[..100] {
            origin.close_all(Close::Fin);
        }
        ledger
            .wait_until(|seen| seen.open_connections() == 1500)
            .await;
        witness
            .wait_for(100, |seen| matches!(seen, Seen::Closed(_)))
            .await;
        let mark = ledger.mark();
        let report = pool.warm(&plan).await.expect("a report");
        assert_eq!(report.ready(), 1600);
        let fresh = report
            .cells
            .iter()
            .filter(|cell| matches!(cell.outcome, WarmOutcome::Ready(_)));
        assert_eq!(fresh.count(), 100);
        assert_eq!(ledger.since(&mark).accepted(), 100);
        assert_eq!(ledger.open_connections(), 1600);
        close_balanced(&pool).await;
    })
    .await;
}
