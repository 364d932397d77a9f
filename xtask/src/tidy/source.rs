//! One Rust file as the rules see it: its lines, its code without comments and literals, and which lines are tests.

use super::Violation;
use super::blank::blank;

/// A Rust file.
#[derive(Debug)]
pub(crate) struct Source {
    /// From the workspace's root, with `/`.
    pub(crate) path: String,
    /// As written.
    pub(crate) text: String,
    /// As written, with comments and the insides of literals blanked; the lines keep their numbers.
    pub(crate) code: String,
    /// Per line, whether it compiles for tests only.
    test_lines: Vec<bool>,
}

impl Source {
    /// Reads the structure of `text`.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let code = blank(text);
        let in_tests = path
            .split('/')
            .any(|part| part == "tests" || part == "benches" || part.ends_with("_tests"))
            || path.ends_with("/tests.rs")
            || path.ends_with("_tests.rs");
        let mut test_lines = vec![in_tests; text.lines().count()];
        for (first, last) in test_items(&code) {
            for line in test_lines.iter_mut().take(last + 1).skip(first) {
                *line = true;
            }
        }
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            code,
            test_lines,
        }
    }

    /// The lines of code, each with its index from 0 and whether it is a test's.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str, bool)> {
        self.code
            .lines()
            .zip(&self.test_lines)
            .enumerate()
            .map(|(index, (line, test))| (index, line, *test))
    }

    /// Whether the file's crate is one of `crates` and it is the crate's own source.
    pub(crate) fn is_in_src_of(&self, crates: &[&str]) -> bool {
        let mut parts = self.path.split('/');
        parts.next().is_some_and(|first| crates.contains(&first)) && parts.next() == Some("src")
    }

    /// A violation on the line of index `index`.
    pub(crate) fn violation(&self, index: usize, rule: &'static str, advice: String) -> Violation {
        Violation {
            file: self.path.clone(),
            line: index + 1,
            rule,
            advice,
        }
    }
}

/// Whether `line` has `word` with no identifier character right before or after it.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    let is_ident = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        // A word that ends in punctuation, such as `todo!`, has no right edge to check.
        let open_end = !word.ends_with(is_ident);
        !before.is_some_and(is_ident) && (open_end || !after.is_some_and(is_ident))
    })
}

/// Which lines a rule is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lines {
    /// Tests too.
    All,
    /// What a user of the crate compiles.
    Production,
}

/// A violation for each line that has one of `words`.
pub(crate) fn words(
    source: &Source,
    lines: Lines,
    words: &[&str],
    rule: &'static str,
    advice: impl Fn(&str) -> String,
) -> Vec<Violation> {
    source
        .lines()
        .filter(|(_, _, test)| lines == Lines::All || !test)
        .filter_map(|(index, line, _)| {
            let word = words.iter().find(|word| has_word(line, word))?;
            Some(source.violation(index, rule, advice(word)))
        })
        .collect()
}

/// First and last line index, both included, of each item under `#[cfg(test)]` or `#[cfg(all(test, …))]`.
fn test_items(code: &str) -> Vec<(usize, usize)> {
    let mut items = Vec::new();
    for (start, _) in code.match_indices("#[cfg(") {
        let Some(close) = code[start..].find(']').map(|length| start + length) else {
            break;
        };
        let condition = &code[start..close];
        if !has_word(condition, "test") || condition.contains("not(test") {
            continue;
        }
        let first = code[..start].matches('\n').count();
        let last = code[..item_end(code, close + 1)].matches('\n').count();
        items.push((first, last));
    }
    items
}

/// Where the item that follows `from` ends: at its `;`, or at the brace that closes its first one.
fn item_end(code: &str, from: usize) -> usize {
    let mut depth = 0_usize;
    for (at, c) in code[from..].char_indices() {
        match c {
            '{' | '[' | '(' => depth += 1,
            '}' | ']' | ')' => {
                depth = depth.saturating_sub(1);
                if depth == 0 && c == '}' {
                    return from + at;
                }
            }
            ';' if depth == 0 => return from + at,
            _ => {}
        }
    }
    code.len()
}

/// The lines, from 1, that `rule` objects to in a file at `path`.
#[cfg(test)]
pub(crate) fn objections(
    rule: fn(&Source) -> Vec<Violation>,
    path: &str,
    text: &str,
) -> Vec<usize> {
    let found = rule(&Source::new(path, text));
    found.iter().map(|violation| violation.line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_modules_end_where_their_brace_does() {
        let source = Source::new(
            "pool-core/src/a.rs",
            "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() { c(); }\n}\nfn d() {}\n#[cfg(all(test, pool_loom))]\nmod loom_tests;\nfn e() {}\n#[cfg(not(test))]\nfn f() {}\n",
        );
        let tests: Vec<bool> = source.lines().map(|(_, _, test)| test).collect();
        assert_eq!(
            tests,
            [
                false, true, true, true, true, false, true, true, false, false, false
            ]
        );
    }

    #[test]
    fn a_file_of_tests_is_all_tests() {
        for path in [
            "xtask/tests/concurrency/main.rs",
            "pool-core/src/manager/loom_tests.rs",
        ] {
            let source = Source::new(path, "fn a() {}\n");
            assert!(source.lines().all(|(_, _, test)| test), "{path}");
        }
        assert!(!Source::new("pool-core/src/testing/fleet.rs", "fn a() {}\n").test_lines[0]);
    }

    #[test]
    fn a_word_has_edges() {
        assert!(has_word("a.async move", "async"));
        assert!(!has_word("async_trait", "async"));
        assert!(has_word("std::println!()", "println!"));
        assert!(!has_word("eprintln!()", "println!"));
    }
}
