//! A profile's HTTP/2 opening over connections that are not encrypted, so that the far end can write every byte.

use std::sync::Arc;

use async_trait::async_trait;
use pool_core::PoolBuilder;
use pool_tls::spec::PseudoHeader::{Authority, Method, Path, Scheme};
use pool_tls::spec::{Http2Spec, Profile, StreamPriority};
use pool_tls::{
    BoxedIo, Fixed, Plan, ProfileId, TlsConfigId, TlsConnector, TlsContext, TlsError, TlsSession,
    TlsVersion,
};

/// Speaks TLS without saying a word, and takes the first protocol that is offered.
#[derive(Debug)]
struct Bare;

#[async_trait]
impl TlsConnector for Bare {
    fn config_id(&self) -> TlsConfigId {
        TlsConfigId::default()
    }

    fn plan(&self, profile: &Arc<Profile>) -> Result<Plan, TlsError> {
        Ok(Plan::own_hello(profile.clone(), self.config_id()))
    }

    async fn connect(&self, cx: &TlsContext<'_>, io: BoxedIo) -> Result<TlsSession, TlsError> {
        let profile = cx.plan.profile_id().clone();
        let alpn = cx.alpn.first().map(|protocol| protocol.to_vec());
        Ok(TlsSession::new(io, TlsVersion::Tls13, profile).with_alpn(alpn))
    }
}

/// Opens connections as Chromium 156 opens HTTP/2, and sends requests as it does, but for its headers.
pub(crate) fn chromium(builder: PoolBuilder) -> PoolBuilder {
    let profile = Profile {
        id: ProfileId::new("chromium"),
        http2: Some(Http2Spec {
            settings: vec![(1, 65_536), (2, 0), (4, 6_291_456), (6, 262_144)],
            window_update: Some(15_663_105),
            first_stream_id: 1,
            pseudo_order: [Method, Authority, Scheme, Path],
            priority: Some(StreamPriority {
                depends_on: 0,
                exclusive: true,
                weight: 256,
            }),
            stream_window_update: None,
        }),
        ..Profile::native()
    };
    let fixed = Fixed(profile.id.clone());
    let builder = builder.tls(Arc::new(Bare)).profile(profile);
    builder.fingerprints(Arc::new(fixed))
}
