//! The fingerprint profiles of a pool, each made ready once.

use std::collections::HashMap;
use std::sync::Arc;

use pool_tls::fidelity::Fidelity;
use pool_tls::spec::Profile;
use pool_tls::{Plan, ProfileId, TlsConnector, TlsError, TlsErrorKind};
use tracing::warn;

use crate::error::BoxError;
use crate::http::{DefaultHeaders, Dress};

/// Every profile that a connection of this pool may be opened under.
#[derive(Debug)]
pub(crate) struct Profiles {
    planned: HashMap<ProfileId, Planned>,
}

/// A profile in the forms in which the layers take it.
#[derive(Debug)]
pub(crate) struct Planned {
    plan: Plan,
    /// How HTTP/2 opens; `None` for the engine's own way.
    pub(crate) dress: Option<Arc<Dress>>,
    /// What requests get that do not say otherwise, only over a hello that is the profile's own.
    pub(crate) headers: Option<Arc<DefaultHeaders>>,
}

impl Profiles {
    /// Plans the backend's own hello and each of `profiles`.
    ///
    /// # Errors
    ///
    /// The first profile that cannot be sent, or not as faithfully as `least` says, and why.
    pub(crate) fn plan(
        connector: &dyn TlsConnector,
        profiles: Vec<Arc<Profile>>,
        least: Fidelity,
    ) -> Result<Self, (ProfileId, TlsError)> {
        let native = Arc::new(Profile::native());
        let mut planned = HashMap::new();
        for profile in [native].into_iter().chain(profiles) {
            let made = Planned::new(connector, &profile, least)
                .map_err(|error| (profile.id.clone(), error))?;
            planned.insert(profile.id.clone(), made);
        }
        Ok(Self { planned })
    }

    /// This profile; `None` if nobody named it when the pool was built.
    pub(crate) fn get(&self, id: &ProfileId) -> Option<&Planned> {
        self.planned.get(id)
    }

    /// The TLS connector's part of it.
    pub(crate) fn plan_for(&self, id: &ProfileId) -> Option<&Plan> {
        Some(&self.get(id)?.plan)
    }

    pub(crate) fn plans(&self) -> impl Iterator<Item = &Plan> {
        self.planned.values().map(|planned| &planned.plan)
    }
}

impl Planned {
    fn new(
        connector: &dyn TlsConnector,
        profile: &Arc<Profile>,
        least: Fidelity,
    ) -> Result<Self, TlsError> {
        let unfit = |why: BoxError| TlsError::new(TlsErrorKind::UnknownProfile).with_source(why);
        let plan = connector.plan(profile)?;
        plan.require(least)?;
        if !plan.is_faithful() {
            let grade = plan.fidelity();
            warn!(profile = %profile.id, %grade, "the hello that is sent is not the profile's");
        }
        let dress = match &profile.http2 {
            None => None,
            Some(spec) => {
                let dress = Dress::new(spec.clone()).map_err(|error| unfit(error.into()))?;
                Some(Arc::new(dress))
            }
        };
        let headers = match &profile.headers[..] {
            [] => None,
            headers => {
                let headers = DefaultHeaders::new(headers)
                    .ok_or_else(|| unfit("one of its headers cannot be sent".into()))?;
                plan.is_faithful().then(|| Arc::new(headers))
            }
        };
        Ok(Self {
            plan,
            dress,
            headers,
        })
    }
}
