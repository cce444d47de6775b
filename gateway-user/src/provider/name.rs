//! Host names, parsed strictly once so that what is checked is what is connected to.

use std::fmt;

/// A DNS host name: lower case, no trailing dot, 1–253 bytes of letters, digits, hyphens and dots. Never an IP address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostName(String);

impl HostName {
    /// Reads a name as it stands in an SNI, a `Host` header or a configuration. `None` for anything that is not
    /// exactly a host name: NUL and other odd bytes, empty or over-long labels, IP addresses, ports. One trailing dot
    /// (the root) is taken off.
    pub fn parse(text: &str) -> Option<HostName> {
        let name = text.strip_suffix('.').unwrap_or(text);
        let numeric = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
        let sound = (1..=253).contains(&name.len())
            && name.split('.').all(is_label)
            && !name.rsplit('.').next().is_some_and(numeric);
        sound.then(|| HostName(name.to_ascii_lowercase()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// A host name of the catalog: exact, or `*.` and a name for every name one or more labels below it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostPattern {
    name: HostName,
    below: bool,
}

impl HostPattern {
    /// Reads a pattern. `None` if the star stands elsewhere, what follows it is no host name, or has a single label.
    pub fn parse(text: &str) -> Option<HostPattern> {
        match text.strip_prefix("*.") {
            None => Some(HostPattern { name: HostName::parse(text)?, below: false }),
            Some(rest) => {
                let name = HostName::parse(rest)?;
                name.as_str().contains('.').then_some(HostPattern { name, below: true })
            }
        }
    }

    /// The name, without the star.
    pub fn name(&self) -> &HostName {
        &self.name
    }

    /// Whether it stands for the names below [`HostPattern::name`] rather than for that name.
    pub fn is_wildcard(&self) -> bool {
        self.below
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.below {
            formatter.write_str("*.")?;
        }
        self.name.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_strictly() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(HostName::parse(text).as_ref().map(HostName::as_str), expected, "{text:?}");
        };
        check("api.openai.com", Some("api.openai.com"));
        check("API.OpenAI.com.", Some("api.openai.com"));
        check("localhost", Some("localhost"));
        check("a_b.example", Some("a_b.example"));
        for wrong in
            ["", ".", "..", "a..b", ".a", "a.com..", "api.openai.com\0.evil.org", "api.openai.com:443", "a b"]
        {
            check(wrong, None);
        }
        for wrong in [
            "192.0.2.1",
            "::1",
            "[::1]",
            "-a.com",
            "a-.com",
            "api.öpenai.com",
            "*.openai.com",
            "a/b",
            "a%2eb",
        ] {
            check(wrong, None);
        }
        check(&"a".repeat(64), None);
        check(&["abcdefg"; 32].join("."), None);
    }

    #[test]
    fn patterns_allow_one_leading_star() {
        let check =
            |text: &str, expected: bool| assert_eq!(HostPattern::parse(text).is_some(), expected, "{text:?}");
        check("*.openai.azure.com", true);
        check("api.openai.com", true);
        check("*.com", false);
        check("api.*.com", false);
        check("*", false);
        check("*.*.com", false);
        assert_eq!(HostPattern::parse("*.Example.ORG").expect("valid").to_string(), "*.example.org");
    }
}
