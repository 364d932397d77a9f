//! An allocator of local addresses in a crate of its own: `[localip]` with `use = "one-source"` and `addr = "127.0.9.9"`.

#![forbid(unsafe_code)]

use pool_localip::{
    AllocContext, Exhausted, ExhaustedReason, Lease, LocalAddrAllocator, OptionDoc,
};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Lets every connection leave from one address, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OneSource {
    addr: IpAddr,
}

impl OneSource {
    /// The name in configuration.
    pub const NAME: &'static str = "one-source";
    /// The options it takes.
    pub const OPTIONS: [OptionDoc; 1] = [OptionDoc {
        key: "addr",
        meaning: "the address that everything leaves from",
        default: None,
    }];

    /// Reads `addr`, which must be there.
    ///
    /// # Errors
    ///
    /// If `addr` is missing or no address that a socket can be bound to, or there is any other option.
    pub fn from_options(options: &BTreeMap<String, String>) -> Result<Self, String> {
        if let Some(unknown) = options.keys().find(|key| *key != "addr") {
            return Err(format!("unknown option {unknown:?}, there is \"addr\""));
        }
        let text = options.get("addr").ok_or("option \"addr\" is missing")?;
        let addr = text
            .parse()
            .map_err(|error| format!("option \"addr\": {error}"))?;
        let bindable = |addr: IpAddr| !addr.is_unspecified() && !addr.is_multicast();
        let refusal = || format!("option \"addr\": nothing can leave from {addr}");
        bindable(addr).then_some(Self { addr }).ok_or_else(refusal)
    }
}

impl LocalAddrAllocator for OneSource {
    fn allocate(&self, cx: &AllocContext<'_>) -> Result<Lease, Exhausted> {
        if cx.class.is_some() {
            return Err(Exhausted::new(ExhaustedReason::UnknownClass));
        }
        let (target, wanted) = (cx.target, cx.want.unwrap_or(self.addr));
        if wanted.is_ipv4() != target.is_ipv4() {
            return Err(Exhausted::new(ExhaustedReason::FamilyMismatch { target }));
        }
        if wanted != self.addr {
            return Err(Exhausted::new(ExhaustedReason::NotAllocated(wanted)));
        }
        if cx.avoid.contains(&self.addr) {
            return Err(Exhausted::new(ExhaustedReason::Excluded));
        }
        Ok(Lease::new(self.addr, |_| {}))
    }

    fn sources(&self) -> Vec<IpAddr> {
        vec![self.addr]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pool_localip::conformance;

    fn allocator(key: &str, value: &str) -> Result<OneSource, String> {
        OneSource::from_options(&BTreeMap::from([(key.to_owned(), value.to_owned())]))
    }

    #[test]
    fn every_pool_can_live_with_it() {
        for (addr, target) in [("127.0.9.9", "127.0.0.1:443"), ("::1", "[::1]:443")] {
            let allocator = allocator("addr", addr).expect("it is an address");
            conformance::allocator(&allocator, target.parse().expect("a target"));
        }
    }

    #[test]
    fn options_that_make_no_sense_are_refused_by_name() {
        for (key, value) in [("addr", "here"), ("addr", "0.0.0.0"), ("adr", "127.0.0.1")] {
            let error = allocator(key, value).expect_err("it makes no sense");
            assert!(error.contains(key), "{error}");
        }
        assert!(OneSource::from_options(&BTreeMap::new()).is_err());
    }
}
