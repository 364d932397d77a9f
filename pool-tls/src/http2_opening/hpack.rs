//! The first header block of a connection, RFC 7541.

use std::collections::VecDeque;

use super::Http2OpeningErrorKind as Kind;
use super::huffman;
use crate::wire::Reader;

/// Decodes a block that is the first of its connection: names and values.
pub(super) fn decode(block: &[u8]) -> Result<Vec<(String, String)>, Kind> {
    let mut reader = Reader::new(block);
    let mut table = Table::default();
    let mut headers = Vec::new();
    let mut size = 0;
    while let Some(first) = reader.u8() {
        // Section 6: what the first bits say.
        let (name, value, keep) = match first {
            0x80.. => {
                let index = integer(&mut reader, first, 7)?;
                let (name, value) = table.get(index)?;
                (name, value, false)
            }
            0x40.. => {
                let (name, value) = literal(&mut reader, first, 6, &table)?;
                (name, value, true)
            }
            0x20.. => {
                // A new size of the table, before the first header only.
                let most = integer(&mut reader, first, 5)?;
                if !headers.is_empty() || most > TABLE_SIZE {
                    return Err(Kind::Hpack);
                }
                table.resize(most);
                continue;
            }
            _ => {
                let (name, value) = literal(&mut reader, first, 4, &table)?;
                (name, value, false)
            }
        };
        // Counted before anything is kept: an index of one byte may stand for kilobytes.
        size += name.len() + value.len() + ENTRY;
        if size > MAX_LIST {
            return Err(Kind::HeaderListSize);
        }
        if keep {
            table.insert(name.clone(), value.clone());
        }
        let text = |bytes| String::from_utf8(bytes).map_err(|_not_utf8| Kind::HeaderText);
        headers.push((text(name)?, text(value)?));
    }
    Ok(headers)
}

/// A header with its value, and its name or the index of it, section 6.2.
fn literal(
    reader: &mut Reader<'_>,
    first: u8,
    bits: u32,
    table: &Table,
) -> Result<(Vec<u8>, Vec<u8>), Kind> {
    let name = match integer(reader, first, bits)? {
        0 => string(reader)?,
        index => table.get(index)?.0,
    };
    Ok((name, string(reader)?))
}

/// Section 5.2.
fn string(reader: &mut Reader<'_>) -> Result<Vec<u8>, Kind> {
    let first = reader.u8().ok_or(Kind::Hpack)?;
    let length = integer(reader, first, 7)?;
    let bytes = reader.take(length).ok_or(Kind::Hpack)?;
    match first & 0x80 {
        0 => Ok(bytes.to_vec()),
        _ => huffman::decode(bytes).ok_or(Kind::Hpack),
    }
}

/// Section 5.1: the low `bits` of `first`, and more bytes if all of them are set.
fn integer(reader: &mut Reader<'_>, first: u8, bits: u32) -> Result<usize, Kind> {
    let most = (1 << bits) - 1;
    let mut value = usize::from(first) & most;
    if value < most {
        return Ok(value);
    }
    // Three more bytes reach two million, more than any block has.
    for shift in [0, 7, 14] {
        let byte = reader.u8().ok_or(Kind::Hpack)?;
        value += usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Kind::Hpack)
}

/// The headers that an index may stand for, section 2.3.
#[derive(Debug)]
struct Table {
    /// The newest first.
    dynamic: VecDeque<(Vec<u8>, Vec<u8>)>,
    size: usize,
    most: usize,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            dynamic: VecDeque::new(),
            size: 0,
            most: TABLE_SIZE,
        }
    }
}

impl Table {
    fn insert(&mut self, name: Vec<u8>, value: Vec<u8>) {
        self.size += name.len() + value.len() + ENTRY;
        self.dynamic.push_front((name, value));
        self.evict();
    }

    fn resize(&mut self, most: usize) {
        self.most = most;
        self.evict();
    }

    fn evict(&mut self) {
        while self.size > self.most {
            let (name, value) = self.dynamic.pop_back().expect("the size is of its entries");
            self.size -= name.len() + value.len() + ENTRY;
        }
    }

    fn get(&self, index: usize) -> Result<(Vec<u8>, Vec<u8>), Kind> {
        let at = index.checked_sub(1).ok_or(Kind::Hpack)?;
        if let Some((name, value)) = STATIC.get(at) {
            return Ok((name.as_bytes().to_vec(), value.as_bytes().to_vec()));
        }
        let entry = self.dynamic.get(at - STATIC.len());
        entry.cloned().ok_or(Kind::Hpack)
    }
}

/// What an entry counts beside its name and value, section 4.1.
const ENTRY: usize = 32;

/// The size of the table before the server says another one, RFC 9113 section 6.5.2.
const TABLE_SIZE: usize = 4096;

/// The longest list of headers: four times what servers usually take.
const MAX_LIST: usize = 64 * 1024;

/// Appendix A.
const STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(digits: &str) -> Vec<u8> {
        let digits: Vec<char> = digits.chars().filter(|c| !c.is_whitespace()).collect();
        let pairs = digits.chunks(2).map(|pair| pair.iter().collect::<String>());
        pairs
            .map(|pair| u8::from_str_radix(&pair, 16).unwrap())
            .collect()
    }

    fn pairs(headers: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()));
        owned.collect()
    }

    #[test]
    fn the_examples_of_the_rfc_come_out() {
        let request = [
            (":method", "GET"),
            (":scheme", "http"),
            (":path", "/"),
            (":authority", "www.example.com"),
        ];
        // Appendix C.3.1, and C.4.1 with Huffman codes.
        let plain = "828684410f7777772e6578616d706c652e636f6d";
        let coded = "828684418cf1e3c2e5f23a6ba0ab90f4ff";
        assert_eq!(decode(&bytes(plain)), Ok(pairs(&request)));
        assert_eq!(decode(&bytes(coded)), Ok(pairs(&request)));
        // C.2.1 to C.2.3: with a new name, without indexing, never indexed.
        let custom = bytes("400a637573746f6d2d6b65790d637573746f6d2d686561646572");
        assert_eq!(
            decode(&custom),
            Ok(pairs(&[("custom-key", "custom-header")]))
        );
        let path = bytes("040c2f73616d706c652f70617468");
        assert_eq!(decode(&path), Ok(pairs(&[(":path", "/sample/path")])));
        let secret = bytes("100870617373776f726406736563726574");
        assert_eq!(decode(&secret), Ok(pairs(&[("password", "secret")])));
    }

    #[test]
    fn an_index_finds_what_the_block_itself_added() {
        let twice = bytes("4003782d61013140 03782d62 0132 bf be 7f00 0133");
        let expected = [
            ("x-a", "1"),
            ("x-b", "2"),
            ("x-a", "1"),
            ("x-b", "2"),
            ("x-a", "3"),
        ];
        assert_eq!(decode(&twice), Ok(pairs(&expected)));
        // A table of no size keeps nothing.
        let empty = bytes("20 4003782d610131 be");
        assert_eq!(decode(&empty), Err(Kind::Hpack));
    }

    #[test]
    fn what_breaks_the_format_is_refused() {
        for wrong in [
            "80",                // Index zero.
            "be",                // An index beyond the table.
            "ff",                // A number without its end.
            "ffffffff7f",        // A number without bound.
            "40",                // No name.
            "400a6375",          // A name cut short.
            "4001",              // The same.
            "82 20",             // A new size after a header.
            "3fe21f",            // A size above the limit.
            "4081ff0131",        // Padding of a whole byte.
            "4081000131",        // Padding of zeros.
            "4084ffffffff 0131", // The end of the string.
        ] {
            assert_eq!(decode(&bytes(wrong)), Err(Kind::Hpack), "{wrong}");
        }
        assert_eq!(decode(&bytes("4001ff0131")), Err(Kind::HeaderText));
    }

    #[test]
    fn a_small_block_does_not_become_many_headers() {
        // A header of 4000 bytes, and then its index over and over.
        let mut bomb = bytes("4001617fa11e");
        bomb.extend([b'x'; 4000]);
        bomb.extend([0xbe; 20_000]);
        assert_eq!(decode(&bomb), Err(Kind::HeaderListSize));
        bomb.truncate(4006 + 15);
        assert_eq!(decode(&bomb).map(|headers| headers.len()), Ok(16));
    }
}
