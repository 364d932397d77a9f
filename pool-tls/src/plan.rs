//! What a connector made of a profile.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::spec::Profile;
use crate::{ProfileId, TlsConfigId};

/// A profile, made ready by one connector.
///
/// [`TlsConnector::plan`](crate::TlsConnector::plan) makes it, once per profile; every handshake under that profile takes
/// it. Cloning is one atomic increment.
#[derive(Clone)]
pub struct Plan(Arc<Parts>);

#[derive(Clone)]
struct Parts {
    profile: Arc<Profile>,
    made_by: TlsConfigId,
    state: Option<Arc<dyn Any + Send + Sync>>,
}

impl Plan {
    /// The plan of a connector to send its own hello.
    pub fn native(made_by: TlsConfigId) -> Self {
        Self::new(Arc::new(Profile::native()), made_by)
    }

    /// A plan to send this profile.
    pub fn new(profile: Arc<Profile>, made_by: TlsConfigId) -> Self {
        Self(Arc::new(Parts {
            profile,
            made_by,
            state: None,
        }))
    }

    /// Keeps what the connector prepared, for its [`connect`](crate::TlsConnector::connect) to find.
    #[must_use]
    pub fn with_state<T: Any + Send + Sync>(mut self, state: T) -> Self {
        Arc::make_mut(&mut self.0).state = Some(Arc::new(state));
        self
    }

    /// The profile.
    pub fn profile(&self) -> &Arc<Profile> {
        &self.0.profile
    }

    /// The name of the profile.
    pub fn profile_id(&self) -> &ProfileId {
        &self.0.profile.id
    }

    /// The identity of the connector that made it. No other may use it.
    pub fn made_by(&self) -> TlsConfigId {
        self.0.made_by
    }

    /// What the connector prepared, if it is of this type.
    pub fn state<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.0.state.as_ref()?.downcast_ref()
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("profile", &self.0.profile.id)
            .field("made_by", &self.0.made_by)
            .finish_non_exhaustive()
    }
}
