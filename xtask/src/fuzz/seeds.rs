//! The inputs that a target begins with: a line each, a name and then the bytes, escaped as in a Rust byte string.

/// Reads a list. Empty lines and lines that begin with `#` say nothing.
///
/// # Errors
///
/// Which line is wrong.
pub(super) fn read(list: &str) -> Result<Vec<(&str, Vec<u8>)>, String> {
    let lines = list.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|(at, line)| {
            let seed = line
                .split_once(' ')
                .and_then(|(name, text)| Some((name, unescape(text.trim_start())?)));
            seed.ok_or_else(|| format!("line {} of the seeds: `{line}`", at + 1))
        })
        .collect()
}

/// `input` as it stands in a list, behind its name.
pub(super) fn escape(input: &[u8]) -> String {
    input.escape_ascii().to_string()
}

fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut input = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        input.push(match byte {
            b'\\' => match bytes.next()? {
                b'r' => b'\r',
                b'n' => b'\n',
                b't' => b'\t',
                b'x' => {
                    let mut digit = || char::from(bytes.next()?).to_digit(16);
                    u8::try_from(16 * digit()? + digit()?).ok()?
                }
                itself @ (b'\\' | b'\'' | b'"') => itself,
                _ => return None,
            },
            plain => plain,
        });
    }
    Some(input)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::args::Target;
    use std::collections::BTreeSet;

    #[test]
    fn a_list_has_a_name_and_bytes_on_a_line() {
        let list = "# one\n\na  x\\r\\n\\x00|\\\\ y\nb \\xff\n";
        let seeds = read(list).unwrap();
        assert_eq!(seeds, [("a", b"x\r\n\0|\\ y".to_vec()), ("b", vec![0xff])]);
        for wrong in ["a", "a \\q", "a \\x1", "a \\xgg", "a \\"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_was_found_can_be_put_in_a_list() {
        let input: Vec<u8> = (0..=255).collect();
        let line = format!("found {}", escape(&input));
        assert_eq!(read(&line).unwrap(), [("found", input)]);
    }

    #[test]
    fn every_target_has_seeds_with_names_of_their_own() {
        for target in Target::ALL {
            let seeds = read(target.seeds()).unwrap();
            let names: BTreeSet<&str> = seeds.iter().map(|(name, _)| *name).collect();
            assert_eq!(names.len(), seeds.len(), "{}", target.name());
            assert!(seeds.len() >= 10, "{}", target.name());
        }
    }
}
