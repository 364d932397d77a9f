//! Which names somebody may have meant.

/// Those of `names` that are a few letters away from `word`, the nearest first.
pub(crate) fn near<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    // More than half of the letters wrong is another word.
    let most = (word.chars().count() / 2).clamp(1, 4);
    let mut near: Vec<(usize, &str)> = names
        .filter(|name| name.len().abs_diff(word.len()) <= 8)
        .map(|name| (distance(word, name), name))
        .filter(|(distance, name)| *distance <= most || is_part(word, name))
        .collect();
    near.sort_unstable();
    near.truncate(5);
    near.into_iter().map(|(_, name)| name).collect()
}

/// Whether one is the beginning of the other, and enough of it to mean it.
fn is_part(word: &str, name: &str) -> bool {
    let (word, name) = (word.to_lowercase(), name.to_lowercase());
    word.len() >= 3 && (name.starts_with(&word) || word.starts_with(&name))
}

/// How many letters to insert, take away or change: Levenshtein's distance, whatever the case.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.to_lowercase().chars().enumerate() {
        let mut before = row[0];
        row[0] = at + 1;
        for (column, &theirs) in other.iter().enumerate() {
            let changed = before + usize::from(letter != theirs);
            before = row[column + 1];
            row[column + 1] = changed.min(before + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_pen_finds_its_word() {
        let names = || ["chromium-156", "firefox-esr-153", "native"].into_iter();
        assert_eq!(near("chromum-156", names()), ["chromium-156"]);
        assert_eq!(near("Chromium-155", names()), ["chromium-156"]);
        assert_eq!(near("firefox", names()), ["firefox-esr-153"]);
        assert_eq!(near("safari", names()), [] as [&str; 0]);
        assert_eq!(near("", names()), [] as [&str; 0]);
    }

    #[test]
    fn distances_are_counted_in_letters() {
        for (one, other, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("über", "uber", 1),
        ] {
            assert_eq!(distance(one, other), expected);
            assert_eq!(distance(other, one), expected);
        }
    }
}
