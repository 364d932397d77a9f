//! A health check in a crate of its own: `[[health]] use = "says-ok" path = "/up"`.

#![forbid(unsafe_code)]

use pool_health::{HealthCheck, Probe, ProbeRequest, Unhealthy};
use pool_health::{OptionDoc, Options, OptionsError};

/// Finds a connection healthy if the application behind it answers with a body that begins with `ok`, whatever the status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaysOk {
    path: String,
}

impl SaysOk {
    /// The name in configuration.
    pub const NAME: &'static str = "says-ok";
    /// The options it takes.
    pub const OPTIONS: [OptionDoc; 1] = [OptionDoc::new("path", "where to ask", Some("/health"))];

    /// Reads `path`, by default `/health`.
    ///
    /// # Errors
    ///
    /// If `path` does not begin with a slash, or there is any other option.
    pub fn from_options(options: &Options) -> Result<Self, OptionsError> {
        options.finish(&Self::OPTIONS)?;
        let path = options.text("path").unwrap_or("/health").to_owned();
        options.ensure("path", path.starts_with('/'), "a path that begins with /")?;
        Ok(Self { path })
    }
}

#[async_trait::async_trait]
impl HealthCheck for SaysOk {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    async fn check(&self, probe: &mut dyn Probe) -> Result<(), Unhealthy> {
        let response = probe
            .request(&ProbeRequest::new("GET", &self.path).max_body(2))
            .await?;
        let well = response.body == b"ok";
        if well {
            Ok(())
        } else {
            Err(Unhealthy::new("not-ok"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pool_health::conformance;

    fn check(key: &str, value: &str) -> Result<SaysOk, OptionsError> {
        SaysOk::from_options(&Options::from([(key, value)]))
    }

    #[tokio::test]
    async fn every_pool_can_live_with_it() {
        conformance::health_check(&check("path", "/up").expect("it is a path")).await;
    }

    #[test]
    fn options_that_make_no_sense_are_refused_by_name() {
        for (key, value) in [("path", "up"), ("pth", "/up")] {
            assert_eq!(check(key, value).expect_err("it makes no sense").key(), key);
        }
    }
}
