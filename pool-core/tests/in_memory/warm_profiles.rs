//! Profiles as a dimension of a warm-up: each has the matrix for itself, and requests find it.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::sync::Arc;

use async_trait::async_trait;
use pool_core::{Config, ErrorKind, Pool, StaticResolver, Warm, WarmReport};
use pool_tls::spec::Profile;
use pool_tls::{
    BoxedIo, FingerprintSource, Per, Plan, ProfileId, TlsConfigId, TlsConnector, TlsContext,
    TlsError, TlsSession, TlsVersion, Weighted,
};

use crate::network::{Network, URL, addrs, pool};

/// Speaks TLS without saying a word.
#[derive(Debug)]
struct Mute;

#[async_trait]
impl TlsConnector for Mute {
    fn config_id(&self) -> TlsConfigId {
        TlsConfigId::default()
    }

    fn plan(&self, profile: &Arc<Profile>) -> Result<Plan, TlsError> {
        Ok(Plan::own_hello(profile.clone(), self.config_id()))
    }

    async fn connect(&self, cx: &TlsContext<'_>, io: BoxedIo) -> Result<TlsSession, TlsError> {
        let profile = cx.plan.profile_id().clone();
        Ok(TlsSession::new(io, TlsVersion::Tls13, profile))
    }
}

const SECURE: &str = "https://a.test/";

fn weighted(per: Per) -> Arc<dyn FingerprintSource> {
    let weights = [("lynx", 3), ("fox", 1), ("owl", 0)];
    let weights = weights.map(|(name, weight)| (ProfileId::new(name), weight));
    Arc::new(Weighted::new(weights, 1).unwrap().per(per))
}

/// A pool on two addresses that has three profiles and chooses between two of them.
fn pool_with(per: Per, config: Config) -> (Arc<Network>, Pool) {
    let network = Network::new();
    let names = StaticResolver::default();
    names.set("a.test", 443, addrs(2));
    names.set("a.test", 80, addrs(2));
    let mut builder = pool(&network, Arc::new(names), config)
        .tls(Arc::new(Mute))
        .fingerprints(weighted(per));
    for name in ["lynx", "fox", "owl"] {
        builder = builder.profile(Profile {
            id: ProfileId::new(name),
            ..Profile::native()
        });
    }
    (network, builder.build().unwrap())
}

/// How many cells are under each profile.
fn under(report: &WarmReport) -> BTreeMap<String, usize> {
    let mut under = BTreeMap::new();
    for cell in &report.cells {
        let profile = cell
            .profile
            .as_ref()
            .map_or("none".into(), ToString::to_string);
        *under.entry(profile).or_default() += 1;
    }
    under
}

#[tokio::test(start_paused = true)]
async fn every_profile_that_a_request_may_travel_under_is_warm() {
    let (network, pool) = pool_with(Per::Request, Config::default());
    let plan = Warm::new(SECURE).per_cell(2);
    assert_eq!(pool.warm_size(&plan).await.unwrap(), 8);
    let report = pool.warm(&plan).await.unwrap();
    assert_eq!(report.ready(), 8);
    assert_eq!(
        under(&report),
        [("fox".into(), 4), ("lynx".into(), 4)].into()
    );
    for _ in 0..40 {
        let response = pool.get(SECURE).await.unwrap();
        response.into_body().bytes().await.unwrap();
    }
    assert_eq!(network.connects().len(), 8, "nothing else is opened");
    // Again: all are there.
    assert_eq!(pool.warm(&plan).await.unwrap().ready(), 8);
    assert_eq!(network.connects().len(), 8);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_keeps_one_profile_for_the_host_has_one_matrix() {
    let (_, pool) = pool_with(Per::Host, Config::default());
    let report = pool.warm(&Warm::new(SECURE)).await.unwrap();
    assert_eq!(under(&report).len(), 1);
    assert_eq!(report.ready(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_plan_may_name_its_profiles_and_plain_text_has_none() {
    let (_, pool) = pool_with(Per::Request, Config::default());
    let plan = |url| Warm::new(url).profiles([ProfileId::new("owl")]);
    let report = pool.warm(&plan(SECURE)).await.unwrap();
    assert_eq!(under(&report), [("owl".into(), 2)].into());
    let plain = pool.warm(&Warm::new(URL)).await.unwrap();
    assert_eq!(under(&plain), [("none".into(), 2)].into());

    let error = pool.warm(&plan(URL)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Request);
    let unknown = Warm::new(SECURE).profiles([ProfileId::new("yeti")]);
    let error = pool.warm(&unknown).await.unwrap_err();
    let why = error.source().unwrap().to_string();
    assert_eq!(why, "the pool has no profile yeti");
}

#[tokio::test(start_paused = true)]
async fn floor_and_ceiling_are_over_all_profiles() {
    let (_, pool) = pool_with(Per::Request, Config::default());
    let report = pool.warm(&Warm::new(SECURE).at_most(3)).await.unwrap();
    assert_eq!(report.ready(), 3);
    let report = pool.warm(&Warm::new(SECURE).at_least(12)).await.unwrap();
    assert_eq!(
        under(&report),
        [("fox".into(), 6), ("lynx".into(), 6)].into()
    );
}

#[tokio::test(start_paused = true)]
async fn matrices_that_fit_each_alone_and_not_together_are_refused() {
    let mut config = Config::default();
    config.limits.total = 16;
    let (network, pool) = pool_with(Per::Request, config);
    let error = pool.warm(&Warm::new(SECURE).per_cell(5)).await.unwrap_err();
    let why = error.source().unwrap().to_string();
    assert_eq!(why, "the plan wants 20 connections, limits.total is 16");
    assert!(network.connects().is_empty());
}
