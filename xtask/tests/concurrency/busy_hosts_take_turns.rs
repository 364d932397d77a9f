//! Hosts that are always busy share a limit that is too small for both: none waits for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pool_core::testing::{Alpn, Fleet};
use pool_core::{Config, StaticResolver};

use crate::crowd::{crowd, get};
use crate::dice::rounds;
use crate::rig::pool_of;

const TASKS_PER_HOST: usize = 4;
const HOSTS: [&str; 2] = ["a", "b"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_h1_hosts_progress_on_one_connection() {
    both_progress(Alpn::Http1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_h2_hosts_progress_on_one_connection() {
    both_progress(Alpn::H2).await;
}

async fn both_progress(alpn: Alpn) {
    let enough = rounds(100, 2000) as usize;
    let fleet = Fleet::builder().name("a.test").extra_names(["b.test"]);
    let fleet = fleet.alpn(alpn).start().await.expect("a fleet");
    let resolver = StaticResolver::default();
    for host in HOSTS {
        resolver.set(&format!("{host}.test"), fleet.port(), fleet.addrs());
    }
    let mut config = Config::default();
    config.limits.total = 1;
    config.limits.per_host = 1;
    let fair_turn = config.limits.fair_turn;
    let pool = pool_of(&fleet, config).resolver(Arc::new(resolver));
    let pool = pool.build().expect("a pool");

    let served: Arc<[AtomicUsize; 2]> = Arc::default();
    crowd(HOSTS.len() * TASKS_PER_HOST, |task| {
        let host = task % HOSTS.len();
        let name = HOSTS[host];
        let url = format!("https://{name}.test:{}/{name}", fleet.port());
        let (pool, served) = (pool.clone(), served.clone());
        async move {
            // Busy until both have had enough, which a host that is left out never has.
            while served.iter().any(|n| n.load(Ordering::SeqCst) < enough) {
                let own = served[host].load(Ordering::SeqCst);
                assert!(
                    own < 10 * enough,
                    "{name} has been served {own} times alone"
                );
                get(&pool, &url).await;
                served[host].fetch_add(1, Ordering::SeqCst);
            }
        }
    })
    .await;

    let order: Vec<String> = fleet
        .ledger()
        .requests()
        .into_iter()
        .map(|r| r.path)
        .collect();
    let longest = longest_turn(&order);
    // Those in flight when a turn ends, and those of tasks that find that it is over.
    let slack = 2 * TASKS_PER_HOST;
    assert!(
        longest <= fair_turn + slack,
        "{longest} requests in a row with fair turns of {fair_turn}"
    );
    // Beside it at most one whose end the server has yet to notice.
    assert!(fleet.ledger().peak_open() <= 2);
}

/// The longest run of one host, from the first request of the other on.
fn longest_turn(order: &[String]) -> usize {
    let runs = order.chunk_by(|a, b| a == b).map(<[String]>::len);
    runs.skip(1).max().expect("both were served")
}
