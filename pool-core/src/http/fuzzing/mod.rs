//! What a fuzzer feeds with bytes. Compiled for tests, and under `--cfg pool_fuzzing`.

mod lines;
mod request;
mod response;
mod rig;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use bytes::Bytes;

pub use self::lines::mutate_lines;
use self::response::{Answer, Asked};
use self::rig::{End, Script};
use super::inline::splits;

/// A response from a peer, to both HTTP/1.1 engines.
///
/// Five bytes say how: what is asked (`G`, `H`, `P`, `E`, `L`), how the peer ends (`k`eeps, `c`loses, `r`esets), where it
/// pauses (see [`cut`]), and a line end. The rest is what the peer writes.
///
/// # Panics
///
/// If the inline engine accepts what hyper does not, or makes something else of it.
pub fn h1_response(input: &[u8]) {
    let &[asked, end, first, step, _, ref bytes @ ..] = input else {
        return;
    };
    let asked = match asked {
        b'H' => Asked::Head,
        b'P' => Asked::Post,
        b'E' => Asked::Expecting,
        b'L' => Asked::Last,
        _ => Asked::Get,
    };
    let end = match end {
        b'c' => End::Close,
        b'r' => End::Reset,
        _ => End::Silence,
    };
    let pieces = cut(bytes, first, step).map(Bytes::copy_from_slice);
    let script = Script {
        pieces: pieces.collect(),
        end,
    };
    if let Err(difference) = response::compare(&Answer { asked, script }) {
        panic!("{difference}");
    }
}

/// A request, to the inline engine.
///
/// Parts with a `|` between them: method, URI, kind of body (`e`mpty, `f`ull, `s`tream, `h`inted stream, `l`ying hint,
/// `t`railers), body, and fields, each a name, a `:` and a value.
///
/// # Panics
///
/// If what goes out is not this one request, whole or, where it fails, the beginning of it.
pub fn h1_request(input: &[u8]) {
    if let Err(wrong) = request::check(input) {
        panic!("{wrong}");
    }
}

/// A chunked body, in one piece and in several. Three bytes: where to [`cut`] it, and a line end. The rest is the body.
///
/// # Panics
///
/// If it makes a difference.
pub fn h1_body(input: &[u8]) {
    let &[first, step, _, ref bytes @ ..] = input else {
        return;
    };
    let whole = splits::read([bytes]);
    let bytewise = splits::read(bytes.chunks(1));
    assert_eq!(whole, bytewise, "byte by byte");
    let pieces = splits::read(cut(bytes, first, step));
    assert_eq!(whole, pieces, "in pieces");
}

/// Cuts after so many bytes, and then again and again after so many; both counted from `0`, which cuts nowhere.
fn cut(bytes: &[u8], first: u8, step: u8) -> impl Iterator<Item = &[u8]> {
    let count = |byte: u8| usize::from(byte.wrapping_sub(b'0'));
    let (head, rest) = bytes.split_at(count(first).min(bytes.len()));
    let step = match count(step) {
        0 => rest.len().max(1),
        step => step,
    };
    let pieces: VecDeque<&[u8]> = std::iter::once(head).chain(rest.chunks(step)).collect();
    pieces.into_iter().filter(|piece| !piece.is_empty())
}
