//! Intrusive lists over a slab: every operation is O(1) and allocates nothing.

use slab::Slab;

/// A slot as links keep it. Half a word, because a claim touches the links of its neighbours in several lists: what fits
/// into fewer cache lines is quicker on a host that was not used lately.
type Slot = u32;

/// Makes room for the first node alone, before it comes: a slab by itself begins with four, and there are many hosts of which
/// most have one of each thing.
#[inline]
pub(crate) fn begin_with_one<T>(nodes: &mut Slab<T>) {
    if nodes.capacity() == 0 {
        nodes.reserve_exact(1);
    }
}

/// No slot.
const NIL: Slot = Slot::MAX;

/// In no list.
const UNLINKED: Slot = Slot::MAX - 1;

/// A node's place in one list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Links {
    prev: Slot,
    next: Slot,
}

impl Default for Links {
    fn default() -> Self {
        Self {
            prev: UNLINKED,
            next: UNLINKED,
        }
    }
}

impl Links {
    #[inline]
    pub(super) fn is_linked(self) -> bool {
        self.prev != UNLINKED
    }
}

/// # Panics
///
/// Beyond four billion slots.
#[inline]
fn short(slot: usize) -> Slot {
    debug_assert!(slot < UNLINKED as usize, "too many nodes for a list");
    slot as Slot
}

/// A node type's field for one kind of list, named by the marker `L`: a node can be in several kinds at once.
pub(crate) trait Linked<L> {
    fn links(&self) -> Links;
    fn links_mut(&mut self) -> &mut Links;
}

/// A doubly linked list of slab slots.
#[derive(Clone, Debug)]
pub(crate) struct List<L> {
    head: Slot,
    tail: Slot,
    len: Slot,
    kind: std::marker::PhantomData<L>,
}

impl<L> Default for List<L> {
    fn default() -> Self {
        Self {
            head: NIL,
            tail: NIL,
            len: 0,
            kind: std::marker::PhantomData,
        }
    }
}

impl<L> List<L> {
    #[inline]
    pub(super) fn push_back<T: Linked<L>>(&mut self, nodes: &mut Slab<T>, slot: usize) {
        let tail = self.tail;
        let slot = short(slot);
        *node(nodes, slot) = Links {
            prev: tail,
            next: NIL,
        };
        if tail == NIL {
            self.head = slot;
        } else {
            node(nodes, tail).next = slot;
        }
        self.tail = slot;
        self.len += 1;
    }

    #[inline]
    pub(super) fn push_front<T: Linked<L>>(&mut self, nodes: &mut Slab<T>, slot: usize) {
        let head = self.head;
        let slot = short(slot);
        *node(nodes, slot) = Links {
            prev: NIL,
            next: head,
        };
        if head == NIL {
            self.tail = slot;
        } else {
            node(nodes, head).prev = slot;
        }
        self.head = slot;
        self.len += 1;
    }

    /// Takes `slot` out; it must be in this list.
    #[inline]
    pub(super) fn remove<T: Linked<L>>(&mut self, nodes: &mut Slab<T>, slot: usize) {
        let links = std::mem::take(node(nodes, short(slot)));
        debug_assert!(links.is_linked(), "slot {slot} is not in the list");
        if links.prev == NIL {
            self.head = links.next;
        } else {
            node(nodes, links.prev).next = links.next;
        }
        if links.next == NIL {
            self.tail = links.prev;
        } else {
            node(nodes, links.next).prev = links.prev;
        }
        self.len -= 1;
    }

    #[inline]
    pub(super) fn front(&self) -> Option<usize> {
        (self.head != NIL).then_some(self.head as usize)
    }

    #[inline]
    pub(super) fn back(&self) -> Option<usize> {
        (self.tail != NIL).then_some(self.tail as usize)
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len as usize
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The slots from front to back.
    pub(super) fn iter<'a, T: Linked<L>>(
        &self,
        nodes: &'a Slab<T>,
    ) -> impl Iterator<Item = usize> + 'a {
        let mut at = self.head;
        std::iter::from_fn(move || {
            let slot = (at != NIL).then_some(at as usize)?;
            at = nodes[slot].links().next;
            Some(slot)
        })
    }
}

#[inline]
fn node<L, T: Linked<L>>(nodes: &mut Slab<T>, slot: Slot) -> &mut Links {
    nodes[slot as usize].links_mut()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Node(Links);
    struct Only;

    impl Linked<Only> for Node {
        fn links(&self) -> Links {
            self.0
        }
        fn links_mut(&mut self) -> &mut Links {
            &mut self.0
        }
    }

    #[test]
    fn nodes_leave_from_both_ends_and_the_middle() {
        let mut nodes = Slab::new();
        let mut list = List::<Only>::default();
        let slots: Vec<usize> = (0..4).map(|_| nodes.insert(Node::default())).collect();
        for &slot in &slots[1..] {
            list.push_back(&mut nodes, slot);
        }
        list.push_front(&mut nodes, slots[0]);
        assert_eq!(list.iter(&nodes).collect::<Vec<_>>(), slots);

        list.remove(&mut nodes, slots[1]);
        assert_eq!(list.iter(&nodes).collect::<Vec<_>>(), [0, 2, 3]);
        list.remove(&mut nodes, slots[0]);
        list.remove(&mut nodes, slots[3]);
        assert_eq!(
            (list.front(), list.back(), list.len()),
            (Some(2), Some(2), 1)
        );
        list.remove(&mut nodes, slots[2]);
        assert!(list.is_empty() && !nodes[2].0.is_linked());
    }
}
