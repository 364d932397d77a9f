//! Opening connections, and sending requests again.

use pool_core::Warm;
use pool_core::config::{Dial, DialWhenBusy};

use super::sections::fixed;
use super::*;
use crate::network::Manner;

one_case_each!(Dial {
    backoff_base,
    backoff_max,
    attempt_delay,
    jitter,
    max_addresses,
    send_buffer,
    receive_buffer,
    freebind,
    device,
    mark,
    when_busy,
});

mod retry {
    use pool_core::config::Retry;

    use super::*;

    one_case_each!(Retry {
        max_attempts,
        budget_percent,
        budget_min,
    });

    /// A pool whose first of two addresses hangs up on every request, warmed, so that a second try may do better.
    async fn shaky(change: impl FnOnce(&mut Config)) -> (Arc<Network>, Pool) {
        let (network, pool) = pool_with(2, change);
        let plan = Warm::new(URL).per_cell(4);
        assert_eq!(pool.warm(&plan).await.unwrap().ready(), 8);
        network.set(addrs(2)[0], Manner::HangsUp);
        (network, pool)
    }

    /// Two requests, of which one meets the address that hangs up: how many fail.
    async fn failures(pool: &Pool) -> usize {
        let mut failed = 0;
        for _ in 0..2 {
            failed += usize::from(get(pool).await.is_err());
        }
        // The address is not doubted for ever.
        pass(HOUR).await;
        failed
    }

    async fn max_attempts() {
        let (network, pool) = shaky(|config| config.retry.max_attempts = 1).await;
        assert_eq!(failures(&pool).await, 1);
        change(&pool, |config| config.retry.max_attempts = 2);
        assert_eq!(failures(&pool).await, 0);
        change(&pool, |config| config.retry.max_attempts = 1);
        assert_eq!(failures(&pool).await, 1);
        assert_eq!(network.requests_at(addrs(2)[0]), 3);
    }

    async fn budget_percent() {
        let none = |config: &mut Config| {
            config.retry.budget_min = 0;
            config.retry.budget_percent = 0;
        };
        let (_, pool) = shaky(none).await;
        assert_eq!(failures(&pool).await, 1);
        change(&pool, |config| config.retry.budget_percent = 100);
        assert_eq!(failures(&pool).await, 0, "each request pays for one");
    }

    async fn budget_min() {
        let none = |config: &mut Config| {
            config.retry.budget_min = 0;
            config.retry.budget_percent = 0;
        };
        let (_, pool) = shaky(none).await;
        assert_eq!(failures(&pool).await, 1);
        change(&pool, |config| config.retry.budget_min = 1);
        assert_eq!(failures(&pool).await, 0);
        assert_eq!(
            failures(&pool).await,
            1,
            "one, whatever the percentage says"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn retries_that_were_allowed_once_are_not_allowed_any_more() {
        let (_, pool) = shaky(|config| config.retry.budget_percent = 0).await;
        change(&pool, |config| config.retry.budget_min = 0);
        assert_eq!(failures(&pool).await, 1);
    }
}

/// A pool on one address that refuses, where a back-off lasts as long as the base says.
fn refusing(change: impl FnOnce(&mut Config)) -> (Arc<Network>, Pool) {
    let (network, pool) = pool_with(1, |config| {
        config.dial.jitter = 0.0;
        change(config);
    });
    network.set(addrs(1)[0], Manner::Refuses);
    (network, pool)
}

async fn backoff_base() {
    let (network, pool) = refusing(|config| {
        config.dial.backoff_base = HOUR;
        config.dial.backoff_max = HOUR;
    });
    change(&pool, |config| config.dial.backoff_base = SECOND);
    assert_eq!(outcome(get(&pool)).await, "refused");
    network.set(addrs(1)[0], Manner::Answers);
    assert_eq!(outcome(get(&pool)).await, "ok", "long before an hour");
}

async fn backoff_max() {
    let (_, pool) = refusing(|config| {
        config.dial.backoff_base = SECOND;
        config.dial.backoff_max = HOUR;
        config.timeouts.acquire = 2 * SECOND;
    });
    change(&pool, |config| config.dial.backoff_max = SECOND);
    for _ in 0..8 {
        assert_eq!(outcome(get(&pool)).await, "refused", "no wait has doubled");
    }
    change(&pool, |config| config.dial.backoff_max = HOUR);
    assert_eq!(outcome(get(&pool)).await, "refused");
    assert_eq!(outcome(get(&pool)).await, "acquire_timeout");
}

async fn attempt_delay() {
    let (network, pool) = pool_with(2, |config| {
        config.dial.attempt_delay = NEVER;
        config.timeouts.connect = HOUR;
        config.timeouts.acquire = NEVER;
    });
    network.set(addrs(2)[0], Manner::Silent);
    let waiting = asker(&pool).await;
    pass(60 * SECOND).await;
    assert_eq!(network.connects().len(), 1);
    change(&pool, |config| config.dial.attempt_delay = 61 * SECOND);
    pass(SECOND).await;
    drop(waiting.await.unwrap().unwrap());
    assert_eq!(network.connects(), addrs(2), "beside the dial under way");
}

async fn jitter() {
    let (network, pool) = refusing(|config| {
        config.dial.jitter = 1.0;
        config.dial.backoff_base = 10 * SECOND;
    });
    let dialled_before_its_time = || async {
        assert_eq!(outcome(get(&pool)).await, "refused");
        let before = network.connects().len();
        let waiting = asker(&pool).await;
        pass(9 * SECOND).await;
        let early = network.connects().len() > before;
        let _refused = waiting.await.unwrap();
        pass(HOUR).await;
        early
    };
    let mut early = 0;
    for _ in 0..4 {
        early += usize::from(dialled_before_its_time().await);
    }
    assert!(early > 0, "chance takes off what it likes");
    change(&pool, |config| config.dial.jitter = 0.0);
    for _ in 0..4 {
        assert!(!dialled_before_its_time().await);
    }
}

async fn max_addresses() {
    let (network, pool) = pool_with(3, |config| config.dial.max_addresses = 1);
    assert_eq!(pool.warm(&Warm::new(URL)).await.unwrap().ready(), 1);
    change(&pool, |config| {
        config.dial.max_addresses = 2;
        config.upkeep.refresh_interval = SECOND;
    });
    pass(2 * SECOND).await;
    assert_eq!(pool.warm(&Warm::new(URL)).await.unwrap().ready(), 2);
    assert_eq!(network.connects().len(), 2, "at the next lookup");
}

async fn send_buffer() {
    let (network, pool) = pool_with(1, |config| config.dial.send_buffer = 4096);
    let _first = pool.acquire(URL).await.unwrap();
    change(&pool, |config| config.dial.send_buffer = 8192);
    let _second = pool.acquire(URL).await.unwrap();
    change(&pool, |config| config.dial.send_buffer = 0);
    let _third = pool.acquire(URL).await.unwrap();
    assert_eq!(network.buffers(), [(4096, 0), (8192, 0), (0, 0)]);
}

async fn receive_buffer() {
    let (network, pool) = pool_with(1, |config| config.dial.receive_buffer = 4096);
    let _first = pool.acquire(URL).await.unwrap();
    change(&pool, |config| config.dial.receive_buffer = 8192);
    let _second = pool.acquire(URL).await.unwrap();
    assert_eq!(network.buffers(), [(0, 4096), (0, 8192)]);
}

async fn when_busy() {
    let (network, pool) = pool_with(1, |config| {
        config.dial.when_busy = DialWhenBusy::Never;
        config.timeouts.acquire = NEVER;
    });
    let _held = pool.acquire(URL).await.unwrap();
    let waiting = asker(&pool).await;
    pass(HOUR).await;
    assert!(!waiting.is_finished());
    change(&pool, |config| {
        config.dial.when_busy = DialWhenBusy::After(SECOND)
    });
    drop(waiting.await.unwrap().unwrap());
    assert_eq!(network.connects().len(), 2);
}

async fn freebind() {
    fixed("dial.freebind", |config| config.dial.freebind = true).await;
}

async fn device() {
    fixed("dial.device", |config| {
        config.dial.device = Some("lo".into())
    })
    .await;
}

async fn mark() {
    fixed("dial.mark", |config| config.dial.mark = 7).await;
}
