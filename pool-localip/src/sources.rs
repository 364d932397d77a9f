//! Everything that a configuration can say about sources, in one allocator.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Weak};

use crate::options::{EXCLUDE, MAX_PER_ADDR, Options, SEED, STRATEGY, WHEN_BUSY};
use crate::spec::parse_all;
use crate::{
    AddrSet, AllocContext, Caps, Cooldown, Exhausted, Lease, LocalAddrAllocator, OptionDoc,
    OptionsError, Outcome, PortBudget, RestScope, SourceListener, Strategy, WorkingSet,
    WorkingSetHandle,
};

/// An [`AddrSet`], or another allocator of a configuration, in the wrappers that it asks for.
///
/// From the inside out: the set, cut by [`slice`](AddrSet::slice) and [`without`](AddrSet::without), with its strategy and limit; a
/// [`WorkingSet`], [`Caps`], a [`PortBudget`], a [`Cooldown`].
#[derive(Debug)]
pub struct Sources {
    outermost: Arc<dyn LocalAddrAllocator>,
    working_set: Option<WorkingSetHandle>,
}

impl Sources {
    /// The name in a configuration.
    pub const NAME: &'static str = "sources";

    /// The options that [`from_options`](Self::from_options) knows.
    pub const OPTIONS: &'static [OptionDoc] = &[
        OptionDoc {
            key: "sources",
            meaning: "addresses and prefixes, IPv4 and IPv6, separated by commas",
            default: None,
        },
        OptionDoc {
            key: "slice",
            meaning: "which share this process uses of how many, counted from 0: 0/2 and 1/2 never meet",
            default: Some("all"),
        },
        EXCLUDE,
        STRATEGY,
        SEED,
        WHEN_BUSY,
        MAX_PER_ADDR,
        WORKING_SET,
        MAX_PER_TARGET,
        PORTS,
        COOLDOWN,
    ];

    /// Makes the allocator that a configuration describes.
    ///
    /// # Errors
    ///
    /// [`OptionsError`] names the option that is missing, unknown or has an unusable value.
    pub fn from_options(options: &BTreeMap<String, String>) -> Result<Self, OptionsError> {
        let options = Options::new(options, Self::OPTIONS)?;
        let of = |key| move |source| OptionsError::Source { key, source };
        let mut set: AddrSet = options.required("sources")?;
        let slice = options.read("slice", "a share such as 0/2, counted from 0", |text| {
            let (index, of) = text.split_once('/')?;
            let (index, of) = (index.parse::<u32>().ok()?, of.parse().ok()?);
            (index < of).then_some((index, of))
        })?;
        if let Some((index, n)) = slice {
            set = set.slice(index, n).map_err(of("slice"))?;
        }
        if let Some(excluded) = options.text(EXCLUDE.key) {
            let excluded = parse_all(excluded).map_err(of(EXCLUDE.key))?;
            set = set.without(excluded).map_err(of(EXCLUDE.key))?;
        }
        Self::wrap(Arc::new(options.shape(set)?), &options)
    }

    /// The allocator in the wrappers that the options ask for: [`WORKING_SET`], [`MAX_PER_TARGET`], [`PORTS`] and [`COOLDOWN`].
    pub(crate) fn wrap(
        mut outermost: Arc<dyn LocalAddrAllocator>,
        options: &Options<'_>,
    ) -> Result<Self, OptionsError> {
        let mut handle = None;
        if let Some(size) = options.above_zero(WORKING_SET.key)? {
            if let Strategy::Sticky { .. } = options.strategy()? {
                return Err(OptionsError::Value {
                    key: WORKING_SET.key,
                    value: size.to_string(),
                    expected: "possible with a sticky strategy, for the addresses of a working set take turns",
                });
            }
            let working_set = WorkingSet::new(outermost, size);
            handle = Some(working_set.handle());
            outermost = Arc::new(working_set);
        }
        if let Some(connections) = options.above_zero(MAX_PER_TARGET.key)? {
            outermost = Arc::new(Caps::new(outermost).per_target(connections));
        }
        if let Some(ports) = options.above_zero(PORTS.key)? {
            outermost = Arc::new(PortBudget::new(outermost, ports));
        }
        outermost = match options.duration(COOLDOWN.key)? {
            None => Arc::new(Cooldown::new(outermost)),
            Some(time) if time.is_zero() => outermost,
            Some(time) => {
                let cooldown = Cooldown::new(outermost)
                    .rest(Outcome::AddrInUse, RestScope::AddrAndTarget, time)
                    .rest(Outcome::Unbindable, RestScope::Addr, time);
                Arc::new(cooldown)
            }
        };
        Ok(Self {
            outermost,
            working_set: handle,
        })
    }

    /// The handle of the working set; `None` if the configuration has none.
    pub fn working_set(&self) -> Option<WorkingSetHandle> {
        self.working_set.clone()
    }
}

impl LocalAddrAllocator for Sources {
    fn allocate(&self, cx: &AllocContext<'_>) -> Result<Lease, Exhausted> {
        self.outermost.allocate(cx)
    }

    fn sources(&self) -> Vec<IpAddr> {
        self.outermost.sources()
    }

    fn listen(&self, listener: Weak<dyn SourceListener>) {
        self.outermost.listen(listener);
    }
}

pub(crate) const WORKING_SET: OptionDoc = OptionDoc {
    key: "working_set",
    meaning: "how many addresses are used at a time, per family, in turn; strategy says which",
    default: Some("all"),
};

pub(crate) const MAX_PER_TARGET: OptionDoc = OptionDoc {
    key: "max_per_target",
    meaning: "connections at a time per address and target",
    default: Some("unlimited"),
};

pub(crate) const PORTS: OptionDoc = OptionDoc {
    key: "ports",
    meaning: "ports of one address towards one target, of which a closed connection keeps its own for 60s",
    default: Some("not counted"),
};

pub(crate) const COOLDOWN: OptionDoc = OptionDoc {
    key: "cooldown",
    meaning: "how long an address rests after it could not be bound or was out of ports, as in 500ms or 10s, and up to eight times as long when that repeats; 0s: not at all",
    default: Some("1s towards a target for which it had no port, 10s if it could not be bound"),
};
