//! What connections look like to whoever accepts them.

use std::sync::Arc;

use pool_tls::fidelity::Fidelity;
use pool_tls::{FingerprintSource, Fixed, Per, ProfileId, Weighted};

use super::{ConfigError, PolicyConfig, Problem};

/// The name of the TLS backend's own hello.
const NATIVE: &str = "native";

/// Which fingerprint profile requests travel under, by name.
///
/// A name other than `native` is that of a profile which was given to
/// [`PoolBuilder::profile`](crate::PoolBuilder::profile), or the pool cannot be built: this crate reads no file.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct Fingerprint {
    /// The profile of every request. Defaults to `native`, the TLS backend's own hello.
    pub profile: String,
    /// Several instead of one, each for its share of the requests. Defaults to none.
    pub profiles: Vec<WeightedProfile>,
    /// What keeps the profile that was drawn from several. Defaults to `request`: nothing does.
    pub per: FingerprintPer,
    /// Chooses between the profiles instead, by a policy of one's own: `[fingerprint.source]` with `use = "name"`. Weights, `per` and `seed`
    /// mean nothing then. Defaults to none.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub source: Option<PolicyConfig>,
    /// Decides what is drawn: the same seed gives a host, or a source class, the same profile over restarts. Defaults to 0.
    pub seed: u64,
    /// How near the hello must come to a profile's, or the pool is not built. Defaults to `native`: any will do.
    #[cfg_attr(feature = "serde", serde(with = "grade"))]
    pub require: Fidelity,
}

/// One of several profiles.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(deny_unknown_fields)
)]
pub struct WeightedProfile {
    /// Its name. `use` in a file.
    #[cfg_attr(feature = "serde", serde(rename = "use"))]
    pub use_: String,
    /// Its share, against the other weights. Zero: never. Defaults to 1.
    #[cfg_attr(feature = "serde", serde(default = "one"))]
    pub weight: u32,
}

#[cfg(feature = "serde")]
fn one() -> u32 {
    1
}

/// What keeps the profile that was drawn for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "kebab-case")
)]
#[non_exhaustive]
pub enum FingerprintPer {
    /// Nothing: it is drawn for each request. Written `"request"`.
    #[default]
    Request,
    /// A host, with its port, in a partition. Written `"host"`.
    Host,
    /// A class of source addresses, in a partition, towards every host. Written `"source-class"`.
    SourceClass,
}

impl Default for Fingerprint {
    fn default() -> Self {
        Self {
            profile: NATIVE.to_owned(),
            profiles: Vec::new(),
            per: FingerprintPer::default(),
            source: None,
            seed: 0,
            require: Fidelity::Native,
        }
    }
}

impl Fingerprint {
    /// The keys and names of all profiles that requests may travel under: `fingerprint.profile`, or
    /// `fingerprint.profiles[0].use` and so on. `native` is not among them.
    pub fn names(&self) -> Vec<(String, &str)> {
        let one = || ("fingerprint.profile".to_owned(), self.profile.as_str());
        let several = self.profiles.iter().enumerate();
        let several =
            several.map(|(at, it)| (format!("fingerprint.profiles[{at}].use"), it.use_.as_str()));
        let mut names: Vec<_> = match self.profiles.is_empty() {
            true => vec![one()],
            false => several.collect(),
        };
        names.retain(|(_, name)| *name != NATIVE);
        names
    }

    /// Whether one profile is named beside several.
    pub(super) fn is_ambiguous(&self) -> bool {
        self.profile != NATIVE && !self.profiles.is_empty()
    }

    /// Refuses every name that is not `known`.
    pub(crate) fn check_names(&self, known: impl Fn(&str) -> bool) -> Result<(), ConfigError> {
        let unknown = self.names().into_iter().filter(|(_, name)| !known(name));
        let problems = unknown.map(|(key, name)| Problem {
            key,
            value: format!("{name:?}"),
            wrong: "the pool was given no such profile".into(),
            fix: "give it one with PoolBuilder::profile".into(),
        });
        ConfigError::unless_empty(problems.collect())
    }

    /// What chooses between the profiles where no source is named. Checked by [`Config::validate`](super::Config::validate).
    pub(crate) fn drawn(&self) -> Arc<dyn FingerprintSource> {
        let weights = self.profiles.iter();
        let weights = weights.map(|it| (id(&it.use_), it.weight));
        let per = match self.per {
            FingerprintPer::Request => Per::Request,
            FingerprintPer::Host => Per::Host,
            FingerprintPer::SourceClass => Per::SourceClass,
        };
        match Weighted::new(weights, self.seed) {
            Ok(weighted) => Arc::new(weighted.per(per)),
            // No weights: there is one.
            Err(_) => Arc::new(Fixed(id(&self.profile))),
        }
    }
}

fn id(name: &str) -> ProfileId {
    if name == NATIVE {
        ProfileId::native()
    } else {
        ProfileId::new(name)
    }
}

#[cfg(feature = "serde")]
mod grade {
    //! [`Fidelity`] as a word.

    use pool_tls::fidelity::Fidelity;
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    pub(super) fn serialize<S: Serializer>(grade: &Fidelity, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(grade.name())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Fidelity, D::Error> {
        let word = String::deserialize(from)?;
        word.parse().map_err(D::Error::custom)
    }
}
