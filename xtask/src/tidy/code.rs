//! Rules on how code is written, wherever it stands.

use super::Violation;
use super::source::{Lines, Source, has_word, words};

/// Applies each rule to one file.
pub(super) fn check(source: &Source) -> Vec<Violation> {
    let rules = [purpose, leftovers, lint_escapes, sleeping_tests, provider];
    rules.iter().flat_map(|rule| rule(source)).collect()
}

/// A file begins with what it is for. A crate's root may include its README instead; `tests.rs` says it by its name.
fn purpose(source: &Source) -> Vec<Violation> {
    let said =
        |line: &str| line.starts_with("//!") || line.contains("include_str!(\"../README.md\")");
    // Attributes of the whole file may come first.
    let begins = source.text.lines().take(3).any(said);
    if begins || source.path.ends_with("tests.rs") {
        return Vec::new();
    }
    vec![source.violation(
        0,
        "purpose",
        "begin the file with one `//!` sentence".to_owned(),
    )]
}

/// Nothing unfinished, and no test that does not run.
fn leftovers(source: &Source) -> Vec<Violation> {
    let mut found = words(
        source,
        Lines::All,
        &["todo!", "unimplemented!", "dbg!"],
        "leftover",
        |word| format!("`{word}`; finish it or take it out"),
    );
    found.extend(words(source, Lines::All, &["#[ignore"], "ignored", |_| {
        "a test that is not run; fix it or delete it".to_owned()
    }));
    found
}

/// A lint is silenced with `expect`, which says when it is no longer needed, and with a reason.
fn lint_escapes(source: &Source) -> Vec<Violation> {
    words(
        source,
        Lines::All,
        &["#[allow(", "#![allow("],
        "lint",
        |_| "use `#[expect(lint, reason = \"…\")]`".to_owned(),
    )
}

/// A test waits for an event; it sleeps only to inject a fault, and says so.
fn sleeping_tests(source: &Source) -> Vec<Violation> {
    let raw: Vec<&str> = source.text.lines().collect();
    let explained = |index: usize| {
        let comment = |line: &str| {
            line.split_once("//")
                .is_some_and(|(_, c)| c.contains("fault:"))
        };
        comment(raw[index]) || (index > 0 && comment(raw[index - 1]))
    };
    source
        .lines()
        .filter(|(index, line, test)| *test && has_word(line, "sleep") && !explained(*index))
        .map(|(index, _, _)| {
            source.violation(
                index,
                "sleep",
                "wait for the event; a sleep that injects a fault says `// fault: …`".to_owned(),
            )
        })
        .collect()
}

/// The TLS provider is passed, never guessed from what features unify to.
fn provider(source: &Source) -> Vec<Violation> {
    let guessed = [
        "ClientConfig::builder()",
        "ServerConfig::builder()",
        "install_default",
    ];
    words(source, Lines::All, &guessed, "provider", |word| {
        format!("`{word}`; pass the provider with `builder_with_provider`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source::objections;

    const HOST: &str = "pool-core/src/manager/host.rs";
    const NONE: [usize; 0] = [];

    #[test]
    fn a_file_without_a_purpose_is_found() {
        let lib = "pool-tls/src/lib.rs";
        let readme = "#![doc = include_str!(\"../README.md\")]\n";
        assert_eq!(
            objections(purpose, HOST, "//! One host.\nfn a() {}\n"),
            NONE
        );
        assert_eq!(objections(purpose, lib, readme), NONE);
        assert_eq!(
            objections(purpose, "a/src/b/tests.rs", "use super::*;\n"),
            NONE
        );
        assert_eq!(objections(purpose, HOST, "use std::fmt;\n"), [1]);
    }

    #[test]
    fn unfinished_code_and_ignored_tests_are_found_and_their_names_in_text_are_not() {
        assert_eq!(objections(leftovers, HOST, "fn a() { todo!() }"), [1]);
        assert_eq!(
            objections(
                leftovers,
                HOST,
                "#[test]\n#[ignore = \"slow\"]\nfn a() {}\n"
            ),
            [2]
        );
        assert_eq!(
            objections(leftovers, HOST, "let a = \"todo!\"; // dbg!\n"),
            NONE
        );
    }

    #[test]
    fn lints_are_expected_not_allowed() {
        assert_eq!(objections(lint_escapes, HOST, "#![allow(dead_code)]"), [1]);
        assert_eq!(
            objections(lint_escapes, HOST, "#[expect(dead_code, reason = \"b\")]"),
            NONE
        );
    }

    #[test]
    fn a_test_sleeps_only_to_inject_a_fault() {
        let path = "xtask/tests/concurrency/churn.rs";
        assert_eq!(
            objections(sleeping_tests, path, "use tokio::time::sleep;"),
            [1]
        );
        assert_eq!(
            objections(sleeping_tests, path, "std::thread::sleep(a);"),
            [1]
        );
        assert_eq!(
            objections(
                sleeping_tests,
                path,
                "// fault: a slow reader\nsleep(a).await;"
            ),
            NONE
        );
        assert_eq!(
            objections(sleeping_tests, path, "sleep(a).await; // fault: stalls"),
            NONE
        );
        assert_eq!(
            objections(sleeping_tests, path, "// let it settle\nsleep(a).await;"),
            [2]
        );
        assert_eq!(
            objections(sleeping_tests, "pool-core/src/upkeep.rs", "sleep(a).await;"),
            NONE
        );
    }

    #[test]
    fn the_tls_provider_is_never_guessed() {
        assert_eq!(
            objections(provider, HOST, "rustls::ClientConfig::builder().with()"),
            [1]
        );
        assert_eq!(
            objections(provider, HOST, "provider.install_default()"),
            [1]
        );
        assert_eq!(
            objections(provider, HOST, "ClientConfig::builder_with_provider(p)"),
            NONE
        );
    }
}
