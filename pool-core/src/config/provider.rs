//! A configuration as the lowest layer of figment's.

use figment::providers::Serialized;
use figment::value::{Dict, Map};
use figment::{Error, Metadata, Profile, Provider};

use super::Config;

/// Provides every value of this configuration, in figment's default profile.
impl Provider for Config {
    fn metadata(&self) -> Metadata {
        Metadata::named("pool defaults")
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        Serialized::defaults(self).data()
    }
}
