//! The doors beside `get`: a tower service, a connector for other clients, a lease.

use std::future::poll_fn;

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::{BodyExt, Empty, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use pool_core::testing::{Alpn, Fleet};
use pool_core::{Body, Config, ConnFacts, ErrorKind, Pool, Protocol};
use tower_service::Service;

use crate::books::close_balanced;
use crate::crowd::crowd;
use crate::rig::pool_of;

const TASKS: usize = 50;

async fn rig(alpn: Alpn) -> (Fleet, Pool) {
    let fleet = Fleet::builder().alpn(alpn).start().await.expect("a fleet");
    let pool = pool_of(&fleet, Config::default()).build().expect("a pool");
    (fleet, pool)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tower_service_sends_bodies_of_any_type_over_the_pools_connections() {
    let (fleet, pool) = rig(Alpn::Both).await;
    crowd(TASKS, |task| {
        let (mut client, url) = (pool.client(), fleet.url("/echo"));
        async move {
            let text = format!("task {task}");
            let post = Request::post(url).header("x-request-id", task);
            let post = post.body(Full::new(Bytes::from(text.clone())));
            let ready = poll_fn(|cx| Service::<Request<Full<Bytes>>>::poll_ready(&mut client, cx));
            ready.await.expect("always ready");
            let response = client.call(post.expect("a request")).await;
            let body = response.expect("a response").into_body();
            assert_eq!(body.bytes().await.expect("a body"), text);
        }
    })
    .await;
    let ledger = fleet.ledger();
    assert_eq!((ledger.accepted(), ledger.served()), (1, TASKS));
    assert_eq!(ledger.duplicates(), []);
    close_balanced(&pool).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_connector_dials_for_hyper_over_h1() {
    serves_hyper(Alpn::Http1, Protocol::Http1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_connector_dials_for_hyper_over_h2() {
    serves_hyper(Alpn::Both, Protocol::Http2).await;
}

async fn serves_hyper(alpn: Alpn, protocol: Protocol) {
    let (fleet, pool) = rig(alpn).await;
    let client = Client::builder(TokioExecutor::new()).build(pool.connector());
    let uri: Uri = fleet.url("/").parse().expect("a URI");
    for _ in 0..3 {
        let get = Request::get(uri.clone()).body(Empty::<Bytes>::new());
        let response = client.request(get.expect("a request")).await;
        let response = response.expect("a response");
        assert_eq!(response.status(), 200);
        let facts = response.extensions().get::<ConnFacts>().expect("facts");
        assert_eq!(facts.protocol, protocol);
        assert_eq!(facts.target, fleet.origin(0).addr());
        response.into_body().collect().await.expect("a body");
    }
    let ledger = fleet.ledger();
    assert_eq!(ledger.served(), 3);
    // hyper pools for itself, as well as it can: the pool's books know nothing of it.
    assert!((1..=3).contains(&ledger.accepted()));
    assert_eq!(pool.snapshot().connections.totals.opened, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_sends_on_the_connection_it_names_and_gives_it_back() {
    let (fleet, pool) = rig(Alpn::Http1).await;
    let url = fleet.url("/");
    let mut conns = Vec::new();
    for path in ["/path", url.as_str()] {
        let lease = pool.acquire(&url).await.expect("a lease");
        let id = lease.conn_info().id;
        let get = Request::get(path).body(Body::empty()).expect("a request");
        let response = lease.send(get).await.expect("a response");
        assert_eq!(response.status(), 200);
        let body = response.into_body();
        assert_eq!(body.conn_info().id, id);
        body.bytes().await.expect("a body");
        conns.push(id);
    }
    assert_eq!(conns[0], conns[1]);
    // One that is not used goes back as it came.
    drop(pool.acquire(&url).await.expect("a lease"));
    let ledger = fleet.ledger();
    assert_eq!((ledger.accepted(), ledger.served()), (1, 2));
    close_balanced(&pool).await;
}

#[tokio::test]
async fn a_lease_refuses_a_request_of_another_origin() {
    let (fleet, pool) = rig(Alpn::Both).await;
    let lease = pool.acquire(&fleet.url("/")).await.expect("a lease");
    let get = Request::get("https://elsewhere.test/").body(Body::empty());
    let error = lease.send(get.expect("a request")).await;
    let error = error.expect_err("not this connection's");
    assert_eq!(error.kind(), ErrorKind::Request);
    assert_eq!(fleet.ledger().arrived(), 0);
    close_balanced(&pool).await;
}
