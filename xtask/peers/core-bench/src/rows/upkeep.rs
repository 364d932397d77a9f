//! Does an acquire wait longer while health checks, clean-ups, lifetimes and warm-up run all the time?

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bench_report::{Column, Table, column};
use bench_report::{median, quantile, ratio};
use pool_core::config::PolicyConfig;
use pool_core::{
    Config, Connect, ConnectContext, ConnectError, Connected, Pool, StaticResolver, Warm,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::clock;
use crate::crowd;
use crate::harness::Effort;

const COLUMNS: &[Column] = &[
    column("p50 ns", 0),
    column("p99 ns", 0),
    column("p99 × without", 2),
    column("max µs", 1),
    column("opened/s", 0),
    column("checks/s", 0),
];

const URL: &str = "http://a.test/";
const ADDRS: u8 = 10;
const PER_ADDR: usize = 10;
/// Between two rounds of each kind of upkeep: a thousandth of the shortest default.
const OFTEN: Duration = Duration::from_millis(5);

/// A host's pool in memory, used by one task: alone, and beside all the upkeep there is.
pub(crate) fn table(effort: Effort) -> Table {
    let title = "What does an acquire take while health checks, clean-ups, lifetimes and warm-up run all the time?";
    let mut table = Table::new("upkeep", title, COLUMNS);
    let runtime = crowd::runtime();
    let lanes = [("without", false), ("with", true)].map(|(name, upkeep)| {
        let network = Arc::new(Network::default());
        let pool = runtime.block_on(async { warmed(&network, upkeep).await });
        (name, pool, network)
    });
    let (rounds, slice) = match effort.quick {
        true => (5, Duration::from_millis(50)),
        false => (31, Duration::from_millis(200)),
    };
    let mut measured = [const { Vec::new() }; 2];
    for round in 0..rounds {
        for turn in 0..lanes.len() {
            let at = (round + turn) % lanes.len();
            let (_, pool, network) = &lanes[at];
            // Only in its own rounds: the other pool is to have the machine for itself.
            let beside = (at == 1).then(|| begin_upkeep(&runtime, pool));
            measured[at].push(measure(&runtime, pool, network, slice));
            if let Some(beside) = beside {
                beside.abort();
                pool.reconfigure(idle(pool)).expect("intervals may change");
            }
        }
    }
    let columns = |at: usize| -> Vec<Vec<f64>> {
        let rounds: &Vec<[f64; 5]> = &measured[at];
        let column = |cell: usize| rounds.iter().map(|cells| cells[cell]).collect();
        (0..5).map(column).collect()
    };
    let without = columns(0);
    for (at, (name, _, _)) in lanes.iter().enumerate() {
        let [p50, p99, max, opened, checks] = &columns(at)[..] else {
            unreachable!("five numbers a round");
        };
        let cells = [
            median(p50),
            median(p99),
            ratio(p99, &without[1]),
            median(max),
            median(opened),
            median(checks),
        ];
        table.add((*name).to_owned(), cells.map(Some).to_vec());
    }
    table
}

/// A pool with all its connections open.
async fn warmed(network: &Arc<Network>, upkeep: bool) -> Pool {
    let mut config = Config::default();
    config.limits.per_host = usize::from(ADDRS) * PER_ADDR * 2;
    let policy = PolicyConfig::new;
    if upkeep {
        // A connection lives for half a second, so that a few hundred are replaced in each.
        let lifetime = policy("lifetime").option("max", "500ms");
        config.eviction = vec![
            lifetime.option("jitter", "0.5"),
            policy("idle").option("after", "400ms"),
            policy("peer-idle"),
            policy("surplus").option("max", "200"),
        ];
        config.health = vec![policy("http").option("path", "/health")];
    } else {
        config.eviction.clear();
        config.health.clear();
    }
    every(&mut config, Duration::MAX);
    let resolver = StaticResolver::default();
    let addrs = (1..=ADDRS).map(|last| ([10, 0, 0, last], 80).into());
    resolver.set("a.test", 80, addrs.collect());
    let pool = Pool::builder()
        .config(config)
        .resolver(Arc::new(resolver))
        .connect(network.clone())
        .build()
        .expect("a pool");
    warm(&pool).await;
    pool
}

fn every(config: &mut Config, interval: Duration) {
    config.upkeep.idle_interval = interval;
    config.upkeep.lifetime_interval = interval;
    config.upkeep.health_interval = interval;
    config.upkeep.refresh_interval = interval;
}

/// The pool's settings without upkeep.
fn idle(pool: &Pool) -> Config {
    let mut config = pool.config();
    every(&mut config, Duration::MAX);
    config
}

/// Starts all upkeep, and lets it do what has been left undone meanwhile.
fn begin_upkeep(runtime: &Runtime, pool: &Pool) -> JoinHandle<()> {
    let mut config = pool.config();
    every(&mut config, OFTEN);
    pool.reconfigure(config).expect("intervals may change");
    let beside = runtime.spawn(warm_again(pool.clone()));
    runtime.block_on(async { tokio::time::sleep(OFTEN * 10).await });
    beside
}

async fn warm(pool: &Pool) {
    let plan = Warm::new(URL).per_cell(PER_ADDR);
    pool.warm(&plan).await.expect("a plan");
}

async fn warm_again(pool: Pool) {
    loop {
        warm(&pool).await;
        tokio::time::sleep(OFTEN).await;
    }
}

/// One round: median, 99th percentile and longest acquire, connections opened and checks per second.
fn measure(runtime: &Runtime, pool: &Pool, network: &Network, slice: Duration) -> [f64; 5] {
    let before = network.counts();
    let began = clock::now();
    let taken = runtime.block_on(async {
        let mut taken = Vec::with_capacity(1 << 20);
        let mut asked: Instant = clock::now();
        while asked - began < slice {
            let lease = pool.acquire(URL).await.expect("a connection");
            let got = clock::now();
            taken.push((got - asked).as_nanos() as f64);
            drop(lease);
            asked = clock::now();
        }
        taken
    });
    let after = network.counts();
    let per_second = |at: usize| (after[at] - before[at]) as f64 / slice.as_secs_f64();
    [
        quantile(&taken, 0.5),
        quantile(&taken, 0.99),
        quantile(&taken, 1.0) / 1e3,
        per_second(0),
        per_second(1),
    ]
}

/// Servers in memory that answer every request with an empty 200.
#[derive(Debug, Default)]
struct Network {
    opened: AtomicU64,
    asked: Arc<AtomicU64>,
}

impl Network {
    /// Connections opened and requests read so far.
    fn counts(&self) -> [u64; 2] {
        [self.opened.load(Relaxed), self.asked.load(Relaxed)]
    }
}

#[async_trait]
impl Connect for Network {
    async fn connect(&self, _: ConnectContext<'_>) -> Result<Connected, ConnectError> {
        self.opened.fetch_add(1, Relaxed);
        let (near, far) = duplex(4096);
        let asked = self.asked.clone();
        let count = move || {
            asked.fetch_add(1, Relaxed);
        };
        tokio::spawn(serve(far, count));
        Ok(Connected::new(Box::new(near), None))
    }
}

async fn serve(mut io: DuplexStream, count: impl Fn() + Send) {
    let mut head = Vec::with_capacity(512);
    loop {
        match io.read_buf(&mut head).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        if head.ends_with(b"\r\n\r\n") {
            head.clear();
            count();
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
            if io.write_all(answer).await.is_err() {
                return;
            }
        }
    }
}
