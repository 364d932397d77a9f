//! What the numbers ought to be: some can be counted and are budgets, the others are times and only said.

use serde_json::{Value, json};

use crate::report::{Table, show};

/// A promise about cells of one column.
pub(crate) struct Target {
    says: &'static str,
    table: &'static str,
    /// The row, or with a `*` at its end every row that begins so.
    rows: &'static str,
    column: &'static str,
    bound: Bound,
    /// Whether the number is the same in every run, so that a build may fail over it. Never a time.
    is_budget: bool,
}

#[derive(Clone, Copy)]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

use Bound::{AtLeast, AtMost};

const TARGETS: &[Target] = &[
    budget(
        "acquire and release allocate nothing",
        ["acquire", "by_*", "allocs/op"],
        AtMost(0.0),
    ),
    time(
        "by handle without reading the clock, against a mutex around a vector",
        [
            "acquire",
            "by_handle_no_clock/1_host/1_idle/1_thread",
            "× mutex_vec",
        ],
        AtMost(3.0),
    ),
    time(
        "by handle, against a mutex around a vector",
        ["acquire", "by_handle/1_host/1_idle/1_thread", "× mutex_vec"],
        AtMost(6.0),
    ),
    time(
        "by key at 10,000 hosts, against deadpool in a map",
        [
            "acquire",
            "by_key/10000_hosts/2_idle/1_thread",
            "× deadpool_in_map",
        ],
        AtMost(0.25),
    ),
    time(
        "10,000 idle connections, against 1",
        ["selection", "1_addr/10000_conns", "× 1_conn"],
        AtMost(1.2),
    ),
    budget(
        "choosing among any number allocates nothing",
        ["selection", "*", "allocs/op"],
        AtMost(0.0),
    ),
    time(
        "waiting: throughput, against a semaphore and a vector",
        ["waiting", "ours/1000_tasks/10_conns", "× semaphore_vec"],
        AtLeast(0.95),
    ),
    time(
        "waiting: the slowest task's waits, against the fastest's",
        ["waiting", "ours/1000_tasks/10_conns", "slowest/fastest"],
        AtMost(1.2),
    ),
    time(
        "waiting: the longest wait, against the median",
        ["waiting", "ours/1000_tasks/10_conns", "max/median"],
        AtMost(6.0),
    ),
    budget(
        "nobody is served out of turn",
        ["order", "ours/1000_tasks/10_conns", "out of turn/1000"],
        AtMost(0.0),
    ),
    budget(
        "the most served task, against the least served",
        ["order", "ours/1000_tasks/10_conns", "most/fewest"],
        AtMost(1.2),
    ),
    budget(
        "polls per acquire",
        ["order", "ours/1000_tasks/10_conns", "polls/acquire"],
        AtMost(2.0),
    ),
    budget(
        "wakes per acquire",
        ["order", "ours/1000_tasks/10_conns", "wakes/acquire"],
        AtMost(1.0),
    ),
    budget(
        // Not 0: the runtime's own lists grow a few times.
        "to wait and to be served allocates nothing",
        ["order", "ours/1000_tasks/10_conns", "allocs/acquire"],
        AtMost(0.001),
    ),
    time(
        "64 tasks on one host, against 64 hosts",
        ["one_host", "64_tasks/1_host", "time × 64_hosts"],
        AtMost(1.5),
    ),
];

const fn budget(says: &'static str, at: [&'static str; 3], bound: Bound) -> Target {
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

const fn time(says: &'static str, at: [&'static str; 3], bound: Bound) -> Target {
    let target = budget(says, at, bound);
    Target {
        is_budget: false,
        ..target
    }
}

/// How one target fared.
pub(crate) struct Verdict {
    target: &'static Target,
    /// The number of all rows that is farthest from the good side.
    seen: f64,
    row: String,
}

/// A verdict on each target whose table was measured.
pub(crate) fn judge(tables: &[Table]) -> Vec<Verdict> {
    let measured = |target: &&Target| tables.iter().any(|table| table.name == target.table);
    TARGETS
        .iter()
        .filter(measured)
        .map(|target| target.judge(tables))
        .collect()
}

impl Target {
    fn judge(&'static self, tables: &[Table]) -> Verdict {
        let table = tables.iter().find(|table| table.name == self.table);
        let rows = table.into_iter().flat_map(|table| &table.rows);
        let cells = rows
            .filter(|row| self.is_about(&row.name))
            .filter_map(|row| Some((table?.cell(&row.name, self.column)?, &row.name)));
        let worst = cells.max_by(|(a, _), (b, _)| match self.bound {
            AtMost(_) => a.total_cmp(b),
            AtLeast(_) => b.total_cmp(a),
        });
        // A row that was renamed must not look like a promise kept.
        let (seen, row) = worst.expect("a target is about a row that there is");
        Verdict {
            target: self,
            seen,
            row: row.clone(),
        }
    }

    fn is_about(&self, row: &str) -> bool {
        match self.rows.strip_suffix('*') {
            Some(beginning) => row.starts_with(beginning),
            None => row == self.rows,
        }
    }
}

impl Verdict {
    pub(crate) fn is_met(&self) -> bool {
        match self.target.bound {
            AtMost(most) => self.seen <= most,
            AtLeast(least) => self.seen >= least,
        }
    }

    /// Whether a build fails over it.
    pub(crate) fn breaks_budget(&self) -> bool {
        self.target.is_budget && !self.is_met()
    }

    /// The sentence for who has to find out what broke.
    pub(crate) fn sentence(&self) -> String {
        let Target { says, column, .. } = self.target;
        let (bound, seen, row) = (self.bound(), self.seen, &self.row);
        format!("{says}: {column} of {row} is {seen}, not {bound}")
    }

    pub(crate) fn text(&self) -> String {
        let met = if self.is_met() { "met" } else { "NOT MET" };
        let [says, bound, seen] = [self.says(), self.bound(), show(self.seen, 2)];
        format!("  {met:<8}{says:<70} {bound:>8}  {seen:>8}")
    }

    pub(crate) fn markdown(&self) -> String {
        let met = if self.is_met() { "yes" } else { "**no**" };
        let [says, bound, seen] = [self.says(), self.bound(), show(self.seen, 2)];
        format!("| {says} | {bound} | {seen} | {met} |")
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "target": self.target.says,
            "budget": self.target.is_budget,
            "bound": self.bound(),
            "seen": self.seen,
            "row": self.row,
            "met": self.is_met(),
        })
    }

    fn says(&self) -> String {
        let budget = if self.target.is_budget {
            " (budget)"
        } else {
            ""
        };
        format!("{}{budget}", self.target.says)
    }

    fn bound(&self) -> String {
        match self.target.bound {
            AtMost(most) => format!("≤ {most}"),
            AtLeast(least) => format!("≥ {least}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Column, column};

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
        assert!(verdict.breaks_budget());
        assert_eq!(
            verdict.sentence(),
            "nothing: allocs/op of ours/b is 0.5, not ≤ 0"
        );
        let verdict = TARGET.judge(&table(&[("ours/a", 0.0), ("x", 9.0)]));
        assert!(verdict.is_met());
    }

    #[test]
    fn no_budget_is_a_time() {
        for target in TARGETS.iter().filter(|target| target.is_budget) {
            let column = target.column;
            assert!(
                !column.contains("ns") && !column.contains("/s") && !column.contains('×'),
                "{column}"
            );
        }
    }

    #[test]
    fn a_target_that_was_not_measured_is_left_out() {
        assert!(judge(&table(&[("ours/a", 0.0)])).is_empty());
    }
}
