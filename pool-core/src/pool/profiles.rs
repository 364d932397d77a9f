//! The fingerprint profiles of a pool, each made ready once by its TLS connector.

use std::collections::HashMap;
use std::sync::Arc;

use pool_tls::spec::Profile;
use pool_tls::{Plan, ProfileId, TlsConnector, TlsError};

/// Every profile that a connection of this pool may be opened under.
#[derive(Debug)]
pub(crate) struct Profiles {
    plans: HashMap<ProfileId, Plan>,
}

impl Profiles {
    /// Plans the backend's own hello and each of `profiles`.
    ///
    /// # Errors
    ///
    /// The first profile that the connector can send nothing of, and its word on it.
    pub(crate) fn plan(
        connector: &dyn TlsConnector,
        profiles: Vec<Arc<Profile>>,
    ) -> Result<Self, (ProfileId, TlsError)> {
        let native = Arc::new(Profile::native());
        let mut plans = HashMap::new();
        for profile in [native].into_iter().chain(profiles) {
            let plan = connector
                .plan(&profile)
                .map_err(|error| (profile.id.clone(), error))?;
            plans.insert(profile.id.clone(), plan);
        }
        Ok(Self { plans })
    }

    /// The plan for this profile; `None` if nobody named it when the pool was built.
    pub(crate) fn get(&self, id: &ProfileId) -> Option<&Plan> {
        self.plans.get(id)
    }
}
