//! Rules that keep the layers apart: what the code of a crate or a room may name.

use super::Violation;
use super::source::{Lines, Source, has_word, words};

/// Crates that neither print nor touch the environment or files.
const QUIET: [&str; 4] = ["pool-core", "pool-tls", "pool-localip", "pool-health"];

/// Crates whose traits other people implement.
const TRAIT_CRATES: [&str; 3] = ["pool-tls", "pool-localip", "pool-health"];

/// Applies each rule to one file.
pub(super) fn check(source: &Source) -> Vec<Violation> {
    let rules = [pure_state, facade, quiet_crates, dyn_traits];
    rules.iter().flat_map(|rule| rule(source)).collect()
}

/// The state of a host has no clock, lock, waker, log line or async.
fn pure_state(source: &Source) -> Vec<Violation> {
    let Some(file) = source.path.strip_prefix("pool-core/src/manager/") else {
        return Vec::new();
    };
    let room = file.split(['/', '.']).next().unwrap_or(file);
    if !(room.starts_with("state") || room == "waiters" || room == "dials") {
        return Vec::new();
    }
    let impure = [
        "Instant::now",
        "Mutex",
        "RwLock",
        "async",
        "await",
        "tracing",
        "Waker",
        "tokio",
    ];
    words(source, Lines::Production, &impure, "pure", |word| {
        format!("`{word}` in the pure layer; take it as an argument, or return an action")
    })
}

/// The manager reaches locks and atomics through its own facade, or loom cannot see them.
fn facade(source: &Source) -> Vec<Violation> {
    let in_manager = source.path.starts_with("pool-core/src/manager/")
        || source.path == "pool-core/src/manager.rs";
    if !in_manager || source.path.ends_with("/sync.rs") {
        return Vec::new();
    }
    let mut found = words(
        source,
        Lines::Production,
        &["tokio", "loom", "parking_lot"],
        "facade",
        |word| format!("`{word}` in the manager; go through manager/sync.rs, which loom replaces"),
    );
    for (index, line, test) in source.lines() {
        let Some((_, imported)) = line.split_once("std::sync::") else {
            continue;
        };
        let bypassed = [
            "Mutex", "RwLock", "Condvar", "Once", "OnceLock", "Weak", "atomic", "mpsc",
        ]
        .into_iter()
        .find(|word| has_word(imported, word));
        if let (Some(word), false) = (bypassed, test) {
            found.push(source.violation(
                index,
                "facade",
                format!("`std::sync` {word} in the manager; go through manager/sync.rs"),
            ));
        }
    }
    found
}

/// Only pool-cli prints, and only it reads the environment and files.
fn quiet_crates(source: &Source) -> Vec<Violation> {
    if !source.is_in_src_of(&QUIET) || source.path.contains("/src/testing") {
        return Vec::new();
    }
    let loud = [
        "println!",
        "eprintln!",
        "print!",
        "eprint!",
        "std::env",
        "std::fs",
        "tokio::fs",
        "std::io::stdin",
        "std::io::stdout",
        "std::io::stderr",
        "process::exit",
    ];
    words(source, Lines::Production, &loud, "quiet", |word| {
        format!("`{word}` in a library; only pool-cli prints or reads files and environment")
    })
}

/// A plugin trait stays dyn-compatible: its own file uses it as `dyn`, so that the compiler holds the line.
fn dyn_traits(source: &Source) -> Vec<Violation> {
    if !source.is_in_src_of(&TRAIT_CRATES) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (index, line, test) in source.lines() {
        let Some(rest) = line.trim_start().strip_prefix("pub trait ") else {
            continue;
        };
        let name: String = rest
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect();
        let erased = format!("dyn {name}");
        let asserted = source
            .lines()
            .any(|(_, line, test)| !test && has_word(line, &erased));
        if !test && !asserted {
            found.push(source.violation(
                index,
                "dyn",
                format!("add `fn _assert_dyn_compatible(_: &{erased}) {{}}` below the trait"),
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source::objections;

    const STATE: &str = "pool-core/src/manager/state/host.rs";
    const HOST: &str = "pool-core/src/manager/host.rs";
    const NONE: [usize; 0] = [];

    #[test]
    fn the_pure_layer_has_no_clock_lock_waker_log_or_async() {
        for bad in [
            "let now = Instant::now();",
            "use std::sync::Mutex;",
            "async fn a() {}",
            "tracing::debug!();",
            "fn a(w: Waker) {}",
        ] {
            assert_eq!(objections(pure_state, STATE, bad), [1], "{bad}");
        }
        assert_eq!(
            objections(
                pure_state,
                "pool-core/src/manager/waiters.rs",
                "use a::Waker;"
            ),
            [1]
        );
        assert_eq!(
            objections(
                pure_state,
                STATE,
                "// A Waker, async.\nfn a(now: Instant) {}\n"
            ),
            NONE
        );
        assert_eq!(
            objections(
                pure_state,
                STATE,
                "#[cfg(test)]\nfn a() { Instant::now(); }\n"
            ),
            NONE
        );
        assert_eq!(
            objections(pure_state, HOST, "fn a(w: Waker) {}"),
            NONE,
            "the lock layer may"
        );
    }

    #[test]
    fn the_manager_locks_through_its_facade() {
        assert_eq!(
            objections(facade, HOST, "use std::sync::{Arc, Mutex};"),
            [1]
        );
        assert_eq!(
            objections(facade, HOST, "use std::sync::atomic::AtomicU64;"),
            [1]
        );
        assert_eq!(objections(facade, HOST, "use tokio::sync::Notify;"), [1]);
        assert_eq!(
            objections(
                facade,
                HOST,
                "use std::sync::Arc;\nuse super::sync::Mutex;\n"
            ),
            NONE
        );
        assert_eq!(
            objections(
                facade,
                "pool-core/src/manager/sync.rs",
                "pub use loom::sync::Mutex;"
            ),
            NONE
        );
        assert_eq!(
            objections(facade, "pool-core/src/pool.rs", "use tokio::sync::Notify;"),
            NONE
        );
        assert_eq!(
            objections(
                facade,
                HOST,
                "#[cfg(all(test, pool_loom))]\nmod t { use loom::thread; }"
            ),
            NONE
        );
    }

    #[test]
    fn libraries_are_quiet_and_their_tests_and_the_command_line_need_not_be() {
        let bad = "println!();\nlet a = std::env::var(b);\nstd::fs::read(c);\n";
        assert_eq!(
            objections(quiet_crates, "pool-core/src/pool.rs", bad),
            [1, 2, 3]
        );
        assert_eq!(objections(quiet_crates, "pool-cli/src/main.rs", bad), NONE);
        assert_eq!(
            objections(quiet_crates, "pool-core/tests/pool.rs", bad),
            NONE
        );
        assert_eq!(
            objections(quiet_crates, "pool-core/src/testing/fleet.rs", bad),
            NONE
        );
        assert_eq!(
            objections(
                quiet_crates,
                "pool-tls/src/a.rs",
                "/// println!()\nfn a() {}"
            ),
            NONE
        );
    }

    #[test]
    fn a_plugin_trait_is_used_as_dyn_where_it_is_defined() {
        let path = "pool-health/src/eviction.rs";
        let plain = "pub trait Evict: Send {\n    fn judge(&self);\n}\n";
        assert_eq!(objections(dyn_traits, path, plain), [1]);
        let asserted = format!("{plain}fn _assert_dyn_compatible(_: &dyn Evict) {{}}\n");
        assert_eq!(objections(dyn_traits, path, &asserted), NONE);
        let other = format!("{plain}fn _assert_dyn_compatible(_: &dyn EvictAll) {{}}\n");
        assert_eq!(objections(dyn_traits, path, &other), [1]);
        assert_eq!(
            objections(dyn_traits, "pool-core/src/connect.rs", plain),
            NONE
        );
    }
}
