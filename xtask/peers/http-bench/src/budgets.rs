//! What a request of the pool may cost before a build fails: numbers that are the same in every run, never a time.

use bench_report::{Table, show};

/// What was recorded of one row of the table of instructions.
pub(crate) struct Budget {
    row: &'static str,
    /// Of the raw client's instructions in the same run: the number itself depends on the compiler and the processor.
    insn: f64,
    /// As recorded, rounded up to a tenth unless a comment says otherwise: what a connection's first requests grow is in it.
    allocs: f64,
}

/// More instructions than were recorded break the budget from here on.
const MARGIN: f64 = 1.05;

/// To be lowered with every improvement, and raised only with a reason.
pub(crate) const BUDGETS: &[Budget] = &[
    budget("h1/small/c1/ours", 1.148, 8.1),
    budget("h1/small/c16/ours", 1.119, 8.2),
    budget("h1/rich/c1/ours", 1.157, 10.1),
    budget("h1/small/c1/ours_hyper", 1.707, 17.1),
    budget("h1/small/c16/ours_hyper", 1.693, 17.2),
    budget("h1/rich/c1/ours_hyper", 1.471, 21.1),
    budget("h2/small/c1/ours", 1.413, 11.1),
    // The crate's own depend on how many streams meet in a read: 6.6 to 7.0 of raw's in five runs.
    budget("h2/small/c16/ours", 1.435, 11.1),
    budget("h2/rich/c1/ours", 1.264, 21.1),
];

const fn budget(row: &'static str, insn: f64, allocs: f64) -> Budget {
    Budget { row, insn, allocs }
}

/// What is broken, in words; and how many budgets were looked at.
pub(crate) fn judge(budgets: &[Budget], tables: &[Table]) -> (Vec<String>, usize) {
    let Some(table) = tables.iter().find(|table| table.name == "instructions") else {
        return (Vec::new(), 0);
    };
    let (mut broken, mut judged) = (Vec::new(), 0);
    for budget in budgets {
        let row = budget.row;
        // Without valgrind there are no instructions, but allocations there always are.
        let Some(allocs) = table.cell(row, "allocs") else {
            broken.push(format!("{row}: not measured"));
            continue;
        };
        judged += 1;
        if allocs > budget.allocs {
            let (seen, most) = (show(allocs, 2), show(budget.allocs, 1));
            broken.push(format!("{row}: {seen} allocations, not ≤ {most}"));
        }
        if let Some(insn) = table.cell(row, "insn × raw") {
            judged += 1;
            let most = budget.insn * MARGIN;
            if insn > most {
                let (seen, most) = (show(insn, 3), show(most, 3));
                broken.push(format!("{row}: {seen} of raw's instructions, not ≤ {most}"));
            }
        }
    }
    (broken, judged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bench_report::{Column, column};

    const COLUMNS: &[Column] = &[column("insn × raw", 3), column("allocs", 1)];
    const BUDGET: [Budget; 1] = [budget("h1/ours", 1.0, 9.1)];

    fn judged(insn: Option<f64>, allocs: f64) -> (Vec<String>, usize) {
        let mut table = Table::new("instructions", "?", COLUMNS);
        table.add("h1/ours".to_owned(), vec![insn, Some(allocs)]);
        judge(&BUDGET, &[table])
    }

    #[test]
    fn instructions_have_a_margin_and_allocations_none() {
        assert_eq!(judged(Some(1.04), 9.1), (Vec::new(), 2));
        let (broken, _) = judged(Some(1.06), 9.2);
        assert_eq!(broken.len(), 2, "{broken:?}");
        assert!(broken[0].contains("9.20 allocations"), "{broken:?}");
    }

    #[test]
    fn without_instructions_allocations_are_judged() {
        assert_eq!(judged(None, 9.0), (Vec::new(), 1));
        assert_eq!(judged(None, 10.0).0.len(), 1);
    }

    #[test]
    fn a_row_that_is_gone_breaks_its_budget() {
        let table = Table::new("instructions", "?", COLUMNS);
        assert_eq!(judge(&BUDGET, &[table]).0.len(), 1);
        assert_eq!(judge(&BUDGET, &[]), (Vec::new(), 0));
    }
}
