//! Whoever waits longest is served next, whatever the others do: cancel, run late, or fetch what they were given late.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use http::Request;
use pool_core::config::Limits;
use pool_core::manager::{Acquire, ConnectionManager, HostHandle, Lease, NewConn};
use pool_core::testing::{Alpn, Fleet};
use pool_core::{Body, Config, ErrorKind, Key, Phase, PooledLease, RequestOptions, Scheme};
use tokio::task::{JoinSet, yield_now};
use tokio::time::{self, timeout};
use tokio_test::task::{Spawn, spawn};
use tokio_test::{assert_pending, assert_ready};

use crate::books::{assert_conserved, close_balanced};
use crate::dice::{Dice, rounds};
use crate::rig::pool_of;

const CONNS: usize = 10;
const WAITERS: usize = 1000;

/// The manager against a list: after every step exactly those are woken that the list says.
#[tokio::test(start_paused = true)]
async fn a_manager_grants_as_a_plain_queue_would() {
    let mut dice = Dice::of("waiters_are_served_in_arrival_order");
    for _ in 0..rounds(3, 100) {
        let limits = Limits {
            per_host: CONNS,
            ..Limits::default()
        };
        let manager = ConnectionManager::new(&limits);
        let key = Key::new(Scheme::Http, "queue.test", 80);
        let target = SocketAddr::from(([192, 0, 2, 1], 80));
        for number in 0..CONNS {
            let added = manager.add(&key, NewConn::exclusive(target, number));
            assert!(added.is_ok(), "the limit allows it");
        }
        let mut queue = Queue::new(manager.host(&key));
        while queue.outcomes() < WAITERS {
            match dice.below(8) {
                0..3 if queue.arrived < WAITERS => queue.arrive(&mut dice),
                3 => queue.cancel(&mut dice),
                4 => time::advance(Duration::from_millis(dice.below(4))).await,
                _ => queue.release(&mut dice),
            }
        }
        queue.held.clear();
        let totals = manager.snapshot().totals;
        assert_conserved(&totals);
        assert_eq!(totals.acquired as usize, queue.served);
        assert_eq!((totals.open, totals.idle), (CONNS, CONNS));
    }
}

struct Queue {
    host: HostHandle<usize>,
    held: Vec<Lease<usize>>,
    /// In the order of arrival.
    waiting: Vec<Waiting>,
    arrived: usize,
    served: usize,
    gone: usize,
}

struct Waiting {
    deadline: Option<Instant>,
    task: Spawn<Acquire<usize>>,
}

impl Waiting {
    fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now())
    }
}

impl Queue {
    fn new(host: HostHandle<usize>) -> Self {
        Self {
            host,
            held: Vec::new(),
            waiting: Vec::new(),
            arrived: 0,
            served: 0,
            gone: 0,
        }
    }

    fn outcomes(&self) -> usize {
        self.served + self.gone
    }

    fn arrive(&mut self, dice: &mut Dice) {
        self.arrived += 1;
        let deadline = match dice.below(3) {
            0 => Some(now() + Duration::from_millis(1 + dice.below(20))),
            _ => None,
        };
        let mut task = spawn(match deadline {
            Some(deadline) => self.host.acquire_until(deadline),
            None => self.host.acquire(),
        });
        if self.held.len() < CONNS {
            assert!(self.waiting.is_empty(), "nobody waits beside a free one");
            let lease = assert_ready!(task.poll()).expect("a lease");
            self.own(lease);
        } else {
            assert_pending!(task.poll());
            self.waiting.push(Waiting { deadline, task });
        }
    }

    fn cancel(&mut self, dice: &mut Dice) {
        if let Some(place) = pick(dice, self.waiting.len()) {
            drop(self.waiting.remove(place));
            self.gone += 1;
            self.expect_asleep();
        }
    }

    fn release(&mut self, dice: &mut Dice) {
        let Some(place) = pick(dice, self.held.len()) else {
            return;
        };
        drop(self.held.swap_remove(place));
        while let Some(head) = self.waiting.first() {
            assert!(head.task.is_woken(), "the head of the queue is next");
            let late = head.is_late();
            let outcome = assert_ready!(self.waiting.remove(0).task.poll());
            if late {
                let error = outcome.expect_err("nothing is granted after the deadline");
                assert_eq!(error.kind(), ErrorKind::Timeout(Phase::Acquire));
                self.gone += 1;
                continue;
            }
            // Given up in the moment of the grant: it goes on to the next.
            if dice.below(4) == 0 {
                drop(outcome);
                self.served += 1;
                continue;
            }
            self.own(outcome.expect("a lease"));
            break;
        }
        self.expect_asleep();
    }

    fn own(&mut self, lease: Lease<usize>) {
        let twice = self.held.iter().any(|held| held.conn() == lease.conn());
        assert!(!twice, "a connection has one owner");
        self.held.push(lease);
        self.served += 1;
    }

    fn expect_asleep(&self) {
        assert!(self.waiting.iter().all(|waiting| !waiting.task.is_woken()));
    }
}

/// The same through the pool and over sockets. One thread, so that what is woken between two looks is what was granted.
#[tokio::test]
async fn a_pool_serves_its_queue_in_order() {
    let mut dice = Dice::of("a_pool_serves_its_queue_in_order");
    let fleet = Fleet::builder().alpn(Alpn::Http1).start().await;
    let fleet = fleet.expect("a fleet");
    let mut config = Config::default();
    config.limits.per_host = CONNS;
    let pool = pool_of(&fleet, config).build().expect("a pool");
    let url = fleet.url("/");

    let mut using = JoinSet::new();
    let mut held = Vec::new();
    for _ in 0..CONNS {
        held.push(pool.acquire(&url).await.expect("a lease"));
    }
    let mut waiting: Vec<_> = (0..WAITERS).map(|_| spawn(pool.acquire(&url))).collect();
    for task in &mut waiting {
        assert_pending!(task.poll());
    }
    waiting.retain(|_| dice.below(3) > 0);
    let mut served = CONNS;
    for lease in held {
        using.spawn(use_up(lease, url.clone()));
    }
    while !waiting.is_empty() {
        let woken = async {
            while !waiting[0].is_woken() {
                assert!(waiting.iter().all(|later| !later.is_woken()));
                yield_now().await;
            }
        };
        let woken = timeout(Duration::from_secs(10), woken).await;
        woken.expect("connections come back");
        let mut granted = waiting.iter().map(Spawn::is_woken);
        granted.by_ref().find(|woken| !woken);
        assert!(granted.all(|woken| !woken), "served out of turn");

        let mut first = waiting.remove(0);
        if dice.below(10) == 0 {
            // Gone without looking: the next in line has it now.
            drop(first);
            continue;
        }
        let lease = assert_ready!(first.poll()).expect("a lease");
        using.spawn(use_up(lease, url.clone()));
        served += 1;
    }
    while let Some(used) = using.join_next().await {
        used.expect("the task did not panic");
    }
    let ledger = fleet.ledger();
    assert_eq!((ledger.accepted(), ledger.served()), (CONNS, served));
    assert_eq!(ledger.max_concurrent(), 1);
    close_balanced(&pool).await;
}

/// A crowd that is partly impatient and partly cut off, on all threads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_lost_in_an_impatient_crowd() {
    let mut dice = Dice::of("nobody_is_lost_in_an_impatient_crowd");
    let fleet = Fleet::builder().alpn(Alpn::Http1).start().await;
    let fleet = fleet.expect("a fleet");
    let mut config = Config::default();
    config.limits.per_host = CONNS;
    let pool = pool_of(&fleet, config).build().expect("a pool");

    let mut patient = JoinSet::new();
    let mut impatient = JoinSet::new();
    for _ in 0..WAITERS {
        let mut options = RequestOptions::new();
        let kind = dice.below(4);
        if kind == 0 {
            options = options.acquire_timeout(Duration::from_millis(1 + dice.below(50)));
        }
        let get = Request::get(fleet.url("/")).extension(options);
        let get = get.body(Body::empty()).expect("a request");
        let pool = pool.clone();
        let exchange = async move {
            let response = pool.request(get).await?;
            assert_eq!(response.status(), 200);
            response.into_body().bytes().await
        };
        match kind {
            0 => drop(impatient.spawn(exchange)),
            1 => {
                // Cut off wherever it is by then.
                let patience = Duration::from_millis(dice.below(50));
                patient.spawn(async move { drop(timeout(patience, exchange).await) });
            }
            _ => drop(patient.spawn(async move { drop(exchange.await.expect("a response")) })),
        }
    }
    while let Some(done) = patient.join_next().await {
        done.expect("whoever waits long enough is served");
    }
    while let Some(done) = impatient.join_next().await {
        if let Err(error) = done.expect("the task did not panic") {
            assert_eq!(error.kind(), ErrorKind::Timeout(Phase::Acquire));
        }
    }
    assert_eq!(fleet.ledger().max_concurrent(), 1);
    close_balanced(&pool).await;
}

async fn use_up(lease: PooledLease, url: String) {
    let get = Request::get(url).body(Body::empty()).expect("a request");
    let response = lease.send(get).await.expect("a response");
    assert_eq!(response.status(), 200);
    response.into_body().bytes().await.expect("a body");
}

fn pick(dice: &mut Dice, len: usize) -> Option<usize> {
    (len > 0).then(|| usize::try_from(dice.below(len as u64)).expect("below a length"))
}

fn now() -> Instant {
    time::Instant::now().into_std()
}
