//! What `pool_core::capacity` computes is what a pool under that load uses, as its own books and the servers count it.
//!
//! Every expectation follows from the arrivals and latencies that were achieved, so that a slow machine moves it along.

use std::time::Duration;

use futures_util::FutureExt;
use pool_core::capacity::{Demand, Plan, waiting_share};
use pool_core::manager::Totals;
use pool_core::testing::{Alpn, Fleet, OnLimit};
use pool_core::{Config, ConnInfo, Pool, Warm};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::books::close_balanced;
use crate::crowd::{crowd, get};
use crate::dice::Dice;
use crate::rig::pool_of;

const RATE: f64 = 200.0;
const LATENCY: Duration = Duration::from_millis(150);
const STREAMS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_http1() {
    as_planned(Alpn::Http1, 1).await;
    too_few(Alpn::Http1, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_http2() {
    as_planned(Alpn::H2, STREAMS).await;
    too_few(Alpn::H2, STREAMS).await;
}

/// With the limits of the plan hardly anybody waits, and what is in use lies between Little's law and the plan.
async fn as_planned(alpn: Alpn, streams: usize) {
    let planned = plan(RATE, LATENCY, streams);
    let slots = planned.open.value * streams;
    let seen = run(alpn, streams, planned.open.value, 240).await;
    seen.print(alpn, planned.open.value);
    let requests = seen.requests as f64;

    // The estimates are for independent arrivals. Where the machine did not keep up, they came when it had time.
    let independent = seen.rate() > 0.8 * RATE;
    // A machine that answers late has more in flight than was planned for.
    let stated = planned.waiting_share.value;
    assert!(stated < 0.002, "{stated}");
    let share = stated.max(waiting_share(seen.in_flight(), slots)) + SLACK;
    let queued = seen.queued() as f64;
    assert!(
        queued <= share * requests || !independent,
        "{queued} of {requests} queued"
    );

    // What a plan for the load that was achieved would have provided.
    let achieved = plan(seen.rate(), seen.latency(), streams);
    let beyond = seen
        .found
        .iter()
        .filter(|found| **found >= achieved.slots.value as u64);
    let beyond = beyond.count() as f64;
    assert!(
        beyond <= (achieved.waiting_share.value + SLACK) * requests || !independent,
        "{beyond} of {requests} found {} slots taken",
        achieved.slots.value
    );

    // Over the whole run, its ramps included, as the pool's books are.
    let whole = plan(requests / seen.whole.as_secs_f64(), seen.latency(), streams);
    let (mean, law) = (seen.mean_leased, whole.in_flight.value);
    assert!(
        mean > 0.85 * law - 1.0 && mean < 1.15 * law + 1.0,
        "{mean} leased on average, {law} by Little's law"
    );
    assert!(mean < whole.slots.value as f64);
    // There is no mean without a moment that reaches it.
    assert!(
        seen.used * streams >= mean.floor() as usize,
        "{} used for {mean}",
        seen.used
    );
    assert!(seen.peak_open <= planned.per_host.value);
    assert!(seen.max_concurrent <= streams as u64);
}

/// With half of what Little's law says the queue grows for as long as the load goes on.
async fn too_few(alpn: Alpn, streams: usize) {
    let least = plan(RATE, LATENCY, streams).in_flight.value / streams as f64;
    let limit = (least / 2.0).ceil() as usize;
    let seen = run(alpn, streams, limit, 120).await;
    seen.print(alpn, limit);
    let slots = limit * streams;
    assert_eq!(seen.peak_open, limit);
    // What arrived, without those that were served meanwhile and those that are being served.
    let served = seen.arriving.as_secs_f64() / seen.latency().as_secs_f64() * slots as f64;
    let backlog = seen.requests as f64 - served - slots as f64;
    let waiting = seen.most_waiting as f64;
    assert!(
        waiting > 0.7 * backlog,
        "{waiting} waiting, {backlog} expected"
    );
    let queued = seen.queued() as f64;
    assert!(
        queued > 0.7 * backlog,
        "{queued} queued, {backlog} expected"
    );
}

/// Each connection that closes after its last request is replaced, and no other: `λ/N` dials.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_server_that_closes() {
    const TASKS: usize = 8;
    const EACH: usize = 50;
    const CAP: u64 = 10;
    let fleet = Fleet::builder().alpn(Alpn::Http1).start().await;
    let fleet = fleet.expect("a fleet");
    fleet.origin(0).script(|script| {
        script.max_requests_per_connection = Some(CAP);
        script.on_limit = OnLimit::Goaway;
    });
    let pool = pool_of(&fleet, Config::default()).build().expect("a pool");
    crowd(TASKS, |_| {
        let (pool, url) = (pool.clone(), fleet.url("/"));
        async move {
            for _ in 0..EACH {
                get(&pool, &url).await;
            }
        }
    })
    .await;
    let requests = (TASKS * EACH) as f64;
    let demand = Demand::new(requests, LATENCY).requests_per_conn(CAP);
    let plan = demand.plan().expect("a plan");
    let planned = plan.dials_per_second.value as usize;
    let accepted = fleet.ledger().accepted();
    // Those open at the end have not served all they would have.
    let open = Config::default().limits.per_host;
    assert!(
        (planned..=planned + open).contains(&accepted),
        "{accepted} accepted, {planned} planned"
    );
    close_balanced(&pool).await;
}

fn plan(rate: f64, latency: Duration, streams: usize) -> Plan {
    let demand = Demand::new(rate, latency);
    let demand = match streams {
        1 => demand,
        streams => demand.http2(streams),
    };
    demand.plan().expect("a plan")
}

/// What became of a load.
struct Seen {
    requests: usize,
    /// How long requests arrived.
    arriving: Duration,
    /// How long until the last one had its answer.
    whole: Duration,
    /// How long connections were held, in all.
    held: Duration,
    /// Leases out, on average over the whole.
    mean_leased: f64,
    /// Leases out when each of the requests arrived.
    found: Vec<u64>,
    most_waiting: usize,
    before: Totals,
    after: Totals,
    /// Connections that carried a request.
    used: usize,
    peak_open: usize,
    max_concurrent: u64,
}

impl Seen {
    fn latency(&self) -> Duration {
        self.held / u32::try_from(self.requests).expect("few")
    }

    /// While requests arrived.
    fn rate(&self) -> f64 {
        self.requests as f64 / self.arriving.as_secs_f64()
    }

    fn in_flight(&self) -> f64 {
        self.rate() * self.latency().as_secs_f64()
    }

    fn print(&self, alpn: Alpn, connections: usize) {
        println!(
            "{alpn:?}, {connections} connections: {:.1}/s of {:?} each, {:.1} in flight while they arrived, {:.1} leased \
             on average, {} queued, {} at a time, {} connections used",
            self.rate(),
            self.latency(),
            self.in_flight(),
            self.mean_leased,
            self.queued(),
            self.most_waiting,
            self.used,
        );
    }

    fn queued(&self) -> u64 {
        self.after.queued - self.before.queued
    }
}

/// Sends so many requests as a Poisson process at `RATE`, whether earlier ones are answered or not, on so many
/// connections, all of which are open before the first.
async fn run(alpn: Alpn, streams: usize, connections: usize, requests: usize) -> Seen {
    let fleet = Fleet::builder().alpn(alpn).start().await.expect("a fleet");
    fleet
        .origin(0)
        .script(|script| script.response_delay = LATENCY);
    let mut config = Config::default();
    config.limits.per_host = connections;
    config.limits.streams_per_conn = streams;
    let pool = pool_of(&fleet, config).build().expect("a pool");
    let url = fleet.url("/");
    let warmed = pool.warm(&Warm::new(&url).per_cell(connections)).await;
    assert_eq!(warmed.expect("a report").ready(), connections);

    let before = totals(&pool);
    let mark = fleet.ledger().mark();
    let mut dice = Dice::of("the_plan_predicts_the_connections_in_use");
    let mut tasks: JoinSet<Duration> = JoinSet::new();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    let start = Instant::now();
    let (mut last, mut arriving) = (start, Duration::ZERO);
    let (mut sent, mut area, mut most_waiting) = (0, 0.0, 0);
    let (mut held, mut found) = (Duration::ZERO, Vec::new());
    while sent < requests || !tasks.is_empty() {
        ticks.tick().await;
        let now = Instant::now();
        let books = totals(&pool);
        let passed = now - last;
        area += books.leased as f64 * passed.as_secs_f64();
        most_waiting = most_waiting.max(books.waiting);
        last = now;
        while let Some(Some(done)) = tasks.join_next().now_or_never() {
            held += done.expect("the task did not panic");
        }
        // After a stall of this machine, what was due meanwhile does not come all at once.
        let passed = passed.min(5 * TICK).as_secs_f64();
        let due = poisson(RATE * passed, &mut dice).min(requests - sent);
        for extra in 0..due {
            found.push(books.leased + extra as u64);
            let (pool, url) = (pool.clone(), url.clone());
            tasks.spawn(async move { hold(&pool, &url).await });
            arriving = now - start;
        }
        sent += due;
    }
    let whole = last - start;
    let ledger = fleet.ledger();
    assert_eq!(ledger.since(&mark).arrived(), requests);
    let conns = ledger.conns();
    let seen = Seen {
        requests,
        arriving,
        whole,
        held,
        mean_leased: area / whole.as_secs_f64(),
        found,
        most_waiting,
        before,
        after: totals(&pool),
        used: conns.iter().filter(|conn| conn.requests > 0).count(),
        peak_open: ledger.peak_open(),
        max_concurrent: ledger.max_concurrent(),
    };
    close_balanced(&pool).await;
    seen
}

/// How long one request held its connection.
async fn hold(pool: &Pool, url: &str) -> Duration {
    let start = Instant::now();
    let ConnInfo { wait, .. } = get(pool, url).await;
    start.elapsed().saturating_sub(wait)
}

fn totals(pool: &Pool) -> Totals {
    pool.snapshot().connections.totals
}

/// How many of what happens `mean` times on average happen this time.
fn poisson(mean: f64, dice: &mut Dice) -> usize {
    const STEPS: u64 = 1 << 32;
    let mut uniform = || (dice.below(STEPS) + 1) as f64 / STEPS as f64;
    let least = (-mean).exp();
    let mut number = 0;
    // Knuth's: products of uniform numbers, until they are below e^-mean.
    let mut product = uniform();
    while product > least {
        product *= uniform();
        number += 1;
    }
    number
}

/// The share of requests that may find it otherwise than planned, because a machine that stalls lets them meet.
const SLACK: f64 = 0.05;

const TICK: Duration = Duration::from_millis(2);
