//! What has changed in a list, for whoever writes it to a file.

use std::sync::Arc;

use super::AccessRule;

/// One change of a [`PrefixList`](super::PrefixList).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccessChange {
    /// Counts the changes of the list, beginning with 1. Changes made at the same time may be told in another order than they were
    /// made: the highest revision is the latest.
    pub revision: u64,
    /// The source whose rules have changed.
    pub source: Arc<str>,
    /// What happened to them.
    pub kind: AccessChangeKind,
}

/// What happened to the rules of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccessChangeKind {
    /// This rule came, or took the place of another for the same prefix.
    Inserted(AccessRule),
    /// This rule was taken away by hand.
    Removed(AccessRule),
    /// This rule's time was over.
    Expired(AccessRule),
    /// All rules of the source gave way to others.
    #[non_exhaustive]
    Replaced {
        /// Rules before.
        before: usize,
        /// Rules after.
        after: usize,
    },
}
