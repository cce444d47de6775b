//! Fits what the gateway's own commands print into the demo's width.

use super::columns::Columns;

/// What of a record is shown; names of lines, or what they begin with.
const SHOWN: [&str; 11] = [
    "door",
    "findings",
    "host",
    "model",
    "path",
    "principal",
    "reason",
    "timings",
    "tokens.input",
    "tokens.output",
    "verdict",
];
/// Indent of the part of a table that did not fit beside the rest.
const INDENT: &str = "    ";

/// Tables, with blank lines between them: one that is too wide is cut between two columns and goes on below.
pub(super) fn tables(text: &str, width: usize) -> String {
    let tables = text.trim_end().split("\n\n");
    let fitted: Vec<String> = tables.map(|table| fit(&table.lines().collect::<Vec<_>>(), width)).collect();
    fitted.join("\n")
}

/// The lines of a record that tell most, their values wrapped.
pub(super) fn record(text: &str, columns: &Columns) -> String {
    let lines: Vec<_> = text.lines().collect();
    let shown = lines.iter().filter(|line| SHOWN.iter().any(|name| line.starts_with(name)));
    let mut record = String::new();
    let mut count = 0;
    for line in shown {
        let value = line.find("  ").map_or(0, |end| line.len() - line[end..].trim_start().len());
        record += &columns.paragraph(&line[..value], &line[value..]);
        count += 1;
    }
    record + &format!("… and {} more lines\n", lines.len() - count)
}

fn fit(table: &[&str], width: usize) -> String {
    let lines: Vec<Vec<char>> = table.iter().map(|line| line.chars().collect()).collect();
    let longest = lines.iter().map(Vec::len).max().unwrap_or(0);
    let gap = (1..width.min(longest)).rev().find(|at| lines.iter().all(|line| is_gap(line, *at)));
    let all = || table.iter().map(|line| format!("{line}\n")).collect();
    let (Some(gap), true) = (gap, longest > width) else { return all() };
    let mut fitted = String::new();
    for line in &lines {
        let part: String = line[..gap.min(line.len())].iter().collect();
        fitted += &format!("{}\n", part.trim_end());
    }
    let rest: Vec<String> = lines.iter().map(|line| line[gap.min(line.len())..].iter().collect()).collect();
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    for line in fit(&rest, width.saturating_sub(INDENT.len())).lines() {
        fitted += &format!("{}\n", (INDENT.to_owned() + line).trim_end());
    }
    fitted
}

/// Whether a column ends two places before `at`.
fn is_gap(line: &[char], at: usize) -> bool {
    at >= 2 && line.iter().skip(at - 2).take(2).all(|letter| *letter == ' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_cut_between_columns() {
        let check = |width, expected: &str| {
            assert_eq!(
                tables("ID    HOST   COST\n1     a        10\n2222  b         2\n\nX\n", width),
                expected
            );
        };
        check(80, "ID    HOST   COST\n1     a        10\n2222  b         2\n\nX\n");
        check(14, "ID    HOST\n1     a\n2222  b\n    COST\n      10\n       2\n\nX\n");
        check(3, "ID    HOST   COST\n1     a        10\n2222  b         2\n\nX\n");
    }

    #[test]
    fn records_are_short() {
        let text = "hash      aa\nreason    too much of it\nverdict   cut\n";
        let expected = "reason    too much of it\nverdict   cut\n… and 1 more lines\n";
        assert_eq!(record(text, &Columns::new(80, false)), expected);
    }
}
