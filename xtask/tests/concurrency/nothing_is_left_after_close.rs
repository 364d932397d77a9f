//! After a close there is no task, no file and no permit of the pool, and nobody waits for ever.

use std::path::Path;
use std::time::Duration;

use pool_core::testing::{Alpn, Body, Fleet};
use pool_core::{Closed, Config, ErrorKind, Pool};
use pool_health::HttpCheck;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::files::sockets_to;
use crate::load::{Load, get};
use crate::rig::{origins, pool_of};
use crate::witness::{Witness, assert_conserved, bounded, close_and_balance};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_in_flight_finish_within_the_deadline() {
    bounded(async {
        for alpn in [Alpn::Http1, Alpn::H2] {
            let rig = Rig::new(alpn).await;
            rig.slow(Duration::from_millis(2));
            let bodies = rig.bodies(3).await;
            let closed = rig.pool.close(Duration::from_secs(20)).await;
            for body in bodies {
                let read = body.await.expect("a task").expect("its whole body");
                assert_eq!(read, BYTES);
            }
            assert_eq!((closed.drained, closed.aborted), (rig.opened(), 0));
            rig.expect_empty().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_in_flight_are_cut_at_the_deadline() {
    bounded(async {
        for alpn in [Alpn::Http1, Alpn::H2] {
            let rig = Rig::new(alpn).await;
            rig.slow(Duration::from_secs(60));
            let bodies = rig.bodies(3).await;
            let closed = rig.pool.close(Duration::from_millis(20)).await;
            for body in bodies {
                let error = body.await.expect("a task").expect_err("cut half-way");
                assert!(matches!(error.kind(), ErrorKind::Body | ErrorKind::Closed));
            }
            assert_eq!((closed.drained, closed.aborted), (0, rig.opened()));
            rig.expect_empty().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiters_and_dials_end_with_the_pool() {
    bounded(async {
        let rig = Rig::new(Alpn::Both).await;
        rig.fleet
            .origin(0)
            .script(|script| script.stall_accept = true);
        let waiters: Vec<_> = (0..16).map(|_| rig.body()).collect();
        let ledger = rig.fleet.ledger();
        ledger.wait_until(|ledger| ledger.accepted() > 0).await;
        let began = tokio::time::Instant::now();
        let closed = rig.pool.close(Duration::from_secs(30)).await;
        // No dial is worth waiting for: a handshake may take ten seconds to time out.
        assert!(began.elapsed() < Duration::from_secs(5));
        assert_eq!(closed.aborted, 0);
        for waiter in waiters {
            let error = waiter
                .await
                .expect("a task")
                .expect_err("nothing to wait for");
            assert_eq!(error.kind(), ErrorKind::Closed);
        }
        // A stalled connection does not even notice that the client is gone.
        rig.fleet.origin(0).kill();
        rig.expect_empty().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_pool_refuses_and_closes_again() {
    bounded(async {
        let rig = Rig::new(Alpn::Both).await;
        rig.body().await.expect("a task").expect("a body");
        let first = rig.pool.close(Duration::from_secs(5)).await;
        assert_eq!((first.drained, first.aborted), (1, 0));
        let again = rig.pool.close(Duration::from_secs(5)).await;
        assert_eq!((again.drained, again.aborted), (0, 0));
        let refused = rig.pool.acquire(&rig.fleet.url("/")).await;
        assert_eq!(refused.expect_err("closed").kind(), ErrorKind::Closed);
        let refused = rig.body().await.expect("a task");
        assert_eq!(refused.expect_err("closed").kind(), ErrorKind::Closed);
        rig.expect_empty().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_under_load_answers_everybody() {
    bounded(async {
        let rig = Rig::new(Alpn::Both).await;
        let load = Load::start(&rig.pool, &rig.fleet.url("/"), 16, 4);
        let ledger = rig.fleet.ledger();
        ledger.wait_until(|ledger| ledger.served() >= 200).await;
        let Closed { aborted, .. } = rig.pool.close(Duration::from_secs(20)).await;
        let tally = load.stop().await;
        assert_eq!(aborted, 0);
        assert_eq!(ledger.duplicates(), []);
        assert!(tally.maybe.is_empty(), "{:?}", tally.maybe);
        let closed = |lost: &String| lost.contains("kind: Closed");
        assert!(tally.lost.iter().all(closed), "{:#?}", tally.lost);
        rig.expect_empty().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_handle_takes_upkeep_and_idle_connections_along() {
    bounded(async {
        let rig = Rig::new(Alpn::Both).await;
        rig.body().await.expect("a task").expect("a body");
        let Rig {
            fleet,
            pool,
            runtime,
            ..
        } = rig;
        let other = pool.clone();
        drop(pool);
        get(&other, &fleet.url("/")).await;
        assert_eq!(fleet.ledger().accepted(), 1, "one handle is left");
        drop(other);
        fleet
            .ledger()
            .wait_until(|ledger| ledger.open_connections() == 0)
            .await;
        no_task(&runtime).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_file_is_left_open() {
    if !Path::new("/proc/self/fd").exists() {
        println!("SKIP no_file_is_left_open: this system has no /proc/self/fd");
        return;
    }
    bounded(async {
        let rig = Rig::new(Alpn::Http1).await;
        let (port, ledger) = (rig.fleet.port(), rig.fleet.ledger());
        let load = Load::start(&rig.pool, &rig.fleet.url("/"), 8, 4);
        ledger.wait_until(|ledger| ledger.served() >= 100).await;
        let tally = load.stop().await;
        assert!(tally.lost.is_empty(), "{:#?}", tally.lost);
        assert!(
            sockets_to(port) > 0,
            "connections are files while they last"
        );
        rig.pool.close(Duration::from_secs(5)).await;
        assert_eq!(sockets_to(port), 0);
        rig.expect_empty().await;
    })
    .await;
}

/// A fleet of one origin, and a pool on a runtime of its own, whose tasks can be counted.
struct Rig {
    fleet: Fleet,
    pool: Pool,
    runtime: Own,
    witness: std::sync::Arc<Witness>,
}

const BYTES: usize = 16;

/// A runtime that may be dropped in another one.
struct Own(Option<Runtime>);

impl Own {
    fn get(&self) -> &Runtime {
        self.0.as_ref().expect("until it is dropped")
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Rig {
    async fn new(alpn: Alpn) -> Self {
        let fleet = Fleet::builder()
            .origins(origins(1))
            .alpn(alpn)
            .start()
            .await
            .expect("a fleet");
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build();
        let runtime = Own(Some(runtime.expect("a runtime")));
        let witness = Witness::new();
        let pool = pool_of(&fleet, Config::default())
            .handle(runtime.get().handle().clone())
            .health(std::sync::Arc::new(HttpCheck::new("/")))
            .observer(witness.clone())
            .build()
            .expect("a pool");
        assert!(runtime.get().metrics().num_alive_tasks() > 0, "upkeep runs");
        Self {
            fleet,
            pool,
            runtime,
            witness,
        }
    }

    fn slow(&self, every: Duration) {
        let body = Body::Drip {
            bytes: BYTES as u64,
            every,
        };
        self.fleet.origin(0).script(|script| script.body = body);
    }

    /// Reads one body in a task.
    fn body(&self) -> JoinHandle<Result<usize, pool_core::Error>> {
        self.body_after(|| {})
    }

    /// The same, and tells when the head has come.
    fn body_after(
        &self,
        head: impl FnOnce() + Send + 'static,
    ) -> JoinHandle<Result<usize, pool_core::Error>> {
        let (pool, url) = (self.pool.clone(), self.fleet.url("/"));
        tokio::spawn(async move {
            let response = pool.get(&url).await?;
            head();
            Ok(response.into_body().bytes().await?.len())
        })
    }

    /// Reads so many bodies, of all of which the head is here.
    async fn bodies(&self, n: usize) -> Vec<JoinHandle<Result<usize, pool_core::Error>>> {
        let (heads, mut came) = mpsc::unbounded_channel();
        let begin = |_| {
            let heads = heads.clone();
            self.body_after(move || heads.send(()).expect("somebody waits"))
        };
        let bodies = (0..n).map(begin).collect();
        for _ in 0..n {
            came.recv().await.expect("each of them tells");
        }
        bodies
    }

    fn opened(&self) -> usize {
        let opened = assert_conserved(&self.pool).opened;
        usize::try_from(opened).expect("a count")
    }

    async fn expect_empty(self) {
        let Self {
            fleet,
            pool,
            runtime,
            witness,
        } = self;
        close_and_balance(&pool, &witness).await;
        fleet
            .ledger()
            .wait_until(|ledger| ledger.open_connections() == 0)
            .await;
        no_task(&runtime).await;
        drop(pool);
    }
}

/// Waits until the runtime carries no task.
async fn no_task(runtime: &Own) {
    let metrics = runtime.get().metrics();
    let none = async {
        while metrics.num_alive_tasks() > 0 {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(5), none).await;
    assert!(
        waited.is_ok(),
        "{} tasks are left",
        metrics.num_alive_tasks()
    );
}
