//! What a connection promises its peer about memory, and how a silent peer is found.

use crate::network::Manner;

mod http1 {
    use pool_core::config::{Http1, Http1Engine};

    use super::super::*;
    use super::Manner;

    one_case_each!(Http1 {
        engine,
        buffer,
        headers
    });

    /// The engines differ in what they put up with.
    async fn engine() {
        let (network, pool) = pool_with(1, |config| config.http1.engine = Http1Engine::Inline);
        network.set(addrs(1)[0], Manner::SaysLengthTwice);
        assert!(get(&pool).await.is_err());
        change(&pool, |config| config.http1.engine = Http1Engine::Hyper);
        assert!(get(&pool).await.is_ok());
        // The connection that is open keeps what it was opened with.
        change(&pool, |config| config.http1.engine = Http1Engine::Inline);
        assert!(get(&pool).await.is_ok());
        assert_eq!(network.connects().len(), 2);
    }

    /// A response head with so many fields is read or not, on a connection that was opened after the change.
    async fn reads(pool: &Pool, network: &Network, fields: usize) -> bool {
        network.set(addrs(1)[0], Manner::Fields(fields));
        get(pool).await.is_ok()
    }

    async fn buffer() {
        let (network, pool) = pool_with(1, |config| config.http1.buffer = 8192);
        assert!(!reads(&pool, &network, 50).await);
        change(&pool, |config| config.http1.buffer = 65_536);
        assert!(reads(&pool, &network, 50).await);
        // The connection that is open keeps what it was opened with.
        change(&pool, |config| config.http1.buffer = 8192);
        assert!(reads(&pool, &network, 50).await);
        assert_eq!(network.connects().len(), 2);
    }

    async fn headers() {
        let (network, pool) = pool_with(1, |config| config.http1.headers = 10);
        assert!(!reads(&pool, &network, 20).await);
        change(&pool, |config| config.http1.headers = 100);
        assert!(reads(&pool, &network, 20).await);
    }
}

mod http2 {
    use pool_core::config::Http2;

    use super::super::*;
    use super::Manner;
    use crate::load::steady;

    one_case_each!(Http2 {
        connections,
        ping_interval,
        ping_timeout,
        stream_window,
        connection_window,
        frame,
        header_list,
    });

    const INITIAL_WINDOW_SIZE: u16 = 4;
    const MAX_FRAME_SIZE: u16 = 5;
    const MAX_HEADER_LIST_SIZE: u16 = 6;

    /// A pool with an open connection.
    async fn open(change: impl FnOnce(&mut Config)) -> (Arc<Network>, Pool) {
        let (network, pool) = pool_with(1, |config| {
            config.protocols = Protocols::Http2;
            change(config);
        });
        get(&pool).await.unwrap();
        (network, pool)
    }

    /// How many PINGs an open connection sends in an hour.
    async fn pings(network: &Network) -> usize {
        let before = network.h2().pings();
        pass(HOUR).await;
        network.h2().pings() - before
    }

    async fn connections() {
        let (network, pool) = open(|config| config.http2.connections = 1).await;
        network.set(addrs(1)[0], Manner::Slow(SECOND / 10));
        let _load = steady(&pool, 64);
        for connections in [1, 2, 4] {
            change(&pool, |config| config.http2.connections = connections);
            pass(5 * SECOND).await;
            assert_eq!(network.open(), connections);
        }
        change(&pool, |config| config.http2.connections = 1);
        pass(5 * SECOND).await;
        assert_eq!(network.open(), 4, "what is open serves on");
    }

    async fn ping_interval() {
        let (network, pool) = open(|config| config.http2.ping_interval = NEVER).await;
        assert_eq!(pings(&network).await, 0);
        change(&pool, |config| config.http2.ping_interval = 600 * SECOND);
        let six = pings(&network).await;
        assert!((5..=6).contains(&six), "{six}");
        change(&pool, |config| config.http2.ping_interval = 60 * SECOND);
        let sixty = pings(&network).await;
        assert!((59..=61).contains(&sixty), "{sixty}");
        change(&pool, |config| config.http2.ping_interval = NEVER);
        assert_eq!(pings(&network).await, 0);
        assert_eq!(network.h2().conns(), 1, "all of it on the open connection");
    }

    async fn ping_timeout() {
        let (network, pool) = open(|config| {
            config.http2.ping_interval = 10 * SECOND;
            config.http2.ping_timeout = HOUR;
        })
        .await;
        network.set(addrs(1)[0], Manner::Mute);
        pass(60 * SECOND).await;
        assert_eq!(
            (network.h2().pings(), network.open()),
            (1, 1),
            "it waits for the answer"
        );
        change(&pool, |config| config.http2.ping_timeout = 5 * SECOND);
        settle().await;
        assert_eq!(network.open(), 0, "and has waited long enough");
    }

    /// Windows and sizes are announced when a connection is opened: the next one has the new ones.
    async fn announced(set: fn(&mut Http2, u32), announced: impl Fn(&Network) -> u32) {
        let (network, pool) = open(|config| set(&mut config.http2, 100_000)).await;
        assert_eq!(announced(&network), 100_000);
        let _held = (pool.acquire(URL).await.unwrap(), pool.config());
        change(&pool, |config| {
            set(&mut config.http2, 200_000);
            config.limits.streams_per_conn = 1;
        });
        get(&pool).await.unwrap();
        assert_eq!(network.h2().conns(), 2);
        assert_eq!(announced(&network), 200_000);
    }

    fn setting(id: u16) -> impl Fn(&Network) -> u32 {
        move |network| network.h2().setting(id).expect("it is announced")
    }

    async fn stream_window() {
        let set = |http2: &mut Http2, bytes| http2.stream_window = bytes;
        announced(set, setting(INITIAL_WINDOW_SIZE)).await;
    }

    async fn connection_window() {
        let set = |http2: &mut Http2, bytes| http2.connection_window = bytes;
        announced(set, |network| network.h2().window() + 65_535).await;
    }

    async fn frame() {
        let set = |http2: &mut Http2, bytes| http2.frame = bytes;
        announced(set, setting(MAX_FRAME_SIZE)).await;
    }

    async fn header_list() {
        let set = |http2: &mut Http2, bytes| http2.header_list = bytes;
        announced(set, setting(MAX_HEADER_LIST_SIZE)).await;
    }
}
