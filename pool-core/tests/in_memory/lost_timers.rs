//! A timer that goes with its runtime tells those who depend on it.

use std::time::Duration;

use pool_core::{Config, ErrorKind, LiteralResolver, Pool};
use tokio::runtime::Builder;
use tokio_test::task::spawn;
use tokio_test::{assert_pending, assert_ready};

#[test]
fn whoever_waits_out_a_back_off_learns_that_its_runtime_is_gone() {
    let runtime = || {
        Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
    };
    let (first, second) = (runtime().expect("a runtime"), runtime().expect("a runtime"));
    // A port that was free a moment ago refuses.
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|door| door.local_addr());
    let url = format!("http://{}/", port.expect("loopback"));
    let mut config = Config::default();
    config.dial.backoff_base = Duration::from_secs(600);
    config.dial.backoff_max = Duration::from_secs(600);
    config.dial.jitter = 0.0;
    let pool = Pool::builder()
        .config(config)
        .resolver(std::sync::Arc::new(LiteralResolver))
        .handle(first.handle().clone())
        .build()
        .expect("a pool");

    let refused = second.block_on(pool.get(&url)).expect_err("nobody listens");
    assert_eq!(refused.kind(), ErrorKind::Refused);
    let _inside = second.enter();
    let mut waiting = spawn(pool.get(&url));
    assert_pending!(waiting.poll());

    drop(first);
    let gone = assert_ready!(waiting.poll()).expect_err("nobody will dial");
    assert_eq!(gone.kind(), ErrorKind::RuntimeGone);
}
