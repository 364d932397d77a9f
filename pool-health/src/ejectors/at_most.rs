//! A bound on how many of a host's endpoints are out at once.

use crate::{OptionDoc, Options, OptionsError, OutlierContext, OutlierPolicy, OutlierVerdict};

/// Ejects only while at most a share of the host's endpoints is out: made by [`OutlierPolicy::at_most`].
///
/// Where many look bad at once, the fault is rather on our side or in the host as a whole, and those that are left would have to carry all
/// of the load. One may always go, unless it is the last.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AtMost<P> {
    policy: P,
    share: f64,
}

impl<P> AtMost<P> {
    /// The option of every built-in policy that bounds the share.
    pub(super) const OPTION: OptionDoc = OptionDoc::new(
        "max_share",
        "the share of a host's addresses that may be out at once, as a fraction above 0 and up to 1; the last one never goes",
        Some("1"),
    );

    pub(crate) const fn new(policy: P, share: f64) -> Self {
        assert!(
            share > 0.0 && share <= 1.0,
            "a share is a fraction above 0 and up to 1"
        );
        Self { policy, share }
    }

    pub(super) fn from_options(policy: P, options: &Options) -> Result<Self, OptionsError> {
        let share = options.number("max_share")?.unwrap_or(1.0);
        options.ensure(
            "max_share",
            share > 0.0 && share <= 1.0,
            "a number above 0 and up to 1",
        )?;
        Ok(Self { policy, share })
    }
}

impl<P: OutlierPolicy> OutlierPolicy for AtMost<P> {
    /// That of the policy: this is an option of it.
    fn name(&self) -> &'static str {
        self.policy.name()
    }

    fn judge(&self, cx: &OutlierContext<'_>) -> OutlierVerdict {
        let out_with_it = cx.host.ejected.saturating_add(1);
        // 29 of a hundred are within 0.29, which times a hundred is a little less.
        let within = out_with_it as f64 <= cx.host.total as f64 * self.share + 1e-6;
        if within || out_with_it == 1 {
            self.policy.judge(cx)
        } else {
            OutlierVerdict::Keep
        }
    }

    fn failures_only(&self) -> bool {
        self.policy.failures_only()
    }
}
