//! A server closes a thousand idle connections: the books and the files of this process are empty without any acquire.

use std::path::Path;
use std::sync::Arc;

use pool_core::config::Http1Engine;
use pool_core::manager::CloseReason;
use pool_core::testing::{Alpn, Fleet};
use pool_core::{Config, Warm};
use pool_localip::AddrList;

use crate::files::sockets_to;
use crate::rig::pool_of;
use crate::witness::{Seen, Witness, assert_conserved, bounded, close_and_balance};

const CONNS: usize = 1000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hyper() {
    a_thousand_closes_are_noticed(Http1Engine::Hyper).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inline() {
    a_thousand_closes_are_noticed(Http1Engine::Inline).await;
}

async fn a_thousand_closes_are_noticed(engine: Http1Engine) {
    bounded(async {
        let fleet = Fleet::builder().alpn(Alpn::Http1).start().await;
        let fleet = fleet.expect("a fleet");
        let witness = Witness::new();
        let sources = AddrList::new([[127, 0, 0, 1].into()]).expect("a list");
        let sources = Arc::new(sources);
        let mut config = Config::default();
        config.http1.engine = engine;
        config.limits.per_host = CONNS;
        config.limits.total = CONNS;
        let pool = pool_of(&fleet, config)
            .observer(witness.clone())
            .local_addrs(sources.clone())
            .build()
            .expect("a pool");
        let plan = Warm::new(&fleet.url("/")).per_cell(CONNS);
        let report = pool.warm(&plan).await.expect("a plan");
        assert_eq!(report.ready(), CONNS);

        fleet.origin(0).close_idle();
        let closed = Seen::Closed(CloseReason::PeerClosed);
        witness.wait_for(CONNS, |seen| seen == closed).await;

        let totals = assert_conserved(&pool);
        assert_eq!((totals.open, totals.leased), (0, 0), "{totals:?}");
        assert_eq!(sources.in_use(), 0);
        if Path::new("/proc/self/fd").exists() {
            assert_eq!(sockets_to(fleet.port()), 0);
        } else {
            println!("SKIP the files: this system has no /proc/self/fd");
        }
        close_and_balance(&pool, &witness).await;
    })
    .await;
}
