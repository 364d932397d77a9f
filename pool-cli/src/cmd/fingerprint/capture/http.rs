//! What a client says over HTTP, and a page for it.

use std::io;
use std::time::Duration;

use pool_tls::http2_opening::Http2Opening;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::conn::Said;
use crate::exit::chain;

/// As much as a first request may take, with all that comes before it.
const MOST: usize = 64 * 1024;

/// How long a client that has sent its request may take to answer a PING.
const PING_PATIENCE: Duration = Duration::from_secs(2);

/// Reads HTTP/2 up to the first request and what comes right after it, and answers.
///
/// The answer says that the connection is at its end, so that a page loaded again is another connection, and another hello.
pub(super) async fn http2(io: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Result<Said, String> {
    // Some clients wait for it.
    io.write_all(&frame(SETTINGS, 0, 0, &[]))
        .await
        .map_err(lost)?;
    io.flush().await.map_err(lost)?;
    let mut bytes = Vec::with_capacity(4096);
    let opening = read_opening(io, &mut bytes, |opening| opening.request.is_some()).await?;
    let Some(request) = &opening.request else {
        return Err("HTTP/2 without a request".into());
    };
    let stream = request.stream;
    // What a client sends with its request it sends before it answers a PING: no clock decides what belongs to it.
    let ping = frame(PING, 0, 0, b"captured");
    io.write_all(&[frame(SETTINGS, ACK, 0, &[]), ping].concat())
        .await
        .map_err(lost)?;
    io.flush().await.map_err(lost)?;
    let answered = |opening: &Http2Opening| {
        let mut frames = opening.frames.iter();
        frames.any(|frame| frame.kind == PING && frame.flags & ACK != 0)
    };
    let after = timeout(PING_PATIENCE, read_opening(io, &mut bytes, answered)).await;
    // A client that leaves or errs after its request has said what is wanted.
    let opening = match after {
        Ok(Ok(opening)) => opening,
        Ok(Err(_)) | Err(_) => Http2Opening::parse(&bytes).unwrap_or(opening),
    };
    // `:status: 200` and `content-type` are in the static table, RFC 7541 appendix A: 8, whole, and 31, its name.
    let length = u8::try_from(CONTENT_TYPE.len()).expect("a constant");
    let headers = [&[0x88, 0x0f, 0x10, length], CONTENT_TYPE.as_bytes()].concat();
    let goaway = [stream.to_be_bytes(), [0; 4]].concat();
    let answer = [
        frame(HEADERS, END_HEADERS, stream, &headers),
        frame(DATA, END_STREAM, stream, PAGE.as_bytes()),
        frame(GOAWAY, 0, 0, &goaway),
    ];
    // A client that has left needs no page.
    let _ = io.write_all(&answer.concat()).await;
    let _ = io.flush().await;
    Ok(Said::Http2(Box::new(opening)))
}

/// Reads until the opening is as it is wanted; what there is if the client ends it.
async fn read_opening(
    io: &mut (impl AsyncRead + Unpin),
    bytes: &mut Vec<u8>,
    wanted: impl Fn(&Http2Opening) -> bool,
) -> Result<Http2Opening, String> {
    loop {
        let opening = match Http2Opening::parse(bytes) {
            Ok(opening) if wanted(&opening) => return Ok(opening),
            Ok(opening) => Some(opening),
            Err(error) if error.is_incomplete() => None,
            Err(error) => return Err(chain(&error)),
        };
        if bytes.len() >= MOST {
            return Err(format!("no request within {} KiB", MOST / 1024));
        }
        if io.read_buf(bytes).await.map_err(lost)? == 0 {
            return opening.ok_or_else(|| "hung up before its HTTP/2 settings".into());
        }
    }
}

/// Reads the head of a request over HTTP/1.1, and answers.
pub(super) async fn http1(io: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Result<Said, String> {
    let mut bytes = Vec::with_capacity(4096);
    while !bytes.windows(4).any(|four| four == b"\r\n\r\n") {
        if bytes.len() >= MOST {
            return Err(format!("no request within {} KiB", MOST / 1024));
        }
        if io.read_buf(&mut bytes).await.map_err(lost)? == 0 {
            return Err("hung up before a request".into());
        }
    }
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {CONTENT_TYPE}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{PAGE}",
        PAGE.len()
    );
    let _ = io.write_all(answer.as_bytes()).await;
    let _ = io.flush().await;
    let head = String::from_utf8_lossy(&bytes);
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    let user_agent = fields.find(|(name, _)| name.eq_ignore_ascii_case("user-agent"));
    Ok(Said::Http1 {
        user_agent: user_agent.map(|(_, value)| value.trim().to_owned()),
    })
}

fn lost(error: io::Error) -> String {
    // Without a goodbye in TLS, as many do.
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return "hung up before a request".into();
    }
    format!("the connection was lost: {error}")
}

/// RFC 9113 section 4.1.
fn frame(kind: u8, flags: u8, stream: u32, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).expect("a small page");
    let mut frame = length.to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(content);
    frame
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

const CONTENT_TYPE: &str = "text/html; charset=utf-8";

/// The icon is given so that no browser asks for one: that would be another first request.
const PAGE: &str = "<!doctype html><title>captured</title><link rel=\"icon\" href=\"data:,\">\
    <p>This connection was captured. Load the page again for another one.\n";

#[cfg(test)]
mod tests {
    use super::*;

    const OPENING: &[u8] =
        include_bytes!("../../../../../pool-tls/tests/captures/firefox-esr-153.7.0/h2_02.bin");

    #[tokio::test(start_paused = true)]
    async fn a_client_that_answers_no_ping_is_answered_all_the_same() {
        let (mut client, mut server) = tokio::io::duplex(64 * 1024);
        client.write_all(OPENING).await.unwrap();
        let Ok(Said::Http2(opening)) = http2(&mut server).await else {
            panic!("no opening");
        };
        assert_eq!(*opening, Http2Opening::parse(OPENING).unwrap());
        drop(server);
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        let page = answer.windows(PAGE.len()).any(|at| at == PAGE.as_bytes());
        assert!(page, "{answer:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_before_the_answer_to_a_ping_belongs_to_the_opening() {
        let (mut client, mut server) = tokio::io::duplex(64 * 1024);
        let at = Http2Opening::parse(OPENING).unwrap();
        let stream = at.request.unwrap().stream;
        let update = frame(8, 0, stream, &77_u32.to_be_bytes());
        let pong = frame(PING, ACK, 0, b"captured");
        let late = frame(8, 0, 0, &99_u32.to_be_bytes());
        let plays = async {
            // Without what the capture has after the request.
            let head = Http2Opening::parse(OPENING).unwrap();
            let upto = head.frames.iter().position(|frame| frame.kind == HEADERS);
            let upto: usize = head.frames[..=upto.unwrap()]
                .iter()
                .map(|frame| 9 + usize::try_from(frame.length).unwrap())
                .sum();
            client.write_all(&OPENING[..24 + upto]).await.unwrap();
            // The server's SETTINGS, their ACK, and its PING.
            let mut said = [0; 9 + 9 + 17];
            client.read_exact(&mut said).await.unwrap();
            client.write_all(&[update, pong].concat()).await.unwrap();
            let mut byte = [0];
            client.read_exact(&mut byte).await.unwrap();
            client.write_all(&late).await.unwrap();
            client
        };
        let (said, _client) = tokio::join!(http2(&mut server), plays);
        let Ok(Said::Http2(opening)) = said else {
            panic!("no opening");
        };
        assert_eq!(opening.request.unwrap().window_update, Some(77));
        assert_eq!(opening.frames.last().unwrap().kind, PING);
    }
}
