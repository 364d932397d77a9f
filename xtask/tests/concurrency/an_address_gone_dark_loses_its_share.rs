//! Ten addresses of forty go dark half-way: the others carry their share until they recover, and no GET is lost.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use pool_core::testing::{Alpn, Fleet, Origin};
use pool_core::{Config, Pool, Warm, WarmOutcome};
use pool_health::{ConsecutiveFailures, OutlierPolicy};

use crate::dice::Dice;
use crate::load::Load;
use crate::rig::{origins, pool_of};
use crate::witness::{Seen, Witness, bounded, close_and_balance};

const ADDRESSES: usize = 40;
const DARK: usize = 10;
const THRESHOLD: u32 = 3;
const WORKERS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answering_503_over_http1() {
    bounded(unavailable(Alpn::Http1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answering_503_over_http2() {
    bounded(unavailable(Alpn::H2)).await;
}

async fn unavailable(alpn: Alpn) {
    let mut dice = Dice::of("an_address_gone_dark_loses_its_share");
    // For so short a time that they come back, fail and go again while they are dark.
    let base = Duration::from_millis(200);
    let Rig {
        fleet,
        pool,
        witness,
    } = Rig::start(alpn, base, Duration::from_millis(500)).await;
    let (url, ledger) = (fleet.url("/"), fleet.ledger());
    let dark = some(&fleet, &mut dice, DARK);

    let load = Load::start(&pool, &url, WORKERS as u64, 0);
    ledger.wait_until(|all| all.served() >= 400).await;
    for origin in &dark {
        origin.script(|script| script.status = StatusCode::SERVICE_UNAVAILABLE.as_u16());
    }
    for origin in &dark {
        witness.wait_for(1, ejected(origin.addr())).await;
    }

    let (mark, before) = (ledger.mark(), ejections(&witness, &dark));
    let since = ledger.since(&mark);
    since.wait_until(|since| since.served() >= 8_000).await;
    let failed = since.statuses().get(&503).copied().unwrap_or(0);
    // Without ejection the ten would see a quarter of all. An address that is back and fails is out again at once; whatever else had
    // begun by then goes on.
    let visits = ejections(&witness, &dark) - before + DARK;
    assert!(
        failed <= visits * WORKERS,
        "{failed} of 8000 requests met the ten, which were out {visits} times"
    );

    for origin in &dark {
        origin.script(|script| script.status = StatusCode::OK.as_u16());
    }
    shares_alike(&fleet, &dark).await;
    let tally = load.stop().await;
    let lost = tally
        .lost
        .iter()
        .filter(|lost| !lost.contains("status 503"));
    assert_eq!(lost.collect::<Vec<_>>(), Vec::<&String>::new());
    assert_eq!(ledger.duplicates(), []);
    let others =
        witness.count(|seen| matches!(seen, Seen::Ejected(_))) - ejections(&witness, &dark);
    assert_eq!(others, 0, "only what fails is left out");
    close_and_balance(&pool, &witness).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn falling_silent() {
    bounded(silent()).await;
}

async fn silent() {
    const SILENT: usize = 4;
    let mut dice = Dice::of("an_address_gone_dark_loses_its_share");
    let base = Duration::from_millis(500);
    let Rig {
        fleet,
        pool,
        witness,
    } = Rig::start(Alpn::H2, base, base).await;
    let url = fleet.url("/");
    let dark = some(&fleet, &mut dice, SILENT);
    for (before, origin) in dark.iter().enumerate() {
        warm_all_but(&pool, &url, &dark[..before]).await;
        // A GET is sent again once, so no two of them hold requests at the same time.
        origin.script(|script| script.stall_accept = true);
        origin.silence();
        let load = Load::start(&pool, &url, WORKERS as u64, 0);
        witness.wait_for(1, ejected(origin.addr())).await;
        let tally = load.stop().await;
        assert!(tally.lost.is_empty(), "{:#?}", tally.lost);
    }
    for origin in &dark {
        origin.script(|script| script.stall_accept = false);
    }
    let load = Load::start(&pool, &url, WORKERS as u64, 0);
    let keep_warm = async {
        loop {
            let closed = |seen| matches!(seen, Seen::Closed(_));
            let before = witness.count(closed);
            warm_all_but(&pool, &url, &[]).await;
            witness.wait_for(before + 1, closed).await;
        }
    };
    tokio::select! {
        () = shares_alike(&fleet, &dark) => {}
        () = keep_warm => unreachable!("it has no end"),
    }
    let tally = load.stop().await;
    assert!(tally.lost.is_empty(), "{:#?}", tally.lost);
    close_and_balance(&pool, &witness).await;
}

/// Opens what is missing until these addresses alone have no connection.
async fn warm_all_but(pool: &Pool, url: &str, dark: &[&Origin]) {
    loop {
        let report = pool.warm(&Warm::new(url)).await.expect("a plan");
        let mut missing = report
            .cells
            .iter()
            .filter(|cell| !matches!(cell.outcome, WarmOutcome::Ready(_) | WarmOutcome::Present));
        if missing.all(|cell| dark.iter().any(|origin| origin.addr() == cell.target)) {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_than_the_largest_share_are_out_at_once() {
    bounded(all_dark()).await;
}

async fn all_dark() {
    let minute = Duration::from_secs(60);
    let Rig {
        fleet,
        pool,
        witness,
    } = Rig::start(Alpn::H2, minute, minute).await;
    for origin in fleet.origins() {
        origin.script(|script| script.status = StatusCode::SERVICE_UNAVAILABLE.as_u16());
    }
    let mark = fleet.ledger().mark();
    let load = Load::start(&pool, &fleet.url("/"), WORKERS as u64, 0);
    let out = |seen| matches!(seen, Seen::Ejected(_));
    witness.wait_for(DARK, out).await;
    let since = fleet.ledger().since(&mark);
    since.wait_until(|since| since.served() >= 2_000).await;
    let tally = load.stop().await;
    assert!(tally.ok.is_empty());
    assert_eq!(witness.count(out), DARK, "a quarter of forty");
    assert_eq!(active(&pool).len(), ADDRESSES - DARK);
    close_and_balance(&pool, &witness).await;
}

struct Rig {
    fleet: Fleet,
    pool: Pool,
    witness: Arc<Witness>,
}

impl Rig {
    /// Forty addresses with a connection each; a quarter of them may be out, for so long at first and at most.
    async fn start(alpn: Alpn, base: Duration, max: Duration) -> Self {
        let fleet = Fleet::builder()
            .origins(origins(ADDRESSES as u8))
            .alpn(alpn)
            .start()
            .await
            .expect("a fleet");
        let witness = Witness::new();
        let mut config = Config::default();
        config.outlier.clear();
        config.retry.budget_min = 10_000;
        config.limits.per_host = 2 * ADDRESSES;
        config.http2.ping_interval = Duration::from_millis(100);
        config.http2.ping_timeout = Duration::from_secs(1);
        config.timeouts.handshake = Duration::from_secs(1);
        let policy = ConsecutiveFailures::new(THRESHOLD).durations(base, max);
        let pool = pool_of(&fleet, config)
            .observer(witness.clone())
            .outlier(Arc::new(policy.at_most(DARK as f64 / ADDRESSES as f64)))
            .build()
            .expect("a pool");
        let report = pool.warm(&Warm::new(&fleet.url("/"))).await;
        assert_eq!(report.expect("a plan").ready(), ADDRESSES);
        Self {
            fleet,
            pool,
            witness,
        }
    }
}

/// So many different origins, by the dice.
fn some<'a>(fleet: &'a Fleet, dice: &mut Dice, count: usize) -> Vec<&'a Origin> {
    let mut chosen = BTreeSet::new();
    while chosen.len() < count {
        chosen.insert(dice.below(fleet.origins().len() as u64) as usize);
    }
    chosen.into_iter().map(|at| fleet.origin(at)).collect()
}

/// Waits until each of these serves about as much as an address does on average.
async fn shares_alike(fleet: &Fleet, dark: &[&Origin]) {
    for origin in dark {
        let (all, own) = (fleet.ledger(), origin.ledger());
        let mark = all.mark();
        let (all, own) = (all.since(&mark), own.since(&mark));
        own.wait_until(|own| {
            let fair = all.served() as f64 / ADDRESSES as f64;
            own.statuses()
                .get(&200)
                .is_some_and(|&ok| ok >= 10 && ok as f64 >= fair / 2.0)
        })
        .await;
    }
}

fn ejected(addr: SocketAddr) -> impl Fn(Seen) -> bool {
    move |seen| seen == Seen::Ejected(addr)
}

fn ejections(witness: &Witness, of: &[&Origin]) -> usize {
    of.iter()
        .map(|origin| witness.count(ejected(origin.addr())))
        .sum()
}

fn active(pool: &Pool) -> Vec<SocketAddr> {
    let hosts = pool.snapshot().connections.hosts;
    let endpoints = hosts.iter().flat_map(|host| &host.endpoints);
    let active = endpoints.filter(|endpoint| endpoint.active);
    active.map(|endpoint| endpoint.target).collect()
}
