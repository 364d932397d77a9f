//! Opening the byte stream below TLS.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use async_trait::async_trait;
use pool_tls::BoxedIo;
use tokio::net::{TcpSocket, TcpStream};

use super::sockopt::{self, Binding};
use crate::config::Dial;

/// Opens a byte stream to an address, from the source address it is told.
///
/// - **Who calls, when, how often:** the pool, once per dial, as many at a time as the limits on dials allow: for requests, warm-ups and
///   addresses that are tried again. Permits are taken and access lists asked before the call; TLS, if any, is spoken over the
///   stream afterwards. A [`PoolConnector`](crate::PoolConnector) calls it too, without permits.
/// - **On which thread:** inside a runtime, in a task of the pool's, or in that of the connector's caller. No lock of the pool is held.
/// - **Blocking:** never; await. What blocks instead holds a thread of the runtime, and no deadline ends it.
/// - **Panics** are contained, counted, and fail that one dial.
/// - **Lies:** a stream from another address than the one ordered is refused. One that leads elsewhere than to the target meets
///   TLS, and without TLS nobody. An error that blames the wrong side has the wrong one rest: see [`ConnectError`].
///
/// A source in the context is an order: connect from exactly that address or fail. Falling back to another one would
/// show the peer an address that its user did not choose.
///
/// # Cancel safety
///
/// The pool puts a deadline on every call and drops the future when it passes, or when the pool closes. Dropping it must
/// close what was opened, at once: the permit and the source address are given back right after.
#[async_trait]
#[doc(alias = "establishConnection")]
pub trait Connect: fmt::Debug + Send + Sync {
    /// Connects to `cx.target`, from `cx.source` if there is one.
    ///
    /// # Errors
    ///
    /// Say with [`ConnectError`] whose fault it was: the pool stops using a source or an address for a while by it.
    async fn connect(&self, cx: ConnectContext<'_>) -> Result<Connected, ConnectError>;
}

/// Where to connect, and from where.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ConnectContext<'a> {
    /// The remote address.
    pub target: SocketAddr,
    /// The local address to connect from; `None` leaves the choice to the operating system.
    pub source: Option<IpAddr>,
    /// The host name or address that `target` belongs to, in lower case, without brackets.
    pub host: &'a str,
    /// Bytes of the kernel's send buffer, from [`Dial::send_buffer`](crate::config::Dial::send_buffer); `None` leaves
    /// them to the system. A stream without such a buffer ignores it.
    pub send_buffer: Option<NonZeroU32>,
    /// Bytes of the kernel's receive buffer, from [`Dial::receive_buffer`](crate::config::Dial::receive_buffer); `None`
    /// leaves them to the system. To be set before connecting: what the peer may send is scaled by it from the start.
    pub receive_buffer: Option<NonZeroU32>,
}

impl<'a> ConnectContext<'a> {
    /// A connection to `target`, an address of `host`, from any source.
    pub fn new(target: SocketAddr, host: &'a str) -> Self {
        Self {
            target,
            source: None,
            host,
            send_buffer: None,
            receive_buffer: None,
        }
    }

    /// Sets the local address to connect from.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Option<IpAddr>>) -> Self {
        self.source = source.into();
        self
    }

    /// Sets the sizes of the kernel's buffers, in bytes; 0 for the system's own.
    #[must_use]
    pub fn with_buffers(mut self, send: u32, receive: u32) -> Self {
        self.send_buffer = NonZeroU32::new(send);
        self.receive_buffer = NonZeroU32::new(receive);
        self
    }
}

/// An open stream.
#[non_exhaustive]
pub struct Connected {
    /// The stream. Dropping it closes it.
    pub io: BoxedIo,
    /// The local address it really has; `None` if it has none, such as an in-memory pipe. The pool refuses a stream
    /// whose address is not the source it ordered.
    pub local: Option<SocketAddr>,
}

impl Connected {
    /// A stream with the local address it really has.
    pub fn new(io: BoxedIo, local: Option<SocketAddr>) -> Self {
        Self { io, local }
    }
}

impl fmt::Debug for Connected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connected")
            .field("local", &self.local)
            .finish_non_exhaustive()
    }
}

/// Why a stream could not be opened, and whose fault it was.
///
/// An [`io::Error`] converts into [`Failed`](Self::Failed).
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The source and the target are of different address families. Both may be fine.
    FamilyMismatch,
    /// The source address is not on this machine or may not be used.
    Unbindable(io::Error),
    /// No port is free on the source address for this target.
    NoFreePort(io::Error),
    /// The system refused a socket option that was asked for, whatever the addresses.
    SocketOption {
        /// Its name in the system's documentation.
        option: &'static str,
        /// What the system said: a right is missing, there is no such interface, or no such option here.
        error: io::Error,
    },
    /// The connection failed.
    Failed(io::Error),
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FamilyMismatch => "the source and the target are of different address families",
            Self::Unbindable(_) => "the source address cannot be used",
            Self::NoFreePort(_) => "no port is free on the source address",
            Self::SocketOption { option, .. } => return write!(f, "the system refused {option}"),
            Self::Failed(_) => "the connection failed",
        })
    }
}

impl StdError for ConnectError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::FamilyMismatch => None,
            Self::Unbindable(error)
            | Self::NoFreePort(error)
            | Self::SocketOption { error, .. }
            | Self::Failed(error) => Some(error),
        }
    }
}

/// Opens TCP connections on the runtime of the calling task, without Nagle's delay.
#[derive(Clone, Debug, Default)]
pub struct TcpConnector {
    keepalive: Option<Duration>,
    binding: Binding,
}

impl TcpConnector {
    /// Makes the kernel probe a connection that was silent for `idle`. Off by default.
    ///
    /// `idle` counts in whole seconds, and is brought into the range from 1 to 32767. Only Linux and Android take
    /// the time from here; elsewhere it is the system's (two hours as a rule).
    #[must_use]
    pub fn keepalive(mut self, idle: Duration) -> Self {
        self.keepalive = Some(idle);
        self
    }

    /// Lets a source address be bound that no interface has (`IP_FREEBIND`, `IPV6_FREEBIND`): one of a prefix that is routed to
    /// this machine as a whole. Without such a route nothing comes back, and connects time out. Off by default; Linux and Android only.
    #[must_use]
    pub fn freebind(mut self, allowed: bool) -> Self {
        self.binding.freebind = allowed;
        self
    }

    /// Sends and receives by this interface alone (`SO_BINDTODEVICE`), whatever the routes say. Linux and Android only.
    #[must_use]
    pub fn device(mut self, name: impl Into<String>) -> Self {
        self.binding.device = Some(name.into());
        self
    }

    /// Marks every packet for routing rules and filters (`SO_MARK`); 0 marks none. It needs the right `CAP_NET_ADMIN` or
    /// `CAP_NET_RAW`. Linux and Android only.
    #[must_use]
    pub fn mark(mut self, mark: u32) -> Self {
        self.binding.mark = mark;
        self
    }

    /// As the configuration says.
    pub(crate) fn of(config: &Dial) -> Self {
        let binding = Binding {
            freebind: config.freebind,
            device: config.device.clone(),
            mark: config.mark,
        };
        Self {
            keepalive: None,
            binding,
        }
    }

    fn socket(&self, cx: &ConnectContext<'_>) -> io::Result<TcpSocket> {
        let socket = match cx.target {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        if let Some(bytes) = cx.send_buffer {
            socket.set_send_buffer_size(bytes.get())?;
        }
        if let Some(bytes) = cx.receive_buffer {
            socket.set_recv_buffer_size(bytes.get())?;
        }
        socket.set_nodelay(true)?;
        if let Some(idle) = self.keepalive {
            socket.set_keepalive(true)?;
            sockopt::keepalive_idle(&socket, idle)?;
        }
        Ok(socket)
    }

    async fn stream(&self, cx: &ConnectContext<'_>) -> Result<TcpStream, ConnectError> {
        let socket = self.socket(cx)?;
        self.binding.apply(&socket, cx.source)?;
        if let Some(source) = cx.source {
            bind(&socket, source, cx.target)?;
        }
        socket.connect(cx.target).await.map_err(refine)
    }
}

#[async_trait]
impl Connect for TcpConnector {
    async fn connect(&self, cx: ConnectContext<'_>) -> Result<Connected, ConnectError> {
        let stream = self.stream(&cx).await?;
        let local = stream.local_addr()?;
        if local == cx.target {
            // With nobody listening, a port of the ephemeral range on the same address can meet itself.
            let refused = io::Error::new(io::ErrorKind::ConnectionRefused, "it met itself");
            return Err(refused.into());
        }
        Ok(Connected::new(Box::new(stream), Some(local)))
    }
}

fn bind(socket: &TcpSocket, source: IpAddr, target: SocketAddr) -> Result<(), ConnectError> {
    if source.is_ipv4() != target.is_ipv4() {
        return Err(ConnectError::FamilyMismatch);
    }
    sockopt::bind_address_no_port(socket);
    socket
        .bind(SocketAddr::new(source, 0))
        .map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => ConnectError::NoFreePort(error),
            _ => ConnectError::Unbindable(error),
        })
}

/// What a failed `connect` means. The port is chosen there, so that is where a source without a free one shows:
/// Linux says "address not available", others "address in use".
fn refine(error: io::Error) -> ConnectError {
    match error.kind() {
        io::ErrorKind::AddrNotAvailable | io::ErrorKind::AddrInUse => {
            ConnectError::NoFreePort(error)
        }
        _ => ConnectError::Failed(error),
    }
}

fn _assert_dyn_compatible(_: &dyn Connect) {}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// Connects to a new listener on `target` from `source`; the address the listener saw, and what came back.
    async fn meet(target: &str, source: Option<&str>) -> (SocketAddr, Connected) {
        let listener = TcpListener::bind((target, 0)).await.unwrap();
        let source = source.map(|ip| ip.parse::<IpAddr>().unwrap());
        let cx = ConnectContext::new(listener.local_addr().unwrap(), "a.test").with_source(source);
        let tcp = TcpConnector::default().keepalive(Duration::MAX);
        let (connected, accepted) = tokio::join!(tcp.connect(cx), listener.accept());
        (accepted.unwrap().1, connected.unwrap())
    }

    async fn fail(target: &str, source: &str) -> ConnectError {
        let cx = ConnectContext::new(target.parse().unwrap(), "a.test");
        TcpConnector::default()
            .connect(cx.with_source(source.parse::<IpAddr>().unwrap()))
            .await
            .unwrap_err()
    }

    #[tokio::test]
    #[cfg(target_os = "linux")] // Elsewhere 127.0.0.1 is the only local address of 127/8.
    async fn the_peer_sees_the_source_that_was_ordered() {
        for source in ["127.0.2.1", "127.0.2.77"] {
            let (seen, connected) = meet("127.0.1.1", Some(source)).await;
            assert_eq!(seen.ip(), source.parse::<IpAddr>().unwrap());
            assert_eq!(connected.local, Some(seen));
        }
    }

    #[tokio::test]
    async fn without_a_source_the_system_chooses() {
        let (seen, connected) = meet("127.0.0.1", None).await;
        assert_eq!(connected.local, Some(seen));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn binding_reserves_no_port() {
        for (source, target) in [("127.0.2.1", "127.0.1.1:80"), ("::1", "[::1]:80")] {
            let cx = ConnectContext::new(target.parse().unwrap(), "a.test");
            let socket = TcpConnector::default().socket(&cx).unwrap();
            bind(&socket, source.parse().unwrap(), cx.target).unwrap();
            assert_eq!(socket.local_addr().unwrap().port(), 0);
        }
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_kernels_buffers_are_as_large_as_asked_for() {
        use nix::sys::socket::{getsockopt, sockopt};

        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let cx = ConnectContext::new(listener.local_addr().unwrap(), "a.test");
        let sizes = async |send, receive| {
            let cx = cx.with_buffers(send, receive);
            let stream = TcpConnector::default().stream(&cx).await.unwrap();
            (
                getsockopt(&stream, sockopt::SndBuf).unwrap(),
                getsockopt(&stream, sockopt::RcvBuf).unwrap(),
            )
        };
        let (send, receive) = sizes(0, 0).await;
        // The kernel doubles what it is told, and what it chooses itself depends on the machine.
        assert_eq!(sizes(20_000, 0).await, (40_000, receive));
        assert_eq!(sizes(0, 30_000).await, (send, 60_000));
        assert_eq!(sizes(8192, 4096).await, (16_384, 8192));
    }

    #[tokio::test]
    async fn a_source_that_is_not_on_this_machine_is_an_error() {
        let error = fail("127.0.0.1:9", "203.0.113.9").await;
        assert!(matches!(error, ConnectError::Unbindable(_)), "{error:?}");
    }

    #[tokio::test]
    async fn source_and_target_must_be_of_one_family() {
        for (target, source) in [("127.0.0.1:9", "::1"), ("[::1]:9", "127.0.0.1")] {
            let error = fail(target, source).await;
            assert!(matches!(error, ConnectError::FamilyMismatch), "{error:?}");
        }
    }

    /// What becomes of a connect from an address that no interface has. Nobody answers there: binding is all that is asked.
    #[cfg(target_os = "linux")]
    async fn bound(tcp: TcpConnector, source: &str, target: &str) -> Result<IpAddr, ConnectError> {
        let cx = ConnectContext::new(target.parse().unwrap(), "a.test")
            .with_source(source.parse::<IpAddr>().unwrap());
        let socket = tcp.socket(&cx)?;
        tcp.binding.apply(&socket, cx.source)?;
        bind(&socket, source.parse().unwrap(), cx.target)?;
        Ok(socket.local_addr()?.ip())
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn an_address_that_no_interface_has_is_bound_only_on_request() {
        for (source, target) in [
            ("203.0.113.9", "192.0.2.1:80"),
            ("2001:db8::9", "[2001:db8::1]:80"),
        ] {
            let refused = bound(TcpConnector::default(), source, target).await;
            assert!(matches!(refused, Err(ConnectError::Unbindable(_))));
            let free = TcpConnector::default().freebind(true);
            let addr = bound(free, source, target).await.unwrap();
            assert_eq!(addr, source.parse::<IpAddr>().unwrap());
        }
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn an_interface_that_is_not_there_is_named_by_its_option() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let cx = ConnectContext::new(listener.local_addr().unwrap(), "a.test");
        let tcp = TcpConnector::default().device("no-such-device");
        let refused = tcp.connect(cx).await.unwrap_err();
        let ConnectError::SocketOption { option, error } = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(option, "SO_BINDTODEVICE");
        // Who may not choose is not told what there is.
        let kinds = [Some(19), Some(1)]; // ENODEV, EPERM
        assert!(kinds.contains(&error.raw_os_error()), "{error}");
        let loopback = TcpConnector::default().device("lo");
        match loopback.connect(cx).await {
            Ok(connected) => assert!(connected.local.is_some()),
            Err(ConnectError::SocketOption { error, .. }) => {
                assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
            }
            Err(other) => panic!("{other:?}"),
        }
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_mark_is_set_or_the_option_is_named() {
        let cx = ConnectContext::new("127.0.0.1:9".parse().unwrap(), "a.test");
        let tcp = TcpConnector::default().mark(7);
        let socket = tcp.socket(&cx).unwrap();
        match tcp.binding.apply(&socket, None) {
            Ok(()) => assert_eq!(socket2::SockRef::from(&socket).mark().unwrap(), 7),
            Err(ConnectError::SocketOption { option, error }) => {
                assert_eq!(option, "SO_MARK");
                assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
            }
            Err(other) => panic!("{other:?}"),
        }
    }
}
