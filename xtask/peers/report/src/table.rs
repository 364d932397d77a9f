//! Tables of what was measured, for a terminal, for a document and for a program.

use std::fmt::Write;

use serde_json::{Map, Value, json};

/// The answers to one group of questions.
pub struct Table {
    /// What a command line calls it.
    pub name: &'static str,
    /// The question.
    pub title: &'static str,
    pub columns: &'static [Column],
    pub rows: Vec<Row>,
}

/// What a number means.
pub struct Column {
    pub title: &'static str,
    /// Digits after the point.
    pub digits: usize,
}

pub const fn column(title: &'static str, digits: usize) -> Column {
    Column { title, digits }
}

/// One measured case.
pub struct Row {
    /// Words with `/` between them; the contender last, where there are several.
    pub name: String,
    /// One for each column; `None` where the question does not arise.
    pub cells: Vec<Option<f64>>,
}

impl Table {
    pub fn new(name: &'static str, title: &'static str, columns: &'static [Column]) -> Self {
        Self {
            name,
            title,
            columns,
            rows: Vec::new(),
        }
    }

    pub fn add(&mut self, name: String, cells: Vec<Option<f64>>) {
        assert_eq!(cells.len(), self.columns.len(), "{name}: a cell a column");
        self.rows.push(Row { name, cells });
    }

    /// The number in `column` of the row `name`.
    pub fn cell(&self, name: &str, column: &str) -> Option<f64> {
        let at = self.columns.iter().position(|c| c.title == column)?;
        let row = self.rows.iter().find(|row| row.name == name)?;
        row.cells[at]
    }

    pub fn text(&self) -> String {
        let widths = self.widths();
        let mut text = format!("{}: {}\n", self.name, self.title);
        let mut line = |cells: &[String]| {
            let mut shown = format!("  {:<w$}", cells[0], w = widths[0]);
            for (cell, width) in cells[1..].iter().zip(&widths[1..]) {
                let _ = write!(shown, "  {cell:>width$}");
            }
            text.push_str(shown.trim_end());
            text.push('\n');
        };
        line(&self.head());
        for row in &self.rows {
            line(&self.line(row));
        }
        text
    }

    pub fn markdown(&self) -> String {
        let mut text = format!("| {} |\n|---|", self.head().join(" | "));
        text.push_str(&"---:|".repeat(self.columns.len()));
        text.push('\n');
        for row in &self.rows {
            let mut line = self.line(row);
            line[0] = format!("`{}`", line[0]);
            let _ = writeln!(text, "| {} |", line.join(" | "));
        }
        text
    }

    pub fn json(&self) -> Value {
        let row = |row: &Row| {
            let mut fields = Map::new();
            fields.insert("name".to_owned(), json!(row.name));
            for (column, cell) in self.columns.iter().zip(&row.cells) {
                // What has no bound is no number in JSON: it becomes null.
                fields.insert(column.title.to_owned(), json!(cell));
            }
            Value::Object(fields)
        };
        json!({ "name": self.name, "title": self.title, "rows": self.rows.iter().map(row).collect::<Vec<_>>() })
    }

    fn head(&self) -> Vec<String> {
        let titles = self.columns.iter().map(|column| column.title.to_owned());
        std::iter::once("row".to_owned()).chain(titles).collect()
    }

    fn line(&self, row: &Row) -> Vec<String> {
        let cells = self.columns.iter().zip(&row.cells);
        let shown = cells.map(|(column, cell)| match cell {
            Some(number) => show(*number, column.digits),
            None => "-".to_owned(),
        });
        std::iter::once(row.name.clone()).chain(shown).collect()
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = self
            .head()
            .iter()
            .map(|cell| cell.chars().count())
            .collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(self.line(row)) {
                *width = (*width).max(cell.chars().count());
            }
        }
        widths
    }
}

/// With thousands apart, so that millions are not mistaken for thousands.
pub fn show(number: f64, digits: usize) -> String {
    let plain = format!("{number:.digits$}");
    let whole = plain.split('.').next().unwrap_or_default();
    let ungrouped = whole.trim_start_matches('-').len();
    if ungrouped <= 3 || !number.is_finite() {
        return plain;
    }
    let mut shown = String::new();
    for (at, digit) in whole.chars().enumerate() {
        let left = whole.len() - at;
        if at > 0 && left % 3 == 0 && digit.is_ascii_digit() && !shown.ends_with('-') {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown.push_str(&plain[whole.len()..]);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_apart() {
        assert_eq!(show(1234567.25, 1), "1,234,567.2");
        assert_eq!(show(999.0, 0), "999");
        assert_eq!(show(-1234.0, 0), "-1,234");
    }

    #[test]
    fn a_table_is_a_text_a_document_and_json() {
        const COLUMNS: &[Column] = &[column("ns/op", 1), column("allocs/op", 2)];
        let mut table = Table::new("acquire", "How long?", COLUMNS);
        table.add("by_handle/1_host".to_owned(), vec![Some(12.34), None]);
        assert_eq!(
            table.text(),
            "acquire: How long?\n  row               ns/op  allocs/op\n  by_handle/1_host   12.3          -\n"
        );
        assert_eq!(
            table.markdown(),
            "| row | ns/op | allocs/op |\n|---|---:|---:|\n| `by_handle/1_host` | 12.3 | - |\n"
        );
        assert_eq!(table.json()["rows"][0]["ns/op"], 12.34);
        assert_eq!(table.cell("by_handle/1_host", "ns/op"), Some(12.34));
        assert_eq!(table.cell("by_handle/1_host", "allocs/op"), None);
    }
}
