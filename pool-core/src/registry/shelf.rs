//! The policies of one kind, by name.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::{OptionDoc, PolicyDoc, PolicyKind, RegistryError};
use crate::config::{PolicyConfig, Problem};
use crate::error::BoxError;

type Constructor<T> =
    Box<dyn Fn(&BTreeMap<String, String>) -> Result<Arc<T>, BoxError> + Send + Sync>;

pub(super) struct Shelf<T: ?Sized> {
    kind: PolicyKind,
    entries: BTreeMap<String, Entry<T>>,
}

struct Entry<T: ?Sized> {
    constructor: Constructor<T>,
    summary: String,
    options: Vec<OptionDoc>,
}

impl<T: ?Sized> Shelf<T> {
    pub(super) fn new(kind: PolicyKind) -> Self {
        Self {
            kind,
            entries: BTreeMap::new(),
        }
    }

    /// What was said about an earlier entry of this name goes with it.
    pub(super) fn put(
        &mut self,
        name: String,
        constructor: impl Fn(&BTreeMap<String, String>) -> Result<Arc<T>, BoxError>
        + Send
        + Sync
        + 'static,
    ) {
        let entry = Entry {
            constructor: Box::new(constructor),
            summary: String::new(),
            options: Vec::new(),
        };
        self.entries.insert(name, entry);
    }

    pub(super) fn describe(&mut self, name: &str, summary: String, options: Vec<OptionDoc>) {
        let kind = self.kind;
        let Some(entry) = self.entries.get_mut(name) else {
            panic!("no {kind} {name:?} is registered");
        };
        entry.summary = summary;
        entry.options = options;
    }

    pub(super) fn build(&self, policy: &PolicyConfig) -> Result<Arc<T>, RegistryError> {
        let entry = self.find(&policy.use_)?;
        (entry.constructor)(&policy.options)
            .map_err(|source| RegistryError::refused(self.kind, &policy.use_, source))
    }

    /// What is wrong with `policy`, which stands at `key` in its configuration.
    pub(super) fn check(&self, key: &str, policy: &PolicyConfig) -> Option<Problem> {
        let error = self.build(policy).err()?;
        let options = self.entries.get(&policy.use_).map(|entry| &entry.options);
        let options = options.map_or(&[][..], Vec::as_slice);
        Some(error.into_problem(key, policy, options))
    }

    /// As [`check`](Self::check), but without making the policy.
    pub(super) fn check_name(&self, key: &str, policy: &PolicyConfig) -> Option<Problem> {
        let error = self.find(&policy.use_).err()?;
        Some(error.into_problem(key, policy, &[]))
    }

    pub(super) fn list(&self) -> Vec<PolicyDoc> {
        self.entries
            .iter()
            .map(|(name, entry)| PolicyDoc {
                kind: self.kind,
                name: name.clone(),
                summary: entry.summary.clone(),
                options: entry.options.clone(),
            })
            .collect()
    }

    fn find(&self, name: &str) -> Result<&Entry<T>, RegistryError> {
        self.entries.get(name).ok_or_else(|| {
            let known = self.entries.keys().map(String::as_str);
            RegistryError::unknown(self.kind, name, known)
        })
    }
}

impl<T: ?Sized> fmt::Debug for Shelf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.entries.keys()).finish()
    }
}
