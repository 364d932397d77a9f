//! Puts the pseudo-headers of a request in another order than that in which the h2 crate encodes them.
//!
//! Representations are moved, not encoded again, and both ends must still make the same dynamic table of them. The h2 crate
//! encodes `:method`, `:scheme`, `:authority`, `:path`. A move past a field that inserts would change what an index means, or
//! the order of two insertions. So a field that the wanted order moves past another one never inserts here, but for `:authority`,
//! past which the others are said to move: it becomes a literal that is not indexed. The peer's table then lacks entries that
//! the encoder believes it has. They are remembered; where one is referred to, it is written out, and the indices of older
//! entries are counted without it. The peer's table holds all other entries that the encoder's does, in the same order: it is
//! never fuller.
//!
//! `GET` and `POST`, `http` and `https`, and every path insert nothing anyhow, so browsers' orders, which begin with `:method`,
//! move bytes and do nothing else.

use std::collections::VecDeque;
use std::ops::{Range, RangeInclusive};

use pool_tls::spec::PseudoHeader;

use super::hpack::{Field, Kind, put_index};

/// What is in a block that the h2 crate does not write: nothing was sent of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unexpected;

/// One direction of one connection.
#[derive(Debug)]
pub(super) struct Pseudo {
    /// On the wire, as places in [`ENCODED`].
    order: [usize; 4],
    /// Whether the wanted order moves the field past another one, by place in [`ENCODED`].
    moves: [bool; 4],
    /// What the encoder has inserted and the peer has not, the newest first.
    lacking: VecDeque<Lacking>,
    scratch: Vec<u8>,
}

/// An entry of the encoder's dynamic table that the peer's lacks.
#[derive(Debug)]
struct Lacking {
    /// How many entries are newer in the encoder's table.
    age: usize,
    /// Of its name in the static table.
    name: usize,
    /// As it was encoded.
    value: Box<[u8]>,
}

/// The h2 crate's order.
const ENCODED: [PseudoHeader; 4] = [
    PseudoHeader::Method,
    PseudoHeader::Scheme,
    PseudoHeader::Authority,
    PseudoHeader::Path,
];
const AUTHORITY: usize = 2;

/// The first index of the dynamic table.
const DYNAMIC: usize = 62;

/// How many entries the encoder's table has at most: its 4096 bytes (the h2 crate allows itself no more), 32 for each.
const MOST_ENTRIES: usize = 4096 / 32;

impl Pseudo {
    /// `order` has each of them.
    pub(super) fn new(order: [PseudoHeader; 4]) -> Self {
        let order = order.map(|header| {
            let place = ENCODED.iter().position(|encoded| *encoded == header);
            place.expect("all four are there")
        });
        let at = |place| order.iter().position(|&other| other == place);
        let moves = [0, 1, 2, 3].map(|place| {
            let passes = |other| (other < place) != (at(other) < at(place));
            place != AUTHORITY && (0..4).any(passes)
        });
        Self {
            order,
            moves,
            lacking: VecDeque::new(),
            scratch: Vec::new(),
        }
    }

    /// Appends a request's block in the wanted order.
    ///
    /// # Errors
    ///
    /// [`Unexpected`] if it does not begin as the h2 crate's do. The tables may differ from then on.
    pub(super) fn request(&mut self, block: &[u8], out: &mut Vec<u8>) -> Result<(), Unexpected> {
        let mut rest = block;
        while rest.first().is_some_and(|first| first & 0xe0 == 0x20) {
            out.extend(Field::take(&mut rest).ok_or(Unexpected)?.whole);
        }
        let fields = take_four(&mut rest).ok_or(Unexpected)?;
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        let mut places: [Range<usize>; 4] = Default::default();
        for (place, field) in fields.iter().enumerate() {
            let start = scratch.len();
            self.put(field, self.moves[place], &mut scratch)?;
            places[place] = start..scratch.len();
        }
        for place in self.order {
            out.extend(&scratch[places[place].clone()]);
        }
        self.scratch = scratch;
        self.others(rest, out)
    }

    /// Appends fields, or a block, without pseudo-headers.
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request).
    pub(super) fn others(&mut self, mut rest: &[u8], out: &mut Vec<u8>) -> Result<(), Unexpected> {
        if self.lacking.is_empty() {
            out.extend(rest);
            return Ok(());
        }
        while !rest.is_empty() {
            let field = Field::take(&mut rest).ok_or(Unexpected)?;
            self.put(&field, false, out)?;
        }
        Ok(())
    }

    /// Appends a field in the terms of the peer's table; one that `moves` inserts nothing.
    fn put(&mut self, field: &Field<'_>, moves: bool, out: &mut Vec<u8>) -> Result<(), Unexpected> {
        let is_ours = field.kind != Kind::Size && field.index >= DYNAMIC;
        let mut index = field.index;
        if is_ours {
            let age = field.index - DYNAMIC;
            let newer = self.lacking.iter().take_while(|entry| entry.age < age);
            let newer = newer.count();
            if let Some(entry) = self.lacking.get(newer).filter(|entry| entry.age == age) {
                if field.kind != Kind::Indexed {
                    return Err(Unexpected);
                }
                put_index(out, Kind::Plain, entry.name);
                out.extend(&entry.value);
                return Ok(());
            }
            if moves {
                return Err(Unexpected);
            }
            index -= newer;
        }
        let inserts = field.kind == Kind::Inserted;
        let kind = if inserts && moves {
            Kind::Plain
        } else {
            field.kind
        };
        if (kind, index) == (field.kind, field.index) {
            out.extend(field.whole);
        } else {
            put_index(out, kind, index);
            out.extend(field.strings);
        }
        if inserts {
            self.age(moves.then(|| (field.index, field.strings.into())));
        }
        Ok(())
    }

    /// The encoder has inserted an entry, which the peer lacks if it is given here.
    fn age(&mut self, lacking: Option<(usize, Box<[u8]>)>) {
        for entry in &mut self.lacking {
            entry.age += 1;
        }
        while self
            .lacking
            .back()
            .is_some_and(|entry| entry.age >= MOST_ENTRIES)
        {
            self.lacking.pop_back();
        }
        if let Some((name, value)) = lacking {
            let age = 0;
            self.lacking.push_front(Lacking { age, name, value });
        }
    }
}

/// Takes the four pseudo-headers from the front of what the h2 crate has encoded: no request leaves here without one of them.
///
/// Their names are in the static table, and that is where an encoder finds them. Only a field whose value is in the dynamic
/// table too does not show its name.
fn take_four<'a>(block: &mut &'a [u8]) -> Option<[Field<'a>; 4]> {
    let mut take = |names: RangeInclusive<usize>| {
        let field = Field::take(block)?;
        let by_value = field.kind == Kind::Indexed && field.index >= DYNAMIC;
        let fits = field.kind != Kind::Size && (by_value || names.contains(&field.index));
        fits.then_some(field)
    };
    // RFC 7541, appendix A.
    Some([take(2..=3)?, take(6..=7)?, take(1..=1)?, take(4..=5)?])
}
