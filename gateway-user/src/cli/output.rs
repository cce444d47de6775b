//! Printing: lines, tables and JSON. A reader that went away (`gateway list | head`) is no error.

use std::{fmt, io::Write};

use serde_json::Value;

/// Prints one line.
pub fn line(text: impl fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Prints a value for machines.
pub fn json(value: &Value) {
    line(value);
}

/// Prints rows in columns as wide as their widest cell; a column whose heading begins with `>` is right-aligned.
pub fn table(headings: &[&str], rows: &[Vec<String>]) {
    let right: Vec<bool> = headings.iter().map(|heading| heading.starts_with('>')).collect();
    let headings: Vec<String> =
        headings.iter().map(|heading| heading.trim_start_matches('>').to_owned()).collect();
    let width = |column: usize| {
        let cells = rows.iter().chain([&headings]).filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    for row in [&headings].into_iter().chain(rows) {
        let cells = row.iter().enumerate().map(|(column, cell)| match right[column] {
            true => format!("{cell:>0$}", widths[column]),
            false => format!("{cell:<0$}", widths[column]),
        });
        line(cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}

/// A text of a JSON value, empty when it is absent.
pub fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
