//! Runs the target that `FUZZ_TARGET` names under libFuzzer.
#![no_main]

use std::sync::LazyLock;

static TARGET: LazyLock<gateway_fuzz::Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").expect("FUZZ_TARGET names a target; run `cargo xtask fuzz`");
    gateway_fuzz::target(&name).unwrap_or_else(|| panic!("no fuzz target is called {name}"))
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| TARGET(data));
