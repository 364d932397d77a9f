//! Several TLS implementations, each for the profiles that it can send best.

use std::sync::Arc;

use async_trait::async_trait;

use crate::spec::Profile;
use crate::{BoxedIo, Plan, TlsConfigId, TlsConnector, TlsContext, TlsError, TlsSession};

/// Sends each profile through the connector that comes nearest to it.
///
/// Where several come equally near, and for a profile without a hello, the first of them does. All of them should trust the
/// same certificates: to a pool they are one TLS configuration.
#[derive(Debug)]
pub struct Nearest {
    id: TlsConfigId,
    connectors: Vec<Arc<dyn TlsConnector>>,
}

/// The plan of the connector that was chosen.
struct Chosen {
    connector: Arc<dyn TlsConnector>,
    plan: Plan,
}

impl Nearest {
    /// Chooses among these. Without any, every profile is unknown.
    pub fn new(connectors: impl IntoIterator<Item = Arc<dyn TlsConnector>>) -> Self {
        Self {
            id: TlsConfigId::unique(),
            connectors: connectors.into_iter().collect(),
        }
    }
}

#[async_trait]
impl TlsConnector for Nearest {
    fn config_id(&self) -> TlsConfigId {
        self.id
    }

    fn plan(&self, profile: &Arc<Profile>) -> Result<Plan, TlsError> {
        let mut nearest: Option<Chosen> = None;
        let mut refused = TlsError::unknown_profile(&profile.id);
        for connector in &self.connectors {
            match connector.plan(profile) {
                Ok(plan) => {
                    let nearer = nearest
                        .as_ref()
                        .is_none_or(|chosen| plan.fidelity() > chosen.plan.fidelity());
                    if nearer {
                        let connector = connector.clone();
                        nearest = Some(Chosen { connector, plan });
                    }
                }
                Err(error) => refused = error,
            }
        }
        let chosen = nearest.ok_or(refused)?;
        let plan = match chosen.plan.report() {
            None => Plan::own_hello(profile.clone(), self.id),
            Some(report) => Plan::imitating(profile.clone(), self.id, report.clone()),
        };
        Ok(plan.with_state(chosen))
    }

    async fn connect(&self, cx: &TlsContext<'_>, io: BoxedIo) -> Result<TlsSession, TlsError> {
        let chosen = Some(cx.plan)
            .filter(|plan| plan.made_by() == self.id)
            .and_then(|plan| plan.state::<Chosen>())
            .ok_or_else(|| TlsError::unknown_profile(cx.plan.profile_id()))?;
        let cx = TlsContext {
            plan: &chosen.plan,
            ..*cx
        };
        chosen.connector.connect(&cx, io).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fidelity::{Fidelity, FidelityReport};
    use crate::spec::{ClientHelloSpec, ExtensionOrder};
    use crate::{ProfileId, TlsErrorKind, TlsVersion};

    /// Comes this near, or nowhere; says who it is by its version.
    #[derive(Debug)]
    struct Comes(TlsConfigId, Option<Fidelity>, TlsVersion);

    #[async_trait]
    impl TlsConnector for Comes {
        fn config_id(&self) -> TlsConfigId {
            self.0
        }

        fn plan(&self, profile: &Arc<Profile>) -> Result<Plan, TlsError> {
            let grade = self
                .1
                .ok_or_else(|| TlsError::unknown_profile(&profile.id))?;
            if profile.hello.is_none() {
                return Ok(Plan::own_hello(profile.clone(), self.0));
            }
            let fields = Vec::new();
            let report = FidelityReport { fields, grade };
            Ok(Plan::imitating(profile.clone(), self.0, report))
        }

        async fn connect(&self, cx: &TlsContext<'_>, io: BoxedIo) -> Result<TlsSession, TlsError> {
            assert_eq!(cx.plan.made_by(), self.0, "the plan is its own");
            Ok(TlsSession::new(io, self.2, cx.plan.profile_id().clone()))
        }
    }

    fn comes(grade: Option<Fidelity>, version: TlsVersion) -> Arc<dyn TlsConnector> {
        Arc::new(Comes(TlsConfigId::unique(), grade, version))
    }

    fn profile(hello: bool) -> Arc<Profile> {
        Arc::new(Profile {
            id: ProfileId::new("lynx"),
            hello: hello.then(|| ClientHelloSpec {
                session_id: false,
                ciphers: vec![],
                extension_order: ExtensionOrder::Fixed,
                extensions: vec![],
            }),
            ..Profile::native()
        })
    }

    async fn who(nearest: &Nearest, plan: &Plan) -> TlsVersion {
        let (io, _far) = tokio::io::duplex(64);
        let cx = TlsContext::new("a.test", plan);
        nearest.connect(&cx, Box::new(io)).await.unwrap().version
    }

    #[tokio::test]
    async fn each_profile_goes_to_the_connector_that_comes_nearest() {
        use Fidelity::{Exact, Ja4Equal, Native};
        use TlsVersion::{Tls12, Tls13};
        for (first, second, chosen) in [
            (Some(Native), Some(Exact), Tls13),
            (Some(Exact), Some(Native), Tls12),
            (Some(Ja4Equal), Some(Ja4Equal), Tls12),
            (None, Some(Native), Tls13),
        ] {
            let nearest = Nearest::new([comes(first, Tls12), comes(second, Tls13)]);
            let plan = nearest.plan(&profile(true)).unwrap();
            assert_eq!(plan.fidelity(), first.max(second).unwrap());
            assert_eq!(
                who(&nearest, &plan).await,
                chosen,
                "{first:?} or {second:?}"
            );
        }
        let nearest = Nearest::new([comes(Some(Native), Tls12), comes(Some(Exact), Tls13)]);
        let own = nearest.plan(&profile(false)).unwrap();
        assert_eq!(
            who(&nearest, &own).await,
            Tls12,
            "without a hello, the first"
        );
    }

    #[tokio::test]
    async fn what_nobody_planned_or_another_did_is_refused() {
        for connectors in [vec![], vec![comes(None, TlsVersion::Tls12)]] {
            let error = Nearest::new(connectors).plan(&profile(true)).unwrap_err();
            assert_eq!(error.kind(), TlsErrorKind::UnknownProfile);
        }
        let [one, two] =
            [(); 2].map(|()| Nearest::new([comes(Some(Fidelity::Exact), TlsVersion::Tls12)]));
        let plan = one.plan(&profile(true)).unwrap();
        let (io, _far) = tokio::io::duplex(64);
        let refused = two
            .connect(&TlsContext::new("a.test", &plan), Box::new(io))
            .await;
        assert_eq!(refused.unwrap_err().kind(), TlsErrorKind::UnknownProfile);
    }
}
