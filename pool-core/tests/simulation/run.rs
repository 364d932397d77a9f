//! One seed from its first request to the last socket.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use pool_core::config::Retry;
use pool_core::{Connect, Pool, PoolSnapshot, Protocols, RequestOptions, Resolver, Warm};
use pool_localip::AddrSet;
use tokio::runtime::{Builder, Handle};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::check;
use crate::clock::{pass, pass_until};
use crate::dice::Dice;
use crate::faults::trouble;
use crate::history::{Book, History, Outcome};
use crate::load::{Caller, Errand};
use crate::network::Network;
use crate::plan::{Ending, Plan, Speaks};
use crate::witness::Witness;

/// What one seed has shown.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) plan: Plan,
    pub(crate) book: Book,
    /// Promises that were broken.
    pub(crate) broken: Vec<String>,
}

thread_local! {
    /// Panics on this thread, wherever tokio caught them.
    static PANICS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Remembers panics instead of printing them.
pub(crate) fn remember_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if Handle::try_current().is_ok() {
            PANICS.with_borrow_mut(|panics| panics.push(info.to_string()));
        } else {
            before(info);
        }
    }));
}

/// Runs one seed on this thread.
pub(crate) fn run(seed: u64) -> Report {
    let mut dice = Dice::new(seed);
    let plan = Plan::of(&mut dice);
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let history = Arc::new(runtime.block_on(async { History::new() }));
    let whole = || {
        runtime.block_on(async {
            let simulation = simulate(&plan, &history, dice);
            if timeout(LIFE, simulation).await.is_err() {
                history.broken("I9: the run does not come to its end");
            }
        });
    };
    // A panic is remembered with what it says.
    let _panicked = catch_unwind(AssertUnwindSafe(whole));
    drop(runtime);
    let book = history.take();
    let mut broken = book.broken.clone();
    broken.extend(check::check(&plan, &book));
    let panics = PANICS.take();
    broken.extend(panics.into_iter().map(|panic| format!("panic: {panic}")));
    Report { plan, book, broken }
}

async fn simulate(plan: &Plan, history: &Arc<History>, mut dice: Dice) {
    let network = Network::new(history, plan, dice.fork());
    let caller = Caller {
        history: history.clone(),
        hosts: Arc::new(plan.hosts.clone()),
        pool: pool(plan, &network),
    };
    let end = Instant::now() + plan.trouble;
    let mut tasks = JoinSet::new();
    if plan.faults > 0 {
        tasks.spawn(trouble(network.clone(), dice.fork(), plan.faults, end));
    }
    for _ in 0..plan.callers {
        tasks.spawn(call(caller.clone(), plan.clone(), dice.fork()));
    }
    tasks.spawn(keep_house(caller.clone(), plan.clone(), dice.fork(), end));
    match plan.ending {
        Ending::AfterHealing => {
            pass_until(end + Duration::from_millis(1)).await;
            recover(&caller, plan).await;
            drain(tasks).await;
            serve_all(&caller, plan).await;
            settle(&caller, plan).await;
            close(&caller, plan, &network, CLOSE).await;
        }
        Ending::Amid(deadline) => {
            pass(dice.millis(0, 10_000)).await;
            close(&caller, plan, &network, deadline).await;
            drain(tasks).await;
        }
        Ending::DroppedAmid => {
            pass(dice.millis(0, 10_000)).await;
            history.leave();
            drain(tasks).await;
        }
    }
    drop(caller);
    pass(AFTERMATH).await;
    // I13: nothing of a pool that is gone is left. The servers' side of lost connections never ends by itself.
    if network.in_use() != (0, 0) {
        let (sockets, dials) = network.in_use();
        history.broken(format_args!(
            "I13: {sockets} sockets and {dials} dials left"
        ));
    }
    network.reset_all();
    pass(AFTERMATH).await;
    let tasks = Handle::current().metrics().num_alive_tasks();
    if tasks > 0 {
        history.broken(format_args!("I13: {tasks} tasks left"));
    }
}

fn pool(plan: &Plan, network: &Arc<Network>) -> Pool {
    let connect: Arc<dyn Connect> = network.clone();
    let resolver: Arc<dyn Resolver> = network.clone();
    let mut builder = Pool::builder()
        .config(plan.config.clone())
        .resolver(resolver)
        .connect(connect)
        .observer(Arc::new(Witness(network.history.clone())));
    if plan.sources > 0 {
        let list: Vec<String> = (1..=plan.sources).map(|n| format!("10.1.0.{n}")).collect();
        let sources: AddrSet = list.join(",").parse().expect("addresses");
        builder = builder.local_addrs(Arc::new(sources.max_per_addr(plan.per_source)));
    }
    builder.build().expect("the plan is in order")
}

async fn drain(mut tasks: JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        // A panic is remembered with what it says, and nobody aborts.
        let _panicked = ended;
    }
}

/// One caller's life.
async fn call(caller: Caller, plan: Plan, mut dice: Dice) {
    pass(dice.millis(0, plan.pause)).await;
    for _ in 0..plan.requests {
        let errand = Errand::throw(&mut dice, plan.hosts.len());
        caller.run(&errand).await;
        if caller.history.is_leaving() {
            if plan.ending != Ending::DroppedAmid {
                // After the close, to be refused.
                caller.run(&Errand::get(errand.host)).await;
            }
            return;
        }
        pass(dice.millis(0, plan.pause)).await;
    }
}

/// Everything besides requests that a user may do.
async fn keep_house(caller: Caller, plan: Plan, mut dice: Dice, end: Instant) {
    while Instant::now() < end && !caller.history.is_leaving() {
        pass(dice.millis(10, 4000)).await;
        let host = dice.below(plan.hosts.len());
        match dice.below(12) {
            0 => drop(caller.pool.evict_idle()),
            1 => drop(caller.pool.evict_expired()),
            2 => drop(caller.pool.check_health().await),
            3..6 => {
                let url = format!("http://{}/", plan.hosts[host].name);
                let mut warm = Warm::new(&url).per_cell(dice.between(1, 2));
                if let Speaks::Http2 { .. } = plan.hosts[host].speaks {
                    warm = warm.options(RequestOptions::new().protocols(Protocols::Http2));
                }
                // Most plans are more than the limits allow.
                let report = caller.pool.warm(&warm).await;
                let ready = report.map(|report| report.ready());
                caller.history.note(format_args!("warm h{host}: {ready:?}"));
            }
            _ => conserve(&caller.history, &plan.config.retry, &caller.pool.snapshot()),
        }
    }
}

/// I17: within a minute after the last fault every host serves again.
async fn recover(caller: &Caller, plan: &Plan) {
    let healed = Instant::now();
    let mut probes = JoinSet::new();
    for host in 0..plan.hosts.len() {
        let caller = caller.clone();
        probes.spawn(async move {
            while !caller.serves(host).await {
                if healed.elapsed() > RECOVERY {
                    caller
                        .history
                        .broken(format_args!("I17: h{host} does not serve again"));
                    return;
                }
                pass(Duration::from_millis(500)).await;
            }
        });
    }
    drain(probes).await;
    // Until then a connection that was forgotten on the way may still be found out by a request.
    pass_until(healed + RECOVERY).await;
}

/// I17: from then on every request succeeds.
async fn serve_all(caller: &Caller, plan: &Plan) {
    for host in 0..plan.hosts.len() {
        for _ in 0..3 {
            if !caller.serves(host).await {
                caller
                    .history
                    .broken(format_args!("I17: h{host} still fails requests"));
            }
        }
    }
}

/// I2, I10: once nobody asks, nothing is leased and nobody waits.
async fn settle(caller: &Caller, plan: &Plan) {
    let history = &caller.history;
    let settled = timeout(Duration::from_secs(10), async {
        loop {
            let totals = caller.pool.snapshot().connections.totals;
            if (totals.leased, totals.waiting) == (0, 0) && totals.dialling == 0 {
                return;
            }
            pass(Duration::from_millis(10)).await;
        }
    });
    if settled.await.is_err() {
        let totals = caller.pool.snapshot().connections.totals;
        history.broken(format_args!("I2: not quiet when nobody asks: {totals:?}"));
    }
    conserve(history, &plan.config.retry, &caller.pool.snapshot());
}

/// I13: when the close returns, nothing is left.
async fn close(caller: &Caller, plan: &Plan, network: &Network, deadline: Duration) {
    let history = &caller.history;
    history.close(format_args!("within {deadline:?}"));
    let began = history.now();
    let closed = caller.pool.close(deadline).await;
    history.note(format_args!("{closed:?}"));
    let took = history.now() - began;
    if took > deadline + Duration::from_secs(1) {
        history.broken(format_args!("I13: the close took {took:?}"));
    }
    let snapshot = caller.pool.snapshot();
    conserve(history, &plan.config.retry, &snapshot);
    let totals = &snapshot.connections.totals;
    if network.in_use() != (0, 0) || (totals.open, totals.dialling, totals.waiting) != (0, 0, 0) {
        let (sockets, dials) = network.in_use();
        history.broken(format_args!(
            "I13: {sockets} sockets and {dials} dials after the close: {totals:?}"
        ));
    }
}

/// I10, I12: the counters conserve, and retries keep within their budget.
fn conserve(history: &History, retry: &Retry, snapshot: &PoolSnapshot) {
    let totals = &snapshot.connections.totals;
    let closed: u64 = totals.closed.values().sum();
    // `dialling` counts those that wait for a permit as well, `dials` does not.
    let ended = totals.dialled + totals.dials_failed;
    let dialling = totals.dials.checked_sub(ended);
    let is_conserved = totals.acquired == totals.released + totals.leased
        && totals.opened == closed + totals.open as u64
        && dialling.is_some_and(|dialling| dialling <= totals.dialling as u64);
    if !is_conserved {
        history.broken(format_args!("I10: {totals:?}"));
    }
    let (least, percent) = (u64::from(retry.budget_min), u64::from(retry.budget_percent));
    if snapshot.retries * 100 > least * 100 + percent * snapshot.requests {
        let (retries, requests) = (snapshot.retries, snapshot.requests);
        history.broken(format_args!(
            "I12: {retries} retries of {requests} requests"
        ));
    }
    if snapshot.plugin_panics > 0 {
        history.broken("a plugin panicked");
    }
}

impl Caller {
    /// Whether a plain request succeeds.
    async fn serves(&self, host: usize) -> bool {
        let outcome = self.run(&Errand::get(host)).await;
        matches!(outcome, Outcome::Answered(answer) if answer.status == 200)
    }
}

/// No run takes longer, in simulated time.
const LIFE: Duration = Duration::from_secs(4 * 3600);

/// After the last fault, until all is well.
const RECOVERY: Duration = Duration::from_secs(60);

/// For a close with nothing under way.
const CLOSE: Duration = Duration::from_secs(5);

/// Longer than anything that nobody waits for may take.
const AFTERMATH: Duration = Duration::from_secs(20);
