//! The composition root: puts the rooms together from a configuration, and runs them until told to stop.

mod answers;
mod attach;
mod comeback;
mod coverage;
mod doors;
mod earlier;
mod rights;
mod run;
mod secret;
mod security;
mod serving;
mod spaces;
mod steer;
mod tools;
mod vault;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::Context;

pub use answers::answer;
pub use attach::{Attachment, attach};
pub use doors::Transparent;
pub use rights::files;
pub use run::{Doors, Stopped, run};
pub use secret::digest_key;

use vault::Keeper;

use crate::{
    audit::Journal,
    capture::{Exempt, SteerOptions, Steering},
    config::{Config, Dictionary, Mode, Place},
    flow::{Coverage, Remembered, Running, Services, Untrusted},
    identity::Digester,
    inspect::{Action, Category, Engine, RuleSet, tools::Policy},
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
    /// What the flows of the first app share, or those of the proxy doors.
    pub services: Arc<Services>,
    /// Every app that is served, in the order given.
    pub served: Vec<Served>,
    /// Where state lives.
    pub store: Arc<dyn Store>,
    /// The CA and its bundles.
    pub trust: Trust,
    /// What enters other network namespaces, at the transparent door.
    threads: Option<spaces::Threads>,
    shared: Arc<Shared>,
}

/// An app to be served: its policy, its name and how its connections are steered.
pub struct Wanted {
    /// The effective configuration for this app.
    pub config: Config,
    /// What it is called, in records and for its budget.
    pub name: String,
    /// How its cgroup was named, where it is to be found again after a restart.
    pub place: Option<Place>,
    /// Steering of its cgroup; none at the proxy doors.
    pub steer: Option<SteerOptions>,
}

/// An app that is served.
#[derive(Clone)]
pub struct Served {
    /// What its flows share.
    pub services: Arc<Services>,
    /// Its cgroup; none at the proxy doors.
    pub cgroup: Option<PathBuf>,
    /// How that was named.
    pub place: Option<Place>,
}

impl App {
    /// Puts a gateway together for `apps`, and, where they have that door, steers their cgroups. `config` says what
    /// holds for the gateway as a whole. Steering comes last, so that a failure before it leaves the apps as they were.
    ///
    /// # Errors
    /// When there is no app, the state folder is taken or damaged, a configured file cannot be used, or the kernel
    /// refuses.
    pub fn open(config: &Config, apps: Vec<Wanted>) -> anyhow::Result<App> {
        let catalog = catalog(config)?;
        let store = open_store(config)?;
        let ledger = Arc::new(open_ledger(config, &store, apps.iter().map(|app| (&*app.name, &app.config)))?);
        let key = secret::digest_key(&config.state)?;
        let engines = engines(&apps, &key)?;
        let policies = apps.iter().map(|app| tools::policy(&app.config, &key));
        let policies = policies.collect::<anyhow::Result<Vec<_>>>()?;
        let tokenizes = engines.iter().any(|engine| engine.tokenizes());
        let tokens = tokenizes.then(|| Keeper::open(config, Arc::clone(&store))).transpose()?;
        let trust = trust(config, &catalog)?;
        trust.publish().context("the trust bundles cannot be written")?;
        let exempt = Exempt::default();
        let shared = Arc::new(Shared {
            pool: Arc::new(pool(config, exempt.clone())?),
            leaves: Arc::new(Leaves::new(Arc::clone(trust.authority()))?),
            journal: Arc::new(Journal::open(Arc::clone(&store))?),
            counters: Arc::default(),
            coverage: Arc::default(),
            untrusted: Arc::default(),
            catalog,
            ledger,
            exempt,
            key,
            tokens,
        });
        // Before rights are given up: these threads keep what they need.
        let is_steered = apps.iter().any(|app| app.steer.is_some());
        let threads = is_steered.then(spaces::Threads::start).transpose()?;
        let steers = steer::attach(&apps)?;
        let served: Vec<Served> = apps
            .into_iter()
            .zip(engines)
            .zip(policies)
            .zip(steers)
            .map(|(((app, engine), tools), steer)| shared.serve(app, engine, tools, steer))
            .collect();
        let services = served.first().map(|first| Arc::clone(&first.services));
        let services = services.context("there is no app to serve")?;
        Ok(App { services, served, store, trust, threads, shared })
    }

    /// Writes everything down and lets go of the store.
    pub fn close(self) -> anyhow::Result<()> {
        let recorded = self.services.journal.close();
        if let Some(tokens) = &self.shared.tokens {
            tokens.close();
        }
        self.services.ledger.close().context("the ledger could not be written")?;
        anyhow::ensure!(
            recorded,
            "some records could not be written to {}",
            self.services.config.state.display()
        );
        Ok(())
    }
}

/// What all apps of one gateway share.
struct Shared {
    catalog: Catalog,
    ledger: Arc<Ledger>,
    journal: Arc<Journal>,
    leaves: Arc<Leaves>,
    pool: Arc<Pool>,
    counters: Arc<Counters>,
    coverage: Arc<Coverage>,
    untrusted: Arc<Untrusted>,
    exempt: Exempt,
    key: [u8; 32],
    /// The vault, where any app's rules give tokens.
    tokens: Option<Keeper>,
}

impl Shared {
    fn serve(
        &self,
        app: Wanted,
        engine: Arc<Engine>,
        tools: Arc<Policy>,
        steer: Option<Arc<Steering>>,
    ) -> Served {
        if let Some(steer) = &steer {
            self.exempt.add(steer);
        }
        let cgroup = app.steer.map(|options| options.cgroup);
        let vault = self.tokens.as_ref().filter(|_| engine.tokenizes());
        let services = Services {
            vault: vault.map(|tokens| Arc::clone(&tokens.vault)),
            app: Arc::from(app.name),
            config: app.config,
            catalog: self.catalog.clone(),
            engine,
            tools,
            ledger: Arc::clone(&self.ledger),
            journal: Arc::clone(&self.journal),
            leaves: Arc::clone(&self.leaves),
            pool: Arc::clone(&self.pool),
            steer,
            exempt: self.exempt.clone(),
            counters: Arc::clone(&self.counters),
            coverage: Arc::clone(&self.coverage),
            untrusted: Arc::clone(&self.untrusted),
            running: Running::default(),
            remembered: Remembered::default(),
            digester: Digester::new(&self.key),
            spoken: Mutex::new(HashMap::new()),
        };
        Served { services: Arc::new(services), cgroup, place: app.place }
    }
}

fn pool(config: &Config, exempt: Exempt) -> anyhow::Result<Pool> {
    let upstreams = Upstreams::new(config.upstream_ca.as_deref())?;
    let limits = PoolLimits {
        idle_per_target: IDLE_PER_TARGET,
        idle: IDLE,
        connect: config.limits.upstream_connect,
        first_byte: config.limits.first_byte,
    };
    Ok(Pool::new(upstreams, exempt, limits))
}

/// The compiled rules of each app; apps with equal rules share them, as they take some memory.
fn engines(apps: &[Wanted], key: &[u8; 32]) -> anyhow::Result<Vec<Arc<Engine>>> {
    let mut built: Vec<Arc<Engine>> = Vec::with_capacity(apps.len());
    for (at, app) in apps.iter().enumerate() {
        let alike =
            |other: &Wanted| (&other.config.rules, other.config.mode) == (&app.config.rules, app.config.mode);
        let engine = match apps[..at].iter().position(alike) {
            Some(same) => Arc::clone(&built[same]),
            None => Arc::new(engine(&app.config, key)?),
        };
        built.push(engine);
    }
    Ok(built)
}

/// The known hosts: built in, then the operator's files, then the local engines that are asked for.
pub fn catalog(config: &Config) -> anyhow::Result<Catalog> {
    let mut catalog = Catalog::builtin();
    for file in &config.providers {
        catalog.extend_from_file(file)?;
    }
    for engine in &config.local {
        catalog.switch_on(&engine.id, engine.address)?;
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

/// Budgets and prices over an open store. A budget is its app's: what other apps spent does not count against it.
pub fn open_ledger<'a>(
    config: &Config,
    store: &Arc<dyn Store>,
    apps: impl IntoIterator<Item = (&'a str, &'a Config)>,
) -> anyhow::Result<Ledger> {
    let mut prices = Prices::builtin();
    for file in &config.prices {
        prices.extend_from_file(file)?;
    }
    let prices = prices.with_unknown(config.unknown_model);
    let budget = |(name, config): (&str, &Config)| {
        config.budget.map(|limit| Budget {
            scope: ScopeName::app(name),
            limit: Nanos(limit),
            window: Window::Total,
            enforce: config.mode == Mode::Strict,
        })
    };
    let budgets = apps.into_iter().filter_map(budget).collect();
    Ok(Ledger::open(Arc::clone(store), budgets, prices)?)
}

/// The compiled rules.
pub fn engine(config: &Config, key: &[u8; 32]) -> anyhow::Result<Engine> {
    Ok(Engine::build(&rules(config)?, config.mode == Mode::Strict, key)?)
}

/// The rules: built in, then the operator's files, word lists and changes.
pub fn rules(config: &Config) -> anyhow::Result<RuleSet> {
    let mut rules = RuleSet::builtin();
    for file in &config.rules.files {
        rules.extend_from_file(file)?;
    }
    for list in &config.rules.dictionaries {
        rules.extend_from_text(&format!("rules.dictionaries.{}", list.name), &dictionary(list), None)?;
    }
    security::apply(&mut rules, &config.security)?;
    rules.disable(&config.rules.disable)?;
    // What is said of a category holds for its rules, but for those of which something is said by name.
    let (named, whole): (Vec<_>, Vec<_>) =
        config.rules.actions.iter().partition(|(name, _)| Category::parse(name).is_none());
    for (name, actions) in whole.into_iter().chain(named) {
        for (direction, wanted) in [(Direction::Request, actions.request), (Direction::Reply, actions.reply)]
        {
            if let Some(wanted) = wanted {
                rules.set_action(name, direction, wanted)?;
            }
        }
    }
    Ok(rules)
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
        "action": { "request": list.action, "reply": in_replies(list.action) },
    }]});
    // JSON is YAML.
    rule.to_string()
}

/// Replies know no tokens: what would get one in a request is masked there.
fn in_replies(action: Action) -> Action {
    if action == Action::Tokenize { Action::Redact } else { action }
}

/// Whether anything was ever stored there.
pub fn has_store(config: &Config) -> bool {
    store_folder(config).exists()
}
