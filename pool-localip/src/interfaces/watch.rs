//! Following the machine: a thread that waits for the kernel's word.

use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;

use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::allocator::Shared;
use super::netlink::{Reader, failed};
use crate::interfaces::InterfacesError;

/// Ends the watching when it is dropped: the thread sees its end of the pair close.
#[derive(Debug)]
pub(super) struct Watching {
    _close: UnixStream,
}

/// What the thread has.
struct Watch {
    shared: Arc<Shared>,
    events: Socket,
    reader: Reader,
    closed: UnixStream,
}

/// Why the thread goes on.
#[derive(PartialEq, Eq)]
enum Woken {
    /// Something changed, or it is time to try again.
    Look,
    /// Nobody needs it any more.
    Close,
}

impl Watching {
    /// Reads the addresses, and starts the thread.
    pub(super) fn start(shared: &Arc<Shared>) -> Result<Self, InterfacesError> {
        let cannot = failed("watch addresses by netlink");
        // Subscribed before the first reading: nothing falls between the two.
        let events = subscribe().map_err(cannot)?;
        let mut reader = Reader::open()?;
        let network = reader.read_addrs()?;
        for name in shared.filter().interfaces() {
            if network.interface(name).is_none() {
                let known = network.interfaces.iter().map(|it| it.name.clone());
                return Err(InterfacesError::NoInterface {
                    name: name.clone(),
                    known: known.collect(),
                });
            }
        }
        shared.update(&network);
        let (close, closed) = UnixStream::pair().map_err(cannot)?;
        let watch = Watch {
            shared: Arc::clone(shared),
            events,
            reader,
            closed,
        };
        let thread = thread::Builder::new().name("pool-interfaces".to_owned());
        thread.spawn(move || watch.run()).map_err(cannot)?;
        Ok(Self { _close: close })
    }
}

impl Watch {
    fn run(mut self) {
        let mut retry = false;
        loop {
            let woken = self.wait(retry);
            if matches!(woken, Ok(Woken::Close)) {
                return;
            }
            let heard = woken.and_then(|_| self.drain());
            let heard = heard.map_err(failed("watch addresses by netlink"));
            let failure = heard.and_then(|()| self.look()).err();
            retry = failure.is_some();
            self.shared.set_failure(failure);
        }
    }

    /// Waits for a change, or for a while after a failure, or for the end.
    fn wait(&self, retry: bool) -> io::Result<Woken> {
        let timeout = if retry {
            PollTimeout::from(RETRY_MS)
        } else {
            PollTimeout::NONE
        };
        let mut sockets = [
            PollFd::new(self.closed.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.events.as_fd(), PollFlags::POLLIN),
        ];
        // After a failure only the end is waited for: an error that stays would be reported without pause.
        let waited_for = if retry {
            &mut sockets[..1]
        } else {
            &mut sockets[..]
        };
        match poll(waited_for, timeout) {
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ended = sockets[0].any().unwrap_or(true);
        Ok(if ended { Woken::Close } else { Woken::Look })
    }

    /// Takes all that was said. What exactly is not looked at: the kernel drops messages when there are too many, so the
    /// state is read anew in any case.
    fn drain(&self) -> io::Result<()> {
        let mut ignored = Vec::with_capacity(1);
        loop {
            ignored.clear();
            match self.events.recv(&mut ignored, 0) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.raw_os_error() == Some(nix::Error::ENOBUFS as i32) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn look(&mut self) -> Result<(), InterfacesError> {
        let network = self.reader.read_addrs()?;
        self.shared.update(&network);
        Ok(())
    }
}

fn subscribe() -> io::Result<Socket> {
    let mut events = Socket::new(NETLINK_ROUTE)?;
    let groups = [LINK, IPV4_ADDR, IPV6_ADDR].map(|group: u32| 1 << (group - 1));
    let groups = groups.into_iter().sum();
    events.bind(&SocketAddr::new(0, groups))?;
    events.set_non_blocking(true)?;
    Ok(events)
}

/// `RTNLGRP_LINK`, `RTNLGRP_IPV4_IFADDR` and `RTNLGRP_IPV6_IFADDR` of Linux' rtnetlink.h.
const LINK: u32 = 1;
const IPV4_ADDR: u32 = 5;
const IPV6_ADDR: u32 = 9;

/// How long after a failure it is tried again.
const RETRY_MS: u16 = 1000;
