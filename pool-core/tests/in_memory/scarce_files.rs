//! A machine without a file for one more socket: a warm-up pauses, dials fewer at a time, and goes on when there are some again.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use pool_core::{
    Config, Connect, ConnectContext, ConnectError, Connected, Pool, Warm, WarmOutcome, WarmProgress,
};

use crate::network::{Network, URL, addrs, pass, pool, resolver};

/// `ENFILE`, `EMFILE` and `ENOMEM`.
const NUMBERS: [i32; 3] = [23, 24, 12];

/// A network that this machine has so many sockets for.
#[derive(Debug)]
struct Scarce {
    network: Arc<Network>,
    sockets: AtomicUsize,
    number: i32,
    short: AtomicUsize,
}

#[async_trait]
impl Connect for Scarce {
    async fn connect(&self, cx: ConnectContext<'_>) -> Result<Connected, ConnectError> {
        // None is ever given back here.
        if self.network.connects().len() >= self.sockets.load(Ordering::Relaxed) {
            self.short.fetch_add(1, Ordering::Relaxed);
            return Err(io::Error::from_raw_os_error(self.number).into());
        }
        self.network.connect(cx).await
    }
}

fn scarce(sockets: usize, number: i32) -> (Arc<Scarce>, Pool) {
    let network = Network::new();
    let scarce = Arc::new(Scarce {
        network: network.clone(),
        sockets: AtomicUsize::new(sockets),
        number,
        short: AtomicUsize::new(0),
    });
    let mut config = Config::default();
    config.limits.per_host = 40;
    config.limits.dials_per_host = 8;
    let pool = pool(&network, resolver(addrs(40)), config);
    let pool = pool.connect(scarce.clone()).build().unwrap();
    (scarce, pool)
}

#[tokio::test(start_paused = true)]
async fn a_shortage_that_passes_costs_time_and_no_connection() {
    for number in NUMBERS {
        let (scarce, pool) = scarce(10, number);
        let least = Arc::new(AtomicUsize::new(usize::MAX));
        let last = Arc::new(AtomicUsize::new(0));
        let progress = {
            let (least, last) = (least.clone(), last.clone());
            Arc::new(move |now: &WarmProgress| {
                least.fetch_min(now.at_once, Ordering::Relaxed);
                last.store(now.at_once, Ordering::Relaxed);
            })
        };
        let warming = tokio::spawn(async move {
            let plan = Warm::new(URL).progress(progress);
            pool.warm(&plan).await
        });
        pass(Duration::from_secs(3)).await;
        assert!(!warming.is_finished());
        assert_eq!(scarce.network.open(), 10, "{number}");
        // A try now and then, and not one after the other.
        let tries = scarce.short.load(Ordering::Relaxed);
        assert!((3..40).contains(&tries), "{tries}");
        scarce.sockets.store(usize::MAX, Ordering::Relaxed);
        let report = warming.await.unwrap().unwrap();
        assert_eq!((report.ready(), report.failed()), (40, 0), "{number}");
        assert_eq!(
            least.load(Ordering::Relaxed),
            2,
            "one at a time, and one more for the first that came"
        );
        assert_eq!(last.load(Ordering::Relaxed), 8, "all of them again");
    }
}

#[tokio::test(start_paused = true)]
async fn a_shortage_that_stays_is_told_in_the_cells_after_a_while() {
    let (scarce, pool) = scarce(10, 24);
    let began = tokio::time::Instant::now();
    let report = pool.warm(&Warm::new(URL)).await.unwrap();
    assert_eq!((report.ready(), report.failed()), (10, 30));
    let took = began.elapsed();
    assert!(
        (Duration::from_secs(10)..Duration::from_secs(30)).contains(&took),
        "{took:?}"
    );
    for cell in &report.cells {
        if let WarmOutcome::Failed(error) = &cell.outcome {
            let cause = std::error::Error::source(error).unwrap().to_string();
            assert!(cause.contains("os error 24"), "{cause}");
        }
    }
    assert_eq!(scarce.network.open(), 10, "what is open stays");
    scarce.sockets.store(usize::MAX, Ordering::Relaxed);
    assert_eq!(pool.warm(&Warm::new(URL)).await.unwrap().ready(), 40);
}
