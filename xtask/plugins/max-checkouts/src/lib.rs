//! An eviction policy in a crate of its own: `[[eviction]] use = "max-checkouts" max = 7`.

#![forbid(unsafe_code)]

use pool_health::{EvictReason, EvictionContext, EvictionPolicy, Verdict};
use pool_health::{OptionDoc, Options, OptionsError};

/// Lets a connection go after `max` checkouts, before the server's own limit does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxCheckouts {
    max: u64,
}

impl MaxCheckouts {
    /// The name in configuration.
    pub const NAME: &'static str = "max-checkouts";
    /// The options it takes.
    pub const OPTIONS: [OptionDoc; 1] = [OptionDoc::new(
        "max",
        "how many requests it may serve",
        Some("100"),
    )];

    /// Reads `max`, by default 100.
    ///
    /// # Errors
    ///
    /// If `max` is not a number above zero, or there is any other option.
    pub fn from_options(options: &Options) -> Result<Self, OptionsError> {
        options.finish(&Self::OPTIONS)?;
        let max = options.number("max")?.unwrap_or(100);
        options.ensure("max", max > 0, "a number above zero")?;
        Ok(Self { max })
    }
}

impl EvictionPolicy for MaxCheckouts {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn judge(&self, cx: &EvictionContext<'_>) -> Verdict {
        Verdict::evict_if(cx.conn.uses >= self.max, EvictReason::Policy(Self::NAME))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pool_health::{ConnStats, conformance};
    use std::time::Instant;

    fn seven() -> MaxCheckouts {
        MaxCheckouts::from_options(&Options::from([("max", "7")])).expect("seven is a number")
    }

    #[test]
    fn a_connection_goes_at_its_seventh_checkout_and_not_before() {
        #[expect(
            clippy::disallowed_methods,
            reason = "any moment will do, and this is the way to one"
        )]
        let now = Instant::now();
        let mut conn = ConnStats::new(now);
        conn.uses = 6;
        assert_eq!(
            seven().judge(&EvictionContext::new(&conn, now)),
            Verdict::Keep
        );
        conn.uses = 7;
        let gone = Verdict::Evict(EvictReason::Policy("max-checkouts"));
        assert_eq!(seven().judge(&EvictionContext::new(&conn, now)), gone);
    }

    #[test]
    fn every_pool_can_live_with_it() {
        conformance::eviction(&seven());
    }

    #[test]
    fn options_that_make_no_sense_are_refused_by_name() {
        for (key, value) in [("max", "0"), ("max", "many"), ("mx", "7")] {
            let error = MaxCheckouts::from_options(&Options::from([(key, value)]))
                .expect_err("it makes no sense");
            assert_eq!(error.key(), key);
        }
    }
}
