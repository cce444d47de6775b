//! What can be wrong with rules: which file, which rule, what, and what to do.

use std::fmt;

/// Everything that is wrong, at once.
#[derive(Debug, PartialEq, Eq)]
pub struct RuleErrors(pub Vec<RuleError>);

impl RuleErrors {
    pub(crate) fn one(file: &str, rule: Option<&str>, problem: Problem) -> RuleErrors {
        RuleErrors(vec![RuleError::new(file, rule, problem)])
    }
}

impl fmt::Display for RuleErrors {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, error) in self.0.iter().enumerate() {
            if place > 0 {
                writeln!(out)?;
            }
            write!(out, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for RuleErrors {}

/// One problem and where it is.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}{}: {problem}", .rule.as_ref().map(|rule| format!(": rule `{rule}`")).unwrap_or_default())]
pub struct RuleError {
    /// The rule file, or the part of the configuration.
    pub file: String,
    /// The id of the rule, where it is known.
    pub rule: Option<String>,
    /// What is wrong.
    pub problem: Problem,
}

impl RuleError {
    pub(crate) fn new(file: &str, rule: Option<&str>, problem: Problem) -> RuleError {
        RuleError { file: file.to_owned(), rule: rule.map(str::to_owned), problem }
    }
}

/// What is wrong with a rule or a rule file.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A file cannot be read.
    #[error("cannot read {path}: {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// The YAML is broken, or has an unknown or missing key.
    #[error("{0}")]
    Syntax(String),
    /// More rules than an engine holds.
    #[error("more than {most} rules in all; take some out")]
    TooManyRules {
        /// The most there may be.
        most: usize,
    },
    /// An id nothing has.
    #[error("no rule or category has this name; `gateway explain` lists them")]
    UnknownRule,
    /// An id that stands twice in one file.
    #[error("the id stands twice in this file; rename one")]
    DuplicateId,
    /// An id of the wrong shape.
    #[error("an id is made of a-z, 0-9 and `-`, 64 characters at most")]
    BadId,
    /// Not exactly one way to match.
    #[error("give exactly one of `pattern`, `words` and `words_file`")]
    OneMatcher,
    /// A scored rule that is to redact.
    #[error("a rule that scores passages can allow, warn or block: there is no single value to redact")]
    NothingToRedact,
    /// Keys that do not go together.
    #[error("`{key}` {why}")]
    Misplaced {
        /// The key.
        key: &'static str,
        /// Why it cannot stand here.
        why: &'static str,
    },
    /// A regular expression that does not parse.
    #[error("`{key}` is not a regular expression: {reason}")]
    BadPattern {
        /// The key.
        key: &'static str,
        /// What the parser said.
        reason: String,
    },
    /// A pattern without an upper length.
    #[error(
        "`{key}` has no upper length; bound each repeat as in {{8,64}}, or give the open end as `tail` or `until`"
    )]
    Unbounded {
        /// The key.
        key: &'static str,
    },
    /// A length out of range.
    #[error(
        "`{key}` matches {found} bytes, allowed are {least} to {most}; bound its repeats or set `max_length`"
    )]
    Length {
        /// The key.
        key: &'static str,
        /// What it matches.
        found: usize,
        /// The least allowed.
        least: usize,
        /// The most allowed.
        most: usize,
    },
    /// A pattern that begins with an assertion, or uses one that a stream cannot decide.
    #[error(
        "`{key}` may use only ASCII word boundaries (\\b and its halves), and not at its start; say `not_after` instead"
    )]
    Assertion {
        /// The key.
        key: &'static str,
    },
    /// A context that uses an assertion a stream cannot decide.
    #[error(
        "`{key}` may use \\b and its halves, `before` also ^ and `after` also $, but not where it touches the value"
    )]
    ContextAssertion {
        /// The key.
        key: &'static str,
    },
    /// A pattern that matches parts of characters outside ASCII.
    #[error(
        "`{key}` must match ASCII only, or a match could cut a character; write negated classes positively, and other scripts as `words` or as `(?u:[…])`"
    )]
    NotAscii {
        /// The key.
        key: &'static str,
    },
    /// Not a class of single bytes.
    #[error("`{key}` must be one class of ASCII characters, such as [A-Za-z0-9_]")]
    NotAClass {
        /// The key.
        key: &'static str,
    },
    /// A rule that would give tokens in replies.
    #[error(
        "`tokenize` is for requests: what the model writes goes to the app, which has no use for a token"
    )]
    TokenInReply,
    /// An unknown validator.
    #[error("`{name}` is no validator; there are: {known}")]
    BadValidator {
        /// What was written.
        name: String,
        /// What could be.
        known: &'static str,
    },
    /// A words list of the wrong size, or with a wrong word.
    #[error("{0}")]
    BadWords(String),
    /// An example that does not match.
    #[error("example {number} is not found by the rule; correct one of them")]
    ExampleMissed {
        /// Which, from 1.
        number: usize,
    },
    /// A counter-example that matches.
    #[error("counter-example {number} is found by the rule; make the rule stricter")]
    CounterExampleFound {
        /// Which, from 1.
        number: usize,
    },
    /// An automaton beyond its size.
    #[error(
        "the compiled pattern is larger than {most} bytes; use smaller repeats, or `tail` for an open end"
    )]
    TooLarge {
        /// The bound.
        most: usize,
    },
    /// A failure of the automaton library that the checks should have made impossible.
    #[error("cannot be compiled: {0}")]
    Compile(String),
}
