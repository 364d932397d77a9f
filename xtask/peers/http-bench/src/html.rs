//! One page with everything in it, that needs nothing else.

use std::fmt::Write;

use bench_report::{Table, show};

use crate::plot::plots;
use crate::summary::{Outcome, command, lines_of_machine};

/// Which columns are worth a picture.
const PLOTTED: [(&str, &[&str]); 7] = [
    ("instructions", &["insn", "allocs"]),
    ("throughput", &["rps", "p99 µs", "cpu µs"]),
    ("idle", &["KiB/conn"]),
    ("cold", &["cpu µs"]),
    ("dials", &["dials"]),
    ("fleet", &["p50 ms", "p99 ms"]),
    ("bind", &["p99 µs"]),
];

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1c2024;--soft:#60646c;--page:#fcfcfd;--line:#d9dce0;--ours:#0d74ce;--peer:#a0a7b1;--bad:#b3261e;--good:#1a7f37}\
@media(prefers-color-scheme:dark){:root{--ink:#edeef0;--soft:#b0b4ba;--page:#111113;--line:#363a3f;--ours:#3b9eff;--peer:#60666e;--bad:#ff6b61;--good:#4cc38a}}\
body{margin:0 auto;max-width:70rem;padding:1rem;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,sans-serif}\
h1{font-size:1.5rem}h2{font-size:1.15rem;margin:2rem 0 .3rem}p,figcaption{color:var(--soft)}\
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.85rem;font-variant-numeric:tabular-nums}\
th,td{padding:.2rem .6rem;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}\
th:first-child,td:first-child{text-align:left}.ours td:first-child{color:var(--ours);font-weight:600}\
td.says{white-space:normal}.no{color:var(--bad);font-weight:600}.yes{color:var(--good)}\
.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(20rem,100%),1fr));gap:.5rem 1.5rem}\
figure{margin:0}figcaption{font-size:.8rem}svg{width:100%;height:auto;display:block}\
svg text{font:11px system-ui,sans-serif;fill:var(--ink)}svg .label{text-anchor:end;fill:var(--soft)}\
rect.ours{fill:var(--ours)}rect.peer{fill:var(--peer)}";

/// The page.
pub(crate) fn page(outcome: &Outcome, head: &[String], command_line: &str) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>HTTP benchmark</title><style>{STYLE}</style></head><body>\n<h1>HTTP benchmark</h1>\n"
    );
    for line in head {
        let _ = writeln!(page, "<p>{}</p>", escape(line));
    }
    let _ = writeln!(page, "<p><code>{}</code></p>", escape(command_line));
    page.push_str(&targets(outcome));
    for table in &outcome.tables {
        let (name, title) = (escape(table.name), escape(table.title));
        let _ = writeln!(page, "<h2>{name}</h2>\n<p>{title}</p>");
        page.push_str("<div class=\"plots\">\n");
        let plotted = PLOTTED.iter().find(|(name, _)| *name == table.name);
        for column in table.columns {
            if plotted.is_some_and(|(_, columns)| columns.contains(&column.title)) {
                page.push_str(&plots(table, column));
            }
        }
        page.push_str("</div>\n");
        page.push_str(&rows(table));
    }
    page.push_str("</body></html>\n");
    page
}

fn targets(outcome: &Outcome) -> String {
    let mut text = "<h2>Targets</h2>\n<div class=\"wide\"><table>\
                    <tr><th>target</th><th>bound</th><th>seen</th><th>met</th></tr>\n"
        .to_owned();
    for verdict in &outcome.verdicts {
        let met = if verdict.is_met() {
            "<td class=\"yes\">yes</td>"
        } else {
            "<td class=\"no\">no</td>"
        };
        let _ = writeln!(
            text,
            "<tr><td class=\"says\">{}</td><td>{}</td><td>{}</td>{met}</tr>",
            escape(&verdict.says()),
            escape(&verdict.bound()),
            escape(&show(verdict.seen(), 2)),
        );
    }
    for target in &outcome.unknown {
        let says = escape(target.says());
        let _ = writeln!(
            text,
            "<tr><td class=\"says\">{says}</td><td></td><td>not measured</td><td></td></tr>"
        );
    }
    text.push_str("</table></div>\n");
    text
}

fn rows(table: &Table) -> String {
    let mut text = "<div class=\"wide\"><table><tr><th></th>".to_owned();
    for column in table.columns {
        let _ = write!(text, "<th>{}</th>", escape(column.title));
    }
    text.push_str("</tr>\n");
    for row in &table.rows {
        let who = row.name.rsplit('/').next().unwrap_or_default();
        let class = if who.starts_with("ours") {
            " class=\"ours\""
        } else {
            ""
        };
        let _ = write!(text, "<tr{class}><td>{}</td>", escape(&row.name));
        for (column, cell) in table.columns.iter().zip(&row.cells) {
            let cell = cell.map_or("–".to_owned(), |number| show(number, column.digits));
            let _ = write!(text, "<td>{}</td>", escape(&cell));
        }
        text.push_str("</tr>\n");
    }
    text.push_str("</table></div>\n");
    text
}

/// The text as it is shown, whatever is in it.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// The page of a run.
pub(crate) fn of(outcome: &Outcome, bench: &crate::bench::Bench) -> String {
    let mut head = lines_of_machine(bench);
    head.extend(bench.skips.iter().cloned());
    page(outcome, &head, &command(bench))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bench_report::{Column, column};

    #[test]
    fn nothing_in_a_text_is_markup() {
        assert_eq!(escape("a<b>&\"c'"), "a&lt;b&gt;&amp;&quot;c&#39;");
    }

    #[test]
    fn the_page_needs_nothing_from_elsewhere() {
        const COLUMNS: &[Column] = &[column("rps", 0)];
        let mut table = Table::new("throughput", "<How> many?", COLUMNS);
        for who in ["raw", "ours"] {
            table.add(format!("h1/c1/{who}"), vec![Some(1234.0)]);
        }
        let mut outcome = Outcome::default();
        outcome.tables.push(table);
        let page = page(&outcome, &["SKIP a<b".to_owned()], "cargo xtask bench");
        assert!(page.contains("<svg") && page.contains("1,234"), "{page}");
        assert!(
            page.contains("&lt;How&gt; many?") && page.contains("SKIP a&lt;b"),
            "{page}"
        );
        for elsewhere in ["http://", "https://", "<script", "@import", "url(", "src="] {
            assert!(!page.contains(elsewhere), "{elsewhere}");
        }
    }
}
