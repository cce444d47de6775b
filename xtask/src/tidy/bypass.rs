//! The check that every row of the bypass matrix names tests, and that they are there.

use super::{Complaint, Tree};

const MATRIX: &str = "tests/bypass.md";

/// What the heads of the matrix's table begin with.
const HEAD: &str = "| way |";

/// Every row's last column names at least one test as `file::function`, and each exists.
pub fn matrix(tree: &Tree, complaints: &mut Vec<Complaint>) {
    let Some(matrix) = tree.text(MATRIX) else { return };
    let lines = matrix.content.lines().enumerate().map(|(index, line)| (index + 1, line));
    let rows = lines.skip_while(|(_, line)| !line.starts_with(HEAD)).skip(2);
    for (number, row) in rows.filter(|(_, line)| line.starts_with('|')) {
        let tests: Vec<&str> = named(row);
        if tests.is_empty() {
            complaints.push(Complaint::new(MATRIX, number, "this row names no test"));
        }
        for test in tests.into_iter().filter(|test| !exists(tree, test)) {
            complaints.push(Complaint::new(MATRIX, number, format!("there is no test `{test}`")));
        }
    }
}

/// The tests in the last column.
fn named(row: &str) -> Vec<&str> {
    let last = row.trim_end_matches([' ', '|']).rsplit(" | ").next().unwrap_or("");
    last.split('`').filter(|part| part.contains(".rs::")).collect()
}

fn exists(tree: &Tree, test: &str) -> bool {
    let Some((file, function)) = test.split_once("::") else { return false };
    tree.text(file).is_some_and(|text| text.content.contains(&format!("fn {function}(")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::complaints;

    #[test]
    fn rows_name_tests_that_exist() {
        let check = |row: &str, expected: &[&str]| {
            let text = format!("# Matrix\n| way | what | shown by |\n|---|---|---|\n{row}\n");
            let files = [(MATRIX, text.as_str()), ("tests/a.rs", "#[test]\nfn there() {}\n")];
            assert_eq!(complaints(matrix, &files), expected);
        };
        check("| x | y `z` | `tests/a.rs::there` |", &[]);
        check("| x | y | `tests/a.rs::gone` |", &["tests/bypass.md:4: there is no test `tests/a.rs::gone`"]);
        check("| x | y | by hand |", &["tests/bypass.md:4: this row names no test"]);
    }
}
