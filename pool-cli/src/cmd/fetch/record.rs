//! What is told about one request.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use pool_core::{ConnInfo, Error};
use pool_tls::fidelity::Fidelity;
use serde::Serialize;

use super::input::BadItem;
use crate::exit::chain;
use crate::output::printable;

/// How one item ended.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Record {
    Done(Done),
    Failed(Failed),
}

/// A response came, and its body ended.
#[derive(Debug, Serialize)]
pub(super) struct Done {
    pub(super) url: String,
    pub(super) status: u16,
    /// Of the body.
    pub(super) bytes: u64,
    /// Of the body, in lower case hexadecimal digits.
    pub(super) sha256: String,
    /// Until the response's head came, the wait for a connection included.
    pub(super) ttfb_us: u64,
    /// Until the body's end.
    pub(super) total_us: u64,
    pub(super) attempts: u32,
    pub(super) conn: Option<Conn>,
    /// Where the body was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file: Option<String>,
}

/// The connection that carried it.
#[derive(Debug, Serialize)]
pub(super) struct Conn {
    id: u64,
    reused: bool,
    /// Whether it was open before the request asked for one: an earlier request or the warm-up had opened it.
    #[serde(skip)]
    pub(super) was_open: bool,
    target: SocketAddr,
    source: Option<IpAddr>,
    proto: String,
    /// The TLS profile; `null` without TLS.
    profile: Option<String>,
    /// How near the hello came to the profile's.
    fidelity: Option<&'static str>,
    age_ms: u64,
}

impl From<&ConnInfo> for Conn {
    fn from(info: &ConnInfo) -> Self {
        Self {
            id: info.id.as_u64(),
            reused: info.reused,
            was_open: info.reused || info.age > info.wait,
            target: info.facts.target,
            source: info
                .facts
                .source
                .map(|addr| addr.ip())
                .or(info.facts.leased),
            proto: info.facts.protocol.to_string(),
            profile: info.facts.profile.as_ref().map(ToString::to_string),
            fidelity: info.facts.fidelity.map(Fidelity::name),
            age_ms: u64::try_from(info.age.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// No whole response came.
#[derive(Debug, Serialize)]
pub(super) struct Failed {
    /// Of the input, for a line that could not be understood.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) line: Option<u64>,
    /// `null` for a line that holds none.
    pub(super) url: Option<String>,
    /// Tries on the wire, as far as they are known.
    pub(super) attempts: u32,
    pub(super) error: Reason,
}

/// Why not.
#[derive(Debug, Serialize)]
pub(super) struct Reason {
    /// A word to branch on: one of [`pool_core::ErrorKind::code`], or `bad_input`, `max_time` or `save`.
    pub(super) kind: &'static str,
    pub(super) message: String,
    /// What to do about it.
    #[serde(skip)]
    pub(super) hint: &'static str,
}

impl Failed {
    /// The pool's error.
    pub(super) fn pool(url: String, error: &Error) -> Self {
        let kind = error.kind().code();
        Self {
            line: None,
            url: Some(url),
            attempts: error.attempts(),
            error: Reason {
                kind,
                message: chain(error),
                hint: hint(kind),
            },
        }
    }

    /// `--max-time` passed.
    pub(super) fn max_time(url: String, attempts: u32, limit: Duration) -> Self {
        let limit = pool_core::config::format_duration(limit);
        Self {
            line: None,
            url: Some(url),
            attempts,
            error: Reason {
                kind: "max_time",
                message: format!("it was not over after {limit}"),
                hint: "--max-time allows more",
            },
        }
    }

    /// The body could not be written to its file.
    pub(super) fn save(url: String, attempts: u32, file: &str, error: &std::io::Error) -> Self {
        Self {
            line: None,
            url: Some(url),
            attempts,
            error: Reason {
                kind: "save",
                message: format!("cannot write {file}: {error}"),
                hint: "look at the disk and the permissions of the directory",
            },
        }
    }
}

impl From<BadItem> for Failed {
    fn from(bad: BadItem) -> Self {
        let hint = match bad.line {
            Some(_) => "a line is a URL, or a JSON object with url, method, headers and body",
            None => "give a whole URL, such as https://example.com/",
        };
        Self {
            line: bad.line,
            url: bad.url,
            attempts: 0,
            error: Reason {
                kind: "bad_input",
                message: bad.message,
                hint,
            },
        }
    }
}

impl Record {
    /// One line for people.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Done(done) => {
                let conn = match &done.conn {
                    Some(conn) => conn.text(),
                    None => String::new(),
                };
                let Done { status, url, .. } = done;
                let bytes = format!("{} B", done.bytes);
                let time = format!("{:.1} ms", done.total_us as f64 / 1000.0);
                printable(&format!("{status}  {bytes:>10}  {time:>10}  {conn}  {url}"))
            }
            Self::Failed(failed) => {
                let Reason { kind, message, .. } = &failed.error;
                let place = match (&failed.line, &failed.url) {
                    (Some(line), Some(url)) => format!("line {line}: {url}"),
                    (Some(line), None) => format!("line {line}"),
                    (None, url) => url.clone().unwrap_or_default(),
                };
                printable(&format!("ERR  {kind}  {place}: {message}"))
            }
        }
    }
}

impl Conn {
    fn text(&self) -> String {
        let reused = match (self.reused, self.was_open) {
            (true, _) => "reused",
            (false, true) => "warm",
            (false, false) => "new",
        };
        let Self { target, proto, .. } = self;
        match self.source {
            Some(source) => format!("{reused:6}  {proto}  {target} ← {source}"),
            None => format!("{reused:6}  {proto}  {target}"),
        }
    }
}

/// What to do about an error of this kind.
fn hint(kind: &str) -> &'static str {
    match kind {
        "tls" => {
            "look at the server's certificate, its name and dates; --cacert FILE trusts a private authority; use http:// for a port without TLS"
        }
        "resolve" | "resolve_timeout" => {
            "check the name; --resolve HOST:PORT:ADDR gives its address by hand"
        }
        "denied" => {
            "an access list says no: look at --deny, --allow and [[access]]; nothing was sent"
        }
        "refused" | "connect" => "check that something listens there, and the port",
        "connect_timeout" | "handshake_timeout" => {
            "nothing answers there; --connect-timeout allows more time"
        }
        "local_addr" => "give a --source of the same family as the target, and of this machine",
        "saturated" | "acquire_timeout" => {
            "all connections are busy: a lower -c asks for less, --max-conns-per-host allows more"
        }
        "response_head_timeout" | "body_idle_timeout" => {
            "the server is slow: the configuration's [timeouts] allow more"
        }
        "maybe_processed" => "look whether the server did it before you send it again",
        "unavailable" => {
            "every address failed lately: wait, or look at them one by one with --resolve"
        }
        "request" => "check the URL, the method and the headers",
        _ => "POOL_LOG=pool_core=debug shows what happened on stderr",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Versioned;

    fn done() -> Done {
        Done {
            url: "https://a.test/1".into(),
            status: 200,
            bytes: 3,
            sha256: "ab".into(),
            ttfb_us: 41_210,
            total_us: 41_733,
            attempts: 1,
            conn: Some(Conn {
                id: 7,
                reused: true,
                was_open: true,
                target: "127.0.1.4:443".parse().unwrap(),
                source: Some("127.0.2.9".parse().unwrap()),
                proto: "h2".into(),
                profile: Some("native".into()),
                fidelity: Some("native"),
                age_ms: 812,
            }),
            file: None,
        }
    }

    fn json(record: Record) -> String {
        serde_json::to_string(&Versioned::new(record)).unwrap()
    }

    #[test]
    fn a_record_has_these_fields_in_this_order() {
        assert_eq!(
            json(Record::Done(done())),
            r#"{"v":1,"url":"https://a.test/1","status":200,"bytes":3,"sha256":"ab","ttfb_us":41210,"total_us":41733,"attempts":1,"conn":{"id":7,"reused":true,"target":"127.0.1.4:443","source":"127.0.2.9","proto":"h2","profile":"native","fidelity":"native","age_ms":812}}"#
        );
        let late = Failed::max_time("https://a.test/1".into(), 2, Duration::from_secs(5));
        assert_eq!(
            json(Record::Failed(late)),
            r#"{"v":1,"url":"https://a.test/1","attempts":2,"error":{"kind":"max_time","message":"it was not over after 5s"}}"#
        );
    }

    #[test]
    fn a_bad_line_is_a_record_with_its_number() {
        let bad = BadItem {
            line: Some(3),
            url: None,
            message: "no".into(),
        };
        assert_eq!(
            json(Record::Failed(bad.into())),
            r#"{"v":1,"line":3,"url":null,"attempts":0,"error":{"kind":"bad_input","message":"no"}}"#
        );
    }

    #[test]
    fn people_get_one_line_that_a_terminal_does_not_obey() {
        let text = Record::Done(done()).text();
        assert!(
            text.contains("41.7 ms") && text.contains("127.0.1.4:443 ← 127.0.2.9"),
            "{text}"
        );
        let bad = BadItem {
            line: Some(3),
            url: Some("\x1b[2J".into()),
            message: "two\nlines".into(),
        };
        let text = Record::Failed(bad.into()).text();
        assert!(!text.contains(char::is_control), "{text:?}");
    }
}
