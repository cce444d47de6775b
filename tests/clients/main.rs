//! Real, unmodified clients through the transparent door: no base URL, no proxy variable, names as in the wild.
//!
//! They need root, and the clients that `cargo xtask test` installs into `target/clients` (or `$GATEWAY_CLIENTS`).

mod attached;
mod client;
mod nonessential;
mod programs;
mod quic;
mod scenarios;
mod turns;

use client::{Client, Tool};

/// One test per scenario for each client.
macro_rules! client {
    ($name:ident, $client:expr) => {
        mod $name {
            use super::*;

            #[test]
            fn gets_a_whole_answer() {
                scenarios::whole($client);
            }

            #[test]
            fn gets_a_streamed_answer() {
                scenarios::streamed($client);
            }

            #[test]
            fn calls_a_tool() {
                scenarios::tool($client);
            }

            #[test]
            fn has_keys_redacted_both_ways() {
                scenarios::redaction($client);
            }

            #[test]
            fn sees_a_refusal() {
                scenarios::refusal($client);
            }

            #[test]
            fn sees_a_budget_cut() {
                scenarios::cut($client);
            }
        }
    };
}

client!(python_openai, Client { tool: Tool::Python("openai_client.py"), anthropic: false });
client!(python_anthropic, Client { tool: Tool::Python("anthropic_client.py"), anthropic: true });
client!(node_openai, Client { tool: Tool::Node("openai_client.cjs"), anthropic: false });
client!(node_anthropic, Client { tool: Tool::Node("anthropic_client.cjs"), anthropic: true });
client!(curl_openai, Client { tool: Tool::Curl, anthropic: false });
client!(curl_anthropic, Client { tool: Tool::Curl, anthropic: true });

/// One test per scenario for each program.
macro_rules! program {
    ($name:ident, $program:ident) => {
        mod $name {
            use super::*;

            #[test]
            fn has_keys_redacted_both_ways() {
                turns::redaction(&programs::$program);
            }

            #[test]
            fn shows_a_refusal_and_asks_no_more() {
                turns::refusal(&programs::$program);
            }

            #[test]
            fn shows_a_budget_cut_and_asks_no_more() {
                turns::cut(&programs::$program);
            }
        }
    };
}

program!(claude_code, CLAUDE_CODE);
program!(codex, CODEX);
program!(codex_post, CODEX_POST);
program!(codex_chatgpt, CODEX_CHATGPT);
program!(gemini_cli, GEMINI_CLI);
program!(python_genai, GENAI);
program!(aider, AIDER);
program!(python_litellm, LITELLM);
program!(python_langchain, LANGCHAIN);
program!(python_llm, LLM);
program!(python_requests, REQUESTS);
program!(python_aiohttp, AIOHTTP);
program!(python_httpx_h2, HTTPX);
program!(node_fetch, FETCH);
program!(java_http_client, JAVA);
program!(go_net_http, GO);
