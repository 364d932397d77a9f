//! Connections whose server's certificate ends.

use std::time::Duration;

use crate::{
    EvictReason, EvictionContext, EvictionPolicy, OptionDoc, Options, OptionsError, Verdict,
};

/// Evicts a connection before its server's certificate ends: nobody checks it again while the connection lives, and a new one gets the
/// certificate that has been renewed meanwhile.
///
/// A connection goes at exactly `within` before the end and after, in use or not. One that was opened with no more than that left stays until the end:
/// the server had no newer certificate then, and another connection would get the same. Where
/// [`ConnStats::certificate_ends`](crate::ConnStats::certificate_ends) is not known nothing is evicted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CertificateEnd {
    within: Duration,
}

impl CertificateEnd {
    /// The name in configuration.
    pub const NAME: &'static str = "certificate";
    /// The options it takes.
    pub const OPTIONS: &'static [OptionDoc] = &[OptionDoc::new(
        "within",
        "how long before the end of its server's certificate a connection goes",
        Some("0s"),
    )];

    /// Evicts `within` before the end.
    pub const fn new(within: Duration) -> Self {
        Self { within }
    }

    /// Reads the policy from configuration.
    ///
    /// # Errors
    ///
    /// If `within` is not a duration, or an option is unknown.
    pub fn from_options(options: &Options) -> Result<Self, OptionsError> {
        options.finish(Self::OPTIONS)?;
        Ok(Self::new(options.duration("within")?.unwrap_or_default()))
    }
}

impl EvictionPolicy for CertificateEnd {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn judge(&self, cx: &EvictionContext<'_>) -> Verdict {
        let left = |at| cx.conn.certificate_left(at).unwrap_or(Duration::MAX);
        let now = left(cx.now);
        let ends = now <= self.within && (now.is_zero() || left(cx.conn.created) > self.within);
        Verdict::evict_if(ends, EvictReason::Certificate)
    }
}
