//! What a connector made of a profile.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::fidelity::{Fidelity, FidelityReport};
use crate::spec::Profile;
use crate::{ProfileId, TlsConfigId, TlsError, TlsErrorKind};

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
    /// `None` where no other hello is imitated.
    report: Option<FidelityReport>,
    state: Option<Arc<dyn Any + Send + Sync>>,
}

impl Plan {
    /// The plan of a connector to send its own hello.
    pub fn native(made_by: TlsConfigId) -> Self {
        Self::own_hello(Arc::new(Profile::native()), made_by)
    }

    /// A plan to send the connector's own hello for a profile that has none.
    pub fn own_hello(profile: Arc<Profile>, made_by: TlsConfigId) -> Self {
        Self(Arc::new(Parts {
            profile,
            made_by,
            report: None,
            state: None,
        }))
    }

    /// A plan to send this profile's hello as nearly as `report` says. The report must be of what is really sent.
    pub fn imitating(profile: Arc<Profile>, made_by: TlsConfigId, report: FidelityReport) -> Self {
        Self(Arc::new(Parts {
            profile,
            made_by,
            report: Some(report),
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

    /// What of the profile's hello is sent, field by field; `None` for a profile without a hello.
    pub fn report(&self) -> Option<&FidelityReport> {
        self.0.report.as_ref()
    }

    /// How near the hello that is sent comes to the profile's; [`Native`](Fidelity::Native) for a profile without a hello.
    pub fn fidelity(&self) -> Fidelity {
        self.report()
            .map_or(Fidelity::Native, |report| report.grade)
    }

    /// Whether what is sent is what the profile says: exactly its hello, or the backend's own where the profile has none.
    pub fn is_faithful(&self) -> bool {
        self.report()
            .is_none_or(|report| report.grade == Fidelity::Exact)
    }

    /// Refuses a plan that comes less near than `least`. A profile without a hello pretends nothing and always passes.
    ///
    /// # Errors
    ///
    /// [`TlsErrorKind::Unfaithful`], whose source names the fields that differ.
    pub fn require(&self, least: Fidelity) -> Result<(), TlsError> {
        let Some(report) = self.report().filter(|report| report.grade < least) else {
            return Ok(());
        };
        let why = format!(
            "`{}` would be {} where {least} is required; these fields would differ: {}",
            self.profile_id(),
            report.grade,
            report.summary(),
        );
        Err(TlsError::new(TlsErrorKind::Unfaithful).with_source(why))
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
            .field("fidelity", &self.fidelity())
            .finish_non_exhaustive()
    }
}
