//! The fingerprint profiles of a pool, each made ready once by its TLS connector.

use std::collections::HashMap;
use std::sync::Arc;

use pool_tls::fidelity::Fidelity;
use pool_tls::spec::Profile;
use pool_tls::{Plan, ProfileId, TlsConnector, TlsError};
use tracing::warn;

use crate::http::DefaultHeaders;

/// Every profile that a connection of this pool may be opened under.
#[derive(Debug)]
pub(crate) struct Profiles {
    plans: HashMap<ProfileId, Planned>,
}

#[derive(Debug)]
struct Planned {
    plan: Plan,
    /// Only over a hello that is the profile's own.
    headers: Option<Arc<DefaultHeaders>>,
}

impl Profiles {
    /// Plans the backend's own hello and each of `profiles`.
    ///
    /// # Errors
    ///
    /// The first profile that the connector cannot send, or not as faithfully as `least` says, and why.
    pub(crate) fn plan(
        connector: &dyn TlsConnector,
        profiles: Vec<Arc<Profile>>,
        least: Fidelity,
    ) -> Result<Self, (ProfileId, TlsError)> {
        let native = Arc::new(Profile::native());
        let mut plans = HashMap::new();
        for profile in [native].into_iter().chain(profiles) {
            let plan = connector
                .plan(&profile)
                .and_then(|plan| plan.require(least).map(|()| plan))
                .map_err(|error| (profile.id.clone(), error))?;
            if !plan.is_faithful() {
                let grade = plan.fidelity();
                warn!(profile = %profile.id, %grade, "the hello that is sent is not the profile's");
            }
            let headers = plan.is_faithful() && !profile.headers.is_empty();
            let headers = headers
                .then(|| DefaultHeaders::new(&profile.headers))
                .flatten();
            let planned = Planned {
                plan,
                headers: headers.map(Arc::new),
            };
            plans.insert(profile.id.clone(), planned);
        }
        Ok(Self { plans })
    }

    /// The plan for this profile; `None` if nobody named it when the pool was built.
    pub(crate) fn get(&self, id: &ProfileId) -> Option<&Plan> {
        Some(&self.plans.get(id)?.plan)
    }

    /// What requests under this profile get that do not say otherwise.
    pub(crate) fn headers(&self, id: &ProfileId) -> Option<Arc<DefaultHeaders>> {
        self.plans.get(id)?.headers.clone()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Plan> {
        self.plans.values().map(|planned| &planned.plan)
    }
}
