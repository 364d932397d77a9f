//! Callers: what they ask for, how patient they are, and how they leave.

use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, StreamBody};
use pool_core::{Body, ConnInfo, Error, Pool, PoolBody, Protocols, RequestOptions};
use tokio::time::timeout;

use crate::clock::pass;
use crate::dice::Dice;
use crate::history::{Answer, History, Outcome};
use crate::plan::{HostPlan, Speaks};
use crate::service::{ID, SIZE, answer_to, question_of};

/// Asks the pool, and writes down what comes of it.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) history: Arc<History>,
    pub(crate) hosts: Arc<Vec<HostPlan>>,
    pub(crate) pool: Pool,
}

/// How a caller behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Reads the whole response.
    Plain,
    /// Goes away after this time, wherever that finds it.
    LeavesAfter(Duration),
    /// Goes away when it is woken after so many looks, without another one.
    LeavesAtPoll(usize),
    /// Pauses before each piece of the body.
    ReadsSlowly(Duration),
    /// Drops the body after so many pieces.
    DropsBody(usize),
    /// Holds a connection for this long, then sends on it.
    Leases(Duration),
    /// Holds a connection for this long, then gives it back.
    Returns(Duration),
}

impl Style {
    pub(crate) fn throw(dice: &mut Dice) -> Self {
        match dice.below(20) {
            0 | 1 => Self::LeavesAfter(dice.millis(0, 500)),
            2 | 3 => Self::LeavesAtPoll(dice.between(1, 6)),
            4 => Self::ReadsSlowly(dice.millis(1, 400)),
            5 | 6 => Self::DropsBody(dice.between(0, 1)),
            7 => Self::Leases(dice.millis(0, 800)),
            8 => Self::Returns(dice.millis(0, 800)),
            _ => Self::Plain,
        }
    }
}

/// One request to be made.
#[derive(Clone, Debug)]
pub(crate) struct Errand {
    pub(crate) host: usize,
    pub(crate) method: Method,
    pub(crate) style: Style,
    /// Bytes of the request's body.
    pub(crate) size: usize,
    /// The body comes in pieces with this pause, cannot be sent twice, and does not say its length.
    pub(crate) streams: Option<Duration>,
    pub(crate) no_retry: bool,
}

impl Errand {
    pub(crate) fn throw(dice: &mut Dice, hosts: usize) -> Self {
        let method = dice.pick(&[Method::GET, Method::GET, Method::PUT, Method::POST]);
        let size = match (&method, dice.chance(5)) {
            (&Method::GET, _) => 0,
            (_, true) => dice.between(0, 40_000),
            (_, false) => dice.between(0, 200),
        };
        Self {
            host: dice.below(hosts),
            streams: (size > 0 && dice.chance(30)).then(|| dice.millis(0, 50)),
            method,
            style: Style::throw(dice),
            size,
            no_retry: dice.chance(10),
        }
    }

    /// A plain GET.
    pub(crate) fn get(host: usize) -> Self {
        Self {
            host,
            method: Method::GET,
            style: Style::Plain,
            size: 0,
            streams: None,
            no_retry: false,
        }
    }
}

impl fmt::Display for Errand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, {} bytes", self.style, self.size)?;
        if let Some(pause) = self.streams {
            write!(f, " in pieces every {pause:?}")?;
        }
        f.write_str(if self.no_retry { ", once" } else { "" })
    }
}

impl Caller {
    /// Makes a request and returns how it ended.
    pub(crate) async fn run(&self, errand: &Errand) -> Outcome {
        let id = self.history.ask(errand);
        let exchange = pin!(self.exchange(errand, id));
        let outcome = match errand.style {
            Style::LeavesAfter(patience) => timeout(patience, exchange).await.ok(),
            Style::LeavesAtPoll(polls) => at_most(polls, exchange).await,
            // I9: far beyond every deadline the pool has.
            _ => Some(timeout(FOREVER, exchange).await.unwrap_or(Outcome::Hung)),
        };
        let outcome = outcome.unwrap_or(Outcome::Cancelled);
        self.history.end(id, outcome.clone());
        outcome
    }

    async fn exchange(&self, errand: &Errand, id: usize) -> Outcome {
        let url = self.url(errand.host);
        let request = self.request(errand, id, &url);
        // There is no asking for a protocol with a lease.
        let can_lease = self.hosts[errand.host].speaks == Speaks::Http1;
        let sent = match errand.style {
            Style::Leases(hold) | Style::Returns(hold) if can_lease => {
                match self.pool.acquire(&url).await {
                    Ok(lease) => {
                        pass(hold).await;
                        if let Style::Returns(_) = errand.style {
                            let wait = lease.conn_info().wait;
                            return Outcome::Unused { wait };
                        }
                        lease.send(request).await
                    }
                    Err(error) => Err(error),
                }
            }
            _ => self.pool.request(request).await,
        };
        match sent {
            Ok(response) => read(errand.style, id, response).await,
            Err(error) => failed(&error),
        }
    }

    fn url(&self, host: usize) -> String {
        format!("http://{}/", self.hosts[host].name)
    }

    fn request(&self, errand: &Errand, id: usize, url: &str) -> Request<Body> {
        let body = question_of(id, errand.size);
        let body = match errand.streams {
            None => Body::from(body),
            Some(pause) => pieces(Bytes::from(body), pause),
        };
        let request = Request::builder().method(errand.method.clone()).uri(url);
        let request = request.header(ID, id).header(SIZE, errand.size);
        let mut request = request.body(body).expect("the request is in order");
        let mut options = RequestOptions::new();
        if let Speaks::Http2 { .. } = self.hosts[errand.host].speaks {
            options = options.protocols(Protocols::Http2);
        }
        if errand.no_retry {
            options = options.no_retry();
        }
        request.extensions_mut().insert(options);
        request
    }
}

async fn read(style: Style, id: usize, response: Response<PoolBody>) -> Outcome {
    let (head, mut body) = response.into_parts();
    let info = head
        .extensions
        .get::<ConnInfo>()
        .expect("in every response");
    let answer = Answer {
        status: head.status.as_u16(),
        attempts: info.attempts,
        wait: info.wait,
        conn: info.id.as_u64(),
    };
    let number = |name| head.headers.get(name)?.to_str().ok()?.parse::<usize>().ok();
    let Some((of, size)) = number(ID).zip(number(SIZE)) else {
        return Outcome::Foreign(format!("{head:?}"));
    };
    if of != id {
        return Outcome::Foreign(format!("the answer to #{of}"));
    }
    let mut whole = Vec::new();
    let mut pieces = 0;
    loop {
        match style {
            Style::DropsBody(after) if pieces >= after => return Outcome::Dropped(answer),
            Style::ReadsSlowly(pause) => pass(pause).await,
            _ => {}
        }
        match body.frame().await {
            Some(Ok(frame)) => whole.extend_from_slice(&frame.into_data().unwrap_or_default()),
            Some(Err(error)) => return Outcome::CutShort(answer, error.kind()),
            None => break,
        }
        pieces += 1;
    }
    if whole != answer_to(id, size) {
        let start = String::from_utf8_lossy(&whole[..whole.len().min(60)]).into_owned();
        return Outcome::Foreign(format!("{} of {size} bytes: {start:?}", whole.len()));
    }
    Outcome::Answered(answer)
}

fn failed(error: &Error) -> Outcome {
    Outcome::Failed {
        kind: error.kind(),
        attempts: error.attempts(),
    }
}

/// A body in three pieces.
fn pieces(mut whole: Bytes, pause: Duration) -> Body {
    let size = whole.len().div_ceil(3).max(1);
    let pieces = std::iter::from_fn(move || {
        let piece = whole.split_to(size.min(whole.len()));
        (!piece.is_empty()).then_some(piece)
    });
    let frames = futures_util::stream::unfold(pieces, move |mut pieces| async move {
        let piece = pieces.next()?;
        pass(pause).await;
        Some((
            Ok::<_, std::io::Error>(http_body::Frame::data(piece)),
            pieces,
        ))
    });
    Body::wrap(StreamBody::new(frames))
}

/// Polls no more often than that; `None` when it would be polled once more. What woke it, a connection that was granted
/// perhaps, it never sees.
async fn at_most<F: Future>(polls: usize, mut future: Pin<&mut F>) -> Option<F::Output> {
    let mut left = polls;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(cx).map(Some)
    })
    .await
}

/// Longer than any wait that the plans allow, over all tries of one request.
const FOREVER: Duration = Duration::from_secs(300);
