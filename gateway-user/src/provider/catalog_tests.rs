//! Tests of the catalog: the compiled-in file loads, names and paths lead where they should, errors say what to do.

use super::*;
use crate::provider::Class;

fn check(host: &str, method: &str, path: &str, expected: Option<(&str, Class, &str, &str)>) {
    let catalog = Catalog::builtin();
    let found = catalog.host(host).map(|host| {
        let route = host.route(method, path);
        (host.provider().to_owned(), route.class, route.dialect.name(), route.operation.to_string())
    });
    let expected = expected.map(|(provider, class, dialect, operation)| {
        (provider.to_owned(), class, dialect, operation.to_owned())
    });
    assert_eq!(found, expected, "{host} {method} {path}");
}

#[test]
fn hosts_and_paths_lead_to_routes() {
    use Class::{Control, Inference, Telemetry};
    let openai = |class, dialect, operation| Some(("openai", class, dialect, operation));
    check("api.openai.com", "POST", "/v1/chat/completions", openai(Inference, "openai_chat", "chat"));
    check("API.openai.com.", "post", "/v1/chat/completions?x=1", openai(Inference, "openai_chat", "chat"));
    check("api.openai.com", "POST", "/v1/chat/completions/", openai(Inference, "openai_chat", "chat"));
    check("api.openai.com", "POST", "/v1/new", openai(Inference, "opaque", "unknown"));
    check("api.openai.com", "GET", "/v1/new", openai(Control, "opaque", "unknown"));
    check("api.openai.com", "GET", "/v1/models", openai(Control, "opaque", "models"));
    check("api.openai.com", "GET", "/v1/models/gpt-5", openai(Control, "opaque", "models"));
    let anthropic = |class, dialect, operation| Some(("anthropic", class, dialect, operation));
    check(
        "api.anthropic.com",
        "POST",
        "/v1/messages?beta=true",
        anthropic(Inference, "anthropic", "messages"),
    );
    check(
        "api.anthropic.com",
        "POST",
        "/api/event_logging/v2/batch",
        anthropic(Telemetry, "opaque", "telemetry"),
    );
    let azure = Some(("azure", Inference, "openai_chat", "chat"));
    check("eu.openai.azure.com", "POST", "/openai/deployments/gpt/chat/completions?api-version=1", azure);
    check("a.b.openai.azure.com", "POST", "/openai/v1/chat/completions", azure);
    for host in [
        "openai.azure.com",
        "api.openai.com.evil.org",
        "xapi.openai.com",
        "api.openai.com\0",
        "192.0.2.1",
        "",
    ] {
        check(host, "POST", "/v1/chat/completions", None);
    }
}

#[test]
fn what_is_posted_to_models_is_no_control() {
    let catalog = Catalog::builtin();
    for (host, path) in [
        ("generativelanguage.googleapis.com", "/v1beta/models/gemini-2.5-pro:batchGenerateContent"),
        ("generativelanguage.googleapis.com", "/v1/models/imagen-4:predict"),
        ("generativelanguage.googleapis.com", "/v1beta/models/veo-3:predictLongRunning"),
        ("compatible.invalid", "/v1/models/gemini-2.5-pro:batchGenerateContent"),
        ("api.openai.com", "/v1/models/gpt-5"),
        ("chatgpt.com", "/backend-api/codex/models/gpt-5"),
        ("api.anthropic.com", "/v1/models/claude-opus-4-8"),
        ("ollama.com", "/api/create"),
    ] {
        let host = catalog.host(host).expect("known");
        assert_eq!(host.route("POST", path).class, Class::Inference, "{path}");
        assert_eq!(host.route("GET", path).class, Class::Control, "{path}");
    }
    check("ollama.com", "POST", "/api/pull", Some(("ollama-cloud", Class::Control, "opaque", "models")));
}

#[test]
fn an_operators_file_adds_and_replaces() {
    let mut catalog = Catalog::builtin();
    let text =
        "providers:\n  - id: openai\n    name: Ours\n    hosts: [llm.example.org, '*.llm.example.org']\n";
    catalog.extend("mine.yaml", text).expect("valid");
    assert!(catalog.host("api.openai.com").is_none());
    assert_eq!(catalog.host("a.llm.example.org").expect("added").name(), "Ours");
    assert!(catalog.patterns().iter().any(|pattern| pattern.to_string() == "*.llm.example.org"));
}

#[test]
fn wrong_entries_are_reported_together() {
    let text = "providers:\n  - id: a\n    name: A\n    hosts: ['not a host', api.anthropic.com]\n    routes:\n      \
                - {path: x, operation: o}\n      - {path: /x, operation: o, dialect: klingon}\n";
    let error = Catalog::builtin().extend("mine.yaml", text).expect_err("wrong").to_string();
    for part in [
        "mine.yaml",
        "provider a",
        "not a host",
        "already belongs to anthropic",
        "does not start with /",
        "klingon",
        "opaque",
    ] {
        assert!(error.contains(part), "{part} is missing in: {error}");
    }
    let error =
        Catalog::builtin().extend("mine.yaml", "providers: []\nhosts: []\n").expect_err("unknown key");
    assert!(error.to_string().contains("hosts"), "{error}");
}

#[test]
fn every_field_of_the_built_in_catalog_makes_sense() {
    let catalog = Catalog::builtin();
    let families = ["openai", "anthropic", "gemini", "bedrock", "cohere", "ollama", "other"];
    let hosts = catalog.hosts();
    for host in &hosts {
        assert!(families.contains(&host.family()), "{}: {}", host.provider(), host.family());
        assert_eq!(host.origin(), "built in");
        assert!(host.is_local() || !host.auth().is_empty(), "{} asks for no credential", host.place());
    }
    let mut providers: Vec<&str> = hosts.iter().map(|host| host.provider()).collect();
    providers.dedup();
    assert!(providers.len() >= 60 && hosts.len() >= 150, "{} of {}", hosts.len(), providers.len());
}

#[test]
fn hosts_know_family_region_and_how_to_sign_in() {
    let catalog = Catalog::builtin();
    let check = |name: &str, family: &str, region: Option<&str>, auth: &[&str]| {
        let host = catalog.host(name).unwrap_or_else(|| panic!("{name} is unknown"));
        let found: Vec<String> = host.auth().iter().map(ToString::to_string).collect();
        assert_eq!((host.family(), host.region()), (family, region), "{name}");
        assert_eq!(found, auth, "{name}");
    };
    check("api.openai.com", "openai", None, &["authorization: Bearer"]);
    check("eu.api.openai.com", "openai", Some("eu"), &["authorization: Bearer"]);
    check("api.anthropic.com", "anthropic", None, &["x-api-key", "authorization: Bearer"]);
    check("mine.openai.azure.com", "openai", None, &["api-key", "authorization: Bearer"]);
    let signed = ["authorization: AWS4-HMAC-SHA256", "authorization: Bearer"];
    check("bedrock-runtime.eu-central-1.amazonaws.com", "bedrock", Some("eu-central-1"), &signed);
    let google = ["authorization: Bearer", "x-goog-api-key"];
    check("europe-west4-aiplatform.googleapis.com", "gemini", Some("europe-west4"), &google);
    check("aiplatform.googleapis.com", "gemini", Some("global"), &google);
    for unknown in
        ["s3.eu-central-1.amazonaws.com", "storage.googleapis.com", "bedrock-runtime.x.amazonaws.com"]
    {
        assert!(catalog.host(unknown).is_none(), "{unknown}");
    }
}

#[test]
fn paths_name_models_and_streams() {
    let catalog = Catalog::builtin();
    let check = |host: &str, path: &str, dialect: &str, model: Option<&str>, streams: bool| {
        let route = catalog.host(host).expect("known").route("POST", path);
        let found = (route.dialect.name(), route.model.as_deref(), route.streams);
        assert_eq!(found, (dialect, model, streams), "{path}");
    };
    let google = "generativelanguage.googleapis.com";
    for version in ["v1", "v1beta", "v1alpha"] {
        let path = |verb: &str| format!("/{version}/models/gemini-2.5-flash:{verb}");
        check(google, &path("generateContent"), "gemini", Some("gemini-2.5-flash"), false);
        check(google, &path("streamGenerateContent?alt=sse"), "gemini", Some("gemini-2.5-flash"), true);
    }
    let count = catalog.host(google).expect("known").route("POST", "/v1beta/models/g:countTokens");
    assert!(!count.charged && &*count.operation == "count_tokens");
    let vertex = "us-central1-aiplatform.googleapis.com";
    let at = |rest: &str| format!("/v1/projects/p/locations/us-central1/publishers/{rest}");
    check(
        vertex,
        &at("google/models/gemini-2.5-pro:streamGenerateContent"),
        "gemini",
        Some("gemini-2.5-pro"),
        true,
    );
    check(
        vertex,
        &at("anthropic/models/claude-opus-4-8:rawPredict"),
        "anthropic",
        Some("claude-opus-4-8"),
        false,
    );
    check(
        "mine.openai.azure.com",
        "/openai/deployments/gpt-4o/chat/completions",
        "openai_chat",
        Some("gpt-4o"),
        false,
    );
    check("api.openai.com", "/v1/responses", "openai_responses", None, false);
    check("chatgpt.com", "/backend-api/codex/responses", "openai_responses", None, false);
    check(
        "cloudcode-pa.googleapis.com",
        "/v1internal:streamGenerateContent?alt=sse",
        "gemini_wrapped",
        None,
        true,
    );
}

#[test]
fn engines_are_on_where_they_are_asked_for() {
    let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
    let mut catalog = Catalog::builtin();
    assert!(catalog.endpoints().is_empty() && catalog.endpoint(address("127.0.0.1:11434")).is_none());
    catalog.switch_on("ollama", None).expect("known");
    catalog.switch_on("vllm", Some(address("10.0.0.5:8001"))).expect("known");
    assert_eq!(
        catalog.endpoints(),
        [address("10.0.0.5:8001"), address("127.0.0.1:11434"), address("[::1]:11434")]
    );
    for at in ["127.0.0.1:11434", "[::1]:11434", "[::ffff:127.0.0.1]:11434"] {
        let host = catalog.endpoint(address(at)).expect("on");
        assert_eq!((host.provider(), host.family(), host.is_local()), ("ollama", "ollama", true));
        let route = host.route("POST", "/v1/chat/completions");
        assert!(!route.charged && route.class == Class::Inference && route.dialect.name() == "openai_chat");
    }
    assert!(catalog.endpoint(address("127.0.0.1:8000")).is_none());
    let error = catalog.switch_on("olama", None).expect_err("unknown").to_string();
    assert!(error.contains("olama") && error.contains("llamacpp, lmstudio, ollama, vllm"), "{error}");
    let text =
        "providers:\n  - {id: ours, name: Ours, endpoints: ['10.0.0.9:9000'], apis: {openai: [/v1]}}\n";
    catalog.extend("mine.yaml", text).expect("valid");
    let host = catalog.endpoint(address("10.0.0.9:9000")).expect("always on");
    assert_eq!((host.provider(), host.origin()), ("ours", "mine.yaml"));
}

#[test]
fn wrong_apis_regions_and_headers_are_reported() {
    let text = "providers:\n  - id: a\n    name: A\n    hosts: ['x.{region}.example.com']\n    regions: mars\n    \
                auth: ['not a header: x']\n    apis: {klingon: [/v1]}\n";
    let error = Catalog::builtin().extend("mine.yaml", text).expect_err("wrong").to_string();
    for part in ["needs `regions`", "aws, google", "no api is called", "bedrock", "is not a header"] {
        assert!(error.contains(part), "{part} is missing in: {error}");
    }
}
