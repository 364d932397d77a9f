//! The policies that come with the trait crates, registered as anybody's are.

use pool_health::{
    AllowAll, CertificateEnd, CertificateExpiry, ConsecutiveFailures, ErrorCount, ErrorRate,
    H2Ping, HttpCheck, IdleTimeout, Lifetime, Liveness, MaxBytes, MaxErrors, MaxUses, NeverEject,
    NeverEvict, NoCheck, PeerIdle, PrefixList, SlowEndpoint, StatusEjection, SuccessRate, Surplus,
};
use pool_localip::{AddrList, Classes, OsAssigned, Prefix, Sources, Weighted};

use super::{PolicyKind, Registry, tls};
use crate::select::{LeastUsed, PeakEwma, RoundRobin, Sticky};

/// One line per policy: how it is registered, its type, what it does.
macro_rules! register {
    ($registry:expr, $($method:ident $kind:ident $policy:ty: $summary:literal,)+) => {
        $registry$(
            .$method(<$policy>::NAME, <$policy>::from_options)
            .describe(
                PolicyKind::$kind,
                <$policy>::NAME,
                $summary,
                <$policy>::OPTIONS.iter().copied(),
            )
        )+
    };
}

pub(super) fn register(registry: Registry) -> Registry {
    let registry = register!(
        registry,
        eviction Eviction NeverEvict: "keeps every connection",
        eviction Eviction IdleTimeout: "closes a connection that nobody has used for a while",
        eviction Eviction Lifetime: "closes a connection of a certain age, give or take a jitter",
        eviction Eviction MaxUses: "closes a connection that has served a number of requests",
        eviction Eviction MaxBytes: "closes a connection that has carried a number of bytes",
        eviction Eviction MaxErrors: "closes a connection on which requests keep failing",
        eviction Eviction ErrorCount: "closes a connection on which a number of requests have failed in all",
        eviction Eviction ErrorRate: "closes a connection on which too large a part of the requests has failed",
        eviction Eviction PeerIdle: "closes an idle connection shortly before its server would, once it is known when",
        eviction Eviction CertificateEnd: "closes a connection before its server's certificate ends",
        eviction Eviction Surplus: "closes the longest idle connections of a host beyond a number",
        health Health NoCheck: "finds every connection healthy",
        health Health Liveness: "looks whether the peer has closed the connection, without sending anything",
        health Health H2Ping: "sends an HTTP/2 PING and waits for its answer",
        health Health CertificateExpiry: "looks how long the server's certificate is still valid, without sending anything",
        health Health HttpCheck: "sends a request and looks at status, headers and body of its response",
        outlier Outlier NeverEject: "leaves every address in rotation",
        outlier Outlier ConsecutiveFailures: "leaves an address out after a number of failures in a row",
        outlier Outlier StatusEjection: "leaves an address out when it answers with certain statuses, for as long as it asks",
        outlier Outlier SuccessRate: "leaves an address out that succeeds notably less often than the host's others",
        outlier Outlier SlowEndpoint: "leaves an address out that answers notably slower than the host's others",
        access Access AllowAll: "allows every address",
        access Access PrefixList: "allows or denies addresses by the longest prefix that holds them",
        selector Selector RoundRobin: "takes turns over the addresses that have room",
        selector Selector LeastUsed: "prefers the address with the fewest requests in flight",
        selector Selector PeakEwma: "prefers the quicker and less busy of two addresses drawn at random",
        selector Selector Sticky: "prefers the same address for the same affinity",
        localip LocalIp OsAssigned: "lets the operating system choose",
        localip LocalIp AddrList: "leases the addresses of a list, by a strategy",
        localip LocalIp Prefix: "leases the addresses of a prefix, by a strategy",
        localip LocalIp Sources: "leases addresses and prefixes, with limits, rests, a working set or a share of them",
        localip LocalIp Weighted: "leases some addresses more often than others",
        localip LocalIp Classes: "leases addresses of named sets, which requests may ask for",
    );
    #[cfg(feature = "interfaces")]
    let registry = register!(
        registry,
        localip LocalIp pool_localip::interfaces::Interfaces: "leases the addresses of the machine's interfaces, as they come and go",
    );
    tls::register(registry)
}
