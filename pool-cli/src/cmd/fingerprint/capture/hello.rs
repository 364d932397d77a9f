//! Reading a ClientHello off a connection, and keeping its bytes for whoever goes on with it.

use std::fmt;
use std::io;
use std::time::Duration;

use pool_tls::client_hello::{ClientHello, ClientHelloError};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

/// As much as a client may send before its hello is whole; as [`ClientHello::parse`] advises.
const MOST: usize = 64 * 1024;

/// As long as it may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why no hello came.
#[derive(Debug)]
pub(super) enum NoHello {
    /// The client hung up after so many bytes of it.
    HungUp(usize),
    /// What came is something else.
    Other(ClientHelloError),
    /// It speaks HTTP without TLS.
    PlainHttp,
    TooLong,
    TooSlow,
    Io(io::Error),
}

impl fmt::Display for NoHello {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HungUp(0) => f.write_str("hung up without a word"),
            Self::HungUp(bytes) => write!(f, "hung up after {bytes} bytes of a ClientHello"),
            Self::Other(error) => write!(f, "no ClientHello: {error}"),
            Self::PlainHttp => f.write_str("plain HTTP: the URL begins with https"),
            Self::TooLong => write!(f, "no ClientHello within {} KiB", MOST / 1024),
            Self::TooSlow => write!(f, "no ClientHello within {} s", PATIENCE.as_secs()),
            Self::Io(error) => write!(f, "no ClientHello: {error}"),
        }
    }
}

/// The hello, and every byte that was read.
pub(super) async fn read(
    from: &mut (impl AsyncRead + Unpin),
) -> Result<(ClientHello, Vec<u8>), NoHello> {
    let mut bytes = Vec::with_capacity(4096);
    match timeout(PATIENCE, read_into(from, &mut bytes)).await {
        Ok(hello) => hello.map(|hello| (hello, bytes)),
        Err(_elapsed) => Err(NoHello::TooSlow),
    }
}

async fn read_into(
    from: &mut (impl AsyncRead + Unpin),
    bytes: &mut Vec<u8>,
) -> Result<ClientHello, NoHello> {
    let mut wanted = 1;
    loop {
        // Parsed again only when it can have become whole: a client that sends byte by byte costs no more than another.
        while bytes.len() < wanted {
            if bytes.len() >= MOST {
                return Err(NoHello::TooLong);
            }
            if from.read_buf(bytes).await.map_err(NoHello::Io)? == 0 {
                return Err(NoHello::HungUp(bytes.len()));
            }
        }
        match ClientHello::parse(bytes) {
            Ok(hello) => return Ok(hello),
            Err(error) => match error.more() {
                Some(more) => wanted = bytes.len() + more,
                None if is_plain_http(bytes) => return Err(NoHello::PlainHttp),
                None => return Err(NoHello::Other(error)),
            },
        }
    }
}

/// Whether it begins with a method in capitals, or HTTP/2's preface, which does too.
fn is_plain_http(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(3)];
    start.len() == 3 && start.iter().all(u8::is_ascii_uppercase)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use tokio::io::AsyncWriteExt;

    use super::*;

    const HELLO: &[u8] =
        include_bytes!("../../../../../pool-tls/tests/captures/chromium-156.0.8078.79/ch01.bin");

    async fn refused(bytes: &[u8]) -> String {
        let outcome = read(&mut Cursor::new(bytes)).await;
        outcome.expect_err("no hello").to_string()
    }

    #[tokio::test]
    async fn what_is_read_with_the_hello_is_kept() {
        let sent = [HELLO, b"early data"].concat();
        let (hello, bytes) = read(&mut Cursor::new(&sent)).await.unwrap();
        assert_eq!(hello, ClientHello::parse(HELLO).unwrap());
        assert_eq!(bytes, sent);
    }

    #[tokio::test]
    async fn a_hello_may_come_byte_by_byte() {
        let (mut client, mut server) = tokio::io::duplex(1);
        let sends = async {
            client.write_all(HELLO).await.unwrap();
            client
        };
        let (outcome, _client) = tokio::join!(read(&mut server), sends);
        assert_eq!(outcome.unwrap().1, HELLO);
    }

    #[tokio::test]
    async fn what_is_no_hello_is_told_apart() {
        assert_eq!(refused(b"").await, "hung up without a word");
        let cut = refused(&HELLO[..100]).await;
        assert_eq!(cut, "hung up after 100 bytes of a ClientHello");
        assert!(
            refused(b"GET / HTTP/1.1\r\n")
                .await
                .starts_with("plain HTTP")
        );
        let garbage = refused(&[0xff; 40]).await;
        assert!(
            garbage.starts_with("no ClientHello: not a TLS handshake"),
            "{garbage}"
        );
        // Records of a byte each: the hello would be whole after 12 KiB, with its records after 72 KiB.
        let mut records = vec![22, 3, 1, 0, 4, 1, 0, 0x30, 0];
        records.extend([22, 3, 1, 0, 1, 0].repeat(0x3000 - 1));
        assert!(records.len() > MOST);
        assert_eq!(refused(&records).await, "no ClientHello within 64 KiB");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever() {
        let (mut client, mut server) = tokio::io::duplex(64);
        client.write_all(&HELLO[..10]).await.unwrap();
        let outcome = read(&mut server).await.unwrap_err();
        assert_eq!(outcome.to_string(), "no ClientHello within 10 s");
    }
}
