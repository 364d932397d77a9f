//! Every phase has a deadline of its own, says which it was, and leaves its capacity free.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use http::Request;
use pool_core::{
    Body, BoxError, Config, Connect, ConnectContext, ConnectError, Connected, Error, ErrorKind,
    Phase, Pool, Protocols, RequestOptions, Resolver,
};
use tokio::time::Instant;

use crate::wires::{Network, URL, builder, pool};

const PATIENCE: Duration = Duration::from_secs(3);

/// One connection, one dial at a time: what a timeout kept for itself, the next request would miss.
fn config() -> Config {
    let mut config = Config::default();
    config.limits.per_host = 1;
    config.limits.dials_per_host = 1;
    config
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_connection() {
    let mut config = config();
    config.timeouts.acquire = PATIENCE;
    let (pool, mut network) = pool(config);
    let held = pool.acquire(URL).await.expect("a lease");
    let error = fails(pool.get(URL), PATIENCE).await;
    assert_eq!(error.kind(), ErrorKind::Timeout(Phase::Acquire));
    assert_eq!((error.attempts(), error.target()), (0, None));
    drop(held);
    let mut wire = network.accept().await;
    let (served, ()) = tokio::join!(get(&pool), wire.serve());
    served.expect("the connection is free again");
    settled(&pool);
}

#[tokio::test(start_paused = true)]
async fn a_request_may_wait_less_than_the_pool_says() {
    let (pool, _network) = pool(config());
    let _held = pool.acquire(URL).await.expect("a lease");
    let options = RequestOptions::new().acquire_timeout(PATIENCE);
    let request = Request::get(URL).extension(options);
    let request = request.body(Body::empty()).expect("a request");
    let error = fails(pool.request(request), PATIENCE).await;
    assert_eq!(error.kind(), ErrorKind::Timeout(Phase::Acquire));
    assert_eq!(pool.snapshot().connections.totals.waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn looking_up_the_name() {
    let mut config = config();
    config.timeouts.resolve = PATIENCE;
    let (builder, mut network) = builder(config);
    let slow = SlowAtFirst::default();
    let pool = builder.resolver(Arc::new(slow)).build().expect("a pool");
    let error = fails(pool.get(URL), PATIENCE).await;
    assert_eq!(error.kind(), ErrorKind::Timeout(Phase::Resolve));
    assert!(!network.was_dialled());
    serves_the_next(&pool, &mut network).await;
}

#[tokio::test(start_paused = true)]
async fn connecting() {
    let mut config = config();
    config.timeouts.connect = PATIENCE;
    let slow = Arc::new(SlowAtFirst::default());
    let (builder, _network) = builder(config);
    let pool = builder.connect(slow.clone()).build().expect("a pool");
    let error = fails(pool.get(URL), PATIENCE).await;
    assert_eq!(error.kind(), ErrorKind::Timeout(Phase::Connect));
    assert_eq!(error.target(), Some(SocketAddr::from(([192, 0, 2, 1], 80))));
    let lease = pool.acquire(URL).await;
    drop(lease.expect("the second dial has room"));
    assert_eq!(slow.calls.load(Ordering::SeqCst), 2);
    settled(&pool);
}

#[cfg(feature = "rustls")]
#[tokio::test(start_paused = true)]
async fn shaking_hands_for_tls() {
    let mut config = config();
    config.timeouts.handshake = PATIENCE;
    let (pool, mut network) = pool(config);
    let url = "https://192.0.2.1/";
    let error = fails(pool.get(url), PATIENCE).await;
    assert_eq!(error.kind(), ErrorKind::Timeout(Phase::Handshake));
    assert_eq!(error.attempts(), 0);
    let hello = network.accept().await.closed().await;
    assert!(hello > 0, "the client's hello, and then the end");
    // The second dial has room; it waits out what the first one's failure asks for.
    let error = pool.get(url).await.expect_err("nobody answers");
    assert_eq!(error.kind(), ErrorKind::Timeout(Phase::Handshake));
    assert!(network.accept().await.closed().await > 0);
    let totals = pool.snapshot().connections.totals;
    assert_eq!((totals.open, totals.dialling), (0, 0), "{totals:?}");
}

#[tokio::test(start_paused = true)]
async fn greeting_an_h2_peer_that_says_nothing() {
    let mut config = config();
    config.timeouts.handshake = PATIENCE;
    config.protocols = Protocols::Http2;
    let (pool, mut network) = pool(config);
    let error = fails(pool.get(URL), PATIENCE).await;
    // One request goes out with the preface: what became of it only the peer knows.
    assert_eq!(error.kind(), ErrorKind::MaybeProcessed);
    assert_eq!(error.attempts(), 1);
    assert!(
        network.accept().await.closed().await > 0,
        "the preface came"
    );

    let (lease, _server) = tokio::join!(pool.acquire(URL), async {
        h2::server::handshake(network.accept().await.0).await
    });
    drop(lease.expect("the second dial has room"));
    settled(&pool);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_the_head_of_a_response() {
    let mut config = config();
    config.timeouts.response_head = PATIENCE;
    let (pool, mut network) = pool(config);
    let (error, ()) = tokio::join!(fails(pool.get(URL), PATIENCE), async {
        let mut wire = network.accept().await;
        wire.read_head().await;
        wire.closed().await;
    });
    assert_eq!(error.kind(), ErrorKind::Timeout(Phase::ResponseHead));
    assert_eq!(error.attempts(), 1);
    assert!(error.conn_info().is_some());
    serves_the_next(&pool, &mut network).await;
}

#[tokio::test(start_paused = true)]
async fn waiting_for_the_next_piece_of_a_body() {
    let mut config = config();
    config.timeouts.body_idle = PATIENCE;
    let (pool, mut network) = pool(config);
    let (response, mut wire) = tokio::join!(pool.get(URL), async {
        let mut wire = network.accept().await;
        wire.read_head().await;
        wire.write("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")
            .await;
        wire
    });
    let body = response.expect("a head").into_body();
    let error = fails(body.bytes(), PATIENCE).await;
    assert_eq!(error.kind(), ErrorKind::Timeout(Phase::BodyIdle));
    wire.closed().await;
    serves_the_next(&pool, &mut network).await;
}

/// Waits for the error, which comes when `after` has passed and not before.
async fn fails<T>(what: impl Future<Output = Result<T, Error>>, after: Duration) -> Error {
    let began = Instant::now();
    let Err(error) = what.await else {
        panic!("it did not fail");
    };
    let took = began.elapsed();
    // Timers go by whole milliseconds.
    assert!(
        took >= after && took <= after + Duration::from_millis(5),
        "{took:?}"
    );
    error
}

async fn serves_the_next(pool: &Pool, network: &mut Network) {
    let (served, _wire) = tokio::join!(get(pool), async {
        let mut wire = network.accept().await;
        wire.serve().await;
        wire
    });
    served.expect("there is room for a new connection");
    settled(pool);
}

async fn get(pool: &Pool) -> Result<(), Error> {
    let response = pool.get(URL).await?;
    response.into_body().bytes().await?;
    Ok(())
}

fn settled(pool: &Pool) {
    let totals = pool.snapshot().connections.totals;
    assert_eq!((totals.open, totals.idle), (1, 1), "{totals:?}");
    assert_eq!((totals.leased, totals.waiting), (0, 0), "{totals:?}");
    assert_eq!(totals.dialling, 0, "{totals:?}");
}

/// A plugin that never answers its first call.
#[derive(Debug, Default)]
struct SlowAtFirst {
    calls: AtomicUsize,
}

impl SlowAtFirst {
    async fn wait(&self) {
        if self.calls.fetch_add(1, Ordering::SeqCst) == 0 {
            std::future::pending::<()>().await;
        }
    }
}

#[async_trait]
impl Resolver for SlowAtFirst {
    async fn resolve(&self, _: &str, port: u16) -> Result<Vec<SocketAddr>, BoxError> {
        self.wait().await;
        Ok(vec![([192, 0, 2, 1], port).into()])
    }
}

#[async_trait]
impl Connect for SlowAtFirst {
    async fn connect(&self, _: ConnectContext<'_>) -> Result<Connected, ConnectError> {
        self.wait().await;
        let (near, far) = tokio::io::duplex(1024);
        // Kept open for as long as the test runs.
        tokio::spawn(async move {
            let _far = far;
            std::future::pending::<()>().await;
        });
        Ok(Connected::new(Box::new(near), None))
    }
}
