//! A chunked body in pieces: where they are cut must make no difference.

use bytes::BytesMut;
use http::HeaderMap;

use super::chunked::{Chunks, Piece};
use super::head::Malformed;

/// What became of a chunked body.
#[derive(Debug, PartialEq)]
pub(in crate::http) struct Read {
    pub(in crate::http) body: Vec<u8>,
    pub(in crate::http) trailers: HeaderMap,
    pub(in crate::http) end: End,
}

#[derive(Debug, PartialEq)]
pub(in crate::http) enum End {
    /// So many bytes follow it.
    Whole(usize),
    /// There is more to come.
    CutShort,
    /// It is not one, for this reason.
    Malformed(&'static str),
}

/// Reads a chunked body that comes in `pieces`.
pub(in crate::http) fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Read {
    let (mut chunks, mut buffer) = (Chunks::new(4), BytesMut::new());
    let (mut body, mut trailers) = (Vec::new(), HeaderMap::new());
    let mut pieces = pieces.into_iter();
    let end = loop {
        match chunks.next(&mut buffer) {
            Ok(Some(Piece::Data(data))) => body.extend_from_slice(&data),
            Ok(Some(Piece::Trailers(found))) => trailers = found,
            Ok(Some(Piece::End)) => {
                debug_assert!(chunks.has_ended());
                break End::Whole(buffer.len() + pieces.flatten().count());
            }
            Ok(None) => match pieces.next() {
                Some(piece) => buffer.extend_from_slice(piece),
                None => break End::CutShort,
            },
            Err(Malformed(detail)) => break End::Malformed(detail),
        }
    };
    Read {
        body,
        trailers,
        end,
    }
}
