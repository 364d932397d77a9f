//! One rule: a prefix, what is to happen with it, until when and why.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::IpPrefix;

/// What a rule does with the addresses of its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AccessAction {
    /// Lets them be dialled.
    Allow,
    /// Keeps them from being dialled.
    Deny,
}

impl AccessAction {
    /// The action as it is written in a file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::Allow, Self::Deny]
            .into_iter()
            .find(|action| action.as_str() == text)
    }
}

impl fmt::Display for AccessAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Allows or denies the addresses of one prefix, for a while or until it is removed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccessRule {
    /// The addresses.
    pub prefix: IpPrefix,
    /// What to do with them.
    pub action: AccessAction,
    /// From when on the rule has no say; `None` if it stays until it is removed.
    pub expires: Option<Instant>,
    /// Why, for people: one line, empty if nobody said.
    pub reason: Arc<str>,
}

impl AccessRule {
    /// `action` for `prefix`, until it is removed, for no particular reason.
    pub fn new(action: AccessAction, prefix: impl Into<IpPrefix>) -> Self {
        Self {
            prefix: prefix.into(),
            action,
            expires: None,
            reason: Arc::default(),
        }
    }

    /// Allows `prefix`.
    pub fn allow(prefix: impl Into<IpPrefix>) -> Self {
        Self::new(AccessAction::Allow, prefix)
    }

    /// Denies `prefix`.
    pub fn deny(prefix: impl Into<IpPrefix>) -> Self {
        Self::new(AccessAction::Deny, prefix)
    }

    /// Ends the rule `ttl` after `now`: at exactly that moment it has no say any more.
    ///
    /// With a `ttl` of zero it never has one and is reported as expired in the next round, so that its address is tried. One that no clock
    /// reaches means until it is removed.
    #[must_use]
    pub fn lasting(mut self, ttl: Duration, now: Instant) -> Self {
        self.expires = now.checked_add(ttl);
        self
    }

    /// Says why. Line breaks and other control characters become blanks.
    #[must_use]
    pub fn reason(mut self, reason: &str) -> Self {
        self.reason = if reason.contains(char::is_control) {
            reason.replace(char::is_control, " ").trim().into()
        } else {
            reason.trim().into()
        };
        self
    }

    /// Whether its time is over.
    pub fn is_expired(&self, now: Instant) -> bool {
        self.expires.is_some_and(|at| at <= now)
    }
}
