//! Somebody else's mock server behind TLS agrees on the number of requests.

use std::sync::Arc;

use pool_core::testing::TlsFront;
use pool_core::{Config, Pool, Protocols, StaticResolver};
use pool_tls::{Roots, RustlsConnector};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::books::close_balanced;
use crate::crowd::{crowd, get};

const TASKS: usize = 20;
const EACH: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_h2() {
    counts_each_request_once(Protocols::Http2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_h1() {
    counts_each_request_once(Protocols::Http1).await;
}

async fn counts_each_request_once(protocols: Protocols) {
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(200).set_body_string("mocked");
    Mock::given(method("GET"))
        .and(path("/thing"))
        .respond_with(answer)
        .expect((TASKS * EACH) as u64)
        .mount(&server)
        .await;
    let front = TlsFront::to(*server.address()).await.expect("a TLS front");
    let config = Config {
        protocols,
        ..Config::default()
    };
    let pool = pool_of(&front, config);
    crowd(TASKS, |_| {
        let (pool, url) = (pool.clone(), front.url("/thing"));
        async move {
            for _ in 0..EACH {
                get(&pool, &url).await;
            }
        }
    })
    .await;
    server.verify().await;
    let totals = close_balanced(&pool).await.connections.totals;
    assert_eq!(totals.acquired as usize, TASKS * EACH);
}

fn pool_of(front: &TlsFront, config: Config) -> Pool {
    let tls = RustlsConnector::builder()
        .roots(Roots::None)
        .add_ca_pem(front.ca_pem().as_bytes())
        .expect("the front's certificate authority is well-formed")
        .build()
        .expect("a connector with one root");
    let resolver = StaticResolver::default();
    resolver.set(front.name(), front.addr().port(), vec![front.addr()]);
    Pool::builder()
        .config(config)
        .tls(Arc::new(tls))
        .resolver(Arc::new(resolver))
        .build()
        .expect("a pool")
}
