//! Where the instructions of a row go, by function.

use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;

use bench_report::show;

use crate::BoxError;
use crate::bench::Bench;
use crate::groups::instructions::record;

/// Functions below this many instructions per request are left out.
const LEAST: f64 = 20.0;

/// Measures `row` of the table of instructions and shows what it is made of.
pub(crate) fn text(bench: &mut Bench, row: &str) -> Result<String, BoxError> {
    let ([short, long], requests) = record(bench, row)?;
    let (short, long) = (read(&short)?, read(&long)?);
    let per = |long: u64, short: Option<&u64>| {
        (long as f64 - short.copied().unwrap_or(0) as f64) / requests as f64
    };
    let mut own: Vec<_> = long
        .own
        .iter()
        .map(|(name, cost)| (per(*cost, short.own.get(name)), name))
        .collect();
    own.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let total: f64 = own.iter().map(|(cost, _)| cost).sum();
    let mut text = format!("{row}: {} instructions per request\n\n", show(total, 0));
    text.push_str("by function, without what it calls:\n");
    for (cost, name) in own.iter().take_while(|(cost, _)| *cost >= LEAST) {
        let _ = writeln!(text, "{:>8}  {name}", show(*cost, 0));
    }
    text.push_str("\ncalls per request of what copies and allocates, by caller:\n");
    let mut calls: Vec<_> = long
        .calls
        .iter()
        .map(|(pair, count)| (per(*count, short.calls.get(pair)), pair))
        .filter(|(count, (_, callee))| *count >= 0.5 && is_of_interest(callee))
        .collect();
    calls.sort_by(|(a, x), (b, y)| {
        (&x.1, b)
            .partial_cmp(&(&y.1, a))
            .expect("no number is none")
    });
    for (count, (caller, callee)) in calls {
        let _ = writeln!(text, "{:>8}  {callee}  from {caller}", show(count, 2));
    }
    Ok(text)
}

fn is_of_interest(callee: &str) -> bool {
    [
        "__memcpy",
        "__memmove",
        "__rust_alloc",
        "__rust_realloc",
        "clock_gettime",
        "Instant::now",
        "Timespec::now",
        "clock::now",
    ]
    .iter()
    .any(|name| callee.contains(name))
}

/// What a file says.
#[derive(Debug, Default, PartialEq)]
struct Costs {
    /// By function.
    own: HashMap<String, u64>,
    /// How often, by caller and called.
    calls: HashMap<(String, String), u64>,
}

fn read(file: &Path) -> Result<Costs, BoxError> {
    let text = String::from_utf8_lossy(&std::fs::read(file)?).into_owned();
    std::fs::remove_file(file)?;
    Ok(parse(&text))
}

/// Reads callgrind's format: a name is written out the first time and a number after that.
fn parse(text: &str) -> Costs {
    let mut costs = Costs::default();
    let mut names: HashMap<&str, &str> = HashMap::new();
    let (mut function, mut called, mut is_call) = (String::new(), String::new(), false);
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("fn=") {
            function = full_name(name, &mut names);
        } else if let Some(name) = line.strip_prefix("cfn=") {
            called = full_name(name, &mut names);
        } else if let Some(calls) = line.strip_prefix("calls=") {
            let count = calls.split(' ').next().and_then(|count| count.parse().ok());
            let pair = (function.clone(), called.clone());
            *costs.calls.entry(pair).or_default() += count.unwrap_or(0_u64);
            is_call = true;
        } else if let Some(cost) = cost_of(line) {
            if !is_call {
                *costs.own.entry(function.clone()).or_default() += cost;
            }
            is_call = false;
        }
    }
    costs
}

fn full_name<'a>(name: &'a str, names: &mut HashMap<&'a str, &'a str>) -> String {
    let (id, name) = name.split_once(' ').unwrap_or((name, ""));
    if !name.is_empty() {
        names.insert(id, name);
    }
    let name = names.get(id).copied().unwrap_or(id);
    // Recursion has a name of its own.
    name.trim_end_matches("'2").to_owned()
}

/// The cost in a line that begins with a position: a number, a difference or `*`.
fn cost_of(line: &str) -> Option<u64> {
    let (position, cost) = line.split_once(' ')?;
    let is_position = position == "*"
        || position
            .trim_start_matches(['+', '-'])
            .parse::<u64>()
            .is_ok();
    if !is_position {
        return None;
    }
    cost.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_and_calls_are_told_apart() {
        let text = "events: Ir\nfn=(1) main\n3 10\ncfn=(2) work\ncalls=4 0\n+1 400\n* 5\n\
                    fn=(2)\n7 390\ncfn=(2)\ncalls=1 7\n7 10\n-2 10\ntotals: 415\n";
        let costs = parse(text);
        assert_eq!(costs.own["main"], 15);
        assert_eq!(costs.own["work"], 400);
        assert_eq!(costs.calls[&("main".to_owned(), "work".to_owned())], 4);
    }
}
