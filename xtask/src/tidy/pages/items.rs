//! What a Rust file defines: its items, the aliases they are found by, its tests.

use crate::tidy::source::{Source, has_word};

/// Whether the file defines `path`: `Type::method`, also a field, a variant or an associated constant; `module::item`;
/// or an item alone. Only the last two names count.
pub(super) fn defines(source: &Source, path: &str) -> bool {
    let code = &source.code;
    let mut names = path.rsplit("::");
    let item = names.next().unwrap_or_default();
    let Some(owner) = names.next() else {
        return declares(code, item);
    };
    if owner.starts_with(char::is_uppercase) {
        return bodies(code, owner).any(|body| is_member(body, item));
    }
    is_module(&source.path, owner) && declares(code, item)
}

/// The aliases that the documentation of the file's items has.
pub(super) fn aliases(source: &Source) -> Vec<String> {
    let mut aliases = Vec::new();
    for (at, _) in source.text.match_indices("#[doc(alias") {
        let attribute = &source.text[at..];
        let end = attribute.find(")]").unwrap_or(attribute.len());
        let quoted = attribute[..end].split('"').skip(1).step_by(2);
        aliases.extend(quoted.map(str::to_owned));
    }
    aliases
}

/// The names of the functions that a test runner calls.
pub(super) fn tests_in(source: &Source) -> Vec<&str> {
    let lines: Vec<&str> = source.code.lines().collect();
    let is_attribute = |line: &&&str| line.trim().is_empty() || line.trim().starts_with("#[");
    let mut tests = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(name) = name_after(line, "fn") else {
            continue;
        };
        let mut above = lines[..at].iter().rev().take_while(is_attribute);
        if above.any(|line| has_word(line, "test") && !has_word(line, "cfg")) {
            tests.push(name);
        }
    }
    tests.extend(cases_in(&source.code));
    tests
}

/// The tests that `one_case_each!(Section { field, … })` makes: one for each field, of its name.
fn cases_in(code: &str) -> impl Iterator<Item = &str> {
    let calls = code.split("one_case_each!(").skip(1);
    let fields = calls.filter_map(|call| call.split_once('{')?.1.split_once('}'));
    let names = fields.flat_map(|(fields, _)| fields.split(','));
    names.map(str::trim).filter(|name| !name.is_empty())
}

const ITEMS: [&str; 9] = [
    "fn", "struct", "enum", "trait", "type", "const", "static", "mod", "union",
];

/// Whether an item of this name is declared anywhere in `code`.
fn declares(code: &str, item: &str) -> bool {
    let declared = |line: &str| {
        ITEMS
            .iter()
            .any(|kind| name_after(line, kind) == Some(item))
    };
    code.lines().any(declared)
}

/// The identifier that follows the keyword in this line, if the keyword begins a declaration.
fn name_after<'a>(line: &'a str, keyword: &str) -> Option<&'a str> {
    let (before, rest) = line.split_once(&format!("{keyword} "))?;
    let modifiers = ["pub", "async", "const", "unsafe", "extern"];
    let is_modifier = |word: &str| modifiers.contains(&word) || word.starts_with("pub(");
    if !before.split_whitespace().all(is_modifier) || before.ends_with(is_ident) {
        return None;
    }
    let end = rest.find(|c| !is_ident(c)).unwrap_or(rest.len());
    (end > 0).then_some(&rest[..end])
}

/// What stands in the braces of the type's declaration and of its `impl` blocks.
fn bodies<'a>(code: &'a str, owner: &'a str) -> impl Iterator<Item = &'a str> {
    let mut at = 0;
    let starts = code.split_inclusive('\n').map(move |line| {
        let start = at;
        at += line.len();
        (start, line)
    });
    starts.filter_map(move |(start, line)| {
        let declared = ["struct", "enum", "trait", "union"];
        let is_declared = declared
            .iter()
            .any(|kind| name_after(line, kind) == Some(owner));
        let open = start + code[start..].find('{')?;
        if !is_declared && !is_impl_of(&code[start..open], owner) {
            return None;
        }
        // A unit or tuple struct has no braces: those that follow are of something else.
        (!code[start..open].contains(';')).then(|| &code[open..body_end(code, open)])
    })
}

/// Whether `header`, up to its brace, begins an `impl` whose own type is `owner`.
fn is_impl_of(header: &str, owner: &str) -> bool {
    let Some(rest) = header.trim_start().strip_prefix("impl") else {
        return false;
    };
    let generics = if rest.starts_with('<') {
        angle_end(rest)
    } else {
        0
    };
    let of = rest[generics..].split(" where").next().unwrap_or_default();
    let of = of.rsplit_once(" for ").map_or(of, |(_, own)| own);
    let path = of.split('<').next().unwrap_or_default().trim();
    path.rsplit("::").next() == Some(owner)
}

/// Where the angle bracket that `text` begins with is closed.
fn angle_end(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        match c {
            '<' => depth += 1,
            '>' if before != '-' => depth -= 1,
            _ => {}
        }
        before = c;
        if depth == 0 {
            return at + 1;
        }
    }
    text.len()
}

/// Where the brace at `open` is closed.
fn body_end(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, c) in code[open..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return open + at + 1;
        }
    }
    code.len()
}

/// Whether `item` is a function, constant, field or variant right in this body, which begins with its brace.
fn is_member(body: &str, item: &str) -> bool {
    let mut depth = 0_usize;
    body.split_inclusive('\n').any(|line| {
        let outer = depth;
        for c in line.chars() {
            match c {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        let declared = ITEMS
            .iter()
            .any(|kind| name_after(line, kind) == Some(item));
        outer <= 1 && (declared || is_field(line, item))
    })
}

/// Whether the line is a field or a variant of this name.
fn is_field(line: &str, item: &str) -> bool {
    let mut line = line.trim().trim_start_matches('{').trim_start();
    if let Some(rest) = line.strip_prefix("pub") {
        let rest = match rest.strip_prefix('(') {
            Some(scope) => scope.split_once(')').map_or("", |(_, rest)| rest),
            None => rest,
        };
        line = rest.trim_start();
    }
    let Some(rest) = line.strip_prefix(item) else {
        return false;
    };
    let rest = rest.trim_start();
    rest.is_empty()
        || rest.starts_with([',', '(', '{', '='])
        || rest.starts_with(':') && !rest.starts_with("::")
}

/// Whether the file is in the module, or is the root of the crate, of this name.
fn is_module(path: &str, name: &str) -> bool {
    let is_named = |part: &str| part.replace('-', "_") == name;
    path.split(['/', '.']).any(is_named)
}

fn is_ident(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
/// The right to use it.
#[doc(alias = \"PutConnection\")]
#[doc(alias(\"ReleaseConnection\", \"Release\"))]
pub struct Lease<C: Send> {
    pub(crate) claim: Claim<C>,
    how: Returned,
}
pub struct Unit(u8);
pub(crate) enum Place {
    Back(Priority),
    Front,
}
impl<C: Into<Vec<C>>> Lease<C> {
    pub(super) async fn conn(&self) -> &C {
        fn inner() {}
        let guard = Guard { local: 1 };
    }
}
impl<C: Send> Drop for Lease<C> where C: Sync {
    fn drop(&mut self) {}
}
impl Other {
    const MOST: usize = 1;
    fn other(&self) {}
}
pub(crate) fn take() {}
#[cfg(test)]
mod tests {
    #[test]
    fn it_comes_back() {}

    // A comment between.
    #[tokio::test(start_paused = true)]
    async fn it_waits() {}

    fn helper() {}
}
";

    fn is_defined(path: &str) -> bool {
        defines(&Source::new("pool-core/src/manager/lease.rs", TEXT), path)
    }

    #[test]
    fn members_belong_to_their_own_type() {
        for path in [
            "Lease::conn",
            "manager::Lease::conn",
            "Lease::drop",
            "Lease::claim",
            "Lease::how",
            "Place::Back",
            "Place::Front",
            "Other::MOST",
        ] {
            assert!(is_defined(path), "{path}");
        }
        for path in [
            "Lease::other",
            "Lease::inner",
            "Lease::local",
            "Lease::con",
            "Drop::drop",
            "Place::Returned",
            "Unit::conn",
            "Other::conn",
        ] {
            assert!(!is_defined(path), "{path}");
        }
    }

    #[test]
    fn items_are_found_alone_or_by_their_module() {
        for path in [
            "Lease",
            "Unit",
            "take",
            "lease::take",
            "manager::take",
            "pool_core::Lease",
        ] {
            assert!(is_defined(path), "{path}");
        }
        for path in ["Claim", "tak", "host::take", "guard"] {
            assert!(!is_defined(path), "{path}");
        }
    }

    #[test]
    fn aliases_are_read_one_by_one_and_in_lists() {
        let source = Source::new("a/src/a.rs", TEXT);
        assert_eq!(
            aliases(&source),
            ["PutConnection", "ReleaseConnection", "Release"]
        );
    }

    #[test]
    fn a_test_is_what_a_runner_calls() {
        let source = Source::new("a/src/a.rs", TEXT);
        assert_eq!(tests_in(&source), ["it_comes_back", "it_waits"]);
    }

    #[test]
    fn cases_of_fields_are_tests_of_their_names() {
        let text = "one_case_each!(Limits {\n    total,\n    hosts,\n});\nasync fn total() {}\n";
        let source = Source::new("pool-core/tests/in_memory/limits.rs", text);
        assert_eq!(tests_in(&source), ["total", "hosts"]);
    }
}
