//! The hosts that requests asked for lately, by the authority of their URLs: most ask for one of them again.

use std::fmt;
use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::uri::Authority;

use crate::http::HttpConn;
use crate::key::Scheme;
use crate::manager::HostHandle;

/// A request that finds its host here need not build and hash a key. Each authority has one place, which it loses to the next
/// one that falls on it. A host that was forgotten stays in memory for as long as it is here, empty.
pub(super) struct Familiar {
    places: Box<[Mutex<Option<Known>>]>,
    hasher: foldhash::quality::RandomState,
}

struct Known {
    scheme: Scheme,
    authority: Box<str>,
    host: HostHandle<HttpConn>,
}

/// A busy crawler talks to more hosts, but not from one moment to the next.
const PLACES: usize = 64;

impl Default for Familiar {
    fn default() -> Self {
        Self {
            places: (0..PLACES).map(|_| Mutex::default()).collect(),
            hasher: foldhash::quality::RandomState::default(),
        }
    }
}

impl Familiar {
    /// The host that was last asked for with this authority. What else its key has must be compared.
    pub(super) fn find(
        &self,
        scheme: Scheme,
        authority: &Authority,
    ) -> Option<HostHandle<HttpConn>> {
        let known = self.place(authority);
        let known = known.as_ref()?;
        let is_it = known.scheme == scheme && *known.authority == *authority.as_str();
        let host = is_it.then(|| known.host.clone())?;
        (!host.is_retired()).then_some(host)
    }

    pub(super) fn put(&self, scheme: Scheme, authority: &Authority, host: &HostHandle<HttpConn>) {
        if authority.as_str().contains('@') {
            // No place for somebody's password.
            return;
        }
        let known = Known {
            scheme,
            authority: authority.as_str().into(),
            host: host.clone(),
        };
        let before = self.place(authority).replace(known);
        // Outside the lock: it may have been the last to hold the host.
        drop(before);
    }

    /// Forgets them all.
    pub(super) fn clear(&self) {
        for place in &self.places {
            let before = lock(place).take();
            drop(before);
        }
    }

    fn place(&self, authority: &Authority) -> MutexGuard<'_, Option<Known>> {
        let hash = self.hasher.hash_one(authority.as_str());
        lock(&self.places[hash as usize % PLACES])
    }
}

fn lock(place: &Mutex<Option<Known>>) -> MutexGuard<'_, Option<Known>> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Familiar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Familiar").finish_non_exhaustive()
    }
}
