//! Names with wildcards: `*` stands for any text, `?` for one character.

/// Whether `name` fits `pattern`, in time linear in each for every star.
pub fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut seen) = (0, 0);
    // Where to go on when the text after the last star does not fit.
    let mut back: Option<(usize, usize)> = None;
    while seen < name.len() {
        match pattern.get(at) {
            Some('*') => {
                back = Some((at + 1, seen));
                at += 1;
            }
            Some(&wanted) if wanted == '?' || wanted == name[seen] => (at, seen) = (at + 1, seen + 1),
            _ => match back {
                Some((star, from)) => {
                    (at, seen) = (star, from + 1);
                    back = Some((star, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|rest| *rest == '*')
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn wildcards_fit() {
        for (pattern, name, expected) in [
            ("bash", "bash", true),
            ("bash", "Bash", false),
            ("*", "", true),
            ("mcp__*", "mcp__github__push", true),
            ("*__delete_*", "db__delete_row", true),
            ("*__delete_*", "db__read_row", false),
            ("read_?", "read_x", true),
            ("read_?", "read_", false),
            ("a*b*c", "aXbXbXc", true),
            ("a*b*c", "aXbXbX", false),
            ("", "x", false),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }
}
