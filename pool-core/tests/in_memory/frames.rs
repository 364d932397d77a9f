//! An HTTP/2 server that notes every frame: what the client announces, its PINGs, its requests.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;

use crate::network::{Manner, State, pass};

/// What was seen, over all connections.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The first settings of each connection, by identifier.
    settings: Mutex<Vec<Vec<(u16, u32)>>>,
    /// What each connection added to its window before the first request.
    windows: Mutex<Vec<u32>>,
    pings: Mutex<usize>,
}

impl Seen {
    /// What the connection opened last announced for this setting.
    pub(crate) fn setting(&self, id: u16) -> Option<u32> {
        let settings = self.settings.lock().expect(INTACT);
        let last = settings.last().expect("a connection");
        last.iter()
            .find(|(at, _)| *at == id)
            .map(|(_, value)| *value)
    }

    /// What the connection opened last added to its window of 65535 bytes.
    pub(crate) fn window(&self) -> u32 {
        *self
            .windows
            .lock()
            .expect(INTACT)
            .last()
            .expect("a connection")
    }

    /// How many connections there were.
    pub(crate) fn conns(&self) -> usize {
        self.settings.lock().expect(INTACT).len()
    }

    pub(crate) fn pings(&self) -> usize {
        *self.pings.lock().expect(INTACT)
    }
}

const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const ACK: u8 = 1;

/// Serves a connection whose preface has been read up to its blank line.
pub(crate) async fn serve(network: &Arc<State>, io: &mut DuplexStream, addr: SocketAddr) {
    let mut rest = [0; 6];
    if io.read_exact(&mut rest).await.is_err() {
        return;
    }
    assert_eq!(&rest, b"SM\r\n\r\n");
    let seen = network.h2();
    let (to_write, mut written) = mpsc::unbounded_channel::<Vec<u8>>();
    let (mut reader, mut writer) = tokio::io::split(io);
    if network.manner(addr) != Manner::Mute {
        let settings = frame(SETTINGS, 0, 0, &[]);
        to_write.send(settings).expect("the receiver is here");
    }
    let read = async {
        let mut first = true;
        while let Ok((kind, flags, stream, payload)) = next(&mut reader).await {
            match kind {
                SETTINGS if flags & ACK == 0 => {
                    if std::mem::take(&mut first) {
                        seen.settings.lock().expect(INTACT).push(entries(&payload));
                        seen.windows.lock().expect(INTACT).push(0);
                    }
                    if network.manner(addr) != Manner::Mute {
                        let _gone = to_write.send(frame(SETTINGS, ACK, 0, &[]));
                    }
                }
                WINDOW_UPDATE if stream == 0 => {
                    let added = u32::from_be_bytes(payload[..4].try_into().expect("four bytes"));
                    let mut windows = seen.windows.lock().expect(INTACT);
                    *windows.last_mut().expect("settings come first") += added;
                }
                PING if flags & ACK == 0 => {
                    *seen.pings.lock().expect(INTACT) += 1;
                    if network.manner(addr) != Manner::Mute {
                        let _gone = to_write.send(frame(PING, ACK, 0, &payload));
                    }
                }
                HEADERS => {
                    network.note_request(addr);
                    // The indexed field `:status: 200`; the stream ends with it.
                    let answer = frame(HEADERS, 0x5, stream, &[0x88]);
                    match network.manner(addr) {
                        Manner::HangsUp => return,
                        Manner::Mute => {}
                        Manner::Slow(delay) => {
                            let to_write = to_write.clone();
                            tokio::spawn(async move {
                                pass(delay).await;
                                let _gone = to_write.send(answer);
                            });
                        }
                        _ => {
                            let _gone = to_write.send(answer);
                        }
                    }
                }
                _ => {}
            }
        }
    };
    let write = async {
        while let Some(bytes) = written.recv().await {
            if writer.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = read => {}
        () = write => {}
    }
}

async fn next(io: &mut (impl AsyncReadExt + Unpin)) -> std::io::Result<(u8, u8, u32, Vec<u8>)> {
    let mut head = [0; 9];
    io.read_exact(&mut head).await?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let stream = u32::from_be_bytes(head[5..9].try_into().expect("four bytes"));
    let mut payload = vec![0; length as usize];
    io.read_exact(&mut payload).await?;
    Ok((head[3], head[4], stream, payload))
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short payload");
    let mut frame = length.to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

fn entries(payload: &[u8]) -> Vec<(u16, u32)> {
    let entry = |bytes: &[u8]| {
        let id = u16::from_be_bytes([bytes[0], bytes[1]]);
        let value = u32::from_be_bytes(bytes[2..6].try_into().expect("four bytes"));
        (id, value)
    };
    payload.chunks_exact(6).map(entry).collect()
}

const INTACT: &str = "nothing panics under this lock";
