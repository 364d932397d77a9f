//! The representations of header fields in a block (RFC 7541 §6), without what they mean.

/// One representation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field<'a> {
    pub(super) kind: Kind,
    /// Of the whole field or of its name, in both tables; 0 for a name that is written out. Of a size update, the size.
    pub(super) index: usize,
    /// What follows the index: the strings.
    pub(super) strings: &'a [u8],
    /// All of it.
    pub(super) whole: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Name and value by index.
    Indexed,
    /// A literal that becomes the newest entry of the dynamic table.
    Inserted,
    /// A literal that does not, and may.
    Plain,
    /// A literal that never must.
    Never,
    /// No field: another size of the dynamic table.
    Size,
}

impl Kind {
    /// The bits before the index, and how many bits of that byte are the index's.
    fn pattern(self) -> (u8, u32) {
        match self {
            Self::Indexed => (0x80, 7),
            Self::Inserted => (0x40, 6),
            Self::Size => (0x20, 5),
            Self::Never => (0x10, 4),
            Self::Plain => (0x00, 4),
        }
    }

    fn of(first: u8) -> Self {
        match first.leading_zeros() {
            0 => Self::Indexed,
            1 => Self::Inserted,
            2 => Self::Size,
            3 => Self::Never,
            _ => Self::Plain,
        }
    }
}

impl<'a> Field<'a> {
    /// Takes the next one from the front of `block`; `None` if there is no whole one.
    pub(super) fn take(block: &mut &'a [u8]) -> Option<Self> {
        let start = *block;
        let kind = Kind::of(*start.first()?);
        let mut rest = start;
        let index = take_integer(&mut rest, kind.pattern().1)?;
        let after_index = rest;
        let strings = match kind {
            Kind::Indexed | Kind::Size => 0,
            _ if index == 0 => 2,
            _ => 1,
        };
        for _ in 0..strings {
            let length = take_integer(&mut rest, 7)?;
            rest = rest.get(length..)?;
        }
        *block = rest;
        Some(Self {
            kind,
            index,
            strings: &after_index[..after_index.len() - rest.len()],
            whole: &start[..start.len() - rest.len()],
        })
    }
}

/// Writes a representation's first part: what kind it is, and its index.
pub(super) fn put_index(out: &mut Vec<u8>, kind: Kind, index: usize) {
    let (first, bits) = kind.pattern();
    let most = (1 << bits) - 1;
    if index < most {
        out.push(first | index as u8);
        return;
    }
    out.push(first | most as u8);
    let mut rest = index - most;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// RFC 7541 §5.1, up to what fits 28 bits behind the first byte.
fn take_integer(block: &mut &[u8], bits: u32) -> Option<usize> {
    let (&first, mut rest) = block.split_first()?;
    let most = (1_usize << bits) - 1;
    let mut value = usize::from(first) & most;
    if value == most {
        for shift in [0, 7, 14, 21] {
            let (&next, after) = rest.split_first()?;
            rest = after;
            value += usize::from(next & 0x7f) << shift;
            if next & 0x80 == 0 {
                *block = rest;
                return Some(value);
            }
        }
        return None;
    }
    *block = rest;
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_representation_of_the_rfc_is_told_apart() {
        // RFC 7541, C.2: a literal that is inserted, one that is not, one that never is, an indexed field.
        for (bytes, kind, index, strings) in [
            (
                &b"\x40\x0acustom-key\x0dcustom-header"[..],
                Kind::Inserted,
                0,
                25,
            ),
            (b"\x04\x0c/sample/path", Kind::Plain, 4, 13),
            (b"\x10\x08password\x06secret", Kind::Never, 0, 16),
            (b"\x82", Kind::Indexed, 2, 0),
            (b"\x20", Kind::Size, 0, 0),
            (b"\x3f\xe1\x1f", Kind::Size, 4096, 0),
        ] {
            let block = [bytes, b"\xff"].concat();
            let mut rest = &block[..];
            let field = Field::take(&mut rest).expect("a field");
            assert_eq!((field.kind, field.index), (kind, index));
            assert_eq!(
                (field.whole, field.strings.len(), rest),
                (bytes, strings, &b"\xff"[..])
            );
            for short in 0..bytes.len() {
                assert_eq!(
                    Field::take(&mut &bytes[..short]),
                    None,
                    "{short} of {bytes:?}"
                );
            }
        }
    }

    #[test]
    fn an_index_is_written_as_it_is_read() {
        for kind in [Kind::Indexed, Kind::Inserted, Kind::Size] {
            for index in [
                1, 14, 15, 16, 30, 31, 62, 63, 64, 126, 127, 128, 254, 255, 1337, 70_000,
            ] {
                let mut bytes = Vec::new();
                put_index(&mut bytes, kind, index);
                bytes.extend(b"\x01x");
                let field = Field::take(&mut &bytes[..]).expect("a field");
                assert_eq!((field.kind, field.index), (kind, index));
            }
        }
    }
}
