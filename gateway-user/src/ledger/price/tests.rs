//! Names find their price, prices multiply exactly, and bad files say what is wrong.

use super::*;

fn dollars(rates: &Rates) -> (u64, u64) {
    (rates.input / 1_000_000, rates.output / 1_000_000)
}

#[test]
fn names_find_their_price() {
    let prices = Prices::builtin();
    // Thousandths of a dollar per million tokens, in and out.
    for (model, expected) in [
        ("gpt-4o", (2_500, 10_000)),
        ("gpt-4o-2024-08-06", (2_500, 10_000)),
        ("gpt-4o-2024-05-13", (5_000, 15_000)),
        ("openai/gpt-4o", (2_500, 10_000)),
        ("GPT-4o", (2_500, 10_000)),
        ("gpt-4-0613", (30_000, 60_000)),
        ("gpt-5-chat-latest", (1_250, 10_000)),
        ("gpt-5-pro-2025-10-06", (15_000, 120_000)),
        ("claude-opus-4-20250514", (15_000, 75_000)),
        ("claude-opus-4-5-20251101", (5_000, 25_000)),
        ("claude-3-5-sonnet-latest", (3_000, 15_000)),
        ("anthropic/claude-3-5-sonnet@20240620", (3_000, 15_000)),
    ] {
        let price = prices.price(model);
        assert!(price.known, "{model}");
        assert_eq!(dollars(&price.rates), expected, "{model}");
    }
}

#[test]
fn other_names_have_the_highest_price() {
    let prices = Prices::builtin();
    for model in
        ["", "-", "/", "gpt-4o-huge", "gpt-4o-1", "gpt-4o-20240806x", "ft:gpt-4o-2024-08-06:us::1", "-0613"]
    {
        let price = prices.price(model);
        assert!(!price.known, "{model}");
        assert_eq!(dollars(&price.rates), (150_000, 600_000), "{model}");
    }
}

#[test]
fn costs_are_exact_and_round_up_once() {
    let rates =
        Rates { input: 2_500_000_001, cached_input: 1, cache_write: 3_125_000_000, output: 10_000_000_000 };
    let long = Rates { input: 5_000_000_000, ..rates };
    let price = Price { rates, long: Some((1_000, long)), known: true };
    let usage = |input, cached_input, cache_write, output| Usage {
        input,
        cached_input,
        cache_write,
        output,
        ..Usage::default()
    };
    for (usage, expected) in [
        (usage(0, 0, 0, 0), 0),
        (usage(1, 0, 0, 0), 2_501),
        (usage(0, 1, 0, 0), 1),
        (usage(100, 100, 100, 100), 250_001 + 312_500 + 1_000_000),
        (usage(1_000, 0, 0, 0), 2_500_001),
        (usage(999, 1, 1, 0), 999 * 5_000 + 3_125 + 1),
        (usage(u64::MAX, u64::MAX, u64::MAX, u64::MAX), u64::MAX),
    ] {
        assert_eq!(price.cost(&usage), Nanos(expected), "{usage:?}");
    }
}

#[test]
fn bad_files_say_what_is_wrong() {
    let file = |models: &str| format!("as_of: 2026-01-01\nmodels:\n{models}\n");
    for (text, expected) in [
        (file(r#"  - { id: a, input: "1", output: "x" }"#), "model a"),
        (file(r#"  - { id: a, input: "1", output: "-1" }"#), "model a"),
        (file(r#"  - { id: a, input: "1", output: "1", inptu: "1" }"#), "inptu"),
        (file(r#"  - { id: a, aliases: [A], input: "1", output: "1" }"#), "twice"),
        ("as_of: soon\nmodels: []".to_owned(), "soon"),
        ("models: []".to_owned(), "as_of"),
        (String::new(), "mine.yaml"),
    ] {
        let error = Prices::parse(&text, "mine.yaml").expect_err("not a price file").to_string();
        assert!(error.starts_with("mine.yaml") && error.contains(expected), "{expected}: {error}");
    }
}

#[test]
fn an_operators_file_wins_over_the_table() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mine.yaml");
    std::fs::write(&path, "as_of: 2027-01-01\nmodels: [{ id: gpt-4o, input: '1', output: '700' }]").unwrap();
    let mut prices = Prices::builtin();
    prices.extend_from_file(&path).unwrap();
    assert_eq!(dollars(&prices.price("gpt-4o").rates), (1_000, 700_000));
    assert_eq!(dollars(&prices.price("unheard-of").rates), (150_000, 700_000));
    assert_eq!(prices.as_of(), "2027-01-01");
    assert!(prices.extend_from_file(&dir.path().join("none")).is_err());
}

/// The recorded usage objects cost what an independent calculator says, to the nano-dollar.
#[test]
fn recorded_usage_costs_what_others_compute() {
    let Some(corpus) = std::env::var_os("GATEWAY_CORPUS") else { return };
    let path = Path::new(&corpus).join("prices/usage_cases.jsonl");
    let prices = Prices::builtin();
    let mut checked = 0;
    for line in std::fs::read_to_string(path).expect("the corpus has usage cases").lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let model = case["model"].as_str().unwrap_or_default();
        for expected in case["expected"].as_array().into_iter().flatten() {
            checked += usize::from(check_case(&prices, model, expected));
        }
    }
    assert!(checked >= 20, "only {checked} cases are for models of the table");
}

/// Models whose recorded cases were priced at an introductory rate that has ended since.
const DEARER_NOW: &[&str] = &["claude-sonnet-5"];

/// Compares one case if an extractor of OpenAI or Anthropic priced it and it is all text.
fn check_case(prices: &Prices, model: &str, expected: &serde_json::Value) -> bool {
    let ours = |extractor: &&serde_json::Value| {
        matches!(extractor["provider_id"].as_str(), Some("openai" | "anthropic"))
            && !extractor["input_price"].is_null()
    };
    let priced = expected["extractors"].as_array().into_iter().flatten().find(ours);
    let price = prices.price(model);
    let usage = &expected["usage"];
    let audio = usage.as_object().is_some_and(|usage| usage.keys().any(|key| key.contains("audio")));
    let fits = price.known && !DEARER_NOW.contains(&model);
    let (Some(priced), true, false) = (priced, fits, audio) else { return false };
    let count = |name: &str| usage[name].as_u64().unwrap_or(0);
    let (cached_input, cache_write) = (count("cache_read_tokens"), count("cache_write_tokens"));
    let input = count("input_tokens") - cached_input - cache_write;
    let cost =
        price.cost(&Usage { input, cached_input, cache_write, output: count("output_tokens"), reasoning: 0 });
    let exact = parts(&priced["input_price"]) + parts(&priced["output_price"]);
    assert_eq!(u128::from(cost.0), exact.div_ceil(10_u128.pow(DECIMALS - 9)), "{model}: {usage}");
    true
}

/// Decimals of a dollar to which prices of the corpus are read.
const DECIMALS: u32 = 24;

/// Dollars in a JSON string such as `0.0025` or `1.5E-7`, in units of 10⁻²⁴.
fn parts(price: &serde_json::Value) -> u128 {
    let text = price.as_str().unwrap_or("0");
    let (number, exponent) = text.split_once("E-").unwrap_or((text, "0"));
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    let digits: u128 = format!("{whole}{decimals}").parse().unwrap();
    digits * 10_u128.pow(DECIMALS - decimals.len() as u32 - exponent.parse::<u32>().unwrap())
}
