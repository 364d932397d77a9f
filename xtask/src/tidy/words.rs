//! Words that no tracked file may contain, such as paths of one machine.

use super::Violation;

/// The list itself, which is the one file that may contain them.
const LIST: &str = "xtask/src/tidy/forbidden-words.txt";

/// The forbidden words, one a line; a line that starts with `#` is a comment.
pub(super) fn forbidden() -> Vec<&'static str> {
    include_str!("forbidden-words.txt")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect()
}

/// A violation for each line that has one of `forbidden` at the start of a path or word.
pub(super) fn check(path: &str, text: &str, forbidden: &[&str]) -> Vec<Violation> {
    if path == LIST {
        return Vec::new();
    }
    text.lines()
        .enumerate()
        .filter_map(|(index, line)| {
            let word = forbidden.iter().find(|word| starts_in(line, word))?;
            Some(Violation {
                file: path.to_owned(),
                line: index + 1,
                rule: "word",
                advice: format!("`{word}` does not belong in this project; take it out"),
            })
        })
        .collect()
}

/// Whether `line` has `word` where nothing longer ends, as `example.com` does before a path.
fn starts_in(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '}' | '*'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_one_machine_are_found_and_paths_of_urls_are_not() {
        let text = "see /secret/a\nhttps://example.com/secret/a\nsrc/secret/a\n\"/secret/b\"\n";
        let lines: Vec<usize> = check("a.md", text, &["/secret/"])
            .iter()
            .map(|v| v.line)
            .collect();
        assert_eq!(lines, [1, 4]);
    }

    #[test]
    fn the_list_names_words_and_may_contain_them_itself() {
        let words = forbidden();
        assert!(words.len() >= 3, "{words:?}");
        let text = words.join("\n");
        assert_eq!(check(LIST, &text, &words), []);
        assert_eq!(check("a.md", &text, &words).len(), words.len());
    }
}
