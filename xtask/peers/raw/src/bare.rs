//! A request written by hand on a TLS stream: as little as a client can do.

use bench_load::{BoxError, What};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// A stream and what was read of it.
pub struct Conn {
    stream: TlsStream<TcpStream>,
    buffer: Vec<u8>,
}

impl Conn {
    pub(crate) fn new(stream: TlsStream<TcpStream>) -> Self {
        let buffer = Vec::new();
        Self { stream, buffer }
    }

    /// Knows only responses that say how long they are.
    pub(crate) async fn fetch(&mut self, what: &What) -> Result<usize, BoxError> {
        let host = what.host.to_str()?;
        let request = format!("GET {} HTTP/1.1\r\nhost: {host}\r\n\r\n", what.path);
        self.stream.write_all(request.as_bytes()).await?;
        self.buffer.clear();
        let (head, length) = loop {
            if let Some(read) = head(&self.buffer)? {
                break read;
            }
            self.more().await?;
        };
        while self.buffer.len() < head + length {
            self.more().await?;
        }
        Ok(length)
    }

    async fn more(&mut self) -> Result<(), BoxError> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err("cut short".into()),
            _ => Ok(()),
        }
    }
}

/// The lengths of the head and of the body, once the head is there.
fn head(read: &[u8]) -> Result<Option<(usize, usize)>, BoxError> {
    let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&read[..end])?;
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .ok_or("no length")?;
    Ok(Some((end + 4, length.parse()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_when_it_is_whole() {
        let text = b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\nabc";
        assert_eq!(head(text).expect("it is right"), Some((39, 12)));
        assert_eq!(head(&text[..38]).expect("it is right"), None);
        assert!(head(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
