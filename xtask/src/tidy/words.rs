//! Absolute paths that no tracked file may contain: they are of one machine.

use super::Violation;

/// The folders at the root of somebody's machine, as paths; a line of the list that starts with `#` is a comment.
pub(super) fn forbidden() -> Vec<String> {
    include_str!("forbidden-folders.txt")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|folder| format!("/{folder}/"))
        .collect()
}

/// A violation for each line that has one of `forbidden` at the start of a path.
pub(super) fn check(path: &str, text: &str, forbidden: &[String]) -> Vec<Violation> {
    text.lines()
        .enumerate()
        .filter_map(|(index, line)| {
            let word = forbidden.iter().find(|word| starts_in(line, word))?;
            Some(Violation {
                file: path.to_owned(),
                line: index + 1,
                rule: "word",
                advice: format!("`{word}` is a path of one machine; take it out"),
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
        let lines: Vec<usize> = check("a.md", text, &["/secret/".to_owned()])
            .iter()
            .map(|v| v.line)
            .collect();
        assert_eq!(lines, [1, 4]);
    }

    #[test]
    fn every_folder_of_the_list_is_found() {
        let words = forbidden();
        assert!(words.len() >= 3, "{words:?}");
        assert_eq!(check("a.md", &words.join("\n"), &words).len(), words.len());
    }
}
