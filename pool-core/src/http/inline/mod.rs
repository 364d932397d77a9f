//! HTTP/1.1 in the caller's task: whoever waits for a response reads it from the socket.
//!
//! There is no dispatcher and no channel. Nobody drives an idle connection: it is looked at when the peer closes or speaks
//! out of turn, and when it is to end.
//!
//! The socket has one owner at a time, who uses it outside the lock: it may be somebody else's code.

mod buffers;
mod chunked;
mod claim;
mod encode;
mod exchange;
mod framing;
mod head;
mod receiving;
#[cfg(any(test, pool_fuzzing))]
pub(super) mod splits;
mod tunnel;
mod upload;
mod watch;
mod wire;

use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Poll, Waker};

use tokio::runtime::Handle;

pub(super) use self::exchange::exchange;
pub(super) use self::receiving::Receiving;
pub(super) use self::tunnel::Tunnel;
pub(super) use self::watch::Machine;
use self::wire::Wire;
use super::conn::HttpSettings;
use super::control::{Control, Wish};
use super::metered::{Meter, Metered};
use crate::manager::CloseReason;

pub(super) fn handshake(
    io: Metered,
    settings: &HttpSettings,
    control: &Arc<Control>,
    meter: &Arc<Meter>,
    runtime: &Handle,
) -> (Arc<Shared>, Machine) {
    let shared = Arc::new(Shared {
        state: Mutex::new(State {
            place: Place::Idle(Box::new(Wire::new(io))),
            watcher: None,
            exchanger: Exchanger::default(),
        }),
        control: control.clone(),
        meter: meter.clone(),
        runtime: runtime.clone(),
        head: settings.http1_buffer,
        fields: settings.http1_headers,
    });
    let machine = Machine::new(shared.clone());
    (shared, machine)
}

/// What exchanges and whoever watches one connection share.
pub(super) struct Shared {
    state: Mutex<State>,
    control: Arc<Control>,
    meter: Arc<Meter>,
    runtime: Handle,
    /// Bytes of the head of a response.
    head: usize,
    /// Fields in it.
    fields: usize,
}

struct State {
    place: Place,
    /// To be woken by what happens on an idle connection.
    watcher: Option<Waker>,
    /// To be woken if the connection ends under the exchange.
    exchanger: Exchanger,
}

/// Whoever waits for an exchange. After a switch of protocols one may read while another writes.
#[derive(Default)]
struct Exchanger([Option<Waker>; 2]);

#[derive(Clone, Copy)]
enum Side {
    Reading,
    Writing,
}

impl Exchanger {
    /// Remembers whom to wake. Returns who was there before, to be dropped outside the lock.
    fn remember(&mut self, waker: &Waker, side: Side) -> Option<Waker> {
        let place = &mut self.0[side as usize];
        if place.as_ref().is_some_and(|known| known.will_wake(waker)) {
            return None;
        }
        place.replace(waker.clone())
    }

    fn wake(self) {
        self.0.into_iter().flatten().for_each(Waker::wake);
    }
}

/// Where the socket is.
enum Place {
    /// Nobody uses it.
    Idle(Box<Wire>),
    /// Nobody uses it, and somebody looks at it.
    LookedAt,
    /// An exchange began while somebody looked at it, and gets it from there.
    Promised,
    /// An exchange has it, but does not run.
    Paused(Box<Wire>),
    /// An exchange has it, and runs.
    Lent,
    /// It is closed, or will be by whoever has it.
    Gone,
}

impl Place {
    fn leave(&mut self) -> Self {
        std::mem::replace(self, Self::Gone)
    }
}

impl Shared {
    /// Takes an idle connection for an exchange, and looks at it unless that has just been done. `false`: it is gone.
    fn begin(&self, looked_at: bool) -> bool {
        if self.control.wish() != Wish::Stay {
            return false;
        }
        let (mut loan, watcher) = {
            let mut state = self.lock();
            match state.place.leave() {
                Place::Idle(wire) if looked_at => {
                    state.place = Place::Paused(wire);
                    return true;
                }
                Place::Idle(wire) => {
                    state.place = Place::Lent;
                    (Loan::new(self, wire), state.watcher.clone())
                }
                Place::LookedAt => {
                    state.place = Place::Promised;
                    return true;
                }
                other => {
                    state.place = other;
                    return false;
                }
            }
        };
        let wrong = loan.look(watcher);
        if let Some(reason) = wrong {
            loan.spoil();
            self.over(reason);
        }
        wrong.is_none()
    }

    /// Whether an exchange may begin, or is under way.
    pub(super) fn is_open(&self) -> bool {
        if self.control.wish() != Wish::Stay {
            return false;
        }
        if let Some(reason) = self.look() {
            self.over(reason);
            return false;
        }
        if self.control.wish() != Wish::Stay {
            // Whoever was to close it found it in use.
            self.control.wake();
            return false;
        }
        !matches!(self.lock().place, Place::Gone)
    }

    /// Looks at an idle connection, and closes a bad one. Returns what was wrong.
    fn look(&self) -> Option<CloseReason> {
        let (mut loan, watcher) = {
            let mut state = self.lock();
            match state.place.leave() {
                Place::Idle(wire) => {
                    state.place = Place::LookedAt;
                    (Loan::new(self, wire), state.watcher.clone())
                }
                other => {
                    state.place = other;
                    return None;
                }
            }
        };
        let wrong = loan.look(watcher);
        if wrong.is_some() {
            loan.spoil();
        }
        wrong
    }

    /// The socket, for an exchange that runs; pending until whoever looks at it is done. `None`: it is gone.
    fn lend(&self, waker: &Waker, side: Side) -> Poll<Option<Loan<'_>>> {
        // Dropped after the lock: the last waker of a task may drop the task.
        let _known;
        let mut state = self.lock();
        _known = state.exchanger.remember(waker, side);
        match state.place.leave() {
            Place::Paused(wire) => {
                state.place = Place::Lent;
                Poll::Ready(Some(Loan::new(self, wire)))
            }
            Place::Promised => {
                state.place = Place::Promised;
                Poll::Pending
            }
            other => {
                debug_assert!(matches!(other, Place::Gone), "one exchange at a time");
                state.place = other;
                Poll::Ready(None)
            }
        }
    }

    /// The exchange has ended, and left the connection in order if `keeps_alive`. Returns why it cannot be used again, if
    /// it cannot.
    fn check_in(&self, keeps_alive: bool) -> Option<CloseReason> {
        let (loan, watcher, known) = {
            let mut state = self.lock();
            let loan = match state.place.leave() {
                Place::Paused(wire) if keeps_alive => {
                    state.place = Place::LookedAt;
                    Ok(Loan::new(self, wire))
                }
                Place::Paused(wire) => Err(Some(wire)),
                _ => Err(None),
            };
            (
                loan,
                state.watcher.clone(),
                std::mem::take(&mut state.exchanger),
            )
        };
        drop(known);
        let wrong = match loan {
            Ok(mut loan) => {
                let wrong = loan.look(watcher);
                match wrong {
                    Some(_) => loan.spoil(),
                    None => loan.rest(),
                }
                wrong
            }
            Err(Some(wire)) => Some(wire.at_its_end()),
            // Taken away: there was a wish, or the runtime is gone.
            Err(None) => None,
        };
        if let Some(reason) = wrong {
            return Some(self.over(reason));
        }
        // Looked at only now: who wishes something later wakes a watcher that finds the connection idle.
        let reason = self.control.ended().or(self.control.wish().reason());
        if reason.is_some() {
            self.control.wake();
        }
        reason
    }

    /// Closes the socket, or has whoever uses it close it. Returns whom to tell.
    fn cut(&self) -> Exchanger {
        let (place, exchanger) = {
            let mut state = self.lock();
            (state.place.leave(), std::mem::take(&mut state.exchanger))
        };
        drop(place);
        exchanger
    }

    /// The socket is gone for this reason, unless there was one before: whoever watches has to know.
    fn over(&self, reason: CloseReason) -> CloseReason {
        let reason = self.control.end(reason);
        self.control.wake();
        reason
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics under this lock")
    }
}

/// The socket, in use outside the lock. Dropped, it goes where it belongs by then.
struct Loan<'a> {
    shared: &'a Shared,
    /// Taken only to end the loan.
    wire: Option<Box<Wire>>,
}

impl<'a> Loan<'a> {
    fn new(shared: &'a Shared, wire: Box<Wire>) -> Self {
        let wire = Some(wire);
        Self { shared, wire }
    }

    fn wire(&mut self) -> &mut Wire {
        self.wire.as_mut().expect("taken only to end the loan")
    }

    fn look(&mut self, watcher: Option<Waker>) -> Option<CloseReason> {
        let waker = watcher.as_ref().unwrap_or(Waker::noop());
        self.wire().look(waker)
    }

    fn rest(mut self) {
        self.wire().rest();
    }

    /// Closes the socket.
    fn spoil(mut self) {
        drop(self.wire.take());
        self.shared.cut().wake();
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        let Some(wire) = self.wire.take() else {
            return;
        };
        let (unwanted, promised) = {
            let mut state = self.shared.lock();
            match state.place.leave() {
                Place::LookedAt => {
                    state.place = Place::Idle(wire);
                    (None, None)
                }
                Place::Lent => {
                    state.place = Place::Paused(wire);
                    (None, None)
                }
                Place::Promised => {
                    state.place = Place::Paused(wire);
                    (None, Some(std::mem::take(&mut state.exchanger)))
                }
                _ => (Some(wire), None),
            }
        };
        drop(unwanted);
        if let Some(exchanger) = promised {
            exchanger.wake();
        }
    }
}
