//! Which addresses may be dialled at all: the trait that says, what it is asked and what it answers.

mod change;
mod list;
mod prefix;
mod rule;
mod table;
mod text;

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use crate::{OptionDoc, Options, OptionsError};

pub use self::change::{AccessChange, AccessChangeKind};
pub use self::list::PrefixList;
pub use self::prefix::{IpPrefix, ParsePrefixError};
pub use self::rule::{AccessAction, AccessRule};
pub use self::text::{
    Moment, ParseRulesError, RuleError, format_rules, parse_rules, parse_rules_as,
};

/// Decides whether a resolved address may be connected to.
///
/// - **Who calls, when, how often:** the pool, with an address as the resolver gave it: once when a lookup brings it, once before
///   each dial, and in each upkeep round for every address that a host has. What is denied is not dialled, and connections to
///   it are drained. Never for a request on an open connection, so an answer that changes takes effect within a round.
/// - **On which thread:** any, inside or outside a runtime; several at once. No lock of the pool is held.
/// - **Blocking:** never; the dial waits. A list that is changed meanwhile holds its lock for a moment only.
/// - **Panics** are contained, counted, and mean [`Access::Deny`]: a guard that cannot answer lets nobody pass.
/// - **Lies:** whoever is allowed is dialled, so a list used as an egress guard is as good as its answers. The name of the host proves
///   nothing: whoever controls its DNS chooses the addresses. An IPv4 address that comes in IPv6's clothes
///   (`::ffff:127.0.0.1`) reaches the same peer and must get the same answer.
///   [`conformance::access`](crate::conformance::access) looks for those that forget.
pub trait AccessList: fmt::Debug + Send + Sync {
    /// The list's name in configuration, logs and metrics: short, lower case, always the same.
    fn name(&self) -> &'static str;

    /// Judges one address.
    ///
    /// Between two changes of the list the same context gives the same answer. Rules that have expired at [`AccessContext::now`] have
    /// no say, whether [`expire`](Self::expire) was called or not.
    fn check(&self, cx: &AccessContext<'_>) -> Access;

    /// Takes out the rules that have expired at `now`, and returns them, each once.
    ///
    /// The pool calls this in each round of its clean-up and after lookups. It changes no answer: what has expired had no say before
    /// either. After a denial that has ended, every host that has addresses is looked up again. Where there are health checks, an
    /// address that was under it and is new to its host gets no request until a check of it has succeeded, as long as the host has another
    /// one; without health checks it joins like any other. Of several pools that share a list, one is told.
    fn expire(&self, now: Instant) -> Vec<AccessRule> {
        let _ = now;
        Vec::new()
    }
}

/// What a list is asked about: one resolved address of one host, at one moment.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct AccessContext<'a> {
    /// The address and port that would be dialled.
    pub target: SocketAddr,
    /// The host name that it was resolved from, or the address as text if there was none.
    pub host: &'a str,
    /// The moment of judging; the only clock there is.
    pub now: Instant,
}

impl<'a> AccessContext<'a> {
    /// `target`, an address of `host`, at `now`.
    pub const fn new(target: SocketAddr, host: &'a str, now: Instant) -> Self {
        Self { target, host, now }
    }

    /// The address without port and zone, an IPv4-mapped one (`::ffff:192.0.2.1`) as the IPv4 address that it reaches.
    pub fn addr(&self) -> IpAddr {
        self.target.ip().to_canonical()
    }
}

/// Whether an address may be dialled. Exhaustive on purpose: there is nothing in between.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Access {
    /// It may.
    Allow,
    /// It must not.
    Deny(Denied),
}

impl Access {
    /// `Deny` for `reason`.
    pub fn deny(reason: impl Into<Arc<str>>) -> Self {
        Self::Deny(Denied::new(reason))
    }

    /// Whether it may be dialled.
    pub const fn is_allowed(&self) -> bool {
        matches!(self, Self::Allow)
    }
}

/// Why an address must not be dialled: an error for whoever asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Denied {
    /// Why, for people; empty if nobody said.
    pub reason: Arc<str>,
    /// The rule that decided; `None` if it was no prefix.
    pub prefix: Option<IpPrefix>,
    /// Where that rule comes from: a file, `config`, a component.
    pub source: Option<Arc<str>>,
    /// When the rule ends; `None` if it stays until it is removed.
    pub expires: Option<Instant>,
}

impl Denied {
    /// Denied for `reason`, by no particular rule.
    pub fn new(reason: impl Into<Arc<str>>) -> Self {
        Self {
            reason: reason.into(),
            prefix: None,
            source: None,
            expires: None,
        }
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("denied")?;
        if let Some(prefix) = &self.prefix {
            write!(f, " by {prefix}")?;
        }
        if let Some(source) = &self.source {
            write!(f, " of {source}")?;
        }
        if self.reason.is_empty() {
            return Ok(());
        }
        write!(f, ": {}", self.reason)
    }
}

impl Error for Denied {}

/// Allows every address: the null list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AllowAll;

impl AllowAll {
    /// The name in configuration.
    pub const NAME: &'static str = "none";
    /// It takes no options.
    pub const OPTIONS: &'static [OptionDoc] = &[];

    /// Reads the list from configuration.
    ///
    /// # Errors
    ///
    /// If there is any option.
    pub fn from_options(options: &Options) -> Result<Self, OptionsError> {
        options.finish(Self::OPTIONS)?;
        Ok(Self)
    }
}

impl AccessList for AllowAll {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn check(&self, _: &AccessContext<'_>) -> Access {
        Access::Allow
    }
}

impl<T: AccessList + ?Sized> AccessList for Box<T> {
    fn name(&self) -> &'static str {
        T::name(self)
    }

    fn check(&self, cx: &AccessContext<'_>) -> Access {
        T::check(self, cx)
    }

    fn expire(&self, now: Instant) -> Vec<AccessRule> {
        T::expire(self, now)
    }
}

impl<T: AccessList + ?Sized> AccessList for Arc<T> {
    fn name(&self) -> &'static str {
        T::name(self)
    }

    fn check(&self, cx: &AccessContext<'_>) -> Access {
        T::check(self, cx)
    }

    fn expire(&self, now: Instant) -> Vec<AccessRule> {
        T::expire(self, now)
    }
}

fn _assert_dyn_compatible(_: &dyn AccessList) {}
