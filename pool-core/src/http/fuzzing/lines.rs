//! Changes line by line: what a response says is in its lines, and a fuzzer that changes bytes seldom has two good ones of
//! a kind.

/// Lines that a response is made of.
const KNOWN: &[&[u8]] = &[
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 204 No Content\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"content-length: 5\r\n",
    b"transfer-encoding: chunked\r\n",
    b"connection: close\r\n",
    b"x: y\r\n",
    b"\r\n",
    b"5\r\nhello\r\n",
    b"0\r\n",
];

/// An input of [`h1_response`](super::h1_response) with some lines changed: there twice, in another place, gone, new, ended
/// otherwise, or with another digit. `None` if nothing comes of this seed, or what is longer than `most`.
///
/// The five bytes that say how stay, and are there if they were not.
pub fn mutate_lines(input: &[u8], most: usize, seed: u32) -> Option<Vec<u8>> {
    let mut dice = Dice(seed);
    let (how, response) = input.split_at_checked(5).unwrap_or((b"Gk00\n", input));
    let mut lines: Vec<Vec<u8>> = response
        .split_inclusive(|&byte| byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect();
    for _ in 0..=dice.roll(3)? {
        // One that cannot be leaves it to the others.
        let _unchanged = change(&mut lines, &mut dice);
    }
    let changed = [how, &lines.concat()].concat();
    (changed.len() <= most && changed != input).then_some(changed)
}

fn change(lines: &mut Vec<Vec<u8>>, dice: &mut Dice) -> Option<()> {
    if dice.roll(4)? == 0 {
        let line = KNOWN[dice.roll(KNOWN.len())?].to_vec();
        lines.insert(dice.roll(lines.len() + 1)?, line);
        return Some(());
    }
    let at = dice.roll(lines.len())?;
    match dice.roll(6)? {
        0 => {
            let to = dice.roll(lines.len() + 1)?;
            lines.insert(to, lines[at].clone());
        }
        1 => {
            let to = dice.roll(lines.len())?;
            lines.swap(at, to);
        }
        2 => drop(lines.remove(at)),
        3 => end_otherwise(&mut lines[at])?,
        4 => change_a_digit(&mut lines[at], dice)?,
        _ => {
            let mut other = lines[at].clone();
            change_a_digit(&mut other, dice)?;
            lines.insert(at + dice.roll(2)?, other);
        }
    }
    Some(())
}

/// CRLF becomes LF, and LF CRLF.
fn end_otherwise(line: &mut Vec<u8>) -> Option<()> {
    let length = line.len();
    if line.ends_with(b"\r\n") {
        line.remove(length - 2);
    } else if line.ends_with(b"\n") {
        line.insert(length - 1, b'\r');
    } else {
        return None;
    }
    Some(())
}

fn change_a_digit(line: &mut [u8], dice: &mut Dice) -> Option<()> {
    let digits = line.iter_mut().filter(|byte| byte.is_ascii_digit());
    let mut digits: Vec<&mut u8> = digits.collect();
    let which = dice.roll(digits.len())?;
    *digits[which] = b'0' + u8::try_from(dice.roll(10)?).ok()?;
    Some(())
}

/// Marsaglia's xorshift: the same seed, the same rolls.
struct Dice(u32);

impl Dice {
    /// A number below `sides`; `None` if there is none.
    fn roll(&mut self, sides: usize) -> Option<usize> {
        // Zero would stay zero.
        self.0 = self.0.max(1);
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        (self.0 as usize).checked_rem(sides)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const INPUT: &[u8] = b"Gk00\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

    /// All that comes of many seeds.
    fn changes(most: usize) -> BTreeSet<Vec<u8>> {
        let seeds = 0..20_000;
        let changes = seeds.filter_map(|seed| mutate_lines(INPUT, most, seed));
        changes.collect()
    }

    #[test]
    fn lines_are_doubled_moved_dropped_ended_otherwise_and_counted_otherwise() {
        let changes = changes(1024);
        let all: [&[u8]; 6] = [
            b"Gk00\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\nhello",
            b"Gk00\nHTTP/1.1 200 OK\r\n\r\ncontent-length: 5\r\nhello",
            b"Gk00\nHTTP/1.1 200 OK\r\n\r\nhello",
            b"Gk00\nHTTP/1.1 200 OK\r\ncontent-length: 5\n\r\nhello",
            b"Gk00\nHTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nhello",
            b"Gk00\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 3\r\n\r\nhello",
        ];
        for change in all {
            let text = String::from_utf8_lossy(change);
            assert!(changes.contains(change), "{text}");
        }
    }

    #[test]
    fn a_response_is_made_of_nothing() {
        let seeds = 0..20_000;
        let made: BTreeSet<Vec<u8>> = seeds
            .filter_map(|seed| mutate_lines(b"", 99, seed))
            .collect();
        assert!(made.contains(&b"Gk00\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n"[..]));
    }

    #[test]
    fn what_says_how_stays_and_nothing_grows_too_long() {
        for change in changes(INPUT.len()) {
            assert!(change.starts_with(b"Gk00\n"));
            assert!(change.len() <= INPUT.len());
        }
    }
}
