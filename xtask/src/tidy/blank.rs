//! Blanks what is not code, so that rules do not read comments and strings.

/// `text` with comments and literals as spaces; every line keeps its number.
pub(super) fn blank(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = literal_end(&chars, at);
        if end > at {
            for &c in &chars[at..end] {
                code.push(if c == '\n' { '\n' } else { ' ' });
            }
            at = end;
        } else {
            code.push(chars[at]);
            at += 1;
        }
    }
    code
}

/// The end of the comment or literal that starts at `at`; `at` itself if none starts there.
fn literal_end(chars: &[char], at: usize) -> usize {
    let next = chars.get(at + 1).copied();
    let after_ident = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    match chars[at] {
        '/' if next == Some('/') => find(chars, at, |c| c == '\n').unwrap_or(chars.len()),
        '/' if next == Some('*') => block_comment_end(chars, at),
        '"' => quoted_end(chars, at, '"'),
        'r' if !after_ident => raw_end(chars, at).unwrap_or(at),
        'b' | 'c' if !after_ident && next == Some('r') => raw_end(chars, at + 1).unwrap_or(at),
        // A lifetime is a quote without a closing one two or three characters on.
        '\'' if next == Some('\\') || chars.get(at + 2) == Some(&'\'') => {
            quoted_end(chars, at, '\'')
        }
        _ => at,
    }
}

fn quoted_end(chars: &[char], start: usize, quote: char) -> usize {
    let mut at = start + 1;
    while at < chars.len() && chars[at] != quote {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

fn block_comment_end(chars: &[char], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = start;
    while at + 1 < chars.len() {
        match (chars[at], chars[at + 1]) {
            ('/', '*') => depth += 1,
            ('*', '/') => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
    chars.len()
}

/// The end of the raw string whose `r` is at `start`, if it is one.
fn raw_end(chars: &[char], start: usize) -> Option<usize> {
    let open = find(chars, start + 1, |c| c != '#')?;
    if chars[open] != '"' {
        return None;
    }
    let hashes = open - start - 1;
    let mut at = open + 1;
    while let Some(quote) = find(chars, at, |c| c == '"') {
        let closing = &chars[quote + 1..(quote + 1 + hashes).min(chars.len())];
        if closing.len() == hashes && closing.iter().all(|&c| c == '#') {
            return Some(quote + 1 + hashes);
        }
        at = quote + 1;
    }
    Some(chars.len())
}

fn find(chars: &[char], from: usize, found: impl Fn(char) -> bool) -> Option<usize> {
    (from..chars.len()).find(|&at| found(chars[at]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked_and_lines_keep_their_place() {
        let text = "let a = \"todo!()\"; // dbg!\n/* a /* b */ todo! */ let b = r#\"x \" todo!\"#;\nlet c = '\"'; todo!();\n";
        let code = blank(text);
        let lines: Vec<&str> = code.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(!lines[0].contains("todo!") && !lines[0].contains("dbg!"));
        assert!(!lines[1].contains("todo!") && lines[1].contains("let b ="));
        assert!(
            lines[2].contains("todo!();"),
            "code after a quote character: {code}"
        );
    }

    #[test]
    fn lifetimes_are_not_character_literals() {
        let code = blank("fn a<'a>(x: &'a str, y: &'a str) -> &'a str { todo!() }");
        assert!(code.contains("todo!()"), "{code}");
    }

    #[test]
    fn escapes_and_byte_strings_end_where_they_end() {
        let code = blank(r##"f("\"", b"\\", br#"""#, '\'', '\u{41}'); todo!()"##);
        assert!(code.ends_with("; todo!()"), "{code}");
    }
}
