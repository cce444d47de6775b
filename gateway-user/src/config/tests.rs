//! Tests of `config`: layers and their origins, every kind of value, and every kind of mistake with its place.

use std::ffi::OsString;
use std::path::Path;

use super::*;

/// A configuration file of a test's own, removed when the test ends.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> File {
        let folder = std::env::temp_dir().join(format!("gateway-config-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("gateway.yaml"), text).unwrap();
        File(folder)
    }

    fn path(&self) -> PathBuf {
        self.0.join("gateway.yaml")
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn variables(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

fn explained(config: &Config, key: &str) -> (String, String) {
    let found = config.explain().into_iter().find(|explained| explained.key == key).expect(key);
    (found.value, found.origin)
}

/// Loads a file and checks the problems: each as `line:column: message; hint`, in order.
#[track_caller]
fn check(name: &str, text: &str, expected: &[&str]) {
    let file = File::new(name, text);
    let problems = Layers::new().file(file.path()).load().err().unwrap_or_default();
    let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let here = format!("{}:", file.path().display());
    let said: Vec<&str> = said.iter().map(|said| said.strip_prefix(&here).unwrap_or(said)).collect();
    assert_eq!(said.len(), expected.len(), "{said:#?}");
    for (said, expected) in said.iter().zip(expected) {
        assert!(said.contains(expected), "`{expected}` is not in `{said}`");
    }
}

#[test]
fn later_layers_win_and_each_value_knows_its_origin() {
    let file =
        File::new("layers", "mode: warn\nbudget: 5.50\nlimits:\n  connections: 10\n  idle_seconds: 20\n");
    let mut argv = Overrides::default();
    argv.set("--mode", "mode", "strict").set_some("--listen", "listen", None::<String>);
    let config = Layers::new()
        .file(file.path())
        .env(variables(&[("GATEWAY_LIMITS_CONNECTIONS", "11"), ("GATEWAY_MODE", "warn"), ("PATH", "/bin")]))
        .argv(argv)
        .load()
        .unwrap();
    let place = |line, column| format!("{}:{line}:{column}", file.path().display());
    assert_eq!((config.mode, config.budget), (Mode::Strict, Some(5_500_000_000)));
    assert_eq!((config.limits.connections, config.limits.idle), (11, Duration::from_secs(20)));
    for (key, value, origin) in [
        ("mode", "strict", "--mode".to_owned()),
        ("budget", "5.50", place(2, 9)),
        ("limits.connections", "11", "GATEWAY_LIMITS_CONNECTIONS".to_owned()),
        ("limits.idle_seconds", "20", place(5, 17)),
        ("listen", "127.0.0.1:8000", "built-in".to_owned()),
    ] {
        assert_eq!(explained(&config, key), (value.to_owned(), origin), "{key}");
    }
}

#[test]
fn every_key_is_read_from_a_file_relative_to_it() {
    let text = "
mode: strict
budget: $10.0
listen: '[::1]:9000'
upstream: [https://api.openai.com/v1, http://127.0.0.1:8080]
upstream_ca: gateway.yaml
state: state
fail: open
steer: known
via: nftables
ports: [443, 8443]
quic: known
hosts: {api.openai.com: relay, '*.OpenAI.azure.com': refuse}
plain: inspect
telemetry: refuse
untrusted: relay
cut: error
rules:
  files: [gateway.yaml]
  disable: [email]
  dictionaries:
    - {name: projects, file: gateway.yaml, action: block}
    - name: customers
      file: gateway.yaml
  actions:
    card: {request: block}
    phone: {request: warn, reply: redact}
security:
  prompt_firewall:
    enabled: true
    rules: [{name: own, pattern: open sesame}]
    ml_detection: {enabled: false, model: builtin, threshold: 0.8}
  content_filter:
    enabled: false
    toxicity: {enabled: false, threshold: 0.6, categories: [violence]}
    pii_detection: {enabled: true, auto_redact: true, types: [email, phone]}
tokens: {ttl: 36h, entries: 500}
tool_calling: {enabled: true, duplicate_detection: true, max_duplicates: 4, max_iterations: 10}
tools:
  policy: [fs_safe, net_safe, shell_safe]
  sandbox: workspace
  allow: ['mcp__*', bash]
  deny: '*delete*'
  arguments:
    - {tool: query, argument: sql, allow: '^select '}
    - {argument: /options/force, deny: '^true$'}
  commands: [terraform destroy]
  refused: cut
providers: gateway.yaml
local: [ollama, vllm=127.0.0.1:8001, {llamacpp: '[::1]:8081'}]
prices: [gateway.yaml]
unknown_model: refuse
limits:
  connections: 5
  header_bytes: 1MiB
  request_bytes: 64 MiB
  reply_held_bytes: 8192
  handshake_seconds: 5
  idle_seconds: 60
  upstream_connect_seconds: 3
  first_byte_seconds: 30
  drain_seconds: 0
workers: 2
apps: [{cgroup: a, mode: warn}]
metrics: '[::1]:9464'
websocket: refuse
signed_requests: pass
";
    let file = File::new("every", text);
    let config = Layers::new().file(file.path()).load().unwrap();
    let all = config.explain();
    let missed: Vec<_> = all.iter().filter(|one| !one.origin.contains("gateway.yaml:")).collect();
    assert!(missed.is_empty(), "not set by this file: {missed:?}");
    assert_eq!(config.upstream[0].to_string(), "https://api.openai.com/v1");
    let local: Vec<String> = config.local.iter().map(ToString::to_string).collect();
    assert_eq!(local, ["ollama", "vllm=127.0.0.1:8001", "llamacpp=[::1]:8081"]);
    assert_eq!((config.upstream_ca.as_deref(), &config.state), (Some(&*file.path()), &file.0.join("state")));
    assert_eq!((config.fail, config.steer, config.cut), (Fail::Open, SteerScope::Known, Cut::Error));
    assert_eq!(config.hosts["*.openai.azure.com"], Treatment::Refuse);
    assert_eq!(config.rules.dictionaries[0].action, Action::Block);
    assert_eq!(
        config.rules.dictionaries[1],
        Dictionary { name: "customers".to_owned(), file: file.path(), action: Action::Redact }
    );
    assert_eq!(
        config.rules.actions["phone"],
        RuleActions { request: Some(Action::Warn), reply: Some(Action::Redact) }
    );
    assert_eq!(config.rules.actions["card"].reply, None);
    assert_eq!(config.tokens, Tokens { ttl: Duration::from_secs(36 * 3600), entries: 500 });
    assert_eq!(explained(&config, "tokens.ttl").0, "36h");
    assert_eq!((config.tool_calling.max_duplicates, config.tool_calling.max_iterations), (4, Some(10)));
    assert_eq!(config.tools.sandbox, [file.0.join("workspace")]);
    assert_eq!(config.tools.policies, [ToolPolicy::FsSafe, ToolPolicy::NetSafe, ToolPolicy::ShellSafe]);
    assert_eq!(
        explained(&config, "tools.arguments").0,
        "query sql (allow ^select ), * /options/force (deny ^true$)"
    );
    assert_eq!((config.limits.header_bytes, config.limits.request_bytes), (1 << 20, 64 << 20));
    assert_eq!(
        explained(&config, "rules.actions").0,
        "card (request block), phone (request warn, reply redact)"
    );
}

#[test]
fn nothing_at_all_gives_the_documented_defaults() {
    for text in ["", "\n# only a comment\n", "limits:\nrules: {}\n", "budget: none\n", "budget:\n"] {
        let file = File::new("defaults", text);
        let config = Layers::new().file(file.path()).load().unwrap();
        assert_eq!((config.mode, config.budget, config.fail), (Mode::Strict, None, Fail::Closed));
        assert_eq!(config.limits, Config::built_in().limits);
    }
}

#[test]
fn fail_follows_the_mode_unless_it_is_chosen() {
    for (mode, fail, expected) in [
        ("strict", None, Fail::Closed),
        ("warn", None, Fail::Open),
        ("warn", Some("closed"), Fail::Closed),
        ("strict", Some("open"), Fail::Open),
    ] {
        let mut argv = Overrides::default();
        argv.set("--mode", "mode", mode).set_some("--fail", "fail", fail);
        assert_eq!(Layers::new().argv(argv).load().unwrap().fail, expected);
    }
}

#[test]
fn lists_come_from_variables_with_commas_and_from_repeated_arguments() {
    let mut argv = Overrides::default();
    argv.set("--upstream", "upstream", "https://a.example/x,y").set(
        "--upstream",
        "upstream",
        "https://b.example",
    );
    let config = Layers::new().env(variables(&[("GATEWAY_PORTS", "443, 8443")])).argv(argv).load().unwrap();
    assert_eq!(config.ports, [443, 8443]);
    assert_eq!(explained(&config, "upstream").0, "https://a.example/x,y, https://b.example/");
}

#[test]
fn all_mistakes_are_told_at_once_each_with_its_place_and_a_hint() {
    let text = "
mdoe: strict
fail: opne
budget: -3
limits:
  conections: 5
  header_bytes: 2MiB
  idle_seconds: soon
rules:
  dictionaries:
    - nmae: x
      file: y
    - name: Projects
      file: nowhere.txt
      action: destroy
  actions:
    card: {request: blok}
ports: [0, 443]
upstream: ftp://x
listen: 8000
hosts: {api..com/x: relay, api.openai.com: rely}
metrics: 192.0.2.1:9464
prices: missing.yaml
";
    check(
        "mistakes",
        text,
        &[
            "2:1: unknown key `mdoe`; did you mean `mode`?",
            "3:7: `opne` is none of closed, open; did you mean `open`?",
            "4:9: `-3` is not an amount",
            "6:3: unknown key `conections`; did you mean `connections`?",
            "7:17: `2MiB` is not a size in bytes, such as 65536 or 64KiB, from 8192 to 1048576",
            "8:17: `soon` is not a whole number of seconds from 1 to 86400",
            "11:7: unknown key `nmae`; did you mean `name`?",
            "13:13: `Projects` is not an id",
            "nowhere.txt",
            "15:15: `destroy` is none of allow, warn, redact, tokenize, block",
            "17:21: `blok` is none of allow, warn, redact, tokenize, block; did you mean `block`?",
            "18:9: `0` is not a whole number from 1 to 65535",
            "19:11: `ftp://x` does not begin with https://",
            "20:9: `8000` is not an address and port",
            "21:9: `api..com/x` is no host name",
            "21:44: `rely` is none of inspect, relay, refuse; did you mean `relay`?",
            "22:10: `192.0.2.1:9464` is not on loopback",
            "missing.yaml",
        ],
    );
}

#[test]
fn shapes_and_syntax_are_told_with_their_place() {
    check("syntax", "mode: [strict\n", &["not YAML"]);
    check("twice", "mode: warn\nmode: strict\n", &["not YAML"]);
    check("scalar", "strict\n", &["1:1: a block of keys is expected here, not a single value"]);
    check("limits", "limits: 5\n", &["1:9: a block of keys is expected here, not a single value"]);
    check("mode", "mode: {a: b}\n", &["1:7: a single value is expected here, not a block of keys"]);
    check("ports", "ports: []\n", &["1:8: 1 to 32 ports are expected, not 0"]);
    check(
        "dictionary",
        "rules: {dictionaries: [{}]}\n",
        &["a dictionary needs `name`", "a dictionary needs `file`"],
    );
    check(
        "time",
        "tokens: {ttl: 5}\n",
        &["1:15: `5` is not a time such as 12h or 30d, from 60 to 31536000 s"],
    );
    check("token", "rules: {actions: {email: {reply: tokenize}}}\n", &["`tokenize` is for requests"]);
    check(
        "sandbox",
        "tools: {policy: fs_safe}\n",
        &["1:17: fs_safe needs the folder in which paths must lie"],
    );
    check("policy", "tools: {policy: fs_save}\n", &["did you mean `fs_safe`?"]);
    check("argument", "tools: {arguments: [{tool: x, argument: y}]}\n", &["needs `allow` or `deny`"]);
    check("no argument", "tools: {arguments: [{deny: x}]}\n", &["needs `argument`"]);
    check(
        "pattern",
        "tools: {arguments: [{argument: y, deny: '('}]}\n",
        &["`(` is not a regular expression"],
    );
    check("flag", "tool_calling: {enabled: maybe}\n", &["1:25: `maybe` is neither true nor false"]);
    check("control", "mode: \u{1}\n", &["not YAML"]);
    let deep = format!("mode: {}{}\n", "[".repeat(5000), "]".repeat(5000));
    check("deep", &deep, &["not YAML"]);
}

#[test]
fn spoiled_files_never_panic() {
    let text = "mode: strict\nbudget: $1.5\nlimits:\n  header_bytes: 1MiB\nrules:\n  actions:\n    card: {request: block}\n";
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut below = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % bound as u64) as usize
    };
    for _ in 0..3000 {
        let mut bytes = text.as_bytes().to_vec();
        for _ in 0..=below(4) {
            let marks = b" :{}[]-#&*!|>'\"%@\n\t\0a0,";
            let (at, put) = (below(bytes.len()), marks[below(marks.len())]);
            if below(2) == 0 { bytes[at] = put } else { bytes.insert(at, put) }
        }
        if let Ok(text) = String::from_utf8(bytes) {
            let _ = node::parse(&text, Path::new("gateway.yaml"));
        }
    }
}

#[test]
fn an_upstream_never_shows_a_password() {
    check(
        "password",
        "upstream: https://user:hunter2@api.example/v1\n",
        &["may not hold a user or password"],
    );
    let file = File::new("password-2", "upstream: https://user:hunter2@api.example/v1\n");
    let problems = Layers::new().file(file.path()).load().unwrap_err();
    assert!(!format!("{problems:?}").contains("hunter2"));
}

#[test]
fn a_missing_file_is_told_by_who_named_it() {
    let missing = Path::new("/no/such/gateway.yaml");
    let said = |layers: Layers| layers.load().unwrap_err()[0].to_string();
    assert!(said(Layers::new().file(missing)).starts_with("--config: cannot read /no/such/gateway.yaml"));
    let named = Layers::new().env(variables(&[("GATEWAY_CONFIG", "/no/such/gateway.yaml")]));
    assert!(said(named).starts_with("GATEWAY_CONFIG: cannot read"));
}

#[test]
fn a_misspelt_variable_stops_the_start_and_a_foreign_one_does_not() {
    for (name, meant) in [("GATEWAY_BUDGTE", Some("GATEWAY_BUDGET")), ("GATEWAY_MODES", Some("GATEWAY_MODE"))]
    {
        let problems = Layers::new().env(variables(&[(name, "1")])).load().unwrap_err();
        assert_eq!(
            problems[0].hint.as_deref(),
            meant.map(|meant| format!("did you mean `{meant}`?")).as_deref()
        );
    }
    for name in [
        "GATEWAY_LOG",
        "GATEWAY_PORT",
        "GATEWAY_PORT_443_TCP",
        "GATEWAY_SERVICE_HOST",
        "GATEWAY_CORPUS",
        "GATEWAY_BIN",
    ] {
        Layers::new().env(variables(&[(name, "tcp://192.0.2.1")])).load().unwrap();
    }
}

#[test]
fn state_is_in_the_user_s_state_folder_unless_root() {
    let state = |pairs: &[(&str, &str)]| Layers::new().env(variables(pairs)).load().unwrap().state;
    if nix::unistd::geteuid().is_root() {
        assert_eq!(state(&[("HOME", "/home/x")]), Path::new("/var/lib/gateway"));
    } else {
        assert_eq!(state(&[("HOME", "/home/x")]), Path::new("/home/x/.local/state/gateway"));
        assert_eq!(state(&[("HOME", "/home/x"), ("XDG_STATE_HOME", "/s")]), Path::new("/s/gateway"));
        assert_eq!(
            state(&[("HOME", "/home/x"), ("XDG_STATE_HOME", "s")]),
            Path::new("/home/x/.local/state/gateway")
        );
    }
    assert_eq!(state(&[("GATEWAY_STATE", "/elsewhere")]), Path::new("/elsewhere"));
}

#[test]
fn dollars_are_exact() {
    for (text, nanos, shown) in [
        ("10", 10_000_000_000, "10.00"),
        ("$0.25", 250_000_000, "0.25"),
        ("0.000_000_001", 1, "0.000000001"),
        ("1_000.5", 1_000_500_000_000, "1000.50"),
        ("18446744073.709551615", u64::MAX, "18446744073.709551615"),
    ] {
        assert_eq!(nano_dollars(text), Ok(nanos));
        assert_eq!(dollars(nanos), shown);
    }
    for text in ["", "$", ".5", "5.", "-1", "+1", "1e3", "1,5", "0.0000000001", "18446744074", "١"] {
        assert!(nano_dollars(text).is_err(), "{text} passed");
    }
}

#[test]
fn every_key_has_a_variable_of_its_own_and_says_what_it_means() {
    let explained = Config::built_in().explain();
    for (at, key) in explained.iter().enumerate() {
        assert!(!key.about.is_empty() && !key.value.is_empty(), "{}", key.key);
        assert!(explained[..at].iter().all(|before| before.variable != key.variable), "{}", key.variable);
    }
}
