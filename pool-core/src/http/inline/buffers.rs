//! Spare buffers, one small stack per thread: an idle connection holds none, and a busy one need not allocate.

use std::cell::RefCell;

use bytes::BytesMut;

/// The first read of a response; as much as hyper begins with.
pub(super) const SIZE: usize = 8 * 1024;

/// A thread reads and writes one after the other: the rest is for responses whose bytes the caller still holds, which
/// cannot be used again yet.
const MOST: usize = 8;

thread_local! {
    static SPARE: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer with room for [`SIZE`] bytes.
pub(super) fn take() -> BytesMut {
    let spare = SPARE.try_with(|spare| spare.borrow_mut().pop());
    let mut buffer = spare.ok().flatten().unwrap_or_default();
    // Takes the room back that has been split off, unless somebody still holds a part of it.
    if !buffer.try_reclaim(SIZE) {
        buffer = BytesMut::with_capacity(SIZE);
    }
    buffer
}

/// Gives a buffer back; what it holds is forgotten.
pub(super) fn put(mut buffer: BytesMut) {
    buffer.clear();
    // The thread may be ending: then the buffer is freed.
    let _ended = SPARE.try_with(|spare| {
        let mut spare = spare.borrow_mut();
        if spare.len() < MOST {
            spare.push(buffer);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_once_nobody_holds_a_part() {
        let mut buffer = take();
        buffer.extend_from_slice(b"head and body");
        let room = buffer.as_ptr();
        let head = buffer.split_to(4).freeze();
        put(buffer);
        let other = take();
        assert_ne!(other.as_ptr(), room, "its first part is still held");
        assert_eq!(&head[..], b"head");

        let mut buffer = take();
        buffer.extend_from_slice(b"head");
        let room = buffer.as_ptr();
        drop(buffer.split_to(4).freeze());
        put(buffer);
        let again = take();
        assert_eq!(again.as_ptr(), room);
        assert!(again.is_empty() && again.capacity() >= SIZE);
    }
}
