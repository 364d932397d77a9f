//! The Huffman code of HPACK, RFC 7541 section 5.2 and appendix B.

/// Decodes `bytes`; `None` if they are no such code.
pub(super) fn decode(bytes: &[u8]) -> Option<Vec<u8>> {
    // The shortest code has five bits.
    let mut decoded = Vec::with_capacity(bytes.len() * 8 / 5);
    let (mut bits, mut length) = (0_u32, 0);
    for bit in bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1))
    {
        bits = bits << 1 | u32::from(bit);
        length += 1;
        if let Some(symbol) = CODE.symbol(bits, length) {
            // Not the end of the string, which never stands in one.
            decoded.push(u8::try_from(symbol).ok()?);
            (bits, length) = (0, 0);
        } else if length == LONGEST {
            return None;
        }
    }
    // What is left is padding: fewer than eight bits, all set.
    (length < 8 && bits == (1 << length) - 1).then_some(decoded)
}

/// The codes of one length follow each other in the order of their symbols, and the first of them is twice the number
/// after the last one that is a bit shorter. So the lengths say everything.
struct Code {
    /// By length: the first code, and where its symbol is.
    first: [(u32, usize); LONGEST + 1],
    /// By length: how many codes.
    count: [u32; LONGEST + 1],
    /// By length, then by number.
    symbols: [u16; SYMBOLS],
}

impl Code {
    const fn new() -> Self {
        let mut made = Self {
            first: [(0, 0); LONGEST + 1],
            count: [0; LONGEST + 1],
            symbols: [0; SYMBOLS],
        };
        let (mut code, mut at, mut length) = (0, 0, 1);
        while length <= LONGEST {
            code <<= 1;
            made.first[length] = (code, at);
            let mut symbol = 0;
            while symbol < SYMBOLS {
                if LENGTHS[symbol] as usize == length {
                    made.symbols[at] = symbol as u16;
                    at += 1;
                    code += 1;
                    made.count[length] += 1;
                }
                symbol += 1;
            }
            length += 1;
        }
        made
    }

    fn symbol(&self, bits: u32, length: usize) -> Option<u16> {
        let (first, at) = self.first[length];
        let number = bits.checked_sub(first)?;
        (number < self.count[length]).then(|| self.symbols[at + number as usize])
    }
}

static CODE: Code = Code::new();

/// The bytes and the end of the string.
const SYMBOLS: usize = 257;

/// Bits of the longest code.
const LONGEST: usize = 30;

/// How many bits the code of each byte has, and last that of the end of the string.
#[rustfmt::skip]
const LENGTHS: [u8; SYMBOLS] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_the_appendix_come_out() {
        for (symbol, bits, length) in [
            (0, 0x1ff8, 13),
            (10, 0x3fff_fffc, 30),
            (48, 0x0, 5),
            (50, 0x2, 5),
            (97, 0x3, 5),
            (122, 0x7b, 7),
            (127, 0x0fff_fffc, 28),
            (223, 0x07ff_ffe5, 27),
            (255, 0x03ff_ffee, 26),
            (256, 0x3fff_ffff, 30),
        ] {
            assert_eq!(CODE.symbol(bits, length), Some(symbol), "{symbol}");
        }
    }

    #[test]
    fn padding_is_ones_and_less_than_a_byte() {
        // "0" is five zeros.
        assert_eq!(decode(&[0b0000_0111]), Some(b"0".to_vec()));
        assert_eq!(decode(&[0b0000_0110]), None);
        assert_eq!(decode(&[0b0000_0111, 0xff]), None);
        assert_eq!(decode(&[]), Some(Vec::new()));
        assert_eq!(decode(&[0xff; 5]), None);
    }
}
