//! The coding agents and other programs of the turn tests: one row each, with how people start it.

use crate::client::installed;

/// A program that asks once and prints the answer as text.
pub struct Program {
    /// The command line; [`PROMPT`] is the prompt, [`FOLDER`] stands for where the programs are installed and
    /// [`TURNS`] for the folder of the tests' own ones.
    pub words: &'static [&'static str],
    /// What it needs in its environment besides trust, which `gateway run` sees to: its key, and its own questions
    /// answered.
    pub environment: &'static [(&'static str, &'static str)],
    /// The provider that it asks.
    pub host: &'static str,
    /// How the path of its inference requests ends, without the query.
    pub path: &'static str,
    /// The model that it asks for by itself, as it names it.
    pub model: &'static str,
    /// How it encodes its requests; empty for not at all.
    pub encoding: &'static str,
    /// Lines of the gateway's configuration, where its own do not fit.
    pub settings: &'static str,
    /// A file that is in its home before it starts: its path, and its text.
    pub home: Option<(&'static str, &'static str)>,
}

/// Stands for the prompt.
const PROMPT: &str = "{prompt}";
/// Stands for the folder with what `cargo xtask test` installed.
const FOLDER: &str = "{installed}";
/// Stands for the folder of the tests' own programs.
const TURNS: &str = "{turn}";

const OPENAI: &str = "api.openai.com";
const ANTHROPIC: &str = "api.anthropic.com";
const GOOGLE: &str = "generativelanguage.googleapis.com";
const CHAT: &str = "/chat/completions";
const OPENAI_KEY: (&str, &str) = ("OPENAI_API_KEY", "simulated");

const MINI: &str = "gpt-4o-mini";
const FLASH: &str = "gemini-2.5-flash";

pub const CLAUDE_CODE: Program = Program {
    environment: &[("ANTHROPIC_API_KEY", "simulated"), ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")],
    host: ANTHROPIC,
    path: "/v1/messages",
    model: "claude-opus-4-8",
    ..openai(&[
        "node",
        "{installed}/agents/node_modules/@anthropic-ai/claude-code/cli-wrapper.cjs",
        "-p",
        PROMPT,
    ])
};
pub const CODEX: Program = Program {
    environment: &[("CODEX_API_KEY", "simulated")],
    path: "/v1/responses",
    model: "gpt-6.1-sol",
    ..openai(&[
        "node",
        "{installed}/agents/node_modules/@openai/codex/bin/codex.js",
        "exec",
        "--skip-git-repo-check",
        PROMPT,
    ])
};
/// As [`CODEX`], told to use plain requests.
pub const CODEX_POST: Program = Program { settings: "websocket: refuse\n", ..CODEX };
/// As [`CODEX_POST`], logged in to ChatGPT, whose backend it sends compressed requests.
pub const CODEX_CHATGPT: Program = Program {
    environment: &[],
    host: "chatgpt.com",
    path: "/codex/responses",
    encoding: "zstd",
    home: Some((".codex/auth.json", CHATGPT_LOGIN)),
    ..CODEX_POST
};
pub const GEMINI_CLI: Program = Program {
    environment: &[("GEMINI_API_KEY", "simulated"), ("GEMINI_CLI_TRUST_WORKSPACE", "true")],
    host: GOOGLE,
    path: ":streamGenerateContent",
    model: FLASH,
    // The simulated prose repeats itself, which Gemini CLI would take for a model that is stuck, and ask again.
    home: Some((".gemini/settings.json", r#"{"model":{"disableLoopDetection":true}}"#)),
    ..openai(&[
        "node",
        "{installed}/agents/node_modules/@google/gemini-cli/bundle/gemini.js",
        "-m",
        "gemini-2.5-flash",
        "-p",
        PROMPT,
    ])
};
pub const GENAI: Program = Program {
    environment: &[("GEMINI_API_KEY", "simulated")],
    host: GOOGLE,
    path: ":streamGenerateContent",
    model: FLASH,
    ..openai(&["{installed}/python/venv/bin/python", "{turn}/genai_turn.py", PROMPT])
};
pub const AIDER: Program = openai(&[
    "{installed}/aider/venv/bin/aider",
    "--model",
    "gpt-4o-mini",
    "--no-git",
    "--yes-always",
    "--no-check-update",
    "--message",
    PROMPT,
]);
pub const LITELLM: Program =
    openai(&["{installed}/python/venv/bin/python", "{turn}/litellm_turn.py", PROMPT]);
pub const LANGCHAIN: Program =
    openai(&["{installed}/python/venv/bin/python", "{turn}/langchain_turn.py", PROMPT]);
pub const LLM: Program = openai(&["{installed}/python/venv/bin/llm", "-m", "gpt-4o-mini", PROMPT]);
pub const REQUESTS: Program =
    openai(&["{installed}/python/venv/bin/python", "{turn}/requests_turn.py", PROMPT]);
pub const AIOHTTP: Program =
    openai(&["{installed}/python/venv/bin/python", "{turn}/aiohttp_turn.py", PROMPT]);
pub const HTTPX: Program = openai(&["{installed}/python/venv/bin/python", "{turn}/httpx_turn.py", PROMPT]);
pub const FETCH: Program = openai(&["node", "{turn}/fetch_turn.cjs", PROMPT]);
pub const JAVA: Program = openai(&["java", "{turn}/Turn.java", PROMPT]);
pub const GO: Program = openai(&["{installed}/go/turn", PROMPT]);

/// A program that asks OpenAI's chat and needs nothing but a key.
const fn openai(words: &'static [&'static str]) -> Program {
    Program {
        words,
        environment: &[OPENAI_KEY],
        host: OPENAI,
        path: CHAT,
        model: MINI,
        encoding: "",
        settings: "",
        home: None,
    }
}

/// A login that Codex takes for one that is valid until 2100: of `ada@example.com`, signed by nobody.
const CHATGPT_LOGIN: &str = include_str!("turn/chatgpt_login.json");

impl Program {
    /// The command line for this prompt.
    pub fn command(&self, prompt: &str) -> Vec<String> {
        let folder = installed().display().to_string();
        let turns = concat!(env!("CARGO_MANIFEST_DIR"), "/clients/turn");
        let fill = |word: &&str| match *word {
            PROMPT => prompt.to_owned(),
            word => word.replace(FOLDER, &folder).replace(TURNS, turns),
        };
        self.words.iter().map(fill).collect()
    }
}
