//! Heads that unpack to more than anybody should hold: memory stays within a bound that the peer has no part in.

use pool_core::ErrorKind;

use super::peers::{
    CONTINUATION, END_HEADERS, Far, HEADERS, URL, closed, everything_has_happened, h2, open, peak,
    pool,
};

/// What this side may hold for a peer whose head is too large: the 64 KiB allowed, a frame or two, and the connection.
const BOUND: u64 = 1024 * 1024;

/// Sends a head in pieces until it has all gone or the client has closed.
async fn send_head(far: &mut Far, stream: u32, pieces: &[Vec<u8>]) {
    for (n, piece) in pieces.iter().enumerate() {
        let last = if n + 1 == pieces.len() {
            END_HEADERS
        } else {
            0
        };
        let kind = if n == 0 { HEADERS } else { CONTINUATION };
        if far.try_write(kind, last, stream, piece).await.is_err() {
            return;
        }
    }
}

/// One field of four thousand bytes that goes into the table, and then names of it, one byte each, 16 KiB a frame: a KiB
/// on the wire is four MiB unpacked.
fn hpack_bomb(frames: usize) -> Vec<Vec<u8>> {
    let value = vec![b'v'; 4000];
    let mut first = vec![0x88, 0x40, 1, b'x'];
    // Length 4000 as an HPACK integer with a prefix of seven bits.
    first.extend([
        0x7f,
        (4000 - 127) as u8 & 0x7f | 0x80,
        ((4000 - 127) >> 7) as u8,
    ]);
    first.extend(&value);
    let mut pieces = vec![first];
    pieces.extend(std::iter::repeat_n(vec![0xbe; 16 * 1024], frames));
    pieces
}

/// Literal fields without end, none of which is in itself too large.
fn long_head(frames: usize) -> Vec<Vec<u8>> {
    let mut field = vec![0, 1, b'x', 0x7e];
    field.extend([b'v'; 0x7e]);
    let piece: Vec<u8> = field.repeat(16 * 1024 / field.len());
    let mut pieces = vec![vec![0x88]];
    pieces.extend(std::iter::repeat_n(piece, frames));
    pieces
}

#[test]
fn a_head_that_is_too_large_costs_its_connection_and_no_memory() {
    for (name, pieces, reason) in [
        ("an HPACK bomb of one frame", hpack_bomb(1), Some("flood")),
        ("an HPACK bomb", hpack_bomb(64), Some("flood")),
        ("a head of a MiB", long_head(64), Some("flood")),
        ("a head a little too large", long_head(5), None),
    ] {
        let sent: usize = pieces.iter().map(Vec::len).sum();
        let peak = peak(async {
            let (pool, mut network) = pool(h2());
            let serve = async {
                let mut far = network.accept().await;
                let stream = far.request().await;
                send_head(&mut far, stream, &pieces).await;
                far
            };
            let (got, mut far) = tokio::join!(pool.get(URL), serve);
            let error = got.map(|_| ()).expect_err(name);
            assert_eq!(
                (error.kind(), error.attempts()),
                (ErrorKind::MaybeProcessed, 1),
                "{name}"
            );
            everything_has_happened().await;
            if let Some(reason) = reason {
                assert_eq!(
                    (open(&pool), closed(&pool)),
                    (0, vec![(reason, 1)]),
                    "{name}"
                );
            } else {
                assert_eq!((open(&pool), closed(&pool)), (1, vec![]), "{name}");
                // The table is still that of the peer: the next stream proves it.
                let serve = async {
                    let stream = far.request().await;
                    far.answer(stream, 200).await;
                };
                let (got, ()) = tokio::join!(pool.get(URL), serve);
                got.expect(name);
            }
        });
        assert!(peak < BOUND + sent as u64 / 8, "{name}: {peak} bytes");
    }
}
