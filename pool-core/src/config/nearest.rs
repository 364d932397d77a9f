//! What a misspelt name was probably meant to be.

/// The names among `known` that `word` is close to, the closest first, at most three.
///
/// Close means: few letters to add, drop, change or swap with their neighbour (one for every three of the longer
/// word, at least one), or one of the two begins with the other. Case and the difference between `-` and `_` do not
/// count. Empty if nothing is close.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    // A word longer than this is no name; the comparison costs the product of both lengths.
    const LONGEST: usize = 64;
    let word = fold(word);
    if word.is_empty() || word.len() > LONGEST {
        return Vec::new();
    }
    let mut near: Vec<(usize, &str)> = known
        .into_iter()
        .filter(|name| name.len() <= LONGEST)
        .filter_map(|name| {
            let folded = fold(name);
            let distance = edits(&word, &folded);
            let allowed = (word.len().max(folded.len()) / 3).max(1);
            let begins = folded.starts_with(&word) || word.starts_with(&folded);
            (distance <= allowed || (begins && !folded.is_empty())).then_some((distance, name))
        })
        .collect();
    near.sort_unstable();
    near.truncate(3);
    near.into_iter().map(|(_, name)| name).collect()
}

fn fold(word: &str) -> Vec<char> {
    word.chars()
        .map(|c| match c {
            '_' => '-',
            c => c.to_ascii_lowercase(),
        })
        .collect()
}

/// Letters to add, drop, change or swap with their neighbour to get from `a` to `b`.
fn edits(a: &[char], b: &[char]) -> usize {
    // Rows of the usual table, of the first i letters of `a` against every beginning of `b`: two before, one before.
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = changed.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 6] = [
        "idle",
        "lifetime",
        "uses",
        "errors",
        "h2-ping",
        "consecutive-failures",
    ];

    #[test]
    fn a_slip_of_the_finger_finds_the_name() {
        for (word, name) in [
            ("idel", "idle"),
            ("Idle", "idle"),
            ("lifetme", "lifetime"),
            ("use", "uses"),
            ("h2_ping", "h2-ping"),
            ("h2", "h2-ping"),
            ("consecutive", "consecutive-failures"),
        ] {
            assert_eq!(nearest(word, NAMES).first(), Some(&name), "{word}");
        }
    }

    #[test]
    fn a_word_that_is_like_nothing_suggests_nothing() {
        for word in ["", "banana", &"x".repeat(10_000)] {
            assert!(nearest(word, NAMES).is_empty(), "{word:.10}");
        }
    }

    #[test]
    fn the_closest_comes_first_and_three_are_enough() {
        let names = ["abcdef", "abcdeg", "abcdxx", "abcdey", "abcdez"];
        assert_eq!(
            nearest("abcdef", names),
            ["abcdef", "abcdeg", "abcdey"],
            "by distance, then by name"
        );
    }

    #[test]
    fn a_swap_is_one_edit_and_order_does_not_matter() {
        let count = |a, b| edits(&fold(a), &fold(b));
        assert_eq!(count("idle", "idel"), 1);
        assert_eq!(count("kitten", "sitting"), 3);
        assert_eq!(count("sitting", "kitten"), 3);
        assert_eq!(count("", "abc"), 3);
    }
}
