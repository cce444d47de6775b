//! The flags of the commands that run the engine over a text.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// Which text is looked at, and with which rules.
#[derive(Debug, Args)]
pub struct TextArgs {
    /// The text, a file, or `-` for standard input, which is also taken without it.
    #[arg(value_name = "TEXT|FILE|-")]
    pub text: Option<String>,
    /// Another rule file; its rules replace those with the same id.
    #[arg(long, value_name = "FILE")]
    pub rules: Vec<PathBuf>,
    /// Only rules of these classes, such as secret or pii.
    #[arg(long, value_name = "CLASS", value_delimiter = ',')]
    pub class: Vec<String>,
    /// Whether the text counts as part of a request or of a reply.
    #[arg(long, value_enum, default_value_t = DirectionArg::Request)]
    pub direction: DirectionArg,
}

/// `--direction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DirectionArg {
    /// What a program sends.
    Request,
    /// What a model answers.
    Reply,
}

/// `gateway check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// What is checked.
    #[command(flatten)]
    pub text: TextArgs,
    /// Answer questions, one JSON object a line: {"id", "text"} with {"id", "findings", "took_ns"}; offsets in code points.
    #[arg(long)]
    pub jsonl: bool,
    /// With --jsonl: each question is a text in pieces, {"id", "deltas"}; the answer says what came out after each
    /// piece, {"id", "emitted", "held", "push_ns"}. Every rule redacts.
    #[arg(long, requires = "jsonl")]
    pub stream: bool,
}

/// What `gateway rules` can do.
#[derive(Debug, Subcommand)]
pub enum RulesAction {
    /// Every rule with its actions.
    List {
        /// Only rules of this class, such as secret or pii.
        #[arg(long, value_name = "CLASS")]
        class: Option<String>,
    },
    /// Try the examples and counter-examples of every rule, also of these rule files.
    Test {
        /// Rule files.
        #[arg(value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Everything about one rule.
    Explain {
        /// Its id.
        id: String,
    },
}
