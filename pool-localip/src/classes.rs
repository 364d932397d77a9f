//! Named sets of sources.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Weak};

use crate::options::{MAX_PER_ADDR, Options, SEED, STRATEGY, WHEN_BUSY};
use crate::{
    AddrSet, AllocContext, Exhausted, ExhaustedReason, Lease, LocalAddrAllocator, OptionDoc,
    OptionsError, SourceListener, Weighted,
};

/// Allocators by name: a dial that asks for a class gets an address of that one and no other.
///
/// One that asks for none takes turns among all of them. An unknown class is
/// [`UnknownClass`](ExhaustedReason::UnknownClass). The allocator of a class is not told the name, for it has only one set to
/// choose from.
#[derive(Debug, Default)]
pub struct Classes {
    by_name: BTreeMap<String, Arc<dyn LocalAddrAllocator>>,
    all: Weighted,
}

impl Classes {
    /// The name in a configuration.
    pub const NAME: &'static str = "classes";

    /// The options that [`from_options`](Self::from_options) knows.
    pub const OPTIONS: &'static [OptionDoc] = &[
        OptionDoc {
            key: "sources",
            meaning: "addresses and prefixes by class, separated by commas, as in eu=127.0.2.0/27, 127.0.3.1, us=127.0.4.0/27",
            default: None,
        },
        STRATEGY,
        SEED,
        WHEN_BUSY,
        MAX_PER_ADDR,
    ];

    /// No class yet; every ask is refused.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the allocator that a configuration describes: each class is an [`AddrSet`], to which the other options apply.
    ///
    /// # Errors
    ///
    /// [`OptionsError`] names the option that is missing, unknown or has an unusable value.
    pub fn from_options(options: &BTreeMap<String, String>) -> Result<Self, OptionsError> {
        let options = Options::new(options, Self::OPTIONS)?;
        let key = "sources";
        let text = options.text(key).ok_or(OptionsError::Missing { key })?;
        let mut sets: Vec<(&str, Vec<&str>)> = Vec::new();
        for entry in text.split(',') {
            let unnamed = || OptionsError::Value {
                key,
                value: entry.trim().to_owned(),
                expected: "a source after the name of its class, as in eu=127.0.2.0/27",
            };
            let source = match entry.split_once('=') {
                Some((name, source)) => {
                    let name = name.trim();
                    let is_new = sets.iter().all(|&(known, _)| known != name);
                    if name.is_empty() || !is_new {
                        return Err(OptionsError::Value {
                            key,
                            value: entry.trim().to_owned(),
                            expected: "a class with a name of its own, once",
                        });
                    }
                    sets.push((name, Vec::new()));
                    source
                }
                None => entry,
            };
            let (_, sources) = sets.last_mut().ok_or_else(unnamed)?;
            sources.push(source.trim());
        }
        let mut classes = Self::new();
        for (name, sources) in sets {
            let set = sources
                .join(",")
                .parse::<AddrSet>()
                .map_err(|source| OptionsError::Source { key, source })?;
            classes = classes.with(name, options.shape(set)?);
        }
        Ok(classes)
    }

    /// Adds a class.
    ///
    /// # Panics
    ///
    /// If there is one of this name.
    #[must_use]
    pub fn with(
        mut self,
        name: impl Into<String>,
        allocator: impl LocalAddrAllocator + 'static,
    ) -> Self {
        let (name, allocator) = (name.into(), Arc::new(allocator));
        self.all = self.all.with(1, allocator.clone());
        let before = self.by_name.insert(name, allocator);
        assert!(before.is_none(), "two classes of one name");
        self
    }
}

impl LocalAddrAllocator for Classes {
    fn allocate(&self, cx: &AllocContext<'_>) -> Result<Lease, Exhausted> {
        match cx.class {
            None => self.all.allocate(cx),
            Some(name) => match self.by_name.get(name) {
                Some(class) => class.allocate(&cx.with_class(None)),
                None => Err(Exhausted::new(ExhaustedReason::UnknownClass)),
            },
        }
    }

    fn sources(&self) -> Vec<IpAddr> {
        self.all.sources()
    }

    fn listen(&self, listener: Weak<dyn SourceListener>) {
        self.all.listen(listener);
    }
}
