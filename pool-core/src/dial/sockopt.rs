//! Socket options that are not every system's.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use tokio::net::TcpSocket;

use super::connect::ConnectError;

/// What a socket is told before it is bound; nothing by default.
#[derive(Clone, Debug, Default)]
pub(super) struct Binding {
    /// Whether an address that no interface has may be bound.
    pub(super) freebind: bool,
    /// The interface that every packet leaves and comes by.
    pub(super) device: Option<String>,
    /// The mark that routing rules go by; 0 for none.
    pub(super) mark: u32,
}

impl Binding {
    /// Prepares the socket to be bound to this source, if to any.
    pub(super) fn apply(
        &self,
        socket: &TcpSocket,
        source: Option<IpAddr>,
    ) -> Result<(), ConnectError> {
        let set = |option, set: io::Result<()>| {
            set.map_err(|error| ConnectError::SocketOption { option, error })
        };
        if let Some(device) = &self.device {
            set("SO_BINDTODEVICE", system::bind_device(socket, device))?;
        }
        if self.mark != 0 {
            set("SO_MARK", system::mark(socket, self.mark))?;
        }
        match source {
            Some(IpAddr::V4(_)) if self.freebind => set("IP_FREEBIND", system::freebind_v4(socket)),
            Some(IpAddr::V6(_)) if self.freebind => {
                set("IPV6_FREEBIND", system::freebind_v6(socket))
            }
            _ => Ok(()),
        }
    }
}

/// Leaves the port to `connect`: chosen there, one port serves many targets, chosen by `bind` only one.
pub(super) fn bind_address_no_port(socket: &TcpSocket) {
    if let Err(error) = system::bind_address_no_port(socket) {
        // Kernels before 4.2 lack it. The connection is the same, there are just fewer ports to have.
        tracing::debug!(%error, "IP_BIND_ADDRESS_NO_PORT refused");
    }
}

/// The silence after which the kernel asks whether the peer is there; without effect on other systems.
pub(super) fn keepalive_idle(socket: &TcpSocket, idle: Duration) -> io::Result<()> {
    // The bounds are the kernel's (`MAX_TCP_KEEPIDLE`).
    system::keepalive_idle(socket, idle.as_secs().clamp(1, 32767) as u32)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod system {
    use std::io;

    use nix::sys::socket::{setsockopt, sockopt};
    use socket2::SockRef;
    use tokio::net::TcpSocket;

    pub(super) fn bind_address_no_port(socket: &TcpSocket) -> io::Result<()> {
        Ok(setsockopt(socket, sockopt::IpBindAddressNoPort, &true)?)
    }

    pub(super) fn keepalive_idle(socket: &TcpSocket, seconds: u32) -> io::Result<()> {
        Ok(setsockopt(socket, sockopt::TcpKeepIdle, &seconds)?)
    }

    pub(super) fn bind_device(socket: &TcpSocket, device: &str) -> io::Result<()> {
        socket.bind_device(Some(device.as_bytes()))
    }

    pub(super) fn mark(socket: &TcpSocket, mark: u32) -> io::Result<()> {
        SockRef::from(socket).set_mark(mark)
    }

    pub(super) fn freebind_v4(socket: &TcpSocket) -> io::Result<()> {
        SockRef::from(socket).set_freebind_v4(true)
    }

    pub(super) fn freebind_v6(socket: &TcpSocket) -> io::Result<()> {
        SockRef::from(socket).set_freebind_v6(true)
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod system {
    use std::io;

    use tokio::net::TcpSocket;

    pub(super) fn bind_address_no_port(_: &TcpSocket) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn keepalive_idle(_: &TcpSocket, _: u32) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn bind_device(_: &TcpSocket, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn mark(_: &TcpSocket, _: u32) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn freebind_v4(_: &TcpSocket) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn freebind_v6(_: &TcpSocket) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
