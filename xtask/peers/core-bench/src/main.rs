//! Measures the connection manager beside other pools, without a network; run by `cargo xtask bench core`.

#![forbid(unsafe_code)]

mod args;
mod clock;
mod crowd;
mod harness;
mod ours;
mod peers;
mod polls;
mod profile;
mod rows;
mod targets;
mod turns;
mod waiters;
mod walk;

use std::path::Path;
use std::process::ExitCode;

use bench_report::{Machine, Table, Verdict, judge};
use serde_json::json;

use args::Args;
use harness::Effort;

fn main() -> ExitCode {
    let Some(args) = Args::parse(std::env::args().skip(1)) else {
        eprintln!("core-bench: see `cargo xtask bench --help`");
        return ExitCode::from(2);
    };
    if let Some(group) = args.groups.iter().find(|group| !rows::is_group(group)) {
        eprintln!("core-bench: no group named `{group}`");
        return ExitCode::from(2);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .expect("a runtime for those who look for one");
    let _entered = runtime.enter();
    if let Some((operation, times)) = &args.profile {
        if profile::run(operation, *times) {
            return ExitCode::SUCCESS;
        }
        eprintln!("core-bench: no operation named `{operation}`");
        return ExitCode::from(2);
    }
    run(&args)
}

fn run(args: &Args) -> ExitCode {
    let effort = if args.quick {
        Effort::QUICK
    } else {
        Effort::FULL
    };
    let (machine, quiet) = (
        Machine::here(),
        args.json.as_deref() == Some(Path::new("-")),
    );
    if !quiet && args.markdown {
        let groups: String = args
            .groups
            .iter()
            .map(|group| format!(" {group}"))
            .collect();
        let flag = if args.quick { " --quick" } else { "" };
        println!("Machine: {machine}.");
        println!("Command: `cargo xtask bench core{groups}{flag} --markdown`.\n");
    } else if !quiet {
        println!("{machine}\n");
    }
    let mut tables = Vec::new();
    for (group, measure) in rows::GROUPS {
        if !args.selects(group) {
            continue;
        }
        for table in measure(effort) {
            if !quiet {
                println!("{}", shown(&table, args.markdown));
            }
            tables.push(table);
        }
    }
    let verdicts = judge(targets::TARGETS, &tables);
    if !quiet {
        println!("{}", summary(&verdicts, args.markdown));
    }
    if let Some(path) = &args.json {
        let document = json!({
            "machine": machine.json(),
            "quick": args.quick,
            "tables": tables.iter().map(Table::json).collect::<Vec<_>>(),
            "targets": verdicts.iter().map(Verdict::json).collect::<Vec<_>>(),
        });
        let text = format!("{document:#}\n");
        if quiet {
            print!("{text}");
        } else if let Err(error) = std::fs::write(path, text) {
            eprintln!("core-bench: {}: {error}", path.display());
            return ExitCode::from(3);
        }
    }
    let broken: Vec<_> = verdicts.iter().filter(|v| v.breaks_budget()).collect();
    for verdict in &broken {
        eprintln!("budget broken: {}", verdict.sentence());
    }
    if args.check && !broken.is_empty() {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn shown(table: &Table, markdown: bool) -> String {
    if markdown {
        format!(
            "### {}\n\n{}\n\n{}",
            table.name,
            table.title,
            table.markdown()
        )
    } else {
        table.text()
    }
}

fn summary(verdicts: &[Verdict], markdown: bool) -> String {
    let mut lines = Vec::new();
    if markdown {
        lines.push("### targets\n".to_owned());
        lines.push("| target | bound | seen | met |\n|---|---:|---:|---|".to_owned());
        lines.extend(verdicts.iter().map(Verdict::markdown));
    } else {
        lines.push("targets".to_owned());
        lines.extend(verdicts.iter().map(Verdict::text));
    }
    lines.join("\n")
}
