//! An access list in a crate of its own: `[[access]] use = "rebind-guard" suffix = ".internal"`.

#![forbid(unsafe_code)]

use pool_health::{Access, AccessContext, AccessList, IpPrefix, OptionDoc, Options, OptionsError};

/// Denies private addresses to every name that does not end in `suffix`: whoever controls the DNS of another name chooses its
/// addresses, and may choose one of yours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RebindGuard {
    suffix: String,
}

impl RebindGuard {
    /// The name in configuration.
    pub const NAME: &'static str = "rebind-guard";
    /// The options it takes.
    pub const OPTIONS: [OptionDoc; 1] = [OptionDoc::new(
        "suffix",
        "how names end that may lead to private addresses",
        None,
    )];

    /// Reads `suffix`, which must be there.
    ///
    /// # Errors
    ///
    /// If `suffix` is missing or does not begin with a dot, or there is any other option.
    pub fn from_options(options: &Options) -> Result<Self, OptionsError> {
        options.finish(&Self::OPTIONS)?;
        let suffix = options.required("suffix")?.to_ascii_lowercase();
        options.ensure("suffix", suffix.starts_with('.'), "a dot and a domain")?;
        Ok(Self { suffix })
    }
}

impl AccessList for RebindGuard {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn check(&self, cx: &AccessContext<'_>) -> Access {
        let private = IpPrefix::PRIVATE.iter().any(|own| own.contains(cx.addr()));
        if private && !cx.host.ends_with(&self.suffix) {
            return Access::deny("a private address, and the name is not one of ours");
        }
        Access::Allow
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pool_health::conformance;
    use std::time::Instant;

    fn guard(key: &str, value: &str) -> Result<RebindGuard, OptionsError> {
        RebindGuard::from_options(&Options::from([(key, value)]))
    }

    #[test]
    fn only_names_of_ours_lead_inside() {
        #[expect(
            clippy::disallowed_methods,
            reason = "any moment will do, and this is the way to one"
        )]
        let now = Instant::now();
        let guard = guard("suffix", ".Internal").expect("it is a suffix");
        for (host, target, allowed) in [
            ("db.internal", "10.0.0.1:443", true),
            ("db.example", "10.0.0.1:443", false),
            ("db.example", "[::ffff:10.0.0.1]:443", false),
            ("127.0.0.1", "127.0.0.1:443", false),
            ("db.example", "198.41.0.4:443", true),
        ] {
            let target = target.parse().expect("an address");
            let answer = guard.check(&AccessContext::new(target, host, now));
            assert_eq!(answer.is_allowed(), allowed, "{host} at {target}");
        }
    }

    #[test]
    fn every_pool_can_live_with_it() {
        conformance::access(&guard("suffix", ".internal").expect("it is a suffix"));
    }

    #[test]
    fn options_that_make_no_sense_are_refused_by_name() {
        for (key, value) in [("suffix", "internal"), ("sufix", ".internal")] {
            assert_eq!(guard(key, value).expect_err("it makes no sense").key(), key);
        }
        let missing = RebindGuard::from_options(&Options::new());
        assert_eq!(missing.expect_err("it is needed").key(), "suffix");
    }
}
