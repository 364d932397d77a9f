//! A plan with a check of its own: each fresh connection is asked once, and the plugin keeps what the answer said.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use pool_core::{Config, Warm, WarmOutcome};
use pool_health::{HealthCheck, Probe, ProbeRequest, Unhealthy};

use crate::network::{Manner, Network, URL, addrs, get, pool, resolver};

/// Begins a session at each address, and knows its name afterwards.
#[derive(Debug, Default)]
struct Session(Mutex<BTreeMap<SocketAddr, Vec<String>>>);

#[async_trait]
impl HealthCheck for Session {
    fn name(&self) -> &'static str {
        "session"
    }

    async fn check(&self, probe: &mut dyn Probe) -> Result<(), Unhealthy> {
        let answer = probe.request(&ProbeRequest::new("GET", "/session")).await;
        let answer = answer.map_err(|error| Unhealthy::new("failed").with_source(error))?;
        let name = String::from_utf8(answer.body)
            .map_err(|error| Unhealthy::new("body").with_source(error))?;
        let target = probe.facts().target.expect("it has one");
        self.0.lock().unwrap().entry(target).or_default().push(name);
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn each_fresh_connection_is_asked_once_and_live_ones_are_left_alone() {
    let network = Network::new();
    let pool = pool(&network, resolver(addrs(3)), Config::default());
    let pool = pool.build().unwrap();
    let session = Arc::new(Session::default());
    let plan = Warm::new(URL).per_cell(2).check(session.clone());
    assert_eq!(pool.warm(&plan).await.unwrap().ready(), 6);
    assert_eq!(pool.warm(&plan).await.unwrap().ready(), 6);
    let sessions = session.0.lock().unwrap().clone();
    for addr in addrs(3) {
        // What the server says there is its address.
        assert_eq!(sessions[&addr], vec![addr.to_string(); 2]);
    }
    // A request is not asked for a session.
    get(&pool).await.unwrap();
    assert_eq!(network.requests().len(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_does_not_pass_is_closed_and_its_cell_says_why() {
    let network = Network::new();
    network.set(addrs(2)[1], Manner::HangsUp);
    let pool = pool(&network, resolver(addrs(2)), Config::default());
    let pool = pool.build().unwrap();
    let plan = Warm::new(URL).check(Arc::new(Session::default()));
    let report = pool.warm(&plan).await.unwrap();
    assert!(matches!(report.cells[0].outcome, WarmOutcome::Ready(_)));
    assert!(matches!(report.cells[1].outcome, WarmOutcome::Unhealthy(_)));
    crate::network::settle().await;
    assert_eq!(network.open(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_panics_fails_its_cell_alone() {
    #[derive(Debug)]
    struct Panics;

    #[async_trait]
    impl HealthCheck for Panics {
        fn name(&self) -> &'static str {
            "panics"
        }

        async fn check(&self, probe: &mut dyn Probe) -> Result<(), Unhealthy> {
            let target = probe.facts().target.expect("it has one");
            assert!(target != addrs(1)[0], "expected by this test");
            Ok(())
        }
    }

    let network = Network::new();
    let pool = pool(&network, resolver(addrs(2)), Config::default());
    let pool = pool.build().unwrap();
    let plan = Warm::new(URL).check(Arc::new(Panics));
    let report = pool.warm(&plan).await.unwrap();
    assert!(matches!(report.cells[0].outcome, WarmOutcome::Unhealthy(_)));
    assert!(matches!(report.cells[1].outcome, WarmOutcome::Ready(_)));
    assert_eq!(pool.snapshot().plugin_panics, 1);
}
