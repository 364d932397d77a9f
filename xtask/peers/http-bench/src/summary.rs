//! What is said at the end: targets, budgets, files.

use bench_report::{Table, Target, Verdict, judge_some};
use serde_json::{Value, json};

use crate::BoxError;
use crate::bench::Bench;
use crate::budgets::{self, BUDGETS};
use crate::html;
use crate::targets::TARGETS;

/// Everything that was found out.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) tables: Vec<Table>,
    pub(crate) verdicts: Vec<Verdict>,
    /// Targets whose rows were not measured.
    pub(crate) unknown: Vec<&'static Target>,
    broken: Vec<String>,
    judged: usize,
}

impl Outcome {
    pub(crate) fn of(bench: &Bench, tables: Vec<Table>) -> Self {
        let (verdicts, unknown) = judge_some(TARGETS, &tables);
        // Nobody is held to what a run was not asked for.
        let (broken, judged) = match bench.args.check {
            true => budgets::judge(BUDGETS, &tables),
            false => (Vec::new(), 0),
        };
        Self {
            tables,
            verdicts,
            unknown,
            broken,
            judged,
        }
    }

    pub(crate) fn keeps_budgets(&self) -> bool {
        self.broken.is_empty()
    }

    /// Prints and writes it.
    pub(crate) fn show(&self, bench: &Bench) -> Result<(), BoxError> {
        let args = &bench.args;
        if !args.json_alone() {
            println!("{}", self.targets(args.markdown));
        }
        let document = format!("{:#}\n", self.json(bench));
        if args.json_alone() {
            print!("{document}");
        } else if let Some(file) = &args.json {
            std::fs::write(file, &document)?;
        }
        for sentence in &self.broken {
            eprintln!("budget broken: {sentence}");
        }
        if args.check {
            let (judged, broken) = (self.judged, self.broken.len());
            println!("\n{judged} budgets of HTTP judged, {broken} broken");
            return Ok(());
        }
        let page = html::of(self, bench);
        for (name, text) in [("http.json", &document), ("report.html", &page)] {
            let file = args.out.join(name);
            std::fs::write(&file, text)?;
            if !args.json_alone() && !args.markdown {
                println!("wrote {}", file.display());
            }
        }
        Ok(())
    }

    fn targets(&self, markdown: bool) -> String {
        let mut lines = Vec::new();
        if markdown {
            lines.push("### targets of HTTP\n".to_owned());
            lines.push("| target | bound | seen | met |\n|---|---:|---:|---|".to_owned());
            lines.extend(self.verdicts.iter().map(Verdict::markdown));
            let unknown = self.unknown.iter().map(|target| target.says());
            lines.extend(unknown.map(|says| format!("| {says} | | | not measured |")));
        } else {
            lines.push("targets".to_owned());
            lines.extend(self.verdicts.iter().map(Verdict::text));
            let unknown = self.unknown.iter().map(|target| target.says());
            lines.extend(unknown.map(|says| format!("  -       {says}: not measured")));
        }
        lines.join("\n")
    }

    fn json(&self, bench: &Bench) -> Value {
        json!({
            "machine": bench.machine.json(),
            "command": command(bench),
            "quick": bench.args.quick,
            "skipped": bench.skips,
            "tables": self.tables.iter().map(Table::json).collect::<Vec<_>>(),
            "targets": self.verdicts.iter().map(Verdict::json).collect::<Vec<_>>(),
            "not_measured": self.unknown.iter().map(|target| target.says()).collect::<Vec<_>>(),
        })
    }
}

/// What to say before the first number.
pub(crate) fn head(bench: &Bench) -> String {
    let machine = &bench.machine;
    if bench.args.markdown {
        let command = command(bench);
        return format!("Machine: {machine}.\nCommand: `{command} --markdown`.\n\n");
    }
    format!("{machine}\n\n")
}

/// The same for a page.
pub(crate) fn lines_of_machine(bench: &Bench) -> Vec<String> {
    vec![format!(
        "Machine: {}. Client and server share it.",
        bench.machine
    )]
}

/// What to type for the same again.
pub(crate) fn command(bench: &Bench) -> String {
    let mut line = "cargo xtask bench http".to_owned();
    for group in &bench.args.groups {
        line = format!("{line} {group}");
    }
    if bench.args.quick {
        line.push_str(" --quick");
    }
    line
}

/// A table as it is printed.
pub(crate) fn table(table: &Table, markdown: bool) -> String {
    if markdown {
        return format!(
            "### {}\n\n{}\n\n{}",
            table.name,
            table.title,
            table.markdown()
        );
    }
    table.text()
}
