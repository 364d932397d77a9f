//! Bars, as SVG that takes its colours from the page.

use std::fmt::Write;

use bench_report::{Column, Table, show};

use crate::html::escape;

/// One bar.
struct Bar<'a> {
    label: &'a str,
    value: f64,
}

const WIDTH: f64 = 360.0;
const LABEL: f64 = 104.0;
const NUMBER: f64 = 66.0;
const LINE: f64 = 20.0;

/// The column's bars, a picture for each case: what its rows have in common before the last `/`.
pub(crate) fn plots(table: &Table, column: &Column) -> String {
    let mut text = String::new();
    let mut cases: Vec<&str> = Vec::new();
    for row in &table.rows {
        let (case, _) = split(&row.name);
        if !cases.contains(&case) {
            cases.push(case);
        }
    }
    for case in cases {
        let bars: Vec<Bar<'_>> = table
            .rows
            .iter()
            .map(|row| (split(&row.name), row))
            .filter(|((of, _), _)| *of == case)
            .filter_map(|((_, label), row)| {
                let value = table.cell(&row.name, column.title)?;
                value.is_finite().then_some(Bar { label, value })
            })
            .collect();
        if bars.len() > 1 {
            text.push_str(&plot(case, column, &bars));
        }
    }
    text
}

fn split(name: &str) -> (&str, &str) {
    name.rsplit_once('/').unwrap_or(("", name))
}

fn plot(case: &str, column: &Column, bars: &[Bar<'_>]) -> String {
    let most = bars.iter().map(|bar| bar.value).fold(0.0, f64::max);
    let height = LINE * bars.len() as f64;
    let title = format!("{case}: {}", column.title);
    let mut svg = format!(
        "<figure><figcaption>{}</figcaption><svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\">",
        escape(&title),
        escape(&title)
    );
    for (at, bar) in bars.iter().enumerate() {
        let y = LINE * at as f64;
        let room = WIDTH - LABEL - NUMBER;
        let length = if most > 0.0 {
            room * bar.value / most
        } else {
            0.0
        };
        let class = if bar.label.starts_with("ours") {
            "ours"
        } else {
            "peer"
        };
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" class=\"label\">{}</text>\
             <rect x=\"{LABEL}\" y=\"{:.1}\" width=\"{:.1}\" height=\"12\" rx=\"2\" class=\"{class}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            LABEL - 6.0,
            y + 14.0,
            escape(bar.label),
            y + 4.0,
            length.max(1.0),
            LABEL + length + 5.0,
            y + 14.0,
            escape(&show(bar.value, column.digits)),
        );
    }
    svg.push_str("</svg></figure>\n");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;
    use bench_report::column;

    const COLUMNS: &[Column] = &[column("rps", 0)];

    #[test]
    fn a_case_is_a_picture_and_the_longest_bar_fills_it() {
        let mut table = Table::new("t", "?", COLUMNS);
        for (name, rps) in [
            ("h1/c1/ours", 100.0),
            ("h1/c1/raw", 50.0),
            ("h2/c1/raw", 1.0),
        ] {
            table.add(name.to_owned(), vec![Some(rps)]);
        }
        let svg = plots(&table, &COLUMNS[0]);
        // One bar alone compares nothing.
        assert_eq!(svg.matches("<svg").count(), 1);
        assert!(
            svg.contains("width=\"190.0\" height=\"12\" rx=\"2\" class=\"ours\""),
            "{svg}"
        );
        assert!(
            svg.contains("width=\"95.0\" height=\"12\" rx=\"2\" class=\"peer\""),
            "{svg}"
        );
    }
}
