//! What to fetch: arguments first, then lines, read as they are needed.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::unfold;
use http::header::{HeaderName, HeaderValue};
use http::{Method, Uri};
use serde::Deserialize;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, BufReader};

use crate::cmd::url::parse_url;
use crate::exit::Failure;
use crate::output::is_dash;

/// One thing to fetch, or a line that is none.
#[derive(Debug)]
pub(super) enum Item {
    Job(Job),
    Bad(BadItem),
}

/// What one argument or line says.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) uri: Uri,
    pub(super) method: Option<Method>,
    /// These replace headers of the same name that all requests have.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Option<Bytes>,
}

/// An argument or line that cannot be fetched.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadItem {
    /// The number of the line, from 1; `None` for an argument.
    pub(super) line: Option<u64>,
    /// The URL, without a password, if there is something that was meant as one.
    pub(super) url: Option<String>,
    pub(super) message: String,
}

/// Lines from a file or stdin.
pub(super) type Lines = Pin<Box<dyn AsyncBufRead + Send>>;

/// Opens the file; `-` is stdin.
pub(super) async fn open(path: &Path) -> Result<Lines, Failure> {
    if is_dash(path) {
        return Ok(Box::pin(BufReader::new(tokio::io::stdin())));
    }
    let unreadable = |error: io::Error| {
        Failure::usage(
            format!("cannot read {}: {error}", path.display()),
            "give a file with one URL or JSON object on each line, or - for stdin",
        )
    };
    let file = tokio::fs::File::open(path).await.map_err(unreadable)?;
    if file.metadata().await.map_err(unreadable)?.is_dir() {
        return Err(unreadable(io::ErrorKind::IsADirectory.into()));
    }
    Ok(Box::pin(BufReader::new(file)))
}

/// The URLs, then the lines; it ends after an error of the reader. Nothing is read before it is asked for.
pub(super) fn items(
    urls: Vec<String>,
    lines: Option<Lines>,
) -> impl Stream<Item = io::Result<Item>> + Send {
    let arguments = urls.into_iter();
    unfold(
        (arguments, lines, 0),
        |(mut arguments, lines, number)| async move {
            if let Some(url) = arguments.next() {
                return Some((Ok(argument(&url)), (arguments, lines, number)));
            }
            let mut lines = lines?;
            let mut number = number;
            loop {
                let line = match next_line(&mut lines).await {
                    Ok(Some(line)) => line,
                    Ok(None) => return None,
                    Err(error) => return Some((Err(error), (arguments, None, number))),
                };
                number += 1;
                if let Some(item) = parse_line(&line, number) {
                    return Some((Ok(item), (arguments, Some(lines), number)));
                }
            }
        },
    )
}

/// The longest line that is read: room for a large body, and a bound for what is no list of URLs at all.
const LONGEST_LINE: usize = 16 * 1024 * 1024;

/// A line without its end.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    Whole(Vec<u8>),
    /// Longer than [`LONGEST_LINE`]; the rest was skipped.
    TooLong,
}

async fn next_line(lines: &mut Lines) -> io::Result<Option<Line>> {
    let mut line = Some(Vec::new());
    let mut any = false;
    loop {
        let piece = lines.fill_buf().await?;
        if piece.is_empty() && !any {
            return Ok(None);
        }
        any = true;
        let end = piece.iter().position(|byte| *byte == b'\n');
        let text = &piece[..end.unwrap_or(piece.len())];
        if let Some(whole) = &mut line {
            whole.extend_from_slice(text);
            if whole.len() > LONGEST_LINE {
                line = None;
            }
        }
        let ended = end.is_some() || piece.is_empty();
        let used = text.len() + usize::from(end.is_some());
        lines.as_mut().consume(used);
        if ended {
            return Ok(Some(line.map_or(Line::TooLong, Line::Whole)));
        }
    }
}

fn argument(url: &str) -> Item {
    match parse_url(url) {
        Ok(uri) => Item::Job(Job::get(uri)),
        Err(message) => Item::Bad(BadItem {
            line: None,
            url: Some(without_password(url)),
            message,
        }),
    }
}

/// `None` for a line of white space.
fn parse_line(line: &Line, number: u64) -> Option<Item> {
    let bad = |url: Option<&str>, message: String| {
        Some(Item::Bad(BadItem {
            line: Some(number),
            url: url.map(without_password),
            message,
        }))
    };
    let Line::Whole(bytes) = line else {
        return bad(
            None,
            format!("the line is longer than {LONGEST_LINE} bytes"),
        );
    };
    let Ok(text) = std::str::from_utf8(bytes) else {
        return bad(None, "the line is not UTF-8".into());
    };
    // Editors put a mark in front of the first line.
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return None;
    }
    if text.starts_with('{') {
        let object: Object = match serde_json::from_str(text) {
            Ok(object) => object,
            // The line may hold anything, a password too: only where it breaks is told.
            Err(error) => return bad(None, format!("not a JSON object of a request: {error}")),
        };
        let url = object.url.clone();
        return match object.into_job() {
            Ok(job) => Some(Item::Job(job)),
            Err(message) => bad(Some(&url), message),
        };
    }
    match parse_url(text) {
        Ok(uri) => Some(Item::Job(Job::get(uri))),
        Err(message) => bad(Some(text), message),
    }
}

/// A line with more than a URL.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Object {
    url: String,
    method: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<String>,
}

impl Object {
    fn into_job(self) -> Result<Job, String> {
        let uri = parse_url(&self.url)?;
        let method = self.method.as_deref().map(parse_method).transpose()?;
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| parse_header(name, value));
        Ok(Job {
            uri,
            method,
            headers: headers.collect::<Result<_, _>>()?,
            body: self.body.map(Bytes::from),
        })
    }
}

impl Job {
    fn get(uri: Uri) -> Self {
        Self {
            uri,
            method: None,
            headers: Vec::new(),
            body: None,
        }
    }
}

pub(super) fn parse_method(text: &str) -> Result<Method, String> {
    match text.parse() {
        Ok(Method::CONNECT) => Err("CONNECT is for proxies".into()),
        Ok(method) => Ok(method),
        Err(_) => Err(format!("{text:?} is not a method")),
    }
}

pub(super) fn parse_header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    let header: HeaderName = name
        .parse()
        .or(Err(format!("{name:?} is not the name of a header")))?;
    // The value is not repeated: it may be a secret.
    let mut value: HeaderValue = value.parse().or(Err(format!(
        "the value of the header {name:?} has a character that cannot be sent"
    )))?;
    value.set_sensitive(is_secret(&header));
    Ok((header, value))
}

/// Kept out of HTTP/2's tables, and of whatever prints headers.
fn is_secret(name: &HeaderName) -> bool {
    use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION};
    [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION].contains(name)
}

/// The text of a URL without what stands before an `@` in its authority.
fn without_password(url: &str) -> String {
    let start = url.find("://").map_or(0, |at| at + 3);
    let rest = &url[start..];
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{}***{}", &url[..start], &rest[at..]),
        None => url.into(),
    }
}

#[cfg(test)]
mod tests;
