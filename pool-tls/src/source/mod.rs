//! Which fingerprint a request travels under.

mod weighted;

use std::fmt;

use crate::ProfileId;

pub use weighted::{Per, Weighted, WeightsError};

/// Chooses the fingerprint profile of a request.
///
/// Called once per request, while the pool builds the request's key, on the caller's thread and on the hot path: it
/// must be quick and must not block. It is never asked again when a connection is dialled, since a connection must
/// carry the profile it is filed under. A profile that is chosen and that the connector cannot send fails the request.
pub trait FingerprintSource: fmt::Debug + Send + Sync {
    /// The profile for this request.
    fn choose(&self, cx: &FingerprintContext<'_>) -> ProfileId;

    /// Every profile that [`choose`](Self::choose) may say for this context, each once: what a warm-up opens connections under, before
    /// there are requests. Called once for each, never on the hot path.
    ///
    /// Unless it is overridden, one that is chosen now.
    fn profiles(&self, cx: &FingerprintContext<'_>) -> Vec<ProfileId> {
        vec![self.choose(cx)]
    }
}

/// What a [`FingerprintSource`] may look at.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct FingerprintContext<'a> {
    /// The host of the request's URL: a DNS name, or an IP address without brackets.
    pub host: &'a str,
    /// The port, explicit or the scheme's.
    pub port: u16,
    /// The partition (tenant) of the request, if it has one.
    pub partition: Option<&'a str>,
    /// The class of source addresses the request may leave from, if it names one.
    pub source_class: Option<&'a str>,
}

impl<'a> FingerprintContext<'a> {
    /// A request to `host`, of no partition, from any source.
    pub fn new(host: &'a str, port: u16) -> Self {
        Self {
            host,
            port,
            partition: None,
            source_class: None,
        }
    }

    /// Sets the partition.
    #[must_use]
    pub fn with_partition(mut self, partition: Option<&'a str>) -> Self {
        self.partition = partition;
        self
    }

    /// Sets the class of source addresses.
    #[must_use]
    pub fn with_source_class(mut self, source_class: Option<&'a str>) -> Self {
        self.source_class = source_class;
        self
    }
}

/// The null source: every request travels under the backend's own hello.
#[derive(Clone, Copy, Debug, Default)]
pub struct Native;

impl FingerprintSource for Native {
    fn choose(&self, _cx: &FingerprintContext<'_>) -> ProfileId {
        ProfileId::native()
    }
}

/// Every request travels under one profile.
#[derive(Clone, Debug)]
pub struct Fixed(pub ProfileId);

impl FingerprintSource for Fixed {
    fn choose(&self, _cx: &FingerprintContext<'_>) -> ProfileId {
        self.0.clone()
    }
}

fn _assert_dyn_compatible(_: &dyn FingerprintSource) {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance;

    #[test]
    fn the_built_in_sources_conform() {
        let lynx = ProfileId::new("lynx");
        conformance::source(&Native, &[ProfileId::native()]);
        conformance::source(&Fixed(lynx.clone()), &[lynx]);
    }

    #[test]
    #[should_panic(expected = "chose `lynx`")]
    fn a_source_that_chooses_what_cannot_be_sent_does_not_conform() {
        conformance::source(&Fixed(ProfileId::new("lynx")), &[ProfileId::native()]);
    }
}
