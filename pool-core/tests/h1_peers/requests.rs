//! Requests by whose framing a caller could make two of one: the peer reads one, or none that is whole.

use std::time::Duration;

use http::HeaderValue;
use pool_core::ErrorKind;
use pool_core::testing::PeerConn;

use crate::peers::{END, OK, Serve, World, h1, with_both};

const SMUGGLED: &str = "GET /evil HTTP/1.1\r\nhost: a.test\r\n\r\n";

/// What the peer has made of the bytes.
#[derive(Debug, PartialEq, Eq)]
enum Read {
    /// One request, its body this, and nothing after it.
    One(String),
    /// The client closed before there was one.
    None,
}

/// Reads one request as strictly as RFC 9112 lets a server, and answers it.
async fn read_one(far: &mut PeerConn) -> std::io::Result<String> {
    let head = far.read_until(END.as_bytes()).await?;
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let named = |name: &str| -> Vec<&str> {
        let lines = head.lines().filter_map(|line| line.split_once(':'));
        let values = lines.filter(|(found, _)| *found == name);
        values.map(|(_, value)| value.trim()).collect()
    };
    let body = match (
        &named("content-length")[..],
        &named("transfer-encoding")[..],
    ) {
        ([], []) => Vec::new(),
        ([length], []) => far.read(length.parse().expect("a number")).await?.to_vec(),
        ([], ["chunked"]) => {
            let mut body = Vec::new();
            loop {
                let line = far.read_until(b"\r\n").await?;
                let line = String::from_utf8_lossy(&line);
                let size = usize::from_str_radix(line.trim(), 16).expect("a size");
                let chunk = far.read(size + 2).await?;
                if size == 0 {
                    break body;
                }
                body.extend(&chunk[..size]);
            }
        }
        both => panic!("two readers would differ: {both:?}"),
    };
    Ok(String::from_utf8_lossy(&body).into_owned())
}

async fn serve(mut far: PeerConn) -> Read {
    let Ok(body) = read_one(&mut far).await else {
        return Read::None;
    };
    far.say(OK).await;
    let rest = far.read_to_end().await.expect("the client closes in order");
    assert_eq!(String::from_utf8_lossy(&rest), "", "a second request");
    Read::One(body)
}

/// The fields of a caller with a body that looks like a request, and whether it is sent.
const FRAMED: &[(&[(&str, &str)], bool)] = &[
    (&[], true),
    (&[("content-length", "36")], true),
    (&[("content-length", "0")], false),
    (&[("content-length", "5")], false),
    (&[("content-length", "999")], false),
    (&[("content-length", "+36")], false),
    (&[("content-length", "36"), ("content-length", "5")], false),
    (&[("content-length", "36"), ("content-length", "36")], false),
    (
        &[("transfer-encoding", "chunked"), ("content-length", "36")],
        false,
    ),
    (
        &[
            ("transfer-encoding", "chunked"),
            ("transfer-encoding", "chunked"),
        ],
        false,
    ),
    (&[("transfer-encoding", "chunked")], true),
    (
        &[("transfer-encoding", "chunked"), ("content-length", "5")],
        false,
    ),
    (&[("transfer-encoding", "gzip")], false),
    (&[("transfer-encoding", "chunked, identity")], false),
];

#[tokio::test]
async fn one_request_is_one_request_whatever_the_caller_says_of_its_length() {
    with_both(async |engine| {
        assert_eq!(SMUGGLED.len(), 36);
        for &(fields, sent) in FRAMED {
            let case = format!("{engine:?}: {fields:?}");
            let world = World::plain(h1(engine)).await;
            let mut request = world.post(SMUGGLED);
            for &(name, value) in fields {
                let value = HeaderValue::from_static(value);
                request.headers_mut().append(name, value);
            }
            let send = async {
                let outcome = world.pool.request(request).await;
                let opened = world.pool.snapshot().connections.totals.opened;
                let outcome = outcome.map(|response| response.status().as_u16());
                // What the request has left behind is closed, so that the peer sees its end.
                world.pool.close(Duration::ZERO).await;
                (outcome, opened)
            };
            let accept = async { serve(world.accept().await).await };
            let (mut send, mut accept) = (Box::pin(send), Box::pin(accept));
            let (outcome, read) = tokio::select! {
                (outcome, opened) = &mut send => match opened {
                    0 => (outcome, Read::None),
                    _ => (outcome, accept.await),
                },
                read = &mut accept => (send.await.0, read),
            };
            assert_eq!(read != Read::None, sent, "{case}");
            match outcome {
                Ok(_) => assert_eq!(read, Read::One(SMUGGLED.into()), "{case}"),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Request, "{case}: {error:?}");
                    assert_eq!(read, Read::None, "{case}");
                }
            }
        }
    })
    .await;
}
