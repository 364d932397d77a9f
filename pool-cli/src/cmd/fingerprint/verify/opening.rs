//! What the pool sends first over HTTP/2 under a profile, read at the other end of a pipe.

use std::sync::Arc;

use async_trait::async_trait;
use pool_core::{Connect, ConnectContext, ConnectError, Connected, Pool, StaticResolver};
use pool_tls::http2_opening::Http2Opening;
use pool_tls::spec::{Http2Spec, Profile};
use pool_tls::{
    BoxedIo, Fixed, Plan, TlsConfigId, TlsConnector, TlsContext, TlsError, TlsSession, TlsVersion,
};
use tokio::io::{AsyncReadExt, DuplexStream};
use tokio::sync::mpsc;

use crate::exit::{Failure, chain};

/// What came at the other end.
pub(super) struct Sent {
    pub(super) http2: Http2Spec,
    /// Without pseudo-headers.
    pub(super) headers: Vec<(String, String)>,
}

/// Has a pool send a GET under `profile`, graded as `plan` says, over a pipe without TLS.
///
/// # Errors
///
/// Exit 1: the pool cannot be made, or what it sends is no opening.
pub(super) async fn sent(profile: &Arc<Profile>, plan: &Plan) -> Result<Sent, Failure> {
    let failed = |error: &dyn std::error::Error| {
        Failure::item(
            format!("no HTTP/2 opening to compare: {}", chain(error)),
            "`pool fingerprint show` prints what the profile asks for",
        )
    };
    let (pipe, mut far) = mpsc::channel(1);
    let resolver = StaticResolver::default();
    resolver.set("example.com", 443, vec![([192, 0, 2, 1], 443).into()]);
    let pool = Pool::builder()
        .resolver(Arc::new(resolver))
        .connect(Arc::new(Pipe(pipe)))
        .tls(Arc::new(Bare(plan.clone(), TlsConfigId::unique())))
        .profile(profile.clone())
        .fingerprints(Arc::new(Fixed(profile.id.clone())))
        .build()
        .map_err(|error| failed(&error))?;
    let request = pool.get("https://example.com/");
    let read = async {
        match far.recv().await {
            Some(far) => opening(far, profile).await,
            None => Ok(None),
        }
    };
    // The request is never answered; whichever ends first says how it went.
    let opening = tokio::select! {
        opening = read => opening.map_err(|error| failed(&*error))?,
        answer = request => return Err(match answer {
            Err(error) => failed(&error),
            Ok(_) => Failure::item("a pipe has answered", "this is a fault of this program"),
        }),
    };
    let request = opening.and_then(|opening| {
        let http2 = Http2Spec::from_opening(&opening);
        Some((http2, opening.request?))
    });
    let Some((http2, request)) = request else {
        return Err(Failure::item(
            "the pool hung up before its first request",
            "this is a fault of this program",
        ));
    };
    let headers = request.headers.into_iter();
    Ok(Sent {
        http2: http2.map_err(|error| failed(&error))?,
        headers: headers.filter(|(name, _)| !name.starts_with(':')).collect(),
    })
}

/// Reads up to the first request and, if the profile has one, the update of its window.
async fn opening(
    mut far: DuplexStream,
    profile: &Profile,
) -> Result<Option<Http2Opening>, Box<dyn std::error::Error + Send + Sync>> {
    let updates = profile
        .http2
        .as_ref()
        .is_some_and(|http2| http2.stream_window_update.is_some());
    let mut bytes = Vec::new();
    loop {
        match Http2Opening::parse(&bytes) {
            Err(error) if error.is_incomplete() => {}
            Err(error) => return Err(error.into()),
            Ok(opening) => {
                let request = opening.request.as_ref();
                if request.is_some_and(|request| !updates || request.window_update.is_some()) {
                    return Ok(Some(opening));
                }
            }
        }
        if far.read_buf(&mut bytes).await? == 0 {
            return Ok(Http2Opening::parse(&bytes).ok());
        }
    }
}

/// Connects to nowhere: the other end goes into the channel.
#[derive(Debug)]
struct Pipe(mpsc::Sender<DuplexStream>);

#[async_trait]
impl Connect for Pipe {
    async fn connect(&self, _cx: ConnectContext<'_>) -> Result<Connected, ConnectError> {
        let (near, far) = tokio::io::duplex(64 * 1024);
        if self.0.send(far).await.is_err() {
            return Err(std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into());
        }
        Ok(Connected::new(Box::new(near), None))
    }
}

/// No TLS at all, under the grade of another connector's plan: it decides what the pool sends over it.
#[derive(Debug)]
struct Bare(Plan, TlsConfigId);

#[async_trait]
impl TlsConnector for Bare {
    fn config_id(&self) -> TlsConfigId {
        self.1
    }

    fn plan(&self, profile: &Arc<Profile>) -> Result<Plan, TlsError> {
        Ok(match self.0.report().filter(|_| profile.hello.is_some()) {
            Some(report) => Plan::imitating(profile.clone(), self.1, report.clone()),
            None => Plan::own_hello(profile.clone(), self.1),
        })
    }

    async fn connect(&self, cx: &TlsContext<'_>, io: BoxedIo) -> Result<TlsSession, TlsError> {
        let session = TlsSession::new(io, TlsVersion::Tls13, cx.plan.profile_id().clone());
        Ok(session.with_alpn(Some(b"h2".to_vec())))
    }
}
