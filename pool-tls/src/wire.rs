//! Reading big-endian fields of a byte string.

/// What is left of a byte string, and how much of it was read.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next `count` bytes; `None`, and nothing read, if fewer are left.
    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.bytes[self.at..].get(..count)?;
        self.at += count;
        Some(taken)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|byte| byte[0])
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.take(2).map(|two| u16::from_be_bytes([two[0], two[1]]))
    }

    pub(crate) fn u24(&mut self) -> Option<u32> {
        let three = self.take(3)?;
        Some(u32::from_be_bytes([0, three[0], three[1], three[2]]))
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        let four = self.take(4)?;
        Some(u32::from_be_bytes([four[0], four[1], four[2], four[3]]))
    }

    /// Bytes behind their length in one byte.
    pub(crate) fn vec8(&mut self) -> Option<&'a [u8]> {
        let mut ahead = self.clone();
        let length = ahead.u8()?;
        let taken = ahead.take(length.into())?;
        *self = ahead;
        Some(taken)
    }

    /// Bytes behind their length in two bytes.
    pub(crate) fn vec16(&mut self) -> Option<&'a [u8]> {
        let mut ahead = self.clone();
        let length = ahead.u16()?;
        let taken = ahead.take(length.into())?;
        *self = ahead;
        Some(taken)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// How many bytes were read.
    pub(crate) fn at(&self) -> usize {
        self.at
    }
}

/// Code points of two bytes each; `None` if a byte is left over.
pub(crate) fn u16_list(bytes: &[u8]) -> Option<Vec<u16>> {
    let pairs = bytes.chunks_exact(2);
    pairs.remainder().is_empty().then(|| {
        pairs
            .map(|two| u16::from_be_bytes([two[0], two[1]]))
            .collect()
    })
}

/// What `read` finds in `bytes`, if that is all there is.
pub(crate) fn whole<'a, T>(
    bytes: &'a [u8],
    read: impl FnOnce(&mut Reader<'a>) -> Option<T>,
) -> Option<T> {
    let mut reader = Reader::new(bytes);
    let value = read(&mut reader)?;
    reader.is_empty().then_some(value)
}

/// `bytes` in lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
