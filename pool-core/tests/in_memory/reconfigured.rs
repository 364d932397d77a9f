//! Another configuration for a pool that runs: each field of it, shown by what the pool then does.
//!
//! One module per section and one case per field, named as the field is. Each list of fields is complete, or it does
//! not compile.

/// A test for each field of a section, by the function of the same name.
macro_rules! one_case_each {
    ($section:ident { $($field:ident),+ $(,)? }) => {
        /// Without `..`: a new field does not compile until somebody has thought about it.
        const _: fn($section) = |$section { $($field: _),+ }| {};

        mod takes_effect {
            $(
                #[tokio::test(start_paused = true)]
                async fn $field() {
                    super::$field().await;
                }
            )+
        }
    };
}

mod dial;
mod http;
mod limits;
mod sections;
mod timeouts;
mod transitions;
mod upkeep;

use std::sync::Arc;
use std::time::Duration;

use pool_core::{Config, Pool, Protocols, RequestOptions};
use tokio::task::JoinHandle;

use crate::network::{Network, URL, addrs, begun, get, pass, pool, resolver, settle};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const NEVER: Duration = Duration::MAX;

/// A configuration in which nothing happens by itself, changed as the case needs it.
fn quiet(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config::default();
    config.eviction.clear();
    config.outlier.clear();
    config.upkeep.refresh_interval = NEVER;
    change(&mut config);
    config
}

/// A pool on so many addresses.
fn pool_with(hosts: u8, change: impl FnOnce(&mut Config)) -> (Arc<Network>, Pool) {
    let network = Network::new();
    let pool = pool(&network, resolver(addrs(hosts)), quiet(change));
    (
        network,
        pool.build().expect("the configuration makes sense"),
    )
}

/// Puts the pool's own configuration in force with one change.
fn change(pool: &Pool, change: impl FnOnce(&mut Config)) {
    let mut config = pool.config();
    change(&mut config);
    pool.reconfigure(config).expect("it makes sense");
}

/// The outcome within an hour, which is longer than anything here takes but what never ends.
async fn outcome<T>(future: impl Future<Output = Result<T, pool_core::Error>>) -> &'static str {
    match tokio::time::timeout(HOUR, future).await {
        Ok(Ok(_)) => "ok",
        Ok(Err(error)) => error.kind().code(),
        Err(_) => "never",
    }
}

/// A lease asked for in a task that waits by now, if it has to.
async fn asker(pool: &Pool) -> JoinHandle<Result<pool_core::PooledLease, pool_core::Error>> {
    let pool = pool.clone();
    begun(async move { pool.acquire(URL).await }).await
}

/// Over HTTP/2 without TLS.
fn h2() -> RequestOptions {
    RequestOptions::new().protocols(Protocols::Http2)
}
