//! A gap in which nothing ran, as when the process was stopped: what was idle over it is not used as it is.

use std::sync::Arc;
use std::time::Duration;

use pool_core::Config;

use crate::check_at_checkout::{Doctor, Says};
use crate::network::{Network, addrs, get, pool, resolver};

const GAP: Duration = Duration::from_secs(3600);

/// The whole gap at once: upkeep has had no turn in it, and what is due after it comes with the next request.
async fn sleep_through() {
    tokio::time::advance(GAP).await;
}

#[tokio::test(start_paused = true)]
async fn what_idled_over_the_gap_is_evicted_and_not_used() {
    let network = Network::new();
    let pool = pool(&network, resolver(addrs(1)), Config::default());
    let pool = pool.build().unwrap();
    get(&pool).await.unwrap();
    sleep_through().await;
    get(&pool).await.unwrap();
    assert_eq!(network.connects().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_idled_over_the_gap_is_checked_before_it_is_used() {
    for rounds in [Config::default().upkeep.health_interval, Duration::MAX] {
        let mut config = Config::default();
        config.eviction.clear();
        config.upkeep.health_interval = rounds;
        let network = Network::new();
        let doctor = Doctor::new(Says::Well, &network);
        let pool = pool(&network, resolver(addrs(1)), config);
        let pool = pool.health(doctor.clone()).build().unwrap();
        get(&pool).await.unwrap();
        sleep_through().await;
        get(&pool).await.unwrap();
        assert_eq!(doctor.asked_after(), [1], "once, before the second request");
        assert_eq!(network.connects().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_died_over_the_gap_costs_no_request() {
    let mut config = Config::default();
    config.eviction.clear();
    let network = Network::new();
    let doctor = Doctor::new(Says::Ill, &network);
    let health: Arc<dyn pool_health::HealthCheck> = doctor;
    let pool = pool(&network, resolver(addrs(1)), config);
    let pool = pool.health(health).build().unwrap();
    get(&pool).await.unwrap();
    sleep_through().await;
    get(&pool).await.unwrap();
    assert_eq!(network.requests().len(), 2);
    assert_eq!(network.connects().len(), 2);
}
