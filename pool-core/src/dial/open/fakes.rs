//! Fakes for both ends of a dial, and a log of the order in which things were given back.

use std::future::pending;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use pool_tls::spec::{ClientHelloSpec, Profile};
use pool_tls::{TlsConfigId, TlsVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::*;

pub(super) const CONNECT: Duration = Duration::from_secs(3);
pub(super) const HANDSHAKE: Duration = Duration::from_secs(5);
const SOURCE: &str = "127.0.2.1";

type Log = Arc<Mutex<Vec<String>>>;

/// Writes its name into the log when it is dropped.
struct Says(&'static str, Log);

impl Drop for Says {
    fn drop(&mut self) {
        self.1.lock().unwrap().push(self.0.to_owned());
    }
}

/// What the fake connector does once it has a socket.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wire {
    Opens,
    OpensFrom(&'static str),
    Fails(fn() -> ConnectError),
    Hangs,
}

pub(super) struct FakeConnect {
    wire: Wire,
    log: Log,
    // The far ends, kept open: what was written there can be read, and nobody answers.
    pub(super) far: Mutex<Vec<DuplexStream>>,
}

impl fmt::Debug for FakeConnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.wire.fmt(f)
    }
}

#[async_trait]
impl Connect for FakeConnect {
    async fn connect(&self, cx: ConnectContext<'_>) -> Result<Connected, ConnectError> {
        let (near, far) = tokio::io::duplex(1024);
        self.far.lock().unwrap().push(far);
        let socket = Bound::new(near, Says("socket", self.log.clone()));
        let local = match self.wire {
            Wire::Opens => cx.source,
            Wire::OpensFrom(addr) => Some(addr.parse().unwrap()),
            Wire::Fails(error) => return Err(error()),
            Wire::Hangs => pending().await,
        };
        let local = local.map(|ip| SocketAddr::new(ip, 40000));
        Ok(Connected::new(Box::new(socket), local))
    }
}

/// A TLS that sends its context as text and believes what it is told here.
#[derive(Debug)]
pub(super) enum FakeTls {
    Agrees(Option<&'static [u8]>),
    Fails(TlsErrorKind),
    /// Waits for an answer.
    Waits,
}

#[async_trait]
impl TlsConnector for FakeTls {
    fn config_id(&self) -> TlsConfigId {
        TlsConfigId::default()
    }

    async fn connect(&self, cx: &TlsContext<'_>, mut io: BoxedIo) -> Result<TlsSession, TlsError> {
        let alpn: Vec<_> = cx.alpn.iter().map(|p| String::from_utf8_lossy(p)).collect();
        let hello = format!(
            "{} {} {}\n",
            cx.server_name,
            alpn.join(","),
            cx.plan.profile_id()
        );
        io.write_all(hello.as_bytes()).await.unwrap();
        match self {
            Self::Agrees(alpn) => {
                let session = TlsSession::new(io, TlsVersion::Tls13, cx.plan.profile_id().clone());
                Ok(session
                    .with_alpn(alpn.map(<[u8]>::to_vec))
                    .with_resumed(true))
            }
            Self::Fails(kind) => Err(TlsError::new(*kind)),
            Self::Waits => {
                let read = io.read_u8().await;
                panic!("nobody answers, but there is {read:?}");
            }
        }
    }
}

/// One dial with fakes at both ends, and the order in which things were given back.
pub(super) struct Rig {
    pub(super) connect: FakeConnect,
    pub(super) tls: FakeTls,
    pub(super) key: Key,
    /// The hello of the key's profile.
    pub(super) hello: Option<ClientHelloSpec>,
    log: Log,
}

impl Rig {
    pub(super) fn new(wire: Wire, tls: FakeTls) -> Self {
        let log = Log::default();
        Self {
            connect: FakeConnect {
                wire,
                log: log.clone(),
                far: Mutex::default(),
            },
            tls,
            key: Key::new(Scheme::Https, "a.test", 443),
            hello: None,
            log,
        }
    }

    pub(super) async fn open(&self) -> Result<Opened, Error> {
        let log = self.log.clone();
        let lease = Lease::new(SOURCE.parse::<IpAddr>().unwrap(), move |released| {
            let outcome = released.outcome;
            log.lock().unwrap().push(format!("lease {outcome:?}"));
        });
        let profile = Profile {
            id: self.key.profile_id().clone(),
            hello: self.hello.clone(),
            ..Profile::native()
        };
        let plan = Plan::own_hello(Arc::new(profile), self.tls.config_id());
        let request = DialRequest {
            key: &self.key,
            target: "127.0.1.1:443".parse().unwrap(),
            connect: &self.connect,
            tls: &self.tls,
            plan: Some(&plan),
            buffers: (0, 0),
            connect_timeout: CONNECT,
            handshake_timeout: HANDSHAKE,
            sources: &SourceBook::default(),
            connected: &|| (),
        };
        open(request, lease, Says("guard", self.log.clone())).await
    }

    pub(super) fn given_back(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }
}
