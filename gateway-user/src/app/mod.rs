//! The composition root: puts the rooms together from a configuration, and runs them until told to stop.

mod answers;
mod run;
mod secret;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::Context;

pub use answers::answer;
pub use run::{Doors, Stopped, run};
pub use secret::digest_key;

use crate::{
    audit::Journal,
    capture::{Steer, SteerOptions},
    config::{Config, Dictionary, Mode},
    flow::{Coverage, Remembered, Running, Services, Untrusted},
    identity::Digester,
    inspect::{Engine, RuleSet},
    ledger::{Budget, Ledger, Nanos, Prices, ScopeName, Window},
    provider::Catalog,
    store::{Sled, Store},
    telemetry::Counters,
    tls::{leaf::Leaves, trust::Trust, verify::Upstreams},
    upstream::{Pool, PoolLimits},
    wire::event::Direction,
};

/// Idle HTTP/1.1 connections kept per upstream.
const IDLE_PER_TARGET: usize = 64;

/// How long an idle upstream connection is kept; most providers close theirs after a minute or more.
const IDLE: Duration = Duration::from_secs(55);

/// A gateway that is put together and not yet running.
pub struct App {
    /// What every flow shares.
    pub services: Arc<Services>,
    /// Where state lives.
    pub store: Arc<dyn Store>,
    /// The CA and its bundles.
    pub trust: Trust,
    /// The app its budget is for.
    pub name: Arc<str>,
}

impl App {
    /// Puts a gateway together for the app called `name`, and, where it has that door, steers its cgroup. Steering
    /// comes last, so that a failure before it leaves the app as it was.
    ///
    /// # Errors
    /// When the state folder is taken or damaged, a configured file cannot be used, or the kernel refuses.
    pub fn open(config: Config, name: &str, steer: Option<&SteerOptions>) -> anyhow::Result<App> {
        let catalog = catalog(&config)?;
        let store = open_store(&config)?;
        let ledger = open_ledger(&config, &store, name)?;
        let key = secret::digest_key(&config.state)?;
        let engine = Arc::new(engine(&config, &key)?);
        let trust = trust(&config, &catalog)?;
        trust.publish().context("the trust bundles cannot be written")?;
        let upstreams = Upstreams::new(config.upstream_ca.as_deref())?;
        let limits = PoolLimits {
            idle_per_target: IDLE_PER_TARGET,
            idle: IDLE,
            connect: config.limits.upstream_connect,
            first_byte: config.limits.first_byte,
        };
        let leaves = Leaves::new(Arc::clone(trust.authority()))?;
        let journal = Journal::open(Arc::clone(&store))?;
        let steer = steer.map(Steer::attach).transpose()?.map(Arc::new);
        let name = Arc::from(name);
        let services = Services {
            app: Arc::clone(&name),
            pool: Pool::new(upstreams, steer.clone(), limits),
            leaves,
            journal,
            counters: Arc::new(Counters::default()),
            running: Running::default(),
            remembered: Remembered::default(),
            coverage: Arc::new(Coverage::default()),
            untrusted: Arc::new(Untrusted::default()),
            digester: Digester::new(&key),
            spoken: Mutex::new(HashMap::new()),
            config,
            catalog,
            engine,
            ledger,
            steer,
        };
        Ok(App { services: Arc::new(services), store, trust, name })
    }

    /// Writes everything down and lets go of the store.
    pub fn close(self) -> anyhow::Result<()> {
        let recorded = self.services.journal.close();
        self.services.ledger.close().context("the ledger could not be written")?;
        anyhow::ensure!(
            recorded,
            "some records could not be written to {}",
            self.services.config.state.display()
        );
        Ok(())
    }
}

/// The known hosts: built in, then the operator's files.
pub fn catalog(config: &Config) -> anyhow::Result<Catalog> {
    let mut catalog = Catalog::builtin();
    for file in &config.providers {
        catalog.extend_from_file(file)?;
    }
    Ok(catalog)
}

/// The patterns of all known hosts, as the kernel and the CA's name constraints take them; names that never resolve
/// (RFC 6761) left out.
pub fn known_hosts(catalog: &Catalog) -> Vec<String> {
    catalog.patterns().iter().map(ToString::to_string).filter(|host| !host.ends_with(".invalid")).collect()
}

/// Opens the store of the state folder, which no other gateway may have open.
pub fn open_store(config: &Config) -> anyhow::Result<Arc<dyn Store>> {
    Ok(Arc::new(Sled::open(&store_folder(config))?))
}

fn store_folder(config: &Config) -> PathBuf {
    config.state.join("store")
}

/// The CA of the state folder; made if there is none.
pub fn trust(config: &Config, catalog: &Catalog) -> anyhow::Result<Trust> {
    let hosts = known_hosts(catalog);
    let trust = Trust::init(&config.state, &hosts)?;
    let missing = trust.authority().not_permitted(&hosts);
    if !missing.is_empty() {
        tracing::warn!(hosts = ?missing, "the CA may not sign these hosts: run `gateway trust init --renew`");
    }
    Ok(trust)
}

/// Budgets and prices over an open store. The budget is the app's: what other apps spent does not count against it.
pub fn open_ledger(config: &Config, store: &Arc<dyn Store>, name: &str) -> anyhow::Result<Ledger> {
    let mut prices = Prices::builtin();
    for file in &config.prices {
        prices.extend_from_file(file)?;
    }
    let prices = prices.with_unknown(config.unknown_model);
    let budget = config.budget.map(|limit| Budget {
        scope: ScopeName::app(name),
        limit: Nanos(limit),
        window: Window::Total,
        enforce: config.mode == Mode::Strict,
    });
    Ok(Ledger::open(Arc::clone(store), budget.into_iter().collect(), prices)?)
}

/// The compiled rules: built in, then the operator's files, word lists and changes.
pub fn engine(config: &Config, key: &[u8; 32]) -> anyhow::Result<Engine> {
    let mut rules = RuleSet::builtin();
    for file in &config.rules.files {
        rules.extend_from_file(file)?;
    }
    for list in &config.rules.dictionaries {
        rules.extend_from_text(&format!("rules.dictionaries.{}", list.name), &dictionary(list), None)?;
    }
    rules.disable(&config.rules.disable)?;
    for (name, actions) in &config.rules.actions {
        for (direction, wanted) in [(Direction::Request, actions.request), (Direction::Reply, actions.reply)]
        {
            if let Some(wanted) = wanted {
                rules.set_action(name, direction, wanted)?;
            }
        }
    }
    Ok(Engine::build(&rules, config.mode == Mode::Strict, key)?)
}

/// A word list as the rule file it stands for.
fn dictionary(list: &Dictionary) -> String {
    let rule = serde_json::json!({ "rules": [{
        "id": list.name,
        "category": "dictionary",
        "severity": "high",
        "description": format!("A word of {}", list.file.display()),
        "words_file": list.file,
        "ignore_case": true,
        "action": { "request": list.action, "reply": list.action },
    }]});
    // JSON is YAML.
    rule.to_string()
}

/// Whether anything was ever stored there.
pub fn has_store(config: &Config) -> bool {
    store_folder(config).exists()
}
