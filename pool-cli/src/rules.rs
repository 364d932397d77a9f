//! Files of access rules: read, watched while the program runs, changed without losing what people wrote.

pub(crate) mod edit;
pub(crate) mod file;
pub(crate) mod keeper;
pub(crate) mod policy;
pub(crate) mod store;

use std::time::SystemTime;

use pool_health::Moment;
use tokio::time::Instant;

/// This moment.
pub(crate) fn now() -> Moment {
    Moment {
        instant: Instant::now().into_std(),
        utc: SystemTime::now(),
    }
}
