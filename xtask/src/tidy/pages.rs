//! Pages whose tables name items, files and tests of this workspace: each of them must be there.

mod items;
mod table;

use super::Violation;
use super::source::Source;
use items::{aliases, defines, tests_in};
use std::collections::{BTreeMap, BTreeSet};
use table::{Row, rows};

/// The checked pages. Those in one line are one page in several languages: they have the same rows.
const PAGES: [&[&str]; 2] = [
    &["docs/original-design.md", "docs/original-design.zh.md"],
    &["docs/concurrency-model.md"],
];

/// Checks every page against `sources`.
pub(super) fn check(files: &[(String, String)], sources: &[Source]) -> Vec<Violation> {
    let code = Code::new(sources);
    let mut found = Vec::new();
    for languages in PAGES {
        let mut pages: Vec<(&str, Vec<Row>)> = Vec::new();
        for &path in languages {
            let Some((_, text)) = files.iter().find(|(file, _)| file == path) else {
                found.push(violation(path, 1, "the page is gone; bring it back"));
                continue;
            };
            let rows = match rows(text) {
                Ok(rows) => rows,
                Err(lines) => {
                    let advice =
                        "headings of a checked table, but not all of them: ours, file, test";
                    found.extend(lines.into_iter().map(|at| violation(path, at, advice)));
                    continue;
                }
            };
            if rows.is_empty() {
                found.push(violation(path, 1, "no table of items, files and tests"));
            }
            for row in &rows {
                let wrong = code.wrong_in(row);
                found.extend(wrong.iter().map(|why| violation(path, row.line, why)));
            }
            pages.push((path, rows));
        }
        if let Some((original, others)) = pages.split_first() {
            let differs = |(path, rows): &(&str, Vec<Row>)| difference(original, path, rows);
            found.extend(others.iter().filter_map(differs));
        }
    }
    found
}

/// The first row in which a translation says something else than the original.
fn difference(
    (original, theirs): &(&str, Vec<Row>),
    path: &str,
    ours: &[Row],
) -> Option<Violation> {
    let at =
        (0..theirs.len().max(ours.len())).find(|&at| match (theirs.get(at), ours.get(at)) {
            (Some(theirs), Some(ours)) => !ours.says_the_same(theirs),
            _ => true,
        })?;
    let line = |rows: &[Row]| rows.get(at).or(rows.last()).map_or(1, |row| row.line);
    let advice = format!(
        "not the names, items, files and tests of {original}:{}; write the row in both",
        line(theirs)
    );
    Some(violation(path, line(ours), &advice))
}

/// What the pages are checked against.
struct Code<'a> {
    sources: BTreeMap<&'a str, &'a Source>,
    /// The files that have a test of this name.
    tests: BTreeMap<&'a str, BTreeSet<&'a str>>,
}

impl<'a> Code<'a> {
    fn new(sources: &'a [Source]) -> Self {
        let mut tests: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for source in sources {
            for test in tests_in(source) {
                tests.entry(test).or_default().insert(&source.path);
            }
        }
        let by_path = sources.iter().map(|source| (source.path.as_str(), source));
        Self {
            sources: by_path.collect(),
            tests,
        }
    }

    /// What the row says that is not so.
    fn wrong_in(&self, row: &Row) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut sources = Vec::new();
        for file in &row.files {
            match self.sources.get(file.as_str()) {
                Some(&source) => sources.push(source),
                None => wrong.push(format!("no source file `{file}`")),
            }
        }
        if row.items.is_empty() {
            wrong.push("the row names no item of ours".to_owned());
        }
        for item in &row.items {
            if !sources.iter().any(|source| defines(source, item)) {
                let files = row.files.join("`, `");
                wrong.push(format!("`{item}` is not defined in `{files}`"));
            }
        }
        for source in &sources {
            if !row.items.iter().any(|item| defines(source, item)) {
                wrong.push(format!("`{}` defines no item of the row", source.path));
            }
        }
        for name in &row.names {
            // rustdoc refuses an alias that is the item's own name: it is found anyway.
            let is_item = |item: &String| item.rsplit("::").next() == Some(name);
            let has_alias = |source: &&Source| aliases(source).contains(name);
            if !row.items.iter().any(is_item) && !sources.iter().any(has_alias) {
                let files = row.files.join("`, `");
                wrong.push(format!(
                    "nothing in `{files}` has `#[doc(alias = \"{name}\")]`"
                ));
            }
        }
        if row.tests.is_empty() && !row.admits_no_test {
            wrong.push("the row names no test; one that has none says `—`".to_owned());
        }
        wrong.extend(row.tests.iter().filter_map(|test| self.wrong_with(test)));
        wrong
    }

    /// Why `test` is not one test, if so: a name alone, or after the name of its file or folder.
    fn wrong_with(&self, test: &str) -> Option<String> {
        let (place, name) = match test.rsplit_once("::") {
            Some((place, name)) => (Some(place), name),
            None => (None, test),
        };
        let paths = self.tests.get(name).into_iter().flatten();
        let here = |path: &&&str| {
            place.is_none_or(|place| path.split(['/', '.']).any(|part| part == place))
        };
        match paths.filter(here).count() {
            1 => None,
            0 => Some(format!("no test `{test}`")),
            _ => Some(format!(
                "several tests `{test}`; write the name of its file before it, `file::{name}`"
            )),
        }
    }
}

fn violation(file: &str, line: usize, advice: &str) -> Violation {
    Violation {
        file: file.to_owned(),
        line,
        rule: "page",
        advice: advice.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "| its name | ours | file | why | test |\n|---|---|---|---|---|\n";

    fn sources() -> Vec<Source> {
        let lease = "/// A.\n#[doc(alias = \"PutConnection\")]\npub struct Lease;\nimpl Drop for Lease {\n    fn drop(&mut self) {}\n}\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn it_comes_back() {}\n}\n";
        let elsewhere = "#[test]\nfn over_h1() {}\n";
        vec![
            Source::new("pool-core/src/lease.rs", lease),
            Source::new("xtask/tests/concurrency/load.rs", elsewhere),
            Source::new("xtask/tests/concurrency/churn.rs", elsewhere),
        ]
    }

    /// What is wrong with a row of these cells.
    fn wrong(cells: &str) -> Vec<String> {
        let sources = sources();
        let rows = rows(&format!("{HEAD}{cells}\n")).expect("whole headings");
        assert_eq!(rows.len(), 1);
        Code::new(&sources).wrong_in(&rows[0])
    }

    #[test]
    fn a_row_that_is_true_is_good() {
        let row = "| `PutConnection` | `Lease::drop` | `pool-core/src/lease.rs` | … | `it_comes_back`, `load::over_h1` |";
        assert_eq!(wrong(row), Vec::<String>::new());
    }

    #[test]
    fn what_is_gone_is_named() {
        let row = "| `PutConnection` | `Lease::park` | `pool-core/src/lease.rs` | … | `it_goes` |";
        assert_eq!(
            wrong(row),
            [
                "`Lease::park` is not defined in `pool-core/src/lease.rs`",
                "`pool-core/src/lease.rs` defines no item of the row",
                "no test `it_goes`",
            ]
        );
        let row = "| release | `Lease::drop` | `pool-core/src/lost.rs` | … | `it_comes_back` |";
        assert_eq!(
            wrong(row),
            [
                "no source file `pool-core/src/lost.rs`",
                "`Lease::drop` is not defined in `pool-core/src/lost.rs`",
            ]
        );
    }

    #[test]
    fn a_promised_alias_leads_to_the_row() {
        let row =
            "| `ReleaseIP` | `Lease::drop` | `pool-core/src/lease.rs` | … | `it_comes_back` |";
        assert_eq!(
            wrong(row),
            ["nothing in `pool-core/src/lease.rs` has `#[doc(alias = \"ReleaseIP\")]`"]
        );
        let row = "| `Lease` | `Lease` | `pool-core/src/lease.rs` | … | `it_comes_back` |";
        assert_eq!(wrong(row), Vec::<String>::new(), "its own name will do");
    }

    #[test]
    fn a_row_without_a_test_says_so_and_one_of_many_is_told_apart() {
        let row = |test: &str| {
            wrong(&format!(
                "| release | `Lease` | `pool-core/src/lease.rs` | … | {test} |"
            ))
        };
        assert_eq!(row("—"), Vec::<String>::new());
        assert_eq!(row("all of them").len(), 1);
        assert!(row("`over_h1`")[0].starts_with("several tests"));
        assert_eq!(row("`churn::over_h1`"), Vec::<String>::new());
        assert_eq!(
            row("`elsewhere::over_h1`"),
            ["no test `elsewhere::over_h1`"]
        );
    }

    #[test]
    fn languages_say_the_same_in_the_same_order() {
        let good = "| `A` | `B::c` | `d.rs` | because | `e` |\n| `F` | `G` | `h.rs` | … | — |\n";
        let read = |page: &str| rows(page).expect("whole headings");
        let page = |rows: &str| ("a.md", read(&format!("{HEAD}{rows}")));
        let zh = "| 原名 | 我们的 | 文件 | 变化与原因 | 测试 |\n|---|---|---|---|---|\n";
        let differs = |rows: &str| difference(&page(good), "a.zh.md", &read(rows));

        assert_eq!(
            differs(&format!("{zh}{}", good.replace("because", "因为"))),
            None
        );
        let other = good.replace("`e`", "`f`");
        assert_eq!(differs(&format!("{zh}{other}")).map(|v| v.line), Some(3));
        let (first, _) = good.split_once('\n').unwrap_or_default();
        let found = differs(&format!("{zh}{first}\n")).expect("a row is missing");
        assert!(found.advice.contains("a.md:4"), "{found}");
    }

    #[test]
    fn a_page_that_is_gone_or_has_no_table_is_found() {
        let files = [(
            "docs/concurrency-model.md".to_owned(),
            "Nothing.\n".to_owned(),
        )];
        let found = check(&files, &[]);
        let files: Vec<&str> = found.iter().map(|v| v.file.as_str()).collect();
        assert_eq!(files, [PAGES[0][0], PAGES[0][1], PAGES[1][0]]);
    }
}
