//! A test inside a world of its own: a thread in fresh namespaces where LLM names lead to addresses on loopback.

use std::net::Ipv4Addr;
use std::path::Path;

use gateway::simulate::world;

/// The address of `api.openai.com` inside.
pub const OPENAI: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
/// The address of `api.anthropic.com` inside.
pub const ANTHROPIC: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 20);
/// The address of `generativelanguage.googleapis.com` inside.
pub const GOOGLE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 25);
/// The address of `plain.example`, which is no LLM host.
pub const PLAIN: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 30);
/// Where no route leads: hosts that real clients ask besides their provider. An address, because a resolver that
/// nobody answers costs some of them seconds.
const AWAY: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);

/// The names that lead somewhere inside.
const HOSTS: &[(&str, Ipv4Addr)] = &[
    ("api.openai.com", OPENAI),
    ("chatgpt.com", OPENAI),
    ("ab.chatgpt.com", OPENAI),
    ("api.anthropic.com", ANTHROPIC),
    ("generativelanguage.googleapis.com", GOOGLE),
    ("plain.example", PLAIN),
    ("github.com", AWAY),
    ("api.github.com", AWAY),
    ("raw.githubusercontent.com", AWAY),
    ("play.googleapis.com", AWAY),
];

/// Runs a test inside; `folder` is the world's own. Needs root, and fails without.
///
/// # Panics
/// With the test's own panic, and when the world cannot be made.
pub fn inside<F: Future<Output = ()>>(test: impl FnOnce(&Path) -> F + Send + 'static) {
    inside_with(HOSTS, test);
}

/// As [`inside`], where only these names are known without a DNS server; the resolver is 127.0.0.1.
///
/// # Panics
/// With the test's own panic, and when the world cannot be made.
pub fn inside_with<F: Future<Output = ()>>(
    hosts: &'static [(&str, Ipv4Addr)],
    test: impl FnOnce(&Path) -> F + Send + 'static,
) {
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let path = folder.path().to_owned();
    let thread = std::thread::spawn(move || {
        world::enter(&path, hosts).unwrap_or_else(|error| panic!("{error}"));
        // One thread only: whatever it starts is inside as well.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(test(&path));
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}
