//! Which values make sense, alone and together.

use std::fmt::Display;
use std::time::Duration;

use pool_tls::fidelity::Fidelity;

use super::{
    Config, ConfigError, Dial, Fingerprint, Http1, Http2, Limits, PolicyConfig, Problem, Retry,
    Timeouts, Upkeep, format_duration,
};

impl Config {
    /// Checks every value, and every pair that depends on each other.
    ///
    /// Names of policies and their options are not looked at, beyond that there is a name:
    /// [`Registry::check`](crate::registry::Registry::check) does that.
    ///
    /// # Errors
    ///
    /// All problems at once, each with its key, its value, what is wrong and what to do.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let Self {
            protocols: _,
            conn_info: _,
            limits,
            timeouts,
            http1,
            http2,
            dial,
            retry,
            upkeep,
            eviction,
            health,
            outlier,
            access,
            selector,
            localip,
            tls,
            fingerprint,
        } = self;
        let mut found = Found(Vec::new());
        limits.check(&mut found);
        timeouts.check(&mut found);
        http1.check(&mut found);
        http2.check(&mut found);
        dial.check(&mut found);
        retry.check(&mut found);
        upkeep.check(&mut found);
        for (section, policies) in [
            ("eviction", eviction),
            ("health", health),
            ("outlier", outlier),
            ("access", access),
        ] {
            for (i, policy) in policies.iter().enumerate() {
                policy.check(&format!("{section}[{i}]"), &mut found);
            }
        }
        selector.check("selector", &mut found);
        localip.check("localip", &mut found);
        tls.check("tls", &mut found);
        fingerprint.check(&mut found);
        ConfigError::unless_empty(found.0)
    }
}

// Every `check` takes its struct apart without `..`: a new field does not compile until somebody has thought about it.

impl Limits {
    fn check(&self, found: &mut Found) {
        let Self {
            per_host,
            per_site,
            per_endpoint,
            total,
            dials_per_host,
            dials_total,
            waiters_per_host,
            waiters_total,
            idle_per_host,
            idle_total,
            streams_per_conn,
            hosts,
            fair_turn,
            min_reclaim_idle: _,
        } = *self;
        for (key, value) in [
            ("limits.per_host", per_host),
            ("limits.per_endpoint", per_endpoint),
            ("limits.total", total),
            ("limits.dials_per_host", dials_per_host),
            ("limits.dials_total", dials_total),
            ("limits.streams_per_conn", streams_per_conn),
            ("limits.hosts", hosts),
            ("limits.fair_turn", fair_turn),
        ] {
            found.at_least(key, value, 1);
        }
        // Dials above connections are no mistake: the defaults are, for whoever lowers `per_host` or `total` alone.
        found.within(("limits.per_host", per_host), ("limits.total", total));
        if let Some(per_site) = per_site.filter(|&most| most < per_host) {
            found.add(
                "limits.per_site",
                per_site,
                format!("below limits.per_host = {per_host}"),
                "raise it, or lower limits.per_host",
            );
        }
        found.within(
            ("limits.per_endpoint", per_endpoint),
            ("limits.per_host", per_host),
        );
        found.within(
            ("limits.dials_per_host", dials_per_host),
            ("limits.dials_total", dials_total),
        );
        found.within(
            ("limits.waiters_per_host", waiters_per_host),
            ("limits.waiters_total", waiters_total),
        );
        found.within(
            ("limits.idle_per_host", idle_per_host),
            ("limits.per_host", per_host),
        );
        found.within(("limits.idle_total", idle_total), ("limits.total", total));
    }
}

impl Timeouts {
    fn check(&self, found: &mut Found) {
        let Self {
            acquire,
            resolve,
            connect,
            handshake,
            response_head,
            body_idle,
            drain: _,
        } = *self;
        for (key, value) in [
            ("timeouts.acquire", acquire),
            ("timeouts.resolve", resolve),
            ("timeouts.connect", connect),
            ("timeouts.handshake", handshake),
            ("timeouts.response_head", response_head),
            ("timeouts.body_idle", body_idle),
        ] {
            found.not_zero(key, value);
        }
    }
}

impl Http1 {
    fn check(&self, found: &mut Found) {
        let Self {
            engine: _,
            buffer,
            headers,
        } = *self;
        found.at_least("http1.buffer", buffer, 8192);
        found.at_least("http1.headers", headers, 1);
    }
}

impl Http2 {
    fn check(&self, found: &mut Found) {
        let Self {
            connections,
            ping_interval,
            ping_timeout,
            stream_window,
            connection_window,
            frame,
            header_list,
        } = *self;
        // More than `limits.per_host` is no mistake: the default is, for whoever sets that to 1.
        found.at_least("http2.connections", connections, 1);
        found.not_zero("http2.ping_interval", ping_interval);
        found.not_zero("http2.ping_timeout", ping_timeout);
        if ping_timeout == Duration::MAX && ping_interval != Duration::MAX {
            found.add(
                "http2.ping_timeout",
                quoted(ping_timeout),
                "a silent peer would be asked and never given up",
                "set a time such as \"5s\", or http2.ping_interval to \"never\"",
            );
        }
        const WINDOW_MAX: u32 = (1 << 31) - 1;
        found.between("http2.stream_window", stream_window, 1, WINDOW_MAX);
        found.between(
            "http2.connection_window",
            connection_window,
            65_535,
            WINDOW_MAX,
        );
        found.between("http2.frame", frame, 16_384, (1 << 24) - 1);
        found.at_least("http2.header_list", header_list as usize, 1);
    }
}

/// RFC 8305 section 8: the Minimum Connection Attempt Delay must not be less.
const ATTEMPT_DELAY_MIN: Duration = Duration::from_millis(10);

impl Dial {
    fn check(&self, found: &mut Found) {
        let Self {
            backoff_base,
            backoff_max,
            attempt_delay,
            jitter,
            max_addresses,
            send_buffer,
            receive_buffer,
            freebind: _,
            ref device,
            mark: _,
            when_busy: _,
        } = *self;
        found.not_zero("dial.backoff_base", backoff_base);
        found.not_zero("dial.backoff_max", backoff_max);
        if backoff_max < backoff_base {
            found.add(
                "dial.backoff_max",
                quoted(backoff_max),
                format!("below dial.backoff_base = {}", quoted(backoff_base)),
                "raise it, or lower dial.backoff_base",
            );
        }
        if attempt_delay < ATTEMPT_DELAY_MIN {
            found.add(
                "dial.attempt_delay",
                quoted(attempt_delay),
                "a healthy address would be taken for a silent one",
                "set at least 10ms, the least that RFC 8305 allows, or \"never\" to try one address after the other",
            );
        }
        // A NaN is in no range, so it is caught too.
        if !(0.0..=1.0).contains(&jitter) {
            found.add(
                "dial.jitter",
                jitter,
                "not a part of a whole",
                "set a number from 0 to 1",
            );
        }
        found.at_least("dial.max_addresses", max_addresses, 1);
        // The kernel doubles them, in a number of 31 bits.
        for (key, bytes) in [
            ("dial.send_buffer", send_buffer),
            ("dial.receive_buffer", receive_buffer),
        ] {
            if bytes > 0 {
                found.between(key, bytes, 4096, 1 << 30);
            }
        }
        if let Some(device) = device {
            // As the kernel takes names: shorter than IFNAMSIZ, no slash and no white space.
            let is_name = |c: char| c != '/' && c != ':' && !c.is_whitespace() && c != '\0';
            if device.is_empty() || device.len() > 15 || !device.chars().all(is_name) {
                found.add(
                    "dial.device",
                    format!("{device:?}"),
                    "no name of an interface",
                    "set one of those that `ip link` lists",
                );
            }
        }
    }
}

impl Retry {
    fn check(&self, found: &mut Found) {
        let Self {
            max_attempts,
            budget_percent,
            budget_min: _,
        } = *self;
        found.at_least("retry.max_attempts", max_attempts as usize, 1);
        found.between("retry.budget_percent", budget_percent, 0, 100);
    }
}

impl Upkeep {
    fn check(&self, found: &mut Found) {
        let Self {
            health_interval,
            health_concurrency,
            health_fall,
            health_rise,
            health_timeout,
            alive_bypass: _,
            idle_interval,
            lifetime_interval,
            refresh_interval,
        } = *self;
        found.not_zero("upkeep.health_interval", health_interval);
        found.at_least("upkeep.health_concurrency", health_concurrency, 1);
        found.at_least("upkeep.health_fall", health_fall as usize, 1);
        found.at_least("upkeep.health_rise", health_rise as usize, 1);
        found.not_zero("upkeep.health_timeout", health_timeout);
        found.not_zero("upkeep.idle_interval", idle_interval);
        found.not_zero("upkeep.lifetime_interval", lifetime_interval);
        found.not_zero("upkeep.refresh_interval", refresh_interval);
    }
}

impl PolicyConfig {
    fn check(&self, section: &str, found: &mut Found) {
        if self.use_.trim().is_empty() {
            found.add(
                format!("{section}.use"),
                format!("{:?}", self.use_),
                "no policy is named so",
                "set the name of a policy",
            );
        }
    }
}

impl Fingerprint {
    fn check(&self, found: &mut Found) {
        let Self {
            profile,
            profiles,
            per: _,
            source,
            seed: _,
            require,
        } = self;
        if let Some(source) = source {
            source.check("fingerprint.source", found);
        }
        if self.is_ambiguous() {
            found.add(
                "fingerprint.profile",
                format!("{profile:?}"),
                "there are fingerprint.profiles too",
                "leave one of them out",
            );
        }
        for (key, name) in self.names() {
            if name.trim().is_empty() {
                found.add(
                    key,
                    format!("{name:?}"),
                    "no profile is named so",
                    "set the name of a profile, or native",
                );
            }
        }
        if !profiles.is_empty() && profiles.iter().all(|profile| profile.weight == 0) {
            found.add(
                "fingerprint.profiles[0].weight",
                0,
                "no profile has a weight above zero",
                "set a weight, or leave it out for 1",
            );
        }
        if *require > Fidelity::Native && self.names().is_empty() {
            found.add(
                "fingerprint.require",
                format!("{:?}", require.name()),
                "there is no profile that a hello could come near to",
                "set fingerprint.profile, or leave this out",
            );
        }
    }
}

/// The problems found so far.
struct Found(Vec<Problem>);

impl Found {
    fn add(
        &mut self,
        key: impl Into<String>,
        value: impl Display,
        wrong: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.0.push(Problem {
            key: key.into(),
            value: value.to_string(),
            wrong: wrong.into(),
            fix: fix.into(),
        });
    }

    fn at_least(&mut self, key: &str, value: usize, least: usize) {
        if value < least {
            let wrong = if value == 0 {
                "zero is too few"
            } else {
                "too small"
            };
            self.add(key, value, wrong, format!("set {least} or more"));
        }
    }

    fn between(&mut self, key: &str, value: u32, least: u32, most: u32) {
        if !(least..=most).contains(&value) {
            let wrong = if value < least {
                "too small"
            } else {
                "too large"
            };
            self.add(key, value, wrong, format!("set {least} to {most}"));
        }
    }

    fn not_zero(&mut self, key: &str, value: Duration) {
        if value.is_zero() {
            self.add(
                key,
                quoted(value),
                "there is no time in it",
                "set a time such as \"5s\", or \"never\"",
            );
        }
    }

    /// A bound on a part that is looser than the bound on the whole can never be reached: one of the two is not what
    /// was meant. Zero has its own message, and unlimited means "as the whole".
    fn within(&mut self, part: (&str, usize), whole: (&str, usize)) {
        if part.1 > whole.1 && part.1 != usize::MAX && whole.1 != 0 {
            self.add(
                part.0,
                part.1,
                format!("above {} = {}, so it is never reached", whole.0, whole.1),
                format!("lower it to {} or less, or raise {}", whole.1, whole.0),
            );
        }
    }
}

/// A duration as a file would have it.
fn quoted(duration: Duration) -> String {
    format!("{:?}", format_duration(duration))
}

#[cfg(test)]
mod tests;
