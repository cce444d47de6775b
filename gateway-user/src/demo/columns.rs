//! The demo's two columns: text side by side, wrapped to the width of the terminal, one row per moment.

use std::fmt::Write;
use std::time::Duration;

/// Width when there is no terminal to ask.
pub(super) const WIDTH: usize = 80;
/// Narrowest and widest layout.
const BOUNDS: (usize, usize) = (50, 120);
/// Columns the time takes, its space included.
const TIME: usize = 8;
/// Between the two cells.
const BAR: &str = " │ ";

const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";

/// A layout of two equal cells beside a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns {
    cell: usize,
    colour: bool,
}

impl Columns {
    /// A layout for a terminal `width` columns wide; `colour` allows escape sequences.
    pub(super) fn new(width: usize, colour: bool) -> Columns {
        let width = width.clamp(BOUNDS.0, BOUNDS.1);
        Columns { cell: (width - TIME - BAR.chars().count()) / 2, colour }
    }

    /// The layout for standard output: the terminal's width, and colour unless `NO_COLOR` is set (no-color.org).
    pub(super) fn of_terminal() -> Columns {
        use std::io::IsTerminal;
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Columns::new(terminal_width().unwrap_or(WIDTH), colour)
    }

    /// The heading of both columns, with a rule below.
    pub(super) fn heading(&self, left: &str, right: &str) -> String {
        let rule = "─".repeat(self.cell);
        format!("{}{}─┼─{rule}\n", self.line("", left, right), "─".repeat(TIME + self.cell))
    }

    /// One row: what each side saw, `at` after the start. Text that does not fit goes on below.
    pub(super) fn row(&self, at: Duration, left: &str, right: &str) -> String {
        let (left, right) = (wrap(left, self.cell), wrap(right, self.cell));
        let mut row = String::new();
        for line in 0..left.len().max(right.len()) {
            let time = if line == 0 { format!("{:.2} s", at.as_secs_f64()) } else { String::new() };
            let cell = |side: &[String]| side.get(line).cloned().unwrap_or_default();
            row += &self.line(&time, &cell(&left), &cell(&right));
        }
        row
    }

    /// The whole width.
    pub(super) fn width(&self) -> usize {
        TIME + 2 * self.cell + BAR.chars().count()
    }

    /// A paragraph over the whole width: `head`, then `text`, indented by as much where it goes on below.
    pub(super) fn paragraph(&self, head: &str, text: &str) -> String {
        let indent = head.chars().count();
        let lines = wrap(text, self.width().saturating_sub(indent).max(1));
        let heads = std::iter::once(head.to_owned()).chain(std::iter::repeat(" ".repeat(indent)));
        lines.iter().zip(heads).map(|(line, head)| format!("{head}{line}\n")).collect()
    }

    /// `text` set off from the rest.
    pub(super) fn strong(&self, text: &str) -> String {
        if self.colour { format!("{BOLD}{text}{PLAIN}") } else { text.to_owned() }
    }

    fn line(&self, time: &str, left: &str, right: &str) -> String {
        let mut line = format!("{time:>width$} {left:<cell$}{BAR}", width = TIME - 1, cell = self.cell);
        let _ = writeln!(line, "{}", self.marked(right));
        line
    }

    /// `text` with its mask, if it holds one, set off.
    fn marked(&self, text: &str) -> String {
        let end = text.find("_REDACTED]").map(|at| at + "_REDACTED]".len());
        match end.and_then(|end| text[..end].rfind('[').map(|start| (start, end))) {
            Some((start, end)) => {
                format!("{}{}{}", &text[..start], self.strong(&text[start..end]), &text[end..])
            }
            None => text.to_owned(),
        }
    }
}

/// The width of the terminal: `COLUMNS`, else what the terminal says.
fn terminal_width() -> Option<usize> {
    if let Some(width) = std::env::var("COLUMNS").ok().and_then(|width| width.parse().ok()) {
        return Some(width);
    }
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCGWINSZ writes a winsize, which is one and outlives the call.
    let done = unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &mut size) };
    (done == 0 && size.ws_col > 0).then_some(usize::from(size.ws_col))
}

/// `text` in lines of at most `width` characters, broken at spaces where possible. What would move the cursor or
/// change the terminal is shown as `·`.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let letters: Vec<char> = word.chars().map(|c| if c.is_control() { '·' } else { c }).collect();
        for part in letters.chunks(width) {
            if !line.is_empty() && line.chars().count() + 1 + part.len() > width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.extend(part);
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_fit_the_width() {
        let check = |width: usize, left: &str, right: &str, expected: &[&str]| {
            let row = Columns::new(width, false).row(Duration::from_millis(1250), left, right);
            assert_eq!(row.lines().collect::<Vec<_>>(), expected);
            assert!(row.lines().all(|line| line.chars().count() <= width.max(50)));
        };
        check(51, "one two", "one", &[" 1.25 s one two              │ one"]);
        check(
            51,
            "one two three four five six",
            "",
            &[" 1.25 s one two three four   │ ", "        five six             │ "],
        );
        check(
            51,
            "",
            "aaaaaaaaaabbbbbbbbbbcccc",
            &[" 1.25 s                      │ aaaaaaaaaabbbbbbbbbb", "                             │ cccc"],
        );
        check(0, "\x1b[2J", "", &[" 1.25 s ·[2J                │ "]);
    }

    #[test]
    fn paragraphs_are_indented() {
        let text = Columns::new(50, false)
            .paragraph("  client  ", "a b c d e f g h i j k l m n o p q r s t u v w x y z");
        assert_eq!(text, "  client  a b c d e f g h i j k l m n o p q r s t\n          u v w x y z\n");
    }

    #[test]
    fn masks_are_set_off_in_colour_only() {
        let marked = |colour| Columns::new(WIDTH, colour).marked("is [KEY_REDACTED] and");
        assert_eq!(marked(false), "is [KEY_REDACTED] and");
        assert_eq!(marked(true), "is \x1b[1m[KEY_REDACTED]\x1b[0m and");
    }
}
