//! Which fingerprint a request travels under.

mod weighted;

use std::fmt;

use crate::ProfileId;

pub use weighted::{Per, Weighted, WeightsError};

/// Chooses the fingerprint profile of a request.
///
/// - **Who calls, when, how often:** the pool, once for each request, lease or warm-up plan over TLS, while it builds the key of the
///   connections that may serve it. Never when a connection is dialled: that carries the profile it is filed under.
/// - **On which thread:** the caller's, inside or outside a runtime, several at once. No lock of the pool is held.
/// - **Blocking:** never: this is the hot path, and the request waits for it.
/// - **Panics** are contained, counted, and choose the backend's own hello, [`ProfileId::native`].
/// - **Lies:** a profile that the pool was not built with fails the request, when a connection is dialled for it. Another answer
///   means other connections: a source that draws lots for each request has the pool keep connections for each profile, and requests
///   of one visitor look like those of several. [`conformance::source`](crate::conformance::source) looks for answers that cannot be
///   sent.
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

    /// A source made of a function, so that each lie below is one line.
    struct Liar<F>(F);

    impl<F> fmt::Debug for Liar<F> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Liar")
        }
    }

    impl<F: Fn(&FingerprintContext<'_>) -> bool + Send + Sync> FingerprintSource for Liar<F> {
        fn choose(&self, cx: &FingerprintContext<'_>) -> ProfileId {
            if self.0(cx) {
                ProfileId::native()
            } else {
                ProfileId::new("lynx")
            }
        }
    }

    /// Checks a source that chooses what can be sent where `honest` says so.
    fn check(honest: impl Fn(&FingerprintContext<'_>) -> bool + Send + Sync) {
        conformance::source(&Liar(honest), &[ProfileId::native()]);
    }

    #[test]
    fn an_honest_function_conforms() {
        check(|_| true);
    }

    #[test]
    #[should_panic(expected = "chose `lynx` for FingerprintContext { host: \"192.0.2.1\"")]
    fn a_source_that_forgets_hosts_without_a_name_does_not_conform() {
        check(|cx| cx.host.parse::<std::net::IpAddr>().is_err());
    }

    #[test]
    #[should_panic(expected = "panicked for FingerprintContext { host: \"localhost\"")]
    fn a_source_that_expects_a_domain_does_not_conform() {
        check(|cx| !cx.host.split_once('.').expect("a domain").0.is_empty());
    }

    #[test]
    #[should_panic(expected = "partition: None")]
    fn a_source_that_expects_a_partition_does_not_conform() {
        check(|cx| cx.partition.expect("a tenant").len() < 1_000);
    }

    #[test]
    #[should_panic(expected = "panicked for")]
    fn a_source_that_expects_short_names_does_not_conform() {
        check(|cx| {
            let class = cx.source_class.unwrap_or_default();
            u8::try_from(class.len()).expect("a short name") < u8::MAX
        });
    }

    #[test]
    #[should_panic(expected = "chose `lynx`")]
    fn a_source_that_wears_out_does_not_conform() {
        let left = std::sync::atomic::AtomicUsize::new(2_000);
        let take = |left: usize| left.checked_sub(1);
        check(|_| {
            let relaxed = std::sync::atomic::Ordering::Relaxed;
            left.fetch_update(relaxed, relaxed, take).is_ok()
        });
    }
}
