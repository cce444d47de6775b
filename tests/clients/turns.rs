//! One streamed turn of a program as people start it: what its user must see, and what the provider's log must prove.

use std::fmt;
use std::process::ExitStatus;

use gateway::simulate::{Outcome, Received, sample_key};
use gateway_tests::{PATIENCE, world};
use serde_json::Value;

use crate::client::Scene;
use crate::programs::Program;

/// The prose the simulated provider begins with.
const PROSE: &str = "The gateway reads along";

/// Refuses what is only redacted otherwise.
const REFUSING: &str = "rules:\n  actions:\n    secret: {request: block}\n";
/// The methods of requests that ask a model, as the provider and the records call them.
const ASKING: [&str; 2] = ["POST", "WEBSOCKET"];
/// Pays for 500 tokens of output at the price that [`cut`] sets, whatever the model and the length of the prompt.
const BUDGET: &str = "0.005";

/// A key in the prompt does not leave the machine, and a key in the answer does not reach the program.
pub fn redaction(program: &'static Program) {
    world::inside(move |_| async move {
        let scene = Scene::new().await;
        let turn = Turn::run(scene, program, &with_key("say=key deltas=40"), "10", "").await;
        assert!(turn.status.success(), "{turn}");
        assert!(turn.out.contains("_REDACTED] and please"), "the answer is not shown: {turn}");
        assert!(!turn.out.contains(&sample_key()), "the key reached the program: {turn}");
        let asked = turn.asked();
        assert_eq!(asked.len(), 1, "{turn}");
        assert!(!turn.scene.provider.saw(own_key().as_bytes()), "the key left the machine: {turn}");
        assert!(asked[0].text().contains("_REDACTED], keep it."), "{}", asked[0].text());
        assert_eq!(asked[0].authority, program.host);
    });
}

/// A refused request shows its reason, goes nowhere and is not repeated.
pub fn refusal(program: &'static Program) {
    world::inside(move |_| async move {
        let scene = Scene::new().await;
        let turn = Turn::run(scene, program, &with_key(""), "10", REFUSING).await;
        assert!(turn.all().contains("gateway:"), "the reason is not shown: {turn}");
        assert!(turn.asked().is_empty(), "{turn}");
        let records = turn.inferences();
        assert_eq!(records.len(), 1, "refused once, not asked again: {records:#?}");
        assert_eq!(records[0]["verdict"].as_str(), Some("blocked"), "{records:#?}");
        // Messages of a WebSocket have no status of their own.
        if records[0]["method"] == "POST" {
            assert_eq!(records[0]["status"].as_u64(), Some(400), "{records:#?}");
        }
    });
}

/// An answer that is cut at its budget shows what there was and the reason, and is not asked for again.
pub fn cut(program: &'static Program) {
    world::inside(move |_| async move {
        let scene = Scene::new().await;
        let price = format!("{{ id: \"{}\", input: \"0\", output: \"10\" }}", program.model);
        scene.state.file("prices.yaml", &format!("as_of: 2026-11-22\nmodels: [{price}]\n"));
        let prompt = "hello\n#sim deltas=50000 pace_us=100";
        let turn = Turn::run(scene, program, prompt, BUDGET, "prices: [prices.yaml]\n").await;
        assert!(turn.out.contains(PROSE), "the answer is not shown: {turn}");
        assert!(turn.out.to_lowercase().contains("budget"), "the reason is not shown: {turn}");
        let asked = turn.asked();
        assert_eq!(asked.len(), 1, "{turn}");
        // Nothing is edited here, so it arrives as the program sent it.
        assert_eq!(asked[0].header("content-encoding"), program.encoding);
        let cancelled = |all: &[Received]| all.iter().any(|one| one.outcome == Outcome::Cancelled);
        turn.scene.provider.until(PATIENCE, cancelled).await.expect("upstream is cancelled");
        let records = turn.inferences();
        assert_eq!(records[0]["model"].as_str(), Some(program.model));
        assert_eq!(records.len(), 1, "cut once, not asked again: {records:#?}");
        assert_eq!(records[0]["verdict"].as_str(), Some("cut"), "{records:#?}");
    });
}

/// A prompt with the user's own key in it, and the script line.
fn with_key(script: &str) -> String {
    format!("My key is {}, keep it.\n#sim {script}", own_key())
}

/// The user's key: another than the one in the answers, so that a program may repeat its prompt.
fn own_key() -> String {
    ["AKIA", "X5RWKNQD", "7GJLTB3M"].concat()
}

/// A program that ran to its end under `gateway run`.
pub struct Turn {
    /// How the command of the gateway ended, which passes on how the program ended.
    pub status: ExitStatus,
    /// Every record, oldest first.
    pub records: Vec<Value>,
    scene: Scene,
    program: &'static Program,
    out: String,
    said: String,
}

impl Turn {
    /// Runs it in an empty folder with a home of its own; `config` are more lines of the gateway's configuration.
    ///
    /// # Panics
    /// When it does not end by itself, or the gateway panics.
    pub async fn run(
        scene: Scene,
        program: &'static Program,
        prompt: &str,
        budget: &str,
        config: &str,
    ) -> Turn {
        let work = scene.state.path().join("work");
        std::fs::create_dir(&work).expect("a fresh folder");
        if let Some((path, text)) = program.home {
            let path = scene.state.path().join(path);
            let folder = path.parent().expect("a file has a folder");
            std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, text)).expect("written");
        }
        let config = scene.state.file("gateway.yaml", &format!("{}{config}", program.settings));
        let config = config.display().to_string();
        let mut command = scene.command(&["--config", &config, "--budget", budget], &program.command(prompt));
        command.envs(program.environment.iter().copied()).current_dir(work);
        let done = tokio::time::timeout(PATIENCE * 2, command.output()).await;
        let done = done.expect("the program ends by itself").expect("the gateway can be run");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, said) = (text(&done.stdout), text(&done.stderr));
        let records = scene.state.records().await;
        let turn = Turn { scene, program, status: done.status, out, said, records };
        assert!(!turn.said.contains("panicked at"), "{turn}");
        turn
    }

    /// What its user sees.
    fn all(&self) -> String {
        format!("{}{}", self.out, self.said)
    }

    /// The inference requests that the provider got; agents ask their host for other things as well, and Codex warms
    /// a WebSocket up with a request that generates nothing.
    pub fn asked(&self) -> Vec<Received> {
        let mut received = self.scene.provider.received();
        received.retain(|one| {
            let path = one.path.split('?').next().unwrap_or("");
            let asks = ASKING.contains(&one.method.as_str()) && path.ends_with(self.program.path);
            asks && !is_warm_up(one)
        });
        received
    }

    /// The records of its inference requests, without the one that warms a WebSocket up.
    fn inferences(&self) -> Vec<&Value> {
        let ours = |record: &&Value| {
            let path = record["path"].as_str().unwrap_or("");
            let method = record["method"].as_str().unwrap_or("");
            ASKING.contains(&method) && path.ends_with(self.program.path)
        };
        // A warm-up comes first.
        let warm_ups = self.scene.provider.received().iter().filter(|one| is_warm_up(one)).count();
        self.records.iter().filter(ours).skip(warm_ups).collect()
    }
}

/// Whether a message only prepares the next one, as Codex sends it over a WebSocket.
fn is_warm_up(one: &Received) -> bool {
    one.method == "WEBSOCKET" && one.text().contains(r#""generate":false"#)
}

/// For failures: everything that happened.
impl fmt::Display for Turn {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(to, "it ended with {}", self.status)?;
        writeln!(to, "---- standard output ----\n{}", self.out)?;
        writeln!(to, "---- standard error ----\n{}", self.said)?;
        writeln!(to, "---- recorded ----")?;
        for record in &self.records {
            let [host, method, path, verdict, reason] = ["host", "method", "path", "verdict", "reason"]
                .map(|key| record[key].as_str().unwrap_or("-"));
            writeln!(to, "{method} {host}{path}: {} {verdict}, {reason}", record["status"])?;
        }
        writeln!(to, "---- the provider got ----")?;
        for one in self.scene.provider.received() {
            writeln!(to, "{} {}{} → {}, {:?}", one.method, one.authority, one.path, one.status, one.outcome)?;
        }
        Ok(())
    }
}
