//! The tables of a page that name items, files and tests.

/// What one row names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// From 1.
    pub(super) line: usize,
    /// Names of elsewhere under which the documentation finds this.
    pub(super) names: Vec<String>,
    /// Ours, as `Type::method`, `module::item` or `Type`.
    pub(super) items: Vec<String>,
    /// From the workspace's root.
    pub(super) files: Vec<String>,
    pub(super) tests: Vec<String>,
    /// The cell for tests is a dash: there is none.
    pub(super) admits_no_test: bool,
}

impl Row {
    /// Whether a row in another language names the same things in the same order.
    pub(super) fn says_the_same(&self, other: &Self) -> bool {
        let anywhere = |row: &Self| Self {
            line: 0,
            ..row.clone()
        };
        anywhere(self) == anywhere(other)
    }
}

/// The headings that make a table one to check, in each language of ours.
const ITEMS: [&str; 2] = ["ours", "我们的"];
const FILES: [&str; 2] = ["file", "文件"];
const TESTS: [&str; 2] = ["test", "测试"];
/// The heading of names that promise an alias.
const NAMES: [&str; 2] = ["its name", "原名"];

/// Which column holds what.
struct Columns {
    names: Option<usize>,
    items: usize,
    files: usize,
    tests: usize,
}

impl Columns {
    /// `None` for a table that names nothing of ours.
    fn of(header: &[&str]) -> Option<Self> {
        let find = |words: [&str; 2]| header.iter().position(|cell| words.contains(cell));
        Some(Self {
            names: find(NAMES),
            items: find(ITEMS)?,
            files: find(FILES)?,
            tests: find(TESTS)?,
        })
    }
}

/// The rows of every table in `page` that has columns of items, files and tests.
///
/// # Errors
///
/// The lines, from 1, of headings that name some of these columns and not all: such a table would go unchecked.
pub(super) fn rows(page: &str) -> Result<Vec<Row>, Vec<usize>> {
    let mut rows = Vec::new();
    let mut halves = Vec::new();
    let mut table: Option<Option<Columns>> = None;
    for (index, line) in page.lines().enumerate() {
        if !line.starts_with('|') {
            table = None;
            continue;
        }
        let cells = cells(line);
        let Some(columns) = &table else {
            let columns = Columns::of(&cells);
            let is_heading = |cell: &&str| [ITEMS, FILES, TESTS].concat().contains(cell);
            if columns.is_none() && cells.iter().any(is_heading) {
                halves.push(index + 1);
            }
            table = Some(columns);
            continue;
        };
        let Some(columns) = columns.as_ref().filter(|_| !is_rule(&cells)) else {
            continue;
        };
        let cell = |at: usize| cells.get(at).copied().unwrap_or_default();
        let quoted_in = |at: usize| quoted(cell(at));
        rows.push(Row {
            line: index + 1,
            names: columns.names.map(quoted_in).unwrap_or_default(),
            items: quoted_in(columns.items),
            files: quoted_in(columns.files),
            tests: quoted_in(columns.tests),
            admits_no_test: cell(columns.tests) == "—",
        });
    }
    if halves.is_empty() {
        Ok(rows)
    } else {
        Err(halves)
    }
}

fn cells(line: &str) -> Vec<&str> {
    let inner = line.trim().trim_start_matches('|');
    let inner = inner.strip_suffix('|').unwrap_or(inner);
    inner.split('|').map(str::trim).collect()
}

/// Whether it is the line below the headings.
fn is_rule(cells: &[&str]) -> bool {
    let dashes = |cell: &&str| !cell.is_empty() && cell.chars().all(|c| matches!(c, '-' | ':'));
    cells.iter().all(dashes)
}

/// What stands in backticks.
fn quoted(cell: &str) -> Vec<String> {
    let pieces = cell.split('`');
    pieces.skip(1).step_by(2).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_by_its_headings_wherever_they_stand() {
        let page = "# A\n\n| what | test | file | ours |\n|---|:-:|---|---|\n| a | `t`, and `u` | `a.rs` | `A::b` |\n| b | — | `b.rs` | `B` |\n";
        let rows = rows(page).expect("whole headings");
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[0].line, rows[1].line), (5, 6));
        assert_eq!(rows[0].tests, ["t", "u"]);
        assert_eq!(
            (&rows[0].items[..], &rows[0].files[..]),
            (&["A::b".to_owned()][..], &["a.rs".to_owned()][..])
        );
        assert!(rows[0].names.is_empty() && !rows[0].admits_no_test);
        assert!(rows[1].tests.is_empty() && rows[1].admits_no_test);
    }

    #[test]
    fn a_table_without_the_headings_is_not_read() {
        let page = "| lock | owns |\n|---|---|\n| `a` | `b` |\n\n| 原名 | 我们的 | 文件 | 测试 |\n|---|---|---|---|\n| `A` | `B` | `c.rs` | `d` |\n";
        let rows = rows(page).expect("whole headings");
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].names, ["A"]);
    }

    #[test]
    fn a_table_with_some_of_the_headings_is_found() {
        let page =
            "| ours | file | test |\n|---|---|---|\n\n| ours | file | tests |\n|---|---|---|\n";
        assert_eq!(rows(page), Err(vec![4]));
    }

    #[test]
    fn rows_are_compared_without_their_lines() {
        let page = |before: &str, test: &str| {
            let page = format!(
                "{before}| ours | file | test |\n|---|---|---|\n| `A` | `a.rs` | {test} |\n"
            );
            rows(&page).expect("whole headings").remove(0)
        };
        assert!(page("", "`b`").says_the_same(&page("\n\n", "`b`")));
        assert!(!page("", "`b`").says_the_same(&page("", "`c`")));
        assert!(!page("", "—").says_the_same(&page("", "`c`")));
    }
}
