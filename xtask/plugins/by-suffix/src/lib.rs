//! A source of fingerprints in a crate of its own: `[fingerprint.source]` with `use = "by-suffix"`, `suffix = ".example"` and
//! `profile = "chromium-156"`.

#![forbid(unsafe_code)]

use pool_tls::{FingerprintContext, FingerprintSource, ProfileId};
use std::collections::BTreeMap;

/// Lets requests to hosts whose name ends in `suffix` travel under `profile`, and all others under the backend's own hello.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BySuffix {
    suffix: String,
    profile: ProfileId,
}

impl BySuffix {
    /// The name in configuration.
    pub const NAME: &'static str = "by-suffix";

    /// Reads `suffix` and `profile`, which must both be there.
    ///
    /// # Errors
    ///
    /// If one of them is missing, or there is any other option.
    pub fn from_options(options: &BTreeMap<String, String>) -> Result<Self, String> {
        let known = |key: &str| ["suffix", "profile"].contains(&key);
        if let Some(unknown) = options.keys().find(|key| !known(key)) {
            return Err(format!(
                "unknown option {unknown:?}, there are \"suffix\" and \"profile\""
            ));
        }
        let missing = |key: &str| format!("option {key:?} is missing");
        let get = |key| options.get(key).ok_or_else(|| missing(key));
        Ok(Self {
            suffix: get("suffix")?.to_ascii_lowercase(),
            profile: ProfileId::new(get("profile")?.as_str()),
        })
    }
}

impl FingerprintSource for BySuffix {
    fn choose(&self, cx: &FingerprintContext<'_>) -> ProfileId {
        let host = cx.host.trim_end_matches('.').to_ascii_lowercase();
        if host.ends_with(&self.suffix) {
            self.profile.clone()
        } else {
            ProfileId::native()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pool_tls::conformance;

    fn source(options: &[(&str, &str)]) -> Result<BySuffix, String> {
        let options = options
            .iter()
            .map(|(key, value)| (key.to_string(), value.to_string()));
        BySuffix::from_options(&options.collect())
    }

    #[test]
    fn every_pool_can_live_with_it() {
        let profile = ProfileId::new("p");
        for suffix in [".com", "com", "example.com", ""] {
            let source = source(&[("suffix", suffix), ("profile", "p")]).expect("both are there");
            conformance::source(&source, &[ProfileId::native(), profile.clone()]);
        }
    }

    #[test]
    fn a_host_is_below_its_domain_however_it_is_written() {
        let source = source(&[("suffix", ".example"), ("profile", "p")]).expect("both are there");
        for (host, below) in [
            ("a.example", true),
            ("A.EXAMPLE.", true),
            ("example.com", false),
        ] {
            let chosen = source.choose(&FingerprintContext::new(host, 443));
            assert_eq!(chosen == ProfileId::new("p"), below, "{host}");
        }
    }

    #[test]
    fn options_that_make_no_sense_are_refused_by_name() {
        let error = source(&[("suffix", ".example")]).expect_err("half of it");
        assert!(error.contains("profile"), "{error}");
        let error = source(&[("sufix", ".example"), ("profile", "p")]).expect_err("misspelt");
        assert!(error.contains("sufix"), "{error}");
    }
}
