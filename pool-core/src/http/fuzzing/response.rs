//! Both HTTP/1.1 engines on the same bytes: the inline one reads the message that hyper reads, or refuses it.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use http::{HeaderMap, Method, Request, Version};
use http_body::Body as _;

use super::rig::{End, Rig, Script};
use crate::config::Http1Engine;
use crate::http::{Body, ExchangeTerms, exchange};
use crate::info::{ConnId, ConnInfo};

/// What a client asks, and what its peer answers.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) asked: Asked,
    pub(super) script: Script,
}

/// A request, as far as it makes a difference to the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Get,
    Head,
    /// With a body.
    Post,
    /// With a body that the peer is asked about first.
    Expecting,
    /// The last on its connection.
    Last,
}

impl Asked {
    fn request(self) -> Request<Body> {
        let (method, field, body) = match self {
            Self::Get => (Method::GET, None, Body::empty()),
            Self::Head => (Method::HEAD, None, Body::empty()),
            Self::Post => (Method::POST, None, "hello".into()),
            Self::Expecting => (
                Method::POST,
                Some(("expect", "100-continue")),
                "hello".into(),
            ),
            Self::Last => (Method::GET, Some(("connection", "close")), Body::empty()),
        };
        let mut request = Request::builder().method(method).uri("https://a.test/x");
        if let Some((name, value)) = field {
            request = request.header(name, value);
        }
        request.body(body).expect("all of it is valid")
    }
}

/// What a caller sees of one exchange.
#[derive(Default)]
struct Seen {
    head: Option<Head>,
    data: Vec<u8>,
    trailers: Fields,
    outcome: Outcome,
    /// Whether the connection may carry another exchange.
    reusable: bool,
    /// What the other exchange brings, if there is one.
    next: Option<(Outcome, Vec<u8>)>,
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.outcome)?;
        if let Some(Head {
            status,
            version,
            fields,
        }) = &self.head
        {
            write!(f, ", {version:?} {status} {fields:?}")?;
        }
        write!(f, ", \"{}\"", escaped(&self.data))?;
        write!(f, ", trailers {:?}, then {:?}", self.trailers, self.next)
    }
}

#[derive(Debug, PartialEq)]
struct Head {
    status: u16,
    version: Version,
    fields: Fields,
}

/// Names and values, the latter escaped.
type Fields = Vec<(String, String)>;

/// How an exchange ended for its caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It waits for ever.
    #[default]
    Stalled,
    Failed,
    /// The whole message is there.
    Whole,
}

/// Compares what both engines make of an answer.
///
/// # Errors
///
/// What the difference is, if the inline engine is not as strict as hyper, or not in step with itself.
pub(super) fn compare(answer: &Answer) -> Result<(), String> {
    let ours = seen(Http1Engine::Inline, answer);
    let theirs = seen(Http1Engine::Hyper, answer);
    match difference(answer, &ours, &theirs) {
        None => Ok(()),
        Some(difference) => Err(format!(
            "{difference}\nanswer: {}\ninline: {ours:?}\nhyper: {theirs:?}",
            written_out(answer)
        )),
    }
}

fn difference(answer: &Answer, ours: &Seen, theirs: &Seen) -> Option<&'static str> {
    if ours.head.is_some() && ours.head != theirs.head {
        return Some("a head that hyper reads otherwise or refuses");
    }
    if !ours.data.starts_with(&theirs.data) && !theirs.data.starts_with(&ours.data) {
        return Some("a body that hyper reads otherwise");
    }
    if ours.outcome == Outcome::Whole {
        if theirs.outcome != Outcome::Whole {
            return Some("a whole message that hyper refuses or waits for");
        }
        if ours.data != theirs.data || ours.trailers != theirs.trailers {
            return Some("a message that ends elsewhere");
        }
    }
    if ours.outcome == Outcome::Stalled {
        if answer.script.end != End::Silence {
            return Some("an exchange that does not end with its connection");
        }
        if theirs.outcome == Outcome::Whole {
            return Some("an exchange that waits although the message is there");
        }
    }
    if ours.reusable && !theirs.reusable {
        return Some("a connection that hyper would not use again");
    }
    if ours.reusable && ours.next != Some((Outcome::Whole, SECOND_BODY.to_vec())) {
        return Some("another exchange that does not get its response");
    }
    None
}

const SECOND: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const SECOND_BODY: &[u8] = b"ok";

fn seen(engine: Http1Engine, answer: &Answer) -> Seen {
    let mut rig = Rig::new(engine, answer.script.clone());
    let mut seen = Seen::default();
    one(&mut rig, answer.asked.request(), &mut seen);
    rig.settle();
    if rig.lease().is_some() {
        seen.reusable = true;
        // Looking at a connection may have shown that it is not what it was.
        rig.settle();
        let mut next = Seen::default();
        rig.hear(SECOND);
        one(&mut rig, Asked::Get.request(), &mut next);
        seen.next = Some((next.outcome, next.data));
    }
    seen
}

/// How an exchange ends.
pub(super) fn attempt(rig: &mut Rig, request: Request<Body>) -> Outcome {
    let mut seen = Seen::default();
    one(rig, request, &mut seen);
    seen.outcome
}

/// One exchange, as far as it comes.
fn one(rig: &mut Rig, mut request: Request<Body>, seen: &mut Seen) {
    let Some(lease) = rig.lease() else {
        seen.outcome = Outcome::Failed;
        return;
    };
    let info = ConnInfo {
        id: ConnId(7),
        facts: rig.facts().clone(),
        reused: false,
        age: Duration::ZERO,
        wait: Duration::ZERO,
        attempts: 1,
    };
    let read = async {
        let terms = ExchangeTerms::default();
        let response = match exchange(lease, &mut request, &terms, info).await {
            Ok(response) => response,
            // A failed try, but a response all the same.
            Err(failed) => match failed.answer {
                Some(answer) => *answer,
                None => return Outcome::Failed,
            },
        };
        let (parts, mut body) = response.into_parts();
        seen.head = Some(Head {
            status: parts.status.as_u16(),
            version: parts.version,
            fields: fields(&parts.headers),
        });
        while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await
        {
            let Ok(frame) = frame else {
                return Outcome::Failed;
            };
            match frame.into_data() {
                Ok(data) => seen.data.extend_from_slice(&data),
                Err(frame) => {
                    seen.trailers = fields(&frame.into_trailers().unwrap_or_default());
                }
            }
        }
        Outcome::Whole
    };
    let outcome = rig.run(read);
    seen.outcome = outcome.unwrap_or_default();
}

/// Fields in their order.
fn fields(map: &HeaderMap) -> Fields {
    let field = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.as_str().to_owned(), escaped(value.as_bytes()))
    };
    map.iter().map(field).collect()
}

fn written_out(answer: &Answer) -> String {
    let Answer { asked, script } = answer;
    let pieces: Vec<String> = script.pieces.iter().map(|piece| escaped(piece)).collect();
    format!("{asked:?}, \"{}\", {:?}", pieces.join("\" \""), script.end)
}

fn escaped(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}
