//! Promises about numbers: some can be counted and are budgets, the others are times and only said.

use serde_json::{Value, json};

use crate::table::{Table, show};

/// A promise about cells of one column.
pub struct Target {
    says: &'static str,
    table: &'static str,
    /// The row, or with a `*` at its end every row that begins so; several with `|` between them.
    rows: &'static str,
    column: &'static str,
    bound: Bound,
    /// Whether the number is the same in every run, so that a build may fail over it. Never a time.
    is_budget: bool,
}

#[derive(Clone, Copy)]
pub enum Bound {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
}

use Bound::{AtLeast, AtMost};

/// A promise over a number that is the same in every run.
pub const fn budget(says: &'static str, at: [&'static str; 3], bound: Bound) -> Target {
    let [table, rows, column] = at;
    Target {
        says,
        table,
        rows,
        column,
        bound,
        is_budget: true,
    }
}

/// A promise over a number that is not.
pub const fn time(says: &'static str, at: [&'static str; 3], bound: Bound) -> Target {
    let target = budget(says, at, bound);
    Target {
        is_budget: false,
        ..target
    }
}

/// How one target fared.
pub struct Verdict {
    target: &'static Target,
    /// The number of all rows that is farthest from the good side.
    seen: f64,
    row: String,
}

/// A verdict on each target whose table was measured.
///
/// # Panics
///
/// If the table has no such row: a row that was renamed must not look like a promise kept.
pub fn judge(targets: &'static [Target], tables: &[Table]) -> Vec<Verdict> {
    let verdict = |target: &'static Target| {
        let verdict = target.judge(tables);
        verdict.expect("a target is about a row that there is")
    };
    measured(targets, tables).map(verdict).collect()
}

/// The same where some rows may not have been measured: those targets come second.
pub fn judge_some(
    targets: &'static [Target],
    tables: &[Table],
) -> (Vec<Verdict>, Vec<&'static Target>) {
    let (mut verdicts, mut unknown) = (Vec::new(), Vec::new());
    for target in measured(targets, tables) {
        match target.judge(tables) {
            Some(verdict) => verdicts.push(verdict),
            None => unknown.push(target),
        }
    }
    (verdicts, unknown)
}

fn measured(targets: &'static [Target], tables: &[Table]) -> impl Iterator<Item = &'static Target> {
    let measured = |target: &&Target| tables.iter().any(|table| table.name == target.table);
    targets.iter().filter(measured)
}

impl Target {
    fn judge(&'static self, tables: &[Table]) -> Option<Verdict> {
        let table = tables.iter().find(|table| table.name == self.table);
        let rows = table.into_iter().flat_map(|table| &table.rows);
        let cells = rows
            .filter(|row| self.is_about(&row.name))
            .filter_map(|row| Some((table?.cell(&row.name, self.column)?, &row.name)));
        let worst = cells.max_by(|(a, _), (b, _)| match self.bound {
            AtMost(_) => a.total_cmp(b),
            AtLeast(_) => b.total_cmp(a),
        });
        let (seen, row) = worst?;
        Some(Verdict {
            target: self,
            seen,
            row: row.clone(),
        })
    }

    /// What it promises, in words.
    pub fn says(&self) -> &'static str {
        self.says
    }

    /// Where the number is, and whether a build may fail over it.
    pub fn place(&self) -> (&'static str, bool) {
        (self.column, self.is_budget)
    }

    fn is_about(&self, row: &str) -> bool {
        self.rows
            .split('|')
            .any(|name| match name.strip_suffix('*') {
                Some(beginning) => row.starts_with(beginning),
                None => row == name,
            })
    }
}

impl Verdict {
    pub fn is_met(&self) -> bool {
        match self.target.bound {
            AtMost(most) => self.seen <= most,
            AtLeast(least) => self.seen >= least,
        }
    }

    /// The number that decided.
    pub fn seen(&self) -> f64 {
        self.seen
    }

    /// Whether a build fails over it.
    pub fn breaks_budget(&self) -> bool {
        self.target.is_budget && !self.is_met()
    }

    /// The sentence for who has to find out what broke.
    pub fn sentence(&self) -> String {
        let Target { says, column, .. } = self.target;
        let (bound, seen, row) = (self.bound(), self.seen, &self.row);
        format!("{says}: {column} of {row} is {seen}, not {bound}")
    }

    pub fn text(&self) -> String {
        let met = if self.is_met() { "met" } else { "NOT MET" };
        let [says, bound, seen] = [self.says(), self.bound(), show(self.seen, 2)];
        format!("  {met:<8}{says:<70} {bound:>8}  {seen:>8}")
    }

    pub fn markdown(&self) -> String {
        let met = if self.is_met() { "yes" } else { "**no**" };
        let [says, bound, seen] = [self.says(), self.bound(), show(self.seen, 2)];
        format!("| {says} | {bound} | {seen} | {met} |")
    }

    pub fn json(&self) -> Value {
        json!({
            "target": self.target.says,
            "budget": self.target.is_budget,
            "bound": self.bound(),
            "seen": self.seen,
            "row": self.row,
            "met": self.is_met(),
        })
    }

    /// What was promised, and whether it is a budget.
    pub fn says(&self) -> String {
        let budget = if self.target.is_budget {
            " (budget)"
        } else {
            ""
        };
        format!("{}{budget}", self.target.says)
    }

    /// The bound, as it is written.
    pub fn bound(&self) -> String {
        match self.target.bound {
            AtMost(most) => format!("≤ {most}"),
            AtLeast(least) => format!("≥ {least}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{Column, column};

    const COLUMNS: &[Column] = &[column("allocs/op", 2)];
    const NOTHING: Target = budget("nothing", ["t", "ours/*", "allocs/op"], AtMost(0.0));

    fn table(cells: &[(&str, f64)]) -> Vec<Table> {
        let mut table = Table::new("t", "?", COLUMNS);
        for (name, cell) in cells {
            table.add((*name).to_owned(), vec![Some(*cell)]);
        }
        vec![table]
    }

    #[test]
    fn the_worst_row_decides_and_is_named() {
        static TARGET: Target = NOTHING;
        let verdict = TARGET.judge(&table(&[("ours/a", 0.0), ("ours/b", 0.5), ("x", 9.0)]));
        let verdict = verdict.expect("there is a row");
        assert!(verdict.breaks_budget());
        assert_eq!(
            verdict.sentence(),
            "nothing: allocs/op of ours/b is 0.5, not ≤ 0"
        );
        let verdict = TARGET.judge(&table(&[("ours/a", 0.0), ("x", 9.0)]));
        assert!(verdict.expect("there is a row").is_met());
    }

    #[test]
    fn a_target_may_be_about_several_rows() {
        static EITHER: [Target; 1] = [budget("few", ["t", "a|b/*", "allocs/op"], AtMost(1.0))];
        let seen = |cells: &[(&str, f64)]| judge(&EITHER, &table(cells))[0].seen();
        assert_eq!(seen(&[("a", 2.0), ("b/1", 3.0), ("c", 9.0)]), 3.0);
        assert_eq!(seen(&[("a", 4.0), ("b/1", 3.0)]), 4.0);
    }

    #[test]
    fn a_target_that_was_not_measured_is_left_out() {
        static ELSEWHERE: [Target; 1] = [budget("nothing", ["u", "*", "allocs/op"], AtMost(0.0))];
        static RENAMED: [Target; 1] =
            [budget("nothing", ["t", "theirs", "allocs/op"], AtMost(0.0))];
        let tables = table(&[("ours/a", 0.0)]);
        assert!(judge(&ELSEWHERE, &tables).is_empty());
        let (verdicts, unknown) = judge_some(&RENAMED, &tables);
        assert_eq!((verdicts.len(), unknown.len()), (0, 1));
    }
}
