//! What the test runners printed, as counts and failure texts.

/// The result of one stage.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Tests (or single commands) that passed.
    pub passed: u64,
    /// Those that failed.
    pub failed: u64,
    /// Those that were not run.
    pub ignored: u64,
    /// What the failures printed; empty when nothing failed.
    pub failures: String,
    /// Facts worth a line although nothing failed.
    pub notes: Vec<String>,
}

/// Lines kept of the output of a command that failed without naming a test.
const LAST_LINES: usize = 120;

impl Tally {
    /// One command without tests of its own: it counts as one.
    pub fn of_command(success: bool, text: &str) -> Tally {
        match success {
            true => Tally { passed: 1, ..Tally::default() },
            false => Tally { failed: 1, failures: last_lines(text), ..Tally::default() },
        }
    }

    /// The sum over all `test result:` lines of Rust's test runner.
    ///
    /// A run that failed with no failed test (it did not build, or it crashed) counts as one failure; so does a
    /// run that ran nothing.
    pub fn of_tests(success: bool, text: &str) -> Tally {
        let mut tally = Tally::default();
        for line in text.lines().filter(|line| line.starts_with("test result:")) {
            tally.passed += count(line, "passed");
            tally.failed += count(line, "failed");
            tally.ignored += count(line, "ignored");
        }
        if success && tally.passed + tally.failed == 0 {
            return Tally { failed: 1, failures: "no test ran\n".into(), ..tally };
        }
        if !success && tally.failed == 0 {
            return Tally { failed: 1, failures: last_lines(text), ..tally };
        }
        if tally.failed > 0 {
            tally.failures = failed_sections(text);
        }
        tally
    }

    /// Adds another result to this one.
    pub fn add(&mut self, other: Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
        self.failures.push_str(&other.failures);
        self.notes.extend(other.notes);
    }
}

/// The number in front of `word` in a `test result:` line, 0 when it is not there.
fn count(line: &str, word: &str) -> u64 {
    let mut before = "";
    for token in line.split_whitespace() {
        if token.trim_end_matches(';') == word {
            return before.parse().unwrap_or(0);
        }
        before = token;
    }
    0
}

/// What the runner prints about failed tests: from each `failures:` to the next `test result:`, without backtraces.
fn failed_sections(text: &str) -> String {
    let mut kept = String::new();
    let (mut inside, mut backtrace) = (false, false);
    for line in text.lines() {
        inside |= line == "failures:";
        backtrace |= line == "stack backtrace:";
        // A frame is indented; the first line that is not ends the trace.
        backtrace &= line == "stack backtrace:" || line.starts_with(' ');
        if line.starts_with("test result:") {
            inside = false;
        }
        if inside && !backtrace {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    if kept.is_empty() { last_lines(text) } else { kept }
}

/// The end of the output, without the lines in which cargo says how far it is.
fn last_lines(text: &str) -> String {
    let progress = ["Compiling ", "Checking ", "Downloaded ", "Downloading "];
    let telling = |line: &&str| !progress.iter().any(|word| line.trim_start().starts_with(word));
    let lines: Vec<&str> = text.lines().filter(telling).collect();
    let start = lines.len().saturating_sub(LAST_LINES);
    lines[start..].iter().flat_map(|line| [line, "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSED: &str = "running 3 tests\n\ntest result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n";
    const FAILED: &str = "test a ... FAILED\n\nfailures:\n\n---- a stdout ----\nleft 1\nstack backtrace:\n   0: f\n      at g\nnote: h\n\nfailures:\n    a\n\ntest result: FAILED. 4 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out\n";

    fn check(success: bool, text: &str, expected: (u64, u64, u64), failures: &str) {
        let tally = Tally::of_tests(success, text);
        assert_eq!((tally.passed, tally.failed, tally.ignored), expected, "{text}");
        assert_eq!(tally.failures, failures, "{text}");
    }

    #[test]
    fn results_are_summed() {
        check(true, PASSED, (2, 0, 1), "");
        check(true, &format!("{PASSED}{PASSED}"), (4, 0, 2), "");
        check(
            false,
            &format!("{PASSED}{FAILED}"),
            (6, 1, 1),
            "failures:\n\n---- a stdout ----\nleft 1\nnote: h\n\nfailures:\n    a\n\n",
        );
    }

    #[test]
    fn a_run_without_results_is_a_failure() {
        check(false, "error: could not compile\n", (0, 1, 0), "error: could not compile\n");
        check(false, &format!("{PASSED}signal: 11\n"), (2, 1, 1), &format!("{PASSED}signal: 11\n"));
        check(true, "", (0, 1, 0), "no test ran\n");
    }

    #[test]
    fn a_command_counts_as_one() {
        assert_eq!(Tally::of_command(true, "noise").passed, 1);
        assert_eq!(Tally::of_command(false, "   Compiling a\nwhy\n").failures, "why\n");
    }
}
