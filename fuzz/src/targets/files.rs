//! Files operators write: taken, or refused with reasons.

use std::io::Write;

use gateway::config::Layers;
use gateway::provider::Catalog;

/// A configuration file.
pub fn config(data: &[u8]) {
    let Ok(mut file) = tempfile::NamedTempFile::new() else { return };
    if file.write_all(data).is_err() {
        return;
    }
    match Layers::new().file(file.path()).load() {
        Ok(config) => assert!(!config.explain().is_empty()),
        Err(problems) => assert!(problems.iter().all(|problem| !problem.to_string().is_empty())),
    }
}

/// A file of providers: whatever it says, the hosts that were known are still looked up.
pub fn catalog(data: &[u8]) {
    let mut catalog = Catalog::builtin();
    match catalog.extend("fuzz", &String::from_utf8_lossy(data)) {
        Ok(()) => assert!(!catalog.patterns().is_empty()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
