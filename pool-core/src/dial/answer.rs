//! A lookup's answer, and how long it counts.

use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Instant;

use futures_util::future::{Either, select};
use tokio::time::sleep_until;

/// What a [`Resolver`](crate::Resolver) knows of a host: its addresses, until when they count, and how it will say that they changed.
///
/// Without more than addresses it counts until the next [`refresh_interval`](crate::config::Upkeep::refresh_interval).
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
/// use pool_core::Answer;
///
/// let (_changes, mut changed) = tokio::sync::watch::channel(());
/// let answer = Answer::new(vec!["192.0.2.1:443".parse()?])
///     .valid_until(Instant::now() + Duration::from_secs(30))
///     .until(async move { _ = changed.changed().await });
/// assert_eq!(answer.addrs().len(), 1);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[must_use]
pub struct Answer {
    pub(crate) addrs: Vec<SocketAddr>,
    pub(crate) end: AnswerEnd,
}

/// When an answer ends; never, if nothing is said.
#[derive(Default)]
pub(crate) struct AnswerEnd {
    pub(super) at: Option<Instant>,
    change: Option<Change>,
}

type Change = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Its time is over.
    Old,
    /// There is another.
    Changed,
}

impl Answer {
    /// Addresses about whose future nothing is known.
    pub fn new(addrs: Vec<SocketAddr>) -> Self {
        let end = AnswerEnd::default();
        Self { addrs, end }
    }

    /// It counts until then, and no longer than was said before. The host is looked up again then, if it is in use; not within a second
    /// of the last lookup, whatever this says.
    pub fn valid_until(mut self, at: Instant) -> Self {
        self.end.at = Some(self.end.at.map_or(at, |before| before.min(at)));
        self
    }

    /// It counts until `change` ends, too, which says that another answer would be given now. The host is looked up again at once, if it
    /// is in use; not within a tenth of a second of the last lookup.
    ///
    /// The future is polled by a task of the pool as long as the answer counts. It must not miss a change that comes before its first
    /// poll. One that never ends is as good as none.
    pub fn until(mut self, change: impl Future<Output = ()> + Send + 'static) -> Self {
        self.end.change = Some(match self.end.change.take() {
            None => Box::pin(change),
            Some(before) => Box::pin(async move {
                let _either = select(before, Box::pin(change)).await;
            }),
        });
        self
    }

    /// The addresses.
    pub fn addrs(&self) -> &[SocketAddr] {
        &self.addrs
    }

    /// Takes what ends the other one as an end of this one as well.
    pub(super) fn with_end(mut self, other: AnswerEnd) -> Self {
        if let Some(at) = other.at {
            self = self.valid_until(at);
        }
        match other.change {
            Some(change) => self.until(change),
            None => self,
        }
    }
}

impl AnswerEnd {
    /// Whether it may ever come.
    pub(crate) fn is_known(&self) -> bool {
        self.at.is_some() || self.change.is_some()
    }

    /// Waits for it.
    pub(crate) async fn wait(&mut self) -> Ended {
        let at = self.at;
        let old = Box::pin(async move {
            match at {
                Some(at) => sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        });
        match &mut self.change {
            None => {
                old.await;
                Ended::Old
            }
            Some(change) => match select(change.as_mut(), old).await {
                Either::Left(_) => {
                    // It must not be polled again.
                    self.change = None;
                    Ended::Changed
                }
                Either::Right(_) => Ended::Old,
            },
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("addrs", &self.addrs)
            .field("valid_until", &self.end.at)
            .field("says_changes", &self.end.change.is_some())
            .finish()
    }
}
