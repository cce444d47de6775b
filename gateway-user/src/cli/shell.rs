//! Prints variables in the forms that shells and service managers read.

use std::{ffi::OsString, fmt::Write};

use serde_json::{Map, Value};

use super::args::Shell;
pub use crate::doctor::quoted;

/// The variables in one form; ends with a line break but for JSON.
pub fn printed(shell: Shell, variables: &[(&'static str, OsString)]) -> String {
    let mut text = String::new();
    let pairs = variables.iter().map(|(name, value)| (*name, value.to_string_lossy()));
    if shell == Shell::Json {
        let object: Map<String, Value> =
            pairs.map(|(name, value)| (name.to_owned(), value.into_owned().into())).collect();
        return Value::Object(object).to_string();
    }
    if shell == Shell::Systemd {
        text.push_str("[Service]\n");
    }
    for (name, value) in pairs {
        // Writing to a string does not fail.
        let _ = match shell {
            Shell::Fish => writeln!(text, "set -gx {name} {}", quoted_for_fish(&value)),
            Shell::Systemd => writeln!(text, "Environment=\"{name}={}\"", escaped_for_systemd(&value)),
            // Docker takes the rest of the line as it is.
            Shell::Docker => writeln!(text, "{name}={value}"),
            Shell::Sh | Shell::Json => writeln!(text, "export {name}={}", quoted(&value)),
        };
    }
    text
}

fn quoted_for_fish(value: &str) -> String {
    format!("'{}'", value.replace('\\', r"\\").replace('\'', r"\'"))
}

/// systemd.exec(5): C escapes within double quotes; `%` begins a specifier.
fn escaped_for_systemd(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', "\\\"").replace('%', "%%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_keeps_odd_values() {
        let variables = [("A", OsString::from("/plain/path")), ("B", OsString::from("it's \"50%\" \\"))];
        let check = |shell, expected: &str| assert_eq!(printed(shell, &variables), expected);
        check(Shell::Sh, "export A=/plain/path\nexport B='it'\\''s \"50%\" \\'\n");
        check(Shell::Fish, "set -gx A '/plain/path'\nset -gx B 'it\\'s \"50%\" \\\\'\n");
        check(Shell::Json, r#"{"A":"/plain/path","B":"it's \"50%\" \\"}"#);
        check(
            Shell::Systemd,
            "[Service]\nEnvironment=\"A=/plain/path\"\nEnvironment=\"B=it's \\\"50%%\\\" \\\\\"\n",
        );
        check(Shell::Docker, "A=/plain/path\nB=it's \"50%\" \\\n");
    }
}
